//! The encoding as plainly as it can be said: unit after unit onto one stream of types, then
//! functions, then one deduplication. It is the reference for the parallel path, and what does the
//! work where that path does not apply.

pub(crate) mod encode;
pub(crate) mod functions;
pub(crate) mod stream;
pub(crate) mod variables;

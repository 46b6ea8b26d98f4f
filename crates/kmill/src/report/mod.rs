//! What a run tells people about itself, besides its results.

pub(crate) mod phases;
pub(crate) mod progress;
pub(crate) mod streams;

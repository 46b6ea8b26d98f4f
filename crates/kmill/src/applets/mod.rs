//! The old tools' command lines, spoken exactly.

pub(crate) mod depmod;
pub(crate) mod pahole;

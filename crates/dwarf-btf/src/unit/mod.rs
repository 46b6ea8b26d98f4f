//! What a unit says, entry by entry, in the order and with the ids that the encoding depends on.

pub(crate) mod ids;
pub(crate) mod load;
pub(crate) mod model;
pub(crate) mod packed;
pub(crate) mod resolve;
pub(crate) mod rules;

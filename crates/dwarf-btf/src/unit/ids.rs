//! What the tables of a unit are indexed by.

/// A type's number within its unit: 1 is the first, 0 is `void`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CoreId(pub(crate) u32);

/// The place of an entry in `.debug_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DieOffset(pub(crate) u64);

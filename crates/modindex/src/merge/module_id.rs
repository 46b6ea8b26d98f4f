//! The number that a module has in an index.

/// A module's place in the index, which is also its priority there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub(crate) u32);

impl ModuleId {
    /// As an index into lists of modules.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

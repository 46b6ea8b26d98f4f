//! The map from each type to the one it is a duplicate of: chains that end in a type mapped to
//! itself, or in one that is not mapped yet.

use crate::btf::Btf;
use crate::types::{Type, TypeId};

/// Not mapped yet.
pub(super) const UNPROCESSED: u32 = u32::MAX;
/// On the stack of the reference phase.
pub(super) const IN_PROGRESS: u32 = u32::MAX - 1;

/// A type that is known to be there.
pub(super) fn at(btf: &Btf, id: u32) -> Type<'_> {
    btf.get(TypeId(id)).expect("ids were checked when they were read or made")
}

/// What each type is mapped to. Those of a base are mapped to themselves, but for a few declarations
/// that were found to be something of ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    ids: Vec<u32>,
    /// The first id that is not the base's.
    first: u32,
    /// Ids of the base that are mapped to others.
    changed: Vec<u32>,
}

impl Map {
    /// Nothing is mapped yet, of ids from `first` to `last`.
    pub(super) fn renew(&mut self, first: u32, last: u32) {
        if self.first == first {
            for id in self.changed.drain(..) {
                self.ids[id as usize] = id;
            }
            self.ids.truncate(first as usize);
        } else {
            *self = Map { ids: (0..first).collect(), first, changed: Vec::new() };
        }
        self.ids.resize(last as usize + 1, UNPROCESSED);
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> u32 {
        self.ids[id as usize]
    }

    #[inline]
    pub(super) fn set(&mut self, id: u32, to: u32) {
        if id < self.first {
            self.changed.push(id);
        }
        self.ids[id as usize] = to;
    }

    /// One more than the largest id.
    pub(super) fn end(&self) -> u32 {
        self.ids.len() as u32
    }

    /// The end of a type's chain.
    #[inline]
    pub(super) fn resolve(&self, id: TypeId) -> TypeId {
        let mut id = id.0;
        loop {
            match self.get(id) {
                UNPROCESSED | IN_PROGRESS => return TypeId(id),
                next if next == id => return TypeId(id),
                next => id = next,
            }
        }
    }
}

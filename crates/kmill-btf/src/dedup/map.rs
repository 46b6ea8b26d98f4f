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

/// The end of a type's chain.
pub(super) fn resolve(map: &[u32], id: TypeId) -> TypeId {
    let mut id = id.0;
    loop {
        match map[id as usize] {
            UNPROCESSED | IN_PROGRESS => return TypeId(id),
            next if next == id => return TypeId(id),
            next => id = next,
        }
    }
}

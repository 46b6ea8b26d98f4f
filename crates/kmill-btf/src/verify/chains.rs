//! Chains of modifiers: not too long, no circles, and attributes of a type before anything else.
//!
//! The kernel looks at every chain from each of its types, with a limit that counts from there but
//! stops at types that it has already looked at.

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::TypeId;

use super::problem::{Asked, Problem, What};

/// So many modifiers may stand one behind another.
const LONGEST: usize = 32;

/// Whether a kind's size is that of what it refers to, in the kernel's words a modifier.
pub(super) const fn is_modifier(kind: Kind) -> bool {
    matches!(kind, Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag)
}

/// One problem for each type with whose chain there is one.
pub(super) fn problems(btf: &Btf) -> impl Iterator<Item = Problem> + '_ {
    btf.types.iter().filter_map(|(id, ty)| {
        let what = is_modifier(ty.kind()).then(|| follow(btf, id)).flatten()?;
        Some(Problem { id, what, asked: Asked::Always })
    })
}

fn follow(btf: &Btf, first: TypeId) -> Option<What> {
    // Types with lower ids were looked at before: their chains need no second look, but their
    // own kind counts.
    let mut id = first;
    let mut in_tags = true;
    let mut left = LONGEST;
    loop {
        let ty = btf.get(id).filter(|ty| is_modifier(ty.kind()))?;
        if left == 0 {
            return Some(What::Chain);
        }
        left -= 1;
        let tag = ty.kind() == Kind::TypeTag;
        if tag && !in_tags {
            return Some(What::TagBehindModifier);
        }
        in_tags &= tag;
        if id < first {
            return None;
        }
        id = ty.target();
    }
}

//! What one type says without a look at what it refers to: its hash, and when two are equal.

use crate::format::Kind;
use crate::types::Type;

/// The key of a type in the table. Members' types do not count: they may not be canonical yet.
/// libbpf's multiplier, so that keys which collide there collide here.
pub(super) fn of(ty: Type<'_>) -> u64 {
    let words = ty.words();
    let mut key = 0_u64;
    let mut add = |word: u32| key = key.wrapping_mul(31).wrapping_add(u64::from(word));
    match ty.kind() {
        // Not the values: a declared enumeration is found by name.
        Kind::Enum | Kind::Enum64 => add(words[0]),
        Kind::Struct | Kind::Union => {
            words[..3].iter().for_each(|word| add(*word));
            for member in words[3..].chunks_exact(3) {
                add(member[0]);
                add(member[2]);
            }
        }
        _ => words.iter().for_each(|word| add(*word)),
    }
    key
}

/// Whether two structures or unions are the same but for the types of their members.
pub(super) fn shallow_equal(a: Type<'_>, b: Type<'_>) -> bool {
    let (a, b) = (a.words(), b.words());
    a.len() == b.len()
        && a[..3] == b[..3]
        && (a[3..].chunks_exact(3).zip(b[3..].chunks_exact(3)))
            .all(|(a, b)| a[0] == b[0] && a[2] == b[2])
}

/// Whether two enumerations may be one: equal, or one only declared and the names the same.
pub(super) fn enums_compatible(a: Type<'_>, b: Type<'_>) -> bool {
    if !b.kind().is_enum() {
        return false;
    }
    match (a.vlen(), b.vlen()) {
        (0, _) | (_, 0) => a.name() == b.name(),
        _ => a.words() == b.words(),
    }
}

/// The place of a type's reference number `index` in its words, in the order in which libbpf
/// follows them: an array's element before its index, a prototype's return type first.
pub(super) fn ref_place(ty: Type<'_>, index: usize) -> Option<usize> {
    match (ty.kind(), index) {
        (Kind::Array, 0) => Some(3),
        (Kind::Array, 1) => Some(4),
        (Kind::FuncProto, index) if index <= ty.vlen() => Some(2 + 2 * index),
        (kind, 0) if kind.has_target() => Some(2),
        _ => None,
    }
}

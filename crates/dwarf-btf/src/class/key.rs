//! Keys: what a type says, in 62 bits, and strings by where they lie.
//!
//! A reference to a named structure, union or enumeration is its *anchor*: kind and name, whatever
//! the unit knows of its inside. So keys need no cycles and no closure, and a unit that only has a
//! declaration agrees with one that has the definition. Everything else counts by content.

use kmill_btf::{Info, Kind};

use crate::dwarf::sections::{Sections, within};
use crate::dwarf::strings::OF_BASE;
use crate::unit::rules::FAKE_INT;

/// A string by its place: equal ones are equal strings, but not the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StrKey(pub(crate) u64);

/// Where the bytes of a string key lie: in its two lowest bits.
mod home {
    /// At two offsets of `.debug_str`, of 31 bits each: it is a parameter's name and a member's.
    pub(super) const JOINED: u64 = 0;
    /// At an offset of `.debug_str`.
    pub(super) const DEBUG_STR: u64 = 1;
    /// In the key itself.
    pub(super) const HERE: u64 = 2;
    /// At an offset of another section; the next bit says which.
    pub(super) const ELSEWHERE: u64 = 3;
}

impl StrKey {
    /// No name at all.
    pub(crate) const NONE: StrKey = StrKey(0);

    /// A name without a letter.
    pub(crate) const EMPTY: StrKey = StrKey::packed(0);
    /// The name of integers that BTF cannot have: of no section.
    pub(crate) const FAKE_INT: StrKey = StrKey(!1 - 3);

    /// Longest string that a key holds.
    pub(crate) const INLINE_MAX: usize = 7;

    /// The string at an offset of `.debug_str`.
    pub(crate) const fn debug_str(offset: u64) -> StrKey {
        StrKey(offset << 2 | home::DEBUG_STR)
    }

    /// Where in `.debug_str` it lies, if there.
    pub(crate) const fn in_debug_str(self) -> Option<u64> {
        match self.0 & 3 {
            1 => Some(self.0 >> 2),
            _ => None,
        }
    }

    /// Where in the base's strings it lies, if there.
    pub(crate) const fn in_base(self) -> Option<u64> {
        match self.in_debug_str() {
            Some(at) => at.checked_sub(OF_BASE),
            None => None,
        }
    }

    /// A short string that lies where it is used; its bytes are in the low end of the word.
    pub(crate) const fn packed(bytes: u64) -> StrKey {
        StrKey(bytes << 2 | home::HERE)
    }

    /// The string at an offset of `.debug_info`.
    pub(crate) const fn in_debug_info(offset: u64) -> StrKey {
        StrKey(offset << 3 | home::ELSEWHERE)
    }

    /// The name of a parameter of which only a member is passed; nothing when the two are not in
    /// `.debug_str`, or too far behind.
    pub(crate) fn joined(name: StrKey, field: StrKey) -> Option<StrKey> {
        let place = |key: StrKey| key.in_debug_str().filter(|offset| *offset < 1 << 31);
        let key = StrKey((place(name)? << 31 | place(field)?) << 2 | home::JOINED);
        (key != StrKey::NONE).then_some(key)
    }

    /// The two parts of such a name.
    pub(crate) fn parts(self) -> Option<(StrKey, StrKey)> {
        if self.0 & 3 != home::JOINED || self == StrKey::NONE {
            return None;
        }
        Some((StrKey::debug_str(self.0 >> 33), StrKey::debug_str(self.0 >> 2 & ((1 << 31) - 1))))
    }

    /// The key of a string that a section of `sections` holds, or `info`, which is `.debug_info` as far as
    /// it was read.
    pub(crate) fn of(text: Option<&[u8]>, sections: &Sections<'_>, info: &[u8]) -> StrKey {
        let Some(text) = text else { return StrKey::NONE };
        // Where it lies tells which section it is of.
        if let Some(offset) = sections.in_str(text) {
            return StrKey::debug_str(offset);
        }
        if text.len() <= StrKey::INLINE_MAX {
            return StrKey::packed(
                text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            );
        }
        match (within(info, text), within(&sections.line_str, text)) {
            (Some(offset), _) => StrKey::in_debug_info(offset),
            (_, Some(offset)) => StrKey(offset << 3 | 4 | home::ELSEWHERE),
            _ => StrKey(!0),
        }
    }

    /// Its bytes, unless it has [`parts`](Self::parts): `buffer` holds those of the key. `prefix` is the one string of no section.
    pub(crate) fn text<'b>(
        self,
        sections: &'b Sections<'_>,
        prefix: Option<&'b [u8]>,
        buffer: &'b mut [u8; 8],
    ) -> &'b [u8] {
        use crate::dwarf::sections::string_at;
        let found = match self.0 & 3 {
            1 => sections.str_at(self.0 >> 2),
            2 => {
                *buffer = (self.0 >> 2).to_le_bytes();
                Some(&buffer[..buffer.iter().position(|byte| *byte == 0).unwrap_or(7)])
            }
            3 if self.0 == !0 => prefix,
            _ if self == StrKey::FAKE_INT => Some(FAKE_INT),
            3 if self.0 & 4 != 0 => string_at(&sections.line_str, self.0 >> 3),
            3 => string_at(&sections.info, self.0 >> 3),
            _ => None,
        };
        found.unwrap_or_default()
    }
}

/// What a type says. The two highest bits are others' to use: see [`Key::REAL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(pub(crate) u64);

impl Key {
    /// Nothing known.
    pub(crate) const UNSET: Key = Key(0);
    /// `void`.
    pub(crate) const VOID: Key = Key(1);
    /// Set in every key of a type.
    pub(crate) const REAL: u64 = 1 << 63;
    /// Free for whoever keeps keys.
    pub(crate) const MARK: u64 = 1 << 62;

    const fn of_hash(hash: u64) -> Key {
        Key(hash & !Key::MARK | Key::REAL)
    }

    /// The anchor of a structure, union or enumeration of that name.
    #[inline(always)]
    pub(crate) fn anchor(kind: Kind, name: StrKey) -> Key {
        Key::of_hash(fold(name.0 ^ P[4], kind as u64 ^ P[5]))
    }
}

/// Odd constants without structure: digits of the golden ratio and of pi.
const P: [u64; 8] = [
    0x9e37_79b9_7f4a_7c15,
    0xf39c_c060_5ced_c835,
    0x2436_f04a_88d7_0a2d,
    0x8a2e_0370_7344_a409,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6d,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
];

/// The two halves of a product, on top of each other.
#[inline(always)]
pub(crate) const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product >> 64) as u64 ^ product as u64
}

/// Hashes the words of a class: the head first, then entries of three words or fewer, each by
/// itself, so that several multiplications run at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher {
    sum: u64,
    place: u64,
}

impl Hasher {
    #[inline(always)]
    pub(crate) fn new(head: Head, name: StrKey, third: u64) -> Hasher {
        let head = u64::from(head.0).wrapping_mul(P[3]);
        Hasher { sum: fold(name.0.wrapping_add(head) ^ P[0], third ^ P[2] ^ head), place: P[6] }
    }

    /// Entries first, for a head that they decide on.
    #[inline(always)]
    pub(crate) fn entries() -> Hasher {
        Hasher { sum: 0, place: P[6] }
    }

    /// The key of a head and the entries so far.
    #[inline(always)]
    pub(crate) fn with_head(self, head: Head, name: StrKey, third: u64) -> Key {
        let sum = Hasher::new(head, name, third).sum;
        Hasher { sum: self.sum.wrapping_add(sum), place: self.place }.key()
    }

    /// One member, value or parameter. Its place counts.
    #[inline(always)]
    pub(crate) fn entry(&mut self, name: StrKey, value: u64, more: u64) {
        self.place = self.place.wrapping_add(P[7]);
        let a = name.0.wrapping_add(more.rotate_left(32)) ^ self.place;
        self.sum = self.sum.wrapping_add(fold(a, value ^ P[1]));
    }

    /// The key of a type without entries.
    #[inline(always)]
    pub(crate) fn plain(self) -> Key {
        Key::of_hash(self.sum)
    }

    /// The key of a type with entries, if only none.
    #[inline(always)]
    pub(crate) fn key(self) -> Key {
        match self.place {
            place if place == P[6] => self.plain(),
            place => Key::of_hash(fold(self.sum ^ P[5], place)),
        }
    }
}

/// What kind of type, with the flags that count. It is BTF's info word, without entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head(pub(crate) u32);

impl Head {
    pub(crate) const fn new(kind: Kind, flag: bool) -> Head {
        Head(Info::new(kind, flag, 0).0)
    }

    pub(crate) const fn info(self) -> Info {
        Info(self.0)
    }

    pub(crate) fn kind(self) -> Kind {
        Kind::of(self.info().kind()).unwrap_or(Kind::Int)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(entries: &[(u64, u64, u64)]) -> Key {
        let mut hasher = Hasher::new(Head::new(Kind::Struct, false), StrKey::NONE, 8);
        entries.iter().for_each(|&(name, value, more)| hasher.entry(StrKey(name), value, more));
        hasher.key()
    }

    #[test]
    fn the_order_of_entries_counts_and_so_does_every_field() {
        let base = key(&[(1, 2, 3), (4, 5, 6)]);
        let others = [
            key(&[(4, 5, 6), (1, 2, 3)]),
            key(&[(1, 2, 3)]),
            key(&[(2, 1, 3), (4, 5, 6)]),
            key(&[(1, 3, 2), (4, 5, 6)]),
            key(&[(1, 2, 3), (4, 5, 7)]),
        ];
        assert!(others.iter().all(|other| *other != base));
        assert_eq!(base, key(&[(1, 2, 3), (4, 5, 6)]));
        assert_eq!(base.0 & (Key::REAL | Key::MARK), Key::REAL);
    }

    #[test]
    fn two_names_in_one_come_apart_again() {
        let (name, field) = (StrKey::debug_str((1 << 31) - 1), StrKey::debug_str(9));
        let joined = StrKey::joined(name, field).unwrap();
        assert_eq!(joined.parts(), Some((name, field)));
        assert!(
            [name, StrKey::NONE, StrKey::EMPTY, StrKey::FAKE_INT].map(StrKey::parts) == [None; 4]
        );
        assert_eq!(StrKey::joined(StrKey::debug_str(1 << 31), field), None);
        assert_eq!(StrKey::joined(StrKey::debug_str(0), StrKey::debug_str(0)), None);
    }

    #[test]
    fn anchors_differ_by_kind_and_name() {
        let name = StrKey::debug_str(7);
        let anchor = Key::anchor(Kind::Struct, name);
        assert_ne!(anchor, Key::anchor(Kind::Union, name));
        assert_ne!(anchor, Key::anchor(Kind::Struct, StrKey::debug_str(8)));
    }
}

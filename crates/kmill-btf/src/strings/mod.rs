//! Strings: one blob of NUL-terminated ones, each found again by content.
//!
//! The order is the order in which they were first added, as libbpf's `btf__add_str` keeps it; a
//! split blob's offsets go on behind its base's.

mod offsets;

use offsets::same;
pub use offsets::{Hash, Offsets};

use crate::types::StrOff;

/// Strings by offset and by content.
#[derive(Clone, Debug)]
pub struct Strings {
    bytes: Vec<u8>,
    /// Offsets into `bytes` of those that are found by content.
    table: Offsets,
    /// Length of the base's strings.
    base: u32,
}

impl Default for Strings {
    fn default() -> Self {
        Strings::new()
    }
}

impl Strings {
    /// Only the empty string, at offset 0.
    pub fn new() -> Strings {
        Strings { bytes: vec![0], table: Offsets::default(), base: 0 }
    }

    /// None: the strings of a split blob, behind `base` bytes of its base's.
    pub fn behind(base: u32) -> Strings {
        Strings { bytes: Vec::new(), table: Offsets::default(), base }
    }

    /// Length of the base's strings: the offset of our first.
    pub fn base(&self) -> u32 {
        self.base
    }

    /// The blob.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The string at an offset of ours.
    pub fn get(&self, at: StrOff) -> Option<&[u8]> {
        let rest = self.bytes.get(at.0.checked_sub(self.base)? as usize..)?;
        memchr::memchr(0, rest).map(|end| &rest[..end])
    }

    /// The offset of a string that was added.
    pub fn find(&self, text: &[u8]) -> Option<StrOff> {
        if text.is_empty() && self.base == 0 {
            return Some(StrOff::EMPTY);
        }
        let found = self.table.find(Hash::of(text), &self.bytes, text)?;
        Some(StrOff(self.base + found))
    }

    /// The same for one that is not empty, by its hash.
    pub fn find_hashed(&self, hash: Hash, text: &[u8]) -> Option<StrOff> {
        let found = self.table.find(hash, &self.bytes, text)?;
        Some(StrOff(self.base + found))
    }

    /// The offset of a string, which is appended when it is new. It ends before its first NUL.
    pub fn add(&mut self, text: &[u8]) -> StrOff {
        let text = memchr::memchr(0, text).map_or(text, |end| &text[..end]);
        if text.is_empty() {
            return StrOff::EMPTY;
        }
        let Strings { bytes, table, base } = self;
        let at = bytes.len() as u32;
        let found = table.find_or_insert(Hash::of(text), at, |other| same(bytes, other, text));
        if let Some(found) = found {
            return StrOff(*base + found);
        }
        bytes.extend_from_slice(text);
        bytes.push(0);
        StrOff(*base + at)
    }

    /// Strings as somebody else wrote them, found by content too: the first of equal ones.
    pub fn from_bytes(bytes: Vec<u8>, base: u32) -> Strings {
        // Known beforehand: a table that grows moves every entry.
        let count = memchr::memchr_iter(0, &bytes).count();
        let mut strings = Strings { bytes, table: Offsets::with_capacity(count), base };
        let Strings { bytes, table, .. } = &mut strings;
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let text = &rest[..memchr::memchr(0, rest).unwrap_or(rest.len())];
            table.find_or_insert(Hash::of(text), at as u32, |other| same(bytes, other, text));
            at += text.len() + 1;
        }
        strings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_keep_their_order_and_are_found_again() {
        let mut strings = Strings::new();
        assert_eq!(strings.add(b""), StrOff(0));
        assert_eq!(strings.add(b"task_struct"), StrOff(1));
        assert_eq!(strings.add(b"task"), StrOff(13));
        assert_eq!(strings.add(b"task_struct\0behind"), StrOff(1));
        assert_eq!(strings.bytes(), b"\0task_struct\0task\0");
        assert_eq!(strings.get(StrOff(6)), Some(&b"struct"[..]));
        assert_eq!(strings.find(b"struct"), None);
        assert_eq!(strings.find(b"task"), Some(StrOff(13)));
    }

    #[test]
    fn strings_of_a_split_blob_go_on_behind_the_base() {
        let mut strings = Strings::behind(100);
        assert_eq!(strings.add(b"a"), StrOff(100));
        assert_eq!(strings.add(b""), StrOff(0));
        assert_eq!(strings.add(b"b"), StrOff(102));
        assert_eq!(strings.get(StrOff(99)), None);
        assert_eq!(strings.get(StrOff(102)), Some(&b"b"[..]));
    }

    #[test]
    fn many_strings_survive_the_growth_of_the_table() {
        let mut strings = Strings::new();
        let offsets: Vec<_> =
            (0..10_000).map(|n| strings.add(format!("s{n}").as_bytes())).collect();
        for (n, offset) in offsets.iter().enumerate() {
            assert_eq!(strings.add(format!("s{n}").as_bytes()), *offset);
        }
        let again = Strings::from_bytes(strings.bytes().to_vec(), 0);
        assert_eq!(again.find(b"s9999"), Some(offsets[9999]));
    }
}

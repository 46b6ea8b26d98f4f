//! Strings of a blob by content: a hash table that holds nothing but their offsets.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

/// The hash of a string. Its upper half is kept with the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(u32);

impl Hash {
    /// Of a string without its NUL.
    #[inline]
    pub fn of(text: &[u8]) -> Hash {
        Hash((FxBuildHasher.hash_one(text) >> 32) as u32)
    }
}

/// Offsets of strings by hash. Whoever asks says in which blob they are.
///
/// Slots are probed one behind another. Each is the hash and the offset plus one, or 0: a table grows
/// without a look at any string.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    slots: Vec<u64>,
    /// A bit for each range of hashes, [`FINER`] ranges for a slot: whether any is there. Those that are
    /// not, mostly end here, in memory that is much less than the slots are.
    ranges: Vec<u64>,
    /// 32 less the bits of an index.
    shift: u32,
    len: usize,
}

/// Bits of a number below [`FINER`].
const FINER_BITS: u32 = 2;
/// With a table half full, seven of eight strings that are not there are known not to be.
const FINER: usize = 1 << FINER_BITS;

impl Offsets {
    /// Nothing, with room for so many.
    pub fn with_capacity(strings: usize) -> Offsets {
        if strings == 0 {
            return Offsets::default();
        }
        let bits = (strings.saturating_mul(4) / 3 + 1).next_power_of_two().trailing_zeros();
        let bits = bits.clamp(2, 32 - FINER_BITS);
        let ranges = vec![0; (FINER << bits).div_ceil(64)];
        Offsets { slots: vec![0; 1 << bits], ranges, shift: 32 - bits, len: 0 }
    }

    /// The offset of a string of `blob` that is equal to this one and ends where it does.
    #[inline]
    pub fn find(&self, hash: Hash, blob: &[u8], text: &[u8]) -> Option<u32> {
        self.find_by(hash, |at| same(blob, at, text))
    }

    /// The same where not offsets are kept, but other numbers of strings.
    #[inline]
    pub fn find_by(&self, hash: Hash, same: impl Fn(u32) -> bool) -> Option<u32> {
        self.probe(hash, same)
    }

    /// Takes all out, and keeps the memory.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        self.ranges.fill(0);
        self.len = 0;
    }

    #[inline]
    fn probe(&self, hash: Hash, same: impl Fn(u32) -> bool) -> Option<u32> {
        let (word, bit) = self.range(hash);
        // Without any slot there is no range either.
        if self.ranges.get(word)? & bit == 0 {
            return None;
        }
        let mut at = self.first(hash);
        loop {
            match self.slots[at] {
                0 => return None,
                slot if slot >> 32 == u64::from(hash.0) && same(offset(slot)) => {
                    return Some(offset(slot));
                }
                _ => at = self.next(at),
            }
        }
    }

    /// The offset of the string for which `same` says so; where there is none, this one gets there.
    #[inline]
    pub fn find_or_insert(
        &mut self,
        hash: Hash,
        offset: u32,
        same: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        self.make_room();
        let (word, bit) = self.range(hash);
        self.ranges[word] |= bit;
        let mut at = self.first(hash);
        loop {
            match self.slots[at] {
                0 => {
                    self.slots[at] = slot(hash, offset);
                    self.len += 1;
                    return None;
                }
                slot if slot >> 32 == u64::from(hash.0) && same(self::offset(slot)) => {
                    return Some(self::offset(slot));
                }
                _ => at = self.next(at),
            }
        }
    }

    /// Adds a string that is not there.
    pub fn insert(&mut self, hash: Hash, offset: u32) {
        self.make_room();
        self.len += 1;
        self.place(slot(hash, offset));
    }

    /// For one more.
    #[inline]
    fn make_room(&mut self) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
    }

    fn place(&mut self, slot: u64) {
        let hash = Hash((slot >> 32) as u32);
        let (word, bit) = self.range(hash);
        self.ranges[word] |= bit;
        let mut at = self.first(hash);
        while self.slots[at] != 0 {
            at = self.next(at);
        }
        self.slots[at] = slot;
    }

    #[cold]
    fn grow(&mut self) {
        let room = Offsets::with_capacity((self.len * 2).max(8));
        let old = std::mem::replace(self, room);
        self.len = old.len;
        old.slots.into_iter().filter(|slot| *slot != 0).for_each(|slot| self.place(slot));
    }

    /// Where a hash is looked for first: its upper bits, of which all sizes have a use.
    #[inline]
    fn first(&self, hash: Hash) -> usize {
        (hash.0 >> self.shift) as usize
    }

    /// The word and the bit of the range of a hash.
    #[inline]
    fn range(&self, hash: Hash) -> (usize, u64) {
        let range = hash.0 >> self.shift.saturating_sub(FINER_BITS);
        (range as usize / 64, 1 << (range % 64))
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }
}

#[inline]
fn slot(hash: Hash, offset: u32) -> u64 {
    u64::from(hash.0) << 32 | (u64::from(offset) + 1)
}

#[inline]
fn offset(slot: u64) -> u32 {
    (slot as u32).wrapping_sub(1)
}

/// Whether the string at an offset is this one.
#[inline]
pub(super) fn same(blob: &[u8], at: u32, text: &[u8]) -> bool {
    let rest = blob.get(at as usize..).unwrap_or_default();
    rest.starts_with(text) && rest.get(text.len()).is_none_or(|next| *next == 0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    proptest::proptest! {
        #[test]
        fn strings_are_found_as_in_a_map(
            words in proptest::collection::vec("[ab]{1,4}", 1..300),
            room in 0..50_usize,
        ) {
            let mut blob = Vec::new();
            let mut plain: HashMap<&[u8], u32> = HashMap::new();
            let mut offsets = Offsets::with_capacity(room);
            for word in &words {
                let word = word.as_bytes();
                let hash = Hash::of(word);
                let found = offsets.find(hash, &blob, word);
                proptest::prop_assert_eq!(found, plain.get(word).copied());
                let at = blob.len() as u32;
                if word.len() % 2 == 0 {
                    let before = offsets.find_or_insert(hash, at, |at| same(&blob, at, word));
                    proptest::prop_assert_eq!(before, found);
                } else if found.is_none() {
                    offsets.insert(hash, at);
                }
                if found.is_none() {
                    plain.insert(word, blob.len() as u32);
                    blob.extend_from_slice(word);
                    blob.push(0);
                }
            }
        }
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_strings() {
        let blob = b"one\0two\0three\0";
        let hash = Hash(7);
        let mut offsets = Offsets::default();
        let texts = [&b"one"[..], b"two", b"three", b"four"];
        [0, 4, 8].into_iter().for_each(|at| offsets.insert(hash, at));
        let all = [Some(0), Some(4), Some(8), None];
        assert_eq!(texts.map(|text| offsets.find(hash, blob, text)), all);
    }
}

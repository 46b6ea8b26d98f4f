//! A small word for each of many 64-bit keys: a hash table that is made in little time and memory.
//!
//! Entries lie in the order in which they came. The slots, of four bytes, have their numbers and some
//! bits of the keys: they stay in a cache where entries do not, and a key that is not there mostly ends
//! in them.

/// Words by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Heads {
    /// Number of an entry plus one, and above that a tag of its key; 0 is free.
    slots: Vec<u32>,
    keys: Vec<u64>,
    words: Vec<u32>,
}

/// Bits of an entry's number.
const NUMBER: u32 = 26;
/// So many entries there can be.
pub(super) const KEYS_MAX: u32 = (1 << NUMBER) - 2;
/// An odd number without structure: digits of the golden ratio. Keys are sums, of which the upper bits
/// say little.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

impl Heads {
    /// Nothing, with room for so many.
    pub(super) fn with_capacity(keys: usize) -> Heads {
        let slots = vec![0; (keys + keys / 3 + 1).next_power_of_two()];
        Heads { slots, keys: Vec::with_capacity(keys), words: Vec::with_capacity(keys) }
    }

    /// Takes all out, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
        self.keys.clear();
        self.words.clear();
    }

    /// The word of a key.
    pub(super) fn get(&self, key: u64) -> Option<&u32> {
        let entry = self.slots.get(self.place(key)?).filter(|slot| **slot != 0)?;
        self.words.get(index(*entry))
    }

    /// The same, to be changed; of a key that is not there, the one that it gets. Whoever adds keys sees
    /// to it that they are no more than [`KEYS_MAX`].
    pub(super) fn entry(&mut self, key: u64, new: impl FnOnce() -> u32) -> (bool, &mut u32) {
        if (self.keys.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let place = self.place(key).unwrap_or(0);
        let is_new = self.slots[place] == 0;
        if is_new {
            self.keys.push(key);
            self.words.push(new());
            self.slots[place] = tag(key) | self.keys.len() as u32;
        }
        (is_new, &mut self.words[index(self.slots[place])])
    }

    /// The slot of a key, or that where it would be; none where there are no slots.
    #[inline]
    fn place(&self, key: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = (key.wrapping_mul(MIX) >> 32) as usize & mask;
        loop {
            let slot = self.slots[at];
            let is = |slot| (slot ^ tag(key)) >> NUMBER == 0 && self.keys[index(slot)] == key;
            if slot == 0 || is(slot) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.slots = vec![0; (self.slots.len() * 2).max(16)];
        for (number, &key) in (1..).zip(&self.keys) {
            let mask = self.slots.len() - 1;
            let mut at = (key.wrapping_mul(MIX) >> 32) as usize & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = tag(key) | number;
        }
    }
}

/// Bits of a key that do not say where it is.
#[inline]
fn tag(key: u64) -> u32 {
    (key.wrapping_mul(MIX) as u32) >> NUMBER << NUMBER
}

/// The number of a slot's entry.
#[inline]
fn index(slot: u32) -> usize {
    (slot as usize & ((1 << NUMBER) - 1)) - 1
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    proptest::proptest! {
        #[test]
        fn words_are_kept_as_in_a_map(
            keys in proptest::collection::vec((0_u64..300, proptest::bool::ANY), 1..600),
            room in 0..100_usize,
        ) {
            let (mut heads, mut plain) = (Heads::with_capacity(room), HashMap::new());
            for (number, (key, only_look)) in (0..).zip(keys) {
                // Far apart and close to each other.
                let key = if key < 150 { key } else { key.wrapping_mul(MIX) };
                proptest::prop_assert_eq!(heads.get(key).copied(), plain.get(&key).copied());
                if !only_look {
                    let is_new = !plain.contains_key(&key);
                    let (found, word) = heads.entry(key, || number);
                    proptest::prop_assert_eq!((found, *word), (is_new, *plain.entry(key).or_insert(number)));
                    *word += 7;
                    plain.insert(key, *word);
                }
            }
        }
    }
}

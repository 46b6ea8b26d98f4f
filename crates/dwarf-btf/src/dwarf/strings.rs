//! Strings of `.debug_str` that are equal, said by one of them.
//!
//! A final link merges the strings of all units. `ld -r`, which makes modules, does not: each unit has
//! its own copy of every name. The walk takes a string for its offset, so there has to be one offset
//! for equal strings, or every unit would have types of its own.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use padata::{Pool, Weight};
use rustc_hash::FxBuildHasher;

/// For every string of a section, the first one that is equal.
#[derive(Debug)]
pub(crate) struct Canonical {
    /// A bit for each offset: a string starts there.
    starts: Vec<u64>,
    /// How many start before each of these words.
    before: Vec<u32>,
    /// The first equal string of each, in order.
    first: Vec<u32>,
    /// Those that are the first.
    different: Vec<u32>,
}

/// The strings of one piece of the section.
struct Piece {
    /// Where each starts.
    starts: Vec<u32>,
    /// The number of the first equal one, within the piece.
    first: Vec<u32>,
}

impl Canonical {
    /// Of a section of less than 4 GiB that ends with a NUL.
    pub(crate) fn new(pool: &Pool, section: &[u8]) -> Option<Canonical> {
        if u32::try_from(section.len()).is_err() || section.last() != Some(&0) {
            return None;
        }
        // A string that comes often is compared once for each piece: few of them.
        let pieces = cut(section, pool.threads().get());
        let weight = |piece: &(usize, usize)| (piece.1 - piece.0) as u64;
        let read = pool.map(
            &pieces,
            weight,
            Weight::UNLIMITED,
            || (),
            |&(start, end), ()| Piece::read(section, start, end),
        );
        let mut starts = vec![0_u64; section.len() / 64 + 1];
        let mut first = Vec::with_capacity(read.iter().map(|piece| piece.starts.len()).sum());
        let mut different = Vec::new();
        let mut table = HashTable::new();
        for (index, piece) in read.iter().enumerate() {
            // What each string of the piece that is the first there is in the whole section.
            let mut known: Vec<u32> = Vec::with_capacity(piece.starts.len());
            for (number, &start) in piece.starts.iter().enumerate() {
                starts[start as usize / 64] |= 1 << (start % 64);
                let own = piece.first[number] as usize;
                let found = match own == number {
                    false => known[own],
                    true if index == 0 && read.len() == 1 => start,
                    true => add(&mut table, section, start),
                };
                if found == start {
                    different.push(start);
                }
                known.push(found);
            }
            first.extend_from_slice(&known);
        }
        let mut count = 0;
        let before = starts
            .iter()
            .map(|bits| {
                let before = count;
                count += bits.count_ones();
                before
            })
            .collect();
        Some(Canonical { starts, before, first, different })
    }

    /// Where each string starts for the first time, in order.
    pub(crate) fn different(&self) -> &[u32] {
        &self.different
    }

    /// The string that is said for the one at an offset. One that is the end of another is itself.
    #[inline(always)]
    pub(crate) fn of(&self, offset: u64) -> u64 {
        let word = (offset / 64) as usize;
        let Some(&bits) = self.starts.get(word) else { return offset };
        let bit = 1_u64 << (offset % 64);
        if bits & bit == 0 {
            return offset;
        }
        let rank = self.before[word] + (bits & (bit - 1)).count_ones();
        u64::from(self.first[rank as usize])
    }
}

impl Piece {
    fn read(section: &[u8], start: usize, end: usize) -> Piece {
        let mut piece = Piece { starts: Vec::new(), first: Vec::new() };
        let mut table: HashTable<u32> = HashTable::new();
        // Compilers write the strings of every unit in a similar order: what comes behind a string
        // came behind its copy, more often than not. That spares the look into the table.
        let mut guess = 0;
        let mut at = start;
        while at < end {
            let len = memchr::memchr(0, &section[at..end]).unwrap_or(end - at - 1) + 1;
            let text = &section[at..at + len];
            let number = piece.starts.len() as u32;
            let same =
                |other: u32| section[piece.starts[other as usize] as usize..].starts_with(text);
            let first = if guess < number && same(guess) {
                guess + 1
            } else {
                let other = table.find(hash(text), |other| same(*other)).copied();
                match other {
                    Some(other) => other + 1,
                    None => {
                        let rehash = |other: &u32| {
                            let start = piece.starts[*other as usize] as usize;
                            let len = memchr::memchr(0, &section[start..]).unwrap_or(0) + 1;
                            hash(&section[start..start + len])
                        };
                        table.insert_unique(hash(text), number, rehash);
                        0
                    }
                }
            };
            piece.starts.push(at as u32);
            match first {
                0 => {
                    piece.first.push(number);
                    guess = u32::MAX;
                }
                first => {
                    piece.first.push(piece.first[first as usize - 1]);
                    guess = first;
                }
            }
            at += len;
        }
        piece
    }
}

/// The first string of a section that is equal to the one at `start`, which is it if there is none.
fn add(table: &mut HashTable<u32>, section: &[u8], start: u32) -> u32 {
    let text = |start: u32| {
        let rest = &section[start as usize..];
        &rest[..memchr::memchr(0, rest).unwrap_or(rest.len())]
    };
    let own = text(start);
    *table
        .entry(hash(own), |other| text(*other) == own, |other| hash(text(*other)))
        .or_insert(start)
        .get()
}

/// About equal pieces that end where strings do.
fn cut(section: &[u8], count: usize) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for number in 1..=count {
        let wish = (section.len() / count * number).max(start);
        let end = match number == count {
            true => section.len(),
            false => memchr::memchr(0, &section[wish..]).map_or(section.len(), |at| wish + at + 1),
        };
        if end > start {
            pieces.push((start, end));
            start = end;
        }
    }
    pieces
}

fn hash(text: &[u8]) -> u64 {
    FxBuildHasher.hash_one(text)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    proptest::proptest! {
        #[test]
        fn every_string_is_said_by_the_first_that_is_equal(
            words in proptest::collection::vec("[ab]{0,3}", 1..200),
            threads in 1..4_usize,
        ) {
            let section: Vec<u8> =
                words.iter().flat_map(|word| word.bytes().chain([0])).collect();
            let pool = Pool::new(NonZeroUsize::new(threads).unwrap());
            let canonical = Canonical::new(&pool, &section).unwrap();
            let mut at = 0;
            let mut firsts = std::collections::HashMap::new();
            for word in &words {
                let first = *firsts.entry(word).or_insert(at);
                proptest::prop_assert_eq!(canonical.of(at), first);
                if !word.is_empty() {
                    // The end of a string is not the start of one.
                    proptest::prop_assert_eq!(canonical.of(at + 1), at + 1);
                }
                at += word.len() as u64 + 1;
            }
            proptest::prop_assert_eq!(canonical.of(at + 1000), at + 1000);
        }
    }

    #[test]
    fn what_does_not_end_is_left_alone() {
        let pool = Pool::new(NonZeroUsize::MIN);
        assert!(Canonical::new(&pool, b"").is_none());
        assert!(Canonical::new(&pool, b"a\0b").is_none());
    }
}

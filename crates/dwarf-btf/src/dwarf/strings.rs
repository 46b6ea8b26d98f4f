//! Strings of `.debug_str` that are equal, said by one of them.
//!
//! A final link merges the strings of all units. `ld -r`, which makes modules, does not: each unit has
//! its own copy of every name. The walk takes a string for its offset, so there has to be one offset
//! for equal strings, or every unit would have types of its own.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use kmill_btf::strings::Strings;
use padata::{Pool, Weight};
use rustc_hash::FxBuildHasher;

/// Offsets of `.debug_str` from here on stand for strings of a base, where there is one: so strings of
/// all files behind one base are told apart by number.
pub(crate) const OF_BASE: u64 = 1 << 31;

/// For every string of a section, the one that is said for it: a base's, or the first one that is
/// equal.
#[derive(Debug)]
pub(crate) struct Canonical {
    /// A bit for each offset: a string starts there.
    starts: Vec<u64>,
    /// How many start before each of these words.
    before: Vec<u32>,
    /// The offset that is said for each, in order.
    said: Vec<u32>,
    /// Those that are said for themselves.
    different: Vec<u32>,
    /// Whether a short string of the base lies here: see [`SHORT`].
    has_short: bool,
}

/// The strings of one piece of the section.
struct Piece {
    /// Where each starts.
    starts: Vec<u32>,
    said: Vec<Said>,
    has_short: bool,
}

/// What is said for a string, as far as a piece knows: the offset of one of the base, or the number in
/// the piece of the first one that is equal, which is below [`OF_BASE`]. There are millions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said(u32);

impl Said {
    fn is_base(self) -> bool {
        u64::from(self.0) >= OF_BASE
    }
}

/// GCC writes names up to this length where they are used: of these, the base's and a file's own are
/// told apart by their text, and no offset stands for them. LLVM has them in `.debug_str` as well: in
/// such a file a name of the base is not known by its key.
pub(crate) const SHORT: usize = 3;

impl Canonical {
    /// Of a section of less than 2 GiB that ends with a NUL.
    pub(crate) fn new(pool: &Pool, section: &[u8], base: Option<&Strings>) -> Option<Canonical> {
        if section.len() as u64 >= OF_BASE || section.last() != Some(&0) {
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
            |&(start, end), ()| Piece::read(section, start, end, base),
        );
        let mut starts = vec![0_u64; section.len() / 64 + 1];
        let mut said = Vec::with_capacity(read.iter().map(|piece| piece.starts.len()).sum());
        let mut different = Vec::new();
        let mut table = HashTable::new();
        let alone = read.len() == 1;
        let has_short = read.iter().any(|piece| piece.has_short);
        for piece in read {
            let first = said.len();
            for (number, (start, own)) in (0..).zip(piece.starts.into_iter().zip(piece.said)) {
                starts[start as usize / 64] |= 1 << (start % 64);
                let found = match own {
                    own if own.is_base() => own.0,
                    own if own.0 != number => said[first + own.0 as usize],
                    _ if alone => start,
                    _ => add(&mut table, section, start),
                };
                if found == start {
                    different.push(start);
                }
                said.push(found);
            }
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
        Some(Canonical { starts, before, said, different, has_short })
    }

    /// Whether a short string of the base lies in the section.
    pub(crate) fn has_short(&self) -> bool {
        self.has_short
    }

    /// The strings that are not the base's, each where it starts for the first time, in order.
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
        u64::from(self.said[rank as usize])
    }
}

impl Piece {
    fn read(section: &[u8], start: usize, end: usize, base: Option<&Strings>) -> Piece {
        let mut piece = Piece { starts: Vec::new(), said: Vec::new(), has_short: false };
        // Strings have some twenty bytes; in a large piece most come more than once.
        let mut table: HashTable<u32> = HashTable::with_capacity(((end - start) / 20).min(1 << 16));
        // Compilers write the strings of every unit in a similar order: what comes behind a string
        // came behind its copy, more often than not. That spares the look into the table.
        let mut guess = u32::MAX;
        let mut at = start;
        while at < end {
            let len = memchr::memchr(0, &section[at..end]).unwrap_or(end - at - 1);
            let text = &section[at..=at + len];
            let number = piece.starts.len() as u32;
            let same =
                |other: u32| section[piece.starts[other as usize] as usize..].starts_with(text);
            let (said, earlier) = if guess < number && same(guess) {
                (piece.said[guess as usize], Some(guess))
            } else {
                match table.find(hash(text), |other| same(*other)).copied() {
                    Some(other) => (piece.said[other as usize], Some(other)),
                    None => {
                        let rehash = |other: &u32| {
                            let start = piece.starts[*other as usize] as usize;
                            let len = memchr::memchr(0, &section[start..]).unwrap_or(0);
                            hash(&section[start..=start + len])
                        };
                        table.insert_unique(hash(text), number, rehash);
                        let found = base.and_then(|base| base.find(&text[..len]));
                        piece.has_short |= (1..=SHORT).contains(&len) && found.is_some();
                        let found = found.filter(|_| len > SHORT);
                        (Said(found.map_or(number, |at| OF_BASE as u32 | at.0)), None)
                    }
                }
            };
            guess = earlier.map_or(u32::MAX, |earlier| earlier + 1);
            piece.starts.push(at as u32);
            piece.said.push(said);
            at += len + 1;
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
            let canonical = Canonical::new(&pool, &section, None).unwrap();
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
    fn longer_strings_of_a_base_are_said_by_it() {
        let pool = Pool::new(NonZeroUsize::MIN);
        let mut base = Strings::new();
        let (name, short) = (base.add(b"task_struct"), base.add(b"mm"));
        let section = b"mm\0task_struct\0mine\0task_struct\0task\0";
        let canonical = Canonical::new(&pool, section, Some(&base)).unwrap();
        assert_eq!(short.0, 13);
        assert_eq!(canonical.of(0), 0);
        assert_eq!(canonical.of(3), OF_BASE + u64::from(name.0));
        assert_eq!(canonical.of(20), OF_BASE + u64::from(name.0));
        assert_eq!(canonical.of(15), 15);
        assert_eq!(canonical.different(), [0, 15, 32]);
        // Here the base's `mm` is not said by its key.
        assert!(canonical.has_short());
        let others = Canonical::new(&pool, b"task_struct\0\0pid\0", Some(&base)).unwrap();
        assert!(!others.has_short());
    }

    #[test]
    fn what_does_not_end_is_left_alone() {
        let pool = Pool::new(NonZeroUsize::MIN);
        assert!(Canonical::new(&pool, b"", None).is_none());
        assert!(Canonical::new(&pool, b"a\0b", None).is_none());
    }
}

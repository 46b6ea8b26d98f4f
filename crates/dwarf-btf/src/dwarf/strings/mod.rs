//! Strings of `.debug_str` that are equal, said by one of them.
//!
//! A final link merges the strings of all units. `ld -r`, which makes modules, does not: each unit has
//! its own copy of every name. The walk takes a string for its offset, so there has to be one offset
//! for equal strings, or every unit would have types of its own.

mod history;
mod piece;
mod text;

use std::ops::Range;
use std::sync::Arc;

use kmill_btf::Btf;
use kmill_btf::strings::Offsets;
use padata::{Pool, Weight};

pub(crate) use history::Histories;
pub(crate) use text::{OF_BASE, SHORT};

use piece::{BLOCK, Own, Piece, cut};
use text::string;

/// For every string of a section, the one that is said for it: a base's, or the first one that is
/// equal.
#[derive(Debug, Default)]
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

impl Canonical {
    /// Of a section of less than 2 GiB that ends with a NUL.
    pub(crate) fn new(
        pool: &Pool,
        section: &[u8],
        base: Option<&Arc<Btf>>,
        histories: &Histories,
    ) -> Option<Canonical> {
        if section.len() as u64 >= OF_BASE || section.last() != Some(&0) {
            return None;
        }
        // A string that comes often is looked for once in each piece: few of them.
        let pieces = cut(section.len(), pool.threads().get());
        let weight = |piece: &Range<usize>| piece.len() as u64;
        let read = pool.map(
            &pieces,
            weight,
            Weight::UNLIMITED,
            || (),
            |piece, ()| Piece::read(section, piece.clone(), base, histories),
        );
        let has_short = read.iter().any(|piece| piece.has_short);
        let mut canonical = Canonical { has_short, ..Canonical::default() };
        canonical.starts.reserve_exact(section.len() / BLOCK + 1);
        canonical.before.reserve_exact(section.len() / BLOCK + 1);
        canonical.said.reserve_exact(read.iter().map(|piece| piece.said.len()).sum());
        let mut known = Offsets::default();
        for piece in read {
            canonical.add(piece, section, &mut known);
        }
        Some(canonical)
    }

    /// Adds the next piece. `known` are the strings that those before said for themselves.
    fn add(&mut self, piece: Piece, section: &[u8], known: &mut Offsets) {
        let Canonical { starts, before, said, different, .. } = self;
        let firsts: Vec<u32> = piece
            .own
            .iter()
            .map(|&Own { start, hash, .. }| {
                let text = string(section, start);
                known.find_by(hash, |other| string(section, other) == text).unwrap_or_else(|| {
                    known.insert(hash, start);
                    different.push(start);
                    start
                })
            })
            .collect();
        let mut count = said.len() as u32;
        for bits in piece.starts {
            starts.push(bits);
            before.push(count);
            count += bits.count_ones();
        }
        said.extend(piece.said.iter().map(|said| said.with(&firsts)));
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use kmill_btf::Endian;

    use super::*;

    fn base(words: &[String]) -> Arc<Btf> {
        let mut btf = Btf::new(Endian::Little);
        words.iter().for_each(|word| {
            btf.add_string(word.as_bytes());
        });
        Arc::new(btf)
    }

    proptest::proptest! {
        /// Files one after another, in two orders of their words, so that what came before is now a
        /// good guess and now a bad one.
        #[test]
        fn every_string_is_said_by_the_base_or_by_the_first_that_is_equal(
            bases in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec("[ab]{2,9}", 0..20)), 1..3),
            files in proptest::collection::vec(
                (proptest::collection::vec("[ab]{0,6}", 1..100), 0..3_usize), 1..6),
            threads in 1..4_usize,
        ) {
            let bases: Vec<_> =
                bases.iter().map(|words| words.as_deref().map(base)).collect();
            let pool = Pool::new(NonZeroUsize::new(threads).unwrap());
            let histories = Histories::for_many();
            for (number, (words, times)) in files.iter().enumerate() {
                let words: Vec<&String> =
                    (0..=*times).flat_map(|_| files[0].0.iter().chain(words)).collect();
                let section: Vec<u8> =
                    words.iter().flat_map(|word| word.bytes().chain([0])).collect();
                let base = bases[number % bases.len()].as_ref();
                let canonical = Canonical::new(&pool, &section, base, &histories).unwrap();
                let mut at = 0;
                let mut firsts = std::collections::HashMap::new();
                for word in &words {
                    let first = *firsts.entry(word).or_insert(at);
                    let found = base.and_then(|base| base.strings.find(word.as_bytes()));
                    let said = match found.filter(|_| word.len() > SHORT) {
                        Some(found) => OF_BASE + u64::from(found.0),
                        None => first,
                    };
                    proptest::prop_assert_eq!(canonical.of(at), said, "{} at {}", word, at);
                    if !word.is_empty() {
                        // The end of a string is not the start of one.
                        proptest::prop_assert_eq!(canonical.of(at + 1), at + 1);
                    }
                    at += word.len() as u64 + 1;
                }
                proptest::prop_assert_eq!(canonical.of(at + 1000), at + 1000);
                proptest::prop_assert!(canonical.different().is_sorted());
            }
        }
    }

    #[test]
    fn longer_strings_of_a_base_are_said_by_it() {
        let pool = Pool::new(NonZeroUsize::MIN);
        let mut base = Btf::new(Endian::Little);
        let (name, short) = (base.add_string(b"task_struct"), base.add_string(b"mm"));
        let base = Arc::new(base);
        let of = |section: &[u8]| {
            Canonical::new(&pool, section, Some(&base), &Histories::default()).unwrap()
        };
        let canonical = of(b"mm\0task_struct\0mine\0task_struct\0task\0");
        assert_eq!(short.0, 13);
        assert_eq!(canonical.of(0), 0);
        assert_eq!(canonical.of(3), OF_BASE + u64::from(name.0));
        assert_eq!(canonical.of(20), OF_BASE + u64::from(name.0));
        assert_eq!(canonical.of(15), 15);
        assert_eq!(canonical.different(), [0, 15, 32]);
        // Here the base's `mm` is not said by its key.
        assert!(canonical.has_short());
        assert!(!of(b"task_struct\0\0pid\0").has_short());
    }

    #[test]
    fn what_does_not_end_is_left_alone() {
        let pool = Pool::new(NonZeroUsize::MIN);
        assert!(Canonical::new(&pool, b"", None, &Histories::default()).is_none());
        assert!(Canonical::new(&pool, b"a\0b", None, &Histories::default()).is_none());
    }
}

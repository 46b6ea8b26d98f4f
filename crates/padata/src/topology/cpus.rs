//! Sets of CPUs, and the list format in which the kernel writes them.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// The highest number that a list may name. The largest Linux kernels have 8192 CPUs, so this is
/// no limit in practice; it bounds the memory that a list of a few bytes can ask for to 8 KiB.
const HIGHEST: u32 = 65535;

/// A logical CPU by its kernel number: one hardware thread, not one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(pub u32);

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A NUMA node by its kernel number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of CPUs: one bit for each, up to the highest that is in it.
///
/// It is written and parsed in the kernel's list format (cpuset(7); with groups, "cpu lists" in
/// Documentation/admin-guide/kernel-parameters.rst): `0-3,8` has the CPUs 0, 1, 2, 3 and 8;
/// `0-31:2/8` has the first 2 of each 8. A number above 65535 is an error there.
///
/// ```
/// use padata::topology::{CpuId, CpuSet};
/// let mut cpus: CpuSet = "0-31:2/8\n".parse()?;
/// cpus.remove(CpuId(0));
/// assert_eq!(cpus.to_string(), "1,8-9,16-17,24-25");
/// # Ok::<(), padata::topology::CpuListError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct CpuSet {
    /// Bit b of word w is CPU 64 w + b. The last word is never 0, so that equal sets have equal
    /// words.
    words: Vec<u64>,
}

impl CpuSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> CpuSet {
        CpuSet { words: Vec::new() }
    }

    /// The set of the bits that are 1: bit b of word w is CPU 64 w + b, as in the affinity masks
    /// of 64-bit systems. Bits beyond CPU `u32::MAX` are left out, for they have no number.
    #[must_use]
    pub fn from_words(words: &[u64]) -> CpuSet {
        CpuSet::trimmed(words.iter().copied().take(1 << (u32::BITS - 6)).collect())
    }

    /// The bits of the set, as in [`CpuSet::from_words`]. The last word is not 0.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Puts a CPU in and says whether it is new. The set takes one bit for each CPU up to the
    /// highest.
    pub fn insert(&mut self, cpu: CpuId) -> bool {
        let new = !self.contains(cpu);
        self.insert_range(cpu.0, cpu.0);
        new
    }

    /// Takes a CPU out and says whether it was there.
    pub fn remove(&mut self, cpu: CpuId) -> bool {
        let there = self.contains(cpu);
        if there {
            self.words[word_of(cpu.0)] ^= 1 << (cpu.0 % 64);
            self.trim();
        }
        there
    }

    /// Whether the CPU is in the set.
    #[must_use]
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.words.get(word_of(cpu.0)).is_some_and(|word| word >> (cpu.0 % 64) & 1 == 1)
    }

    /// The number of CPUs in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no CPU is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The lowest CPU.
    #[must_use]
    pub fn first(&self) -> Option<CpuId> {
        self.iter().next()
    }

    /// The CPUs, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = CpuId> {
        (0_u32..)
            .zip(&self.words)
            .flat_map(|(index, &word)| bits(word).map(move |bit| CpuId(index * 64 + bit)))
    }

    /// The CPUs that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &CpuSet) -> CpuSet {
        CpuSet::trimmed(self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect())
    }

    /// The CPUs that are in one of the sets or in both.
    #[must_use]
    pub fn union(&self, other: &CpuSet) -> CpuSet {
        let (long, short) =
            if self.words.len() < other.words.len() { (other, self) } else { (self, other) };
        let mut words = long.words.clone();
        for (word, more) in words.iter_mut().zip(&short.words) {
            *word |= more;
        }
        CpuSet { words }
    }

    /// Whether all CPUs of this set are in the other.
    #[must_use]
    pub fn is_subset(&self, other: &CpuSet) -> bool {
        self.words.len() <= other.words.len()
            && self.words.iter().zip(&other.words).all(|(a, b)| a & !b == 0)
    }

    /// Puts in all CPUs from `first` to `last`, a word at a time.
    fn insert_range(&mut self, first: u32, last: u32) {
        let (low, high) = (word_of(first), word_of(last));
        if self.words.len() <= high {
            self.words.resize(high + 1, 0);
        }
        for (index, word) in self.words.iter_mut().enumerate().take(high + 1).skip(low) {
            let mut mask = u64::MAX;
            if index == low {
                mask &= u64::MAX << (first % 64);
            }
            if index == high {
                mask &= u64::MAX >> (63 - last % 64);
            }
            *word |= mask;
        }
    }

    /// Puts in what one item of a list names: `N`, `N-M` or `N-M:used/group`.
    fn insert_item(&mut self, item: &str) -> Result<(), CpuListError> {
        let Some((first, rest)) = item.split_once('-') else {
            let cpu = number(item, item)?;
            self.insert_range(cpu, cpu);
            return Ok(());
        };
        let (last, groups) = match rest.split_once(':') {
            Some((last, groups)) => (last, Some(groups)),
            None => (rest, None),
        };
        let (first, last) = (number(first, item)?, number(last, item)?);
        if first > last {
            return Err(CpuListError::Backwards(excerpt(item)));
        }
        let Some(groups) = groups else {
            self.insert_range(first, last);
            return Ok(());
        };
        let (used, group) =
            groups.split_once('/').ok_or_else(|| CpuListError::Syntax(excerpt(item)))?;
        let (used, group) = (number(used, item)?, number(group, item)?);
        if group == 0 || used > group {
            return Err(CpuListError::Group(excerpt(item)));
        }
        // The kernel takes "none of each group", too.
        if used > 0 {
            for start in (first..=last).step_by(group as usize) {
                self.insert_range(start, last.min(start + used - 1));
            }
        }
        Ok(())
    }

    fn trimmed(words: Vec<u64>) -> CpuSet {
        let mut set = CpuSet { words };
        set.trim();
        set
    }

    /// Restores the rule that the last word is not 0.
    fn trim(&mut self) {
        let used = self.words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1);
        self.words.truncate(used);
    }
}

/// The word that has the CPU's bit.
fn word_of(cpu: u32) -> usize {
    (cpu / 64) as usize
}

/// The positions of the bits that are 1, lowest first.
fn bits(word: u64) -> impl Iterator<Item = u32> {
    let some = |word: u64| (word != 0).then_some(word);
    std::iter::successors(some(word), move |&word| some(word & (word - 1))).map(u64::trailing_zeros)
}

impl FromIterator<CpuId> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuId>>(cpus: I) -> CpuSet {
        let mut set = CpuSet::new();
        set.extend(cpus);
        set
    }
}

impl Extend<CpuId> for CpuSet {
    fn extend<I: IntoIterator<Item = CpuId>>(&mut self, cpus: I) {
        for cpu in cpus {
            self.insert(cpu);
        }
    }
}

/// Parses the list format. White space around the list does not count; an empty list is the
/// empty set.
impl FromStr for CpuSet {
    type Err = CpuListError;

    fn from_str(list: &str) -> Result<CpuSet, CpuListError> {
        let list = list.trim_ascii();
        let mut set = CpuSet::new();
        if !list.is_empty() {
            for item in list.split(',') {
                set.insert_item(item)?;
            }
        }
        Ok(set)
    }
}

/// Writes the list format, in the shortest way without groups: `0-3,8`.
impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().map(|cpu| cpu.0).peekable();
        let mut comma = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|&next| next - last == 1) {
                last = next;
            }
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuSet({self})")
    }
}

/// Why a text is not a list of CPUs or nodes. Each holds the item of the list that is wrong, or
/// its first characters if it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpuListError {
    /// The item is not `N`, `N-M` or `N-M:used/group`.
    Syntax(String),
    /// A number in the item is above 65535.
    TooHigh(String),
    /// The range ends before it starts.
    Backwards(String),
    /// The group has no members, or fewer than are to be used.
    Group(String),
}

impl fmt::Display for CpuListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(item) => write!(f, "`{item}` is not a number or a range"),
            Self::TooHigh(item) => write!(f, "`{item}` has a number above {HIGHEST}"),
            Self::Backwards(item) => write!(f, "`{item}` ends before it starts"),
            Self::Group(item) => write!(f, "`{item}` has too small a group"),
        }
    }
}

impl Error for CpuListError {}

/// A number of an item, digits alone: the standard parser takes a sign, too.
fn number(text: &str, item: &str) -> Result<u32, CpuListError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CpuListError::Syntax(excerpt(item)));
    }
    // Digits alone can only be wrong by being too many.
    let number = text.parse().ok().filter(|&number| number <= HIGHEST);
    number.ok_or_else(|| CpuListError::TooHigh(excerpt(item)))
}

/// The start of a text for an error message: what is malformed may be a whole file.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows #[test] alone")]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(list: &str) -> CpuSet {
        list.parse().unwrap()
    }

    fn error(list: &str) -> String {
        list.parse::<CpuSet>().unwrap_err().to_string()
    }

    fn numbers(set: &CpuSet) -> Vec<u32> {
        set.iter().map(|cpu| cpu.0).collect()
    }

    #[test]
    fn lists_of_the_kernel() {
        assert_eq!(numbers(&set("0-3,8,10-11\n")), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(numbers(&set("5")), [5]);
        assert_eq!(numbers(&set(" 2,0-1,1 ")), [0, 1, 2], "in any order, more than once");
        assert_eq!(set("63-64").words(), [1 << 63, 1]);
        assert_eq!(set("0-127").words(), [u64::MAX; 2]);
        for empty in ["", "\n", " \t\n"] {
            assert_eq!(set(empty), CpuSet::new());
        }
        assert_eq!(set("65535").len(), 1);
    }

    #[test]
    fn groups() {
        assert_eq!(numbers(&set("0-31:2/8")), [0, 1, 8, 9, 16, 17, 24, 25]);
        assert_eq!(numbers(&set("1-9:3/4,20")), [1, 2, 3, 5, 6, 7, 9, 20], "the last is cut off");
        assert_eq!(set("3-9:4/4"), set("3-9"));
        assert_eq!(set("3-9:0/4"), CpuSet::new());
        assert_eq!(set("0-65535:1/65535"), set("0,65535"));
    }

    #[test]
    fn malformed_lists() {
        for list in ["x", "-", "-1", "1-", "+1", "1-+2", "1,,2", ",", "1 2", "1-2-3", "0x1"] {
            assert!(error(list).ends_with("is not a number or a range"), "{list}");
        }
        for list in ["1:1/2", "0-3:1", "0-3:/2", "0-3:1/", "0-3:1/2/3", "0-3:1:2"] {
            assert!(error(list).ends_with("is not a number or a range"), "{list}");
        }
        assert_eq!(error("0,65536"), "`65536` has a number above 65535");
        assert_eq!(error("0-99999999999"), "`0-99999999999` has a number above 65535");
        assert_eq!(error("4-3"), "`4-3` ends before it starts");
        assert_eq!(error("0-3:3/2"), "`0-3:3/2` has too small a group");
        assert_eq!(error("0-3:0/0"), "`0-3:0/0` has too small a group");
        assert!(error(&"x".repeat(9999)).len() < 100);
    }

    #[test]
    fn shortest_list() {
        assert_eq!(set("0,1,2,4,6,7").to_string(), "0-2,4,6-7");
        assert_eq!(set("").to_string(), "");
        assert_eq!(format!("{:?}", set("62,63,64")), "CpuSet(62-64)");
        assert_eq!((CpuId(7).to_string(), NodeId(8).to_string()), ("7".into(), "8".into()));
    }

    #[test]
    fn equal_sets_have_equal_words() {
        let mut set = set("1,700");
        assert!(set.remove(CpuId(700)) && !set.remove(CpuId(700)) && !set.remove(CpuId(9999)));
        assert_eq!(set.words(), [2]);
        assert_eq!(CpuSet::from_words(&[2, 0, 0]), set);
        assert_eq!(CpuSet::from_words(&[0, 0]), CpuSet::default());
    }

    proptest! {
        #[test]
        fn is_a_set(
            changes in prop::collection::vec((any::<bool>(), 0..300_u32), 0..90),
            other in prop::collection::btree_set(0..300_u32, 0..90),
        ) {
            let (mut model, mut set) = (BTreeSet::new(), CpuSet::new());
            for (insert, cpu) in changes {
                if insert {
                    prop_assert_eq!(set.insert(CpuId(cpu)), model.insert(cpu));
                } else {
                    prop_assert_eq!(set.remove(CpuId(cpu)), model.remove(&cpu));
                }
            }
            let of = |model: &BTreeSet<u32>| model.iter().copied().map(CpuId).collect::<CpuSet>();
            let other_set = of(&other);
            prop_assert_eq!(&set, &of(&model));
            prop_assert_eq!(numbers(&set), Vec::from_iter(model.clone()));
            prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
            prop_assert!((0..310).all(|cpu| set.contains(CpuId(cpu)) == model.contains(&cpu)));
            prop_assert_eq!(set.intersection(&other_set), of(&(&model & &other)));
            prop_assert_eq!(set.union(&other_set), of(&(&model | &other)));
            prop_assert_eq!(set.is_subset(&other_set), model.is_subset(&other));
            prop_assert!(set.intersection(&other_set).is_subset(&set));
            prop_assert!(set.is_subset(&set.union(&other_set)));
            prop_assert_eq!(CpuSet::from_words(set.words()), set);
        }

        #[test]
        fn parses_what_it_writes(
            cpus in prop::collection::btree_set(0..=HIGHEST, 0..50),
            run in 0..200_u32,
        ) {
            let runs = cpus.iter().flat_map(|&cpu| (cpu..=HIGHEST.min(cpu + run)).map(CpuId));
            let set: CpuSet = runs.collect();
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }

        #[test]
        fn ranges_and_groups(
            (first, length) in (0..200_u32, 0..200_u32),
            (used, more) in (0..70_u32, 0..70_u32),
        ) {
            let (last, group) = (first + length, used.max(1) + more);
            let model = (first..=last).filter(|cpu| (cpu - first) % group < used).map(CpuId);
            prop_assert_eq!(set(&format!("{first}-{last}:{used}/{group}")), model.collect());
        }

        #[test]
        fn no_text_is_a_panic(text in "[0-9,:/ -]{0,12}|.{0,9}") {
            let _: Result<CpuSet, CpuListError> = text.parse();
        }
    }
}

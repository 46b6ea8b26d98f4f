//! The chunk arithmetic: how large the next chunk is. Pure functions of counts.
//!
//! Two rules. The kernel's: four chunks per thread, all of one size, with ends at multiples of
//! that size (`padata_do_multithreaded`, kernel/padata.c). Guided: each chunk is a share of
//! what is left, so that large ones come first and small ones last (Polychronopoulos and Kuck,
//! "Guided Self-Scheduling", IEEE Trans. Computers C-36, 1987). Both are functions of
//! where a chunk begins alone, not of the thread that asks or of timing.

/// How a job is cut into chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkRule {
    /// Four chunks per thread, all of one size, and at least `min_chunk` each: the kernel's rule.
    Kernel,
    /// Large chunks first, small ones last: each is what is left, divided by twice the number
    /// of threads, but at least `min_chunk`. Threads end at nearly the same time even when some
    /// are slower, or when the cost of units differs.
    #[default]
    Guided,
}

/// The kernel's number of chunks per thread, `load_balance_factor`.
const CHUNKS_PER_THREAD: u64 = 4;

/// What a guided chunk leaves for the others: with 1 the first chunks would be as large as a
/// whole equal share, and the thread that starts last would end last.
const SHARES_PER_THREAD: u64 = 2;

/// For helpers that nobody can raise. Beside a busy thread they have 3 % of the caller's speed: a
/// 512th of the job, the largest chunk of one of two threads, takes 7 % of the caller's time.
const SHARES_OF_SLOW_THREADS: u64 = 256;

/// The cut of one job: the same for all its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    rule: ChunkRule,
    threads: u64,
    align: u64,
    min_chunk: u64,
    /// Guided: a chunk is what is left over this and over the number of threads.
    shares: u64,
    /// The size of chunks by the kernel's rule, a multiple of `align`; nothing if it is larger
    /// than any position.
    fixed: Option<u64>,
}

/// The number of threads that `units` units are worth, by the kernel's rule: as many as get
/// `min_chunk` units each, at least one.
pub(crate) fn worthwhile(units: u64, align: u64, min_chunk: u64) -> usize {
    let threads = units / align.max(min_chunk).max(1);
    usize::try_from(threads.max(1)).unwrap_or(usize::MAX)
}

impl Cut {
    /// For a job of `units` units in all, with `threads` threads. An `align`, `min_chunk` or
    /// number of threads of 0 counts as 1.
    pub(crate) fn new(
        rule: ChunkRule,
        units: u64,
        threads: usize,
        align: u64,
        min_chunk: u64,
    ) -> Self {
        let (threads, align, min_chunk) = (threads.max(1) as u64, align.max(1), min_chunk.max(1));
        let share = units / threads.saturating_mul(CHUNKS_PER_THREAD);
        let fixed = share.max(min_chunk).checked_next_multiple_of(align);
        Cut { rule, threads, align, min_chunk, shares: SHARES_PER_THREAD, fixed }
    }

    /// Everything in one piece.
    pub(crate) fn whole() -> Self {
        Cut { rule: ChunkRule::Kernel, threads: 1, align: 1, min_chunk: 1, shares: 1, fixed: None }
    }

    /// This cut for threads that may be far slower than others: little of what is left each time,
    /// and at the end the minimum.
    pub(crate) fn small(self) -> Self {
        Cut { rule: ChunkRule::Guided, shares: SHARES_OF_SLOW_THREADS, ..self }
    }

    /// The number of units of the chunk at `offset` in a part, where `left` (not 0) units remain
    /// in it. `past` says how far the start of the part is past a multiple of a number.
    pub(crate) fn next(&self, offset: u64, left: u64, past: impl Fn(u64) -> u64) -> u64 {
        let (size, grid) = match self.rule {
            ChunkRule::Kernel => match self.fixed {
                Some(fixed) => (1, fixed),
                None => return left,
            },
            ChunkRule::Guided => {
                let share = left / self.threads.saturating_mul(self.shares);
                (share.max(self.min_chunk), self.align)
            }
        };
        // The end goes up to the next multiple. In 128 bits, for offsets and grids near 2^64.
        let begin = (u128::from(past(grid)) + u128::from(offset)) % u128::from(grid);
        let end = (begin + u128::from(size)).next_multiple_of(u128::from(grid));
        u64::try_from(end - begin).map_or(left, |units| units.min(left))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::super::position::Position;
    use super::*;

    /// The chunks of a part, as one thread would take them.
    fn cut_up(cut: Cut, start: u64, units: u64) -> Vec<(u64, u64)> {
        let mut chunks = Vec::new();
        let mut offset = 0;
        while offset < units {
            let next = cut.next(offset, units - offset, |grid| start.past_multiple(grid));
            assert!(next > 0);
            chunks.push((start + offset, next));
            offset += next;
        }
        chunks
    }

    /// The contract's text, word for word, as far as 128 bits allow: the kernel's algorithm with
    /// its own variables, run by one thread after the other.
    fn kernel_by_the_book(
        start: u64,
        size: u64,
        align: u64,
        min_chunk: u64,
        max_threads: u64,
    ) -> Vec<(u64, u64)> {
        let (start, size) = (u128::from(start), u128::from(size));
        let (align, min_chunk) = (u128::from(align.max(1)), u128::from(min_chunk.max(1)));
        if size == 0 {
            return vec![];
        }
        let nworks = (size / min_chunk.max(align)).max(1).min(u128::from(max_threads));
        let chunk = (size / (nworks * 4)).max(min_chunk).max(1).next_multiple_of(align);
        let (mut at, mut left, mut chunks) = (start, size, Vec::new());
        while left > 0 {
            let n = ((at + 1).next_multiple_of(chunk) - at).min(left);
            chunks.push((at as u64, n as u64));
            at += n;
            left -= n;
        }
        chunks
    }

    /// Counts of every magnitude, both ends included. Small enough in relation to each other that
    /// the chunks can be listed.
    fn any_count() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0),
            Just(1),
            Just(u64::MAX),
            0..100_u64,
            any::<u64>(),
            (0..64_u32).prop_map(|bit| 1 << bit),
            (0..100_u64).prop_map(|n| u64::MAX - n),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_kernels_rule_by_the_book(
            start in any_count(),
            units in any_count(),
            align in any_count(),
            min_chunk in any_count(),
            max_threads in 1..300_usize,
        ) {
            let units = units.min(u64::MAX - start);
            let threads = worthwhile(units, align, min_chunk).min(max_threads);
            let cut = Cut::new(ChunkRule::Kernel, units, threads, align, min_chunk);
            let expected = kernel_by_the_book(start, units, align, min_chunk, max_threads as u64);
            prop_assert_eq!(cut_up(cut, start, units), expected);
        }

        /// What any rule owes: chunks that follow each other and cover the units; ends on
        /// multiples; nothing below the minimum but the first (whose start may be unaligned),
        /// and the last; not more of them than there is use for.
        #[test]
        fn every_rule_covers_everything_once(
            start in any_count(),
            units in any_count(),
            align in any_count(),
            min_chunk in any_count(),
            threads in 0..300_usize,
            rule in prop_oneof![Just(ChunkRule::Kernel), Just(ChunkRule::Guided)],
            small: bool,
        ) {
            let units = units.min(u64::MAX - start);
            let mut cut = Cut::new(rule, units, threads, align, min_chunk);
            if small && units / min_chunk.max(align).max(1) < 1_000 {
                cut = cut.small();
            }
            let chunks = cut_up(cut, start, units);
            let (align, min_chunk) = (align.max(1), min_chunk.max(1));
            let mut at = start;
            for (index, &(begin, len)) in chunks.iter().enumerate() {
                prop_assert_eq!(begin, at);
                at += len;
                let last = index + 1 == chunks.len();
                prop_assert!(last || at % align == 0, "an end at {}", at);
                prop_assert!(last || index == 0 || len >= min_chunk, "{} units", len);
            }
            prop_assert_eq!(at, start + units);
            if !small {
                prop_assert!(chunks.len() <= 300 * 2 * 45 + 300 * 4 + 2, "{} chunks", chunks.len());
            }
        }

        #[test]
        fn guided_chunks_never_grow(units in 1..1_000_000_u64, threads in 1..20_usize) {
            let cut = Cut::new(ChunkRule::Guided, units, threads, 1, 1);
            let sizes: Vec<u64> = cut_up(cut, 0, units).iter().map(|chunk| chunk.1).collect();
            prop_assert!(sizes.is_sorted_by(|a, b| a >= b));
            prop_assert_eq!(sizes[0], (units / (threads as u64 * 2)).max(1));
        }
    }

    #[test]
    fn whole_is_one_chunk() {
        for units in [1, 1000, u64::MAX] {
            assert_eq!(cut_up(Cut::whole(), 0, units), [(0, units)]);
        }
    }

    #[test]
    fn threads_that_a_size_is_worth() {
        assert_eq!(worthwhile(0, 0, 0), 1);
        assert_eq!(worthwhile(9, 1, 10), 1);
        assert_eq!(worthwhile(30, 1, 10), 3);
        assert_eq!(worthwhile(30, 15, 10), 2);
        assert_eq!(worthwhile(u64::MAX, 0, 0), usize::MAX);
    }
}

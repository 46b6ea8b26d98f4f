//! What is learned about jobs as they run: how long they take, and from it how many a thread claims
//! at once and when a helper is worth its wake-up.
//!
//! All hints: no order and no outcome depends on them.

use crate::sync::{AtomicU64, Ordering};

/// A batch is about this much work: enough to make its claim, its end and its turn cheap, little
/// enough that nobody waits long for it.
const BATCH_NANOS: u64 = 10_000;

/// Jobs shorter than this are not worth a hand-over to another thread: the job goes from one core
/// to the other and its outcome comes back.
pub(crate) const HAND_OVER_NANOS: u64 = 150;

/// A wake-up costs about this much, all threads together.
pub(crate) const WAKE_NANOS: u64 = 50_000;

/// Of batches of one job, one in so many is timed once there is an estimate.
const SAMPLE_ONE_IN: u64 = 8;

const UNKNOWN: u64 = u64::MAX;

/// What is known.
pub(crate) struct Pace {
    /// Nanoseconds per job, parallel part only.
    nanos: AtomicU64,
    /// How long, in nanoseconds, jobs have kept submitters busy with hardly a pause.
    strain: AtomicU64,
    /// When a submitter was last through with a job, by the clock of the stream.
    busy_until: AtomicU64,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Pace {
            nanos: AtomicU64::new(UNKNOWN),
            strain: AtomicU64::new(0),
            busy_until: AtomicU64::new(0),
        }
    }

    /// Nanoseconds per job, if any was timed.
    pub(crate) fn nanos(&self) -> Option<u64> {
        Some(self.nanos.load(Ordering::Relaxed)).filter(|&nanos| nanos != UNKNOWN)
    }

    /// How many of `waiting` jobs one of `threads` threads should claim, at most `most`.
    pub(crate) fn batch(&self, waiting: usize, threads: usize, most: usize) -> usize {
        let by_time = match self.nanos() {
            Some(nanos) => BATCH_NANOS / nanos.max(1),
            None => 1,
        };
        // Half of a thread's share: what is left evens out the ends.
        let share = if threads == 1 { waiting } else { waiting / (2 * threads) };
        share.min(usize::try_from(by_time).unwrap_or(usize::MAX)).clamp(1, most)
    }

    /// Whether a batch of `jobs`, the first of them the job with this number, should be timed.
    pub(crate) fn wants_sample(&self, jobs: usize, number: u64) -> bool {
        jobs > 1 || number.is_multiple_of(SAMPLE_ONE_IN) || self.nanos().is_none()
    }

    /// A batch of `jobs` took so long.
    pub(crate) fn record(&self, jobs: usize, nanos: u64) {
        let new = nanos / jobs as u64;
        let next = match self.nanos() {
            // One of four counts, and one that took far longer, for it lost its CPU, counts as
            // little more than the others.
            Some(old) => (3 * old + new.min(4 * old + 1000)) / 4,
            None => new,
        };
        self.nanos.store(next, Ordering::Relaxed);
    }

    /// A submitter ran a job itself, from `begin` to `end`.
    /// Pauses between jobs count against what they add up to.
    pub(crate) fn strain(&self, begin: u64, end: u64) {
        let pause = begin.saturating_sub(self.busy_until.load(Ordering::Relaxed));
        self.busy_until.store(end, Ordering::Relaxed);
        let before = self.strain.load(Ordering::Relaxed).saturating_sub(pause);
        let strain = before.saturating_add(end.saturating_sub(begin));
        self.strain.store(strain, Ordering::Relaxed);
    }

    /// For how long submitters have been busy with jobs, when one last was.
    pub(crate) fn strained(&self) -> u64 {
        self.strain.load(Ordering::Relaxed)
    }

    /// A helper was called.
    pub(crate) fn relax(&self) {
        self.strain.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn batches_are_a_share_and_not_too_much_work() {
        let pace = Pace::new();
        assert_eq!(pace.batch(1000, 2, 64), 1, "nothing is known of the jobs");
        pace.record(1, 0);
        assert_eq!(pace.batch(1000, 2, 64), 64);
        assert_eq!(pace.batch(100, 2, 64), 25);
        assert_eq!(pace.batch(3, 2, 64), 1);
        assert_eq!(pace.batch(1000, 2, 1), 1);
        let pace = Pace::new();
        pace.record(10, 20_000);
        assert_eq!(pace.nanos(), Some(2000));
        assert_eq!(pace.batch(1000, 2, 64), 5);
    }

    #[test]
    fn one_long_job_does_not_spoil_the_estimate() {
        let pace = Pace::new();
        pace.record(1, 100);
        pace.record(1, 10_000_000);
        assert!(pace.nanos().unwrap() < 500);
    }

    #[test]
    fn pauses_relieve() {
        let pace = Pace::new();
        let strained = |begin, end| {
            pace.strain(begin, end);
            pace.strained()
        };
        assert_eq!(strained(1000, 1400), 400);
        assert_eq!(strained(1500, 1900), 700, "a pause of 100");
        assert_eq!(strained(10_000, 10_100), 100);
        pace.relax();
        assert_eq!(strained(10_100, 10_150), 50);
    }
}

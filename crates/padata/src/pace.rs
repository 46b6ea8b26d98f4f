//! What is learned about jobs as they run: how long they take, and from it how many a thread claims
//! at once and when a helper is worth its wake-up.
//!
//! All hints: no order and no outcome depends on them.

use crate::sync::{AtomicU64, Ordering};

/// A batch is about this much work: enough to make its claim, its end and its turn cheap, little
/// enough that nobody waits long for it.
const BATCH_NANOS: u64 = 10_000;

/// What is handed over to another thread goes from one core to the other and comes back: that is
/// worth it for so much work at once.
const HAND_OVER_NANOS: u64 = 700;

/// Shorter jobs are never handed over, however many at once.
const SHORTEST_NANOS: u64 = 20;

/// Nor are those whose serial part takes more than so many times as long as the parallel part: the
/// most that could be won is one part in so many.
const SERIAL_TIMES: u64 = 4;

/// A wake-up costs about this much, all threads together.
pub(crate) const WAKE_NANOS: u64 = 50_000;

/// Helpers without work stay awake for no longer than this. It is long enough for the kernel to
/// notice that two threads want one CPU while another is free.
const LINGER_MAX: u64 = 2_000_000;

/// Of batches of one job, one in so many is timed once there is an estimate.
const SAMPLE_ONE_IN: u64 = 8;

const UNKNOWN: u64 = u64::MAX;

/// What is known.
pub(crate) struct Pace {
    /// Shorter jobs are not worth a hand-over.
    shortest: u64,
    /// Nanoseconds per job, parallel part.
    nanos: AtomicU64,
    /// Nanoseconds per job, serial part.
    serial: AtomicU64,
    /// How long, in nanoseconds, jobs have kept submitters busy with hardly a pause.
    strain: AtomicU64,
    /// How long helpers stay awake without work.
    linger: AtomicU64,
    /// When a helper last left, by the clock of the stream.
    left: AtomicU64,
    /// When a submitter was last through with a job, by the clock of the stream.
    busy_until: AtomicU64,
}

impl Pace {
    /// For jobs of which a thread claims at most so many at once.
    pub(crate) fn new(batch: usize) -> Self {
        Pace {
            shortest: (HAND_OVER_NANOS / batch.max(1) as u64).max(SHORTEST_NANOS),
            nanos: AtomicU64::new(UNKNOWN),
            serial: AtomicU64::new(UNKNOWN),
            strain: AtomicU64::new(0),
            linger: AtomicU64::new(0),
            left: AtomicU64::new(0),
            busy_until: AtomicU64::new(0),
        }
    }

    /// Nanoseconds of a job's parallel part, if any was timed.
    pub(crate) fn nanos(&self) -> Option<u64> {
        known(&self.nanos)
    }

    /// Whether jobs are not worth a hand-over: their parallel parts are short, in themselves or
    /// beside their serial parts, which nobody can help with.
    pub(crate) fn is_for_one_thread(&self) -> bool {
        self.nanos().is_some_and(|nanos| {
            let serial = known(&self.serial).unwrap_or(0);
            nanos < self.shortest.max(serial / SERIAL_TIMES)
        })
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

    /// Whether a batch of `jobs`, the first of them the job with this number, should be timed, its
    /// parallel and its serial part.
    pub(crate) fn wants_sample(&self, jobs: usize, number: u64) -> bool {
        jobs > 1 || number.is_multiple_of(SAMPLE_ONE_IN) || self.nanos().is_none()
    }

    /// The parallel parts of a batch of `jobs` took so long.
    pub(crate) fn record(&self, jobs: usize, nanos: u64) {
        record(&self.nanos, jobs, nanos);
    }

    /// The serial parts of a batch of `jobs` took so long.
    pub(crate) fn record_serial(&self, jobs: usize, nanos: u64) {
        record(&self.serial, jobs, nanos);
    }

    /// A submitter ran a job itself, from `begin` to `end`. Pauses between jobs count against what
    /// they add up to.
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

    /// A helper is called. If one has left a moment ago, it should have stayed: from now on they
    /// stay longer.
    pub(crate) fn called(&self, now: u64) {
        self.strain.store(0, Ordering::Relaxed);
        let is_back_soon = now.saturating_sub(self.left.load(Ordering::Relaxed)) < LINGER_MAX;
        let linger = match self.linger.load(Ordering::Relaxed) {
            _ if !is_back_soon => 0,
            0 => WAKE_NANOS,
            before => (2 * before).min(LINGER_MAX),
        };
        self.linger.store(linger, Ordering::Relaxed);
    }

    /// A helper has left, since there was nothing to do.
    pub(crate) fn left(&self, now: u64) {
        self.left.store(now, Ordering::Relaxed);
    }

    /// How long a helper without work stays awake, in nanoseconds.
    pub(crate) fn linger(&self) -> u64 {
        self.linger.load(Ordering::Relaxed)
    }
}

fn known(nanos: &AtomicU64) -> Option<u64> {
    Some(nanos.load(Ordering::Relaxed)).filter(|&nanos| nanos != UNKNOWN)
}

fn record(estimate: &AtomicU64, jobs: usize, nanos: u64) {
    let new = nanos / jobs as u64;
    let next = match known(estimate) {
        // One of four counts, and one that took far longer, for it lost its CPU, counts as little
        // more than the others.
        Some(old) => (3 * old + new.min(4 * old + 1000)) / 4,
        None => new,
    };
    estimate.store(next, Ordering::Relaxed);
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// A helper can take over parallel parts, and nothing else: where serial parts take most of the
    /// time, it would only be in the way. (A user's tunnel became slower with a second thread.)
    #[test]
    fn jobs_whose_time_is_serial_are_for_one_thread() {
        let is_for_one = |nanos, serial| {
            let pace = Pace::new(4);
            pace.record(1, nanos);
            pace.record_serial(1, serial);
            pace.is_for_one_thread()
        };
        assert!(!Pace::new(4).is_for_one_thread(), "nothing is known");
        assert!(is_for_one(20, 0) && !is_for_one(1000, 0));
        let short = |batch| {
            let pace = Pace::new(batch);
            pace.record(1, 100);
            pace.is_for_one_thread()
        };
        assert!(short(2) && !short(8), "many at once are worth more");
        assert!(is_for_one(300, 5000) && is_for_one(1000, 5000) && !is_for_one(1000, 1000));
    }

    #[test]
    fn batches_are_a_share_and_not_too_much_work() {
        let pace = Pace::new(4);
        assert_eq!(pace.batch(1000, 2, 64), 1, "nothing is known of the jobs");
        pace.record(1, 0);
        assert_eq!(pace.batch(1000, 2, 64), 64);
        assert_eq!(pace.batch(100, 2, 64), 25);
        assert_eq!(pace.batch(3, 2, 64), 1);
        assert_eq!(pace.batch(1000, 2, 1), 1);
        let pace = Pace::new(4);
        pace.record(10, 20_000);
        assert_eq!(pace.nanos(), Some(2000));
        assert_eq!(pace.batch(1000, 2, 64), 5);
    }

    #[test]
    fn one_long_job_does_not_spoil_the_estimate() {
        let pace = Pace::new(4);
        pace.record(1, 100);
        pace.record(1, 10_000_000);
        assert!(pace.nanos().unwrap() < 500);
    }

    /// Who is called again and again stays awake; who is not goes to sleep.
    #[test]
    fn helpers_stay_where_they_are_called_again_soon() {
        let pace = Pace::new(4);
        let linger_after = |left, called| {
            pace.left(left);
            pace.called(called);
            pace.linger()
        };
        assert_eq!(linger_after(0, 10_000_000), 0);
        assert_eq!(linger_after(20_000_000, 20_060_000), WAKE_NANOS);
        assert_eq!(linger_after(21_000_000, 21_500_000), 2 * WAKE_NANOS);
        for _ in 0..9 {
            linger_after(22_000_000, 22_100_000);
        }
        assert_eq!(linger_after(23_000_000, 23_100_000), LINGER_MAX);
        assert_eq!(linger_after(24_000_000, 26_000_000), 0);
    }

    #[test]
    fn pauses_relieve() {
        let pace = Pace::new(4);
        let strained = |begin, end| {
            pace.strain(begin, end);
            pace.strained()
        };
        assert_eq!(strained(1000, 1400), 400);
        assert_eq!(strained(1500, 1900), 700, "a pause of 100");
        assert_eq!(strained(10_000, 10_100), 100);
        pace.called(0);
        assert_eq!(strained(10_100, 10_150), 50);
    }
}

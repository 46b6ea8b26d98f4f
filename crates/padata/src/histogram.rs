//! A histogram of times, of fixed size: sixteen steps for each power of two.

use std::fmt;
use std::time::Duration;

/// Steps per power of two: what is read off is at most 1/16 too large.
const STEPS: u64 = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Times below this have a bucket for each nanosecond; above it the powers of two begin.
const EXACT: u64 = STEPS;

/// Times of 2^40 ns (18 minutes) and more are in the last bucket.
const TOP_BIT: u32 = 40;
const BUCKETS: usize = (EXACT + (TOP_BIT - STEP_BITS) as u64 * STEPS) as usize + 1;

/// How often each time occurred, within a 16th.
///
/// ```
/// use padata::Histogram;
/// use std::time::Duration;
///
/// let mut latency = Histogram::new();
/// for micros in 1..=1000 {
///     latency.record(Duration::from_micros(micros));
/// }
/// assert_eq!(latency.count(), 1000);
/// let median = latency.quantile(0.5).unwrap();
/// assert!(median >= Duration::from_micros(500) && median < Duration::from_micros(540));
/// assert_eq!(latency.max(), Some(Duration::from_micros(1000)));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Histogram { buckets: vec![0; BUCKETS].into(), count: 0, sum: 0, max: 0 }
    }

    /// Counts `time`.
    pub fn record(&mut self, time: Duration) {
        self.record_nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn record_nanos(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(nanos);
        self.max = self.max.max(nanos);
    }

    /// Adds what `other` has counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean, exactly; nothing if nothing was counted.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count).map(Duration::from_nanos)
    }

    /// The longest, exactly; nothing if nothing was counted.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_nanos(self.max))
    }

    /// The time that the share `q` of all, 0 to 1, did not exceed, at most a 16th too long; nothing
    /// if nothing was counted. `quantile(0.99)` is the 99th percentile.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|&times| {
            seen += times;
            seen >= rank
        })?;
        let last = last_of(bucket).min(self.max);
        (self.count > 0).then(|| Duration::from_nanos(last))
    }

    /// How many times were below each power of two nanoseconds and not below the one before: pairs
    /// of the upper bound and the number, from the first that is not 0 to the last.
    #[must_use]
    pub fn octaves(&self) -> Vec<(Duration, u64)> {
        let mut octaves = vec![0; TOP_BIT as usize + 1];
        for (bucket, &times) in self.buckets.iter().enumerate() {
            let bits = (u64::BITS - last_of(bucket).leading_zeros()) as usize;
            octaves[bits.min(TOP_BIT as usize)] += times;
        }
        let first = octaves.iter().position(|&times| times > 0).unwrap_or(octaves.len());
        let last = octaves.iter().rposition(|&times| times > 0).map_or(first, |last| last + 1);
        let bound = |bits: usize| Duration::from_nanos(1 << bits);
        (first..last).map(|bits| (bound(bits), octaves[bits])).collect()
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("mean", &self.mean())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

/// The bucket of a time in nanoseconds.
fn bucket(nanos: u64) -> usize {
    if nanos < EXACT {
        return nanos as usize;
    }
    let power = nanos.ilog2();
    if power >= TOP_BIT {
        return BUCKETS - 1;
    }
    let step = (nanos >> (power - STEP_BITS)) - STEPS;
    (EXACT + u64::from(power - STEP_BITS) * STEPS + step) as usize
}

/// The longest time of a bucket.
fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    if bucket == BUCKETS as u64 - 1 {
        return u64::MAX;
    }
    let (power, step) = ((bucket - EXACT) / STEPS, (bucket - EXACT) % STEPS);
    ((STEPS + step + 1) << power) - 1
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Buckets are in order, without gaps, and no wider than a 16th.
        #[test]
        fn a_time_is_in_its_bucket(nanos in prop_oneof![0..100_u64, any::<u64>()]) {
            let bucket = bucket(nanos);
            prop_assert!(nanos <= last_of(bucket));
            let before = bucket.checked_sub(1).map(last_of);
            prop_assert!(before.is_none_or(|before| before < nanos));
            if let Some(before) = before && bucket < BUCKETS - 1 {
                prop_assert!(last_of(bucket) - before <= before / 16 + 1);
            }
        }
    }

    fn of(nanos: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        nanos.iter().for_each(|&nanos| histogram.record_nanos(nanos));
        histogram
    }

    #[test]
    fn nothing_counted_is_nothing_known() {
        let empty = Histogram::new();
        assert_eq!((empty.mean(), empty.max(), empty.quantile(0.5)), (None, None, None));
        assert!(empty.octaves().is_empty());
    }

    #[test]
    fn small_times_are_exact() {
        let histogram = of(&[1, 2, 3, 4]);
        let at = |q| histogram.quantile(q).map(|time| time.as_nanos());
        assert_eq!([at(0.0), at(0.25), at(0.5), at(1.0)], [Some(1), Some(1), Some(2), Some(4)]);
        assert_eq!(histogram.mean(), Some(Duration::from_nanos(2)));
    }

    #[test]
    fn octaves_are_powers_of_two() {
        let nanos = Duration::from_nanos;
        assert_eq!(
            of(&[3, 4, 7, 8, 40]).octaves(),
            [(nanos(4), 1), (nanos(8), 2), (nanos(16), 1), (nanos(32), 0), (nanos(64), 1)]
        );
        assert_eq!(of(&[u64::MAX]).octaves(), [(nanos(1 << 40), 1)]);
    }

    #[test]
    fn merged_is_all_in_one() {
        let mut merged = of(&[1, 100]);
        merged.merge(&of(&[50, 1 << 50]));
        assert_eq!(merged, of(&[1, 100, 50, 1 << 50]));
    }
}

//! What a stream has counted.

use std::time::Duration;

use crate::histogram::Histogram;

/// Counts of a stream, from its beginning until now. All but `submitted` and `delivered` depend on
/// timing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// Jobs that were accepted.
    pub submitted: u64,
    /// Jobs whose serial part has run, or that were dropped after it had panicked.
    pub delivered: u64,
    /// Jobs that were given back.
    pub refused: u64,
    /// Jobs that were left to the thread that submitted them, for no helper was awake.
    pub ran_in_submit: u64,
    /// Batches in which the jobs were run.
    pub batches: u64,
    /// How often a helper was called.
    pub calls: u64,
    /// Since the stream was made.
    pub age: Duration,
    /// From the submission of a job to the beginning of the serial part of its batch. Nothing
    /// unless [`StreamOptions::latency`](crate::StreamOptions::latency) was set.
    pub latency: Option<Histogram>,
}

impl StreamStats {
    /// Jobs delivered per second, since the stream was made.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        self.delivered as f64 / self.age.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

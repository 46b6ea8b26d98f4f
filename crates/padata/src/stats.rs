//! What a job counts: how much each of its threads did, and how evenly.

use std::time::Duration;

/// Counts of a job. The numbers of chunks and threads depend on timing; the units do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Units of chunks that succeeded.
    pub units: u64,
    /// Chunks that succeeded.
    pub chunks: u64,
    /// Threads that ran at least one chunk, successful or not. A helper that left and came back
    /// counts again.
    pub threads: usize,
    /// From the start of the job to the end of its last chunk; nothing unless
    /// [`stats`](crate::Job::stats) was set.
    pub wall: Option<Duration>,
    /// Each thread's part, by number: 0 is the caller. Empty unless [`stats`](crate::Job::stats)
    /// was set.
    pub workers: Vec<WorkerStats>,
    /// Helpers that were raised to the caller's priority, one after the other.
    pub raised: usize,
    /// Whether the system refused to raise a helper.
    pub raise_refused: bool,
}

/// What one thread did for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// 0 for the caller, then in the order in which helpers came. A helper that left and came
    /// back has a second number.
    pub worker: usize,
    /// Chunks that succeeded.
    pub chunks: u64,
    /// Their units.
    pub units: u64,
    /// Time in the job's function, also in calls that failed.
    pub busy: Duration,
    /// How often the thread went over to another part.
    pub moves: u64,
}

impl Report {
    /// How unevenly the threads were busy: the time of the busiest over the mean of all, 1 for
    /// perfectly even. Nothing without [`stats`](crate::Job::stats), or if nobody was busy.
    ///
    /// ```
    /// use padata::{Job, Pool};
    /// let pool = Pool::new(padata::available_threads());
    /// let report = Job::over(0_u32, 1000)
    ///     .stats(true)
    ///     .run(&pool, |chunk| {
    ///         std::hint::black_box(chunk.range().map(u64::from).sum::<u64>());
    ///         Ok::<_, std::convert::Infallible>(())
    ///     })
    ///     .unwrap();
    /// assert!(report.imbalance().unwrap() >= 1.0);
    /// ```
    #[must_use]
    pub fn imbalance(&self) -> Option<f64> {
        let busiest = self.workers.iter().map(|worker| worker.busy).max()?;
        let total: Duration = self.workers.iter().map(|worker| worker.busy).sum();
        let mean = total.as_secs_f64() / self.workers.len() as f64;
        (mean > 0.0).then(|| busiest.as_secs_f64() / mean)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn imbalance_is_busiest_over_mean() {
        let worker =
            |seconds| WorkerStats { busy: Duration::from_secs(seconds), ..WorkerStats::default() };
        let report = |seconds: &[u64]| Report {
            workers: seconds.iter().map(|&seconds| worker(seconds)).collect(),
            ..Report::default()
        };
        assert_eq!(report(&[]).imbalance(), None);
        assert_eq!(report(&[0, 0]).imbalance(), None);
        assert_eq!(report(&[2, 2]).imbalance(), Some(1.0));
        assert_eq!(report(&[3, 1]).imbalance(), Some(1.5));
    }
}

//! The jobs: arithmetic of a known length, each with a result, and a fold that depends on the order
//! of the results.
//!
//! A job of some ns is shorter than what the CPU looks ahead: in a loop it begins the next one before
//! this one has ended, so that iterations of the loop cost less than they do in one long run. So the
//! number of iterations is found in the very loop that everything is compared with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::work::{self, Pace};

/// Jobs of one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    iterations: u64,
}

impl Load {
    /// Jobs that take about `work_ns` each in the serial loop, fold included; none at all for 0.
    pub(super) fn calibrate(pace: Pace, work_ns: u64) -> Self {
        const TRY: Duration = Duration::from_millis(2);
        const TRIES: usize = 9;
        if work_ns == 0 {
            return Load { iterations: 0 };
        }
        let wanted = work_ns as f64;
        let jobs = (TRY.as_nanos() as u64 / work_ns).max(20);
        let nanos = |load: Load| {
            let tries = (0..TRIES).map(|_| {
                let begin = Instant::now();
                load.serial(jobs);
                begin.elapsed().as_nanos() as f64 / jobs as f64
            });
            tries.fold(f64::INFINITY, f64::min)
        };
        let mut load = Load { iterations: pace.iterations(Duration::from_nanos(work_ns)) };
        let mut best = (f64::INFINITY, load);
        for _ in 0..6 {
            let measured = nanos(load);
            let miss = (measured / wanted).ln().abs();
            if miss < best.0 {
                best = (miss, load);
            }
            let next = load.iterations as f64 * wanted / measured;
            load.iterations = (next.round() as u64).max(1);
        }
        best.1
    }

    pub(super) fn iterations(self) -> u64 {
        self.iterations
    }

    /// One job. Its seed loses the lowest bit: all results differ, those of no work too.
    pub(super) fn job(self, index: u64) -> u64 {
        work::spin(index << 1, self.iterations)
    }

    /// The loop that everything is compared with.
    pub(super) fn serial(self, jobs: u64) -> u64 {
        (0..jobs).fold(0, |state, index| fold(state, self.job(index)))
    }
}

/// One more result. No two orders give the same.
pub(super) fn fold(state: u64, result: u64) -> u64 {
    state.rotate_left(5) ^ result
}

/// What the fold of so many jobs must be.
pub(super) struct Expected {
    load: Load,
    known: BTreeMap<u64, u64>,
}

impl Expected {
    pub(super) fn new(load: Load) -> Self {
        Expected { load, known: BTreeMap::from([(0, 0)]) }
    }

    /// Computed once, from the largest number of jobs below that is known.
    pub(super) fn of(&mut self, jobs: u64) -> u64 {
        let (from, state) = self.known.range(..=jobs).next_back().map_or((0, 0), |(&n, &s)| (n, s));
        let state = (from..jobs).fold(state, |state, index| fold(state, self.load.job(index)));
        self.known.insert(jobs, state);
        state
    }
}

/// Errors unless it is the result of the serial loop, in the order of the serial loop.
pub(super) fn check(name: &str, jobs: u64, found: u64, expected: u64) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{name}: wrong results, or not in order: {found:x} of {jobs} jobs, not {expected:x}"
    )
    .into())
}

/// Jobs in flight, at most, the same for all.
pub(super) const WINDOW: usize = 4096;

/// What one run of so many jobs has shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) seconds: f64,
    /// Nothing if it has no order.
    pub(super) fold: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_does_not_depend_on_what_was_asked_before() {
        let load = Load { iterations: 3 };
        let mut expected = Expected::new(load);
        for jobs in [10, 4, 25, 10, 0] {
            assert_eq!(expected.of(jobs), load.serial(jobs), "{jobs} jobs");
        }
    }

    #[test]
    fn the_fold_tells_orders_apart() {
        assert_ne!(fold(fold(0, 1), 2), fold(fold(0, 2), 1));
        assert!(check("x", 2, 1, 1).is_ok());
        assert!(check("x", 2, 1, 2).is_err());
    }

    #[test]
    fn longer_jobs_have_more_iterations() {
        let pace = Pace::measure();
        let iterations = |nanos| Load::calibrate(pace, nanos).iterations();
        assert_eq!(iterations(0), 0);
        assert!(iterations(50) < iterations(5000));
    }
}

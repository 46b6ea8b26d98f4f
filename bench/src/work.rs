//! Work that uses nothing but the arithmetic units: no memory, no system calls, a fixed amount.

use std::convert::Infallible;
use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use padata::{Job, Pool, Report};

use crate::error::{Context, Result};

/// Steps of a xorshift generator (Marsaglia): each depends on the one before, so that the
/// compiler cannot shorten the loop.
pub(crate) fn spin(seed: u64, iterations: u64) -> u64 {
    let mut state = hint::black_box(seed | 1);
    for _ in 0..iterations {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    hint::black_box(state)
}

/// Iterations that fit into a time on this machine, measured once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    per_second: f64,
}

impl Pace {
    /// The fastest of several tries.
    pub(crate) fn measure() -> Self {
        const TRY: u64 = 2_000_000;
        let fastest = (0..20).map(|_| {
            let begin = Instant::now();
            spin(1, TRY);
            begin.elapsed().as_secs_f64()
        });
        Pace { per_second: TRY as f64 / fastest.fold(f64::INFINITY, f64::min) }
    }

    pub(crate) fn iterations(self, time: Duration) -> u64 {
        ((time.as_secs_f64() * self.per_second) as u64).max(1)
    }
}

/// How the cost of a unit depends on its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All the same.
    Even,
    /// Growing from nothing to twice the mean.
    Growing,
}

/// A fixed amount of work in units, with a known result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) units: u64,
    iterations: u64,
    shape: Shape,
    expected: u64,
}

impl Load {
    /// Work for about `total` on one CPU, in units of about `unit` on average. Runs it once.
    pub(crate) fn new(pace: Pace, total: Duration, unit: Duration, shape: Shape) -> Self {
        let units = (total.as_secs_f64() / unit.as_secs_f64()).round().max(1.0) as u64;
        let mut load = Load { units, iterations: pace.iterations(unit), shape, expected: 0 };
        load.expected = load.serial();
        load
    }

    /// One unit.
    pub(crate) fn unit(&self, number: u64) -> u64 {
        let iterations = match self.shape {
            Shape::Even => self.iterations,
            Shape::Growing => self.iterations * 2 * number / self.units,
        };
        spin(number + 1, iterations)
    }

    fn sum(&self, numbers: std::ops::Range<u64>) -> u64 {
        numbers.fold(0, |sum, number| sum.wrapping_add(self.unit(number)))
    }

    fn serial(&self) -> u64 {
        self.sum(0..self.units)
    }

    /// Seconds of a plain loop.
    pub(crate) fn time_serial(&self) -> Result<f64> {
        let begin = Instant::now();
        let sum = self.serial();
        let seconds = begin.elapsed().as_secs_f64();
        self.check(sum)?;
        Ok(seconds)
    }

    /// Seconds of a job, which `configure` sets up.
    pub(crate) fn time_job(
        &self,
        pool: &Pool,
        configure: impl FnOnce(Job<'static, u64>) -> Job<'static, u64>,
    ) -> Result<(f64, Report)> {
        let sum = AtomicU64::new(0);
        let job = configure(Job::over(0, self.units));
        let begin = Instant::now();
        let result = job.run(pool, |chunk| {
            // Once per chunk: no contention.
            sum.fetch_add(self.sum(chunk.range()), Ordering::Relaxed);
            Ok::<_, Infallible>(())
        });
        let seconds = begin.elapsed().as_secs_f64();
        let report = result.context(|| "a job".to_owned())?;
        self.check(sum.into_inner())?;
        Ok((seconds, report))
    }

    /// Seconds of threads that are started for the purpose, an equal share each; the caller takes
    /// one.
    pub(crate) fn time_spawned(&self, threads: usize) -> Result<f64> {
        let share = |thread: usize| self.units * thread as u64 / threads as u64;
        let begin = Instant::now();
        let sum = thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .map(|thread| scope.spawn(move || self.sum(share(thread)..share(thread + 1))))
                .collect();
            let own = self.sum(0..share(1));
            others
                .into_iter()
                .try_fold(own, |sum, other| Some(sum.wrapping_add(other.join().ok()?)))
        });
        let seconds = begin.elapsed().as_secs_f64();
        self.check(sum.ok_or("a thread panicked")?)?;
        Ok(seconds)
    }

    /// Adding wraps, and so does not depend on the order.
    fn check(&self, sum: u64) -> Result<()> {
        if sum == self.expected {
            return Ok(());
        }
        Err(format!("wrong result of {} units: {sum:x}, not {:x}", self.units, self.expected)
            .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_gives_the_result_of_the_loop() {
        let pace = Pace { per_second: 1e9 };
        for shape in [Shape::Even, Shape::Growing] {
            let micros = Duration::from_micros;
            let load = Load::new(pace, micros(1000), micros(10), shape);
            assert_eq!(load.units, 100);
            load.time_serial().unwrap();
            load.time_spawned(3).unwrap();
            let (_, report) = load.time_job(&crate::settings::pool(2), |job| job).unwrap();
            assert_eq!(report.units, 100);
            assert!(Load { expected: 1, ..load }.time_serial().is_err());
        }
    }
}

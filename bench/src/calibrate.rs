//! What N threads can give on this machine at all: plain threads, pure arithmetic, no engine.
//!
//! Two virtual CPUs may be the two halves of one core, and a shared machine may be busy with
//! others. No engine can be faster than this, so it stands beside each table.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::Result;
use crate::sample::{Plan, Rounds};
use crate::stats::Summary;
use crate::work::{self, Pace};

/// How much more N threads get done than one, in the same time.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    speedups: Vec<(usize, Summary)>,
}

impl Calibration {
    pub(crate) fn measure(threads: &[usize], pace: Pace, quick: bool) -> Result<Self> {
        let millis = if quick { 10 } else { 100 };
        let iterations = pace.iterations(Duration::from_millis(millis));
        let mut plan = Plan::new();
        let one = plan.add(|| Ok(at_once(1, iterations)));
        let others: Vec<_> = threads
            .iter()
            .map(|&threads| (threads, plan.add(move || Ok(at_once(threads, iterations)))))
            .collect();
        let rounds = if quick { 2 } else { 7 };
        let samples =
            plan.run(Rounds { least: rounds, most: rounds, budget: Duration::from_secs(20) })?;
        let speedups = others.into_iter().map(|(threads, variant)| {
            let Summary { median, min, max } = samples.ratio(one, variant);
            let times = threads as f64;
            (threads, Summary { median: times * median, min: times * min, max: times * max })
        });
        Ok(Calibration { speedups: speedups.collect() })
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        let part = |(threads, speedup): &(usize, Summary)| {
            format!("{threads}: {:.2}x ({:.2}..{:.2})", speedup.median, speedup.min, speedup.max)
        };
        self.speedups.iter().map(part).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn json(&self) -> Value {
        let row = |(threads, speedup): &(usize, Summary)| {
            json!({
                "threads": threads,
                "speedup": speedup.median,
                "min": speedup.min,
                "max": speedup.max,
            })
        };
        self.speedups.iter().map(row).collect()
    }
}

/// Seconds until `threads` threads have done `iterations` each.
fn at_once(threads: usize, iterations: u64) -> f64 {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for seed in 1..threads {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                work::spin(seed as u64, iterations)
            });
        }
        start.wait();
        let begin = Instant::now();
        work::spin(0, iterations);
        // The scope waits for the others.
        begin
    })
    .elapsed()
    .as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_and_one_row_per_number_of_threads() {
        let pace = Pace::measure();
        let calibration = Calibration::measure(&[1, 2], pace, true).unwrap();
        assert!(calibration.line().contains("2: "));
        assert_eq!(calibration.json().as_array().unwrap().len(), 2);
    }
}

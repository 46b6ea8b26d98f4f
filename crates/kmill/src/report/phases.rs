//! How long each phase of a run took (`--time`).

use std::fmt;
use std::time::{Duration, Instant};

/// Phases in the order in which they ran.
#[derive(Debug, Default)]
pub(crate) struct Phases(Vec<(&'static str, Duration)>);

impl Phases {
    /// Runs one phase.
    pub(crate) fn time<R>(&mut self, name: &'static str, phase: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = phase();
        self.0.push((name, start.elapsed()));
        result
    }

    /// Adds phases that a library timed.
    pub(crate) fn extend(&mut self, phases: impl Iterator<Item = (&'static str, Duration)>) {
        self.0.extend(phases);
    }

    /// All phases together.
    pub(crate) fn total(&self) -> Duration {
        self.0.iter().map(|(_, duration)| *duration).sum()
    }
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: &Duration| duration.as_secs_f64() * 1e3;
        for (name, duration) in &self.0 {
            writeln!(f, "{:9.2} ms  {name}", ms(duration))?;
        }
        writeln!(f, "{:9.2} ms  total", ms(&self.total()))
    }
}

//! How long each part of an encoding took.

use std::time::{Duration, Instant};

/// Parts of an encoding, in the order in which they ran.
#[derive(Clone, Debug, Default)]
pub struct Phases(Vec<(&'static str, Duration)>);

impl Phases {
    /// Runs one part.
    pub(crate) fn time<R>(&mut self, name: &'static str, part: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = part();
        self.0.push((name, start.elapsed()));
        result
    }

    /// Each part with its time, called `phase/part`; no two overlap.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        self.0.iter().copied()
    }
}

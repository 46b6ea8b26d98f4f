//! The policies that are compared, as settings of a job.

use padata::{ChunkRule, Job, Nice, Pool, Raise};

use crate::error::Result;
use crate::sample::Variant;
use crate::work::Load;

/// What others are compared to.
pub(super) const SERIAL: &str = "serial";

/// How a job's helpers run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) name: &'static str,
    has_helpers: bool,
    nice: Nice,
    raise: Raise,
}

/// The rows of the table.
pub(super) static POLICIES: [Policy; 3] = [
    Policy { name: SERIAL, has_helpers: false, nice: Nice::Inherit, raise: Raise::None },
    Policy { name: "nice", has_helpers: true, nice: Nice::Max, raise: Raise::None },
    Policy { name: "raise", has_helpers: true, nice: Nice::Max, raise: Raise::OneByOne },
];

/// What else one could do. Helpers under `SCHED_IDLE` that nobody raises would take minutes.
pub(super) static CONTRAST: [Policy; 2] = [
    Policy { name: "normal", has_helpers: true, nice: Nice::Inherit, raise: Raise::None },
    Policy { name: "idle", has_helpers: true, nice: Nice::Idle, raise: Raise::OneByOne },
];

impl Policy {
    pub(super) fn configure<'j>(&self, job: Job<'j, u64>) -> Job<'j, u64> {
        let job = job.chunk_rule(ChunkRule::Kernel).nice(self.nice).raise(self.raise);
        if self.has_helpers { job } else { job.max_threads(1) }
    }

    /// Seconds, and the part of the units that helpers did.
    pub(super) fn time(&self, pool: &Pool, load: &Load) -> Result<(f64, f64)> {
        let (seconds, report) = load.time_job(pool, |job| self.configure(job).stats(true))?;
        if report.raise_refused {
            return Err(format!("{}: the system refused to raise a helper", self.name).into());
        }
        let helpers = report.workers.iter().filter(|worker| worker.worker > 0);
        let units: u64 = helpers.map(|worker| worker.units).sum();
        Ok((seconds, units as f64 / load.units as f64))
    }
}

/// The variant of a policy: each has one.
pub(super) fn found(variants: &[(&'static str, Variant)], name: &str) -> Variant {
    let variant = variants.iter().find(|(policy, _)| *policy == name);
    variant.map(|&(_, variant)| variant).expect("every policy is measured")
}

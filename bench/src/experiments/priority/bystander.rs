//! A bystander: one thread of the default priority that does a fixed amount of work, while a job
//! is under way on the same machine for as long as it needs.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use padata::{CancelToken, Failure, Job, Pool};

use super::policy::{self, CONTRAST, POLICIES, Policy};
use crate::error::Result;
use crate::report;
use crate::sample::{Plan, Samples, Variant};
use crate::settings::Settings;
use crate::stats::Summary;
use crate::work::{self, Pace};

/// What the bystander does, alone.
const WORK: Duration = Duration::from_millis(700);

/// Until the job's helpers run, and after the last sample.
const SETTLE: Duration = Duration::from_millis(50);

const UNIT: Duration = Duration::from_micros(50);

/// More units than any bystander lasts.
const ENDLESS: u64 = 1 << 40;

/// The bystander's time beside a job under each policy.
pub(super) struct Bystanders {
    pub(super) samples: Samples,
    variants: Vec<(&'static str, Variant)>,
}

pub(super) fn measure(settings: &Settings, pace: Pace, pool: &Pool) -> Result<Bystanders> {
    let work = pace.iterations(settings.size(WORK, WORK / 30));
    let unit = pace.iterations(UNIT);
    let mut plan = Plan::new();
    let mut variants = Vec::new();
    for policy in POLICIES.iter().chain(&CONTRAST) {
        let variant = plan.add(move || {
            thread::sleep(SETTLE);
            beside(policy, pool, unit, work)
        });
        variants.push((policy.name, variant));
    }
    report::note("a bystander beside jobs");
    let samples = plan.run(settings.rounds(11, 15, 60))?;
    Ok(Bystanders { samples, variants })
}

impl Bystanders {
    /// How much longer the bystander takes than beside a job without helpers.
    pub(super) fn slowdown(&self, policy: &Policy) -> Summary {
        let variant = |name| policy::found(&self.variants, name);
        self.samples.ratio(variant(policy.name), variant(policy::SERIAL))
    }

    pub(super) fn beside_serial(&self) -> Summary {
        self.samples.summary(policy::found(&self.variants, policy::SERIAL))
    }
}

/// Seconds of the bystander.
fn beside(policy: &Policy, pool: &Pool, unit: u64, work: u64) -> Result<f64> {
    let over = CancelToken::new();
    let begun = AtomicBool::new(false);
    let (seconds, result) = thread::scope(|scope| {
        let bystander = scope.spawn(|| {
            while !begun.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            thread::sleep(SETTLE);
            let begin = Instant::now();
            work::spin(1, work);
            let seconds = begin.elapsed().as_secs_f64();
            over.cancel();
            seconds
        });
        let job = policy.configure(Job::over(0_u64, ENDLESS)).cancel(&over);
        let result = job.run(pool, |chunk| {
            begun.store(true, Ordering::Relaxed);
            for (done, number) in (1..).zip(chunk.range()) {
                work::spin(number, unit);
                if chunk.is_stopping() {
                    chunk.give_back(done);
                    break;
                }
            }
            Ok::<_, Infallible>(())
        });
        (bystander.join(), result)
    });
    let seconds = seconds.map_err(|_| "the bystander panicked")?;
    match result.map_err(|error| error.first) {
        Err(Failure::Cancelled) => Ok(seconds),
        Err(other) => Err(format!("the job beside the bystander: {other}").into()),
        Ok(_) => Err("the job ended before the bystander".into()),
    }
}

//! The part of `quota` that runs in the control group.

use std::path::Path;
use std::thread;
use std::time::Duration;

use padata::Pool;
use serde_json::json;

use crate::error::{Context, Result};
use crate::sample::{Plan, Variant};
use crate::settings::{self, Settings};
use crate::stats::Summary;
use crate::work::{Load, Pace, Shape};
use crate::{cgroup, machine, report};

pub(crate) const NAME: &str = "__quota-child";

/// CPU time of one sample under a quota of one CPU.
const WORK: Duration = Duration::from_millis(500);

const UNIT: Duration = Duration::from_micros(50);

/// Two periods: a new sample does not pay for what the last one used.
const SETTLE: Duration = Duration::from_millis(200);

/// `PROCS QUOTA ROUNDS QUICK`: moves into a group, measures, and prints the rows as JSON.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let [procs, quota, rounds, quick] = args else {
        return Err(format!("{NAME} takes four arguments, not {}", args.len()).into());
    };
    let quota: f64 = quota.parse().context(|| quota.clone())?;
    let rounds: usize = rounds.parse().context(|| rounds.clone())?;
    let quick: bool = quick.parse().context(|| quick.clone())?;
    let settings = Settings { threads: None, rounds: (rounds > 0).then_some(rounds), quick };
    // Before the group: there, the pace of a quota below 1 would be measured.
    let pace = Pace::measure();
    cgroup::enter(Path::new(procs))?;

    let serial = settings::pool(1);
    let auto = Pool::auto();
    let all = settings::pool(machine::cpus()?.len());
    if auto.threads().get() != 1 {
        let threads = auto.threads();
        return Err(
            format!("Pool::auto() has {threads} threads under a quota of {quota} CPU").into()
        );
    }

    let work = settings.size(WORK, WORK / 10).mul_f64(quota.min(1.0));
    let load = Load::new(pace, work, UNIT, Shape::Even);
    let sample = |pool: &Pool| {
        thread::sleep(SETTLE);
        Ok(load.time_job(pool, |job| job)?.0)
    };
    let mut plan = Plan::new();
    let pools = [("serial", &serial), ("auto", &auto), ("all-cpus", &all)];
    let variants: Vec<(&str, usize, Variant)> = pools
        .into_iter()
        .map(|(name, pool)| (name, pool.threads().get(), plan.add(move || sample(pool))))
        .collect();
    let samples = plan.run(settings.rounds(15, 25, 60))?;
    let rows: Vec<_> = variants
        .iter()
        .map(|&(policy, threads, variant)| {
            let Summary { median, min, max } = samples.summary(variant);
            let ratio = samples.ratio(variant, variants[0].2);
            json!({
                "quota_cpus": quota,
                "policy": policy,
                "threads": threads,
                "median_s": median,
                "min_s": min,
                "max_s": max,
                "over_serial": ratio.median,
                "over_serial_min": ratio.min,
                "over_serial_max": ratio.max,
            })
        })
        .collect();
    report::say(&json!({ "rows": rows, "samples": samples.json() }).to_string());
    Ok(())
}

//! `priority`: helpers of low priority on a machine that others use as well.
//!
//! ktask's case: helpers must not disturb others, so they run at the lowest priority. Then the
//! job waits for a helper that gets next to nothing of a CPU, and is slower than without it,
//! unless the caller raises the helpers when it has nothing else to do ("will"). The table has
//! both sides: how long the job takes when each CPU has a busy thread, and how much slower a
//! bystander becomes that has a machine with a job on it.
//!
//! A helper at nice 19 gets 1.5 % of a CPU beside a busy thread. That is all that the raised
//! policy can gain there, so samples are long and ratios are taken round by round.

mod bystander;
mod policy;

use std::cell::RefCell;
use std::thread;
use std::time::{Duration, Instant};

use padata::Pool;
use serde_json::{Value, json};

use crate::error::{Context, Result};
use crate::hog::Hogs;
use crate::machine;
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Samples, Variant};
use crate::settings::{self, Settings};
use crate::stats::Summary;
use crate::work::{Load, Pace, Shape};

use policy::{CONTRAST, POLICIES, Policy};

/// What the job costs: a caller that shares its CPU with a busy thread needs twice that.
const WORK: Duration = Duration::from_millis(600);

const UNIT: Duration = Duration::from_micros(50);

/// Between two samples: what the scheduler remembers of the last one fades.
const SETTLE: Duration = Duration::from_millis(50);

/// What the rounds with busy threads may take; with longer ones the work shrinks.
const HOGGED_SECONDS: u64 = 150;

const ROUNDS_MIN: usize = 9;

pub(crate) fn run(settings: &Settings, pace: Pace) -> Result<Outcome> {
    let threads = settings.threads_or(2);
    let pool = settings::pool(threads);
    check_rights(&pool)?;
    let cpus = machine::cpus()?;
    let work = fitting_work(settings, pace, &pool, &cpus)?;
    let load = Load::new(pace, work, UNIT, Shape::Even);

    let hogged = jobs(settings, &pool, &load, &cpus)?;
    let idle = jobs(settings, &pool, &load, &[])?;
    let bystanders = bystander::measure(settings, pace, &pool)?;

    let row = |policy: &Policy| {
        let beside = bystanders.slowdown(policy);
        let (job, ratio) = (hogged.seconds(policy), hogged.over_serial(policy));
        json!({
            "policy": policy.name,
            "job_s": job.median,
            "job_min_s": job.min,
            "job_max_s": job.max,
            "job_over_serial": ratio.median,
            "job_over_serial_min": ratio.min,
            "job_over_serial_max": ratio.max,
            "helpers_share": hogged.helpers_share(policy),
            "bystander_slowdown": beside.median,
            "bystander_min": beside.min,
            "bystander_max": beside.max,
        })
    };
    print(&hogged, &bystanders);
    print_hogs(&hogged, &idle);
    report::say(&format!(
        "{threads} threads, {} busy threads, work of {:.0} ms; {}",
        cpus.len(),
        work.as_secs_f64() * 1e3,
        hogged.samples.footnote()
    ));
    report::say(&format!("bystander: {}", bystanders.samples.footnote()));
    let hogs: Vec<Value> = [(0, &idle), (1, &hogged)]
        .into_iter()
        .flat_map(|(hogs, jobs)| {
            POLICIES.iter().chain(&CONTRAST).map(move |policy| {
                json!({
                    "hogs_per_cpu": hogs,
                    "policy": policy.name,
                    "job_s": jobs.seconds(policy).median,
                    "job_over_serial": jobs.over_serial(policy).median,
                })
            })
        })
        .collect();
    Ok(Outcome::new(POLICIES.iter().map(row).collect())
        .with("contrast", CONTRAST.iter().map(row).collect::<Vec<_>>())
        .with("hogs", hogs)
        .with("threads", threads)
        .with("work_s", work.as_secs_f64())
        .with("bystander_beside_serial_s", bystanders.beside_serial().json())
        .with("samples", hogged.samples.json())
        .with("bystander_samples", bystanders.samples.json()))
}

/// What the experiment is about needs the right to raise threads, and to start from the
/// default priority.
fn check_rights(pool: &Pool) -> Result<()> {
    if !pool.raise_supported() {
        return Err("this process may not raise threads: run it with CAP_SYS_NICE or an \
                    RLIMIT_NICE of 20"
            .into());
    }
    let nice = rustix::process::getpriority_process(None).context(|| "getpriority".to_owned())?;
    if nice != 0 {
        return Err(format!("start it at nice 0, not at nice {nice}").into());
    }
    Ok(())
}

/// Rounds beside busy threads take long where helpers are not raised; there may be enough of
/// them only with less work.
fn fitting_work(settings: &Settings, pace: Pace, pool: &Pool, cpus: &[usize]) -> Result<Duration> {
    let work = settings.size(WORK, WORK / 30);
    // A tenth of the work shows what all of it takes.
    let load = Load::new(pace, work / 10, UNIT, Shape::Even);
    let hogs = Hogs::start(cpus)?;
    let begin = Instant::now();
    for policy in POLICIES.iter().chain(&CONTRAST) {
        policy.time(pool, &load)?;
    }
    let round = begin.elapsed() * 10;
    hogs.stop()?;
    let rounds = settings.rounds.map_or(ROUNDS_MIN, |rounds| rounds.min(ROUNDS_MIN)) as u32;
    let allowed = Duration::from_secs(HOGGED_SECONDS) / (rounds + 1);
    if round <= allowed {
        return Ok(work);
    }
    let less = work.mul_f64(allowed.as_secs_f64() / round.as_secs_f64());
    report::note(&format!("a round would take {round:.0?}: less work, {less:.0?}"));
    Ok(less)
}

/// The job's time under each policy.
struct Jobs {
    samples: Samples,
    variants: Vec<(&'static str, Variant)>,
    /// The part of the units that helpers did, in each sample.
    shares: Vec<(&'static str, Vec<f64>)>,
}

fn jobs(settings: &Settings, pool: &Pool, load: &Load, cpus: &[usize]) -> Result<Jobs> {
    let all = || POLICIES.iter().chain(&CONTRAST);
    let shares: Vec<_> = all().map(|_| RefCell::new(Vec::new())).collect();
    let mut plan = Plan::new();
    let mut variants = Vec::new();
    for (policy, shares) in all().zip(&shares) {
        let variant = plan.add(move || {
            thread::sleep(SETTLE);
            let (seconds, share) = policy.time(pool, load)?;
            shares.borrow_mut().push(share);
            Ok(seconds)
        });
        variants.push((policy.name, variant));
    }
    let budget = if cpus.is_empty() { 20 } else { HOGGED_SECONDS };
    report::note(&format!("jobs beside {} busy threads", cpus.len()));
    let hogs = Hogs::start(cpus)?;
    let samples = plan.run(settings.rounds(ROUNDS_MIN, 15, budget))?;
    hogs.stop()?;
    let shares = all().map(|policy| policy.name).zip(shares.into_iter().map(RefCell::into_inner));
    Ok(Jobs { samples, variants, shares: shares.collect() })
}

impl Jobs {
    fn variant(&self, name: &str) -> Variant {
        policy::found(&self.variants, name)
    }

    fn seconds(&self, policy: &Policy) -> Summary {
        self.samples.summary(self.variant(policy.name))
    }

    fn over_serial(&self, policy: &Policy) -> Summary {
        self.samples.ratio(self.variant(policy.name), self.variant(policy::SERIAL))
    }

    fn helpers_share(&self, policy: &Policy) -> f64 {
        let shares = self.shares.iter().find(|(name, _)| *name == policy.name);
        shares.map_or(f64::NAN, |(_, shares)| Summary::of(shares).median)
    }
}

fn print(hogged: &Jobs, bystanders: &bystander::Bystanders) {
    let mut table = Table::new(&[
        "policy",
        "job s",
        "min..max",
        "over serial",
        "min..max",
        "helpers' share",
        "bystander",
        "min..max",
    ]);
    for policy in POLICIES.iter().chain(&CONTRAST) {
        let mut cells = vec![policy.name.to_owned()];
        cells.extend(hogged.seconds(policy).cells(3));
        cells.extend(hogged.over_serial(policy).cells(4));
        cells.push(format!("{:.3}", hogged.helpers_share(policy)));
        cells.extend(bystanders.slowdown(policy).cells(4));
        table.row(cells);
    }
    table.print();
}

/// As the memory management people asked it of ktask: a machine idle and full.
fn print_hogs(hogged: &Jobs, idle: &Jobs) {
    let mut table = Table::new(&["policy", "idle s", "over serial", "busy s", "over serial"]);
    for policy in POLICIES.iter().chain(&CONTRAST) {
        let mut cells = vec![policy.name.to_owned()];
        for jobs in [idle, hogged] {
            cells.push(format!("{:.3}", jobs.seconds(policy).median));
            cells.push(format!("{:.3}", jobs.over_serial(policy).median));
        }
        table.row(cells);
    }
    table.print();
}

//! `break-even`: how much work is worth a helper. A plain loop against a job on two threads, with
//! the helper asleep (`cold`), with jobs back to back (`hot`), the same two with the helpers on
//! another CPU than the caller (`cold apart`, `hot apart`), and against two threads of
//! `std::thread::scope`, one of them started for the purpose (`spawn`).
//!
//! Why apart: some kernels of virtual machines wake a thread of a mostly idle process on the CPU
//! of the thread that wakes it, where the two take turns for a millisecond.

use std::thread;
use std::time::{Duration, Instant};

use padata::Pool;
use padata::topology::{CpuId, CpuSet};
use rustix::thread::{CpuSet as RawSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Map, Value, json};

use crate::error::{Context, Result};
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Rounds};
use crate::settings::{self, Settings};
use crate::stats::{self, Summary};
use crate::work::{Load, Pace, Shape};

const TOTALS_US: [u64; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

const QUICK_US: [u64; 3] = [1, 50, 1000];

/// Units of each job: chunks may be small, as the default is.
const UNITS: u32 = 64;

/// Measurements of which one sample is the median: one of them may be shorter than what the
/// clock of stolen time can tell.
const BLOCK: usize = 20;

/// Long enough for helpers to fall asleep.
const REST: Duration = Duration::from_millis(1);

const CASES: [&str; 5] = ["cold", "hot", "cold apart", "hot apart", "spawn"];

pub(crate) fn run(settings: &Settings, pace: Pace) -> Result<Outcome> {
    let threads = settings.threads_or(2);
    let pool = settings::pool(threads);
    let apart = Apart::new(threads)?;
    let rounds = settings.rounds(9, 15, 8);
    let totals: &[u64] = settings.size(&TOTALS_US, &QUICK_US);
    let mut rows = Vec::new();
    for &total in totals {
        rows.extend(one_size(total, &pool, &apart, pace, rounds)?);
    }

    let mut table = Table::new(&["total us", "case", "loop us", "job us", "speedup", "min..max"]);
    let mut break_even = Map::new();
    for case in CASES {
        let of_case = rows.iter().filter(|row| row.case == case);
        let wins: Vec<(u64, bool)> =
            of_case.clone().map(|row| (row.total_us, row.job < row.serial)).collect();
        break_even.insert(case.to_owned(), stats::smallest_that_wins(&wins).into());
        for row in of_case {
            let mut cells = vec![row.total_us.to_string(), case.to_owned()];
            cells.extend([row.serial, row.job].map(|seconds| format!("{:.2}", seconds * 1e6)));
            cells.extend(row.speedup.cells(3));
            table.row(cells);
        }
    }
    table.print();
    for (case, size) in &break_even {
        report::say(&match size.as_u64() {
            Some(us) => format!("{case}: {threads} threads are worth it from {us} us of work"),
            None => format!("{case}: {threads} threads were never worth it"),
        });
    }
    let rows = rows.iter().map(Row::json).collect();
    Ok(Outcome::new(rows).with("break_even_us", break_even).with("threads", threads))
}

struct Row {
    total_us: u64,
    case: &'static str,
    serial: f64,
    job: f64,
    speedup: Summary,
}

impl Row {
    fn json(&self) -> Value {
        json!({
            "total_us": self.total_us,
            "case": self.case,
            "serial_us": self.serial * 1e6,
            "job_us": self.job * 1e6,
            "speedup": self.speedup.median,
            "speedup_min": self.speedup.min,
            "speedup_max": self.speedup.max,
        })
    }
}

/// A pool whose helpers never run on the first CPU, and a way to send the caller there.
struct Apart {
    pool: Pool,
    all: RawSet,
    first: RawSet,
}

impl Apart {
    fn new(threads: usize) -> Result<Self> {
        let all = sched_getaffinity(None).context(|| "reading the affinity".to_owned())?;
        let mut cpus = (0..RawSet::MAX_CPU).filter(|&cpu| all.is_set(cpu));
        let mut first = RawSet::new();
        first.set(cpus.next().unwrap_or(0));
        let others: CpuSet = cpus.filter_map(|cpu| u32::try_from(cpu).ok()).map(CpuId).collect();
        let pool = settings::pool(threads);
        if !others.is_empty() {
            pool.set_cpus(Some(others)).context(|| "keeping helpers apart".to_owned())?;
        }
        Ok(Apart { pool, all, first })
    }

    /// Sends the caller to the first CPU, where it stays as long as nobody else wants it.
    fn send_caller(&self) -> Result<()> {
        sched_setaffinity(None, &self.first)
            .and_then(|()| sched_setaffinity(None, &self.all))
            .context(|| "moving the caller".to_owned())
    }
}

fn one_size(
    total_us: u64,
    pool: &Pool,
    apart: &Apart,
    pace: Pace,
    rounds: Rounds,
) -> Result<Vec<Row>> {
    let total = Duration::from_micros(total_us);
    let load = Load::new(pace, total, total / UNITS, Shape::Even);
    let serial = || load.time_serial();
    let job = || Ok(load.time_job(pool, |job| job)?.0);
    let job_apart = || Ok(load.time_job(&apart.pool, |job| job)?.0);
    let spawn = || load.time_spawned(pool.threads().get());
    let mut plan = Plan::new();
    let cold_serial = plan.add(|| block(REST, serial));
    let cold_job = plan.add(|| block(REST, job));
    let hot_serial = plan.add(|| block(Duration::ZERO, serial));
    let hot_job = plan.add(|| block(Duration::ZERO, job));
    let cold_apart = plan.add(|| apart.send_caller().and_then(|()| block(REST, job_apart)));
    let hot_apart =
        plan.add(|| apart.send_caller().and_then(|()| block(Duration::ZERO, job_apart)));
    let spawned = plan.add(|| block(REST, spawn));
    let pairs = [
        (cold_serial, cold_job),
        (hot_serial, hot_job),
        (cold_serial, cold_apart),
        (hot_serial, hot_apart),
        (cold_serial, spawned),
    ];
    let samples = plan.run(rounds)?;
    let rows = CASES.into_iter().zip(pairs).map(|(case, (serial, job))| Row {
        total_us,
        case,
        serial: samples.summary(serial).median,
        job: samples.summary(job).median,
        speedup: samples.ratio(serial, job),
    });
    Ok(rows.collect())
}

/// The median of many, each after a rest.
fn block(rest: Duration, measure: impl Fn() -> Result<f64>) -> Result<f64> {
    let mut seconds = Vec::with_capacity(BLOCK);
    for _ in 0..BLOCK {
        if rest > Duration::ZERO {
            thread::sleep(rest);
            warm_up();
        }
        seconds.push(measure()?);
    }
    Ok(Summary::of(&seconds).median)
}

/// The caller itself comes out of a sleep too, and is slow for some microseconds.
fn warm_up() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(20) {
        std::hint::spin_loop();
    }
}

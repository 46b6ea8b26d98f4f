//! `pin`: memory locked in place, as VFIO pins a guest's memory for its devices. Locking
//! populated memory is page table work; otherwise the kernel populates it, or
//! (`populate_then_lock`) the pool does, before it locks. A child process shows what
//! happens when the limit is reached halfway: all of it is unlocked again.

use std::process::Command;
use std::time::Instant;

use padata::{Pool, memory as parallel};
use serde_json::{Value, json};

use super::pin_child;
use crate::error::{Context, Result};
use crate::memory::{self, Primer};
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Variant};
use crate::settings::{self, Settings};
use crate::stats::Summary;
use crate::work::Pace;

const BYTES: usize = 1 << 30;

struct Cell {
    case: &'static str,
    threads: usize,
    variant: Variant,
}

pub(crate) fn run(settings: &Settings, _: Pace) -> Result<Outcome> {
    let bytes = memory::affordable(settings.size(BYTES, BYTES / 16))?;
    let pools: Vec<Pool> = settings.scaling().into_iter().map(settings::pool).collect();
    let primer = Primer::new(bytes);
    let mut populated = memory::fresh(bytes)?;
    memory::touch(&mut populated);
    let lock = |pool: &Pool, memory: &[u8]| -> Result<f64> {
        let begin = Instant::now();
        parallel::on(pool)
            .lock(memory)
            .context(|| "locking needs CAP_IPC_LOCK or a high RLIMIT_MEMLOCK".to_owned())?;
        let seconds = begin.elapsed().as_secs_f64();
        parallel::unlock(memory).context(|| "munlock".to_owned())?;
        Ok(seconds)
    };
    let mut plan = Plan::new();
    let mut cells = Vec::new();
    for pool in &pools {
        let threads = pool.threads().get();
        let variant = plan.add(|| lock(pool, &populated));
        cells.push(Cell { case: "populated", threads, variant });
    }
    for pool in &pools {
        let threads = pool.threads().get();
        let variant = plan.add_prepared(
            || primer.prime(),
            || {
                let fresh = memory::fresh(bytes)?;
                let seconds = lock(pool, &fresh)?;
                drop(fresh);
                primer.freed();
                Ok(seconds)
            },
        );
        cells.push(Cell { case: "not_populated", threads, variant });
    }
    for pool in &pools {
        let threads = pool.threads().get();
        let variant = plan.add_prepared(
            || primer.prime(),
            || {
                let mut fresh = memory::fresh(bytes)?;
                let begin = Instant::now();
                parallel::on(pool)
                    .populate(&mut fresh)
                    .context(|| "populating before locking".to_owned())?;
                let populating = begin.elapsed().as_secs_f64();
                let seconds = populating + lock(pool, &fresh)?;
                drop(fresh);
                primer.freed();
                Ok(seconds)
            },
        );
        cells.push(Cell { case: "populate_then_lock", threads, variant });
    }
    let samples = plan.run(settings.rounds(9, 15, 200))?;

    let one = |of: &Cell| {
        let one = cells.iter().find(|cell| cell.case == of.case);
        one.map_or(of.variant, |cell| cell.variant)
    };
    let mut table = Table::new(&["case", "threads", "median ms", "min..max", "speedup"]);
    let mut rows = Vec::new();
    for cell in &cells {
        let Summary { median, min, max } = samples.summary(cell.variant);
        let speedup = samples.ratio(one(cell), cell.variant).median;
        let [ms, range] = Summary { median: median * 1e3, min: min * 1e3, max: max * 1e3 }.cells(2);
        let threads = cell.threads;
        table.row([cell.case.into(), threads.to_string(), ms, range, format!("{speedup:.3}")]);
        rows.push(json!({
            "threads": threads,
            "case": cell.case,
            "median_s": median,
            "min_s": min,
            "max_s": max,
            "speedup": speedup,
        }));
    }
    table.print();
    let size = bytes >> 20;
    report::say(&format!("{size} MiB; {}{}", samples.footnote(), primer.says()));
    let rlimit = over_the_limit(settings.threads_or(2), bytes / 4)?;
    report::say(&format!("beyond RLIMIT_MEMLOCK: {rlimit}"));
    Ok(Outcome::new(rows)
        .with("rlimit", rlimit)
        .with("bytes", bytes)
        .with("samples", samples.json()))
}

/// What a process without privileges and with a low limit sees.
fn over_the_limit(threads: usize, limit: usize) -> Result<Value> {
    let program = std::env::current_exe().context(|| "finding this program".to_owned())?;
    let args = [pin_child::NAME.to_owned(), threads.to_string(), limit.to_string()];
    let output = Command::new(program).args(args).output();
    let output = output.context(|| "starting the process with a limit".to_owned())?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the process with a limit: {}", words.trim()).into());
    }
    serde_json::from_slice(&output.stdout)
        .context(|| "what the process with a limit said".to_owned())
}

//! `clear`: memory set to zero, as the kernel clears a gigantic page before it gives it away
//! (`clear_gigantic_page`). Warm memory shows the bandwidth; at the first touch, page faults and
//! the kernel's own clearing come first.

use std::cell::RefCell;
use std::time::Instant;

use padata::{Pool, memory as parallel};
use serde_json::{Value, json};

use crate::error::Result;
use crate::memory::{self, Primer};
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Samples, Variant};
use crate::settings::{self, Settings};
use crate::stats::Summary;
use crate::work::Pace;

const BYTES: usize = 1 << 30;

/// Whether the memory has pages already.
const CASES: [&str; 2] = ["warm", "first_touch"];

/// What is compared: by threads, or nothing for a plain loop.
struct Cell {
    case: &'static str,
    threads: Option<usize>,
    variant: Variant,
}

pub(crate) fn run(settings: &Settings, _: Pace) -> Result<Outcome> {
    let bytes = memory::affordable(settings.size(BYTES, BYTES / 32))?;
    let warm = RefCell::new(memory::fresh(bytes)?);
    verify(&settings::pool(settings.threads_or(2)), &mut warm.borrow_mut())?;

    let pools: Vec<Pool> = settings.scaling().into_iter().map(settings::pool).collect();
    let primer = Primer::new(bytes);
    let mut plan = Plan::new();
    let mut cells = Vec::new();
    for case in CASES {
        for pool in std::iter::once(None).chain(pools.iter().map(Some)) {
            let (warm, primer) = (&warm, &primer);
            let variant = if case == "warm" {
                plan.add(move || Ok(time(pool, &mut warm.borrow_mut())))
            } else {
                plan.add_prepared(
                    || primer.prime(),
                    move || {
                        let mut fresh = memory::fresh(bytes)?;
                        let seconds = time(pool, &mut fresh);
                        drop(fresh);
                        primer.freed();
                        Ok(seconds)
                    },
                )
            };
            cells.push(Cell { case, threads: pool.map(|pool| pool.threads().get()), variant });
        }
    }
    let samples = plan.run(settings.rounds(9, 15, 120))?;

    let mut table = Table::new(&["case", "threads", "median ms", "min..max", "GiB/s", "speedup"]);
    for cell in &cells {
        let Summary { median, min, max } = samples.summary(cell.variant);
        let [ms, range] = Summary { median: median * 1e3, min: min * 1e3, max: max * 1e3 }.cells(1);
        let threads = cell.threads.map_or("fill(0)".to_owned(), |threads| threads.to_string());
        let rate = format!("{:.2}", memory::gib(bytes) / median);
        let speedup = format!("{:.3}", samples.ratio(one(&cells, cell), cell.variant).median);
        table.row([cell.case.to_owned(), threads, ms, range, rate, speedup]);
    }
    table.print();
    let size = bytes >> 20;
    report::say(&format!("{size} MiB; {}{}", samples.footnote(), primer.says()));

    let json = |cell: &Cell| row(&samples, cell, one(&cells, cell), bytes);
    let (rows, serial): (Vec<_>, Vec<_>) = cells.iter().partition(|cell| cell.threads.is_some());
    let serial: Vec<Value> = serial.into_iter().map(json).collect();
    Ok(Outcome::new(rows.into_iter().map(json).collect())
        .with("serial", serial)
        .with("bytes", bytes)
        .with("samples", samples.json()))
}

/// The engine on one thread, in the same case.
fn one(cells: &[Cell], of: &Cell) -> Variant {
    let one = cells.iter().find(|cell| cell.case == of.case && cell.threads == Some(1));
    one.map_or(of.variant, |cell| cell.variant)
}

fn row(samples: &Samples, cell: &Cell, one: Variant, bytes: usize) -> Value {
    let Summary { median, min, max } = samples.summary(cell.variant);
    json!({
        "threads": cell.threads,
        "case": cell.case,
        "median_s": median,
        "min_s": min,
        "max_s": max,
        "gib_per_s": memory::gib(bytes) / median,
        "speedup": samples.ratio(one, cell.variant).median,
    })
}

/// Seconds of the engine, or of a plain fill.
fn time(pool: Option<&Pool>, bytes: &mut [u8]) -> f64 {
    let begin = Instant::now();
    match pool {
        Some(pool) => drop(parallel::on(pool).clear(bytes)),
        None => bytes.fill(0),
    }
    std::hint::black_box(bytes);
    begin.elapsed().as_secs_f64()
}

/// That nothing but zeros is left; the memory is warm afterwards.
fn verify(pool: &Pool, bytes: &mut [u8]) -> Result<()> {
    bytes.fill(0xa5);
    parallel::on(pool).clear(bytes);
    match bytes.iter().position(|&byte| byte != 0) {
        None => Ok(()),
        Some(at) => Err(format!("byte {at} was not cleared").into()),
    }
}

//! `pcrypt`: encryption of requests in order, as IPsec wants it: what the kernel's padata was made for,
//! and what tcrypt measured when its workers were no longer pinned (the series for 5.3).
//!
//! As in tcrypt, either one request at a time (mode 211), or some in flight (mode 215). Three ways: in
//! the thread that submits (`serial`), on workers that are pinned to CPUs and get requests in turn
//! (`pinned`, the old way), on a stream of this crate (`free`). On an idle machine and beside
//! busy threads, which are pinned, one to each CPU, then a second one to each.
//!
//! `free` is measured twice: as it is, for the speed, and with its latency histogram.

mod latency;
mod seal;
mod ways;

use std::cell::{Cell as Count, RefCell};
use std::time::{Duration, Instant};

use padata::{Histogram, Pool};
use serde_json::{Value, json};

use crate::error::Result;
use crate::hog::Hogs;
use crate::machine;
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Rounds, Tally};
use crate::settings::{self, Settings};
use crate::stats::{self, Summary};
use crate::work::Pace;

use seal::Sealer;
use ways::Ran;

const BYTES: [usize; 8] = [16, 64, 256, 512, 1024, 2048, 4096, 8192];
const QUICK_BYTES: [usize; 2] = [64, 4096];

/// One is tcrypt's mode 211, the others are mode 215.
const IN_FLIGHT: [usize; 3] = [1, 8, 32];
const QUICK_IN_FLIGHT: [usize; 2] = [1, 8];

/// Busy threads.
const HOGS: [usize; 4] = [0, 1, 2, 4];
const QUICK_HOGS: [usize; 2] = [0, 2];

/// The histograms that are shown: of blocks of this size, with so many in flight, with no busy
/// thread and with two.
const SHOWN_BYTES: usize = 4096;
const SHOWN_IN_FLIGHT: usize = 8;
const SHOWN_HOGS: [usize; 2] = [0, 2];

/// Of a sample on an idle machine. Beside busy threads it takes more of them to see what the
/// scheduler does.
const SAMPLE_MILLIS: f64 = 40.0;
const HOGGED_SAMPLE_MILLIS: f64 = 70.0;

/// What the rounds may take.
const SECONDS: f64 = 160.0;

/// No case is begun later than this: rather a shorter table than none.
const TIME_MAX: Duration = Duration::from_secs(225);

const ROUNDS_MIN: usize = 3;
const ROUNDS_MAX: usize = 7;

pub(crate) fn run(settings: &Settings, _: Pace) -> Result<Outcome> {
    let cpus = machine::cpus()?;
    let threads = settings.threads_or(padata::available_threads().get());
    let pool = settings::pool(threads);
    let workers: Vec<usize> = cpus.iter().copied().take(threads).collect();
    let sizes: &[usize] = settings.size(&BYTES, &QUICK_BYTES);
    let depths: &[usize] = settings.size(&IN_FLIGHT, &QUICK_IN_FLIGHT);
    let hogs: &[usize] = settings.size(&HOGS, &QUICK_HOGS);

    let cells = (sizes.len() * depths.len() * hogs.len()) as f64;
    let mut rounds = settings.rounds(ROUNDS_MIN, ROUNDS_MAX, 0);
    rounds.budget = Duration::from_secs_f64(SECONDS / cells);
    let quick = settings.quick;
    let bench = Bench { pool, workers, quick, rounds };
    let begin = Instant::now();

    let (mut cells, mut tally) = (Vec::new(), Tally::default());
    for &hogs in hogs {
        report::note(&format!("{hogs} busy threads"));
        let on: Vec<usize> = cpus.iter().copied().cycle().take(hogs).collect();
        let busy = Hogs::start(&on)?;
        for &in_flight in depths {
            let mut table = Vec::new();
            for &bytes in sizes {
                if begin.elapsed() > TIME_MAX {
                    report::note(&format!("no time for {bytes} bytes, {in_flight} in flight"));
                    continue;
                }
                table.push(bench.cell(Case { bytes, in_flight, hogs }, &mut tally)?);
            }
            print(&table);
            cells.extend(table);
        }
        busy.stop()?;
    }

    report::say(&format!(
        "\nfree: {threads} threads in all; pinned: {} workers and the thread that submits; \
         ops per second; calls: of helpers, by the stream",
        bench.workers.len()
    ));
    report::say(&tally.footnote());
    let break_even = say_break_even(&cells, depths, hogs);
    say_histograms(&cells);
    Ok(Outcome::new(cells.iter().map(Cell::json).collect())
        .with("threads", threads)
        .with("samples", tally.json())
        .with("break_even", break_even))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    bytes: usize,
    in_flight: usize,
    hogs: usize,
}

/// A case as measured.
struct Cell {
    case: Case,
    serial: f64,
    pinned: f64,
    free: f64,
    over_pinned: Summary,
    over_serial: Summary,
    /// Helpers that the stream has called, per thousand requests.
    calls: f64,
    free_latency: Histogram,
    pinned_latency: Histogram,
}

impl Cell {
    fn json(&self) -> Value {
        json!({
            "bytes": self.case.bytes,
            "in_flight": self.case.in_flight,
            "mode": if self.case.in_flight == 1 { 211 } else { 215 },
            "hogs": self.case.hogs,
            "serial_ops": self.serial,
            "pinned_ops": self.pinned,
            "free_ops": self.free,
            "free_over_pinned": self.over_pinned.json(),
            "free_over_serial": self.over_serial.json(),
            "free_calls_per_1000": self.calls,
            "free_latency_us": latency::json(&self.free_latency),
            "pinned_latency_us": latency::json(&self.pinned_latency),
        })
    }
}

/// What all cases have in common.
struct Bench {
    pool: Pool,
    workers: Vec<usize>,
    quick: bool,
    rounds: Rounds,
}

impl Bench {
    fn cell(&self, case: Case, tally: &mut Tally) -> Result<Cell> {
        let sealer = Sealer::new(case.bytes, case.in_flight)?;
        type Way<'a> = Box<dyn Fn(u64) -> Result<Ran> + 'a>;
        let serial: Way<'_> = Box::new(|requests| Ok(ways::serial(&sealer, requests)));
        let pinned: Way<'_> = Box::new(|requests| ways::pinned(&sealer, &self.workers, requests));
        let free: Way<'_> = Box::new(|requests| ways::free(&sealer, &self.pool, requests, false));
        let timed: Way<'_> = Box::new(|requests| ways::free(&sealer, &self.pool, requests, true));
        let ways = [serial, pinned, free, timed];

        let millis = match (self.quick, case.hogs) {
            (true, _) => 2.0,
            (false, 0) => SAMPLE_MILLIS,
            (false, _) => HOGGED_SAMPLE_MILLIS,
        };
        let mut counts = Vec::new();
        for way in &ways {
            counts.push(fitting(millis * 1e-3, case.in_flight, way)?);
        }
        let expected = sealer.expected(&counts);
        let latencies: Vec<_> = ways.iter().map(|_| RefCell::new(Histogram::new())).collect();
        let calls = Count::new(0);
        let mut plan = Plan::new();
        let mut variants = Vec::new();
        for (index, way) in ways.iter().enumerate() {
            let (requests, expected) = (counts[index], expected[index]);
            let (sealer, latency, calls) = (&sealer, &latencies[index], &calls);
            variants.push(plan.add(move || {
                sealer.reset();
                let ran = way(requests)?;
                if ran.fold != expected {
                    return Err(format!("wrong results, or not in order: {case:?}").into());
                }
                calls.set(calls.get() + ran.calls);
                if let Some(measured) = ran.latency {
                    latency.borrow_mut().merge(&measured);
                }
                Ok(ran.seconds / requests as f64)
            }));
        }
        let samples = plan.run(self.rounds)?;
        tally.add(&samples);
        let ops = |way: usize| 1.0 / samples.summary(variants[way]).median;
        let [_, pinned, _, timed] = [0, 1, 2, 3].map(|way: usize| latencies[way].take());
        Ok(Cell {
            case,
            serial: ops(0),
            pinned: ops(1),
            free: ops(2),
            over_pinned: samples.ratio(variants[1], variants[2]),
            over_serial: samples.ratio(variants[0], variants[2]),
            calls: 1e3 * calls.get() as f64 / timed.count().max(1) as f64,
            free_latency: timed,
            pinned_latency: pinned,
        })
    }
}

/// How many requests take about so many seconds: no fewer than fill the window twice. The last try
/// is about as long: beside busy threads, the first milliseconds are the fastest ones.
fn fitting(sample: f64, in_flight: usize, way: impl Fn(u64) -> Result<Ran>) -> Result<u64> {
    let least = (2 * in_flight as u64).max(16);
    let mut requests = least;
    loop {
        let fitting = (requests as f64 * sample / way(requests)?.seconds) as u64;
        if fitting <= requests + requests / 4 {
            return Ok(fitting.max(least));
        }
        requests = fitting.min(8 * requests);
    }
}

fn print(cells: &[Cell]) {
    let Some(Case { in_flight, hogs, .. }) = cells.first().map(|cell| cell.case) else { return };
    report::say(&format!("\n{in_flight} in flight, {hogs} busy threads; latencies in us"));
    let mut table = Table::new(&[
        "bytes",
        "serial",
        "pinned",
        "free",
        "free/pinned",
        "free/serial",
        "min..max",
        "calls/1000",
        "free mean",
        "p50",
        "p99",
        "max",
        "pinned mean",
        "p50",
        "p99",
        "max",
    ]);
    for cell in cells {
        let mut row = vec![cell.case.bytes.to_string()];
        row.extend([cell.serial, cell.pinned, cell.free].map(|ops| format!("{ops:.0}")));
        row.push(format!("{:.2}", cell.over_pinned.median));
        row.extend(cell.over_serial.cells(2));
        row.push(format!("{:.2}", cell.calls));
        row.extend(latency::cells(&cell.free_latency));
        row.extend(latency::cells(&cell.pinned_latency));
        table.row(row);
    }
    table.print();
}

/// For each number in flight and each number of busy threads.
fn say_break_even(cells: &[Cell], depths: &[usize], hogs: &[usize]) -> Value {
    report::say("\nfree beats serial from:");
    let mut all = Vec::new();
    for &hogs in hogs {
        for &in_flight in depths {
            let is_of = |cell: &&Cell| cell.case.in_flight == in_flight && cell.case.hogs == hogs;
            let wins: Vec<(u64, bool)> = cells
                .iter()
                .filter(is_of)
                .map(|cell| (cell.case.bytes as u64, cell.over_serial.median > 1.0))
                .collect();
            let bytes = stats::smallest_that_wins(&wins);
            let from = bytes.map_or_else(|| "never".to_owned(), |bytes| format!("{bytes} bytes"));
            report::say(&format!("  {in_flight} in flight, {hogs} busy threads: {from}"));
            all.push(json!({ "in_flight": in_flight, "hogs": hogs, "bytes": bytes }));
        }
    }
    all.into()
}

fn say_histograms(cells: &[Cell]) {
    for hogs in SHOWN_HOGS {
        let shown = Case { bytes: SHOWN_BYTES, in_flight: SHOWN_IN_FLIGHT, hogs };
        let Some(cell) = cells.iter().find(|cell| cell.case == shown) else { continue };
        for (name, histogram) in [("free", &cell.free_latency), ("pinned", &cell.pinned_latency)] {
            let [mean, median, ..] = latency::cells(histogram);
            report::say(&format!(
                "\n{name}, {SHOWN_BYTES} bytes, {SHOWN_IN_FLIGHT} in flight, {hogs} busy threads: \
                 from submission to callback\nrequests: {}; mean: {mean} us; median: {median} us",
                histogram.count()
            ));
            latency::lines(histogram).iter().for_each(|line| report::say(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_fills_the_window_and_takes_its_time() {
        let way = |requests: u64| {
            let seconds = requests as f64 * 1e-6 + 50e-6;
            Ok(Ran { seconds, fold: None, latency: None, calls: 0 })
        };
        let requests = fitting(0.040, 8, way).unwrap();
        assert!((30_000..50_000).contains(&requests), "{requests}");
        assert_eq!(fitting(1e-9, 32, way).unwrap(), 64);
    }
}

//! `ordered`: jobs in parallel, their results in order: what a job costs beside its work, and from
//! which work on it is worth it.
//!
//! Ours and others do the same jobs (`load`) with the same window and as many threads, and must give
//! what a plain loop gives, in its order. How many jobs a sample has depends on what each way needs
//! for one, so that all samples take about as long; times are per job.

mod load;
mod rivals;
mod row;
mod tbb;
mod verdict;

use std::cell::RefCell;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Samples, Tally, Variant};
use crate::settings::Settings;
use crate::work::Pace;

use load::{Expected, Load, WINDOW, check};
use rivals::Rival;
use row::Row;
use tbb::Tbb;

/// Nominal work of a job: what the targets are about, and some in between for the break-even.
const WORK_NS: [u64; 9] = [0, 20, 50, 100, 200, 500, 1000, 2000, 20_000];

const QUICK_WORK_NS: [u64; 2] = [0, 2000];

/// Of a sample, if two numbers of threads are measured; with more of them samples are shorter.
const SAMPLE_MILLIS: u64 = 60;

/// What all may take that is not preparation.
const SECONDS: u64 = 170;

const ROUNDS_MIN: usize = 3;
const ROUNDS_MAX: usize = 9;

const SERIAL: &str = "serial";

pub(crate) fn run(settings: &Settings, pace: Pace) -> Result<Outcome> {
    let threads = settings.scaling();
    let sizes: &[u64] = settings.size(&WORK_NS, &QUICK_WORK_NS);
    let (tbb, note) = match Tbb::build()? {
        Ok(tbb) => (Some(tbb), None),
        Err(reason) => (None, Some(format!("tbb: not installed, left out ({reason})"))),
    };
    let mut rivals = Vec::new();
    for &threads in &threads {
        rivals.extend(rivals::rivals(threads, tbb.as_ref())?);
    }
    let counts = threads.len().max(2) as u64;
    let sample = settings.size((2 * SAMPLE_MILLIS / counts).max(25), 2) as f64 * 1e-3;
    let rounds = settings.rounds(ROUNDS_MIN, ROUNDS_MAX, SECONDS / sizes.len() as u64);

    let (mut rows, mut tally) = (Vec::new(), Tally::default());
    for &work_ns in sizes {
        report::note(&format!("jobs of {work_ns} ns"));
        let load = Load::calibrate(pace, work_ns);
        let (samples, serial, variants) = measure(load, &rivals, sample, rounds)?;
        tally.add(&samples);
        let of_size = rows_of(work_ns, &samples, serial, &rivals, &variants);
        print(work_ns, &of_size, tbb.as_ref());
        rows.extend(of_size);
    }

    report::say(&format!(
        "\nat most {WINDOW} jobs in flight (plmap: workers + 1, it has no option for that); \
         {UNORDERED}: the same jobs on plain threads, without order",
        UNORDERED = rivals::UNORDERED
    ));
    report::say(&tally.footnote());
    note.iter().for_each(|note| report::say(note));
    let break_even = say_break_even(&rows, &threads);
    let verdict = verdict::lines(&rows);
    report::say("");
    verdict.iter().for_each(|line| report::say(line));
    Ok(Outcome::new(rows.iter().map(Row::json).collect())
        .with("window", WINDOW)
        .with("samples", tally.json())
        .with("break_even_ns", break_even)
        .with("verdict", verdict)
        .with("left_out", note.into_iter().collect::<Vec<_>>()))
}

/// Samples are nanoseconds per job.
fn measure(
    load: Load,
    rivals: &[Rival<'_>],
    sample: f64,
    rounds: crate::sample::Rounds,
) -> Result<(Samples, Variant, Vec<Variant>)> {
    let expected = RefCell::new(Expected::new(load));
    let serial = |jobs: u64| {
        let begin = Instant::now();
        let state = load.serial(jobs);
        Ok((begin.elapsed().as_secs_f64(), Some(state)))
    };
    let measured = |name: &'static str, jobs, ran: (f64, Option<u64>)| {
        let (seconds, fold) = ran;
        if let Some(fold) = fold {
            check(name, jobs, fold, expected.borrow_mut().of(jobs))?;
        }
        Ok(seconds * 1e9 / jobs as f64)
    };
    let mut plan = Plan::new();
    let jobs = fitting_jobs(sample, serial)?;
    let serial = plan.add(move || measured(SERIAL, jobs, serial(jobs)?));
    let mut variants = Vec::new();
    for rival in rivals {
        let run = |jobs| (rival.run)(load, jobs).map(|ran| (ran.seconds, ran.fold));
        let jobs = fitting_jobs(sample, run)?;
        variants.push(plan.add(move || measured(rival.name, jobs, run(jobs)?)));
    }
    Ok((plan.run(rounds)?, serial, variants))
}

/// How many jobs take about so many seconds: some windows of them.
fn fitting_jobs(sample: f64, run: impl Fn(u64) -> Result<(f64, Option<u64>)>) -> Result<u64> {
    const MOST: u64 = 1 << 26;
    let window = WINDOW as u64;
    let mut jobs = window;
    loop {
        let (seconds, _) = run(jobs)?;
        let fitting = (jobs as f64 * sample / seconds).min(MOST as f64) as u64;
        // What a run of some ms shows includes the start of threads: try again with more.
        if fitting <= 3 * jobs {
            return Ok(fitting.next_multiple_of(window).max(window));
        }
        jobs = fitting.min(8 * jobs).next_multiple_of(window);
    }
}

/// The loop's row, then one for each way and number of threads: of the numbers of workers that
/// were tried, the best.
fn rows_of(
    work_ns: u64,
    samples: &Samples,
    serial: Variant,
    rivals: &[Rival<'_>],
    variants: &[Variant],
) -> Vec<Row> {
    let row = |name, threads, workers, variant| Row {
        name,
        threads,
        workers,
        work_ns,
        ns_per_job: samples.summary(variant),
        speedup: samples.ratio(serial, variant),
    };
    let mut rows = vec![row(SERIAL, 1, None, serial)];
    for (rival, &variant) in rivals.iter().zip(variants) {
        let new = row(rival.name, rival.threads, rival.workers, variant);
        match rows.iter_mut().find(|row| (row.name, row.threads) == (new.name, new.threads)) {
            Some(old) if new.ns_per_job.median < old.ns_per_job.median => *old = new,
            Some(_) => {}
            None => rows.push(new),
        }
    }
    rows
}

fn print(work_ns: u64, rows: &[Row], tbb: Option<&Tbb>) {
    report::say(&format!("\njobs of {work_ns} ns"));
    let head = ["threads", "way", "workers", "ns per job", "min..max", "speedup", "min..max"];
    let mut table = Table::new(&head);
    for row in rows {
        let workers = row.workers.map_or_else(|| "-".to_owned(), |workers| workers.to_string());
        let mut cells = vec![row.threads.to_string(), row.name.to_owned(), workers];
        cells.extend(row.ns_per_job.cells(1));
        cells.extend(row.speedup.cells(3));
        table.row(cells);
    }
    table.print();
    if let Some(tbb) = tbb {
        report::say(&format!("tbb: a serial loop in C++: {:.1} ns per job", tbb.serial_ns()));
    }
}

/// For each way with more than one thread.
fn say_break_even(rows: &[Row], threads: &[usize]) -> Value {
    let mut all = Map::new();
    let mut names: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.name != SERIAL) {
        if !names.contains(&row.name) {
            names.push(row.name);
        }
    }
    for &threads in threads.iter().filter(|&&threads| threads > 1) {
        report::say(&format!("\nas fast as the loop, with {threads} threads, from:"));
        let mut of_threads = Map::new();
        for &name in &names {
            let size = verdict::break_even(rows, name, threads);
            report::say(&match size {
                Some(nanos) => format!("  {name}: {nanos} ns of work"),
                None => format!("  {name}: never"),
            });
            of_threads.insert(name.to_owned(), size.into());
        }
        all.insert(threads.to_string(), of_threads.into());
    }
    all.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_whole_windows_of_about_the_time() {
        let window = WINDOW as u64;
        // 10 ns per job, and 100 us for the start.
        let run = |jobs: u64| Ok((jobs as f64 * 10e-9 + 100e-6, None));
        let jobs = fitting_jobs(0.050, run).unwrap();
        assert!(jobs.is_multiple_of(window));
        let (seconds, _) = run(jobs).unwrap();
        assert!((0.040..0.060).contains(&seconds), "{seconds}");
        // Slow ones get one window.
        assert_eq!(fitting_jobs(0.050, |jobs| Ok((jobs as f64, None))).unwrap(), window);
    }
}

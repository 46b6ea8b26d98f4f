//! What the engine costs: nanoseconds per unit that does nothing, and microseconds per whole map,
//! for the numbers of threads given as arguments (1 and 2 if none are).
//!
//! `cargo run -p padata --release --example cost -- 1 2`
#![expect(clippy::print_stdout, reason = "it prints measurements")]

use std::convert::Infallible;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use padata::{Chunk, Job, Pool, Weight};

const UNITS: usize = 200_000;
const ROUNDS: usize = 15;

fn main() {
    let mut threads: Vec<NonZeroUsize> =
        std::env::args().skip(1).map(|arg| arg.parse().expect("a number of threads")).collect();
    if threads.is_empty() {
        threads = [1, 2].map(|n| NonZeroUsize::new(n).expect("not 0")).to_vec();
    }
    println!("{ROUNDS} rounds each; median (min .. max)");
    for threads in threads {
        let pool = Pool::new(threads);
        // The first unit weighs 2, the others 1: all threads can be busy, but not always.
        let gated = Weight(threads.get() as u64);
        let small: Vec<u32> = (0..2).collect();
        let units: Vec<u32> = (0..UNITS as u32).collect();
        let work: Vec<u32> = (0..4000).collect();
        report(threads, "no-op unit, no limit", UNITS, "ns", || {
            noop(&pool, &units, Weight::UNLIMITED)
        });
        report(threads, "no-op unit, gate", UNITS, "ns", || noop(&pool, &units, gated));
        report(threads, "unit of 10 us", work.len(), "ns", || spin(&pool, &work));
        report(threads, "map of 1 unit", 1, "ns", || noop(&pool, &small[..1], Weight::UNLIMITED));
        report(threads, "map of 2 units", 1, "ns", || noop(&pool, &small, Weight::UNLIMITED));
        report(threads, "job of 1 chunk", 1, "ns", || chunks(&pool, 1));
        report(threads, "job of 2 chunks", 1, "ns", || chunks(&pool, 2));
    }
}

fn noop(pool: &Pool, units: &[u32], limit: Weight) {
    black_box(pool.map(
        units,
        |&unit| if unit == 0 { 2 } else { 1 },
        limit,
        || (),
        |&unit, ()| u64::from(unit),
    ));
}

fn spin(pool: &Pool, units: &[u32]) {
    let busy = |unit: &u32, (): &mut ()| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(10) {}
        *unit
    };
    black_box(pool.map(units, |_| 1, Weight::UNLIMITED, || (), busy));
}

/// A job of so many chunks that do nothing, if there is a thread for each.
fn chunks(pool: &Pool, chunks: u64) {
    let nothing = |chunk: Chunk<'_, u64>| {
        black_box(chunk.units());
        Ok::<_, Infallible>(())
    };
    black_box(Job::over(0, chunks).run(pool, nothing).is_ok());
}

fn report(threads: NonZeroUsize, what: &str, units: usize, unit: &str, run: impl Fn()) {
    run();
    let mut each: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64 / units as f64
        })
        .collect();
    each.sort_by(f64::total_cmp);
    let (min, median, max) = (each[0], each[ROUNDS / 2], each[ROUNDS - 1]);
    println!("{threads} threads, {what:22} {median:9.1} {unit} ({min:.1} .. {max:.1})");
}

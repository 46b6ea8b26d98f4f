//! shuttle runs: random schedules of the whole pool on the shipped code. They find deadlocks and
//! lost units in jobs that are too large for loom; weak memory is loom's part.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p padata --release --lib shuttle`
//!
//! `KMILL_SHUTTLE_ITERATIONS` sets the number of schedules per test. A failure prints a schedule
//! that `shuttle::replay` runs again.

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use shuttle::thread;

use crate::claim::Weight;
use crate::job::{CancelToken, Chunk, ChunkRule, Failure, Job, Nice, Part, Raise};
use crate::pool::Pool;

mod streams;

const ITERATIONS: usize = 10_000;

/// Runs `test` under random schedules, and under schedules with few, well placed preemptions.
fn check(test: fn()) {
    let iterations = match std::env::var("KMILL_SHUTTLE_ITERATIONS") {
        Ok(number) => number.parse().expect("KMILL_SHUTTLE_ITERATIONS is a number"),
        Err(_) => ITERATIONS,
    };
    // At least two threads that could run at one point: shuttle's second scheduler refuses a test whose
    // first run has none, and what a test draws may be jobs without a unit, or maps of one.
    let test = move || {
        let bystander = thread::spawn(thread::yield_now);
        thread::yield_now();
        test();
        bystander.join().unwrap();
    };
    shuttle::check_random(test, iterations);
    shuttle::check_pct(test, iterations, 3);
}

fn some_pool() -> Pool {
    Pool::new(
        NonZeroUsize::new(thread_rng().gen_range(2..=THREADS_MAX)).expect("at least one thread"),
    )
}

/// At least two: shuttle's second scheduler refuses a test in which one thread runs alone.
fn some_weights() -> Vec<u64> {
    let units = thread_rng().gen_range(2..12);
    (0..units).map(|_| thread_rng().gen_range(0..4)).collect()
}

/// No pool here ever has more threads than this.
const THREADS_MAX: usize = 4;

/// Counts itself while it lives.
struct Scratch<'a>(&'a AtomicUsize);

impl<'a> Scratch<'a> {
    fn new(alive: &'a AtomicUsize, most: usize) -> Self {
        assert!(alive.fetch_add(1, SeqCst) < most, "more scratch values than threads");
        Scratch(alive)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A map of weights to weights that checks the limit and counts scratch values.
fn checked_map(pool: &Pool, weights: &[u64], limit: Weight) {
    let in_flight = AtomicU64::new(0);
    let scratches = AtomicUsize::new(0);
    let results = pool.map(
        weights,
        |&weight| weight,
        limit,
        || Scratch::new(&scratches, weights.len().min(THREADS_MAX)),
        |&weight, _| {
            let others = in_flight.fetch_add(weight, SeqCst);
            assert!(others == 0 || others + weight <= limit.0, "{others} + {weight} in flight");
            thread::yield_now();
            in_flight.fetch_sub(weight, SeqCst);
            weight
        },
    );
    assert_eq!(results, weights);
    assert_eq!(scratches.into_inner(), 0);
}

#[test]
fn maps_one_after_the_other() {
    check(|| {
        let pool = some_pool();
        for _ in 0..thread_rng().gen_range(1..4) {
            let limit = Weight([1, 5, 9, u64::MAX][thread_rng().gen_range(0..4)]);
            checked_map(&pool, &some_weights(), limit);
        }
    });
}

#[test]
fn maps_from_several_threads() {
    check(|| {
        let pool = Arc::new(some_pool());
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || checked_map(&pool, &some_weights(), Weight(7)))
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
    });
}

#[test]
fn maps_in_maps() {
    check(|| {
        let pool = some_pool();
        let nested = |&depth: &u64, (): &mut ()| {
            checked_map(&pool, &some_weights(), Weight(4));
            depth
        };
        assert_eq!(pool.map(&[1, 2, 3], |_| 1, Weight(2), || (), nested), [1, 2, 3]);
    });
}

#[test]
fn panics_drop_every_result_once() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    check(|| {
        let pool = some_pool();
        let every = thread_rng().gen_range(1..4);
        let limit = Weight(thread_rng().gen_range(1..8));
        let (made, dropped, failed) = <(AtomicUsize, AtomicUsize, AtomicUsize)>::default();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            let units: Vec<usize> = (0..8).collect();
            let run = |&unit: &usize, (): &mut ()| {
                thread::yield_now();
                if unit % every == 0 {
                    failed.fetch_add(1, SeqCst);
                    panic::resume_unwind(Box::new(unit));
                }
                made.fetch_add(1, SeqCst);
                Counted(&dropped)
            };
            drop(pool.map(&units, |&unit| unit as u64, limit, || (), run));
        }));
        let reported = *outcome.unwrap_err().downcast::<usize>().unwrap();
        assert_eq!(reported % every, 0);
        assert!(failed.into_inner() >= 1);
        assert_eq!(made.into_inner(), dropped.into_inner());
        checked_map(&pool, &[1, 2, 3], limit);
    });
}

/// One of several, at random.
fn one_of<T: Copy, const N: usize>(choices: [T; N]) -> T {
    choices[thread_rng().gen_range(0..N)]
}

/// A job over some parts whose chunks run, fail, panic, give back or cancel at random. Each unit is
/// accounted for once, and undone once if it was done and the job failed.
fn checked_job(pool: &Pool) {
    let parts: Vec<Part<u32>> = (0..thread_rng().gen_range(1..3))
        .map(|part| Part { start: part * 100, units: thread_rng().gen_range(0..9), node: None })
        .collect();
    let units = |parts: &[Part<u32>]| parts.iter().map(|part| part.units).sum::<u64>();
    let bad = thread_rng().gen_range(0..20_u32);
    let how = thread_rng().gen_range(0..5);
    let token = CancelToken::new();
    let (ran, told) = <(AtomicU64, AtomicU64)>::default();
    let mut undone = 0;
    let outcome = Job::parts(parts.clone())
        .chunk_rule(one_of([ChunkRule::Kernel, ChunkRule::Guided]))
        .min_chunk(thread_rng().gen_range(0..3))
        .nice(one_of([Nice::Inherit, Nice::Inherit, Nice::Max]))
        .raise(one_of([Raise::OneByOne, Raise::None]))
        .cancel(&token)
        .report_panics(true)
        .undo(|range| undone += u64::from(range.end - range.start))
        .run(pool, |chunk: Chunk<'_, u32>| {
            thread::yield_now();
            if chunk.range().contains(&bad) {
                match how {
                    0 => {
                        chunk.done_to(bad);
                        told.fetch_add(u64::from(bad - chunk.start()), SeqCst);
                        return Err(bad);
                    }
                    1 => panic::resume_unwind(Box::new(bad)),
                    2 => token.cancel(),
                    _ => {}
                }
            }
            let kept = if chunk.is_wanted_back() || how == 3 { 1 } else { chunk.units() };
            chunk.give_back(kept);
            ran.fetch_add(kept, SeqCst);
            Ok(())
        });
    let sum = |ranges: &[std::ops::Range<u32>]| -> u64 {
        ranges.iter().map(|range| u64::from(range.end - range.start)).sum()
    };
    match outcome {
        Ok(report) => {
            assert_eq!((report.units, ran.into_inner()), (units(&parts), units(&parts)));
            assert_eq!(undone, 0);
        }
        Err(error) => {
            assert!(!matches!(error.first, Failure::Deadline | Failure::NoSuchPosition));
            let failed = error.also_failed.iter().map(|failed| failed.at.clone());
            let failed: Vec<_> = failed.chain(error.at.clone()).collect();
            assert_eq!(sum(&error.completed), ran.into_inner());
            assert_eq!(undone, sum(&error.completed) + told.into_inner());
            let all = sum(&error.completed) + sum(&error.not_started) + sum(&failed);
            assert_eq!(all, units(&parts));
        }
    }
}

#[test]
fn jobs_that_fail_panic_and_give_back() {
    check(|| {
        let pool = some_pool();
        for _ in 0..thread_rng().gen_range(1..3) {
            checked_job(&pool);
        }
    });
}

/// The pool changes its size and its CPUs while jobs, maps and scopes begin, run and end.
#[test]
fn changes_while_everything_runs() {
    check(|| {
        let pool = Arc::new(some_pool());
        let churned = Arc::clone(&pool);
        let churn = thread::spawn(move || {
            for _ in 0..thread_rng().gen_range(1..5) {
                let threads = NonZeroUsize::new(thread_rng().gen_range(1..=THREADS_MAX));
                match thread_rng().gen_range(0..3) {
                    0 => churned.set_threads(threads.expect("not 0")),
                    1 => churned.set_cap(threads.filter(|_| thread_rng().gen_range(0..2) == 0)),
                    _ => churned.set_cpus(None).expect("not an empty set"),
                }
            }
        });
        let other = Arc::clone(&pool);
        let caller = thread::spawn(move || {
            checked_job(&other);
            checked_map(&other, &some_weights(), Weight(5));
        });
        checked_map(&pool, &some_weights(), Weight(one_of([3, u64::MAX])));
        checked_job(&pool);
        caller.join().unwrap();
        churn.join().unwrap();
    });
}

/// Tasks that spawn tasks and run jobs; all have ended when the scope returns.
#[test]
fn scopes_of_tasks_and_jobs() {
    check(|| {
        let pool = some_pool();
        let ended = AtomicUsize::new(0);
        let tasks = thread_rng().gen_range(1..4);
        pool.scope(|scope| {
            for task in 0..tasks {
                let (pool, ended) = (&pool, &ended);
                scope.spawn(move |scope| {
                    scope.spawn(move |_| {
                        thread::yield_now();
                        ended.fetch_add(1, SeqCst);
                    });
                    if task == 0 {
                        checked_job(pool);
                    }
                    ended.fetch_add(1, SeqCst);
                });
            }
        });
        assert_eq!(ended.into_inner(), 2 * tasks);
    });
}

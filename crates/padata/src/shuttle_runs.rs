//! shuttle runs: random schedules of the whole pool on the shipped code. They find deadlocks and
//! lost units in jobs that are too large for loom; weak memory is loom's part.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p padata --release shuttle`
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
use crate::pool::Pool;

const ITERATIONS: usize = 10_000;

/// Runs `test` under random schedules, and under schedules with few, well placed preemptions.
fn check(test: fn()) {
    let iterations = match std::env::var("KMILL_SHUTTLE_ITERATIONS") {
        Ok(number) => number.parse().expect("KMILL_SHUTTLE_ITERATIONS is a number"),
        Err(_) => ITERATIONS,
    };
    shuttle::check_random(test, iterations);
    shuttle::check_pct(test, iterations, 3);
}

fn some_pool() -> Pool {
    Pool::new(NonZeroUsize::new(thread_rng().gen_range(2..=4)).expect("at least one thread"))
}

/// At least two: shuttle's second scheduler refuses a test in which one thread runs alone.
fn some_weights() -> Vec<u64> {
    let units = thread_rng().gen_range(2..12);
    (0..units).map(|_| thread_rng().gen_range(0..4)).collect()
}

/// A map of weights to weights that checks the limit and counts scratch values.
fn checked_map(pool: &Pool, weights: &[u64], limit: Weight) {
    let in_flight = AtomicU64::new(0);
    let scratches = AtomicUsize::new(0);
    let make_scratch = || scratches.fetch_add(1, SeqCst);
    let results = pool.map(
        weights,
        |&weight| weight,
        limit,
        make_scratch,
        |&weight, _| {
            let others = in_flight.fetch_add(weight, SeqCst);
            assert!(others == 0 || others + weight <= limit.0, "{others} + {weight} in flight");
            thread::yield_now();
            in_flight.fetch_sub(weight, SeqCst);
            weight
        },
    );
    assert_eq!(results, weights);
    assert!(scratches.into_inner() <= pool.threads().get().min(weights.len()));
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

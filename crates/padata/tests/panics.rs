//! What a map promises when something panics: it ends, drops each result once, and reports the
//! panic of the lowest index among those that happened.
#![cfg(not(any(loom, shuttle)))]

mod watchdog;

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use padata::{Pool, Weight};
use proptest::prelude::*;
use watchdog::in_time;

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).expect("at least one thread"))
}

/// A panic without a message on stderr, for cases that panic thousands of times.
fn fail(at: usize) -> ! {
    panic::resume_unwind(Box::new(at))
}

/// The payload of the panic that `run` ends with.
fn panic_of<P: 'static, R>(run: impl FnOnce() -> R) -> P {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(_) => panic!("no panic"),
        Err(payload) => *payload.downcast().expect("a payload of the expected type"),
    }
}

/// One count of drops per unit.
struct Drops(Vec<AtomicUsize>);

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Drops {
    fn of(units: usize) -> Self {
        Drops((0..units).map(|_| AtomicUsize::new(0)).collect())
    }

    fn result(&self, unit: usize) -> Counted<'_> {
        Counted(&self.0[unit])
    }

    fn counts(&self) -> Vec<usize> {
        self.0.iter().map(|count| count.load(SeqCst)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever panics: each result that was made is dropped once, what is reported did panic,
    /// with no lower one beside it, and the pool works on.
    #[test]
    fn each_result_is_dropped_once(
        units in 1..60_usize,
        every in 1..20_usize,
        offset in 0..60_usize,
        limit in prop_oneof![0..30_u64, Just(u64::MAX)],
        threads in 1..=6_usize,
    ) {
        let pool = pool(threads);
        let drops = Drops::of(units);
        let made = Drops::of(units);
        let failed = Drops::of(units);
        let fails = |unit: usize| unit >= offset && (unit - offset).is_multiple_of(every);
        let items: Vec<usize> = (0..units).collect();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            pool.map(&items, |&unit| unit as u64 % 7, Weight(limit), || (), |&unit, ()| {
                if fails(unit) {
                    drop(failed.result(unit));
                    fail(unit);
                }
                drop(made.result(unit));
                drops.result(unit)
            })
        }));
        match outcome {
            Ok(results) => {
                prop_assert!(!items.iter().any(|&unit| fails(unit)), "a panic was lost");
                prop_assert_eq!(drops.counts(), vec![0; units]);
                drop(results);
                prop_assert_eq!(drops.counts(), vec![1; units]);
            }
            Err(payload) => {
                let reported = *payload.downcast::<usize>().unwrap();
                let lowest = failed.counts().iter().position(|&count| count > 0);
                prop_assert_eq!(Some(reported), lowest);
                prop_assert_eq!(drops.counts(), made.counts());
            }
        }
        prop_assert_eq!(pool.map(&items, |_| 1, Weight(3), || (), |&unit, ()| unit), items);
    }
}

#[test]
fn first_last_and_all() {
    let items: Vec<usize> = (0..100).collect();
    for threads in [1, 2, 5] {
        let pool = pool(threads);
        for limit in [Weight(1), Weight(2), Weight::UNLIMITED] {
            for at in [0, 99] {
                let run = |&unit: &usize, (): &mut ()| {
                    if unit == at {
                        fail(unit)
                    }
                };
                assert_eq!(at, panic_of(|| pool.map(&items, |_| 1, limit, || (), run)));
            }
            let run = |&unit: &usize, (): &mut ()| -> usize { fail(unit) };
            assert!(threads > panic_of(|| pool.map(&items, |_| 1, limit, || (), run)));
        }
    }
}

/// An ordinary panic arrives with its message.
#[test]
fn message() {
    let run = |unit: &u8, (): &mut ()| assert_ne!(*unit, 2, "unit two is damaged");
    let text: String = panic_of(|| pool(2).map(&[1, 2, 3], |_| 1, Weight(9), || (), run));
    assert!(text.contains("unit two is damaged"), "{text}");
}

/// Both units are running when both panic: the lower index is reported, though it weighs less
/// and is the slower one.
#[test]
fn lowest_of_two() {
    in_time(|| {
        let pool = pool(2);
        for limit in [Weight(100), Weight::UNLIMITED] {
            let meeting = Barrier::new(2);
            let run = |&unit: &usize, (): &mut ()| {
                meeting.wait();
                thread::sleep(Duration::from_millis(if unit == 0 { 20 } else { 0 }));
                fail(unit)
            };
            let map = || pool.map(&[0, 1], |&unit| unit as u64, limit, || (), run);
            assert_eq!(panic_of::<usize, Vec<()>>(map), 0);
        }
    });
}

/// After a panic no unit starts; what runs is waited for.
#[test]
fn stops_early_and_waits() {
    in_time(|| {
        for limit in [Weight(4), Weight::UNLIMITED] {
            let pool = pool(2);
            let meeting = Barrier::new(2);
            let (started, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let items: Vec<usize> = (0..1000).collect();
            let run = |&unit: &usize, (): &mut ()| {
                started.fetch_add(1, SeqCst);
                if unit < 2 {
                    meeting.wait();
                }
                if unit == 0 {
                    fail(unit);
                }
                thread::sleep(Duration::from_millis(30));
                ended.fetch_add(1, SeqCst);
            };
            // Under the lower limit unit 2 runs alone, then 0 and 1 together.
            let weight = |&unit: &usize| match unit {
                0 | 1 => 2,
                2 => 9,
                _ => 1,
            };
            panic_of::<usize, _>(|| pool.map(&items, weight, limit, || (), run));
            let started = started.into_inner();
            assert!(started < 10, "{started} units started");
            assert_eq!(ended.into_inner(), started - 1);
        }
    });
}

/// Threads that wait at the gate leave when a unit panics.
#[test]
fn no_thread_stays_at_the_gate() {
    in_time(|| {
        let pool = pool(4);
        for _ in 0..50 {
            let weights = [[9].as_slice(), &[1; 40]].concat();
            let run = |&weight: &u64, (): &mut ()| {
                if weight == 9 {
                    thread::sleep(Duration::from_micros(300)); // the others are waiting by now
                    fail(0);
                }
            };
            panic_of::<usize, _>(|| pool.map(&weights, |&w| w, Weight(4), || (), run));
        }
    });
}

/// The first scratch value or the second one fails, the second on whatever thread makes it.
#[test]
fn in_scratch() {
    in_time(|| {
        let items: Vec<usize> = (0..50).collect();
        for (threads, bad) in [(1, 1), (2, 1), (2, 2), (4, 2)] {
            let drops = Drops::of(50);
            let made = AtomicUsize::new(0);
            let scratch = || {
                if made.fetch_add(1, SeqCst) + 1 == bad {
                    fail(1000 + bad);
                }
            };
            let map = || {
                pool(threads).map(
                    &items,
                    |_| 1,
                    Weight(7),
                    scratch,
                    |&unit, ()| {
                        while made.load(SeqCst) < bad {
                            thread::yield_now();
                        }
                        drops.result(unit)
                    },
                )
            };
            assert_eq!(panic_of::<usize, _>(map), 1000 + bad);
            assert!(drops.counts().iter().all(|&count| count <= 1));
        }
    });
}

#[test]
fn in_the_drop_of_scratch() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            fail(77);
        }
    }
    for threads in [1, 3] {
        let pool = pool(threads);
        let drops = Drops::of(20);
        let items: Vec<usize> = (0..20).collect();
        let map = || pool.map(&items, |_| 1, Weight(9), || Bad, |&unit, _| drops.result(unit));
        assert_eq!(panic_of::<usize, _>(map), 77);
        let counts = drops.counts();
        assert!(counts.iter().all(|&count| count <= 1));
        if threads == 1 {
            assert_eq!(counts, [1; 20]);
        }
        // A unit's panic comes first.
        let both = || pool.map(&items, |_| 1, Weight(9), || Bad, |&unit, _| fail(unit));
        assert!(panic_of::<usize, Vec<()>>(both) < 20);
    }
}

/// Results whose drop panics, and payloads whose drop panics, do not hide the panic that ended
/// the map, and the other results are still dropped.
#[test]
fn in_drops_on_the_way_out() {
    struct BadPayload;
    impl Drop for BadPayload {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new(BadPayload));
        }
    }
    struct BadResult<'a>(#[expect(dead_code, reason = "it is dropped")] Counted<'a>);
    impl Drop for BadResult<'_> {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new(BadPayload));
        }
    }
    let drops = Drops::of(9);
    let items: Vec<usize> = (0..10).collect();
    let map = || {
        pool(1).map(
            &items,
            |_| 1,
            Weight(1),
            || (),
            |&unit, ()| {
                if unit == 9 { fail(9) } else { BadResult(drops.result(unit)) }
            },
        )
    };
    assert_eq!(panic_of::<usize, _>(map), 9);
    assert_eq!(drops.counts(), [1; 9]);
}

#[test]
fn in_weight_nothing_has_run() {
    let run = |_: &u8, (): &mut ()| unreachable!("no unit runs");
    assert_eq!(
        panic_of::<usize, Vec<()>>(|| pool(2).map(&[1], |_| fail(3), Weight(1), || (), run)),
        3
    );
}

/// A panic in a map in a map reaches the outer caller through both.
#[test]
fn in_a_map_in_a_map() {
    in_time(|| {
        let pool = pool(3);
        let items: Vec<usize> = (0..20).collect();
        let map = || {
            pool.map(
                &items,
                |_| 1,
                Weight(5),
                || (),
                |&outer, ()| {
                    pool.map(
                        &items,
                        |_| 1,
                        Weight(2),
                        || (),
                        |&inner, ()| {
                            if (outer, inner) == (13, 17) {
                                fail(1317)
                            }
                        },
                    )
                },
            )
        };
        assert_eq!(panic_of::<usize, _>(map), 1317);
    });
}

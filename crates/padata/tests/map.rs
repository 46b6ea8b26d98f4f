//! What a map promises when nothing panics: results, order, weight in flight, scratch values.
#![cfg(not(any(loom, shuttle)))]

mod watchdog;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use padata::{Pool, Weight};
use proptest::prelude::*;
use watchdog::in_time;

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).expect("at least one thread"))
}

/// A unit that takes a little while, and a different while for each item.
fn busy(turns: u64) {
    for _ in 0..turns % 64 {
        std::hint::spin_loop();
    }
}

fn weights() -> impl Strategy<Value = Vec<u64>> {
    let weight = prop_oneof![
        4 => 0..20_u64,
        1 => 0..2000_u64,
        1 => Just(u64::MAX), // sums wrap if nobody takes care
    ];
    prop::collection::vec(weight, 0..200)
}

fn limits() -> impl Strategy<Value = Weight> {
    prop_oneof![0..50_u64, 0..20_000_u64, Just(u64::MAX - 1), Just(u64::MAX)].prop_map(Weight)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The results are those of a loop, and the weight in flight is within the limit at every
    /// start of a unit, the only moment at which it grows.
    #[test]
    fn equals_a_loop_within_the_limit(
        weights in weights(),
        limit in limits(),
        threads in 1..=8_usize,
    ) {
        struct InFlight { weight: u128, units: usize }
        let in_flight = Mutex::new(InFlight { weight: 0, units: 0 });
        let items: Vec<(usize, u64)> = weights.iter().copied().enumerate().collect();
        let f = |&(index, weight): &(usize, u64), (): &mut ()| {
            {
                let mut now = in_flight.lock().unwrap();
                now.weight += u128::from(weight);
                now.units += 1;
                assert!(now.units <= threads);
                assert!(
                    now.units == 1 || limit == Weight::UNLIMITED || now.weight <= limit.0.into(),
                    "{} units of {} in all in flight, limit {}", now.units, now.weight, limit.0
                );
            }
            busy(weight ^ index as u64);
            let mut now = in_flight.lock().unwrap();
            now.weight -= u128::from(weight);
            now.units -= 1;
            (index, weight.rotate_left(7))
        };
        let serial: Vec<_> =
            items.iter().map(|&(index, weight)| (index, weight.rotate_left(7))).collect();
        let pool = pool(threads);
        for _ in 0..2 {
            prop_assert_eq!(&pool.map(&items, |item| item.1, limit, || (), f), &serial);
        }
    }

    /// One thread starts the units in the promised order, whatever the limit.
    #[test]
    fn heaviest_first_ties_by_index(weights in weights(), limit in limits()) {
        let started = Mutex::new(Vec::new());
        let items: Vec<(usize, u64)> = weights.into_iter().enumerate().collect();
        pool(1).map(&items, |item| item.1, limit, || (), |item, ()| {
            started.lock().unwrap().push(*item);
        });
        let mut expected = items.clone();
        expected.sort_by_key(|&(index, weight)| (std::cmp::Reverse(weight), index));
        prop_assert_eq!(started.into_inner().unwrap(), expected);
    }
}

/// Several threads claim in the same order: a unit starts only after all before it were claimed,
/// so each is overtaken by fewer units than there are threads.
#[test]
fn heaviest_first_on_several_threads() {
    let clock = AtomicUsize::new(0);
    let weights: Vec<u64> = (0..2000).map(|i| i % 97).collect();
    for limit in [Weight(400), Weight::UNLIMITED] {
        clock.store(0, SeqCst);
        let started =
            pool(4).map(&weights, |&w| w, limit, || (), |_, ()| clock.fetch_add(1, SeqCst));
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(weights[index]), index));
        let mut latest_first = 0;
        for (position, &index) in order.iter().enumerate() {
            // A unit can be late by any time, but never early by more than the other threads.
            assert!(started[index] + 4 > position, "position {position} began too early");
            latest_first = latest_first.max(started[index]);
        }
        assert_eq!(latest_first, weights.len() - 1);
    }
}

#[test]
fn no_items() {
    let none: [u8; 0] = [];
    let fail = |_: &u8, (): &mut ()| -> u8 { unreachable!("there is no unit") };
    assert_eq!(pool(4).map(&none, |_| unreachable!(), Weight(0), || unreachable!(), fail), []);
}

#[test]
fn one_item_stays_on_the_calling_thread() {
    let pool = pool(8);
    let on = pool.map(&[()], |()| 9, Weight(1), || (), |(), ()| thread::current().id());
    assert_eq!(on, [thread::current().id()]);
}

#[test]
fn weight_is_asked_once_per_item_on_the_calling_thread() {
    let caller = thread::current().id();
    let asked = std::cell::Cell::new(0);
    let weight = |_: &u32| {
        assert_eq!(thread::current().id(), caller);
        asked.set(asked.get() + 1);
        1
    };
    let items: Vec<u32> = (0..1000).collect();
    assert_eq!(pool(4).map(&items, weight, Weight(2), || (), |item, ()| *item), items);
    assert_eq!(asked.get(), 1000);
}

/// A scratch value that could not leave its thread, made by each thread that ran a unit, once.
#[test]
fn scratch_is_made_once_by_each_thread_that_runs_a_unit() {
    let made = Mutex::new(Vec::new());
    let dropped = AtomicUsize::new(0);
    struct Scratch<'a> {
        home: ThreadId,
        units: Rc<std::cell::Cell<usize>>,
        dropped: &'a AtomicUsize,
    }
    impl Drop for Scratch<'_> {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.home);
            assert!(self.units.get() > 0, "a thread without a unit needs no scratch value");
            self.dropped.fetch_add(1, SeqCst);
        }
    }
    let pool = pool(6);
    for (units, limit) in [(1, 9), (2, 9), (500, 3), (500, 100)] {
        made.lock().unwrap().clear();
        dropped.store(0, SeqCst);
        let scratch = || {
            let home = thread::current().id();
            made.lock().unwrap().push(home);
            Scratch { home, units: Rc::default(), dropped: &dropped }
        };
        let items = vec![1_u64; units];
        let ran_on = pool.map(
            &items,
            |&w| w,
            Weight(limit),
            scratch,
            |_, scratch| {
                scratch.units.set(scratch.units.get() + 1);
                busy(63);
                assert_eq!(thread::current().id(), scratch.home);
                scratch.home
            },
        );
        let made = made.lock().unwrap();
        let distinct: HashSet<_> = made.iter().copied().collect();
        assert_eq!(distinct.len(), made.len(), "twice on one thread");
        assert_eq!(distinct, ran_on.into_iter().collect());
        assert!(made.len() <= units.min(6).min(limit as usize));
        assert_eq!(dropped.load(SeqCst), made.len());
    }
}

/// Two units that wait for each other need two threads: a helper takes part whether the map
/// starts it, finds it asleep, or meets it on its way to sleep.
#[test]
fn a_free_helper_takes_part() {
    in_time(|| {
        let pool = pool(2);
        for pause in [0, 0, 1, 20] {
            thread::sleep(Duration::from_millis(pause));
            let meeting = Barrier::new(2);
            pool.map(
                &[(); 2],
                |()| 1,
                Weight::UNLIMITED,
                || (),
                |(), ()| {
                    meeting.wait();
                },
            );
        }
    });
}

/// All threads of a pool, at the gate as well: the limit lets as many in as fit, no fewer.
#[test]
fn all_that_fits_is_in_flight() {
    in_time(|| {
        let pool = pool(4);
        // The heavy one first, alone; then three at once, time and again.
        let weights = [[5].as_slice(), &[1; 30]].concat();
        let meeting = Barrier::new(3);
        pool.map(
            &weights,
            |&w| w,
            Weight(3),
            || (),
            |&weight, ()| {
                if weight == 1 {
                    meeting.wait();
                } else {
                    thread::sleep(Duration::from_millis(20)); // the others wait at the gate by now
                }
            },
        );
    });
}

/// One thread runs a heavy unit while another one runs all the light ones: the two that wait at
/// the gate all the while have to leave when the last unit is taken.
#[test]
fn no_thread_stays_at_the_gate() {
    in_time(|| {
        let pool = pool(4);
        for _ in 0..5 {
            let light_units = AtomicUsize::new(0);
            pool.map(
                &[3, 1, 1, 1, 1],
                |&w| w,
                Weight(4),
                || (),
                |&weight, ()| {
                    if weight == 1 {
                        thread::sleep(Duration::from_millis(5)); // time for all threads to arrive
                        light_units.fetch_add(1, SeqCst);
                    } else {
                        while light_units.load(SeqCst) < 4 {
                            thread::sleep(Duration::from_millis(1));
                        }
                    }
                },
            );
        }
    });
}

/// Results may borrow from the items, closures from the caller.
#[test]
fn borrows() {
    let pool = pool(3);
    let names: Vec<String> = (0..300).map(|n| format!("module-{n}")).collect();
    let prefix = String::from("module-");
    let total = AtomicU64::new(0);
    let numbers: Vec<&str> = pool.map(
        &names,
        |_| 1,
        Weight(2),
        || (),
        |name, ()| {
            total.fetch_add(name.len() as u64, SeqCst);
            name.strip_prefix(&prefix).unwrap()
        },
    );
    drop(pool);
    assert!(numbers.iter().enumerate().all(|(n, text)| *text == n.to_string()));
    assert_eq!(total.into_inner(), names.iter().map(|name| name.len() as u64).sum());
}

#[test]
fn a_map_in_a_map_runs_only_its_own_units() {
    thread_local! {
        static IN_OUTER: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    in_time(|| {
        for threads in 1..=4 {
            let pool = pool(threads);
            let outer: Vec<u64> = (0..40).collect();
            let sums = pool.map(
                &outer,
                |_| 1,
                Weight(3),
                || (),
                |&n, ()| {
                    assert!(
                        !IN_OUTER.replace(true),
                        "waiting for its own map, it took a unit of ours"
                    );
                    let inner: Vec<u64> = (0..20).collect();
                    let products = pool.map(
                        &inner,
                        |&m| m,
                        Weight(30),
                        || (),
                        |m, ()| {
                            // And a third level, on every thread of the second.
                            pool.map(&[*m, n], |_| 1, Weight(1), || (), |k, ()| *k)
                                .iter()
                                .product::<u64>()
                        },
                    );
                    IN_OUTER.set(false);
                    products.iter().sum::<u64>()
                },
            );
            assert_eq!(sums, outer.iter().map(|n| n * 190).collect::<Vec<_>>());
        }
    });
}

#[test]
fn several_threads_map_on_one_pool() {
    in_time(|| {
        let pool = pool(3);
        thread::scope(|scope| {
            for caller in 0..5_u64 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..60 {
                        let items: Vec<u64> = (0..round).map(|n| n * caller).collect();
                        let limit = if round % 2 == 0 { Weight(8) } else { Weight::UNLIMITED };
                        let doubled = pool.map(&items, |n| n % 5, limit, || (), |n, ()| n * 2);
                        assert!(doubled.iter().zip(&items).all(|(double, n)| *double == n * 2));
                    }
                });
            }
        });
    });
}

/// Starting and ending: no thread outlives its pool, used or not.
#[test]
fn pools_come_and_go() {
    in_time(|| {
        for round in 0..200 {
            let pool = pool(1 + round % 4);
            let items = vec![1_u8; round % 7];
            assert_eq!(pool.map(&items, |_| 1, Weight(2), || (), |item, ()| *item), items);
        }
    });
}

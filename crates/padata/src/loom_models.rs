//! loom models: every interleaving, up to a number of preemptions, of small jobs on the shipped
//! code, under the C11 memory model.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p padata --release loom`
//!
//! `LOOM_MAX_PREEMPTIONS` overrides the bound, `PREEMPTIONS`.

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::claim::{Claims, Weight};
use crate::erase::lend;
use crate::pool::Pool;
use crate::ring::Slots;
use crate::sync::{AtomicUsize, Ordering};

/// More finds nothing new in these small models: 4 takes ten times as long.
const PREEMPTIONS: usize = 3;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

fn threads(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("at least one thread")
}

/// Makes its callers wait for each other.
struct Meeting {
    missing: Mutex<usize>,
    complete: Condvar,
}

impl Meeting {
    fn of(number: usize) -> Self {
        Meeting { missing: Mutex::new(number), complete: Condvar::new() }
    }

    fn wait(&self) {
        let mut missing = self.missing.lock().expect("loom has no poison");
        *missing -= 1;
        self.complete.notify_all();
        while *missing > 0 {
            missing = self.complete.wait(missing).expect("loom has no poison");
        }
    }
}

/// The lender gets its work back only after each borrower has left it, and sees what they did.
#[test]
fn loan_of_two_borrowers() {
    check(|| {
        let turn = AtomicUsize::new(0);
        let slots = Slots::new(2);
        let work = || slots.put(turn.fetch_add(1, Ordering::Relaxed), ());
        let borrowers = lend(&work, |loan| {
            [(); 2].map(|()| {
                let loan = Arc::clone(loan);
                thread::spawn(move || loan.run())
            })
        });
        // loom reports a write that is not ordered before this.
        let all = slots.into_vec();
        let ran = turn.load(Ordering::Relaxed);
        assert_eq!(all.is_some(), ran == 2);
        let joined = borrowers.map(|borrower| usize::from(borrower.join().unwrap()));
        assert_eq!(ran, joined[0] + joined[1], "nobody began after the recall");
    });
}

/// The lender works too; the loan is refused for good once `lend` has returned.
#[test]
fn loan_is_refused_after_the_recall() {
    check(|| {
        let runs = AtomicUsize::new(0);
        let work = || {
            runs.fetch_add(1, Ordering::Relaxed);
        };
        let (kept, borrower) = lend(&work, |loan| {
            let borrowed = Arc::clone(loan);
            let borrower = thread::spawn(move || borrowed.run());
            work();
            (Arc::clone(loan), borrower)
        });
        let before = runs.load(Ordering::Relaxed);
        assert!(!kept.run());
        let borrowed = borrower.join().unwrap();
        assert_eq!(before, 1 + usize::from(borrowed));
    });
}

/// Threads that share claims and slots, as a map does, with the end of the loan between the
/// writes and the reads.
fn run_units(weights: &'static [u64], limit: Weight, helpers: usize, stop_at: Option<usize>) {
    let claims = Claims::new(weights.iter().copied(), helpers + 1, limit);
    let slots = Slots::new(weights.len());
    let in_flight = AtomicUsize::new(0);
    let work = || {
        let mut claimed = claims.first();
        while let Some(unit) = claimed {
            let weight = weights[unit.index] as usize;
            let others = in_flight.fetch_add(weight, Ordering::AcqRel);
            assert!(others == 0 || (others + weight) as u64 <= limit.0, "over the limit");
            slots.put(unit.index, unit.index);
            if stop_at == Some(unit.index) {
                claims.stop();
                assert_eq!(claims.next(unit), None, "a unit after the stop");
                return;
            }
            in_flight.fetch_sub(weight, Ordering::AcqRel);
            claimed = claims.next(unit);
        }
    };
    let borrowers = lend(&work, |loan| {
        let borrowers: Vec<_> = (1..claims.threads())
            .map(|_| {
                let loan = Arc::clone(loan);
                thread::spawn(move || loan.run())
            })
            .collect();
        work();
        borrowers
    });
    match (slots.into_vec(), stop_at) {
        (Some(results), _) => assert!(results.into_iter().eq(0..weights.len())),
        (None, stopped) => assert!(stopped.is_some(), "a unit was lost"),
    }
    for borrower in borrowers {
        borrower.join().expect("a failed model has ended before");
    }
}

#[test]
fn cursor_deals_each_unit_once() {
    check(|| run_units(&[1, 1, 1], Weight(2), 1, None));
    check(|| run_units(&[1, 1, 1], Weight(3), 2, None));
}

#[test]
fn cursor_stops() {
    check(|| run_units(&[1, 1, 1], Weight(2), 1, Some(0)));
}

#[test]
fn gate_keeps_the_limit_and_forgets_no_waiter() {
    // Two heavy units alone, then two light ones at once.
    check(|| run_units(&[3, 3, 1, 1], Weight(2), 1, None));
    // Two of three threads wait for room; the one that gets it must pass it on.
    check(|| run_units(&[3, 1, 1, 1], Weight(3), 2, None));
}

#[test]
fn gate_stops_while_threads_wait() {
    check(|| run_units(&[3, 1, 1], Weight(2), 1, Some(0)));
    check(|| run_units(&[3, 1, 1, 1], Weight(3), 2, Some(0)));
}

/// A whole map: lazy start, results written on both threads, end of the pool.
#[test]
fn map_on_two_threads() {
    check(|| {
        let pool = Pool::new(threads(2));
        let results = pool.map(&[10, 20], |_| 1, Weight::UNLIMITED, || (), |n, ()| n + 1);
        assert_eq!(results, [11, 21]);
    });
}

#[test]
fn map_through_the_gate() {
    check(|| {
        let pool = Pool::new(threads(2));
        let results = pool.map(&[1, 3, 1], |&w| w, Weight(2), || (), |&n, ()| n);
        assert_eq!(results, [1, 3, 1]);
    });
}

/// Two units that wait for each other: they end only if a helper takes part, first one that the
/// map starts, then one that it wakes (or catches on its way to sleep).
#[test]
fn map_never_forgets_the_helper() {
    check(|| {
        let pool = Pool::new(threads(2));
        for _ in 0..2 {
            let meeting = Meeting::of(2);
            pool.map(&[(); 2], |_| 1, Weight::UNLIMITED, || (), |(), ()| meeting.wait());
        }
    });
}

/// Two callers of one pool; each job ends by its own caller's work alone.
#[test]
fn map_from_two_threads() {
    check(|| {
        let pool = Arc::new(Pool::new(threads(2)));
        let other = Arc::clone(&pool);
        let run = |pool: &Pool| pool.map(&[1, 2], |_| 1, Weight::UNLIMITED, || (), |n, ()| *n);
        let caller = thread::spawn(move || assert_eq!(run(&other), [1, 2]));
        assert_eq!(run(&pool), [1, 2]);
        caller.join().unwrap();
    });
}

#[test]
fn map_in_a_map() {
    check(|| {
        let pool = Pool::new(threads(2));
        let inner = |n: &usize, (): &mut ()| {
            pool.map(&[*n, 1], |_| 1, Weight::UNLIMITED, || (), |n, ()| *n).iter().sum::<usize>()
        };
        assert_eq!(pool.map(&[10, 20], |_| 1, Weight::UNLIMITED, || (), inner), [11, 21]);
    });
}

#[test]
fn map_with_a_panic() {
    check(|| {
        let pool = Pool::new(threads(2));
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            // Not panic!: the message of every interleaving would be printed.
            let fail = |n: &i32, (): &mut ()| -> Arc<i32> {
                if *n < 2 { panic::resume_unwind(Box::new(*n)) } else { Arc::new(*n) }
            };
            pool.map(&[1, 2, 3], |_| 1, Weight::UNLIMITED, || (), fail)
        }));
        assert_eq!(*outcome.unwrap_err().downcast::<i32>().unwrap(), 1);
        // The pool is as good as before.
        assert_eq!(pool.map(&[5], |_| 1, Weight::UNLIMITED, || (), |n, ()| *n), [5]);
    });
}

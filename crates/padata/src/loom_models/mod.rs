//! loom models: every interleaving, up to a number of preemptions, of small jobs on the shipped
//! code, under the C11 memory model.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p padata --release --lib loom`
//!
//! `LOOM_MAX_PREEMPTIONS` overrides the bound, `PREEMPTIONS`.

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::claim::{Claims, Weight};
use crate::erase::{Loan, lend};
use crate::job::models::{Claim, Cut, Deal, Standing};
use crate::job::{CancelToken, Chunk, ChunkRule, Failure, Job, JobError, Nice, Part};
use crate::pool::Pool;
use crate::ring::Slots;
use crate::seat::{Left, Seat};
use crate::sync::{AtomicUsize, Ordering, UnsafeCell};
use crate::sys;

mod streams;

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
        let work = |_: &Seat<'_>, _: &Arc<Loan>| {
            slots.put(turn.fetch_add(1, Ordering::Relaxed), ());
            Left::Done
        };
        let borrowers = lend(&work, |loan| {
            [(); 2].map(|()| {
                let loan = Arc::clone(loan);
                thread::spawn(move || Loan::run(&loan, &Seat::caller()).is_some())
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
        let work = |_: &Seat<'_>, _: &Arc<Loan>| {
            runs.fetch_add(1, Ordering::Relaxed);
            Left::Done
        };
        let (kept, borrower) = lend(&work, |loan| {
            let borrowed = Arc::clone(loan);
            let borrower = thread::spawn(move || Loan::run(&borrowed, &Seat::caller()).is_some());
            work(&Seat::caller(), loan);
            (Arc::clone(loan), borrower)
        });
        let before = runs.load(Ordering::Relaxed);
        assert!(Loan::run(&kept, &Seat::caller()).is_none());
        let borrowed = borrower.join().unwrap();
        assert_eq!(before, 1 + usize::from(borrowed));
    });
}

/// Threads that share claims and slots, as a map does, with the end of the loan between the
/// writes and the reads.
///
/// The thread that runs the unit `stop_at` stops all; helpers leave after `helpers_stay` units.
fn run_units_until(
    weights: &'static [u64],
    limit: Weight,
    helpers: usize,
    stop_at: Option<usize>,
    helpers_stay: usize,
) {
    let claims = Claims::new(weights.iter().copied(), helpers + 1, limit);
    let slots = Slots::new(weights.len());
    let in_flight = AtomicUsize::new(0);
    let work = |units: usize| {
        let mut claimed = claims.first();
        for ran in 1.. {
            let Some(unit) = claimed else { return Left::Done };
            let weight = weights[unit.index] as usize;
            let others = in_flight.fetch_add(weight, Ordering::AcqRel);
            assert!(others == 0 || (others + weight) as u64 <= limit.0, "over the limit");
            slots.put(unit.index, unit.index);
            if stop_at == Some(unit.index) {
                claims.stop();
                assert_eq!(claims.next(unit), None, "a unit after the stop");
                return Left::Done;
            }
            in_flight.fetch_sub(weight, Ordering::AcqRel);
            if ran == units {
                claims.leave(unit);
                return Left::Early;
            }
            claimed = claims.next(unit);
        }
        Left::Done
    };
    let help = |_: &Seat<'_>, _: &Arc<Loan>| work(helpers_stay);
    let borrowers = lend(&help, |loan| {
        let borrowers: Vec<_> = (1..claims.threads())
            .map(|_| {
                let loan = Arc::clone(loan);
                thread::spawn(move || Loan::run(&loan, &Seat::caller()).is_some())
            })
            .collect();
        work(usize::MAX);
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

fn run_units(weights: &'static [u64], limit: Weight, helpers: usize, stop_at: Option<usize>) {
    run_units_until(weights, limit, helpers, stop_at, usize::MAX);
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

/// A helper that is called away gives back the room of its unit to one that waits for it.
#[test]
fn gate_tells_who_waits_when_a_helper_leaves() {
    check(|| run_units_until(&[3, 1, 1], Weight(2), 1, None, 1));
    check(|| run_units_until(&[3, 1, 1, 1], Weight(3), 2, None, 1));
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

/// Threads that take chunks of one part: each offset is taken once, none is left.
#[test]
fn deal_gives_each_offset_once() {
    check(|| {
        let cut = Cut::new(ChunkRule::Kernel, 5, 1, 1, 2);
        let deal = Arc::new(Deal::new([5].into_iter()));
        let take = move |deal: &Deal| {
            let claims = std::iter::from_fn(|| deal.claim(0, &cut, |_| 1));
            claims.map(|claim| (claim.offset, claim.units)).collect::<Vec<_>>()
        };
        let shared = Arc::clone(&deal);
        let other = thread::spawn(move || take(&shared));
        let mut all = take(&deal);
        all.extend(other.join().unwrap());
        all.sort_unstable();
        assert_eq!(all, [(0, 1), (1, 2), (3, 2)]);
    });
}

/// What a thread gives back is taken once, by one of two who look for it, or is still there.
#[test]
fn deal_gives_back_once() {
    check(|| {
        let deal = Arc::new(Deal::new([4].into_iter()));
        let rest = Claim { part: 0, offset: 2, units: 2 };
        let (giver, taker) = (Arc::clone(&deal), Arc::clone(&deal));
        let giver = thread::spawn(move || giver.give_back(rest));
        let taker = thread::spawn(move || usize::from(taker.take_back().is_some()));
        let taken = usize::from(deal.take_back().is_some()) + taker.join().unwrap();
        giver.join().unwrap();
        assert_eq!(taken + usize::from(deal.take_back().is_some()), 1);
    });
}

/// A helper is raised before it has ended, or not at all: what the caller does to it by its number
/// is ordered before whatever comes after the helper's end.
#[test]
fn nobody_raises_a_helper_that_has_gone() {
    check(|| {
        let standing = Arc::new(Standing::new());
        // Stands for the thread's number: after its end, it belongs to somebody else.
        let number = Arc::new(UnsafeCell::new(0));
        let (helper, helpers_number) = (Arc::clone(&standing), Arc::clone(&number));
        let helper = thread::spawn(move || {
            helper.enter(sys::this_thread());
            helper.leave();
            helpers_number.with_mut(|_| ());
        });
        for _ in 0..2 {
            standing.raise(|_| number.with_mut(|_| ()));
        }
        helper.join().unwrap();
        assert!(!standing.is_inside());
        assert!(standing.raise(|_| ()).is_none());
    });
}

type ChunkOf<'c> = Chunk<'c, u32>;

/// A whole job on two threads.
#[test]
fn job_on_two_threads() {
    check(|| {
        let pool = Pool::new(threads(2));
        let units = AtomicUsize::new(0);
        let report = Job::over(0_u32, 3)
            .run(&pool, |chunk: ChunkOf<'_>| {
                units.fetch_add(chunk.units() as usize, Ordering::Relaxed);
                Ok::<_, ()>(())
            })
            .unwrap();
        // Not after a wait of its own: the end of the job orders it.
        assert_eq!((units.load(Ordering::Relaxed), report.units), (3, 3));
    });
}

/// The helper gives back what it holds when the caller waits; nothing is lost, nothing done twice.
#[test]
fn job_gives_back_to_the_caller() {
    check(|| {
        let pool = Pool::new(threads(2));
        let units = AtomicUsize::new(0);
        Job::over(0_u32, 4)
            .min_chunk(2)
            .run(&pool, |chunk: ChunkOf<'_>| {
                let kept = if chunk.is_wanted_back() { 1 } else { chunk.units() };
                chunk.give_back(kept);
                units.fetch_add(kept as usize, Ordering::Relaxed);
                Ok::<_, ()>(())
            })
            .unwrap();
        assert_eq!(units.load(Ordering::Relaxed), 4);
    });
}

/// A helper of the job's own, raised or not, that comes early, late or too late.
#[test]
fn job_with_a_helper_of_low_priority() {
    check(|| {
        let pool = Pool::new(threads(2));
        let report = Job::over(0_u32, 2).nice(Nice::Max).run(&pool, |_| Ok::<_, ()>(())).unwrap();
        assert_eq!(report.units, 2);
        assert!(report.raised <= 1 && !report.raise_refused);
    });
}

/// An error on one thread while the other goes on; all units are accounted for.
#[test]
fn job_with_an_error() {
    check(|| {
        let pool = Pool::new(threads(2));
        let mut undone = 0;
        let error: JobError<u32, u32> = Job::over(0_u32, 3)
            .undo(|range| undone += range.end - range.start)
            .run(
                &pool,
                |chunk: ChunkOf<'_>| {
                    if *chunk.start() == 1 { Err(*chunk.start()) } else { Ok(()) }
                },
            )
            .unwrap_err();
        assert!(matches!(error.first, Failure::Error(1)));
        let units = |ranges: &[std::ops::Range<u32>]| -> u32 {
            ranges.iter().map(|range| range.end - range.start).sum()
        };
        assert_eq!(units(&error.completed), undone);
        assert_eq!(units(&error.completed) + units(&error.not_started), 2);
    });
}

/// Somebody cancels while the job runs.
#[test]
fn job_that_is_cancelled() {
    check(|| {
        let pool = Pool::new(threads(2));
        let token = CancelToken::new();
        let others = token.clone();
        let other = thread::spawn(move || others.cancel());
        let outcome = Job::over(0_u32, 2).cancel(&token).run(&pool, |_| Ok::<_, ()>(()));
        match outcome {
            Ok(report) => assert_eq!(report.units, 2),
            Err(error) => assert!(matches!(error.first, Failure::Cancelled)),
        }
        other.join().unwrap();
    });
}

/// A thread that notices the cancel while another one takes chunks does not forget any of them: a
/// job that reports success has run all its units. (shuttle found the look that read the
/// fullest part twice, and forgot the others when it was emptied in between.)
#[test]
fn job_that_is_cancelled_reports_no_success_with_units_left() {
    check(|| {
        let pool = Pool::new(threads(2));
        let token = CancelToken::new();
        let ran = AtomicUsize::new(0);
        let parts = [0, 10, 20].map(|start| Part { start, units: 1, node: None });
        let outcome = Job::parts(parts).cancel(&token).run(&pool, |chunk: ChunkOf<'_>| {
            match chunk.worker() {
                0 => token.cancel(),
                // And leaves without a look at the token.
                _ => pool.set_threads(threads(1)),
            }
            ran.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(())
        });
        assert!(outcome.is_err() || ran.load(Ordering::Relaxed) == 3);
    });
}

/// The pool gets smaller and larger while a map is on.
#[test]
fn pool_changes_its_size_under_a_map() {
    check(|| {
        let pool = Arc::new(Pool::new(threads(2)));
        let others = Arc::clone(&pool);
        let other = thread::spawn(move || {
            others.set_threads(threads(1));
            others.set_threads(threads(2));
        });
        let results = pool.map(&[1, 2], |_| 1, Weight::UNLIMITED, || (), |n, ()| *n);
        assert_eq!(results, [1, 2]);
        other.join().unwrap();
    });
}

/// Tasks of a scope that spawn another one; the scope ends when all have, and sees what they did.
#[test]
fn scope_of_two_tasks_and_one_more() {
    check(|| {
        let pool = Pool::new(threads(2));
        let done = AtomicUsize::new(0);
        pool.scope(|scope| {
            scope.spawn(|scope| {
                scope.spawn(|_| {
                    done.fetch_add(1, Ordering::Relaxed);
                });
                done.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(done.load(Ordering::Relaxed), 2);
    });
}

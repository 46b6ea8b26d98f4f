//! Tasks that borrow: what is spawned in a scope has ended when the scope returns.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use crate::erase::{Lender, Loan, lend, lending};
use crate::panics::{self, FirstPanic, Payload};
use crate::pool::{Pool, Seats};
use crate::seat::{Left, Seat};
use crate::sync::{self, Arc, AtomicUsize, Mutex, Ordering};

/// Where tasks can be spawned; see [`Pool::scope`].
pub struct Scope<'s, 'env> {
    pool: &'s Pool,
    tasks: &'s Tasks<'env>,
    loan: &'s Loan,
    seats: Seats<'s>,
    lender: &'s Lender<'env>,
}

type Task<'env> = Box<dyn FnOnce(&Scope<'_, 'env>) + Send + 'env>;

/// The position of a panic in a stream.
const AFTER_ALL_TASKS: usize = usize::MAX;

/// The tasks of a scope.
struct Tasks<'env> {
    queue: Mutex<Queue<'env>>,
    /// Tasks that have not ended, in the queue or running.
    unfinished: AtomicUsize,
    /// The length of the queue, as a hint.
    waiting: AtomicUsize,
    first_panic: FirstPanic,
}

#[derive(Default)]
struct Queue<'env> {
    tasks: VecDeque<(usize, Task<'env>)>,
    /// Tasks that were spawned.
    spawned: usize,
}

impl Pool {
    /// Runs `body`, which can spawn tasks, and returns when all of them have ended.
    ///
    /// Tasks run on helpers as they become free, in the order in which they were spawned; what
    /// is left when `body` has returned runs on this thread too. So tasks must not wait for each
    /// other. They may borrow what outlives the scope, spawn further tasks, and run jobs on the
    /// pool, which is how several jobs start at once: one for each node, say, as the kernel's
    /// deferred page initialisation does.
    ///
    /// One box is allocated per task.
    ///
    /// # Panics
    /// With a panic of `body`, else with that of the task that was spawned first among those that
    /// panicked; in each case after all tasks have ended.
    ///
    /// ```
    /// use padata::{Job, Pool};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let pool = Pool::new(padata::available_threads());
    /// let sums = [AtomicU64::new(0), AtomicU64::new(0)];
    /// pool.scope(|scope| {
    ///     for (node, sum) in sums.iter().enumerate() {
    ///         let pool = &pool;
    ///         scope.spawn(move |_| {
    ///             Job::over(node as u64 * 100, 100)
    ///                 .run(pool, |chunk| {
    ///                     sum.fetch_add(chunk.range().sum(), Ordering::Relaxed);
    ///                     Ok::<_, std::convert::Infallible>(())
    ///                 })
    ///                 .unwrap();
    ///         });
    ///     }
    /// });
    /// assert_eq!(sums.map(AtomicU64::into_inner), [4950, 14950]);
    /// ```
    ///
    /// Tasks cannot borrow what ends before the scope does:
    /// ```compile_fail,E0373
    /// # let pool = padata::Pool::new(std::num::NonZeroUsize::MIN);
    /// pool.scope(|scope| {
    ///     let local = String::new();
    ///     scope.spawn(|_| println!("{local}"));
    /// });
    /// ```
    pub fn scope<'env, R>(&self, body: impl FnOnce(&Scope<'_, 'env>) -> R) -> R {
        lending(|lender| self.scope_with(lender, body))
    }

    fn scope_with<'env, R>(
        &self,
        lender: &Lender<'env>,
        body: impl FnOnce(&Scope<'_, 'env>) -> R,
    ) -> R {
        let tasks = Tasks {
            queue: Mutex::new(Queue::default()),
            unfinished: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            first_panic: FirstPanic::new(),
        };
        // Known only when the work has been posted.
        let seats = Mutex::new(None);
        let work = |seat: &Seat<'_>, loan: &Arc<Loan>| {
            // There is no seat to be had before the first task was spawned.
            let Some(seats) = *sync::lock(&seats) else { return Left::ForNow };
            tasks.run(&Scope { pool: self, tasks: &tasks, loan, seats, lender }, seat)
        };
        let result = lend(&work, |loan| {
            let posted = self.post(loan, 0, usize::MAX);
            *sync::lock(&seats) = Some(posted.seats());
            let seats = posted.seats();
            let scope = Scope { pool: self, tasks: &tasks, loan, seats, lender };
            let result = panic::catch_unwind(AssertUnwindSafe(|| body(&scope)));
            loop {
                tasks.run(&scope, &Seat::caller());
                if tasks.are_finished() {
                    return result;
                }
                loan.sleep_until(|| tasks.are_finished() || tasks.are_waiting());
            }
        });
        // Streams that were leaked.
        if let Some(payload) = lender.settle_all() {
            tasks.first_panic.record(AFTER_ALL_TASKS, payload);
        }
        match (result, tasks.first_panic.into_payload()) {
            (Ok(result), None) => result,
            (Ok(result), Some(payload)) => {
                panics::discard_value(result);
                panic::resume_unwind(payload)
            }
            (Err(payload), of_a_task) => {
                panics::discard_value(of_a_task);
                panic::resume_unwind(payload)
            }
        }
    }
}

impl<'env> Scope<'_, 'env> {
    /// Spawns a task. It is given the scope, so that it can spawn others.
    pub fn spawn(&self, task: impl FnOnce(&Scope<'_, 'env>) + Send + 'env) {
        let mut queue = sync::lock(&self.tasks.queue);
        let number = queue.spawned;
        queue.spawned += 1;
        queue.tasks.push_back((number, Box::new(task)));
        // Relaxed: whoever ends the last task was given it by the queue, and its own decrement
        // comes after this in the order of this one word.
        self.tasks.unfinished.fetch_add(1, Ordering::Relaxed);
        // Release: the sleeping owner looks here.
        self.tasks.waiting.store(queue.tasks.len(), Ordering::Release);
        drop(queue);
        let _ = self.seats.add();
        self.loan.poke();
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.pool
    }

    /// What lends to helpers for as long as the scope lasts.
    pub(crate) fn lender(&self) -> &Lender<'env> {
        self.lender
    }

    /// A stream has ended with a panic that nobody has seen.
    pub(crate) fn keep_stream_panic(&self, payload: Payload) {
        self.tasks.first_panic.record(AFTER_ALL_TASKS, payload);
    }
}

impl<'env> Tasks<'env> {
    /// Runs tasks until there is none in the queue. Never panics.
    fn run(&self, scope: &Scope<'_, 'env>, seat: &Seat<'_>) -> Left {
        // A helper's seat is for one task; the others have brought seats that nobody needs now.
        let mut has_seat = !seat.is_caller();
        while let Some((number, task)) = self.next() {
            if !std::mem::take(&mut has_seat) {
                scope.seats.remove();
            }
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| task(scope))) {
                self.first_panic.record(number, payload);
            }
            // Release: what the task did happens before the end of the scope.
            if self.unfinished.fetch_sub(1, Ordering::Release) == 1 {
                scope.loan.poke();
            }
            if seat.is_wanted_elsewhere() {
                return if self.are_waiting() { Left::Early } else { Left::ForNow };
            }
        }
        Left::ForNow
    }

    fn next(&self) -> Option<(usize, Task<'env>)> {
        let mut queue = sync::lock(&self.queue);
        let task = queue.tasks.pop_front();
        self.waiting.store(queue.tasks.len(), Ordering::Release);
        task
    }

    fn are_finished(&self) -> bool {
        self.unfinished.load(Ordering::Acquire) == 0
    }

    fn are_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unfinished = self.tasks.unfinished.load(Ordering::Relaxed);
        f.debug_struct("Scope").field("unfinished", &unfinished).finish_non_exhaustive()
    }
}

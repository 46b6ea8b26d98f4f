//! Streams: jobs that run anywhere and end in the order of their submission
//! (`padata_do_parallel` and `padata_do_serial` in userspace).
//!
//! | file | what it holds |
//! |---|---|
//! | `mod` | the handle: [`Stream`], and how it is made and ends |
//! | `iter` | iterators over results in order |
//! | `helpers` | what a helper does, and the end of a stream |
//! | `admit` | submissions: what is admitted, who is called, who waits |
//! | `retire` | the serial parts, in order |
//! | `core` | what a stream consists of; how a batch is run |
//! | `now`, `later` | the parallel part: done when it returns, or when its completion says so |
//! | `flow` | what the lock guards |
//! | `options`, `outcome`, `stats` | what goes in and what comes out |

mod admit;
mod core;
mod flow;
mod helpers;
mod iter;
mod later;
mod now;
mod options;
mod outcome;
mod retire;
mod stats;

pub use iter::MapOrdered;
pub use later::Completion;
pub use options::{Backpressure, StreamOptions, Wake, Window};
pub use outcome::{Outcome, Refused, Seq};
pub use stats::StreamStats;

use std::error::Error;
use std::fmt;
use std::panic;

use crate::erase::{self, Loan};
use crate::frame::{self, Patience};
use crate::panics::{self, Payload};
use crate::pool::Pool;
use crate::scope::Scope;
use crate::sync::{self, Arc};

use self::core::{Core, Jobs, SerialSide};
use later::Later;
use now::Now;

/// A stream of jobs `J`: each has a parallel part, which runs anywhere on the pool, and a serial
/// part, which is called strictly in the order of submission, one at a time, while parallel parts
/// of later jobs run. The serial parts share a state `A`, which belongs to the stream.
///
/// A stream is made by [`Scope::stream`], which may borrow what outlives the scope, or by
/// [`Pool::stream`], which borrows nothing and can be kept anywhere. Jobs can be submitted from any
/// number of threads through a shared reference; their order is the order in which they were
/// accepted.
///
/// ```
/// use padata::{Outcome, Pool, Window};
///
/// let pool = Pool::new(padata::available_threads());
/// let lines = ["a 1", "b 22", "c 333"];
/// let report = pool.scope(|scope| {
///     let stream = scope.stream(
///         Window::jobs(256),
///         || (),                                  // scratch, one per thread
///         |line: &str, ()| line.len(),            // parallel, anywhere
///         String::new(),                          // the state of the serial side
///         |report, seq, length| {                 // serial, in order
///             if let Outcome::Done(length) = length {
///                 report.push_str(&format!("{}:{length} ", seq.0));
///             }
///         },
///     );
///     for line in lines {
///         stream.submit(line, 1)?;
///     }
///     Ok::<_, padata::Refused<&str>>(stream.finish())
/// })?;
/// assert_eq!(report, "0:3 1:4 2:5 ");
/// # Ok::<(), padata::Refused<&str>>(())
/// ```
///
/// # What is promised
/// - Each job that was accepted has its serial part called once, with what became of its parallel
///   part: a result, a panic, or nothing. A job that is refused comes back, and has no number.
/// - No more than the [`Window`] is in flight, whatever the threads do.
/// - Streams do not wait for each other. They share the threads of their pool; one that has
///   submitters of its own goes on even if others have all the helpers.
/// - Threads and CPUs of the pool can change meanwhile: nothing is refused or out of order.
/// - Nothing is locked while parallel or serial parts run; they may submit, to this stream and
///   to others, and start jobs.
/// - In a pool of one thread all runs within `submit` and `finish`.
///
/// # Waiting
/// A thread that waits, for room or for the end, runs jobs of this stream meanwhile, and no others.
/// Within a callback of any stream it must not wait, for others may wait for the callback: within a
/// serial part, [`Refused::WouldDeadlock`] is what it gets for a job without room; within a parallel
/// part, if there is no queued job that it can run instead. A stream that was made within the same
/// callback is the exception. Jobs must not wait for other jobs of their stream, for these may be
/// behind them in one batch, and in a pool of one thread they always are. A serial part may wait for
/// the outside world; not for the thread that submits to its stream, on which it may run.
///
/// # Panics
/// A panic in a parallel part is the job's [`Outcome`]. A panic in a serial part ends the stream: no
/// more jobs are accepted, those that have not begun are dropped, no serial part is called any
/// more, and [`Stream::finish`] goes on with the panic, or else the scope does. A serial part that
/// fails can end the stream as well: by [`StreamOptions::cancel`].
///
/// # When it ends
/// [`Stream::finish`] waits for all jobs and returns the state. Dropping the stream waits as well, but
/// within a callback, where a stream that borrows nothing is left to itself: what was accepted is
/// still run.
pub struct Stream<'s, J, A> {
    /// Nothing once it has ended.
    handle: Option<Box<dyn Handle<J, A> + 's>>,
}

/// A stream of any type.
trait Handle<J, A>: Send + Sync {
    fn submit(&self, job: J, weight: u64) -> Result<Seq, Refused<J>>;
    fn submit_all(
        &self,
        jobs: &mut dyn Iterator<Item = (J, u64)>,
        rest: &mut Vec<(J, u64)>,
    ) -> Result<u64, (u64, Refused<J>)>;
    fn close(&self);
    fn finish(&self) -> Result<A, Payload>;
    fn end(&self);
    fn stats(&self) -> StreamStats;
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Jobs of a batch of submissions were refused.
pub struct RefusedBatch<J, I> {
    /// How many were accepted before.
    pub accepted: u64,
    /// The first one that was not, and why.
    pub refused: Refused<J>,
    /// The jobs after it, with their weights.
    pub rest: I,
}

impl<J, I> fmt::Debug for RefusedBatch<J, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedBatch")
            .field("accepted", &self.accepted)
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

impl<J, I> fmt::Display for RefusedBatch<J, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} jobs: {}", self.accepted, self.refused)
    }
}

impl<J, I> Error for RefusedBatch<J, I> {}

impl<J, A> Stream<'_, J, A> {
    /// Submits a job of this weight, in the unit of [`Window::weight`]; any number if that was not
    /// set. Returns its number.
    ///
    /// While no helper is awake, the job may run in here, and so may its serial part; see
    /// [`Wake`].
    ///
    /// # Errors
    /// The job comes back if it is not accepted: see [`Refused`]. If nobody closes the stream, and
    /// there is no token to cancel it, [`Refused::Closed`] means that a serial part has panicked;
    /// [`Stream::finish`] goes on with that panic.
    pub fn submit(&self, job: J, weight: u64) -> Result<Seq, Refused<J>> {
        self.handle().submit(job, weight)
    }

    /// Submits all of `jobs`, each with its weight, in this order; other submitters' jobs may come
    /// between them. It costs less than to submit one after the other: a lock and a look at the
    /// helpers for 16 jobs. Returns the number of jobs.
    ///
    /// # Errors
    /// At the first job that is not accepted; it and those after it come back.
    ///
    /// ```
    /// # use padata::{Outcome, Pool, Window};
    /// # let pool = Pool::new(padata::available_threads());
    /// let sum = pool.scope(|scope| {
    ///     let square = |n: u64, (): &mut ()| n * n;
    ///     let add = |sum: &mut u64, _, square: Outcome<u64>| *sum += square.done().unwrap_or(0);
    ///     let stream = scope.stream(Window::jobs(64), || (), square, 0, add);
    ///     stream.submit_all((0..100).map(|n| (n, 1))).unwrap();
    ///     stream.finish()
    /// });
    /// assert_eq!(sum, 328_350);
    /// ```
    pub fn submit_all<I>(
        &self,
        jobs: I,
    ) -> Result<u64, RefusedBatch<J, impl Iterator<Item = (J, u64)> + use<I, J, A>>>
    where
        I: IntoIterator<Item = (J, u64)>,
    {
        let mut rest = Vec::new();
        let mut jobs = jobs.into_iter().fuse();
        match self.handle().submit_all(&mut jobs, &mut rest) {
            Ok(accepted) => Ok(accepted),
            Err((accepted, refused)) => {
                Err(RefusedBatch { accepted, refused, rest: rest.into_iter().chain(jobs) })
            }
        }
    }

    /// From now on no job is accepted. Those that were are run.
    pub fn close(&self) {
        self.handle().close();
    }

    /// Waits until all jobs have ended, and returns the state. The calling thread works as well.
    ///
    /// # Panics
    /// With the panic of a serial part, if one has panicked. When called within a callback of this
    /// stream, which cannot wait for itself.
    pub fn finish(self) -> A {
        self.finish_with_stats().0
    }

    /// As [`Stream::finish`], and returns what the stream has counted, all of it.
    ///
    /// # Panics
    /// As [`Stream::finish`].
    pub fn finish_with_stats(mut self) -> (A, StreamStats) {
        let handle = self.handle.take().expect("a stream ends once");
        match handle.finish() {
            Ok(state) => (state, handle.stats()),
            Err(payload) => {
                panics::discard_value(handle);
                panic::resume_unwind(payload)
            }
        }
    }

    /// What the stream has counted so far.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        self.handle().stats()
    }

    fn handle(&self) -> &dyn Handle<J, A> {
        self.handle.as_deref().expect("a stream is used until it ends")
    }
}

impl<J, A> Drop for Stream<'_, J, A> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.end();
        }
    }
}

impl<J, A> fmt::Debug for Stream<'_, J, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.handle {
            Some(handle) => handle.describe(f),
            None => f.write_str("Stream (ended)"),
        }
    }
}

impl Pool {
    /// Makes a stream that borrows nothing; see [`Stream`]. It outlives the pool, if need be: then
    /// jobs run in the threads that submit them.
    ///
    /// - `scratch` makes a value for each thread that runs jobs; it goes on to the next thread when
    ///   one leaves. There are never more of them than threads that run jobs at once. After a panic
    ///   a new one is made.
    /// - `parallel` is called once for each job.
    /// - `serial` is called once for each job, in order, with the state, the number of the job, and
    ///   what `parallel` has returned.
    pub fn stream<J, T, S, A>(
        &self,
        options: impl Into<StreamOptions>,
        scratch: impl Fn() -> S + Send + Sync + 'static,
        parallel: impl Fn(J, &mut S) -> T + Send + Sync + 'static,
        state: A,
        serial: impl FnMut(&mut A, Seq, Outcome<T>) + Send + 'static,
    ) -> Stream<'static, J, A>
    where
        J: Send + 'static,
        T: Send + 'static,
        S: Send + 'static,
        A: Send + 'static,
    {
        let jobs = Now { scratch, f: parallel };
        let serial = Callback::new(state, serial);
        let core = new_core(self, sync::fresh_id(), options.into(), jobs, serial, false);
        self.free_stream(core)
    }

    /// As [`Pool::stream`], for jobs that need not be done when `parallel` returns: they are done
    /// when their [`Completion`] says so.
    ///
    /// ```
    /// use padata::{Completion, Outcome, Pool, Window};
    /// use std::thread;
    ///
    /// let pool = Pool::new(padata::available_threads());
    /// let stream = pool.stream_later(
    ///     Window::jobs(16),
    ///     || (),
    ///     |n: u32, (), done: Completion<u32>| {
    ///         // A device, say, that calls back.
    ///         thread::spawn(move || done.complete(n * n));
    ///     },
    ///     Vec::new(),
    ///     |squares, _, outcome| squares.extend(outcome.done()),
    /// );
    /// for n in 1..=4 {
    ///     stream.submit(n, 1).unwrap();
    /// }
    /// assert_eq!(stream.finish(), [1, 4, 9, 16]);
    /// ```
    pub fn stream_later<J, T, S, A>(
        &self,
        options: impl Into<StreamOptions>,
        scratch: impl Fn() -> S + Send + Sync + 'static,
        parallel: impl Fn(J, &mut S, Completion<T>) + Send + Sync + 'static,
        state: A,
        serial: impl FnMut(&mut A, Seq, Outcome<T>) + Send + 'static,
    ) -> Stream<'static, J, A>
    where
        J: Send + 'static,
        T: Send + 'static,
        S: Send + 'static,
        A: Send + 'static,
    {
        let (id, options) = (sync::fresh_id(), options.into());
        let jobs = Later::new(id, options.window.jobs, scratch, parallel);
        let core = new_core(self, id, options, jobs, Callback::new(state, serial), false);
        self.free_stream(core)
    }

    fn free_stream<J, T, P, A, G>(
        &self,
        core: Arc<Core<J, T, P, Callback<A, G>>>,
    ) -> Stream<'static, J, A>
    where
        J: Send + 'static,
        T: Send + 'static,
        P: Jobs<J, T> + 'static,
        A: Send + 'static,
        G: FnMut(&mut A, Seq, Outcome<T>) + Send + 'static,
    {
        let loan = erase::lend_for_good(Arc::clone(&core));
        self.open(&core.opening, &loan);
        Stream { handle: Some(Box::new(Owner { core, loan, home: Nowhere })) }
    }
}

impl<'s, 'env> Scope<'s, 'env> {
    /// Makes a stream whose closures, jobs and results may borrow what outlives the scope; see
    /// [`Stream`], and [`Pool::stream`] for the arguments. All its jobs have ended when the scope
    /// returns, even if the stream is leaked.
    pub fn stream<J, T, S, A>(
        &self,
        options: impl Into<StreamOptions>,
        scratch: impl Fn() -> S + Send + Sync + 'env,
        parallel: impl Fn(J, &mut S) -> T + Send + Sync + 'env,
        state: A,
        serial: impl FnMut(&mut A, Seq, Outcome<T>) + Send + 'env,
    ) -> Stream<'_, J, A>
    where
        J: Send + 'env,
        T: Send + 'env,
        S: Send + 'env,
        A: Send + 'env,
    {
        let jobs = Now { scratch, f: parallel };
        let serial = Callback::new(state, serial);
        let core = new_core(self.pool(), sync::fresh_id(), options.into(), jobs, serial, false);
        self.bound_stream(core)
    }

    /// As [`Scope::stream`], for jobs that need not be done when `parallel` returns; see
    /// [`Pool::stream_later`].
    pub fn stream_later<J, T, S, A>(
        &self,
        options: impl Into<StreamOptions>,
        scratch: impl Fn() -> S + Send + Sync + 'env,
        parallel: impl Fn(J, &mut S, Completion<T>) + Send + Sync + 'env,
        state: A,
        serial: impl FnMut(&mut A, Seq, Outcome<T>) + Send + 'env,
    ) -> Stream<'_, J, A>
    where
        J: Send + 'env,
        T: Send + 'env,
        S: Send + 'env,
        A: Send + 'env,
    {
        let (id, options) = (sync::fresh_id(), options.into());
        let jobs = Later::new(id, options.window.jobs, scratch, parallel);
        let serial = Callback::new(state, serial);
        let core = new_core(self.pool(), id, options, jobs, serial, false);
        self.bound_stream(core)
    }

    fn bound_stream<J, T, P, A, G>(
        &self,
        core: Arc<Core<J, T, P, Callback<A, G>>>,
    ) -> Stream<'_, J, A>
    where
        J: Send + 'env,
        T: Send + 'env,
        P: Jobs<J, T> + 'env,
        A: Send + 'env,
        G: FnMut(&mut A, Seq, Outcome<T>) + Send + 'env,
    {
        let loan = self.lender().lend(Arc::clone(&core));
        self.pool().open(&core.opening, &loan);
        Stream { handle: Some(Box::new(Owner { core, loan, home: self })) }
    }
}

fn new_core<J, T, P, X>(
    pool: &Pool,
    id: u64,
    options: StreamOptions,
    jobs: P,
    serial: X,
    consumed: bool,
) -> Arc<Core<J, T, P, X>>
where
    J: Send,
    T: Send,
    P: Jobs<J, T>,
    X: SerialSide<T>,
{
    Arc::new(Core::new(id, options, pool.opening(), jobs, serial, consumed))
}

/// Where a stream lives.
trait Home: Send + Sync {
    /// Whether the stream can be left to itself.
    const IS_FREE: bool;

    /// Waits until nobody is inside any more, for good.
    fn take_back(&self, loan: &Arc<Loan>);

    /// A serial part has panicked, and nobody has asked for the state.
    fn keep_panic(&self, payload: Payload);
}

/// A stream that borrows nothing.
struct Nowhere;

impl Home for Nowhere {
    const IS_FREE: bool = true;

    fn take_back(&self, loan: &Arc<Loan>) {
        loan.recall();
    }

    fn keep_panic(&self, payload: Payload) {
        panics::discard(payload);
    }
}

impl Home for &Scope<'_, '_> {
    const IS_FREE: bool = false;

    fn take_back(&self, loan: &Arc<Loan>) {
        self.lender().take_back(loan);
    }

    fn keep_panic(&self, payload: Payload) {
        self.keep_stream_panic(payload);
    }
}

/// What a handle stands for.
struct Owner<C, H> {
    core: Arc<C>,
    loan: Arc<Loan>,
    home: H,
}

impl<J, T, P, A, G, H> Handle<J, A> for Owner<Core<J, T, P, Callback<A, G>>, H>
where
    J: Send,
    T: Send,
    P: Jobs<J, T>,
    A: Send,
    G: FnMut(&mut A, Seq, Outcome<T>) + Send,
    H: Home,
{
    fn submit(&self, job: J, weight: u64) -> Result<Seq, Refused<J>> {
        self.core.submit(&self.loan, job, weight)
    }

    fn submit_all(
        &self,
        jobs: &mut dyn Iterator<Item = (J, u64)>,
        rest: &mut Vec<(J, u64)>,
    ) -> Result<u64, (u64, Refused<J>)> {
        self.core.submit_all(&self.loan, jobs, rest)
    }

    fn close(&self) {
        self.core.close();
    }

    fn finish(&self) -> Result<A, Payload> {
        if frame::is_inside(self.core.id()) {
            self.core.detach();
            panic!("a stream cannot be finished within a callback of its own");
        }
        let (state, panic) = self.settle();
        match panic {
            Some(payload) => {
                panics::discard_value(state);
                Err(payload)
            }
            None => Ok(state.expect("a stream is finished once")),
        }
    }

    fn end(&self) {
        if H::IS_FREE && frame::patience(self.core.origin()) != Patience::Sleep {
            return self.core.detach();
        }
        let (state, panic) = self.settle();
        panics::discard_value(state);
        if let Some(payload) = panic {
            self.home.keep_panic(payload);
        }
    }

    fn stats(&self) -> StreamStats {
        self.core.stats()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.core, f)
    }
}

impl<J, T, P, A, G, H> Owner<Core<J, T, P, Callback<A, G>>, H>
where
    J: Send,
    T: Send,
    P: Jobs<J, T>,
    A: Send,
    G: FnMut(&mut A, Seq, Outcome<T>) + Send,
    H: Home,
{
    /// Waits for the end. Returns the state, and the panic of a serial part.
    fn settle(&self) -> (Option<A>, Option<Payload>) {
        self.core.drain(&self.loan);
        self.home.take_back(&self.loan);
        self.core.opening.take_down();
        self.core
            .with_idle_serial(|serial| (serial.state.take(), serial.panic.take()))
            .expect("nobody else is there")
    }
}

/// The serial side of a stream.
struct Callback<A, G> {
    state: Option<A>,
    serial: G,
    next: u64,
    panic: Option<Payload>,
}

impl<A, G> Callback<A, G> {
    fn new(state: A, serial: G) -> Self {
        Callback { state: Some(state), serial, next: 0, panic: None }
    }
}

impl<T, A, G> SerialSide<T> for Callback<A, G>
where
    A: Send,
    G: FnMut(&mut A, Seq, Outcome<T>) + Send,
{
    fn deliver(&mut self, outcome: Outcome<T>) {
        let seq = Seq(self.next);
        self.next += 1;
        match &mut self.state {
            Some(state) if self.panic.is_none() => (self.serial)(state, seq, outcome),
            _ => panics::discard_value(outcome),
        }
    }

    fn panicked(&mut self, payload: Payload) {
        match self.panic {
            None => self.panic = Some(payload),
            Some(_) => panics::discard(payload),
        }
    }

    fn take_panic(&mut self) -> Option<Payload> {
        self.panic.take()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

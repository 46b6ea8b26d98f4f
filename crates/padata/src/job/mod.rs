//! Multithreaded jobs: one large piece of work, cut into chunks that many threads take. The
//! userspace counterpart of the kernel's `padata_do_multithreaded` and of ktask.
//!
//! How a job flows:
//! ```text
//! parts ──> Cut: how large is the next chunk    chunks
//!   │   ──> Deal: a cursor per part             deal
//!   │   ──> Spread: which thread at which part  spread
//!   ▼
//! every thread: take a chunk, run it, look for the next one        run, chunk
//!   │           an error, a cancel, the deadline: no new chunk     cancel
//!   ▼
//! caller: wait for helpers, raise them one by one, take back       run, nice
//!   ▼
//! settle the account, undo what was done ──> Report or JobError    account, outcome
//! ```

mod account;
mod cancel;
mod chunk;
mod chunks;
mod deal;
mod nice;
mod outcome;
mod part;
mod position;
mod run;
mod spread;

use std::convert::Infallible;
use std::fmt;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::time::Instant;

use crate::erase::Loan;
use crate::panics::{self, Payload};
use crate::pool::{Hosted, Place, Placement, Pool};
use crate::seat::{Host, Seat};
use crate::stats::Report;
use crate::sync::{self, Arc, AtomicUsize, Mutex};
use crate::sys;
use crate::topology::CpuSet;
use crate::trace::Trace;

use account::{Account, Hole, Units};
pub use cancel::CancelToken;
use cancel::Control;
pub use chunk::Chunk;
pub use chunks::ChunkRule;
use chunks::Cut;
use deal::{Claim, Deal};
pub use nice::{Nice, Raise};
use nice::{NiceCrew, Standing};
pub use outcome::{FailedChunk, Failure, JobError};
pub use part::Part;
use part::Watch;
pub use position::{Distance, Position};
use run::{Run, Stop, Worker};
use spread::Spread;

/// One large piece of work for many threads: what to do, how to cut it up, when to stop, and how
/// to undo it.
///
/// A job is one or several [parts](Job::parts), or simply a [range](Job::over). [`Job::run`] cuts it
/// into chunks and calls a function with each of them once, on the calling thread and on helpers
/// of the [`Pool`], and returns when all have returned. The caller works too, and runs nothing
/// but its own job meanwhile. Several jobs can run on one pool at once, from different threads, and
/// share its helpers evenly. A job may run jobs. With one thread, or for a job that is worth only
/// one, everything happens in the caller, in one call per part.
///
/// ```
/// use padata::{Job, Pool};
///
/// let pool = Pool::new(padata::available_threads());
/// let pages = 4096_u64;
/// let report = Job::over(0_u64, pages)
///     .align(8) // chunks end at multiples of 8
///     .min_chunk(256) // fewer than 256 pages are not worth a thread
///     .run(&pool, |chunk| {
///         for page in chunk.range() {
///             std::hint::black_box(page);
///         }
///         Ok::<_, std::io::Error>(())
///     })
///     .unwrap();
/// assert_eq!(report.units, pages);
/// ```
///
/// # Defaults, and ktask's
/// - **Threads**: as many as the pool has and the size is worth (`min_chunk`). ktask took 4 at
///   most, since the kernel could not tell what a job's thread may use. A process can: the pool
///   counts the CPUs of the affinity mask and the cgroup quota, and whoever wants fewer says so
///   ([`Job::max_threads`], [`Pool::set_cap`]).
/// - **Node**: helpers run where the caller may run. ktask kept a job on the caller's node,
///   because kernel memory is mostly allocated there. The engine cannot know where a process's
///   memory is; who does names the nodes ([`Job::parts`]), and who wants one node sets the
///   affinity of the caller, which helpers inherit.
/// - **Chunks**: [guided](ChunkRule::Guided), which at 2 threads was as fast as the kernel's rule
///   on even work and faster on uneven work; BENCHMARKING.md has the figures.
/// - **Priority**: that of the pool's helpers. Helpers of low priority make jobs slower on a
///   busy machine unless they are raised, so they are never a default.
pub struct Job<'a, P> {
    parts: Vec<Part<P>>,
    align: u64,
    min_chunk: u64,
    max_threads: usize,
    rule: ChunkRule,
    nice: Nice,
    raise: Raise,
    undo: Option<Undo<'a, P>>,
    report_panics: bool,
    control: Control,
    watch: Watch<'a>,
}

type Undo<'a, P> = Box<dyn FnMut(Range<P>) + 'a>;

impl<'a, P: Position> Job<'a, P> {
    /// A job over `units` units from `start` on.
    #[must_use]
    pub fn over(start: P, units: u64) -> Self {
        Job::parts([Part { start, units, node: None }])
    }

    /// A job over several parts, each near a node or not.
    ///
    /// Helpers go to the part with the most units left per thread, on the CPUs near its node, and
    /// move on when it is done. When all CPUs near a node have a thread, further ones work at its
    /// parts from anywhere. A node without CPUs is worked at from the nearest one that has some.
    /// The caller is never moved; it begins with the parts of the node where it is.
    ///
    /// Parts are few, a handful per node: a thread that looks for its next one looks at all of
    /// them. For thousands of ranges, a [`Position`] that walks along them is the better choice.
    ///
    /// ```
    /// use padata::topology::NodeId;
    /// use padata::{Job, Part, Pool};
    ///
    /// let pool = Pool::new(padata::available_threads());
    /// let parts = [
    ///     Part { start: 0_u64, units: 1000, node: Some(NodeId(0)) },
    ///     Part { start: 1 << 30, units: 1000, node: Some(NodeId(1)) },
    /// ];
    /// let report = Job::parts(parts).run(&pool, |_| Ok::<_, std::io::Error>(())).unwrap();
    /// assert_eq!(report.units, 2000);
    /// ```
    #[must_use]
    pub fn parts(parts: impl IntoIterator<Item = Part<P>>) -> Self {
        Job {
            parts: parts.into_iter().collect(),
            align: 1,
            min_chunk: 1,
            max_threads: usize::MAX,
            rule: ChunkRule::default(),
            nice: Nice::default(),
            raise: Raise::default(),
            undo: None,
            report_panics: false,
            control: Control::default(),
            watch: Watch { name: "job", stats: false, trace: None },
        }
    }

    /// Chunks end at multiples of `align` positions ([`Position::past_multiple`]), except at the
    /// end of a part. 0 counts as 1.
    #[must_use]
    pub fn align(mut self, align: u64) -> Self {
        self.align = align;
        self
    }

    /// Chunks have at least `units` units, except at the start and the end of a part, and a job
    /// has no more threads than it has times that many. 0 counts as 1, which is the default.
    #[must_use]
    pub fn min_chunk(mut self, units: u64) -> Self {
        self.min_chunk = units;
        self
    }

    /// At most `threads` threads work, the caller included. 0 counts as 1.
    #[must_use]
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = threads.max(1);
        self
    }

    /// How the work is cut up.
    #[must_use]
    pub fn chunk_rule(mut self, rule: ChunkRule) -> Self {
        self.rule = rule;
        self
    }

    /// The priority of the helpers.
    #[must_use]
    pub fn nice(mut self, nice: Nice) -> Self {
        self.nice = nice;
        self
    }

    /// What happens to helpers of lower priority when the caller has run out of chunks.
    #[must_use]
    pub fn raise(mut self, raise: Raise) -> Self {
        self.raise = raise;
        self
    }

    /// If the job fails in any way, calls `undo` on the calling thread, after all chunks have
    /// stopped, with everything that was completed: in order, ranges that touch as one, also the
    /// finished prefix of a failed chunk ([`Chunk::done_units`]). Every completed unit is undone
    /// once, and nothing else.
    ///
    /// Ranges do not say which part they belong to: parts that count from the same number need
    /// positions that tell them apart.
    ///
    /// `undo` must not fail. If it panics, it is still called with the other ranges, and then its
    /// panic goes on.
    #[must_use]
    pub fn undo(mut self, undo: impl FnMut(Range<P>) + 'a) -> Self {
        self.undo = Some(Box::new(undo));
        self
    }

    /// Returns a panic of the job's function as [`Failure::Panic`], instead of going on with it in
    /// the caller after the undo.
    #[must_use]
    pub fn report_panics(mut self, report: bool) -> Self {
        self.report_panics = report;
        self
    }

    /// Lets others stop the job.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.control.cancel = Some(token.clone());
        self
    }

    /// No chunk starts at or after `deadline`.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.control.deadline = Some(deadline);
        self
    }

    /// A name for the job, on timelines.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.watch.name = name;
        self
    }

    /// Measures what each thread did, for [`Report::workers`]. Two looks at the clock per chunk.
    #[must_use]
    pub fn stats(mut self, stats: bool) -> Self {
        self.watch.stats = stats;
        self
    }

    /// Adds each chunk to a timeline.
    #[must_use]
    pub fn trace(mut self, trace: &'a Trace) -> Self {
        self.watch.trace = Some(trace);
        self
    }

    /// Runs the job: calls `f` with each of its chunks once, and returns when all have returned.
    ///
    /// `f` sees each position in exactly one chunk. After a chunk has failed, no new one starts;
    /// those that run finish. Nothing is locked while `f` runs. Helpers that the system refuses are
    /// done without.
    ///
    /// # Errors
    /// When a chunk returns an error, when the job is cancelled or its deadline passes before all
    /// chunks have begun, or when a part has more units than there are positions. The error
    /// accounts for every unit.
    ///
    /// # Panics
    /// With the panic of a chunk, the first one in time, once all chunks have stopped and
    /// `undo` has run; unless [`Job::report_panics`] is set. With a panic of `undo`.
    #[expect(clippy::result_large_err, reason = "it is returned once per job, and made to be read")]
    pub fn run<E, F>(self, pool: &Pool, f: F) -> Result<Report, JobError<E, P>>
    where
        E: Send,
        F: Fn(Chunk<'_, P>) -> Result<(), E> + Sync,
    {
        let begin = self.watch.stats.then(Instant::now);
        if self.parts.iter().any(|part| part.start.advance(part.units).is_none()) {
            return Err(self.nothing_ran(Failure::NoSuchPosition));
        }
        let total = self.parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.units));
        if total == 0 {
            return Ok(Report::default());
        }
        let plan = Plan::new(&self, total, pool);
        let run = Run {
            f: &f,
            parts: &self.parts,
            deal: Deal::new(self.parts.iter().map(|part| part.units)),
            spread: plan.spread,
            cut: plan.cut,
            helpers_cut: plan.helpers_cut,
            control: &self.control,
            watch: self.watch,
            job_number: self.watch.trace.map(Trace::number_job),
            helpers: AtomicUsize::new(0),
            stops: Mutex::new(Vec::new()),
            report: Mutex::new(Report::default()),
        };

        let mut caller = Worker::caller();
        let mut crew = NiceCrew::new(plan.nice_helpers, plan.raise);
        let level = crew.is_there().then(sys::priority).unwrap_or_default();
        let work = |seat: &Seat<'_>, loan: &Arc<Loan>| run.help(seat, loan);
        pool.share(plan.seats, &work, |loan, posted| {
            let _hosted = start_nice_helpers(pool, loan, &crew, self.nice);
            run.work(&mut caller, &Seat::caller(), loan);
            drop(posted);
            run.wait_for_helpers(&mut caller, loan, &mut crew, level);
        });
        run.sign_off(caller);

        let Run { deal, stops, report, .. } = run;
        let mut report = sync::into_inner(report);
        report.workers.sort_unstable_by_key(|worker| worker.worker);
        report.wall = begin.map(|begin| begin.elapsed());
        (report.raised, report.raise_refused) = (crew.raised, crew.refused);
        let stops = sync::into_inner(stops);
        if stops.is_empty() {
            return Ok(report);
        }
        self.fail(stops, deal, report)
    }

    /// Runs the job with a function that cannot fail: as [`Job::run`], and as the kernel's
    /// `padata_do_multithreaded`.
    ///
    /// ```
    /// use padata::{Job, Pool};
    /// let report = Job::over(0_u32, 10)
    ///     .for_each(&Pool::auto(), |chunk| assert!(chunk.units() > 0))
    ///     .unwrap();
    /// assert_eq!(report.units, 10);
    /// ```
    ///
    /// # Errors
    /// When the job is cancelled, its deadline passes, or a part has more units than there are
    /// positions.
    ///
    /// # Panics
    /// As [`Job::run`].
    #[expect(clippy::result_large_err, reason = "as for `run`")]
    pub fn for_each<F>(self, pool: &Pool, f: F) -> Result<Report, JobError<Infallible, P>>
    where
        F: Fn(Chunk<'_, P>) + Sync,
    {
        self.run(pool, |chunk| {
            f(chunk);
            Ok(())
        })
    }

    /// The error of a job that never began.
    fn nothing_ran<E>(&self, first: Failure<E>) -> JobError<E, P> {
        let whole = |part: &Part<P>| Some(part.start.clone()..part.start.advance(part.units)?);
        JobError {
            first,
            at: None,
            finished_prefix: None,
            also_failed: Vec::new(),
            completed: Vec::new(),
            undone: Vec::new(),
            not_started: self.parts.iter().filter_map(whole).collect(),
            report: Report::default(),
        }
    }

    /// Undoes a job that has failed, and says what became of its units; or goes on with a panic.
    #[expect(clippy::result_large_err, reason = "as for `run`")]
    fn fail<E>(
        mut self,
        stops: Vec<Stop<E>>,
        deal: Deal,
        report: Report,
    ) -> Result<Report, JobError<E, P>> {
        let taken: Vec<u64> = (0..self.parts.len()).map(|part| deal.taken(part)).collect();
        let sizes = self.parts.iter().zip(taken).map(|(part, taken)| (part.units, taken));
        let holes: Vec<Hole> = stops.iter().filter_map(|stop| stop.hole).collect();
        let Account { completed, to_undo, not_started } =
            account::settle(sizes, &holes, &deal.into_given_back());

        let mut undone = Vec::new();
        if let Some(mut undo) = self.undo.take() {
            let mut first_panic = None;
            for units in &to_undo {
                // Positions are the user's code too, and the other ranges still have to be undone.
                let step = panic::catch_unwind(AssertUnwindSafe(|| {
                    let range = self.range(units);
                    undone.push(range.clone());
                    undo(range);
                }));
                if let Err(payload) = step {
                    keep_first(&mut first_panic, payload);
                }
            }
            if let Some(payload) = first_panic {
                panics::discard_value((stops, undone));
                panic::resume_unwind(payload);
            }
        }
        let stops = if self.report_panics { stops } else { resume_first_panic(stops) };

        let mut failed = stops.into_iter().map(|Stop { failure, hole }| {
            let at = hole.map(|Hole { claim: Claim { part, offset, units }, done }| {
                let first = |units| self.range(&Units { part, range: offset..offset + units });
                (first(units), (done > 0).then(|| first(done)))
            });
            (failure, at)
        });
        let (first, at) = failed.next().expect("a job that failed has a failure");
        let (at, finished_prefix) = at.map_or((None, None), |(at, done)| (Some(at), done));
        let also_failed = failed
            .filter_map(|(failure, at)| {
                let (at, finished_prefix) = at?;
                Some(FailedChunk { failure, at, finished_prefix })
            })
            .collect();
        Err(JobError {
            first,
            at,
            finished_prefix,
            also_failed,
            completed: self.ranges(completed),
            undone,
            not_started: self.ranges(not_started),
            report,
        })
    }

    fn ranges(&self, units: Vec<Units>) -> Vec<Range<P>> {
        units.iter().map(|units| self.range(units)).collect()
    }

    fn range(&self, Units { part, range }: &Units) -> Range<P> {
        let start = &self.parts[*part].start;
        let at = |offset| start.advance(offset).expect("positions up to the end exist");
        at(range.start)..at(range.end)
    }
}

impl<P: fmt::Debug> fmt::Debug for Job<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.watch.name)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// How many threads work at a job, and what each takes.
struct Plan {
    cut: Cut,
    helpers_cut: Cut,
    spread: Spread,
    /// Helpers of the pool that can be of use, also if the pool gets them only later.
    seats: usize,
    /// Helpers of the job's own instead.
    nice_helpers: usize,
    raise: bool,
}

impl Plan {
    fn new<P>(job: &Job<'_, P>, total: u64, pool: &Pool) -> Self {
        let worthwhile = chunks::worthwhile(total, job.align, job.min_chunk).min(job.max_threads);
        let threads = worthwhile.min(pool.threads().get());
        let nodes = || job.parts.iter().map(|part| part.node);
        let topology =
            if threads > 1 && nodes().any(|node| node.is_some()) { pool.topology() } else { None };
        let mut plan = Plan {
            cut: Cut::new(job.rule, total, threads, job.align, job.min_chunk),
            helpers_cut: Cut::whole(),
            spread: Spread::new(nodes(), topology.as_deref()),
            seats: 0,
            nice_helpers: 0,
            raise: false,
        };
        if threads == 1 && !job.control.can_be_interrupted() {
            plan.cut = Cut::whole();
        }
        plan.helpers_cut = plan.cut;
        if threads > 1 && job.nice == Nice::Inherit {
            plan.seats = worthwhile - 1;
        } else if threads > 1 {
            plan.nice_helpers = threads - 1;
            plan.raise = job.raise == Raise::OneByOne;
            if plan.raise && !pool.raise_supported() {
                // The fallback: little is left to wait for.
                plan.raise = false;
                plan.helpers_cut = plan.cut.small();
            }
        }
        plan
    }
}

/// Starts a job's own helpers. Those that the system refuses are done without.
fn start_nice_helpers<'p>(
    pool: &'p Pool,
    loan: &Arc<Loan>,
    crew: &NiceCrew,
    nice: Nice,
) -> Option<Hosted<'p>> {
    if !crew.is_there() {
        return None;
    }
    let placement = pool.placement(crew.standings.len() + 1);
    Some(pool.start_guests(crew.standings.iter().map(|standing| {
        let (loan, standing) = (Arc::clone(loan), Arc::clone(standing));
        let placement = Arc::clone(&placement);
        move || nice_help(&loan, &standing, &placement, nice)
    })))
}

/// The life of a helper of low priority.
fn nice_help(loan: &Arc<Loan>, standing: &Standing, placement: &Arc<Placement>, nice: Nice) {
    struct Guest(Place);
    impl Host for Guest {
        fn is_wanted_elsewhere(&self) -> bool {
            false
        }
        fn move_to(&self, cpus: Option<&CpuSet>) -> bool {
            self.0.move_to(cpus)
        }
    }

    // A helper that cannot be lowered would disturb others: it does nothing. The same for one
    // that comes when the job is over.
    if loan.is_closed() || sys::lower(nice == Nice::Idle).is_err() {
        return;
    }
    standing.enter(sys::this_thread());
    let guest = Guest(Place::default());
    guest.0.take_over(placement);
    Loan::run(loan, &Seat::of_guest(&guest));
    standing.leave();
    // The caller may wait for this helper alone.
    loan.poke();
}

fn keep_first(first: &mut Option<Payload>, payload: Payload) {
    match first {
        None => *first = Some(payload),
        Some(_) => panics::discard_value(payload),
    }
}

/// Goes on with the first panic, if there is one.
fn resume_first_panic<E>(stops: Vec<Stop<E>>) -> Vec<Stop<E>> {
    let is_panic = |stop: &Stop<E>| matches!(stop.failure, Failure::Panic(_));
    if !stops.iter().any(is_panic) {
        return stops;
    }
    let mut first = None;
    for stop in stops {
        match stop.failure {
            Failure::Panic(panic) => keep_first(&mut first, panic.into_payload()),
            other => panics::discard_value(other),
        }
    }
    match first {
        Some(payload) => panic::resume_unwind(payload),
        None => Vec::new(),
    }
}

/// What the models of the protocols run by itself.
#[cfg(all(test, loom))]
pub(crate) mod models {
    pub(crate) use super::chunks::Cut;
    pub(crate) use super::deal::{Claim, Deal};
    pub(crate) use super::nice::Standing;
}

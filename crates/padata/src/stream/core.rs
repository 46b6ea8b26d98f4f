//! A stream at work: how jobs are admitted, run, and retired, by whichever threads are there.
//!
//! Who does what:
//! - a **submitter** puts jobs into the ring, under the lock, and then does what `admit`'s `Next` says:
//!   nothing, call a helper, or run the job itself;
//! - a **helper** runs batches until there are none, looks for more for a while, and leaves;
//! - whoever ends the batch that is next in the order retires it, and all behind it that are done:
//!   it has the baton (`ring`);
//! - who **waits**, for room or for the end, runs batches first, and sleeps when there are none.
//!
//! No lock is held while user code runs.

use std::fmt;

use crate::erase::Loan;
use crate::frame::{self, Origin, Part};
use crate::histogram::Histogram;
use crate::job::CancelToken;
use crate::pace::Pace;
use crate::panics::{self, Payload};
use crate::pool::Opening;
use crate::ring::{Ring, Run, Stepped, Ticket};
use crate::seat::Seat;
use crate::sync::{self, Arc, AtomicBool, AtomicU64, AtomicUsize, Clock, Condvar, Mutex, Ordering};
use crate::topology::CpuSet;
use crate::trace::{Event, JobNumber, Trace};

use super::flow::Flow;
use super::options::{StreamOptions, Wake, Window};
use super::outcome::Outcome;
use super::stats::StreamStats;

/// What the ring keeps beside each job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meta {
    pub(super) weight: u64,
    /// When it was submitted, by the clock of the stream; 0 if nobody wants to know.
    pub(super) at: u64,
}

pub(super) type JobRing<J, T, X> = Ring<J, Outcome<T>, Meta, X>;

/// How the parallel part of jobs is run.
pub(super) trait Jobs<J, T>: Send + Sync {
    type Scratch: Send;

    /// Runs a job that has no place yet; gives it back if it needs one.
    fn run_apart(&self, job: J, scratch: &mut Option<Self::Scratch>) -> Result<J, Outcome<T>>;

    /// Runs the jobs of a run. Returns it if it is done when this returns; what is not ends up
    /// among the letters. Never panics.
    fn run<X>(
        &self,
        ring: &JobRing<J, T, X>,
        run: Run,
        scratch: &mut Option<Self::Scratch>,
        loan: &Arc<Loan>,
    ) -> Option<Run>;

    /// A job that was finished elsewhere, if there is one.
    fn letter(&self) -> Option<(Run, Outcome<T>)>;
}

/// What becomes of outcomes, in order.
pub(super) trait SerialSide<T>: Send {
    /// The serial part of one job. May panic, and is told then.
    fn deliver(&mut self, outcome: Outcome<T>);

    /// It panicked.
    fn panicked(&mut self, payload: Payload);

    /// The panic, if nobody has taken it.
    fn take_panic(&mut self) -> Option<Payload>;
}

/// Who retires.
pub(super) enum Retirer {
    /// Whoever has ended the batch that is next.
    Anyone,
    /// A helper on these CPUs.
    On(CpuSet),
    /// The one consumer, which takes outcomes when it wants them.
    Consumer,
}

/// A stream.
pub(super) struct Core<J, T, P: Jobs<J, T>, X> {
    pub(super) id: u64,
    pub(super) origin: Origin,
    pub(super) ring: JobRing<J, T, X>,
    pub(super) flow: Mutex<Flow>,
    /// Tells those who sleep that something has changed.
    pub(super) changed: Condvar,
    pub(super) jobs: P,
    /// Scratch values that nobody uses at the moment: no more than threads that were here at once.
    shelf: Mutex<Vec<P::Scratch>>,
    pub(super) window: Window,
    pub(super) wake: Wake,
    pub(super) max_batch: usize,
    pub(super) retirer: Retirer,
    pub(super) opening: Opening,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    /// `Flow::helpers.awake`, as a hint.
    pub(super) awake: AtomicUsize,
    /// Whether `Flow::parked` holds something, as a hint.
    pub(super) has_parked: AtomicBool,
    /// Whether `Flow::serial` is `There`, as a hint.
    pub(super) has_serial_helper: AtomicBool,
    /// Jobs were put from within callbacks of this stream, and left to who runs these.
    pub(super) has_orphans: AtomicBool,
    /// Jobs are not run any more, but dropped.
    pub(super) stopped: AtomicBool,
    /// The same, from outside.
    cancel: Option<CancelToken>,
    /// Weights of the jobs that were retired, modulo 2^64.
    pub(super) weight_out: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) turns: AtomicU64,
    pub(super) latency: Option<Mutex<Histogram>>,
    pub(super) traced: Option<Traced>,
    pub(super) first: Ticket,
}

pub(super) struct Traced {
    trace: Arc<Trace>,
    job: JobNumber,
    name: &'static str,
}
impl<J, T, P, X> Core<J, T, P, X>
where
    J: Send,
    T: Send,
    P: Jobs<J, T>,
    X: SerialSide<T>,
{
    pub(super) fn new(
        id: u64,
        options: StreamOptions,
        opening: Opening,
        jobs: P,
        serial: X,
        consumed: bool,
    ) -> Self {
        let first = options.first;
        let (ring, producer) = Ring::new(options.window.jobs, first, serial);
        let retirer = match options.serial_cpus {
            _ if consumed => Retirer::Consumer,
            Some(cpus) => Retirer::On(cpus),
            None => Retirer::Anyone,
        };
        let traced = options.trace.map(|trace| {
            let job = trace.number_job();
            Traced { trace, job, name: options.name }
        });
        Core {
            id,
            origin: frame::here(),
            ring,
            flow: Mutex::new(Flow::new(producer)),
            changed: Condvar::new(),
            jobs,
            shelf: Mutex::new(Vec::new()),
            window: options.window,
            wake: options.wake,
            max_batch: options.max_batch,
            retirer,
            opening,
            clock: Clock::new(),
            // A share of two threads: see `Pace::batch`.
            pace: Pace::new((options.window.jobs / 4).min(options.max_batch)),
            awake: AtomicUsize::new(0),
            has_parked: AtomicBool::new(false),
            has_serial_helper: AtomicBool::new(false),
            has_orphans: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            cancel: options.cancel,
            weight_out: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            latency: options.latency.then(Mutex::default),
            traced,
            first,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    // Running

    /// Claims a batch.
    pub(super) fn claim(&self) -> Option<Run> {
        // Relaxed: a hint. The one more is the thread that asks, or one that waits.
        let threads = self.awake.load(Ordering::Relaxed) + 1;
        self.ring.claim(|waiting| self.pace.batch(waiting, threads, self.max_batch))
    }

    /// Does what there is to do for a thread that is no helper, if there is something: a batch, or
    /// a turn that was parked. Says whether there was.
    pub(super) fn help(
        &self,
        seat: &Seat<'_>,
        loan: &Arc<Loan>,
        scratch: &mut Option<P::Scratch>,
    ) -> bool {
        debug_assert!(!matches!(self.retirer, Retirer::Consumer), "the consumer helps itself");
        if let Some(turn) = self.take_parked(seat) {
            self.retire(turn, seat);
            return true;
        }
        match self.claim() {
            Some(run) => self.run(run, scratch, loan, seat),
            None => return false,
        }
        true
    }

    /// Runs a batch and, if its turn has come, retires it.
    pub(super) fn run(
        &self,
        run: Run,
        scratch: &mut Option<P::Scratch>,
        loan: &Arc<Loan>,
        seat: &Seat<'_>,
    ) {
        let (len, first) = (run.len(), run.first());
        let number = first.since(self.first) as u64;
        let timed = self.traced.is_some() || self.pace.wants_sample(len, number);
        let begin = if timed { self.clock.now() } else { 0 };
        let done = if self.is_stopped() {
            Some(self.discard(run))
        } else {
            if scratch.is_none() {
                *scratch = sync::lock(&self.shelf).pop();
            }
            let _frame = frame::enter(self.id, Part::Parallel);
            self.jobs.run(&self.ring, run, scratch, loan)
        };
        if timed {
            let nanos = self.clock.now().saturating_sub(begin);
            self.pace.record(len, nanos);
            self.trace(None, number, len, begin, nanos);
        }
        if let Some(turn) = done.and_then(|run| self.ring.finish(run)) {
            self.serial(turn, seat, loan);
        }
        self.deliver_letters(seat, loan);
    }

    /// Whether jobs are dropped. A hint: some may run even so.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
            || self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// Drops the jobs of a batch without running them.
    pub(super) fn discard(&self, mut run: Run) -> Run {
        let _frame = frame::enter(self.id, Part::Parallel);
        while let Some((_, stepped)) = self.ring.step(&mut run) {
            if let Stepped::Job(job) = stepped {
                panics::discard_value(job);
            }
        }
        run
    }

    /// Runs a job that has no place in the ring yet.
    pub(super) fn run_apart(&self, job: J) -> Result<J, Outcome<T>> {
        let mut shelf = OnLoan { core: self, scratch: sync::lock(&self.shelf).pop() };
        let _frame = frame::enter(self.id, Part::Parallel);
        self.jobs.run_apart(job, &mut shelf.scratch)
    }

    pub(super) fn trace(
        &self,
        part: Option<&'static str>,
        number: u64,
        jobs: usize,
        begin: u64,
        nanos: u64,
    ) {
        if let Some(traced) = &self.traced {
            traced.trace.add_one(Event {
                name: part.unwrap_or(traced.name),
                job: traced.job,
                worker: frame::thread_number(),
                begin: self.clock.instant(begin),
                length: std::time::Duration::from_nanos(nanos),
                part: 0,
                offset: number,
                units: jobs as u64,
                failed: false,
            });
        }
    }

    /// Jobs that were finished elsewhere take their places.
    pub(super) fn deliver_letters(&self, seat: &Seat<'_>, loan: &Arc<Loan>) {
        while let Some(run) = self.open_letter() {
            if let Some(turn) = self.ring.finish(run) {
                self.serial(turn, seat, loan);
            }
        }
    }

    pub(super) fn open_letter(&self) -> Option<Run> {
        let (mut run, outcome) = self.jobs.letter()?;
        self.ring.fill(&mut run, outcome);
        Some(run)
    }

    pub(super) fn stats(&self) -> StreamStats {
        let latency = self.latency.as_ref().map(|latency| sync::lock(latency).clone());
        let flow = sync::lock(&self.flow);
        StreamStats {
            submitted: flow.submitted,
            refused: flow.refused,
            ran_in_submit: flow.ran_in_submit,
            calls: flow.calls,
            delivered: self.delivered.load(Ordering::Relaxed),
            batches: self.turns.load(Ordering::Relaxed),
            age: std::time::Duration::from_nanos(self.clock.now()),
            latency,
        }
    }
}

impl<J, T, P, X> fmt::Debug for Core<J, T, P, X>
where
    P: Jobs<J, T>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = sync::lock(&self.flow);
        let name = |name: &'static str, is: bool| if is { name } else { "" };
        f.debug_struct("Stream")
            .field("submitted", &flow.submitted)
            .field("delivered", &self.delivered.load(Ordering::Relaxed))
            .field("waiting", &self.ring.waiting())
            .field("in_flight", &flow.producer.tail().since(self.ring.retired()))
            .field("helpers", &flow.helpers)
            .field("pool", &self.opening)
            .field("serial_helper", &flow.serial)
            .field("submitters_waiting", &flow.queue.len())
            .field("sleepers", &flow.sleepers)
            .field("job_nanos", &self.pace.nanos())
            .field(
                "state",
                &[
                    name("closed", flow.closed),
                    name("detached", flow.detached),
                    name("stopped", self.stopped.load(Ordering::Relaxed)),
                    name("turn parked", flow.parked.is_some()),
                    name("orphans", self.has_orphans.load(Ordering::Relaxed)),
                ]
                .iter()
                .filter(|name| !name.is_empty())
                .collect::<Vec<_>>(),
            )
            .finish()
    }
}

/// A scratch value that goes back to the shelf.
pub(super) struct OnLoan<'a, J, T, P: Jobs<J, T>, X> {
    pub(super) core: &'a Core<J, T, P, X>,
    pub(super) scratch: Option<P::Scratch>,
}

impl<J, T, P: Jobs<J, T>, X> Drop for OnLoan<'_, J, T, P, X> {
    fn drop(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            sync::lock(&self.core.shelf).push(scratch);
        }
    }
}

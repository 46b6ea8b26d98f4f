//! A stream at work: how jobs are admitted, run, and retired, by whichever threads are there.
//!
//! Who does what:
//! - a **submitter** puts jobs into the ring, under the lock, and then does what [`Next`] says:
//!   nothing, call a helper, or run the job itself;
//! - a **helper** runs batches until there are none, looks for more for a while, and leaves;
//! - whoever ends the batch that is next in the order retires it, and all behind it that are done:
//!   it has the baton (`ring`);
//! - who **waits**, for room or for the end, runs batches first, and sleeps when there are none.
//!
//! No lock is held while user code runs.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use crate::claim::Weight;
use crate::erase::{Lendable, Loan};
use crate::histogram::Histogram;
use crate::pace::{HAND_OVER_NANOS, Pace, WAKE_NANOS};
use crate::panics::{self, Payload};
use crate::pool::Opening;
use crate::ring::{Baton, Ring, Run, Stepped, Ticket, Turn};
use crate::seat::{Left, Seat};
use crate::sync::{self, Arc, AtomicBool, AtomicU64, AtomicUsize, Clock, Condvar, Mutex, Ordering};
use crate::topology::CpuSet;
use crate::trace::{Event, JobNumber, Trace};

use super::flow::{Flow, SerialHelper};
use super::frame::{self, Origin, Part, Patience};
use super::options::{Backpressure, StreamOptions, Wake, Window};
use super::outcome::{Outcome, Refused, Seq};
use super::stats::StreamStats;

/// What the ring keeps beside each job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meta {
    weight: u64,
    /// When it was submitted, by the clock of the stream; 0 if nobody wants to know.
    at: u64,
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
    id: u64,
    origin: Origin,
    pub(super) ring: JobRing<J, T, X>,
    pub(super) flow: Mutex<Flow>,
    /// Tells those who sleep that something has changed.
    changed: Condvar,
    jobs: P,
    /// Scratch values that nobody uses at the moment: no more than threads that were here at once.
    shelf: Mutex<Vec<P::Scratch>>,
    window: Window,
    wake: Wake,
    max_batch: usize,
    retirer: Retirer,
    pub(super) opening: Opening,
    clock: Clock,
    pace: Pace,
    /// `Flow::helpers.awake`, as a hint.
    awake: AtomicUsize,
    /// Whether `Flow::parked` holds something, as a hint.
    has_parked: AtomicBool,
    /// Jobs were put from within callbacks of this stream, and left to who runs these.
    has_orphans: AtomicBool,
    /// Jobs are not run any more, but dropped.
    stopped: AtomicBool,
    /// Weights of the jobs that were retired, modulo 2^64.
    weight_out: AtomicU64,
    delivered: AtomicU64,
    turns: AtomicU64,
    latency: Option<Mutex<Histogram>>,
    traced: Option<Traced>,
    first: Ticket,
}

struct Traced {
    trace: Arc<Trace>,
    job: JobNumber,
    name: &'static str,
}

/// What a submitter does after it has put jobs into the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Leave them to those who are at work.
    Nothing,
    /// Call a helper, who was counted already.
    Call,
    /// Run jobs until one's own are claimed.
    Inline,
}

/// A retirer that is not a helper hands the baton over when it has retired so many times the
/// window, if somebody else is at work: it came for something else.
const TURN_WINDOWS: usize = 4;

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
            pace: Pace::new(),
            awake: AtomicUsize::new(0),
            has_parked: AtomicBool::new(false),
            has_orphans: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
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

    // Submitting

    /// Submits a job, or gives it back.
    pub(super) fn submit(&self, loan: &Arc<Loan>, job: J, weight: u64) -> Result<Seq, Refused<J>> {
        let mut flow = sync::lock(&self.flow);
        if flow.closed {
            return Err(self.refuse(flow, Refused::Closed(job)));
        }
        if !flow.queue.is_empty() || !self.admits(&mut flow, weight) {
            drop(flow);
            return self.submit_when_full(loan, job, weight);
        }
        let seq = self.put(&mut flow, Ok(job), weight);
        self.publish(flow, 1, loan);
        Ok(seq)
    }

    /// Submits jobs from `jobs`, with their weights, until there are none left or one is refused.
    /// Those behind it that were taken out of `jobs` are in `rest` then. Says how many were
    /// accepted.
    pub(super) fn submit_all(
        &self,
        loan: &Arc<Loan>,
        jobs: &mut dyn Iterator<Item = (J, u64)>,
        rest: &mut Vec<(J, u64)>,
    ) -> Result<u64, (u64, Refused<J>)> {
        /// Jobs that are put under one lock.
        const AT_ONCE: usize = 16;
        let mut submitted = 0;
        loop {
            // The iterator is the user's: it runs before the lock is taken.
            let some: [Option<(J, u64)>; AT_ONCE] = std::array::from_fn(|_| jobs.next());
            let mut some = some.into_iter().flatten().peekable();
            if some.peek().is_none() {
                return Ok(submitted);
            }
            while let Some((job, weight)) = some.next() {
                let mut flow = sync::lock(&self.flow);
                let fits = |flow: &mut Flow, weight| {
                    !flow.closed && flow.queue.is_empty() && self.admits(flow, weight)
                };
                if !fits(&mut flow, weight) {
                    drop(flow);
                    match self.submit(loan, job, weight) {
                        Ok(_) => submitted += 1,
                        Err(refused) => {
                            rest.extend(some);
                            return Err((submitted, refused));
                        }
                    }
                    continue;
                }
                self.put(&mut flow, Ok(job), weight);
                let mut put = 1;
                while let Some((job, weight)) = some.next_if(|&(_, weight)| fits(&mut flow, weight))
                {
                    self.put(&mut flow, Ok(job), weight);
                    put += 1;
                }
                self.publish(flow, put, loan);
                submitted += put;
            }
        }
    }

    /// Whether one more job fits; of one submitter.
    pub(super) fn has_room(&self) -> bool {
        let mut flow = sync::lock(&self.flow);
        self.ring.has_room(&mut flow.producer, self.window.jobs)
    }

    /// Submits a job for which there is room.
    pub(super) fn submit_into_room(&self, loan: &Arc<Loan>, job: J) {
        let mut flow = sync::lock(&self.flow);
        self.put(&mut flow, Ok(job), 1);
        self.publish(flow, 1, loan);
    }

    fn refuse(&self, mut flow: sync::MutexGuard<'_, Flow>, refused: Refused<J>) -> Refused<J> {
        flow.refused += 1;
        refused
    }

    /// Whether a job fits into the window now.
    fn admits(&self, flow: &mut Flow, weight: u64) -> bool {
        if !self.ring.has_room(&mut flow.producer, self.window.jobs) {
            return false;
        }
        let Weight(limit) = self.window.weight;
        if limit == u64::MAX {
            return true;
        }
        // What is in flight, first: what it weighs can only have become less since then.
        let is_alone = self.ring.in_flight(&mut flow.producer) == 0;
        // Relaxed: added to before `retired`, which was looked at with Acquire.
        let in_flight = flow.weight.wrapping_sub(self.weight_out.load(Ordering::Relaxed));
        is_alone || in_flight.checked_add(weight).is_some_and(|sum| sum <= limit)
    }

    /// Puts a job, or the outcome of one that was run before, into the ring.
    fn put(&self, flow: &mut Flow, job: Result<J, Outcome<T>>, weight: u64) -> Seq {
        let at = if self.latency.is_some() { self.clock.now() } else { 0 };
        let meta = Meta { weight, at };
        flow.weight = flow.weight.wrapping_add(weight);
        match job {
            Ok(job) => self.ring.put(&mut flow.producer, job, meta),
            Err(outcome) => self.ring.put_outcome(&mut flow.producer, outcome, meta),
        };
        flow.submitted += 1;
        Seq(flow.submitted - 1)
    }

    /// Lets others see the jobs that were put, so many, and sees to it that somebody runs them.
    fn publish(&self, mut flow: sync::MutexGuard<'_, Flow>, jobs: u64, loan: &Arc<Loan>) {
        self.ring.publish(&flow.producer);
        let last = flow.producer.tail();
        let next = self.next(&mut flow);
        flow.ran_in_submit += if next == Next::Inline { jobs } else { 0 };
        drop(flow);
        sync::transition();
        match next {
            Next::Nothing => {}
            Next::Call => self.call(loan),
            Next::Inline => self.run_here(last, loan),
        }
    }

    /// Runs jobs until all before `last` are claimed, and those that they submit.
    fn run_here(&self, last: Ticket, loan: &Arc<Loan>) {
        if frame::is_inside(self.id) {
            // Jobs that submit jobs would fill the stack. Whoever runs this one is going to look.
            self.has_orphans.store(true, Ordering::Relaxed);
        } else {
            self.run_until_claimed(last, loan);
            self.adopt_orphans(loan);
        }
    }

    /// Runs what was left behind by the callbacks that this thread has run. Relaxed: they did that
    /// on this thread, and if another thread sees it first, that one runs them.
    fn adopt_orphans(&self, loan: &Arc<Loan>) {
        while self.has_orphans.load(Ordering::Relaxed)
            && self.has_orphans.swap(false, Ordering::Relaxed)
        {
            self.run_until_claimed(self.ring.tail(), loan);
        }
    }

    /// Who is to run what was put.
    fn next(&self, flow: &mut Flow) -> Next {
        let helpers = self.opening.helpers();
        if helpers == 0 {
            return Next::Inline;
        }
        let awake = flow.helpers.awake;
        let is_worth_more = match self.wake {
            Wake::AtOnce => self.ring.in_flight(&mut flow.producer) > awake,
            Wake::Late => match self.pace.nanos() {
                Some(nanos) if nanos < HAND_OVER_NANOS => return Next::Inline,
                _ if awake == 0 => {
                    if self.pace.strained() < WAKE_NANOS {
                        return Next::Inline;
                    }
                    true
                }
                nanos => {
                    let waiting = self.ring.waiting();
                    let work = (waiting as u64).saturating_mul(nanos.unwrap_or(0));
                    waiting > awake && work > WAKE_NANOS * awake as u64
                }
            },
        };
        if is_worth_more && awake < helpers {
            self.count_awake(flow, 1);
            flow.calls += 1;
            self.pace.relax();
            return Next::Call;
        }
        Next::Nothing
    }

    fn count_awake(&self, flow: &mut Flow, more: isize) {
        flow.helpers.awake = flow.helpers.awake.wrapping_add_signed(more);
        // Relaxed: a hint.
        self.awake.store(flow.helpers.awake, Ordering::Relaxed);
    }

    /// Calls a helper, who was counted. If there is none, does what it would do.
    fn call(&self, loan: &Arc<Loan>) {
        if self.opening.call() {
            return;
        }
        let mut flow = sync::lock(&self.flow);
        self.count_awake(&mut flow, -1);
        // Nobody knows whose call it is that is not heard: it may be another thread's, which
        // thinks that somebody comes. So what is there now is run, not only one's own.
        let all = flow.producer.tail();
        let turn = match flow.serial {
            SerialHelper::Called => {
                flow.serial = SerialHelper::Absent;
                self.unpark(&mut flow)
            }
            SerialHelper::Absent | SerialHelper::There => None,
        };
        drop(flow);
        if let Some(turn) = turn {
            self.retire(turn, &Seat::caller());
        }
        self.run_here(all, loan);
    }

    /// Runs jobs until all before `last` are claimed. Bounded by the window, whoever submits
    /// meanwhile.
    fn run_until_claimed(&self, last: Ticket, loan: &Arc<Loan>) {
        let is_short = self.pace.nanos().is_some_and(|nanos| nanos < HAND_OVER_NANOS);
        let begin = if is_short { 0 } else { self.clock.now() };
        let mut shelf = OnLoan { core: self, scratch: None };
        while self.ring.is_unclaimed_before(last) {
            let Some(run) = self.claim() else { break };
            self.run(run, &mut shelf.scratch, loan, &Seat::caller());
        }
        if !is_short {
            self.pace.strain(begin, self.clock.now());
        }
    }

    fn submit_when_full(&self, loan: &Arc<Loan>, job: J, weight: u64) -> Result<Seq, Refused<J>> {
        match (self.window.when_full, frame::patience(self.origin)) {
            (Backpressure::Refuse, _) => {
                Err(self.refuse(sync::lock(&self.flow), Refused::Full(job)))
            }
            (_, Patience::None) => {
                Err(self.refuse(sync::lock(&self.flow), Refused::WouldDeadlock(job)))
            }
            (_, Patience::Help) => self.submit_helping(loan, job, weight),
            (Backpressure::Block, Patience::Sleep) => self.submit_waiting(loan, Ok(job), weight),
            (Backpressure::Inline, Patience::Sleep) => {
                // It cannot come back any more, so it must not be refused for long.
                if sync::lock(&self.flow).closed {
                    return Err(self.refuse(sync::lock(&self.flow), Refused::Closed(job)));
                }
                let job = self.run_apart(job);
                self.submit_waiting(loan, job, weight)
            }
        }
    }

    /// Within a parallel part: runs other jobs until there is room, and does not wait.
    fn submit_helping(&self, loan: &Arc<Loan>, job: J, weight: u64) -> Result<Seq, Refused<J>> {
        let mut shelf = OnLoan { core: self, scratch: None };
        loop {
            let mut flow = sync::lock(&self.flow);
            if flow.closed {
                return Err(self.refuse(flow, Refused::Closed(job)));
            }
            if flow.queue.is_empty() && self.admits(&mut flow, weight) {
                let seq = self.put(&mut flow, Ok(job), weight);
                self.publish(flow, 1, loan);
                return Ok(seq);
            }
            drop(flow);
            if !self.help(loan, &mut shelf.scratch) {
                // All that is in flight is run by others, or was given away.
                return Err(self.refuse(sync::lock(&self.flow), Refused::WouldDeadlock(job)));
            }
        }
    }

    /// Waits for room.
    fn submit_waiting(
        &self,
        loan: &Arc<Loan>,
        job: Result<J, Outcome<T>>,
        weight: u64,
    ) -> Result<Seq, Refused<J>> {
        let mut shelf = OnLoan { core: self, scratch: None };
        let mut flow = sync::lock(&self.flow);
        let place = flow.queue.line_up();
        let mut job = Some(job);
        loop {
            // What was run already is taken even so.
            if flow.closed
                && let Some(Ok(job)) = job.take_if(|job| job.is_ok())
            {
                return Err(self.refuse(flow, Refused::Closed(job)));
            }
            let seen = self.ring.retired();
            let is_next = flow.queue.is_first(place) || flow.closed;
            if is_next && self.admits(&mut flow, weight) {
                flow.queue.serve();
                let job = job.take().expect("a job is put once");
                let seq = self.put(&mut flow, job, weight);
                if !flow.queue.is_empty() && flow.sleepers > 0 {
                    // The next one may fit as well.
                    self.changed.notify_all();
                }
                self.publish(flow, 1, loan);
                return Ok(seq);
            }
            drop(flow);
            let has_helped = self.help(loan, &mut shelf.scratch)
                || sync::spin_until(|| self.ring.retired() != seen || self.ring.waiting() > 0);
            flow = sync::lock(&self.flow);
            if !has_helped {
                flow = self.sleep_unless_changed(flow, seen);
            }
        }
    }

    /// Sleeps until something is retired after `seen`, or changes otherwise.
    fn sleep_unless_changed<'a>(
        &'a self,
        mut flow: sync::MutexGuard<'a, Flow>,
        seen: Ticket,
    ) -> sync::MutexGuard<'a, Flow> {
        sync::transition();
        // Asked under the lock: who retires comes to the lock before it tells anybody.
        if self.ring.ask(seen) {
            flow.sleepers += 1;
            flow = sync::wait(&self.changed, flow);
            flow.sleepers -= 1;
        }
        flow
    }

    // Running

    /// Claims a batch.
    fn claim(&self) -> Option<Run> {
        // Relaxed: a hint. The one more is the thread that asks, or one that waits.
        let threads = self.awake.load(Ordering::Relaxed) + 1;
        self.ring.claim(|waiting| self.pace.batch(waiting, threads, self.max_batch))
    }

    /// Does what there is to do for a thread that is no helper, if there is something: a batch, or
    /// a turn that was parked. Says whether there was.
    fn help(&self, loan: &Arc<Loan>, scratch: &mut Option<P::Scratch>) -> bool {
        debug_assert!(!matches!(self.retirer, Retirer::Consumer), "the consumer helps itself");
        if let Some(turn) = self.take_parked(&Seat::caller()) {
            self.retire(turn, &Seat::caller());
            return true;
        }
        match self.claim() {
            Some(run) => self.run(run, scratch, loan, &Seat::caller()),
            None => return false,
        }
        true
    }

    /// Runs a batch and, if its turn has come, retires it.
    fn run(&self, run: Run, scratch: &mut Option<P::Scratch>, loan: &Arc<Loan>, seat: &Seat<'_>) {
        let (len, first) = (run.len(), run.first());
        let number = first.since(self.first) as u64;
        let timed = self.traced.is_some() || self.pace.wants_sample(len, number);
        let begin = if timed { self.clock.now() } else { 0 };
        let done = if self.stopped.load(Ordering::Relaxed) {
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

    /// Drops the jobs of a batch without running them.
    fn discard(&self, mut run: Run) -> Run {
        while let Some((_, stepped)) = self.ring.step(&mut run) {
            if let Stepped::Job(job) = stepped {
                panics::discard_value(job);
            }
        }
        run
    }

    /// Runs a job that has no place in the ring yet.
    fn run_apart(&self, job: J) -> Result<J, Outcome<T>> {
        let mut shelf = OnLoan { core: self, scratch: sync::lock(&self.shelf).pop() };
        let _frame = frame::enter(self.id, Part::Parallel);
        self.jobs.run_apart(job, &mut shelf.scratch)
    }

    fn trace(&self, part: Option<&'static str>, number: u64, jobs: usize, begin: u64, nanos: u64) {
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
    fn deliver_letters(&self, seat: &Seat<'_>, loan: &Arc<Loan>) {
        while let Some(run) = self.open_letter() {
            if let Some(turn) = self.ring.finish(run) {
                self.serial(turn, seat, loan);
            }
        }
    }

    fn open_letter(&self) -> Option<Run> {
        let (mut run, outcome) = self.jobs.letter()?;
        self.ring.fill(&mut run, outcome);
        Some(run)
    }

    // Retiring

    /// Retires what is next in the order, or sees to it that who shall does.
    fn serial(&self, turn: Turn, seat: &Seat<'_>, loan: &Arc<Loan>) {
        match &self.retirer {
            Retirer::Anyone => self.retire(turn, seat),
            Retirer::Consumer => self.park(turn),
            Retirer::On(cpus) => self.serial_on(cpus, turn, seat, loan),
        }
    }

    /// Runs the serial part of `turn` and of all behind it that are done.
    fn retire(&self, mut turn: Turn, seat: &Seat<'_>) {
        let mut patience =
            if seat.is_caller() { TURN_WINDOWS } else { 1 } * self.window.jobs.max(64);
        loop {
            let len = self.retire_one(&mut turn);
            let baton = self.end(turn);
            // They are behind us, for we have the baton.
            while let Some(run) = self.open_letter() {
                let no_turn = self.ring.finish(run);
                debug_assert!(no_turn.is_none(), "a second baton");
            }
            turn = match self.ring.next_turn(baton) {
                Some(next) => next,
                None => return,
            };
            patience = patience.saturating_sub(len);
            if patience == 0 {
                if seat.is_caller() || seat.is_wanted_elsewhere() {
                    match self.hand_over(turn, seat) {
                        Some(kept) => turn = kept,
                        None => return,
                    }
                }
                patience = self.window.jobs.max(64);
            }
        }
    }

    /// Calls the serial part for the outcomes of a turn.
    fn retire_one(&self, turn: &mut Turn) -> usize {
        let len = turn.len();
        let number = turn.first().since(self.first) as u64;
        let begin = if self.traced.is_some() { self.clock.now() } else { 0 };
        if let Some(latency) = &self.latency {
            let now = self.clock.now();
            let mut latency = sync::lock(latency);
            self.ring.each_meta(turn, |meta| latency.record_nanos(now.saturating_sub(meta.at)));
        }
        let mut weight = 0_u64;
        let mut failed = false;
        let frame = frame::enter(self.id, Part::Serial);
        self.ring.with_turn(turn, |serial, outcomes| {
            while !outcomes.is_empty() {
                let delivered = panic::catch_unwind(AssertUnwindSafe(|| {
                    while let Some((meta, outcome)) = outcomes.next() {
                        weight = weight.wrapping_add(meta.weight);
                        serial.deliver(outcome.unwrap_or(Outcome::Dropped));
                    }
                }));
                if let Err(payload) = delivered {
                    serial.panicked(payload);
                    failed = true;
                }
            }
        });
        drop(frame);
        if failed {
            self.stop();
        }
        // Relaxed, all three: one thread at a time writes them, and the baton orders these.
        // Who looks at the weight has seen a later `retired`.
        self.weight_out
            .store(self.weight_out.load(Ordering::Relaxed).wrapping_add(weight), Ordering::Relaxed);
        self.delivered
            .store(self.delivered.load(Ordering::Relaxed) + len as u64, Ordering::Relaxed);
        self.turns.store(self.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if self.traced.is_some() {
            let nanos = self.clock.now().saturating_sub(begin);
            self.trace(Some("serial"), number, len, begin, nanos);
        }
        len
    }

    /// Ends a turn, and tells who waits for that.
    pub(super) fn end(&self, turn: Turn) -> Baton {
        let (baton, is_asked) = self.ring.end(turn);
        sync::transition();
        if is_asked {
            self.attend();
        }
        baton
    }

    /// Something was retired, and somebody had asked.
    fn attend(&self) {
        let mut flow = sync::lock(&self.flow);
        if flow.sleepers > 0 {
            self.changed.notify_all();
        }
        let is_over = flow.detached && self.is_drained_or_asks(&mut flow);
        drop(flow);
        if is_over {
            self.opening.take_down();
        }
    }

    /// Whether all that was submitted is retired; if not, asks to be told.
    fn is_drained_or_asks(&self, flow: &mut Flow) -> bool {
        loop {
            let seen = self.ring.retired();
            if seen == flow.producer.tail() {
                return true;
            }
            if self.ring.ask(seen) {
                return false;
            }
        }
    }

    /// Parks a turn for who shall take it.
    fn park(&self, turn: Turn) {
        let mut flow = sync::lock(&self.flow);
        self.park_in(&mut flow, turn);
        if flow.sleepers > 0 {
            self.changed.notify_all();
        }
    }

    fn park_in(&self, flow: &mut Flow, turn: Turn) {
        // There is one baton.
        debug_assert!(flow.parked.is_none(), "a second turn");
        flow.parked = Some(turn);
        // Relaxed: a hint.
        self.has_parked.store(true, Ordering::Relaxed);
    }

    fn unpark(&self, flow: &mut Flow) -> Option<Turn> {
        self.has_parked.store(false, Ordering::Relaxed);
        flow.parked.take()
    }

    /// Hands a turn to a helper at work, if there is one besides this thread. Gives it back if not.
    fn hand_over(&self, turn: Turn, seat: &Seat<'_>) -> Option<Turn> {
        let mut flow = sync::lock(&self.flow);
        let others = flow.helpers.inside - usize::from(!seat.is_caller());
        if others == 0 {
            return Some(turn);
        }
        // None of them leaves without a look at it: both are under the lock.
        self.park_in(&mut flow, turn);
        None
    }

    /// Takes a parked turn, if there is one for this thread.
    pub(super) fn take_parked(&self, seat: &Seat<'_>) -> Option<Turn> {
        if !self.has_parked.load(Ordering::Relaxed) {
            return None;
        }
        let mut flow = sync::lock(&self.flow);
        match self.retirer {
            Retirer::Anyone => self.unpark(&mut flow),
            // Helpers do not ask: there is `serve`. The caller only if there is nobody else.
            Retirer::On(_) if seat.is_caller() && flow.serial == SerialHelper::Absent => {
                self.unpark(&mut flow)
            }
            Retirer::On(_) => None,
            Retirer::Consumer => seat.is_caller().then(|| self.unpark(&mut flow)).flatten(),
        }
    }

    // The consumer

    /// The next outcome of a turn.
    pub(super) fn take(&self, turn: &mut Turn) -> Option<Option<Outcome<T>>> {
        self.ring.take(turn).map(|(_, outcome)| outcome)
    }

    /// Ends a turn, and begins the next if that is there.
    pub(super) fn next_turn(&self, turn: Turn) -> Option<Turn> {
        self.ring.next_turn(self.end(turn))
    }

    /// Works, or waits, until there may be a turn; says whether there will be one.
    pub(super) fn wait_for_turn(&self, loan: &Arc<Loan>) -> bool {
        let mut shelf = OnLoan { core: self, scratch: None };
        if let Some(run) = self.claim() {
            self.run(run, &mut shelf.scratch, loan, &Seat::caller());
            return true;
        }
        drop(shelf);
        let is_here = || self.has_parked.load(Ordering::Relaxed);
        if is_here() || sync::spin_until(is_here) {
            return true;
        }
        let mut flow = sync::lock(&self.flow);
        if flow.parked.is_some() {
            return true;
        }
        if self.ring.retired() == flow.producer.tail() {
            return false;
        }
        // Who parks a turn comes to the lock.
        flow.sleepers += 1;
        flow = sync::wait(&self.changed, flow);
        flow.sleepers -= 1;
        true
    }

    // The serial part on CPUs of its own

    /// A turn is to be run on `cpus`: by this thread if it is a helper and nobody is there, else
    /// by who is, or is called.
    fn serial_on(&self, cpus: &CpuSet, turn: Turn, seat: &Seat<'_>, loan: &Arc<Loan>) {
        let mut flow = sync::lock(&self.flow);
        if !seat.is_caller() && flow.serial == SerialHelper::Absent {
            flow.serial = SerialHelper::There;
            drop(flow);
            return self.serve(cpus, Some(turn), seat);
        }
        self.park_in(&mut flow, turn);
        if flow.serial != SerialHelper::Absent {
            return;
        }
        if self.opening.helpers() > 0 {
            flow.serial = SerialHelper::Called;
            flow.calls += 1;
            self.count_awake(&mut flow, 1);
            drop(flow);
            return self.call(loan);
        }
        // There is nobody: a wish that cannot be met.
        let turn = self.unpark(&mut flow);
        drop(flow);
        if let Some(turn) = turn {
            self.retire(turn, seat);
        }
    }

    /// The serial helper's part: retires what is parked as long as there is something.
    fn serve(&self, cpus: &CpuSet, turn: Option<Turn>, seat: &Seat<'_>) {
        // A refusal makes it slower, not wrong.
        seat.move_to(Some(cpus));
        let mut turn = turn;
        loop {
            if let Some(turn) = turn.take() {
                self.retire(turn, seat);
            }
            let is_parked = || self.has_parked.load(Ordering::Relaxed);
            if !is_parked() {
                sync::idle_until(is_parked);
            }
            let mut flow = sync::lock(&self.flow);
            turn = self.unpark(&mut flow);
            if turn.is_none() {
                flow.serial = SerialHelper::Absent;
                break;
            }
        }
        seat.move_to(None);
    }

    /// Becomes the serial helper if one is needed; says whether it was.
    fn serve_if_needed(&self, seat: &Seat<'_>) -> bool {
        let Retirer::On(cpus) = &self.retirer else { return false };
        let mut flow = sync::lock(&self.flow);
        let is_needed = match flow.serial {
            SerialHelper::There => false,
            SerialHelper::Called => true,
            SerialHelper::Absent => flow.parked.is_some(),
        };
        if !is_needed {
            return false;
        }
        flow.serial = SerialHelper::There;
        let turn = self.unpark(&mut flow);
        drop(flow);
        self.serve(cpus, turn, seat);
        true
    }

    // Helpers

    /// A helper's part.
    fn help_out(&self, seat: &Seat<'_>, loan: &Arc<Loan>) {
        sync::lock(&self.flow).helpers.inside += 1;
        let mut shelf = OnLoan { core: self, scratch: None };
        loop {
            if self.serve_if_needed(seat) {
            } else if let Some(turn) = self.take_parked(seat) {
                self.retire(turn, seat);
            } else if let Some(run) = self.claim() {
                self.run(run, &mut shelf.scratch, loan, seat);
            } else if !sync::idle_until(|| self.has_work()) && self.leave(false) {
                return;
            }
            if seat.is_wanted_elsewhere() && self.leave(true) {
                return;
            }
        }
    }

    /// Whether there may be something for a helper. A hint.
    fn has_work(&self) -> bool {
        self.ring.waiting() > 0
            || self.has_parked.load(Ordering::Relaxed) && !matches!(self.retirer, Retirer::Consumer)
    }

    /// Counts a helper out if there is nothing for it to do, or, `early`, if there are others to
    /// do it.
    fn leave(&self, early: bool) -> bool {
        sync::transition();
        let mut flow = sync::lock(&self.flow);
        let is_needed = self.ring.waiting() > 0
            || match self.retirer {
                Retirer::Anyone => flow.parked.is_some(),
                Retirer::On(_) => match flow.serial {
                    SerialHelper::There => false,
                    SerialHelper::Called => true,
                    SerialHelper::Absent => flow.parked.is_some(),
                },
                Retirer::Consumer => false,
            };
        let has_others = flow.helpers.inside > 1;
        if is_needed && !(early && has_others) {
            return false;
        }
        flow.helpers.inside -= 1;
        self.count_awake(&mut flow, -1);
        true
    }

    // The end

    /// No more jobs are accepted; those that were are run.
    pub(super) fn close(&self) {
        let mut flow = sync::lock(&self.flow);
        flow.closed = true;
        if flow.sleepers > 0 {
            self.changed.notify_all();
        }
    }

    /// Jobs that do not run yet are dropped; no more are accepted.
    pub(super) fn stop(&self) {
        // Relaxed: a hint. A job may run even so.
        self.stopped.store(true, Ordering::Relaxed);
        self.close();
    }

    /// Closes the stream, runs what there is, and returns when all is retired.
    pub(super) fn drain(&self, loan: &Arc<Loan>) {
        self.close();
        let mut shelf = OnLoan { core: self, scratch: None };
        loop {
            while self.help(loan, &mut shelf.scratch) {}
            let seen = self.ring.retired();
            let mut flow = sync::lock(&self.flow);
            if seen == flow.producer.tail() {
                return;
            }
            drop(flow);
            let is_changed =
                || self.ring.retired() != seen || self.has_parked.load(Ordering::Relaxed);
            if sync::spin_until(is_changed) {
                continue;
            }
            flow = sync::lock(&self.flow);
            // Somebody may have left a turn that only we can take.
            if flow.parked.is_none() || matches!(self.retirer, Retirer::On(_)) {
                drop(self.sleep_unless_changed(flow, seen));
            }
        }
    }

    /// Closes the stream and leaves it to itself: whoever retires the last job cleans up.
    pub(super) fn detach(&self) {
        let mut flow = sync::lock(&self.flow);
        flow.closed = true;
        flow.detached = true;
        let is_over = self.is_drained_or_asks(&mut flow);
        drop(flow);
        if is_over {
            self.opening.take_down();
        }
    }

    /// Gives `f` the serial side, once all is retired and nobody else is there.
    pub(super) fn with_idle_serial<R>(&self, f: impl FnOnce(&mut X) -> R) -> Option<R> {
        let flow = sync::lock(&self.flow);
        let mut baton = self.ring.take_idle_baton(&flow.producer)?;
        drop(flow);
        let result = self.ring.with_serial(&mut baton, f);
        // Back to where it was: there is nothing behind it.
        let no_turn = self.ring.next_turn(baton);
        debug_assert!(no_turn.is_none(), "a job after the end");
        Some(result)
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

impl<J, T, P, X> Lendable for Core<J, T, P, X>
where
    J: Send,
    T: Send,
    P: Jobs<J, T>,
    X: SerialSide<T>,
{
    fn work(&self, seat: &Seat<'_>, loan: &Arc<Loan>) -> Left {
        if seat.is_caller() {
            // A job was finished on a thread that has nothing else to do with us.
            self.deliver_letters(seat, loan);
            self.adopt_orphans(loan);
        } else {
            self.help_out(seat, loan);
        }
        // The seat is used up: who is counted awake is decided here, under our lock.
        Left::ForNow
    }

    fn settle(&self, loan: &Arc<Loan>) -> Option<Payload> {
        match self.retirer {
            Retirer::Anyone | Retirer::On(_) => self.drain(loan),
            // The consumer is gone, perhaps with the baton: what runs comes to its end, no more.
            Retirer::Consumer => self.stop(),
        }
        self.opening.take_down();
        loan.recall();
        self.with_idle_serial(SerialSide::take_panic).flatten()
    }
}

/// A scratch value that goes back to the shelf.
struct OnLoan<'a, J, T, P: Jobs<J, T>, X> {
    core: &'a Core<J, T, P, X>,
    scratch: Option<P::Scratch>,
}

impl<J, T, P: Jobs<J, T>, X> Drop for OnLoan<'_, J, T, P, X> {
    fn drop(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            sync::lock(&self.core.shelf).push(scratch);
        }
    }
}

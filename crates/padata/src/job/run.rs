//! A job under way: what each of its threads does, and what the caller does at the end.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use super::account::Hole;
use super::cancel::{Control, Interrupt};
use super::chunk::{Chunk, Progress};
use super::chunks::Cut;
use super::deal::{Claim, Deal};
use super::nice::NiceCrew;
use super::outcome::Failure;
use super::part::{Part, Watch};
use super::position::Position;
use super::spread::{Post, Spread};
use crate::erase::Loan;
use crate::panics::CaughtPanic;
use crate::seat::{Left, Seat};
use crate::stats::{Report, WorkerStats};
use crate::sync::{self, AtomicUsize, Mutex, Ordering};
use crate::sys::{self, Priority};
use crate::trace::{Event, JobNumber};

/// The most events that a thread keeps before it hands them in.
const EVENTS_KEPT: usize = 4096;

/// A job under way, shared by its threads.
pub(super) struct Run<'j, P, E, F> {
    pub(super) f: &'j F,
    pub(super) parts: &'j [Part<P>],
    pub(super) deal: Deal,
    pub(super) spread: Spread,
    /// How the caller cuts, and how helpers do.
    pub(super) cut: Cut,
    pub(super) helpers_cut: Cut,
    pub(super) control: &'j Control,
    pub(super) watch: Watch<'j>,
    pub(super) job_number: Option<JobNumber>,
    /// Helpers that have come so far.
    pub(super) helpers: AtomicUsize,
    /// Why the job stopped, in time order: the first one did it.
    pub(super) stops: Mutex<Vec<Stop<E>>>,
    pub(super) report: Mutex<Report>,
}

/// Why a job stopped.
pub(super) struct Stop<E> {
    pub(super) failure: Failure<E>,
    /// The chunk that failed, if one did.
    pub(super) hole: Option<Hole>,
}

/// One thread's part in a job.
pub(super) struct Worker<P> {
    number: usize,
    /// Where it takes its chunks.
    post: Option<Post>,
    /// Where its last chunk ended: part, offset and position.
    last: Option<(usize, u64, P)>,
    stats: WorkerStats,
    ran: bool,
    events: Vec<Event>,
}

impl<P> Worker<P> {
    pub(super) fn caller() -> Self {
        Worker::new(0)
    }

    fn new(number: usize) -> Self {
        Worker {
            number,
            post: None,
            last: None,
            stats: WorkerStats { worker: number, ..WorkerStats::default() },
            ran: false,
            events: Vec::new(),
        }
    }
}

impl<P, E, F> Run<'_, P, E, F>
where
    P: Position,
    F: Fn(Chunk<'_, P>) -> Result<(), E>,
{
    /// A helper's part, from when it sits down to when it leaves. Never panics.
    pub(super) fn help(&self, seat: &Seat<'_>, loan: &Loan) -> Left {
        // Relaxed: numbers that differ, nothing else.
        let mut worker = Worker::new(1 + self.helpers.fetch_add(1, Ordering::Relaxed));
        let left = self.work(&mut worker, seat, loan);
        if let (Left::Early, Some(post)) = (left, worker.post) {
            self.spread.leave(post);
        }
        self.sign_off(worker);
        left
    }

    /// Runs chunks until there is none left to take, the job stops, or the thread is wanted
    /// elsewhere. Never panics.
    pub(super) fn work(&self, worker: &mut Worker<P>, seat: &Seat<'_>, loan: &Loan) -> Left {
        let at = Cell::new(None);
        let left = panic::catch_unwind(AssertUnwindSafe(|| {
            while !self.control.is_stopped() {
                if let Some(interrupt) = self.control.interrupt() {
                    self.interrupt(interrupt);
                    break;
                }
                let Some(claim) = self.claim(worker, seat) else { break };
                at.set(Some(claim));
                self.run_chunk(worker, claim, loan, &at);
                at.set(None);
                if seat.is_wanted_elsewhere() {
                    return Left::Early;
                }
            }
            Left::Done
        }));
        left.unwrap_or_else(|payload| {
            // A position's own code panicked; a chunk's panics are caught where it is run.
            let hole = at.get().map(|claim| Hole { claim, done: 0 });
            self.stop(Failure::Panic(CaughtPanic::new(payload)), hole);
            Left::Done
        })
    }

    /// Takes the next chunk for this thread, moving on to another part when its own is done.
    fn claim(&self, worker: &mut Worker<P>, seat: &Seat<'_>) -> Option<Claim> {
        // Only the caller: a helper would take what it has just given back.
        if seat.is_caller()
            && let Some(claim) = self.deal.take_back()
        {
            return Some(claim);
        }
        let cut = if seat.is_caller() { &self.cut } else { &self.helpers_cut };
        loop {
            if let Some(Post { part, .. }) = worker.post {
                let start = &self.parts[part].start;
                let claim = self.deal.claim(part, cut, |grid| start.past_multiple(grid));
                if claim.is_some() {
                    return claim;
                }
            }
            let home = if seat.is_caller() { sys::this_cpu() } else { None };
            let post = self.spread.next_post(&self.deal, worker.post, home);
            // At the end it stays where it is counted no more.
            let before = std::mem::replace(&mut worker.post, post);
            let post = post?;
            worker.stats.moves += u64::from(before.is_some());
            seat.move_to(self.spread.cpus(post));
        }
    }

    fn run_chunk(
        &self,
        worker: &mut Worker<P>,
        claim: Claim,
        loan: &Loan,
        at: &Cell<Option<Claim>>,
    ) {
        let part = &self.parts[claim.part];
        let (start, end) = bounds(part, worker.last.take(), claim);
        worker.last = Some((claim.part, claim.offset + claim.units, end.clone()));
        let progress = Progress::default();
        let chunk = Chunk {
            range: start..end,
            units: claim.units,
            part: claim.part,
            node: part.node,
            worker: worker.number,
            progress: &progress,
            control: self.control,
        };
        worker.ran = true;
        let begin = self.watch.is_timed().then(Instant::now);
        let result = panic::catch_unwind(AssertUnwindSafe(|| (self.f)(chunk)));
        let length = begin.map(|begin| begin.elapsed());

        let kept = Claim { units: progress.kept(claim.units), ..claim };
        if kept.units < claim.units {
            let (offset, units) = (claim.offset + kept.units, claim.units - kept.units);
            self.deal.give_back(Claim { part: claim.part, offset, units });
            // The rest counts by itself from now on, whatever happens to this thread.
            at.set(Some(kept));
            loan.poke();
        }
        let failure = match result {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Failure::Error(error)),
            Err(payload) => Some(Failure::Panic(CaughtPanic::new(payload))),
        };
        self.note(worker, kept, begin, length, failure.is_some());
        match failure {
            None => {
                worker.stats.chunks += u64::from(kept.units > 0);
                worker.stats.units = worker.stats.units.saturating_add(kept.units);
            }
            Some(failure) => {
                let hole = Hole { claim: kept, done: progress.done(kept.units) };
                self.stop(failure, Some(hole));
            }
        }
    }

    fn note(
        &self,
        worker: &mut Worker<P>,
        claim: Claim,
        begin: Option<Instant>,
        length: Option<Duration>,
        failed: bool,
    ) {
        let (Some(begin), Some(length)) = (begin, length) else { return };
        worker.stats.busy += length;
        if let Some(job) = self.job_number {
            worker.events.push(Event {
                name: self.watch.name,
                job,
                worker: worker.number as u64,
                begin,
                length,
                part: claim.part,
                offset: claim.offset,
                units: claim.units,
                failed,
            });
            if worker.events.len() >= EVENTS_KEPT
                && let Some(trace) = self.watch.trace
            {
                trace.add(&mut worker.events);
            }
        }
    }

    fn stop(&self, failure: Failure<E>, hole: Option<Hole>) {
        self.control.stop();
        sync::lock(&self.stops).push(Stop { failure, hole });
    }

    /// Stops the job from outside, if that keeps anything from running.
    fn interrupt(&self, interrupt: Interrupt) {
        if !self.deal.has_left() && !self.deal.has_given_back() {
            return;
        }
        self.control.stop();
        let mut stops = sync::lock(&self.stops);
        // Several threads may notice, or a chunk may have failed before.
        if stops.is_empty() {
            let failure = match interrupt {
                Interrupt::Cancelled => Failure::Cancelled,
                Interrupt::Deadline => Failure::Deadline,
            };
            stops.push(Stop { failure, hole: None });
        }
    }

    /// The caller, when it has run out of chunks: waits for the helpers, raises them one by one
    /// if they have a lower priority, and runs what they give back.
    pub(super) fn wait_for_helpers(
        &self,
        caller: &mut Worker<P>,
        loan: &Loan,
        crew: &mut NiceCrew,
        level: Priority,
    ) {
        loan.close();
        let has_more = || self.deal.has_given_back() && !self.control.is_stopped();
        loop {
            let is_empty = loan.is_empty();
            if has_more() {
                self.work(caller, &Seat::caller(), loan);
                continue;
            }
            if is_empty {
                return;
            }
            let raised = crew.raise_next(|thread| sys::raise(thread, level));
            let is_raised_gone = || raised.is_some_and(|standing| !standing.is_inside());
            self.control.set_hungry(true);
            loan.sleep_until(|| loan.is_empty() || has_more() || is_raised_gone());
            self.control.set_hungry(false);
        }
    }

    /// Adds a thread's counts to the report, when it leaves.
    pub(super) fn sign_off(&self, mut worker: Worker<P>) {
        // A position is the user's: its drop may panic, too.
        let last = worker.last.take();
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(last))) {
            self.stop(Failure::Panic(CaughtPanic::new(payload)), None);
        }
        if let Some(trace) = self.watch.trace {
            trace.add(&mut worker.events);
        }
        if !worker.ran {
            return;
        }
        let mut report = sync::lock(&self.report);
        report.threads += 1;
        report.chunks += worker.stats.chunks;
        report.units = report.units.saturating_add(worker.stats.units);
        if self.watch.stats {
            report.workers.push(worker.stats);
        }
    }
}

/// The positions where a claim starts and ends. Goes on from where the thread's last chunk ended,
/// so that positions that are slow to advance are walked along once per thread.
fn bounds<P: Position>(part: &Part<P>, last: Option<(usize, u64, P)>, claim: Claim) -> (P, P) {
    let missing = "a position after one that exists, and before one that exists";
    let start = match last {
        Some((part, offset, position)) if part == claim.part && offset <= claim.offset => {
            match claim.offset - offset {
                0 => Some(position),
                units => position.advance(units),
            }
        }
        _ => part.start.advance(claim.offset),
    };
    let start = start.expect(missing);
    let end = start.advance(claim.units).expect(missing);
    (start, end)
}

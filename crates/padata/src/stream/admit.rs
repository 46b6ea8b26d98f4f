//! Submissions: what is admitted when, what a submitter does besides, and how it waits.

use crate::claim::Weight;
use crate::erase::Loan;
use crate::frame::{self, Patience};
use crate::pace::WAKE_NANOS;
use crate::pool::Heard;
use crate::ring::Ticket;
use crate::seat::Seat;
use crate::sync::{self, Arc, MutexGuard, Ordering};

use super::core::{Core, Jobs, Meta, OnLoan, Retirer, SerialSide};
use super::flow::{Flow, SerialHelper};
use super::options::{Backpressure, Wake};
use super::outcome::{Outcome, Refused, Seq};

/// How long a helper that was called is waited for: a wake-up takes 50 to 100 microseconds as a
/// rule, but some kernels leave the helper on the CPU of who wakes it, until that one's time is up.
pub(super) const EXPECTED_NANOS: u64 = 1_000_000;

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

impl<J, T, P, X> Core<J, T, P, X>
where
    J: Send,
    T: Send,
    P: Jobs<J, T>,
    X: SerialSide<T>,
{
    /// Submits a job, or gives it back.
    pub(super) fn submit(&self, loan: &Arc<Loan>, job: J, weight: u64) -> Result<Seq, Refused<J>> {
        let mut flow = sync::lock(&self.flow);
        if self.is_closed(&flow) {
            return Err(self.refuse(flow, Refused::Closed(job)));
        }
        if self.has_to_queue(&flow) || !self.admits(&mut flow, weight) {
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
            // The iterator is the user's: it runs before the lock is taken. It may wait for the
            // next job, so no more are taken than are there for certain.
            let there = jobs.size_hint().0.clamp(1, AT_ONCE);
            let next = |n| if n < there { jobs.next() } else { None };
            let some: [Option<(J, u64)>; AT_ONCE] = std::array::from_fn(next);
            let mut some = some.into_iter().flatten().peekable();
            if some.peek().is_none() {
                return Ok(submitted);
            }
            while let Some((job, weight)) = some.next() {
                let mut flow = sync::lock(&self.flow);
                let fits = |flow: &mut Flow, weight| {
                    !self.is_closed(flow) && !self.has_to_queue(flow) && self.admits(flow, weight)
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

    fn refuse(&self, mut flow: MutexGuard<'_, Flow>, refused: Refused<J>) -> Refused<J> {
        flow.refused += 1;
        refused
    }

    /// Whether others wait, and the thread can wait as well. Callbacks cannot, and do not have to.
    fn has_to_queue(&self, flow: &Flow) -> bool {
        !flow.queue.is_empty() && frame::patience(self.origin) == Patience::Sleep
    }

    fn is_closed(&self, flow: &Flow) -> bool {
        flow.closed || self.is_stopped()
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
    pub(super) fn put(&self, flow: &mut Flow, job: Result<J, Outcome<T>>, weight: u64) -> Seq {
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
    fn publish(&self, mut flow: MutexGuard<'_, Flow>, jobs: u64, loan: &Arc<Loan>) {
        self.ring.publish(&flow.producer);
        let last = flow.producer.tail();
        let next = self.next(&mut flow);
        flow.ran_in_submit += if next == Next::Inline { jobs } else { 0 };
        drop(flow);
        sync::transition();
        match next {
            Next::Nothing => {}
            Next::Call => self.call(last, loan),
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
            self.leave_nothing(loan);
        }
    }

    /// Runs what was left behind by the callbacks that this thread has run. Relaxed: they did that
    /// on this thread, and if another thread sees it first, that one runs them.
    pub(super) fn adopt_orphans(&self, loan: &Arc<Loan>) {
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
        if awake > 0 && flow.helpers.inside == 0 && self.clock.now() >= flow.helpers.expected_until
        {
            // Who was called is busy elsewhere.
            return Next::Inline;
        }
        let is_worth_more = match self.wake {
            Wake::AtOnce => self.ring.in_flight(&mut flow.producer) > awake,
            Wake::Late if self.pace.is_for_one_thread() => return Next::Inline,
            Wake::Late => match self.pace.nanos() {
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
            self.count_call(flow);
            self.pace.called(self.clock.now());
            return Next::Call;
        }
        Next::Nothing
    }

    pub(super) fn count_awake(&self, flow: &mut Flow, more: isize) {
        flow.helpers.awake = flow.helpers.awake.wrapping_add_signed(more);
        // Relaxed: a hint.
        self.awake.store(flow.helpers.awake, Ordering::Relaxed);
    }

    /// A helper is about to be called.
    pub(super) fn count_call(&self, flow: &mut Flow) {
        self.count_awake(flow, 1);
        flow.calls += 1;
        if flow.helpers.inside == 0 {
            flow.helpers.expected_until = self.clock.now() + EXPECTED_NANOS;
        }
    }

    /// Calls a helper, who was counted. If none comes soon, runs what there is before `last`; if
    /// there is none, does all that it would do.
    pub(super) fn call(&self, last: Ticket, loan: &Arc<Loan>) {
        let heard = self.opening.call();
        if heard == Heard::Soon {
            return;
        }
        let mut flow = sync::lock(&self.flow);
        if heard == Heard::Later {
            let is_alone = flow.helpers.inside == 0;
            if is_alone {
                flow.helpers.expected_until = 0;
                flow.serial_until = 0;
            }
            drop(flow);
            if is_alone {
                self.leave_nothing(loan);
                self.run_here(last, loan);
            }
            return;
        }
        self.count_awake(&mut flow, -1);
        // Nobody knows whose call it is that is not heard: it may be another thread's, which
        // thinks that somebody comes. So what is there now is run, not only one's own.
        let all = flow.producer.tail();
        let turn = match flow.serial {
            SerialHelper::Called => {
                self.set_serial(&mut flow, SerialHelper::Absent);
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
        let is_strained = !self.pace.is_for_one_thread();
        let begin = if is_strained { self.clock.now() } else { 0 };
        let mut shelf = OnLoan { core: self, scratch: None };
        while self.ring.is_unclaimed_before(last) {
            let Some(run) = self.claim() else { break };
            self.run(run, &mut shelf.scratch, loan, &Seat::caller());
        }
        if is_strained {
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
                if self.is_closed(&sync::lock(&self.flow)) {
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
            // The callback may have completed a job, whose place is what is wanted.
            self.deliver_letters(&Seat::caller(), loan);
            let mut flow = sync::lock(&self.flow);
            if self.is_closed(&flow) {
                return Err(self.refuse(flow, Refused::Closed(job)));
            }
            if self.admits(&mut flow, weight) {
                let seq = self.put(&mut flow, Ok(job), weight);
                self.publish(flow, 1, loan);
                return Ok(seq);
            }
            drop(flow);
            if !self.help(&Seat::caller(), loan, &mut shelf.scratch) {
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
        let mut has_looked = false;
        flow.waiters += 1;
        loop {
            // What was run already is taken even so.
            if self.is_closed(&flow)
                && let Some(Ok(job)) = job.take_if(|job| job.is_ok())
            {
                flow.waiters -= 1;
                let refused = self.refuse(flow, Refused::Closed(job));
                self.leave_nothing(loan);
                return Err(refused);
            }
            let seen = self.ring.retired();
            let is_next = flow.queue.is_first(place) || self.is_closed(&flow);
            if is_next && self.admits(&mut flow, weight) {
                flow.queue.serve();
                let job = job.take().expect("a job is put once");
                let seq = self.put(&mut flow, job, weight);
                if !flow.queue.is_empty() {
                    // The next one may fit as well.
                    self.tell_sleepers(&flow);
                }
                flow.waiters -= 1;
                self.publish(flow, 1, loan);
                self.leave_nothing(loan);
                return Ok(seq);
            }
            if has_looked {
                // Under the lock since the look at all that others tell about under the lock.
                flow = self.sleep_unless_changed(flow, seen);
                has_looked = false;
                continue;
            }
            drop(flow);
            has_looked = !self.help(&Seat::waiting(), loan, &mut shelf.scratch)
                && !sync::idle_until(|| self.ring.retired() != seen || self.ring.waiting() > 0);
            flow = sync::lock(&self.flow);
        }
    }

    /// A thread that has worked here goes: what was left to it, it does before.
    fn leave_nothing(&self, loan: &Arc<Loan>) {
        if self.may_take_parked() && !matches!(self.retirer, Retirer::Consumer) {
            let mut flow = sync::lock(&self.flow);
            let is_ours = self.is_parked_for(&flow, &Seat::caller());
            // Where there are others, one of them looks before it leaves or sleeps.
            let has_others = flow.helpers.inside + flow.waiters > 0;
            let is_late = matches!(self.retirer, Retirer::On(_));
            let turn =
                (is_ours && (is_late || !has_others)).then(|| self.unpark(&mut flow)).flatten();
            drop(flow);
            if let Some(turn) = turn {
                self.retire(turn, &Seat::caller());
            }
        }
        self.adopt_orphans(loan);
    }

    /// Sleeps until something is retired after `seen`, or changes otherwise; not if there is a turn
    /// for this thread to take.
    pub(super) fn sleep_unless_changed<'a>(
        &'a self,
        mut flow: MutexGuard<'a, Flow>,
        seen: Ticket,
    ) -> MutexGuard<'a, Flow> {
        sync::transition();
        // Asked under the lock: who retires comes to the lock before it tells anybody, and so does
        // who parks a turn that is for this thread.
        if !self.is_parked_for(&flow, &Seat::waiting()) && self.ring.ask(seen) {
            flow.sleepers += 1;
            flow = match flow.serial {
                // If who was called does not come, the turn is for us.
                SerialHelper::Called => sync::wait_for(&self.changed, flow, EXPECTED_NANOS),
                SerialHelper::Absent | SerialHelper::There => sync::wait(&self.changed, flow),
            };
            flow.sleepers -= 1;
        }
        flow
    }
}

//! Retiring: the serial parts, in order, by whoever has the baton, or by who shall.

use std::panic::{self, AssertUnwindSafe};

use crate::erase::Loan;
use crate::frame::{self, Part};
use crate::ring::{Baton, Turn};
use crate::seat::Seat;
use crate::sync::{self, Arc, Ordering};
use crate::topology::CpuSet;

use super::admit::EXPECTED_NANOS;
use super::core::{Core, Jobs, OnLoan, Retirer, SerialSide};
use super::flow::{Flow, SerialHelper};
use super::outcome::Outcome;

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
    /// Retires what is next in the order, or sees to it that who shall does.
    pub(super) fn serial(&self, turn: Turn, seat: &Seat<'_>, loan: &Arc<Loan>) {
        match &self.retirer {
            Retirer::Anyone => self.retire(turn, seat),
            Retirer::Consumer => self.park(turn),
            Retirer::On(cpus) => self.serial_on(cpus, turn, seat, loan),
        }
    }

    /// Runs the serial part of `turn` and of all behind it that are done.
    pub(super) fn retire(&self, mut turn: Turn, seat: &Seat<'_>) {
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
        let timed =
            self.latency.is_some() || self.traced.is_some() || self.pace.wants_sample(len, number);
        let begin = if timed { self.clock.now() } else { 0 };
        if let Some(latency) = &self.latency {
            let mut latency = sync::lock(latency);
            self.ring.each_meta(turn, |meta| latency.record_nanos(begin.saturating_sub(meta.at)));
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
        if timed {
            let nanos = self.clock.now().saturating_sub(begin);
            self.pace.record_serial(len, nanos);
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
        self.tell_sleepers(&flow);
        let is_over = flow.detached && self.is_drained_or_asks(&mut flow);
        drop(flow);
        if is_over {
            self.opening.take_down();
        }
    }

    /// Whether all that was submitted is retired; if not, asks to be told.
    pub(super) fn is_drained_or_asks(&self, flow: &mut Flow) -> bool {
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
        self.tell_sleepers(&flow);
    }

    fn park_in(&self, flow: &mut Flow, turn: Turn) {
        // There is one baton.
        debug_assert!(flow.parked.is_none(), "a second turn");
        flow.parked = Some(turn);
        // Relaxed: a hint.
        self.has_parked.store(true, Ordering::Relaxed);
    }

    pub(super) fn unpark(&self, flow: &mut Flow) -> Option<Turn> {
        self.has_parked.store(false, Ordering::Relaxed);
        flow.parked.take()
    }

    /// Hands a turn to a helper at work or to who waits, if there is one besides this thread. Gives
    /// it back if not.
    fn hand_over(&self, turn: Turn, seat: &Seat<'_>) -> Option<Turn> {
        let mut flow = sync::lock(&self.flow);
        let own = usize::from(!seat.is_caller() || seat.waits());
        if flow.helpers.inside + flow.waiters <= own {
            return Some(turn);
        }
        // None of them leaves or sleeps without a look at it: both are under the lock.
        self.park_in(&mut flow, turn);
        self.tell_sleepers(&flow);
        None
    }

    /// Takes a parked turn, if there is one for this thread.
    pub(super) fn take_parked(&self, seat: &Seat<'_>) -> Option<Turn> {
        if !self.may_take_parked() {
            return None;
        }
        let mut flow = sync::lock(&self.flow);
        self.is_parked_for(&flow, seat).then(|| self.unpark(&mut flow)).flatten()
    }

    /// Whether there is a parked turn that this thread may take.
    pub(super) fn is_parked_for(&self, flow: &Flow, seat: &Seat<'_>) -> bool {
        flow.parked.is_some()
            && match self.retirer {
                Retirer::Anyone => true,
                // At work for the stream, helpers do not ask: there is `serve`. Others leave it to
                // who was called, unless that one does not come: it may be busy with something
                // that waits for us, or even be us. (Random schedules found the latter.)
                Retirer::On(_) => {
                    seat.is_caller()
                        && match flow.serial {
                            SerialHelper::Absent => true,
                            SerialHelper::Called => self.clock.is_past(flow.serial_until),
                            SerialHelper::There => false,
                        }
                }
                Retirer::Consumer => seat.is_caller(),
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
        if self.may_take_parked() || sync::idle_until(|| self.may_take_parked()) {
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

    pub(super) fn set_serial(&self, flow: &mut Flow, serial: SerialHelper) {
        flow.serial = serial;
        // Relaxed: a hint. Under the lock, so that it is right whenever nobody changes it.
        self.has_serial_helper.store(serial == SerialHelper::There, Ordering::Relaxed);
    }

    /// A turn is to be run on `cpus`: by this thread if it is a helper and nobody is there, else
    /// by who is, or is called.
    fn serial_on(&self, cpus: &CpuSet, turn: Turn, seat: &Seat<'_>, loan: &Arc<Loan>) {
        let mut flow = sync::lock(&self.flow);
        if !seat.is_caller() && flow.serial == SerialHelper::Absent {
            self.set_serial(&mut flow, SerialHelper::There);
            drop(flow);
            return self.serve(cpus, Some(turn), seat);
        }
        self.park_in(&mut flow, turn);
        self.tell_sleepers(&flow);
        match flow.serial {
            SerialHelper::There => return,
            SerialHelper::Called if !self.clock.is_past(flow.serial_until) => return,
            SerialHelper::Called | SerialHelper::Absent => {}
        }
        if flow.serial == SerialHelper::Absent && self.opening.helpers() > 0 {
            self.set_serial(&mut flow, SerialHelper::Called);
            flow.serial_until = self.clock.now() + EXPECTED_NANOS;
            self.count_call(&mut flow);
            drop(flow);
            return self.call(self.ring.retired(), loan);
        }
        // There is nobody: a wish that cannot be met.
        let turn = self.unpark(&mut flow);
        drop(flow);
        if let Some(turn) = turn {
            self.retire(turn, seat);
        }
    }

    /// The serial helper's part: retires what is parked as long as there is something.
    pub(super) fn serve(&self, cpus: &CpuSet, turn: Option<Turn>, seat: &Seat<'_>) {
        // A refusal makes it slower, not wrong.
        seat.move_to(Some(cpus));
        let mut turn = turn;
        loop {
            if let Some(turn) = turn.take() {
                self.retire(turn, seat);
            }
            if !self.may_take_parked() {
                sync::idle_until(|| self.may_take_parked());
            }
            let mut flow = sync::lock(&self.flow);
            // Where others wait, they can do it as well.
            let others = flow.helpers.inside + flow.waiters > 1;
            if flow.parked.is_none() || others && seat.is_wanted_elsewhere() {
                self.set_serial(&mut flow, SerialHelper::Absent);
                if flow.parked.is_some() {
                    self.tell_sleepers(&flow);
                }
                break;
            }
            turn = self.unpark(&mut flow);
        }
        seat.move_to(None);
    }

    /// Becomes the serial helper if one is needed; says whether it was.
    pub(super) fn serve_if_needed(&self, seat: &Seat<'_>) -> bool {
        let Retirer::On(cpus) = &self.retirer else { return false };
        let mut flow = sync::lock(&self.flow);
        if !flow.needs_serial_helper() {
            return false;
        }
        self.set_serial(&mut flow, SerialHelper::There);
        let turn = self.unpark(&mut flow);
        drop(flow);
        self.serve(cpus, turn, seat);
        true
    }
}

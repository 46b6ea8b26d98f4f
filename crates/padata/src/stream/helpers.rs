//! A helper's part in a stream, and the end of a stream.

use crate::erase::{Lendable, Loan};
use crate::panics::Payload;
use crate::seat::{Left, Seat};
use crate::sync::{self, Arc, Ordering};

use super::core::{Core, Jobs, OnLoan, Retirer, SerialSide};
use super::flow::Flow;

impl<J, T, P, X> Core<J, T, P, X>
where
    J: Send,
    T: Send,
    P: Jobs<J, T>,
    X: SerialSide<T>,
{
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
            } else if !self.idle() && self.leave(false) {
                return;
            }
            if seat.is_wanted_elsewhere() && self.leave(true) {
                return;
            }
        }
    }

    /// Looks for work for a while; says whether there may be some.
    fn idle(&self) -> bool {
        sync::idle_until(|| self.has_work())
            || sync::linger_until(self.clock, self.pace.linger(), || self.has_work())
    }

    /// Whether there may be something for a helper. A hint.
    fn has_work(&self) -> bool {
        self.ring.waiting() > 0
            || match self.retirer {
                Retirer::Anyone => self.may_take_parked(),
                Retirer::On(_) => {
                    self.may_take_parked() && !self.has_serial_helper.load(Ordering::Relaxed)
                }
                Retirer::Consumer => false,
            }
    }

    pub(super) fn may_take_parked(&self) -> bool {
        self.has_parked.load(Ordering::Relaxed)
    }

    /// Counts a helper out if there is nothing for it to do, or, `early`, if there are others to
    /// do it.
    fn leave(&self, early: bool) -> bool {
        sync::transition();
        let mut flow = sync::lock(&self.flow);
        let is_needed = self.ring.waiting() > 0
            || match self.retirer {
                Retirer::Anyone => flow.parked.is_some(),
                Retirer::On(_) => flow.needs_serial_helper(),
                Retirer::Consumer => false,
            };
        let has_others = flow.helpers.inside > 1;
        if is_needed && !(early && has_others) {
            return false;
        }
        flow.helpers.inside -= 1;
        self.count_awake(&mut flow, -1);
        self.pace.left(self.clock.now());
        true
    }

    // The end

    /// No more jobs are accepted; those that were are run.
    pub(super) fn close(&self) {
        let mut flow = sync::lock(&self.flow);
        flow.closed = true;
        self.tell_sleepers(&flow);
    }

    /// Jobs that do not run yet are dropped; no more are accepted.
    pub(super) fn stop(&self) {
        // Relaxed: a hint. A job may run even so.
        self.stopped.store(true, Ordering::Relaxed);
        self.close();
    }

    /// Something has changed that they may sleep for. Told under the lock, which they come to.
    pub(super) fn tell_sleepers(&self, flow: &Flow) {
        if flow.sleepers > 0 {
            self.changed.notify_all();
        }
    }

    /// Closes the stream, runs what there is, and returns when all is retired.
    pub(super) fn drain(&self, loan: &Arc<Loan>) {
        self.close();
        sync::lock(&self.flow).waiters += 1;
        let mut shelf = OnLoan { core: self, scratch: None };
        loop {
            while self.help(&Seat::waiting(), loan, &mut shelf.scratch) {}
            let seen = self.ring.retired();
            let mut flow = sync::lock(&self.flow);
            if seen == flow.producer.tail() {
                flow.waiters -= 1;
                return;
            }
            drop(flow);
            if !sync::idle_until(|| self.ring.retired() != seen) {
                drop(self.sleep_unless_changed(sync::lock(&self.flow), seen));
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

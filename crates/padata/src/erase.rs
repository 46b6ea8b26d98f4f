//! The one lifetime-erased pointer: borrowed work, lent to threads that outlive it.
//!
//! A pool thread lives longer than any job, so the type of what it is handed can hold no borrow.
//! [`lend`] hands out a [`Loan`], which forgets the borrow, and does not come back before nobody
//! can use the loan any more. That one rule is what makes borrowed closures sound, and this file
//! keeps it alone: both functions that others call are safe, whatever the callers do.
//!
//! State of a loan, one word: the number of borrowers inside the work, and whether it is
//! recalled. See `PROTOCOL.md` for the transitions and for the reason of each ordering.
#![expect(unsafe_code, reason = "a borrow that the type system cannot follow across threads")]

use crate::seat::{Left, Seat};
use crate::sync::{self, Arc, AtomicUsize, Condvar, Mutex, Ordering};

/// Set once the lender wants the work back: nobody enters any more.
const RECALLED: usize = 1;
/// One borrower that is inside the work.
const BORROWER: usize = 2;

/// Work on loan. It may be kept for ever; it can be run only while the lender waits in [`lend`].
pub(crate) struct Loan {
    /// The borrowed work. It points to a live value until the loan is recalled and the last
    /// borrower has left; then it dangles and is not used again.
    work: *const (),
    /// Calls `work` as what it is.
    ///
    /// # Safety
    /// Unsafe to call because only the caller knows that `work` still points to a live value.
    call: unsafe fn(*const (), &Seat<'_>, &Loan) -> Left,
    /// `RECALLED` plus `BORROWER` times the number of threads inside.
    state: AtomicUsize,
    /// Whether the lender sleeps.
    lender_sleeps: Mutex<bool>,
    /// Wakes the lender: the last borrower has left, or somebody has poked.
    wake: Condvar,
}

// SAFETY: `work` came from a `&W` with `W: Sync` (see `lend`), so any thread may use it; the
// other fields are `Send` and `Sync` themselves.
unsafe impl Send for Loan {}
// SAFETY: as above; all shared changes go through the atomic and the mutex.
unsafe impl Sync for Loan {}

/// Lends `work` to whoever gets hold of the loan while `body` runs, then waits until every
/// borrower has left `work`, also when `body` panics. The work is told its loan, to
/// [poke](Loan::poke) the lender.
pub(crate) fn lend<W, R>(work: &W, body: impl FnOnce(&Arc<Loan>) -> R) -> R
where
    W: Fn(&Seat<'_>, &Loan) -> Left + Sync,
{
    /// # Safety
    /// `work` points to a live `W` that may be shared with this thread.
    unsafe fn call<W>(work: *const (), seat: &Seat<'_>, loan: &Loan) -> Left
    where
        W: Fn(&Seat<'_>, &Loan) -> Left,
    {
        // SAFETY: the caller's promise.
        unsafe { (*work.cast::<W>())(seat, loan) }
    }

    struct Recall(Arc<Loan>);
    impl Drop for Recall {
        fn drop(&mut self) {
            self.0.recall();
        }
    }

    let loan = Arc::new(Loan {
        work: std::ptr::from_ref(work).cast(),
        call: call::<W>,
        state: AtomicUsize::new(0),
        lender_sleeps: Mutex::new(false),
        wake: Condvar::new(),
    });
    // From here on no way out of this function, return or panic, gets around the recall; nothing
    // outside this function can forget the guard.
    let recall = Recall(loan);
    body(&recall.0)
}

impl Loan {
    /// Runs the work on this thread, unless the lender has recalled it. Says how the thread left
    /// it, nothing if it was not let in.
    pub(crate) fn run(&self, seat: &Seat<'_>) -> Option<Left> {
        struct Leave<'a>(&'a Loan);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.leave();
            }
        }

        if !self.enter() {
            return None;
        }
        let _leave = Leave(self);
        // SAFETY: `enter` counted this thread while the loan was not recalled, so `lend` is still
        // on the stack below `body` or waits for this thread, and the `&W` it was given is
        // borrowed until it returns. `call` was made for the same `W` as `work`, and `W: Sync`.
        Some(unsafe { (self.call)(self.work, seat, self) })
    }

    fn enter(&self) -> bool {
        // Not Acquire: what the work points to happened before the loan was made, and whoever gave
        // us the `Arc` made that visible. The recall is ordered against us by being on one word.
        // Release: who closes the loan while we are inside sees what we did before we entered.
        self.state
            .fetch_update(Ordering::Release, Ordering::Relaxed, |state| {
                (state & RECALLED == 0).then_some(state + BORROWER)
            })
            .is_ok()
    }

    fn leave(&self) {
        // Release: all that the work wrote on this thread happens before the lender goes on.
        let before = self.state.fetch_sub(BORROWER, Ordering::Release);
        if before == RECALLED + BORROWER {
            self.poke();
        }
    }

    /// Lets nobody enter any more.
    pub(crate) fn close(&self) {
        // Acquire, here and in `is_empty`: pairs with the Release of every `leave`.
        self.state.fetch_or(RECALLED, Ordering::Acquire);
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: a hint; `enter` decides.
        self.state.load(Ordering::Relaxed) & RECALLED != 0
    }

    /// Lets nobody enter any more and waits until the last borrower has left.
    fn recall(&self) {
        self.close();
        self.sleep_until(|| self.is_empty());
    }

    /// Whether the loan is closed and nobody is inside.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.load(Ordering::Acquire) == RECALLED
    }

    /// For the lender alone, once the loan is closed: waits until `done`, which whoever makes it
    /// true must tell by [`Loan::poke`] afterwards. The leave of the last borrower tells itself.
    pub(crate) fn sleep_until(&self, done: impl Fn() -> bool) {
        if done() || sync::spin_until(&done) {
            return;
        }
        let mut sleeps = sync::lock(&self.lender_sleeps);
        while !done() {
            *sleeps = true;
            sleeps = sync::wait(&self.wake, sleeps);
        }
        *sleeps = false;
    }

    /// Wakes the lender if it sleeps, so that it looks again.
    pub(crate) fn poke(&self) {
        // The lender may be about to sleep: the lock makes us wait until it does.
        if *sync::lock(&self.lender_sleeps) {
            self.wake.notify_one();
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::panic::{self, AssertUnwindSafe};

    use super::*;

    #[test]
    fn runs_while_lent_and_never_again() {
        let runs = AtomicUsize::new(0);
        let work = |_: &Seat<'_>, _: &Loan| {
            runs.fetch_add(1, Ordering::Relaxed);
            Left::ForNow
        };
        let kept = lend(&work, |loan| {
            for _ in 0..2 {
                assert_eq!(loan.run(&Seat::CALLER), Some(Left::ForNow));
            }
            Arc::clone(loan)
        });
        assert_eq!(kept.run(&Seat::CALLER), None);
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn is_recalled_when_the_body_panics() {
        let mut kept = None;
        let body = |loan: &Arc<Loan>| {
            kept = Some(Arc::clone(loan));
            panic::resume_unwind(Box::new(()));
        };
        assert!(
            panic::catch_unwind(AssertUnwindSafe(|| lend(
                &|_: &Seat<'_>, _: &Loan| Left::Done,
                body
            )))
            .is_err()
        );
        assert_eq!(kept.unwrap().run(&Seat::CALLER), None);
    }

    #[test]
    fn work_that_panics_is_left_all_the_same() {
        let work = |_: &Seat<'_>, _: &Loan| panic::resume_unwind(Box::new(()));
        // Hangs if the borrower is still counted.
        lend(&work, |loan| {
            assert!(panic::catch_unwind(AssertUnwindSafe(|| loan.run(&Seat::CALLER))).is_err());
        });
    }
}

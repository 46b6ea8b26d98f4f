//! The one lifetime-erased pointer: borrowed work, lent to threads that outlive it.
//!
//! A pool thread lives longer than any job, so the type of what it is handed can hold no borrow.
//! [`lend`] hands out a [`Loan`], which forgets the borrow, and does not come back before nobody
//! can use the loan any more. [`lending`] does the same for work that is made within a call, as
//! streams in a scope are. That one rule is what makes borrowed closures sound, and this file
//! keeps it alone: all that others call is safe, whatever the callers do. What borrows nothing
//! can be lent [for good](lend_for_good).
//!
//! State of a loan, one word: the number of borrowers inside the work, and whether it is
//! recalled. See `PROTOCOL.md` for the transitions and for the reason of each ordering.
#![expect(unsafe_code, reason = "a borrow that the type system cannot follow across threads")]

use std::any::Any;
use std::marker::PhantomData;

use crate::panics::{self, Payload};
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
    call: unsafe fn(*const (), &Seat<'_>, &Arc<Loan>) -> Left,
    /// What keeps `work` alive if nobody waits for the borrowers.
    #[expect(dead_code, reason = "held, not used")]
    kept: Option<Box<dyn Any + Send + Sync>>,
    /// `RECALLED` plus `BORROWER` times the number of threads inside.
    state: AtomicUsize,
    /// Whether the lender sleeps.
    lender_sleeps: Mutex<bool>,
    /// Wakes the lender: the last borrower has left, or somebody has poked.
    wake: Condvar,
}

// SAFETY: `work` came from a `&W` with `W: Sync` (`lend`, `Lendable`), so any thread may use it;
// the other fields are `Send` and `Sync` themselves.
unsafe impl Send for Loan {}
// SAFETY: as above; all shared changes go through the atomic and the mutex.
unsafe impl Sync for Loan {}

/// Work that can be lent for longer than a call.
pub(crate) trait Lendable: Send + Sync {
    /// A borrower's part. Never panics.
    fn work(&self, seat: &Seat<'_>, loan: &Arc<Loan>) -> Left;

    /// Brings the work to its end, on the lender's thread. Never panics; returns what the user's
    /// code has panicked with.
    fn settle(&self, loan: &Arc<Loan>) -> Option<Payload>;
}

/// Lends `work` to whoever gets hold of the loan while `body` runs, then waits until every
/// borrower has left `work`, also when `body` panics. The work is told its loan, to
/// [poke](Loan::poke) the lender.
pub(crate) fn lend<W, R>(work: &W, body: impl FnOnce(&Arc<Loan>) -> R) -> R
where
    W: Fn(&Seat<'_>, &Arc<Loan>) -> Left + Sync,
{
    /// # Safety
    /// `work` points to a live `W` that may be shared with this thread.
    unsafe fn call<W>(work: *const (), seat: &Seat<'_>, loan: &Arc<Loan>) -> Left
    where
        W: Fn(&Seat<'_>, &Arc<Loan>) -> Left,
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

    // From here on no way out of this function, return or panic, gets around the recall; nothing
    // outside this function can forget the guard.
    let recall = Recall(Loan::new(std::ptr::from_ref(work).cast(), call::<W>, None));
    body(&recall.0)
}

/// # Safety
/// `work` points to a live `W` that may be shared with this thread.
unsafe fn call_lendable<W: Lendable>(work: *const (), seat: &Seat<'_>, loan: &Arc<Loan>) -> Left {
    // SAFETY: the caller's promise.
    unsafe { (*work.cast::<W>()).work(seat, loan) }
}

/// Lends work that borrows nothing, for as long as anybody keeps the loan.
pub(crate) fn lend_for_good<W: Lendable + 'static>(work: Arc<W>) -> Arc<Loan> {
    let pointer = std::ptr::from_ref(&*work).cast();
    // The pointer stays valid while the loan keeps `work`, and who calls through it has the loan.
    Loan::new(pointer, call_lendable::<W>, Some(Box::new(work)))
}

/// Lends what lives for `'env`, until it is taken back or the call of [`lending`] ends.
pub(crate) struct Lender<'env> {
    lent: Mutex<Vec<Lent<'env>>>,
    /// `'env` must not shrink: what is lent has to live until the end of the call.
    env: PhantomData<fn(&'env ()) -> &'env ()>,
}

struct Lent<'env> {
    loan: Arc<Loan>,
    /// Keeps the work alive until the loan is recalled.
    work: Box<dyn Settle + 'env>,
}

/// Work of any type that is kept alive, and settled.
trait Settle: Send + Sync {
    fn settle(&self, loan: &Arc<Loan>) -> Option<Payload>;
}

impl<W: Lendable> Settle for Arc<W> {
    fn settle(&self, loan: &Arc<Loan>) -> Option<Payload> {
        W::settle(self, loan)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.loan.recall();
    }
}

/// Runs `body` with a lender, and recalls what is still lent when it has returned or panicked.
///
/// `'env` is a parameter of this function, so it lasts until the function has returned, and what
/// lives for `'env` may be used by borrowers until then.
pub(crate) fn lending<'env, R>(body: impl FnOnce(&Lender<'env>) -> R) -> R {
    // Dropped here however `body` ends, and with it what is lent: nobody else owns it.
    let lender = Lender { lent: Mutex::new(Vec::new()), env: PhantomData };
    body(&lender)
}

impl<'env> Lender<'env> {
    /// Lends `work`.
    pub(crate) fn lend<W: Lendable + 'env>(&self, work: Arc<W>) -> Arc<Loan> {
        let loan = Loan::new(std::ptr::from_ref(&*work).cast(), call_lendable::<W>, None);
        let lent = Lent { loan: Arc::clone(&loan), work: Box::new(work) };
        sync::lock(&self.lent).push(lent);
        loan
    }

    /// Settles and takes back what is still lent. Returns the first panic.
    pub(crate) fn settle_all(&self) -> Option<Payload> {
        let mut first = None;
        loop {
            let last = sync::lock(&self.lent).pop();
            let Some(lent) = last else { return first };
            let payload = lent.work.settle(&lent.loan);
            if first.is_none() {
                first = payload;
            } else {
                panics::discard_value(payload);
            }
            panics::discard_value(lent);
        }
    }

    /// Waits until the last borrower has left, and forgets the work. Nothing happens if that was
    /// done before.
    pub(crate) fn take_back(&self, loan: &Arc<Loan>) {
        let mut lent = sync::lock(&self.lent);
        let found = lent.iter().position(|lent| Arc::ptr_eq(&lent.loan, loan));
        let taken = found.map(|index| lent.swap_remove(index));
        // Not under the lock: this waits, and drops what may be a user's.
        drop(lent);
        drop(taken);
    }
}

impl Loan {
    fn new(
        work: *const (),
        // Unsafe to call, for the reason given at the field; nobody but `run` does.
        call: unsafe fn(*const (), &Seat<'_>, &Arc<Loan>) -> Left,
        kept: Option<Box<dyn Any + Send + Sync>>,
    ) -> Arc<Loan> {
        Arc::new(Loan {
            work,
            call,
            kept,
            state: AtomicUsize::new(0),
            lender_sleeps: Mutex::new(false),
            wake: Condvar::new(),
        })
    }

    /// Runs the work on this thread, unless the lender has recalled it. Says how the thread left
    /// it, nothing if it was not let in.
    //
    // Why `work` points to a live value inside, in each of the three ways to lend:
    // - `lend`: `enter` counted this thread while the loan was not recalled, so `lend` is still on
    //   the stack below `body` or waits for this thread, and the `&W` it was given is borrowed
    //   until it returns;
    // - `lending`: the same, and the lender holds the `W`; what that borrows lives until the
    //   function returns, for `W: 'env`;
    // - `lend_for_good`: the loan itself keeps the `W`, which borrows nothing, and we have the loan.
    pub(crate) fn run(loan: &Arc<Loan>, seat: &Seat<'_>) -> Option<Left> {
        struct Leave<'a>(&'a Loan);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.leave();
            }
        }

        if !loan.enter() {
            return None;
        }
        let _leave = Leave(loan);
        // SAFETY: `work` points to a live `W` until `_leave` is dropped: see above. `call` was made
        // for the same `W`, and `W: Sync`.
        Some(unsafe { (loan.call)(loan.work, seat, loan) })
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
    pub(crate) fn recall(&self) {
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
        let work = |_: &Seat<'_>, _: &Arc<Loan>| {
            runs.fetch_add(1, Ordering::Relaxed);
            Left::ForNow
        };
        let kept = lend(&work, |loan| {
            for _ in 0..2 {
                assert_eq!(Loan::run(loan, &Seat::caller()), Some(Left::ForNow));
            }
            Arc::clone(loan)
        });
        assert_eq!(Loan::run(&kept, &Seat::caller()), None);
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
                &|_: &Seat<'_>, _: &Arc<Loan>| Left::Done,
                body
            )))
            .is_err()
        );
        assert_eq!(Loan::run(&kept.unwrap(), &Seat::caller()), None);
    }

    #[test]
    fn work_that_panics_is_left_all_the_same() {
        let work = |_: &Seat<'_>, _: &Arc<Loan>| panic::resume_unwind(Box::new(()));
        // Hangs if the borrower is still counted.
        lend(&work, |loan| {
            assert!(
                panic::catch_unwind(AssertUnwindSafe(|| Loan::run(loan, &Seat::caller()))).is_err()
            );
        });
    }
}

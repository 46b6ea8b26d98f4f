//! Jobs that are done when their [`Completion`] says so, on whichever thread.
//!
//! A completion leaves a letter, the job's place and its outcome, and then lets the stream know, if
//! it is not in a callback of that stream: whoever runs the callback looks for letters when it is
//! over. So a job is never retired in the middle of another one's callback.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use crate::erase::Loan;
use crate::frame;
use crate::panics::{self, CaughtPanic, Payload};
use crate::ring::{Run, Stepped, Ticket};
use crate::seat::Seat;
use crate::sync::{self, Arc, Mutex};

use super::core::{JobRing, Jobs};
use super::outcome::Outcome;

/// The duty to finish a job: whoever has it completes the job, on any thread, at any time. Dropping
/// it finishes the job as well, without a result ([`Outcome::Dropped`]), so that the order never
/// stalls.
///
/// The stream waits for it. A completion that is leaked (`std::mem::forget`, a cycle of `Arc`s)
/// keeps it waiting for ever, as a lost job does in the kernel.
pub struct Completion<T> {
    /// Nothing once it has been used.
    run: Option<Run>,
    stream: u64,
    mail: Arc<Mail<T>>,
    loan: Arc<Loan>,
}

struct Mail<T>(Mutex<Letters<T>>);

struct Letters<T> {
    ready: Vec<(Run, Outcome<T>)>,
    /// Jobs whose completion was dropped in their own callback, in a panic. When the callback is
    /// over it is known whether that was the end of it.
    unwound: Vec<Run>,
}

impl<T> Completion<T> {
    /// The job is done, with this result.
    ///
    /// The serial parts that are due now run on this thread, unless the stream has CPUs for them
    /// or a callback of it is running here.
    pub fn complete(mut self, result: T) {
        self.send(Outcome::Done(result));
    }

    fn send(&mut self, outcome: Outcome<T>) {
        let Some(run) = self.run.take() else { return };
        let inside = frame::is_inside(self.stream);
        let mut letters = sync::lock(&self.mail.0);
        if matches!(outcome, Outcome::Dropped)
            && sync::is_panicking()
            && frame::runs(self.stream, run.first().count())
        {
            letters.unwound.push(run);
            return;
        }
        letters.ready.push((run, outcome));
        drop(letters);
        if !inside {
            // Nobody is at home only when the stream is gone, and with it the job.
            Loan::run(&self.loan, &Seat::caller());
        }
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        self.send(Outcome::Dropped);
    }
}

impl<T> fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

pub(super) struct Later<T, G, F> {
    stream: u64,
    scratch: G,
    f: F,
    mail: Arc<Mail<T>>,
}

impl<T, G, F> Later<T, G, F> {
    /// For the stream of that name, with a window of so many jobs: there are never more letters.
    pub(super) fn new(stream: u64, window: usize, scratch: G, f: F) -> Self {
        let letters = Letters { ready: Vec::with_capacity(window), unwound: Vec::new() };
        Later { stream, scratch, f, mail: Arc::new(Mail(Mutex::new(letters))) }
    }

    /// The callback of the job at `own` is over, with a panic or not. If its completion was dropped
    /// by a panic, it gets its outcome now.
    fn post_unwound(&self, own: Ticket, mut panic: Option<Payload>) {
        let mut letters = sync::lock(&self.mail.0);
        if let Some(found) = letters.unwound.iter().position(|run| run.first() == own) {
            let run = letters.unwound.swap_remove(found);
            let outcome = match panic.take() {
                Some(payload) => Outcome::Panicked(CaughtPanic::new(payload)),
                // The callback has caught the panic itself, or runs while the thread unwinds.
                None => Outcome::Dropped,
            };
            letters.ready.push((run, outcome));
        }
        drop(letters);
        // If it was given away, who has it says what becomes of the job.
        panics::discard_value(panic);
    }
}

impl<J, T, S, G, F> Jobs<J, T> for Later<T, G, F>
where
    T: Send,
    S: Send,
    G: Fn() -> S + Send + Sync,
    F: Fn(J, &mut S, Completion<T>) + Send + Sync,
{
    type Scratch = S;

    fn run_apart(&self, job: J, _: &mut Option<S>) -> Result<J, Outcome<T>> {
        // Its completion needs a place in the ring.
        Ok(job)
    }

    fn run<X>(
        &self,
        ring: &JobRing<J, T, X>,
        mut run: Run,
        scratch: &mut Option<S>,
        loan: &Arc<Loan>,
    ) -> Option<Run> {
        while let Some(mut run) = run.split_first() {
            let Some((ticket, Stepped::Job(job))) = ring.step(&mut run) else {
                // None is put without being run first: see `run_apart`.
                sync::lock(&self.mail.0).ready.push((run, Outcome::Dropped));
                continue;
            };
            let completion = Completion {
                run: Some(run),
                stream: self.stream,
                mail: Arc::clone(&self.mail),
                loan: Arc::clone(loan),
            };
            frame::begin_job(ticket.count());
            let called = panic::catch_unwind(AssertUnwindSafe(|| {
                (self.f)(job, scratch.get_or_insert_with(&self.scratch), completion);
            }));
            if called.is_err() {
                panics::discard_value(scratch.take());
            }
            self.post_unwound(ticket, called.err());
        }
        None
    }

    fn letter(&self) -> Option<(Run, Outcome<T>)> {
        sync::lock(&self.mail.0).ready.pop()
    }
}

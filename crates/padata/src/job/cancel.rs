//! Stopping a job from outside, and the moment after which no chunk starts.

use std::time::Instant;

use crate::sync::{Arc, AtomicBool, Ordering};

/// Stops jobs and streams from outside: any thread, or a signal handler, can [`cancel`](CancelToken::cancel).
///
/// A job that is cancelled starts no more chunks; those that run finish, or notice by
/// [`Chunk::is_stopping`](super::Chunk::is_stopping) and return early. Clones are the same token.
/// A token never comes back.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        CancelToken(Arc::new(AtomicBool::new(false)))
    }

    /// Stops all jobs that have this token, also those that begin later.
    pub fn cancel(&self) {
        // Relaxed: a request, which orders nothing.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a job has to stop although no chunk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    Cancelled,
    Deadline,
}

/// The state of a job under way that every chunk can see.
#[derive(Default)]
pub(crate) struct Control {
    /// No chunk starts any more.
    stopped: AtomicBool,
    /// The caller has nothing left to do and waits for the helpers.
    hungry: AtomicBool,
    pub(crate) cancel: Option<CancelToken>,
    pub(crate) deadline: Option<Instant>,
}

impl Control {
    pub(crate) fn stop(&self) {
        // Relaxed, here and below: hints, which make threads stop or give back earlier.
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether anything but its chunks can stop the job.
    pub(crate) fn can_be_interrupted(&self) -> bool {
        self.cancel.is_some() || self.deadline.is_some()
    }

    /// Whether somebody has cancelled, or the deadline has passed.
    pub(crate) fn interrupt(&self) -> Option<Interrupt> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Some(Interrupt::Cancelled);
        }
        let is_late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        is_late.then_some(Interrupt::Deadline)
    }

    pub(crate) fn set_hungry(&self, hungry: bool) {
        self.hungry.store(hungry, Ordering::Relaxed);
    }

    pub(crate) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed)
    }
}

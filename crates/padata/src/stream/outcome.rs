//! What becomes of a job: its outcome for the serial side, or its refusal.

use std::error::Error;
use std::fmt;

use crate::panics::CaughtPanic;

/// The number of a job in its stream: 0, 1, 2 and so on, in the order of submission. Refused jobs
/// have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// What the parallel part of a job left for the serial side. Each job that was accepted leaves one,
/// in its place in the order.
#[derive(Debug)]
pub enum Outcome<T> {
    /// Its result.
    Done(T),
    /// It panicked.
    Panicked(CaughtPanic),
    /// There is no result: its [`Completion`](crate::Completion) was dropped, or it was dropped
    /// itself because the stream was cancelled.
    Dropped,
}

impl<T> Outcome<T> {
    /// The result, if there is one.
    #[must_use]
    pub fn done(self) -> Option<T> {
        match self {
            Outcome::Done(result) => Some(result),
            Outcome::Panicked(_) | Outcome::Dropped => None,
        }
    }
}

/// A job that was not accepted, given back. It has no number, and nothing was called for it.
pub enum Refused<J> {
    /// There is no room in the window.
    Full(J),
    /// The stream takes no more jobs: it was closed or cancelled, or its serial part has panicked.
    Closed(J),
    /// There is no room, and to wait for it here could take for ever: within the serial part of a
    /// stream; or within the parallel part, if there is no job left to run instead.
    WouldDeadlock(J),
}

impl<J> Refused<J> {
    /// The job.
    #[must_use]
    pub fn into_job(self) -> J {
        match self {
            Refused::Full(job) | Refused::Closed(job) | Refused::WouldDeadlock(job) => job,
        }
    }
}

impl<J> fmt::Debug for Refused<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Full(_) => "Full(_)",
            Refused::Closed(_) => "Closed(_)",
            Refused::WouldDeadlock(_) => "WouldDeadlock(_)",
        })
    }
}

impl<J> fmt::Display for Refused<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Full(_) => "job refused: the window of the stream is full",
            Refused::Closed(_) => "job refused: the stream is closed",
            Refused::WouldDeadlock(_) => "job refused: waiting for room here could take for ever",
        })
    }
}

impl<J> Error for Refused<J> {}

//! What a job returns: a report, or an error that accounts for every unit.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use crate::panics::CaughtPanic;
use crate::stats::Report;

/// Why a chunk failed, or why a job stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure<E> {
    /// The job's function returned this.
    Error(E),
    /// The job's function panicked. Only where [`report_panics`](super::Job::report_panics) is
    /// set: elsewhere the panic goes on.
    Panic(CaughtPanic),
    /// The job's [`CancelToken`](super::CancelToken) was cancelled.
    Cancelled,
    /// The job's deadline passed.
    Deadline,
    /// A part ends after the last position that there is
    /// ([`Position::advance`](super::Position::advance)); nothing has run.
    NoSuchPosition,
}

/// A chunk that failed.
#[derive(Debug)]
pub struct FailedChunk<E, P> {
    /// Why.
    pub failure: Failure<E>,
    /// The positions of the chunk.
    pub at: Range<P>,
    /// What of it was finished, by [`Chunk::done_units`](super::Chunk::done_units); nothing if
    /// it said nothing.
    pub finished_prefix: Option<Range<P>>,
}

/// A job that did not complete, and what became of each of its units: every one is in `completed`,
/// in a chunk that failed, or in `not_started`.
///
/// Ranges are in the order of the parts, then of positions; ranges of one part that touch are
/// one.
#[derive(Debug)]
pub struct JobError<E, P> {
    /// What stopped the job: the first of several failures in time.
    pub first: Failure<E>,
    /// The chunk that failed first; nothing if the job was stopped from outside.
    pub at: Option<Range<P>>,
    /// What of that chunk was finished.
    pub finished_prefix: Option<Range<P>>,
    /// Chunks that ran at that moment and failed as well, in time order: at most one per thread.
    pub also_failed: Vec<FailedChunk<E, P>>,
    /// What chunks that succeeded did, and nobody has undone unless it is in `undone`.
    pub completed: Vec<Range<P>>,
    /// What `undo` was called with: nothing without one, else all of `completed` and the finished
    /// prefixes.
    pub undone: Vec<Range<P>>,
    /// What no chunk began.
    pub not_started: Vec<Range<P>>,
    /// Counts, as for a job that completes.
    pub report: Report,
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(error) => error.fmt(f),
            Failure::Panic(panic) => write!(f, "panic: {}", panic.message()),
            Failure::Cancelled => f.write_str("cancelled"),
            Failure::Deadline => f.write_str("the deadline has passed"),
            Failure::NoSuchPosition => f.write_str("the job ends after the last position"),
        }
    }
}

impl<E: fmt::Display, P: fmt::Debug> fmt::Display for JobError<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "the job failed at {at:?}: {}", self.first),
            None => write!(f, "the job stopped: {}", self.first),
        }?;
        match self.also_failed.len() {
            0 => Ok(()),
            1 => f.write_str(" (and 1 more chunk)"),
            more => write!(f, " (and {more} more chunks)"),
        }
    }
}

impl<E: Error + 'static, P: fmt::Debug> Error for JobError<E, P> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.first {
            Failure::Error(error) => Some(error),
            _ => None,
        }
    }
}

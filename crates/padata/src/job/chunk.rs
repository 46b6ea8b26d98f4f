//! One chunk, as the job's function sees it.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use super::cancel::Control;
use super::position::Distance;
use crate::topology::NodeId;

/// A piece of a job: the positions from `start` to before `end`. The job's function is called
/// with each of them once.
pub struct Chunk<'c, P> {
    pub(crate) range: Range<P>,
    pub(crate) units: u64,
    pub(crate) part: usize,
    pub(crate) node: Option<NodeId>,
    pub(crate) worker: usize,
    pub(crate) progress: &'c Progress,
    pub(crate) control: &'c Control,
}

/// What the function has said about its chunk.
#[derive(Default)]
pub(crate) struct Progress {
    /// Units from the start that are done, should the chunk fail.
    done: Cell<u64>,
    /// Units from the start that this thread keeps; the rest is given back.
    kept: Cell<Option<u64>>,
}

impl Progress {
    /// Units to be undone if the chunk of `units` units fails.
    pub(crate) fn done(&self, units: u64) -> u64 {
        self.done.get().min(units)
    }

    /// How many of `units` units the function has kept.
    pub(crate) fn kept(&self, units: u64) -> u64 {
        self.kept.get().map_or(units, |kept| kept.min(units))
    }
}

impl<P> Chunk<'_, P> {
    /// The first position.
    #[must_use]
    pub fn start(&self) -> &P {
        &self.range.start
    }

    /// The position after the last one.
    #[must_use]
    pub fn end(&self) -> &P {
        &self.range.end
    }

    /// The positions, as a range; over integers that is an iterator.
    #[must_use]
    pub fn range(&self) -> Range<P>
    where
        P: Clone,
    {
        self.range.clone()
    }

    /// The number of units; never 0.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.units
    }

    /// The index of the part that the chunk belongs to; 0 for a job of one range.
    #[must_use]
    pub fn part(&self) -> usize {
        self.part
    }

    /// The node that the part was given.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// Which of the job's threads this is: 0 for the caller, then in the order in which helpers
    /// came. A helper that left and came back has a new number.
    #[must_use]
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Says that the first `units` units are done, and are to be undone if the chunk fails after
    /// that, by error or by panic. What a chunk did beyond that it has to clean up itself before
    /// it fails. Without a word, all of it. Nothing to say for a chunk that succeeds.
    pub fn done_units(&self, units: u64) {
        self.progress.done.set(units.min(self.units));
    }

    /// As [`Chunk::done_units`], for all units before `position`.
    pub fn done_to(&self, position: P)
    where
        P: Distance,
    {
        self.done_units(position.units_since(&self.range.start).unwrap_or(0));
    }

    /// Whether the job is stopping: a chunk has failed, somebody has cancelled, or the deadline
    /// has passed. A function whose chunks are long can look and return an error of its own,
    /// after [`Chunk::done_units`], or [give back](Chunk::give_back) what it has not begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.control.is_stopped() || self.control.interrupt().is_some()
    }

    /// Whether the caller has nothing left to do and waits: it would run the rest of this chunk,
    /// at its own priority. A function whose units are long can look between them, and
    /// [give back](Chunk::give_back) the rest.
    #[must_use]
    pub fn is_wanted_back(&self) -> bool {
        self.control.is_hungry() && self.worker != 0
    }

    /// Keeps the first `units` units, which the function does before it returns, and hands
    /// back the rest: the caller runs it next, in one chunk, unless the job stops before; then it
    /// counts as not started. In the caller itself, giving back all of a chunk gets the same chunk
    /// again.
    pub fn give_back(&self, units: u64) {
        self.progress.kept.set(Some(units.min(self.units)));
    }
}

impl<P: fmt::Debug> fmt::Debug for Chunk<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("range", &self.range)
            .field("units", &self.units)
            .field("part", &self.part)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

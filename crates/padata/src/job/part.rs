//! The parts of a job, and what is measured of it.

use crate::topology::NodeId;
use crate::trace::Trace;

/// A stretch of a job's work: `units` units from `start` on, near a NUMA node or anywhere. It may
/// be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<P> {
    /// The first position.
    pub start: P,
    /// How many units there are.
    pub units: u64,
    /// The node whose CPUs should work at it, as a rule because its memory is there.
    pub node: Option<NodeId>,
}

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) name: &'static str,
    pub(crate) stats: bool,
    pub(crate) trace: Option<&'a Trace>,
}

impl Watch<'_> {
    pub(crate) fn is_timed(&self) -> bool {
        self.stats || self.trace.is_some()
    }
}

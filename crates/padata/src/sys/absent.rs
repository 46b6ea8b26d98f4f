//! What stands in for the system calls under a model checker and on systems other than Linux:
//! threads have no place and no priority, and memory is populated by touching it.

use std::io;
use std::mem::MaybeUninit;

use super::{MemoryPolicy, Priority};
use crate::topology::{CpuId, CpuSet, NodeId};

/// A thread; there is nothing to know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tid(());

impl Tid {
    pub(crate) fn to_word(self) -> usize {
        1
    }

    pub(crate) fn from_word(_: usize) -> Self {
        Tid(())
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

/// In a model every thread may be raised, so that the protocol around it is what runs.
fn modelled() -> io::Result<()> {
    if cfg!(any(loom, shuttle)) { Ok(()) } else { unsupported() }
}

pub(crate) fn this_thread() -> Tid {
    Tid(())
}

pub(crate) fn this_cpu() -> Option<CpuId> {
    None
}

pub(crate) fn affinity() -> io::Result<CpuSet> {
    unsupported()
}

pub(crate) fn set_affinity(_: &CpuSet) -> io::Result<()> {
    unsupported()
}

pub(crate) fn memory_policy() -> io::Result<MemoryPolicy> {
    unsupported()
}

pub(crate) fn set_memory_policy(_: &MemoryPolicy) -> io::Result<()> {
    unsupported()
}

pub(crate) fn priority() -> Priority {
    Priority::default()
}

pub(crate) fn lower(_: bool) -> io::Result<()> {
    modelled()
}

pub(crate) fn raise(_: Tid, _: Priority) -> io::Result<()> {
    modelled()
}

pub(crate) fn page_size() -> usize {
    4096
}

pub(crate) fn populate(_: &mut [u8]) -> io::Result<()> {
    unsupported()
}

pub(crate) fn lock(_: &[u8]) -> io::Result<()> {
    unsupported()
}

pub(crate) fn unlock(_: &[u8]) -> io::Result<()> {
    unsupported()
}

pub(crate) fn prefer_node(_: &mut [MaybeUninit<u8>], _: NodeId) -> io::Result<()> {
    unsupported()
}

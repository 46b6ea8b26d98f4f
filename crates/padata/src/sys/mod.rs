//! What padata asks of the operating system beside threads: the CPUs, the memory policy and the
//! priority of one thread, and whole ranges of memory.
//!
//! On Linux these are system calls (`linux`). Under a model checker, and on other systems, they
//! do nothing (`absent`): threads run anywhere at one priority, and memory is populated by
//! touching it. Every caller treats each of these as a wish that may be refused.

#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
#[path = "linux.rs"]
mod imp;
#[cfg(not(all(target_os = "linux", not(any(loom, shuttle)))))]
#[path = "absent.rs"]
mod imp;

pub(crate) use imp::*;

/// How a thread's memory is placed: `mode` and node mask of `set_mempolicy(2)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryPolicy {
    /// The mode with its flags; 0 is the default policy, the node of the CPU that touches.
    mode: i32,
    /// The mask of nodes, without zero words at the end.
    nodes: Vec<u64>,
}

#[cfg(all(test, target_os = "linux", not(any(loom, shuttle))))]
impl MemoryPolicy {
    /// Memory from node 0, if it has some.
    pub(crate) fn preferring_node_0() -> Self {
        MemoryPolicy { mode: libc::MPOL_PREFERRED, nodes: vec![1] }
    }
}

/// A thread's place in the order of who runs first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Priority {
    /// `SCHED_OTHER` (0), `SCHED_BATCH`, `SCHED_IDLE` or a real-time policy.
    policy: i32,
    /// From -20, first, to 19, last.
    nice: i32,
}

/// The number of nodes that masks have room for: the kernel's largest `MAX_NUMNODES`.
#[cfg_attr(any(loom, shuttle), expect(dead_code, reason = "the models have no nodes"))]
const NODES_MAX: usize = 1024;

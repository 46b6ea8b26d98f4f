//! Where helpers run: what a caller hands on to its helpers, and what a pool makes of it.
//!
//! A helper lives longer than a job, so it cannot inherit what a new thread inherits from the
//! thread that starts it. It takes over the caller's CPUs and memory policy when it sits down.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use crate::sync::Arc;
use crate::sys::{self, MemoryPolicy};
use crate::topology::{CpuId, CpuSet, Topology};

/// What a caller brings along: where it may run itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// The caller's CPUs; nothing if the system does not say.
    pub(crate) cpus: Option<CpuSet>,
    /// The CPU that the caller runs on at the moment.
    pub(crate) here: Option<CpuId>,
    memory: Option<MemoryPolicy>,
    /// Threads that the job can use, the caller included, if the pool has them.
    wanted: usize,
}

impl Wish {
    /// What the calling thread hands on to helpers of a job that can use `wanted` threads.
    pub(crate) fn of_this_thread(wanted: usize) -> Self {
        Wish {
            cpus: sys::affinity().ok(),
            here: sys::this_cpu(),
            // Sandboxes forbid this call; then there is nothing to hand on.
            memory: sys::memory_policy().ok(),
            wanted,
        }
    }

    /// Whether the job has fewer threads than the caller has CPUs, so that it matters which, in a
    /// pool of so many threads.
    pub(super) fn leaves_cpus_free(&self, threads: NonZeroUsize) -> bool {
        self.cpus.as_ref().is_some_and(|cpus| self.wanted.min(threads.get()) < cpus.len())
    }
}

/// Where the helpers of a job run, and where their memory comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    cpus: Option<CpuSet>,
    memory: Option<MemoryPolicy>,
}

impl Placement {
    /// `wish` within the CPUs of the pool; these do not count if the caller may use none of them.
    /// A job that leaves CPUs free uses cores of its own before siblings of other threads.
    pub(super) fn within(
        wish: &Wish,
        pool: Option<&CpuSet>,
        topology: Option<&Topology>,
        threads: NonZeroUsize,
    ) -> Self {
        let allowed = wish.cpus.as_ref().map(|cpus| within(cpus, pool));
        let cpus = allowed.map(|allowed| match topology {
            Some(topology) => topology.spread(&allowed, wish.wanted.min(threads.get()), wish.here),
            None => allowed,
        });
        Placement { cpus, memory: wish.memory.clone() }
    }
}

/// `cpus` within `bounds`, or all of `cpus` if there is no bound or none within it.
fn within(cpus: &CpuSet, bounds: Option<&CpuSet>) -> CpuSet {
    match bounds.map(|bounds| cpus.intersection(bounds)) {
        Some(common) if !common.is_empty() => common,
        _ => cpus.clone(),
    }
}

/// A helper's place, as far as it is known. Belongs to one thread.
#[derive(Default)]
pub(crate) struct Place {
    /// Where the job that the helper sits at wants it.
    wanted: RefCell<Arc<Placement>>,
    /// The CPUs near the part that the helper works at, if it went there.
    near: RefCell<Option<CpuSet>>,
    /// What was last set on this thread; nothing before the first time.
    cpus: RefCell<Option<CpuSet>>,
    memory: RefCell<Option<MemoryPolicy>>,
}

impl Place {
    /// Takes over a job's placement. Refusals are no error: a thread that runs elsewhere is
    /// slower, not wrong.
    pub(crate) fn take_over(&self, placement: &Arc<Placement>) {
        self.near.replace(None);
        self.follow(placement);
    }

    /// Takes over what has changed of the placement of the job where the helper is.
    pub(crate) fn follow(&self, placement: &Arc<Placement>) {
        self.wanted.replace(Arc::clone(placement));
        self.settle();
        if let Some(memory) = &placement.memory
            && self.memory.borrow().as_ref() != Some(memory)
            && sys::set_memory_policy(memory).is_ok()
        {
            self.memory.replace(Some(memory.clone()));
        }
    }

    pub(crate) fn is_at(&self, placement: &Arc<Placement>) -> bool {
        Arc::ptr_eq(&self.wanted.borrow(), placement)
    }

    /// Goes to those of `cpus` where the job may run, or to all of the job's CPUs.
    pub(crate) fn move_to(&self, cpus: Option<&CpuSet>) -> bool {
        self.near.replace(cpus.cloned());
        self.settle()
    }

    fn settle(&self) -> bool {
        let wanted = self.wanted.borrow();
        let Some(allowed) = &wanted.cpus else { return false };
        let target = within(allowed, self.near.borrow().as_ref());
        if self.cpus.borrow().as_ref() == Some(&target) {
            return true;
        }
        let moved = sys::set_affinity(&target).is_ok();
        // After a refusal nobody knows where the thread may run.
        self.cpus.replace(moved.then_some(target));
        moved
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn set(list: &str) -> CpuSet {
        list.parse().expect("a list of CPUs")
    }

    fn placed(caller: &str, pool: Option<&str>, threads: usize) -> String {
        let wish = Wish { cpus: Some(set(caller)), here: None, memory: None, wanted: threads };
        let pool = pool.map(set);
        let threads = NonZeroUsize::new(threads).expect("not 0");
        Placement::within(&wish, pool.as_ref(), None, threads)
            .cpus
            .expect("the caller has CPUs")
            .to_string()
    }

    #[test]
    fn helpers_stay_within_caller_and_pool() {
        assert_eq!(placed("0-7", None, 2), "0-7");
        assert_eq!(placed("0-3", Some("2-9"), 2), "2-3");
        assert_eq!(placed("0-3", Some("4-9"), 2), "0-3", "a pool elsewhere does not count");
    }

    #[test]
    fn the_topology_matters_when_cpus_stay_free() {
        let frees = |wanted, threads| {
            let wish = Wish { cpus: Some(set("0-3")), wanted, ..Wish::default() };
            wish.leaves_cpus_free(NonZeroUsize::new(threads).unwrap())
        };
        assert!(frees(3, 9) && frees(9, 3));
        assert!(!frees(4, 4) && !frees(9, 9));
    }

    /// A helper near its part stays there when the CPUs of the pool change, within the new ones.
    #[test]
    fn a_change_of_cpus_leaves_helpers_on_their_node() {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let Ok(all) = sys::affinity() else { return };
                let first: CpuSet = all.iter().take(1).collect();
                let placement = || Arc::new(Placement { cpus: Some(all.clone()), memory: None });
                let place = Place::default();
                place.take_over(&placement());
                assert!(place.move_to(Some(&first)));
                place.follow(&placement());
                assert_eq!(sys::affinity().unwrap(), first);
                place.take_over(&placement());
                assert_eq!(sys::affinity().unwrap(), all);
            });
        });
    }
}

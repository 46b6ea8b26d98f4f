//! Helpers at the lowest priority, and raising them one at a time: ktask's "will".
//!
//! The kernel numbers threads, and uses a number again when its thread has ended. Only the
//! helpers of a job may ever be raised, so the caller must not pass the kernel the number of a
//! helper that is gone. [`Standing`] is the one word that sees to it; see `PROTOCOL.md`.

use crate::sync::{self, Arc, AtomicUsize, Ordering};
use crate::sys::Tid;

/// The priority of a job's helpers. The caller always keeps its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nice {
    /// The helpers of the pool, at the priority at which they were started.
    #[default]
    Inherit,
    /// Helpers of the job's own, at nice 19: beside one busy thread of the default priority they
    /// get about 1.4 % of a CPU, what is idle they get wholly.
    Max,
    /// Helpers of the job's own under `SCHED_IDLE`: about 0.3 % of a CPU beside a busy thread.
    Idle,
}

/// What happens when the caller has run out of chunks while helpers of lower priority still have
/// some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Raise {
    /// The caller raises them to its own priority one at a time, and waits for each before it
    /// raises the next. So the job is never slower than the caller alone, and takes hardly more
    /// from others: one helper at a time has the caller's priority.
    ///
    /// Where the process may not raise threads ([`Pool::raise_supported`](crate::Pool::raise_supported)),
    /// helpers take small chunks instead, so that little is left to wait for, and a
    /// chunk that asks [`Chunk::is_wanted_back`](super::Chunk::is_wanted_back) can hand over
    /// the rest of itself.
    #[default]
    OneByOne,
    /// Nothing: the caller waits for as long as the helpers need.
    None,
}

/// Not begun.
const OUTSIDE: usize = 0;
/// At work, alive: may be raised.
const INSIDE: usize = 1;
/// Being raised: stays until that is over.
const RAISING: usize = 2;
/// Gone, or about to go: never to be touched again.
const GONE: usize = 3;

/// Whether one helper can be raised.
pub(crate) struct Standing {
    state: AtomicUsize,
    /// The kernel's number of the helper, from when it is inside.
    tid: AtomicUsize,
}

impl Standing {
    pub(crate) fn new() -> Self {
        Standing { state: AtomicUsize::new(OUTSIDE), tid: AtomicUsize::new(0) }
    }

    /// The helper, before it begins to work.
    pub(crate) fn enter(&self, thread: Tid) {
        // Published by the store after it.
        self.tid.store(thread.to_word(), Ordering::Relaxed);
        self.state.store(INSIDE, Ordering::Release);
    }

    /// The helper, when it has left its work: from here on nobody raises it.
    pub(crate) fn leave(&self) {
        // Acquire: a raise that has been happens before we end. Release: who sees that the helper
        // is gone sees what it did.
        while self
            .state
            .compare_exchange(INSIDE, GONE, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            // The caller runs at its normal priority and is in the middle of one system call.
            sync::yield_now();
        }
    }

    /// The caller: runs `raise` on the helper if it is inside, and keeps it from ending meanwhile.
    pub(crate) fn raise<R>(&self, raise: impl FnOnce(Tid) -> R) -> Option<R> {
        // Acquire: the number was written before the helper was inside.
        self.state.compare_exchange(INSIDE, RAISING, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let result = raise(Tid::from_word(self.tid.load(Ordering::Relaxed)));
        // Release: the call above happens before the helper ends.
        self.state.store(INSIDE, Ordering::Release);
        Some(result)
    }

    pub(crate) fn is_inside(&self) -> bool {
        self.state.load(Ordering::Acquire) == INSIDE
    }
}

/// The helpers of one job of low priority, and which of them is raised.
pub(crate) struct NiceCrew {
    pub(crate) standings: Vec<Arc<Standing>>,
    /// Whether to raise them.
    pub(crate) raise: bool,
    /// The number of helpers before the one that is raised at present.
    next: usize,
    pub(crate) raised: usize,
    pub(crate) refused: bool,
}

impl NiceCrew {
    pub(crate) fn new(helpers: usize, raise: bool) -> Self {
        let standings = (0..helpers).map(|_| Arc::new(Standing::new())).collect();
        NiceCrew { standings, raise, next: 0, raised: 0, refused: false }
    }

    /// Whether the job has helpers of its own at all.
    pub(crate) fn is_there(&self) -> bool {
        !self.standings.is_empty()
    }

    /// The helper that is raised: the one before if it is still inside, else the next one, which
    /// `raise` raises now; nothing if nobody is left, or if raising is not wanted or refused.
    pub(crate) fn raise_next(
        &mut self,
        raise: impl Fn(Tid) -> std::io::Result<()>,
    ) -> Option<&Standing> {
        if !self.raise || self.refused {
            return None;
        }
        if self.next > 0 && self.standings[self.next - 1].is_inside() {
            return Some(&self.standings[self.next - 1]);
        }
        while let Some(standing) = self.standings.get(self.next) {
            self.next += 1;
            match standing.raise(&raise) {
                None => {}
                Some(Ok(())) => {
                    self.raised += 1;
                    return Some(standing);
                }
                Some(Err(_)) => {
                    self.refused = true;
                    return None;
                }
            }
        }
        None
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sys;

    fn inside(crew: &NiceCrew) {
        crew.standings.iter().for_each(|standing| standing.enter(sys::this_thread()));
    }

    #[test]
    fn one_at_a_time() {
        let mut crew = NiceCrew::new(3, true);
        inside(&crew);
        let first = Arc::clone(&crew.standings[0]);
        assert!(std::ptr::eq(crew.raise_next(|_| Ok(())).unwrap(), &*first));
        assert!(std::ptr::eq(crew.raise_next(|_| panic!("still there")).unwrap(), &*first));
        first.leave();
        crew.standings[1].leave();
        let last = Arc::clone(&crew.standings[2]);
        assert!(std::ptr::eq(crew.raise_next(|_| Ok(())).unwrap(), &*last));
        assert_eq!(crew.raised, 2, "the one that had gone was not");
        last.leave();
        assert!(crew.raise_next(|_| Ok(())).is_none());
    }

    #[test]
    fn a_refusal_is_remembered() {
        let mut crew = NiceCrew::new(2, true);
        inside(&crew);
        assert!(crew.raise_next(|_| Err(std::io::ErrorKind::PermissionDenied.into())).is_none());
        assert!(crew.raise_next(|_| panic!("not again")).is_none());
        assert!(crew.refused);
    }

    #[test]
    fn nobody_outside_is_raised() {
        let mut crew = NiceCrew::new(1, true);
        assert!(crew.raise_next(|_| panic!("not inside")).is_none());
    }
}

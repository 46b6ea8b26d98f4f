//! How many threads a pool has at the moment: a number, or what the machine gives the caller.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::sync::{self, Mutex};
use crate::sys;
use crate::topology::cgroup::{self, CpuLimits};
use crate::topology::threads;

/// The number of threads that can run at once in this process: the CPUs of the calling thread's
/// affinity mask, or fewer when a cgroup CPU quota allows fewer (its whole CPUs), never below 1.
///
/// It is read from the system at each call and does not follow later changes.
/// [`Pool::auto`](crate::Pool::auto) does.
///
/// ```
/// let pool = padata::Pool::new(padata::available_threads());
/// assert!(pool.threads().get() >= 1);
/// ```
#[must_use]
pub fn available_threads() -> NonZeroUsize {
    let limits = cgroup::read(Path::new("/"));
    threads(sys::affinity().ok().as_ref(), &limits, sync::fallback_parallelism())
}

/// How many threads a pool wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// As many as its owner says.
    Exactly(NonZeroUsize),
    /// As many as can run at once, when a job begins.
    Available,
}

/// The limits of control groups, read again when they are older than this: a quota changes
/// rarely, and a job may be short.
const LIMITS_AGE_MAX: Duration = Duration::from_secs(1);

/// Remembers the limits of control groups.
pub(super) struct LimitsCache(Mutex<Option<(Instant, CpuLimits)>>);

impl LimitsCache {
    pub(super) fn new() -> Self {
        LimitsCache(Mutex::new(None))
    }

    /// The threads that can run at once, by the affinity of the calling thread, read now, and
    /// the limits of its control groups below `root`, read at most a second ago.
    pub(super) fn available(&self, root: &Path) -> NonZeroUsize {
        let affinity = sys::affinity().ok();
        let mut cached = sync::lock(&self.0);
        let is_fresh = |(read, _): &&(Instant, CpuLimits)| read.elapsed() < LIMITS_AGE_MAX;
        let limits = match cached.as_ref().filter(is_fresh) {
            Some((_, limits)) => limits,
            None => &cached.insert((Instant::now(), cgroup::read(root))).1,
        };
        threads(affinity.as_ref(), limits, sync::fallback_parallelism())
    }
}

//! How many threads this process can use at once.

use std::num::NonZeroUsize;

use crate::sync;

/// The number of threads that can run at once in this process: the CPUs of the calling thread's
/// affinity mask, or fewer when a cgroup CPU quota allows fewer (its whole CPUs), never below 1.
///
/// It is read from the system at each call and does not follow later changes.
///
/// ```
/// let pool = padata::Pool::new(padata::available_threads());
/// assert!(pool.threads().get() >= 1);
/// ```
#[must_use]
pub fn available_threads() -> NonZeroUsize {
    // The standard library knows the mask and the quota of every cgroup above us; an error means
    // that the platform cannot tell, and one thread always works.
    sync::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    #[test]
    fn agrees_with_the_standard_library() {
        let known = crate::sync::available_parallelism().map_or(1, usize::from);
        assert_eq!(super::available_threads().get(), known);
    }
}

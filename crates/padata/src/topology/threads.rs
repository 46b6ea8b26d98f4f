//! How many threads fit into what the system leaves us.

use std::num::NonZeroUsize;

use super::CpuSet;
use super::cgroup::{CpuLimits, Quota};

/// The number of threads that can run at once: the CPUs that are in the affinity mask and in the
/// cgroup's cpuset, or fewer when the quota pays for fewer (its whole CPUs), never below 1.
///
/// `fallback` is the number of CPUs where the mask is unknown or empty. A cpuset that leaves
/// nothing is ignored: it and the mask were read at different moments, and we do run somewhere.
#[allow(dead_code, reason = "available_threads will call it")]
pub(crate) fn threads(
    affinity: Option<&CpuSet>,
    limits: &CpuLimits,
    fallback: NonZeroUsize,
) -> NonZeroUsize {
    let cpuset = limits.cpuset.as_ref();
    let cpus = match affinity.and_then(count) {
        Some(mask) => {
            let both = affinity.zip(cpuset).map(|(mask, cpuset)| mask.intersection(cpuset));
            both.as_ref().and_then(count).unwrap_or(mask)
        }
        None => cpuset.and_then(count).map_or(fallback, |cpuset| cpuset.min(fallback)),
    };
    limits.quota.map_or(cpus, |quota| Quota::cpus(quota).min(cpus))
}

fn count(cpus: &CpuSet) -> Option<NonZeroUsize> {
    NonZeroUsize::new(cpus.len())
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows #[test] alone")]

    use std::num::NonZeroU64;

    use super::*;

    /// `quota` is in tenths of a CPU.
    fn limits(quota: Option<u64>, cpuset: Option<&str>) -> CpuLimits {
        let period = NonZeroU64::new(100_000).unwrap();
        CpuLimits {
            quota: quota.map(|tenths| Quota::new(tenths * 10_000, period)),
            cpuset: cpuset.map(|list| list.parse().unwrap()),
        }
    }

    fn with(affinity: Option<&str>, limits: CpuLimits) -> usize {
        let affinity: Option<CpuSet> = affinity.map(|list| list.parse().unwrap());
        threads(affinity.as_ref(), &limits, NonZeroUsize::new(6).unwrap()).get()
    }

    #[test]
    fn the_least_of_mask_cpuset_and_quota() {
        assert_eq!(with(Some("0-7"), limits(None, None)), 8);
        assert_eq!(with(Some("0-7"), limits(None, Some("4-11"))), 4);
        assert_eq!(
            with(Some("0-7"), limits(Some(39), Some("4-11"))),
            3,
            "3.9 CPUs are 3 whole ones"
        );
        assert_eq!(with(Some("0-7"), limits(Some(160), None)), 8);
        assert_eq!(with(Some("0-7"), limits(Some(2), None)), 1);
    }

    #[test]
    fn a_cpuset_elsewhere_is_ignored() {
        assert_eq!(with(Some("0-3"), limits(None, Some("4-5"))), 4);
        assert_eq!(with(Some("0-3"), limits(None, Some(""))), 4);
    }

    #[test]
    fn unknown_mask() {
        assert_eq!(with(None, limits(None, None)), 6);
        assert_eq!(with(None, limits(None, Some("0-1"))), 2);
        assert_eq!(with(None, limits(None, Some("0-63"))), 6);
        assert_eq!(with(None, limits(None, Some(""))), 6);
        assert_eq!(with(Some(""), limits(Some(25), None)), 2);
    }
}

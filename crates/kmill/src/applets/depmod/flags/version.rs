//! What depmod accepts as a kernel version: whatever `sscanf` reads two numbers from.

use modindex::scan;

/// Whether glibc's `sscanf(version, "%u.%u", …)` converts both numbers.
///
/// That is laxer than it looks: each number may have white space and a sign before it, may be too
/// large, and what follows the second is not looked at. `6.1-rc1` and ` -6. +1x` pass; `6` and
/// `v6.1` do not.
pub(crate) fn is_version_number(version: &[u8]) -> bool {
    let behind = |text| scan::unsigned(text).map(|(_, rest)| rest);
    behind(version).and_then(|rest| rest.strip_prefix(b".")).and_then(behind).is_some()
}

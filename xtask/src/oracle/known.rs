//! The differences from the reference that are meant. Each has a heading in COMPAT.md.

use super::compare::{Difference, Part};
use super::run::Outcome;
use crate::files::glob;

/// One deliberate difference.
#[derive(Debug)]
pub(super) struct Known {
    /// Which cases show it.
    pub(super) case: &'static str,
    /// What may differ there, and nothing else: `status`, `stdout`, `stderr`, `files`.
    pub(super) parts: &'static [&'static str],
    /// The heading's anchor in COMPAT.md.
    pub(super) compat: &'static str,
}

/// kmod stops half way; we go on, or do not begin.
const HALF_WAY: &[&str] = &["status", "stderr", "files"];

const FAILS: &str = "where-kmod-fails-without-saying-so";
const ABORTS: &str = "where-kmod-aborts-hangs-or-reads-what-is-not-there";
const DEPENDS: &str = "where-kmods-result-depends-on-the-file-system-or-the-machine";
const WRONG: &str = "where-kmod-is-wrong";
const MORE: &str = "where-we-say-or-take-more";

const fn known(case: &'static str, parts: &'static [&'static str], compat: &'static str) -> Known {
    Known { case, parts, compat }
}

pub(super) const KNOWN: &[Known] = &[
    known("options/version *", &["stdout"], MORE),
    known("options/help *", &["stdout"], MORE),
    known("options/posix-version *", &["stdout"], MORE),
    known("options/posix-help *", &["stdout"], MORE),
    // kmod goes by the time of modules.dep alone.
    known("options/quick-newer", &["files"], FAILS),
    known("damage/zst/concatenated", &["stderr", "files"], WRONG),
    known("damage/zst/nocontentsize", &["stderr", "files"], WRONG),
    known("lists/*/not-ascii", HALF_WAY, ABORTS),
    known("walk/*/not-ascii", HALF_WAY, ABORTS),
    known("modinfo/not-ascii/plain", HALF_WAY, ABORTS),
    known("modinfo/not-ascii/warned", HALF_WAY, ABORTS),
    known("symbols/not-ascii/*", HALF_WAY, ABORTS),
    known("walk/loop/root", &["stderr"], ABORTS),
    // The name of kmod's temporary file is another one each time.
    known("walk/over/directory", &["stderr", "files"], FAILS),
    // A symbol without a name makes kmod give up half way ("Cannot allocate memory").
    known("symbols/empty-name/*", HALF_WAY, FAILS),
    // Directories where files should be: kmod reads them as empty, or stops half way.
    known("options/line ~ -F {root}", HALF_WAY, FAILS),
    known("options/line ~ -E {root}", HALF_WAY, FAILS),
    known("lists/directory/modules.builtin.modinfo", HALF_WAY, FAILS),
    // libkmod looks at the last run's files as if it were modprobe, and complains of them.
    known("walk/over/modules.weakdep", &["stderr"], WRONG),
    // A retry of kmod's begins at what looks like another xz file within the damaged one.
    known("damage/xz/large/again-at-8192", &["stderr"], WRONG),
    known("damage/xz/large/again-at-16384", &["stderr"], WRONG),
    // In the order of the directory.
    known("config/names", &["stderr"], DEPENDS),
];

/// What became of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Equal,
    /// Differs as COMPAT.md says under this anchor.
    Known(&'static str),
    /// Differs, and should not.
    Different,
    /// COMPAT.md says that it differs, but it does not.
    Stale(&'static str),
}

pub(super) fn judge(
    case: &str,
    reference: &Outcome,
    ours: &Outcome,
    differences: &[Difference],
) -> Verdict {
    // Where the reference dies of a signal, whatever we do instead is better, if it is not that.
    // One that prints without end dies of it as well: nobody reads on.
    if reference.crashed && !ours.crashed && ours.status != "hang" {
        return Verdict::Known(ABORTS);
    }
    let Some(known) = KNOWN.iter().find(|known| glob(known.case, case)) else {
        return if differences.is_empty() { Verdict::Equal } else { Verdict::Different };
    };
    let meant = |difference: &Difference| {
        known.parts.contains(&match difference.part {
            Part::Status => "status",
            Part::Stdout => "stdout",
            Part::Stderr => "stderr",
            Part::File(_) => "files",
        })
    };
    match differences {
        [] => Verdict::Stale(known.compat),
        _ if differences.iter().all(meant) => Verdict::Known(known.compat),
        _ => Verdict::Different,
    }
}

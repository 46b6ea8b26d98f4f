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

pub(super) const KNOWN: &[Known] = &[
    Known { case: "options/version*", parts: &["stdout"], compat: "version-text" },
    Known { case: "options/help*", parts: &["stdout"], compat: "help-text" },
];

/// Where the reference dies of a signal, whatever we do instead is better, if it is not that.
pub(super) const CRASH: &str = "reference-crashes";

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
    if reference.crashed && !ours.crashed && ours.status != "hang" {
        return Verdict::Known(CRASH);
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

//! What the demo indexes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A tree of modules.
#[derive(Debug)]
pub(super) struct Subject {
    /// What it is, for people.
    pub(super) what: String,
    pub(super) root: PathBuf,
    pub(super) version: OsString,
    /// depmod.d of the tree; None: the host's.
    pub(super) config: Option<PathBuf>,
    /// Where a made-up tree lies for as long as it is needed.
    pub(super) _temporary: Option<TempDir>,
}

/// Where a kernel's modules lie below a root.
pub(super) fn below(root: &Path, subject: &Subject) -> PathBuf {
    root.join("lib/modules").join(&subject.version)
}

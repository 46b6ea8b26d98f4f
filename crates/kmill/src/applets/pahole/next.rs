//! The next `pahole`: the first program of that name in PATH that is not this one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Says to another copy of this program that it was called in this way: two copies in PATH must not
/// call each other for ever.
const CALLED: &str = "KMILL_NEXT_PAHOLE";

/// Becomes the next pahole; returns only if that cannot be, and then why.
pub(super) fn exec(args: &[OsString]) -> String {
    let own = fs::metadata("/proc/self/exe").ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let next = match std::env::var_os(CALLED) {
        None => find(&path, own.as_ref()),
        Some(_) => None,
    };
    match next {
        Some(next) => {
            let error = Command::new(&next).args(args).env(CALLED, "1").exec();
            format!("{}: running it: {error}", next.display())
        }
        None => "kmill only encodes (-J, --btf_encode_detached), and there is no other pahole in \
                 PATH for the rest"
            .to_owned(),
    }
}

fn find(path: &OsStr, own: Option<&Metadata>) -> Option<PathBuf> {
    std::env::split_paths(path).map(|dir| dir.join("pahole")).find(|candidate| {
        // Follows links: we may be called by one.
        fs::metadata(candidate).is_ok_and(|found| {
            let is_own =
                own.is_some_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()));
            found.is_file() && found.permissions().mode() & 0o111 != 0 && !is_own
        })
    })
}

//! Debian's kernel packages through apt: which there are, and how to get one.
//!
//! | file | holds |
//! |---|---|
//! | [`apt`] | which package, and its download |
//! | [`command`] | programs that are run, and found |
//! | [`error`] | one error type: a sentence, with what was being done in front |
//!
//! Used by `kmill demo --fetch` and by `cargo xtask kernels`.

pub mod apt;
pub mod command;
pub mod error;

use std::env;
use std::path::{Path, PathBuf};

use error::Result;

/// The cache directory that is given, or that the environment names: `KMILL_CACHE`,
/// or kmill below `XDG_CACHE_HOME` or `~/.cache`. It need not exist.
///
/// # Errors
/// The environment names none.
pub fn cache_dir(given: Option<&str>) -> Result<PathBuf> {
    let var = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let root = match given {
        Some(dir) => PathBuf::from(dir),
        None => match (var("KMILL_CACHE"), var("XDG_CACHE_HOME"), var("HOME")) {
            (Some(dir), _, _) => dir.into(),
            (None, Some(dir), _) => Path::new(&dir).join("kmill"),
            (None, None, Some(home)) => Path::new(&home).join(".cache/kmill"),
            (None, None, None) => return Err("no KMILL_CACHE, XDG_CACHE_HOME or HOME".into()),
        },
    };
    Ok(std::path::absolute(root)?)
}

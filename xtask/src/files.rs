//! Walking, linking and measuring directories.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::error::Context;

/// Every file and link below `dir`, as paths relative to it, sorted.
pub(crate) fn walk(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(walk_all(dir)?.0)
}

/// The same, and every directory, parents first.
pub(crate) fn walk_all(dir: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut files, mut dirs) = (Vec::new(), Vec::new());
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let here = dir.join(&relative);
        for entry in fs::read_dir(&here).context(|| format!("reading {}", here.display()))? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            // A link to a directory is listed, not followed.
            if entry.file_type()?.is_dir() {
                dirs.push(path.clone());
                pending.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    dirs.sort();
    Ok((files, dirs))
}

/// Gives every file below `from` a second name below `to`.
pub(crate) fn link_tree(from: &Path, to: &Path) -> Result<()> {
    for relative in walk(from)? {
        let (old, new) = (from.join(&relative), to.join(&relative));
        create_parent(&new)?;
        fs::hard_link(&old, &new).context(|| format!("linking {}", new.display()))?;
    }
    Ok(())
}

/// Makes the directory a file is to be in.
pub(crate) fn create_parent(file: &Path) -> Result<()> {
    match file.parent() {
        Some(parent) => {
            fs::create_dir_all(parent).context(|| format!("creating {}", parent.display()))
        }
        None => Ok(()),
    }
}

/// Removes a directory that may not be there.
pub(crate) fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("removing {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Whether `name` matches `pattern`, in which `*` stands for any characters.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, rest)) => name.strip_prefix(before).is_some_and(|tail| {
            let mut starts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            starts.any(|at| glob(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        assert!(glob("6.12*/xz", "6.12.1-amd64/xz"));
        assert!(glob("*", ""));
        assert!(glob("a*b*c", "a-b-b-c"));
        assert!(!glob("a*b", "a-b-c"));
        assert!(!glob("ab", "abc"));
    }
}

//! Which files are modules: a walk over a directory tree, without following a
//! loop. Entries are taken in byte order, so that what the walk says does not
//! depend on the file system.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::config::Changed;
use crate::diagnostic::{Diagnostic, Log, path_bytes};

/// A module file as the walk found it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Relative to the directory walked.
    pub(super) path: Box<[u8]>,
    /// Size in bytes; what weighs when modules are shared out.
    pub(super) bytes: u64,
    pub(super) changed: Changed,
}

/// How a module file may end. Longer ones first would make no difference: none
/// ends like another.
const EXTENSIONS: [&[u8]; 4] = [b".ko", b".ko.gz", b".ko.xz", b".ko.zst"];

/// Whether a file name is that of a module.
pub(super) fn is_module_name(name: &[u8]) -> bool {
    EXTENSIONS.iter().any(|end| name.len() > end.len() && name.ends_with(end))
}

/// Opens a directory to walk or to look files up in.
pub(super) fn open_dir(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// One directory of the walk that is not finished.
struct Level {
    dir: OwnedFd,
    id: (u64, u64),
    /// Entries to come, last first.
    entries: Vec<(CString, FileType)>,
    /// Length of its path, with a slash.
    prefix: usize,
}

/// Lists the module files below `root`, whose path is `root_path`.
pub(super) fn walk(
    root: OwnedFd,
    root_path: &Path,
    excludes: &[Box<[u8]>],
    log: &mut Log<'_>,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    let full = |path: &[u8], name: &[u8]| {
        [root_path.as_os_str().as_bytes(), b"/", path, name].concat().into_boxed_slice()
    };
    let mut levels: Vec<Level> = match enter(root, 0, excludes) {
        Ok(level) => vec![level],
        Err(errno) => {
            log(Diagnostic::OpenDir { path: path_bytes(root_path), errno });
            return found;
        }
    };
    while let Some(level) = levels.last_mut() {
        path.truncate(level.prefix);
        let Some((name, kind)) = level.entries.pop() else {
            levels.pop();
            continue;
        };
        // kmod's descriptors: 0 to 2 are taken, and every level holds one.
        let fd = levels.len() + 2;
        let Some(level) = levels.last() else { break };
        let bytes = name.as_bytes();
        let stat = || {
            rustix::fs::statat(&level.dir, &name, AtFlags::empty())
                .map_err(|errno| Diagnostic::Stat { fd, name: bytes.into(), errno })
        };
        let (kind, known) = match kind {
            FileType::RegularFile | FileType::Directory => (kind, None),
            _ => match stat() {
                Ok(stat) => (FileType::from_raw_mode(stat.st_mode), Some(stat)),
                Err(diagnostic) => {
                    log(diagnostic);
                    continue;
                }
            },
        };
        match (kind, known) {
            (FileType::Directory, _) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let dir = rustix::fs::openat(&level.dir, &name, flags, Mode::empty());
                let prefix = path.len() + bytes.len() + 1;
                match dir.and_then(|dir| enter(dir, prefix, excludes)) {
                    Ok(next) if levels.iter().any(|level| level.id == next.id) => {
                        log(Diagnostic::DirectoryLoop { path: full(&path, bytes) });
                    }
                    Ok(next) => {
                        path.extend_from_slice(bytes);
                        path.push(b'/');
                        levels.push(next);
                    }
                    Err(errno) => {
                        log(Diagnostic::OpenSubdir { fd, name: bytes.into(), errno });
                    }
                }
            }
            (FileType::RegularFile, known) => {
                if !is_module_name(bytes) {
                    continue;
                }
                match known.map_or_else(stat, Ok) {
                    Ok(stat) => found.push(Found {
                        path: [&path, bytes].concat().into(),
                        bytes: stat.st_size as u64,
                        changed: Changed::of(&stat),
                    }),
                    Err(diagnostic) => log(diagnostic),
                }
            }
            (_, Some(stat)) => {
                let mode = stat.st_mode & 0o170_000;
                log(Diagnostic::FileType { path: full(&path, bytes), mode });
            }
            (_, None) => {}
        }
    }
    found
}

/// Reads a directory's entries, but for those that are never looked at.
fn enter(dir: OwnedFd, prefix: usize, excludes: &[Box<[u8]>]) -> Result<Level, Errno> {
    let stat = rustix::fs::fstat(dir.as_fd())?;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.to_bytes();
        let skipped = matches!(bytes, b"." | b".." | b"build" | b"source")
            || excludes.iter().any(|word| **word == *bytes);
        if !skipped {
            entries.push((name.to_owned(), entry.file_type()));
        }
    }
    entries.sort_unstable_by(|a, b| b.0.cmp(&a.0));
    Ok(Level { id: (stat.st_dev, stat.st_ino), dir, entries, prefix })
}

//! Which files are modules: a walk over a directory tree, without following a
//! loop. Entries are taken in byte order, so that what the walk says does not
//! depend on the file system.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use crate::diagnostic::{Diagnostic, Log, path_bytes};

/// How a module file may end. None of these ends like another.
const EXTENSIONS: [&[u8]; 4] = [b".ko", b".ko.gz", b".ko.xz", b".ko.zst"];

/// Links to directories that are followed in one walk. Links may lead to links in
/// so many ways that a walk never ends, without a loop on any of them.
const LINKS_MAX: usize = 10_000;

/// Room for a directory's entries as the kernel lists them at a time.
const LISTING: usize = 32 << 10;

/// Whether a file name is that of a module.
fn is_module_name(name: &[u8]) -> bool {
    EXTENSIONS.iter().any(|end| name.len() > end.len() && name.ends_with(end))
}

/// Opens a directory to walk or to look files up in.
pub(super) fn open_dir(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, DIRECTORY, Mode::empty())
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An entry of a directory.
struct Entry {
    name: Box<[u8]>,
    kind: FileType,
}

/// One directory of the walk that is not finished.
struct Level {
    dir: OwnedFd,
    /// Entries to come, last first.
    entries: Vec<Entry>,
    /// Length of its path, with a slash.
    prefix: usize,
}

struct Walk<'a> {
    root: &'a Path,
    excludes: &'a [Box<[u8]>],
    /// The way down to the directory whose turn it is.
    levels: Vec<Level>,
    /// Its path below the root, with a slash.
    path: Vec<u8>,
    /// Links to directories that may still be followed.
    links_left: usize,
    /// Reused for every directory.
    listing: Vec<u8>,
    /// Paths of modules, relative to the root.
    found: Vec<Box<[u8]>>,
}

/// Lists the module files below `dir`, whose path is `root`; paths are relative to it.
pub(super) fn walk(
    dir: OwnedFd,
    root: &Path,
    excludes: &[Box<[u8]>],
    log: &mut Log<'_>,
) -> Vec<Box<[u8]>> {
    let mut walk = Walk {
        root,
        excludes,
        levels: Vec::new(),
        path: Vec::new(),
        links_left: LINKS_MAX,
        listing: Vec::with_capacity(LISTING),
        found: Vec::new(),
    };
    if let Err(errno) = walk.enter(dir, 0) {
        log(Diagnostic::OpenDir { path: path_bytes(root), errno });
    }
    while let Some(level) = walk.levels.last_mut() {
        walk.path.truncate(level.prefix);
        match level.entries.pop() {
            None => {
                walk.levels.pop();
            }
            Some(entry) => {
                if let Err(diagnostic) = walk.visit(&entry) {
                    log(diagnostic);
                }
            }
        }
    }
    walk.found
}

impl Walk<'_> {
    /// Looks at one entry of the last directory.
    fn visit(&mut self, Entry { name, kind }: &Entry) -> Result<(), Diagnostic> {
        // A link leads to what it points to; some file systems do not tell in a listing what
        // an entry is.
        let stat = match kind {
            FileType::RegularFile | FileType::Directory => None,
            _ => Some(self.stat(name)?),
        };
        match (stat.map_or(*kind, |stat| FileType::from_raw_mode(stat.st_mode)), stat) {
            (FileType::Directory, stat) => self.descend(name, stat),
            (FileType::RegularFile, _) if is_module_name(name) => {
                self.found.push([&self.path, &**name].concat().into());
                Ok(())
            }
            (FileType::RegularFile, _) | (_, None) => Ok(()),
            (_, Some(stat)) => Err(Diagnostic::FileType {
                path: self.full_path(name),
                mode: stat.st_mode & 0o170_000,
            }),
        }
    }

    /// Goes on with a directory, unless the walk has come through it.
    fn descend(&mut self, name: &[u8], link: Option<Stat>) -> Result<(), Diagnostic> {
        let Some(level) = self.levels.last() else { return Ok(()) };
        let fd = self.fd();
        let failed = |errno| Diagnostic::OpenSubdir { fd, name: name.into(), errno };
        let dir = rustix::fs::openat(&level.dir, name, DIRECTORY, Mode::empty()).map_err(failed)?;
        if let Some(link) = link {
            let id = (link.st_dev, link.st_ino);
            let is_it = |level: &Level| {
                rustix::fs::fstat(&level.dir).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == id)
            };
            if self.levels.iter().any(is_it) {
                return Err(Diagnostic::DirectoryLoop { path: self.full_path(name) });
            }
            match self.links_left.checked_sub(1) {
                Some(left) => self.links_left = left,
                None => return Err(Diagnostic::TooManyLinks { path: self.full_path(name) }),
            }
        }
        let prefix = self.path.len() + name.len() + 1;
        self.enter(dir, prefix).map_err(failed)?;
        self.path.extend_from_slice(name);
        self.path.push(b'/');
        Ok(())
    }

    /// Reads a directory's entries, but for those that are never looked at.
    fn enter(&mut self, dir: OwnedFd, prefix: usize) -> Result<(), Errno> {
        let mut entries = Vec::new();
        let mut listing = RawDir::new(dir.as_fd(), self.listing.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let skipped = matches!(name, b"." | b".." | b"build" | b"source")
                || self.excludes.iter().any(|word| **word == *name);
            if !skipped {
                entries.push(Entry { name: name.into(), kind: entry.file_type() });
            }
        }
        entries.sort_unstable_by(|a, b| b.name.cmp(&a.name));
        self.levels.push(Level { dir, entries, prefix });
        Ok(())
    }

    fn stat(&self, name: &[u8]) -> Result<Stat, Diagnostic> {
        let dir = self.levels.last().map(|level| level.dir.as_fd());
        let stat = match dir {
            Some(dir) => rustix::fs::statat(dir, name, AtFlags::empty()),
            None => Err(Errno::NOENT),
        };
        stat.map_err(|errno| Diagnostic::Stat { fd: self.fd(), name: name.into(), errno })
    }

    /// The last directory's descriptor as kmod has it: 0 to 2 are taken, and every
    /// level holds one.
    fn fd(&self) -> usize {
        self.levels.len() + 2
    }

    fn full_path(&self, name: &[u8]) -> Box<[u8]> {
        [self.root.as_os_str().as_bytes(), b"/", &self.path, name].concat().into()
    }
}

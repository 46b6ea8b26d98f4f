//! Publishes an index: every file whole, or as it was.
//!
//! Under a lock on the output directory, all files are written beside their
//! places first, and checked; only then are they renamed, `modules.dep.bin` last,
//! which is what readers open first. Two runs at once take turns. What a killed
//! run left behind is removed by the next one; no name but ours is touched. Where
//! there are no locks, temporary files carry the process's number instead, and
//! leftovers stay.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use padata::{Pool, Weight};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::diagnostic::{Diagnostic, Log, path_bytes};
use crate::emit::OutputFile;
use crate::error::Error;

/// In front of the name of a file that is not complete.
const TEMPORARY: &str = ".kmill-tmp.";

/// The file that is renamed last.
const LAST: &str = "modules.dep.bin";

/// How to publish.
#[derive(Clone, Copy)]
pub struct Durability<'a> {
    /// Wait until files and directory are on the disk.
    pub sync: bool,
    /// The signal that asked the run to end, if one did: asked between writing
    /// and renaming.
    pub interrupted: &'a dyn Fn() -> Option<i32>,
}

impl std::fmt::Debug for Durability<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durability").field("sync", &self.sync).finish_non_exhaustive()
    }
}

/// Writes the files into the output directory.
///
/// # Errors
/// Something could not be written, or the run was asked to end. No file has
/// changed then, unless a rename failed after others were done.
pub fn publish(
    output: &Output,
    files: &[OutputFile],
    how: Durability<'_>,
    pool: &Pool,
) -> Result<(), Error> {
    let mut staged = Staged { output, files, renamed: false };
    // Writing the largest file takes as long as all others together.
    let written = pool.map(
        files,
        |file| file.bytes.len() as u64,
        Weight::UNLIMITED,
        || (),
        |file, ()| output.write(file, how.sync),
    );
    written.into_iter().collect::<Result<(), Error>>()?;
    if let Some(signal) = (how.interrupted)() {
        return Err(Error::Interrupted { signal });
    }
    staged.rename()?;
    if how.sync {
        rustix::fs::fsync(&output.dir).map_err(|errno| output.error("", "flush to disk", errno))?;
    }
    Ok(())
}

/// The output directory, locked for as long as this lives.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    dir: OwnedFd,
    /// Behind the names of temporary files: nothing under the lock, so that the next
    /// run finds them; without a lock, what other runs do not use.
    suffix: String,
}

impl Output {
    /// Locks the directory if it is there already; waits for other runs.
    ///
    /// A run that looks at the modules before it waits might publish an older index
    /// than the one it waited for.
    pub fn lock_existing(path: &Path, log: &mut Log<'_>) -> Option<Output> {
        let dir = open_dir(path).ok()?;
        Some(Output::lock(path, dir, log))
    }

    /// Makes the directory, and those above it, and locks it.
    ///
    /// # Errors
    /// It cannot be made or opened.
    pub fn make(path: &Path, log: &mut Log<'_>) -> Result<Output, Error> {
        make_dir(path).map_err(|errno| Error::CreateDir { dir: path_bytes(path), errno })?;
        let dir =
            open_dir(path).map_err(|errno| Error::OpenOutput { dir: path_bytes(path), errno })?;
        Ok(Output::lock(path, dir, log))
    }

    fn lock(path: &Path, dir: OwnedFd, log: &mut Log<'_>) -> Output {
        let mut suffix = String::new();
        loop {
            match rustix::fs::flock(&dir, FlockOperation::LockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                // A file system without locks.
                Err(errno) => {
                    log(Diagnostic::Unlocked { dir: path_bytes(path), errno });
                    suffix = format!(".{}", std::process::id());
                    break;
                }
            }
        }
        Output { path: path.to_owned(), dir, suffix }
    }

    fn temporary(&self, name: &str) -> String {
        format!("{TEMPORARY}{name}{}", self.suffix)
    }

    fn error(&self, file: &'static str, operation: &'static str, errno: Errno) -> Error {
        Error::Write { file, dir: path_bytes(&self.path), operation, errno }
    }

    /// Makes a file of our own. Under the lock, one of that name was left behind by a
    /// run that was killed, and is removed.
    fn create(&self, name: &str, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.dir, name, flags, mode) {
            Err(Errno::EXIST) if self.suffix.is_empty() => {
                rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?;
                rustix::fs::openat(&self.dir, name, flags, mode)
            }
            made => made,
        }
    }

    /// Writes one file beside its place, with the mode of all index files.
    fn write(&self, file: &OutputFile, sync: bool) -> Result<(), Error> {
        let mode = Mode::from_raw_mode(0o644);
        let fd = self
            .create(&self.temporary(file.name), mode)
            .map_err(|errno| self.error(file.name, "create a temporary file for", errno))?;
        // The umask does not count.
        rustix::fs::fchmod(&fd, mode)
            .map_err(|errno| self.error(file.name, "set the mode of", errno))?;
        let mut out = File::from(fd);
        out.write_all(&file.bytes).map_err(|error| {
            self.error(file.name, "write", Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
        if sync {
            rustix::fs::fsync(out.as_fd())
                .map_err(|errno| self.error(file.name, "flush to disk", errno))?;
        }
        // Some file systems tell only here that there was no room.
        nix::unistd::close(out)
            .map_err(|errno| self.error(file.name, "write", Errno::from_raw_os_error(errno as i32)))
    }
}

/// Files that are written but not renamed; dropping it removes them.
struct Staged<'a> {
    output: &'a Output,
    files: &'a [OutputFile],
    renamed: bool,
}

impl Staged<'_> {
    fn rename(&mut self) -> Result<(), Error> {
        let (last, first): (Vec<_>, Vec<_>) = self.files.iter().partition(|file| file.name == LAST);
        let dir = self.output.dir.as_fd();
        for file in first.into_iter().chain(last) {
            rustix::fs::renameat(dir, self.output.temporary(file.name), dir, file.name).map_err(
                |errno| self.output.error(file.name, "rename a temporary file to", errno),
            )?;
        }
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            for file in self.files {
                // One that was never made, or is renamed already, is no loss.
                let name = self.output.temporary(file.name);
                let _ = rustix::fs::unlinkat(&self.output.dir, name, AtFlags::empty());
            }
        }
    }
}

fn open_dir(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Makes a directory and those above it, each 0755 less the umask.
fn make_dir(path: &Path) -> Result<(), Errno> {
    let mut missing = Vec::new();
    let mut at = Some(path);
    while let Some(path) = at.filter(|path| !path.as_os_str().is_empty()) {
        match rustix::fs::stat(path) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => break,
            Ok(_) => return Err(Errno::NOTDIR),
            Err(_) => missing.push(path),
        }
        at = path.parent();
    }
    for path in missing.into_iter().rev() {
        if path.file_name().is_none_or(|name| name == OsStr::from_bytes(b"..")) {
            continue;
        }
        match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

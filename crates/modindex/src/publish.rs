//! Publishes an index: every file whole, or as it was.
//!
//! Under a lock on the output directory, all files are written beside their
//! places first, and checked; only then are they renamed, `modules.dep.bin` last,
//! which is what readers open first. Two runs at once take turns. What a killed
//! run left behind is removed by the next one; no name but ours is touched.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// Writes the files into `dir`, which is made if it does not exist.
///
/// # Errors
/// Something could not be written, or the run was asked to end. No file has
/// changed then, unless a rename failed after others were done.
pub fn publish(
    dir: &Path,
    files: &[OutputFile],
    how: Durability<'_>,
    pool: &Pool,
    log: &mut Log<'_>,
) -> Result<(), Error> {
    make_dir(dir).map_err(|errno| Error::CreateDir { dir: path_bytes(dir), errno })?;
    let output = Output::lock(dir, log)?;
    let mut staged = Staged { output: &output, files, renamed: false };
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
struct Output<'a> {
    path: &'a Path,
    dir: OwnedFd,
}

impl<'a> Output<'a> {
    fn lock(path: &'a Path, log: &mut Log<'_>) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| Error::OpenOutput { dir: path_bytes(path), errno })?;
        loop {
            match rustix::fs::flock(&dir, FlockOperation::LockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                // A file system without locks: of two runs at once one may fail, since a
                // temporary file that it has written is gone.
                Err(errno) => {
                    log(Diagnostic::Unlocked { dir: path_bytes(path), errno });
                    break;
                }
            }
        }
        Ok(Output { path, dir })
    }

    fn error(&self, file: &'static str, operation: &'static str, errno: Errno) -> Error {
        Error::Write { file, dir: path_bytes(self.path), operation, errno }
    }

    /// Makes a file of our own. One of that name was left behind by a run that was
    /// killed, since the lock is ours: it is removed, whatever it is.
    fn create(&self, name: &str, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.dir, name, flags, mode) {
            Err(Errno::EXIST) => {
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
            .create(&temporary(file.name), mode)
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
    output: &'a Output<'a>,
    files: &'a [OutputFile],
    renamed: bool,
}

impl Staged<'_> {
    fn rename(&mut self) -> Result<(), Error> {
        let (last, first): (Vec<_>, Vec<_>) = self.files.iter().partition(|file| file.name == LAST);
        let dir = self.output.dir.as_fd();
        for file in first.into_iter().chain(last) {
            rustix::fs::renameat(dir, temporary(file.name), dir, file.name).map_err(|errno| {
                self.output.error(file.name, "rename a temporary file to", errno)
            })?;
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
                let name = temporary(file.name);
                let _ = rustix::fs::unlinkat(&self.output.dir, name, AtFlags::empty());
            }
        }
    }
}

fn temporary(name: &str) -> String {
    format!("{TEMPORARY}{name}")
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

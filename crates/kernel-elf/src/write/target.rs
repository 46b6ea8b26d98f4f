//! A file that is going to be changed: opened and looked at before the work whose result goes into it
//! begins, so that what forbids the change is known then.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::apply::{Flush, apply};
use super::error::WriteError;
use super::plan::{Content, plan_sections};
use super::signature::{self, SIGNATURE_MAGIC};
use crate::GuardedMap;

/// What may be done to a file besides the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// A module's signature is taken off; else a signed module is refused.
    pub drop_signature: bool,
    /// A file with several (hard) links is changed under all its names; else it is refused.
    pub follow_links: bool,
}

/// A file that is open to be changed. Others who open it in this way wait until it is dropped (flock).
#[derive(Debug)]
pub struct Target {
    file: File,
    allowed: Allowed,
    /// As it was when it was opened.
    metadata: Metadata,
}

impl Target {
    /// Opens a file, through symbolic links.
    ///
    /// # Errors
    /// [`WriteError::NotRegular`], [`WriteError::Links`], [`WriteError::Signed`], and what the system says.
    pub fn open(path: &Path, allowed: Allowed) -> Result<Target, WriteError> {
        // Before it is opened: that would wait for whoever reads a pipe.
        if !std::fs::metadata(path)?.is_file() {
            return Err(WriteError::NotRegular);
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        lock(&file)?;
        let metadata = file.metadata()?;
        if metadata.nlink() > 1 && !allowed.follow_links {
            return Err(WriteError::Links(metadata.nlink()));
        }
        let mut end = [0; SIGNATURE_MAGIC.len()];
        if let Some(at) = metadata.len().checked_sub(end.len() as u64) {
            file.read_exact_at(&mut end, at)?;
        }
        if signature::is_signed(&end) && !allowed.drop_signature {
            return Err(WriteError::Signed);
        }
        Ok(Target { file, allowed, metadata })
    }

    /// The file, for whoever wants to read it. It is not to be written to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives sections their content. With nothing to change, nothing is written.
    ///
    /// A signature goes first, in a step of its own: a run that is killed right behind it leaves the old
    /// file without one.
    ///
    /// # Errors
    /// [`WriteError`]. The file is what it was, but without the signature that was to go, unless it is
    /// the new one already and only cannot be cut to its length.
    pub fn write(
        &self,
        contents: &[Content<'_>],
        flush: Flush,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), WriteError> {
        let now = self.file.metadata()?;
        let of = |it: &Metadata| (it.len(), it.mtime(), it.mtime_nsec());
        if of(&now) != of(&self.metadata) {
            return Err(WriteError::Changed);
        }
        let (patch, len) = {
            let map = GuardedMap::open(&self.file)?;
            let image = match self.allowed.drop_signature {
                true => signature::without_signature(map.bytes())?,
                false => map.bytes(),
            };
            let patch = plan_sections(image, contents)?;
            map.check()?;
            (patch, image.len() as u64)
        };
        if len < now.len() {
            self.file.set_len(len)?;
        }
        apply(&self.file, &patch, flush, stop)
    }
}

/// Waits for others. Where there are no locks, one does without.
fn lock(file: &File) -> Result<(), WriteError> {
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            Ok(()) | Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS) => return Ok(()),
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
    }
}

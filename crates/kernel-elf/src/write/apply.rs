//! A plan, done to a file.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{Mode, fchmod, fdatasync};

use super::error::WriteError;
use super::plan::{Patch, Step};

/// Whether the disk has what was written before the header leads to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// It has: the file is the old one or the new one even when the power goes.
    #[default]
    Yes,
    /// Whenever the system likes: the file is the old one or the new one whenever this process ends,
    /// which is all that a build needs that starts again.
    No,
}

/// Changes a file that is open for reading and writing, and is the one that was planned for.
///
/// `stop` is asked before each step until the file is the new one; if it says yes, or something fails
/// before that, the file is made what it was. Then only the time of its last change differs.
///
/// # Errors
/// [`WriteError::Stopped`], [`WriteError::Changed`] when the file has another length than the plan says,
/// and what the system says. After the first [`Step::Switch`] the file is the new one, also when a later
/// step fails.
pub fn apply(
    file: &File,
    patch: &Patch<'_>,
    flush: Flush,
    stop: &dyn Fn() -> bool,
) -> Result<(), WriteError> {
    let before = file.metadata()?;
    if before.len() != patch.old_len() {
        return Err(WriteError::Changed);
    }
    let mut is_new = false;
    for step in patch.steps() {
        let done = match stop() && !is_new {
            true => Err(WriteError::Stopped),
            false => perform(file, step, flush),
        };
        if let Err(error) = done {
            if !is_new {
                // If this fails too, the file has a longer end that nothing leads to.
                let _ = file.set_len(patch.old_len());
            }
            return Err(error);
        }
        is_new |= matches!(step, Step::Switch { .. });
    }
    // The system takes away the right to run as somebody else when somebody writes.
    if file.metadata()?.mode() != before.mode() {
        fchmod(file, Mode::from_raw_mode(before.mode() & 0o7777)).map_err(std::io::Error::from)?;
    }
    Ok(())
}

fn perform(file: &File, step: &Step<'_>, flush: Flush) -> Result<(), WriteError> {
    match (step, flush) {
        (Step::Write { at, bytes }, _) => file.write_all_at(bytes, *at)?,
        (Step::Switch { at, bytes }, _) => file.write_all_at(bytes, *at)?,
        (Step::Cut { len }, _) => file.set_len(*len)?,
        (Step::Flush, Flush::Yes) => fdatasync(file).map_err(std::io::Error::from)?,
        (Step::Flush, Flush::No) => {}
    }
    Ok(())
}

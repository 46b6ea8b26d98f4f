//! A plan, done to a file.

use std::fs::File;
use std::io;
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
/// step fails; when that is for want of space it is no error, but the file is longer than planned.
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
    run(&Disk { file, flush }, patch, stop)?;
    // The system takes away the right to run as somebody else when somebody writes.
    if file.metadata()?.mode() != before.mode() {
        fchmod(file, Mode::from_raw_mode(before.mode() & 0o7777)).map_err(io::Error::from)?;
    }
    Ok(())
}

/// What steps are done to: a file, or in tests something that fails.
trait Medium {
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn flush(&self) -> io::Result<()>;
    fn cut(&self, len: u64) -> io::Result<()>;
}

struct Disk<'f> {
    file: &'f File,
    flush: Flush,
}

impl Medium for Disk<'_> {
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn flush(&self) -> io::Result<()> {
        match self.flush {
            Flush::Yes => Ok(fdatasync(self.file)?),
            Flush::No => Ok(()),
        }
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

fn run(medium: &impl Medium, patch: &Patch<'_>, stop: &dyn Fn() -> bool) -> Result<(), WriteError> {
    let mut is_new = false;
    for step in patch.steps() {
        let done = match step {
            _ if !is_new && stop() => Err(WriteError::Stopped),
            Step::Write { at, bytes } => medium.write(*at, bytes).map_err(WriteError::Io),
            Step::Switch { at, bytes } => medium.write(*at, bytes).map_err(WriteError::Io),
            Step::Flush => medium.flush().map_err(WriteError::Io),
            Step::Cut { len } => medium.cut(*len).map_err(WriteError::Io),
        };
        match done {
            Ok(()) => is_new |= matches!(step, Step::Switch { .. }),
            // What is left to do only makes the file shorter, and takes room at first.
            Err(WriteError::Io(error)) if is_new && is_full(&error) => return Ok(()),
            Err(error) if is_new => return Err(error),
            Err(error) => {
                // If this fails too, the file has a longer end that nothing leads to.
                let _ = medium.cut(patch.old_len());
                return Err(error);
            }
        }
    }
    Ok(())
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    [StorageFull, QuotaExceeded, FileTooLarge].contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::super::headers::Elf;
    use super::super::plan::{Content, plan_sections};
    use super::*;

    /// Memory that fails at one call, having written the half of what it should.
    struct Failing {
        file: RefCell<Vec<u8>>,
        calls_left: Cell<usize>,
        kind: io::ErrorKind,
    }

    impl Failing {
        fn call(&self) -> bool {
            let left = self.calls_left.get();
            self.calls_left.set(left.wrapping_sub(1));
            left == 0
        }
    }

    impl Medium for Failing {
        fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
            let fails = self.call();
            // The end of the header is written whole or not at all.
            let half = if at < 64 { 0 } else { bytes.len() / 2 };
            let bytes = if fails { &bytes[..half] } else { bytes };
            let (mut file, at) = (self.file.borrow_mut(), at as usize);
            let len = file.len().max(at + bytes.len());
            file.resize(len, 0);
            file[at..at + bytes.len()].copy_from_slice(bytes);
            if fails { Err(self.kind.into()) } else { Ok(()) }
        }

        fn flush(&self) -> io::Result<()> {
            if self.call() { Err(self.kind.into()) } else { Ok(()) }
        }

        fn cut(&self, len: u64) -> io::Result<()> {
            if self.call() {
                return Err(self.kind.into());
            }
            self.file.borrow_mut().resize(len as usize, 0);
            Ok(())
        }
    }

    fn btf(file: &[u8]) -> Option<&[u8]> {
        let elf = Elf::read(file).unwrap();
        elf.find(".BTF").map(|index| elf.content(index))
    }

    #[test]
    fn a_failure_anywhere_leaves_the_old_file_or_the_new_one() {
        let old = modgen::Module::new("m").alias("a").to_bytes();
        let bytes = [7; 3000];
        let patch = plan_sections(&old, &[Content { name: ".BTF", bytes: &bytes }]).unwrap();
        let switch = |step: &Step<'_>| matches!(step, Step::Switch { .. });
        let first = patch.steps().iter().position(switch).unwrap();
        for calls in 0..patch.steps().len() {
            for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
                let file = RefCell::new(old.clone());
                let medium = Failing { file, calls_left: Cell::new(calls), kind };
                let result = run(&medium, &patch, &|| false);
                let file = medium.file.into_inner();
                if calls <= first {
                    assert!(matches!(result, Err(WriteError::Io(error)) if error.kind() == kind));
                    assert_eq!(file, old);
                } else {
                    assert_eq!(result.is_ok(), kind == io::ErrorKind::StorageFull, "{calls}");
                    assert_eq!(btf(&file), Some(&bytes[..]));
                }
            }
        }
    }
}

//! The input file as the place that the BTF goes to: opened before anything is encoded, so that what
//! forbids the change is said at once, and written to in the end.

use std::path::{Path, PathBuf};

use kernel_elf::GuardedMap;
use kernel_elf::write::{Allowed, Content, Flush, Target, WriteError};

use super::error::Error;
use crate::bytes::Input;
use crate::signals::Interrupts;

/// How a file is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// What may be done to it besides.
    pub(crate) allowed: Allowed,
    /// Whether the disk is waited for.
    pub(crate) flush: Flush,
}

/// A file that gets BTF.
#[derive(Debug)]
pub(super) struct InPlace {
    path: PathBuf,
    target: Target,
    flush: Flush,
}

impl InPlace {
    /// Opens it, for reading and for writing. The inner error: it is there, but nobody may write to it.
    pub(super) fn open(path: &Path, manner: Manner) -> Result<Result<InPlace, Error>, Error> {
        match Target::open(path, manner.allowed) {
            Ok(target) => Ok(Ok(InPlace { path: path.to_owned(), target, flush: manner.flush })),
            Err(error) => {
                let forbidden = is_forbidden(&error);
                let error = fail(path, "opening, to write BTF into it", &error);
                if forbidden { Ok(Err(error)) } else { Err(error) }
            }
        }
    }

    /// Its bytes.
    pub(super) fn read(&self) -> Result<Input, Error> {
        let map = GuardedMap::open(self.target.file());
        map.map(Input::Mapped).map_err(|cause| Error::file(&self.path, "reading", cause))
    }

    /// Gives sections their content. The file's bytes must not be in use any more.
    pub(super) fn write(
        &self,
        sections: &[(&str, &[u8])],
        interrupts: &Interrupts,
    ) -> Result<(), Error> {
        let contents: Vec<_> =
            sections.iter().map(|(name, bytes)| Content { name, bytes }).collect();
        let written = self.target.write(&contents, self.flush, &|| interrupts.caught().is_some());
        // Also of one that is finished: whoever sent the signal waits for the end.
        if let (Ok(()) | Err(WriteError::Stopped), Some(signal)) = (&written, interrupts.caught()) {
            return Err(Error::Interrupted(signal));
        }
        written.map_err(|error| fail(&self.path, "writing BTF into it", &error))
    }
}

/// Whether it is writing that the system forbids.
fn is_forbidden(error: &WriteError) -> bool {
    use std::io::ErrorKind::{ExecutableFileBusy, PermissionDenied, ReadOnlyFilesystem};
    let WriteError::Io(error) = error else { return false };
    matches!(error.kind(), ExecutableFileBusy | PermissionDenied | ReadOnlyFilesystem)
}

/// With what helps, where something does.
fn fail(path: &Path, doing: &'static str, error: &WriteError) -> Error {
    let hint = match error {
        WriteError::Links(_) => "; --follow-links writes to it all the same",
        WriteError::Signed => "; --drop-signature takes it off",
        _ => "",
    };
    Error::file(path, doing, format_args!("{error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_options() {
        let text = fail(Path::new("m.ko"), "opening", &WriteError::Signed).to_string();
        let words = "m.ko: opening: the module is signed, and a change makes the signature invalid; \
                     --drop-signature takes it off";
        assert_eq!(text, words);
    }
}

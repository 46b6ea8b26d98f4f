//! Why there is no output: a file, what was being done with it, and what is wrong.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why there is no output.
#[derive(Debug)]
pub(crate) enum Error {
    /// Something is wrong with a file.
    File {
        /// Which.
        path: PathBuf,
        /// What was being done with it.
        doing: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A signal came while the output was being written; nothing of it is left.
    Interrupted(i32),
}

impl Error {
    /// For a file.
    pub(super) fn file(path: &Path, doing: &'static str, cause: impl fmt::Display) -> Error {
        Error::File { path: path.to_owned(), doing, cause: cause.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::File { path, doing, cause } => {
                write!(f, "{}: {doing}: {cause}", path.display())
            }
            Error::Interrupted(signal) => write!(f, "ended by signal {signal}"),
        }
    }
}

//! One error type: a sentence for a developer, with what was being done in front.

use std::fmt;
use std::io;

/// A task's failure, in words.
#[derive(Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(words: String) -> Self {
        Error(words)
    }
}

impl From<&str> for Error {
    fn from(words: &str) -> Self {
        Error(words.to_owned())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error(error.to_string())
    }
}

/// Puts what was being done in front of an error.
pub trait Context<T> {
    /// `what` is a fragment that goes before a colon.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error(format!("{}: {error}", what())))
    }
}

/// What everything here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

//! How far a run is, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// So often somebody can read it.
const EVERY: Duration = Duration::from_millis(100);

/// One line on standard error that changes; none where that is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    /// When it was shown last, if ever.
    shown: Option<Mutex<Option<Instant>>>,
}

impl Progress {
    /// Of so many of `what`.
    pub(crate) fn new(what: &'static str) -> Progress {
        let shown = io::stderr().is_terminal().then(|| Mutex::new(None));
        Progress { what, shown }
    }

    /// From any thread; who finds another one showing it leaves it at that.
    pub(crate) fn show(&self, done: usize, of: usize) {
        let Some(Ok(mut shown)) = self.shown.as_ref().map(|shown| shown.try_lock()) else { return };
        if shown.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        *shown = Some(Instant::now());
        let _ = write!(io::stderr(), "\r{done} of {of} {}", self.what);
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        let shown = self.shown.as_ref().and_then(|shown| shown.lock().ok());
        if shown.is_some_and(|shown| shown.is_some()) {
            // Erases to the end of the line (ECMA-48, EL).
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

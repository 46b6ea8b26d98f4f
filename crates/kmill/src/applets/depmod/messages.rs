//! The one place of this applet that prints, in kmod's form:
//! `depmod: LEVEL: words` on stderr, what `-v` shows on stdout.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use modindex::{Diagnostic, Level};

/// What is said, and how loud.
#[derive(Debug)]
pub(super) struct Messages {
    name: OsString,
    /// How many `-v` there are: 0 shows warnings and worse.
    verbosity: u32,
    /// Something could not be shown: the run goes on, but does not succeed.
    failed: bool,
}

impl Messages {
    /// `program`: the name as it was called; its last component stands in front
    /// of every message.
    pub(super) fn new(program: &OsStr) -> Self {
        let name = program.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        Messages { name: OsStr::from_bytes(name).to_owned(), verbosity: 0, failed: false }
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Whether something could not be shown.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    pub(super) fn set_verbosity(&mut self, verbosity: u32) {
        self.verbosity = verbosity;
    }

    pub(super) fn log(&mut self, diagnostic: Diagnostic) {
        match diagnostic {
            // kmod shows these where it is asked to say more, and not as messages.
            Diagnostic::Needs { .. } => {
                let mut line = diagnostic.words();
                line.push(b'\n');
                // Once is enough to know that nobody can read it.
                self.failed = self.failed || self.show(&line) != 0;
            }
            _ => self.say(diagnostic.level(), &diagnostic.words()),
        }
    }

    pub(super) fn say(&mut self, level: Level, words: &[u8]) {
        let (name, verbosity) = match level {
            Level::Fatal => ("FATAL", 0),
            Level::Error => ("ERROR", 0),
            Level::Warning => ("WARNING", 0),
            Level::Notice => ("NOTICE", 1),
            Level::Info => ("INFO", 2),
        };
        if self.verbosity >= verbosity {
            let text = [self.name.as_bytes(), b": ", name.as_bytes(), b": ", words, b"\n"];
            self.raw(&text.concat());
        }
    }

    /// A finished line, or several, on stderr.
    pub(super) fn raw(&mut self, line: &[u8]) {
        // One write, so that lines of several processes do not mix. There is nobody to tell
        // if it fails.
        let _ = io::stderr().write_all(line);
    }

    /// Text on stdout; returns the exit status.
    pub(super) fn show(&mut self, text: &[u8]) -> u8 {
        let mut out = io::stdout().lock();
        let written = out.write_all(text).and_then(|()| out.flush());
        self.shown(written)
    }

    /// The exit status after something was written to stdout.
    pub(super) fn shown(&mut self, written: io::Result<()>) -> u8 {
        match written {
            Ok(()) => 0,
            // Rust ignores SIGPIPE; a reader that went away ends kmod with it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                crate::signals::die_of(crate::signals::SIGPIPE);
                1
            }
            Err(error) => {
                let words = format!("could not write to standard output: {error}");
                self.say(Level::Error, words.as_bytes());
                1
            }
        }
    }
}

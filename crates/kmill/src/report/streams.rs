//! Standard output and standard error.

use std::io::{self, Write};

use crate::signals;

/// Text on standard output; returns the exit status. `name` stands in front of the complaint that it
/// cannot be written.
pub(crate) fn show(name: &str, text: &str) -> u8 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(error) => {
            // Rust ignores SIGPIPE; a reader that went away ends other programs with it.
            if error.kind() == io::ErrorKind::BrokenPipe {
                signals::die_of(signals::SIGPIPE);
            }
            let words = format!("{name}: could not write to standard output: {error}\n");
            complain(words.as_bytes());
            1
        }
    }
}

/// Lines on standard error, in one write, so that those of several processes do not mix. There is
/// nobody to tell if that fails.
pub(crate) fn complain(lines: &[u8]) {
    let _ = io::stderr().write_all(lines);
}

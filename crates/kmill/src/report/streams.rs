//! Standard output and standard error.

use std::io::{self, BufWriter, StdoutLock, Write};

use crate::signals;

/// Standard output, with few writes.
pub(crate) type Out = BufWriter<StdoutLock<'static>>;

/// Text on standard output; returns the exit status. `name` stands in front of the complaint that it
/// cannot be written.
pub(crate) fn show(name: &str, text: &str) -> u8 {
    u8::from(!show_all(name, |out| out.write_all(text.as_bytes())))
}

/// Whatever `write` writes, on standard output. Returns whether it could; if not, that was
/// complained about.
pub(crate) fn show_all(name: &str, write: impl FnOnce(&mut Out) -> io::Result<()>) -> bool {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(error) => {
            // What is left of it would be written once more when it goes out of scope.
            let _ = out.into_parts();
            // Rust ignores SIGPIPE; a reader that went away ends other programs with it.
            if error.kind() == io::ErrorKind::BrokenPipe {
                signals::die_of(signals::SIGPIPE);
            }
            let words = format!("{name}: could not write to standard output: {error}\n");
            complain(words.as_bytes());
            false
        }
    }
}

/// Lines on standard error, in one write, so that those of several processes do not mix. There is
/// nobody to tell if that fails.
pub(crate) fn complain(lines: &[u8]) {
    let _ = io::stderr().write_all(lines);
}

//! make's jobserver: a pipe or a fifo with one byte in it, a token, for each job that could run besides
//! those that do. Whom make runs is one job; for every thread beyond the first one, a token is
//! taken, as many as there are at that moment, and put back when the threads are done.
//!
//! Protocol: "POSIX Jobserver Interaction" in GNU make's manual. The crate `jobserver` is not used:
//! to take over inherited descriptors it needs unsafe code, and of a pipe (make before 4.4) it
//! only waits for tokens. Here the pipe is opened once more, by its name in `/proc`, which is safe and
//! gives a descriptor that alone does not wait: the mode of the inherited ones is that of make and all its jobs.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::signals::Farewell;

/// Where the tokens are.
#[derive(Debug)]
pub(crate) struct Jobserver(File);

impl Jobserver {
    /// The one that `MAKEFLAGS` names. None if it names none, or if that is not there: make closes
    /// it for a recipe that does not begin with `+`.
    pub(crate) fn of(makeflags: &OsStr) -> Option<Jobserver> {
        let path = match named(makeflags.as_bytes())? {
            Named::Fifo(path) => path,
            Named::Pipe(read, write) => {
                let [read, write] = [read, write].map(|fd| format!("/proc/self/fd/{fd}"));
                // Numbers that something else has now are hardly both ends of one pipe.
                let [one, other] = [fs::metadata(&read).ok()?, fs::metadata(write).ok()?];
                if (one.dev(), one.ino()) != (other.dev(), other.ino()) {
                    return None;
                }
                PathBuf::from(read)
            }
        };
        open(&path).map(Jobserver)
    }

    /// Takes up to `number` tokens, without waiting.
    pub(crate) fn take(self, number: usize) -> Tokens {
        let mut bytes = vec![0; number];
        let taken = loop {
            match (&self.0).read(&mut bytes) {
                Ok(taken) => break taken,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // There are none, or there is nothing to be had here.
                Err(_) => break 0,
            }
        };
        bytes.truncate(taken);
        let held = Arc::new(Held { fifo: self.0, bytes: Mutex::new(bytes) });
        // A signal since the read, a few microseconds ago, takes the tokens along: to wait for signals
        // before would cost a thread also where there are no tokens.
        let farewell = (taken > 0).then(|| {
            let held = Arc::clone(&held);
            Farewell::say(move || held.give_back())
        });
        Tokens { held, taken, _farewell: farewell.flatten() }
    }
}

/// A fifo, and nothing else: opening a device could do something.
fn open(path: &Path) -> Option<File> {
    if !fs::metadata(path).ok()?.file_type().is_fifo() {
        return None;
    }
    // For both, so that it never ends, whoever has closed it.
    let mut options = OpenOptions::new();
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    options.read(true).write(true).custom_flags(i32::try_from(flags).ok()?).open(path).ok()
}

/// What `MAKEFLAGS` says.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Fifo(PathBuf),
    /// Descriptors, for reading and for writing.
    Pipe(u32, u32),
}

/// The last one counts: that of the make that called us. Behind `--` are variables. make says "-2,-2"
/// where it does not give the descriptors.
fn named(makeflags: &[u8]) -> Option<Named> {
    let words = makeflags.split(u8::is_ascii_whitespace).take_while(|word| word != b"--");
    let value = words.filter_map(|word| {
        // The second is what make before 4.2 calls it.
        let names: [&[u8]; 2] = [b"--jobserver-auth=", b"--jobserver-fds="];
        names.iter().find_map(|name| word.strip_prefix(*name))
    });
    let value = value.last()?;
    if let Some(path) = value.strip_prefix(b"fifo:") {
        return Some(Named::Fifo(OsStr::from_bytes(path).into()));
    }
    let (read, write) = str::from_utf8(value).ok()?.split_once(',')?;
    Some(Named::Pipe(read.parse().ok()?, write.parse().ok()?))
}

/// Tokens, which go back when this goes out of scope, and before the process dies of a signal.
#[derive(Debug)]
pub(crate) struct Tokens {
    held: Arc<Held>,
    taken: usize,
    /// Goes last: until then whoever sends a signal gets the tokens back.
    _farewell: Option<Farewell>,
}

impl Tokens {
    /// How many threads may run: the one that everybody has, and one for each token.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        NonZeroUsize::MIN.saturating_add(self.taken)
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.held.give_back();
    }
}

#[derive(Debug)]
struct Held {
    fifo: File,
    bytes: Mutex<Vec<u8>>,
}

impl Held {
    /// Gives all of them back, the first time. The same bytes: make may have told them apart.
    fn give_back(&self) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        // There is room for what was taken out, and nobody to tell if there is no make any more.
        let _ = (&self.fifo).write_all(&bytes);
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::{PipeReader, PipeWriter, pipe};
    use std::os::fd::AsRawFd;

    use rustix::fs::Mode;
    use rustix::io::ioctl_fionread;

    use super::*;

    /// A pipe with tokens, and the word that names it.
    fn with_tokens(option: &str, tokens: &[u8]) -> (PipeReader, PipeWriter, OsString) {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(tokens).unwrap();
        let word = format!(" -j --{option}={},{}", reader.as_raw_fd(), writer.as_raw_fd());
        (reader, writer, word.into())
    }

    #[test]
    fn a_pipe_gives_what_it_has_and_gets_it_back() {
        for option in ["jobserver-auth", "jobserver-fds"] {
            let (mut reader, mut writer, makeflags) = with_tokens(option, b"+-*");
            for (wanted, taken) in [(2, 2), (3, 3), (7, 3), (0, 0)] {
                let tokens = Jobserver::of(&makeflags).unwrap().take(wanted);
                assert_eq!(tokens.threads().get(), 1 + taken);
                assert_eq!(ioctl_fionread(&reader).unwrap(), 3 - taken as u64);
                drop(tokens);
                assert_eq!(ioctl_fionread(&reader).unwrap(), 3);
            }
            // The inherited descriptors still wait; a byte for each proves it.
            writer.write_all(b"x").unwrap();
            let mut bytes = [0; 4];
            reader.read_exact(&mut bytes).unwrap();
            bytes.sort_unstable();
            assert_eq!(&bytes, b"*+-x");
            assert!(
                !rustix::fs::fcntl_getfl(&reader).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
            );
            // All are taken: nobody waits.
            assert_eq!(Jobserver::of(&makeflags).unwrap().take(5).threads().get(), 1);
        }
    }

    #[test]
    fn a_fifo_is_a_jobserver_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let cwd = rustix::fs::CWD;
        rustix::fs::mknodat(cwd, &path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        let make = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        (&make).write_all(b"++++").unwrap();
        let makeflags = OsString::from(format!("-j5 --jobserver-auth=fifo:{}", path.display()));
        let tokens = Jobserver::of(&makeflags).unwrap().take(3);
        assert_eq!((tokens.threads().get(), ioctl_fionread(&make).unwrap()), (4, 1));
        drop(tokens);
        assert_eq!(ioctl_fionread(&make).unwrap(), 4);
    }

    #[test]
    fn a_panic_gives_tokens_back() {
        let (reader, _writer, makeflags) = with_tokens("jobserver-auth", b"++");
        let run = || {
            let _tokens = Jobserver::of(&makeflags).unwrap().take(2);
            panic!("meant");
        };
        assert!(std::panic::catch_unwind(run).is_err());
        assert_eq!(ioctl_fionread(&reader).unwrap(), 2);
    }

    #[test]
    fn what_is_no_jobserver_is_left_alone() {
        let none = |makeflags: String| {
            assert!(Jobserver::of(OsStr::new(&makeflags)).is_none(), "{makeflags}");
        };
        let (reader, writer) = pipe().unwrap();
        let (other, _other_writer) = pipe().unwrap();
        let file = tempfile::tempfile().unwrap();
        let [pipe, other, file] = [reader.as_raw_fd(), other.as_raw_fd(), file.as_raw_fd()];
        none(format!("--jobserver-auth={pipe},{other}"));
        none(format!("--jobserver-auth={file},{file}"));
        none("--jobserver-auth=fifo:/dev/null".to_owned());
        none("--jobserver-auth=fifo:/nonexistent".to_owned());
        // It was there; make closed it.
        drop(reader);
        none(format!("--jobserver-auth={pipe},{}", writer.as_raw_fd()));
        for flags in
            ["", "kw -j4", "--jobserver-auth", "--jobserver-auth=", "-j --jobserver-auth=3"]
        {
            none(flags.to_owned());
        }
    }

    #[test]
    fn makes_words() {
        let fifo = Some(Named::Fifo("/tmp/GMfifo12".into()));
        for (makeflags, expected) in [
            ("rR -j4 --jobserver-auth=3,4", Some(Named::Pipe(3, 4))),
            (" -j --jobserver-fds=5,6 -- X=--jobserver-auth=7,8", Some(Named::Pipe(5, 6))),
            ("--jobserver-auth=3,4 -j2 --jobserver-auth=fifo:/tmp/GMfifo12 -- V=1", fifo),
            ("-j2 --jobserver-auth=-2,-2", None),
            ("-- A=B --jobserver-auth=3,4", None),
            ("--jobserver-auth=3,x", None),
        ] {
            assert_eq!(named(makeflags.as_bytes()), expected, "{makeflags}");
        }
    }
}

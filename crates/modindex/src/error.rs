//! What ends a run: the words depmod prints as FATAL (or has printed before) and
//! an exit status of 1.

use rustix::io::Errno;

use crate::diagnostic::strerror;

/// Why a run ended without a result. Nothing was published then, unless a rename
/// failed after others were done, which the words say, or a signal came too late.
#[derive(Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the words below say what each one and its fields are")]
pub enum Error {
    KernelSymbols { file: Box<[u8]>, errno: Errno },
    Search { errno: Errno },
    NotAbsolute { path: Box<[u8]> },
    CreateModule { path: Box<[u8]>, errno: Errno },
    AddModule { path: Box<[u8]>, name: Box<[u8]> },
    SameName { path: Box<[u8]>, old: Box<[u8]>, name: Box<[u8]> },
    TooManyModules { errno: Errno },
    Cycle,
    IndexTooLarge { file: &'static str },
    CreateDir { dir: Box<[u8]>, errno: Errno },
    OpenOutput { dir: Box<[u8]>, errno: Errno },
    Write { file: &'static str, dir: Box<[u8]>, operation: &'static str, errno: Errno },
    Interrupted { signal: i32 },
}

impl Error {
    /// The lines to print, each with its level in front: `ERROR` lines that kmod
    /// prints on the way, then the one that ends the run. None for what has been
    /// said already.
    pub fn lines(&self) -> Vec<(crate::Level, Vec<u8>)> {
        use crate::Level::{Error as E, Fatal};
        let text = |parts: &[&[u8]]| parts.concat();
        match self {
            Error::KernelSymbols { file, errno } => {
                vec![(Fatal, text(&[b"could not load ", file, b": ", strerror(*errno).as_bytes()]))]
            }
            Error::Search { errno } => {
                vec![(Fatal, text(&[b"could not search modules: ", strerror(*errno).as_bytes()]))]
            }
            Error::NotAbsolute { path } => vec![(Fatal, text(&[path, b": not absolute path."]))],
            Error::CreateModule { path, errno } => vec![(
                Fatal,
                text(&[b"could not create module ", path, b": ", strerror(*errno).as_bytes()]),
            )],
            Error::AddModule { path, name } => {
                let exists = strerror(Errno::EXIST);
                vec![
                    (E, text(&[b"hash_add_unique ", name, b": ", exists.as_bytes()])),
                    (Fatal, text(&[b"could not add module ", path, b": ", exists.as_bytes()])),
                ]
            }
            Error::SameName { path, old, name } => vec![
                (
                    E,
                    text(&[
                        b"kmod_module '",
                        name,
                        b"' already exists with different path: new-path='",
                        path,
                        b"' old-path='",
                        old,
                        b"'",
                    ]),
                ),
                (
                    Fatal,
                    text(&[
                        b"could not create module ",
                        path,
                        b": ",
                        strerror(Errno::EXIST).as_bytes(),
                    ]),
                ),
            ],
            Error::TooManyModules { errno } => vec![(
                Fatal,
                text(&[b"could not build module array: ", strerror(*errno).as_bytes()]),
            )],
            Error::Cycle | Error::Interrupted { .. } => vec![],
            Error::IndexTooLarge { file } => vec![(
                E,
                text(&[
                    b"Could not write index '",
                    file.as_bytes(),
                    b"': ",
                    strerror(Errno::FBIG).as_bytes(),
                ]),
            )],
            Error::CreateDir { dir, errno } => vec![(
                Fatal,
                text(&[b"could not create directory ", dir, b": ", strerror(*errno).as_bytes()]),
            )],
            Error::OpenOutput { dir, errno } => vec![(
                Fatal,
                text(&[b"could not open directory ", dir, b": ", strerror(*errno).as_bytes()]),
            )],
            Error::Write { file, dir, operation, errno } => vec![(
                E,
                text(&[
                    b"could not ",
                    operation.as_bytes(),
                    b" ",
                    dir,
                    b"/",
                    file.as_bytes(),
                    b": ",
                    strerror(*errno).as_bytes(),
                ]),
            )],
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Cycle => f.write_str("dependency cycle"),
            Error::Interrupted { signal } => write!(f, "interrupted by signal {signal}"),
            _ => {
                let lines = self.lines();
                let lines = lines.iter().map(|(_, words)| String::from_utf8_lossy(words));
                f.write_str(&lines.collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl std::error::Error for Error {}

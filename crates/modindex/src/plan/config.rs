//! depmod.d: which directories are searched first, what is overridden, what lies
//! outside the tree, what is left out (depmod.d(5), and kmod's reading of it).

use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::kver;
use crate::diagnostic::{Conditional, Diagnostic, Log, path_bytes};

/// Where depmod.d is looked for; of two files of one name, the one in the
/// earlier directory counts.
const DIRECTORIES: [&str; 5] = [
    "/etc/depmod.d",
    "/run/depmod.d",
    "/usr/local/lib/depmod.d",
    "/usr/lib/depmod.d",
    "/lib/depmod.d",
];

/// A word of `search`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// A directory below the tree.
    Path(Box<[u8]>),
    /// Modules outside of all other words.
    Builtin,
    /// The `external` directories.
    External,
}

/// What depmod.d says for one kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// In the order of reading: the word read first has the highest priority.
    pub searches: Vec<Search>,
    /// Paths relative to the tree, without `.ko`; the one read last counts most.
    pub overrides: Vec<Box<[u8]>>,
    /// Directories outside the tree, in the order of reading; the one read last
    /// is walked first.
    pub externals: Vec<Box<[u8]>>,
    /// Names of directories and files that are passed over.
    pub excludes: Vec<Box<[u8]>>,
    /// The newest change of a file or directory that was looked at.
    pub changed: Option<Changed>,
}

/// A time of change: seconds and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed(i64, i64);

impl Changed {
    /// When what is in a file was written.
    pub(crate) fn written(stat: &Stat) -> Self {
        Changed(stat.st_mtime, stat.st_mtime_nsec)
    }

    /// When anything about a file changed: package managers give a new file an old
    /// time, but not an old time of change.
    pub(crate) fn of(stat: &Stat) -> Self {
        Changed::written(stat).max(Changed(stat.st_ctime, stat.st_ctime_nsec))
    }
}

impl Config {
    /// Reads the given files and directories, or the default ones, for kernel
    /// `version`. What cannot be read is said and passed over.
    pub fn load(paths: Option<&[PathBuf]>, version: &[u8], log: &mut Log<'_>) -> Config {
        let mut files = Files::default();
        match paths {
            Some(paths) => paths.iter().for_each(|path| files.collect(path, log)),
            None => DIRECTORIES.iter().for_each(|path| files.collect(Path::new(path), log)),
        }
        let mut config = Config { changed: files.changed, ..Config::default() };
        // By name, over all directories.
        files.list.sort_by(|a, b| a.name.cmp(&b.name));
        for file in &files.list {
            match read_file(&file.path) {
                Ok(text) => config.parse(&file.path, &text, version, log),
                Err(errno) => log(Diagnostic::ConfigOpen { path: path_bytes(&file.path), errno }),
            }
        }
        if config.searches.is_empty() {
            config.searches.push(Search::Path(b"updates"[..].into()));
        }
        config
    }

    fn parse(&mut self, path: &Path, text: &[u8], version: &[u8], log: &mut Log<'_>) {
        for (line, text) in LogicalLines::new(text) {
            let mut words =
                text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
            let Some(word) = words.next() else { continue };
            if text.starts_with(b"#") {
                continue;
            }
            let mut applies = |pattern: &[u8], what| {
                let applies = kver::matches(pattern, version);
                if !applies {
                    let (path, pattern) = (path_bytes(path), pattern.into());
                    log(Diagnostic::ConfigKernel { path, line, what, pattern });
                }
                applies
            };
            match (word, words.next(), words.next(), words.next()) {
                (b"search", ..) => self.searches.extend(operands(&text).map(|word| match word {
                    b"built-in" => Search::Builtin,
                    b"external" => Search::External,
                    path => Search::Path(path.into()),
                })),
                (b"exclude", ..) => self.excludes.extend(operands(&text).map(Box::from)),
                (b"override", Some(module), Some(pattern), Some(subdir)) => {
                    if applies(pattern, Conditional::Override) {
                        self.overrides.push([subdir, b"/", module].concat().into());
                    }
                }
                (b"external", Some(pattern), Some(dir), _) => {
                    if applies(pattern, Conditional::External) {
                        self.externals.push(dir.into());
                    }
                }
                (b"include" | b"make_map_files", ..) => {
                    log(Diagnostic::ConfigWord { path: path_bytes(path), line, word: word.into() });
                }
                _ => {
                    log(Diagnostic::ConfigLine { path: path_bytes(path), line, word: word.into() });
                }
            }
        }
    }
}

/// The words of a line behind the first.
fn operands(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).skip(1)
}

/// A configuration file that counts.
struct ConfigFile {
    name: Vec<u8>,
    path: PathBuf,
}

#[derive(Default)]
struct Files {
    list: Vec<ConfigFile>,
    changed: Option<Changed>,
}

impl Files {
    /// Adds a file, or the `*.conf` files of a directory; a path that does not
    /// exist is nothing.
    fn collect(&mut self, path: &Path, log: &mut Log<'_>) {
        let Ok(stat) = rustix::fs::stat(path) else { return };
        self.changed = self.changed.max(Some(Changed::of(&stat)));
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let name = path.file_name().unwrap_or(path.as_os_str()).as_bytes().to_vec();
            return self.add(name, path.to_owned());
        }
        let (dir, mut names) = match list_dir(path) {
            Ok(listing) => listing,
            Err(errno) => return log(Diagnostic::ConfigDir { path: path_bytes(path), errno }),
        };
        names.sort_unstable();
        for name in names {
            let bytes = name.as_bytes();
            if bytes.starts_with(b".") {
                continue;
            }
            let (dir_bytes, name_bytes) = (path_bytes(path), Box::from(bytes));
            if bytes.len() < 6 || !bytes.ends_with(b".conf") {
                log(Diagnostic::ConfigName { dir: dir_bytes, name: name_bytes });
                continue;
            }
            let Ok(stat) = rustix::fs::statat(&dir, &name, AtFlags::empty()) else {
                log(Diagnostic::ConfigStat { dir: dir_bytes, name: name_bytes });
                continue;
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                log(Diagnostic::ConfigSubdir { dir: dir_bytes, name: name_bytes });
                continue;
            }
            self.changed = self.changed.max(Some(Changed::of(&stat)));
            self.add(bytes.to_vec(), path.join(OsStr::from_bytes(bytes)));
        }
    }

    fn add(&mut self, name: Vec<u8>, path: PathBuf) {
        if !self.list.iter().any(|file| file.name == name) {
            self.list.push(ConfigFile { name, path });
        }
    }
}

fn list_dir(path: &Path) -> Result<(OwnedFd, Vec<CString>), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&dir)? {
        names.push(entry?.file_name().to_owned());
    }
    Ok((dir, names))
}

/// A whole file. By libc's open, which kmod's test suite replaces to give its tests
/// a root of their own (and why rustix is built with `use-libc`).
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Errno> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    read_all(file)
}

/// The rest of an open file.
pub(crate) fn read_all(file: OwnedFd) -> Result<Vec<u8>, Errno> {
    use std::io::Read;
    let mut text = Vec::new();
    let mut file = std::fs::File::from(file);
    match file.read_to_end(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
}

/// Lines with their continuations: a backslash joins the next line, or drops
/// out in front of any other byte. Yields the number of a line's last physical
/// line, from 1.
struct LogicalLines<'a> {
    text: &'a [u8],
    number: usize,
}

impl<'a> LogicalLines<'a> {
    fn new(text: &'a [u8]) -> Self {
        LogicalLines { text, number: 0 }
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = (usize, Vec<u8>);

    fn next(&mut self) -> Option<(usize, Vec<u8>)> {
        let mut line = Vec::new();
        loop {
            match self.text {
                [] if line.is_empty() => return None,
                [] | [b'\n', ..] => {
                    self.text = self.text.get(1..).unwrap_or_default();
                    self.number += 1;
                    // What follows a NUL is no part of the line.
                    if let Some(end) = memchr::memchr(0, &line) {
                        line.truncate(end);
                    }
                    return Some((self.number, line));
                }
                [b'\\', b'\n', rest @ ..] => {
                    self.number += 1;
                    self.text = rest;
                }
                [b'\\', rest @ ..] if rest.is_empty() => self.text = rest,
                [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                    line.push(*byte);
                    self.text = rest;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Config, Vec<String>) {
        let mut config = Config::default();
        let mut said = Vec::new();
        config.parse(Path::new("x.conf"), text.as_bytes(), b"6.1.0", &mut |diagnostic| {
            said.push(String::from_utf8(diagnostic.words()).unwrap());
        });
        (config, said)
    }

    #[test]
    fn words_are_read_in_order() {
        let (config, said) = parse(
            "# search nothing\n search a  b\tbuilt-in\nsearch external\noverride e1000 * extra\n\
             override x 7.* y\nexternal ^6 /opt/mods\nexclude .git tmp\ninclude x\n",
        );
        let path = |text: &str| Search::Path(text.as_bytes().into());
        assert_eq!(config.searches, [path("a"), path("b"), Search::Builtin, Search::External]);
        assert_eq!(config.overrides, [Box::from(&b"extra/e1000"[..])]);
        assert_eq!(config.externals, [Box::from(&b"/opt/mods"[..])]);
        assert_eq!(config.excludes, [Box::from(&b".git"[..]), Box::from(&b"tmp"[..])]);
        assert_eq!(
            said,
            [
                "x.conf:5: override kernel did not match 7.*",
                "x.conf:8: command include not implemented yet"
            ]
        );
    }

    #[test]
    fn backslash_joins_lines_or_drops_out() {
        let (config, said) = parse("sea\\\nrch a\\b \\\n c\nbad \\\n\nexternal ^6\\");
        let path = |text: &str| Search::Path(text.as_bytes().into());
        assert_eq!(config.searches, [path("ab"), path("c")]);
        assert_eq!(
            said,
            [
                "x.conf:5: ignoring bad line starting with 'bad'",
                "x.conf:6: ignoring bad line starting with 'external'"
            ]
        );
    }

    #[test]
    fn carriage_return_belongs_to_the_word() {
        let (config, _) = parse("search a\r\n");
        assert_eq!(config.searches, [Search::Path(b"a\r"[..].into())]);
    }
}

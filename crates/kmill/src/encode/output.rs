//! What comes out. A file appears whole, under its name at once, or not at all; a device or a pipe is
//! written straight, and so is whatever `/dev` and `/proc` have other names for.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::signals::{self, Interrupts};

/// The mode of a new file, before the process's mask: pahole's.
const MODE: u32 = 0o640;

/// Writes a blob. A signal that was caught ends it, and nothing is left.
pub(crate) fn write(path: &Path, blob: &[u8], interrupts: &Interrupts) -> Result<(), Error> {
    let fail = |error: io::Error| Error::file(path, "writing", error);
    match place(path).map_err(fail)? {
        Place::Straight => straight(path, blob),
        Place::File(target) => whole(path, &target, blob, interrupts),
    }
}

/// How a path is written.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Opened, written, closed.
    Straight,
    /// This file is made anew: the one that the path's links lead to.
    File(PathBuf),
}

fn place(path: &Path) -> io::Result<Place> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to nothing: opening it makes what it names.
            let dangles = fs::symlink_metadata(path).is_ok();
            return Ok(if dangles { Place::Straight } else { Place::File(path.to_owned()) });
        }
        Err(error) => return Err(error),
    };
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // /dev/stdout is a link to a link to a file that somebody has open: a new file of that name
    // would not be what they read.
    let is_alias = ["/dev", "/proc"].iter().any(|root| path.starts_with(root));
    if is_alias || !kind.is_file() || kind.is_fifo() {
        return Ok(Place::Straight);
    }
    fs::canonicalize(path).map(Place::File)
}

fn straight(path: &Path, blob: &[u8]) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    let written = options.open(path).and_then(|mut file| file.write_all(blob));
    match written {
        Ok(()) => Ok(()),
        // Rust ignores SIGPIPE; a reader that went away ends pahole with it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(Error::Interrupted(signals::SIGPIPE))
        }
        Err(error) => Err(Error::file(path, "writing", error)),
    }
}

/// `path` is what people called it.
fn whole(path: &Path, target: &Path, blob: &[u8], interrupts: &Interrupts) -> Result<(), Error> {
    let fail = |error: io::Error| Error::file(path, "writing", error);
    let mode = mode_of_old(target).map_err(fail)?;
    let parent = match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    // An empty name, or one that ends in `..`.
    let Some(name) = target.file_name() else {
        return Err(fail(io::ErrorKind::NotFound.into()));
    };
    let prefix: std::ffi::OsString = [OsStr::new(".kmill-"), name].into_iter().collect();
    let mut temporary = tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(parent)
        .map_err(fail)?;
    temporary.write_all(blob).map_err(fail)?;
    if let Some(mode) = mode {
        File::set_permissions(temporary.as_file(), Permissions::from_mode(mode)).map_err(fail)?;
    }
    if let Some(signal) = interrupts.caught() {
        // Removed when it goes out of scope, before anybody dies of the signal.
        return Err(Error::Interrupted(signal));
    }
    temporary.persist(target).map_err(|error| fail(error.error))?;
    match interrupts.caught() {
        Some(signal) => Err(Error::Interrupted(signal)),
        None => Ok(()),
    }
}

/// The mode of a file that is there: the new one gets it, as if the old one had been written. It
/// must allow that.
fn mode_of_old(target: &Path) -> io::Result<Option<u32>> {
    match OpenOptions::new().write(true).open(target) {
        Ok(file) => Ok(Some(file.metadata()?.permissions().mode() & 0o7777)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path, blob: &[u8]) -> Result<(), Error> {
        write(path, blob, &Interrupts::catch())
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        written(&file, b"first, and longer").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file) & !MODE, 0);
        fs::set_permissions(&file, Permissions::from_mode(0o604)).unwrap();
        written(&file, b"second").unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"second".to_vec(), 0o604));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_stay_links() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        std::os::unix::fs::symlink("file", &link).unwrap();
        for text in [&b"new"[..], b"again"] {
            written(&link, text).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(&file).unwrap(), text);
        }
    }

    #[test]
    fn devices_are_written_straight() {
        assert_eq!(place(Path::new("/dev/null")).unwrap(), Place::Straight);
        assert_eq!(place(Path::new("/dev/stdout")).unwrap(), Place::Straight);
        written(Path::new("/dev/null"), b"x").unwrap();
        let error = written(Path::new("/dev/full"), b"x").unwrap_err().to_string();
        assert!(error.starts_with("/dev/full: writing: "), "{error}");
    }

    #[test]
    fn what_cannot_be_a_file_is_an_error() {
        for path in ["", "/", "/nonexistent/dir/x"] {
            let error = written(Path::new(path), b"x").unwrap_err().to_string();
            assert!(error.starts_with(&format!("{path}: writing: ")), "{error}");
        }
    }
}

//! The bytes of an input file, by a map where that can be.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use kernel_elf::GuardedMap;

/// The bytes of an input file.
#[derive(Debug)]
pub(crate) enum Input {
    /// Where it is.
    Mapped(GuardedMap),
    /// A copy, of what cannot be mapped: a pipe, or a file that claims to be empty.
    Read(Vec<u8>),
}

impl Input {
    /// All of them.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Input::Mapped(map) => map.bytes(),
            Input::Read(bytes) => bytes,
        }
    }

    /// Lets go of memory that holds a part of them, if it can be had again.
    pub(crate) fn release(&self, part: &[u8]) {
        if let Input::Mapped(map) = self {
            map.release(part);
        }
    }

    /// Whether they were the file's, to be asked when they have been used.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self {
            Input::Mapped(map) => map.check(),
            Input::Read(_) => Ok(()),
        }
    }
}

/// Brings an input file into memory. The one place that knows how.
pub(crate) fn read_input(path: &Path) -> io::Result<Input> {
    let mut file = File::open(path)?;
    if let Ok(map) = GuardedMap::open(&file) {
        return Ok(Input::Mapped(map));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Input::Read(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_mapped_and_what_cannot_be_is_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"content").unwrap();
        let input = read_input(file.path()).unwrap();
        assert!(matches!(input, Input::Mapped(_)));
        assert_eq!(input.bytes(), b"content");
        input.check().unwrap();
        file.as_file().set_len(3).unwrap();
        let words = "it had 7 bytes, and 3 when it was read";
        assert_eq!(input.check().unwrap_err().to_string(), words);

        // It says that it has no bytes.
        let input = read_input(Path::new("/proc/self/status")).unwrap();
        assert!(matches!(input, Input::Read(_)) && input.bytes().starts_with(b"Name:"));
        input.check().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"through a pipe").unwrap();
        drop(writer);
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        assert_eq!(read_input(Path::new(&name)).unwrap().bytes(), b"through a pipe");
        file.as_file().set_len(0).unwrap();
        assert_eq!(read_input(file.path()).unwrap().bytes(), b"");
        assert!(read_input(Path::new("/nonexistent")).is_err());
        assert!(read_input(Path::new("/")).is_err());
    }
}

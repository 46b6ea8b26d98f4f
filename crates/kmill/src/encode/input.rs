//! What goes in: the file with the debug info, and the BTF of a base.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use kmill_btf::Btf;
use object::read::{Object, ObjectSection, ReadCache};

use super::error::Error;

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// The bytes of an input file.
#[derive(Debug)]
pub(crate) struct Input(Vec<u8>);

impl Input {
    /// All of them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Brings an input file into memory. The one place that knows how: a map instead of a copy comes
/// here.
pub(crate) fn read_input(path: &Path) -> io::Result<Input> {
    fs::read(path).map(Input)
}

/// The types that a split blob goes on behind: the `.BTF` section of an ELF file, or a file that holds
/// BTF alone.
pub(crate) fn read_base(path: &Path) -> Result<Arc<Btf>, Error> {
    let fail = |cause: String| Error::file(path, "reading the base's BTF", cause);
    let mut file = File::open(path).map_err(|error| fail(error.to_string()))?;
    let mut magic = Vec::new();
    let read = file.by_ref().take(ELF_MAGIC.len() as u64).read_to_end(&mut magic);
    read.map_err(|error| fail(error.to_string()))?;
    let bytes = match magic == ELF_MAGIC {
        true => section(file).map_err(fail)?,
        false => {
            let rest = file.read_to_end(&mut magic);
            rest.map_err(|error| fail(error.to_string()))?;
            magic
        }
    };
    Btf::read(&bytes).map(Arc::new).map_err(|error| fail(error.to_string()))
}

/// Only what is asked for of the file is read: with its debug info it may be large.
fn section(file: File) -> Result<Vec<u8>, String> {
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache).map_err(|error| error.to_string())?;
    let section = file.section_by_name(".BTF").ok_or("the ELF file has no section .BTF")?;
    section.data().map(<[u8]>::to_vec).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmill_btf::Endian;

    fn blob() -> Vec<u8> {
        let mut btf = Btf::new(Endian::Little);
        let name = btf.add_string(b"int");
        btf.types.push_int(name, 4, 1);
        btf.to_bytes()
    }

    /// A 64-bit little-endian ELF file with one section and the names of sections.
    fn elf(name: &str, content: &[u8]) -> Vec<u8> {
        let names = format!("\0{name}\0");
        let table = 64 + content.len() + names.len();
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
        file.extend([0; 16]);
        file.extend((table as u64).to_le_bytes());
        file.extend(b"\0\0\0\0\x40\0\0\0\0\0\x40\0\x03\0\x02\0");
        file.extend(content);
        file.extend(names.as_bytes());
        let mut section = |name: u32, kind: u32, offset: usize, size: usize| {
            file.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
            for word in [0, 0, offset as u64, size as u64, 0, 0, 0] {
                file.extend(word.to_le_bytes());
            }
        };
        section(0, 0, 0, 0);
        section(1, 1, 64, content.len());
        section(1, 3, 64 + content.len(), names.len());
        file
    }

    #[test]
    fn a_base_is_btf_or_an_elf_file_with_some() {
        let dir = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            let path = dir.path().join("base");
            fs::write(&path, bytes).unwrap();
            read_base(&path).map(|base| base.types.len()).map_err(|error| error.to_string())
        };
        assert_eq!(read(&blob()), Ok(1));
        assert_eq!(read(&elf(".BTF", &blob())), Ok(1));
        for (bytes, words) in [
            (elf(".BTW", &blob()), "the ELF file has no section .BTF"),
            (elf(".BTF", b"none"), "not BTF: "),
            (b"\x7fELF".to_vec(), ""),
            (Vec::new(), "not BTF: "),
        ] {
            let error = read(&bytes).unwrap_err();
            let words = format!("/base: reading the base's BTF: {words}");
            assert!(error.contains(&words), "{error}");
        }
    }
}

//! BTF as files hold it: alone, or as the section `.BTF` of an ELF file, which a kernel and its
//! modules are.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use kmill_btf::{Btf, ReadError};
use object::read::{Object, ObjectSection, ReadCache};

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Why a file gives no BTF.
#[derive(Debug)]
pub(crate) enum BlobError {
    /// It could not be read.
    Io(io::Error),
    /// It begins as an ELF file, and is none.
    Elf(object::read::Error),
    /// It is an ELF file without BTF.
    NoSection,
    /// Its BTF is none.
    Btf(ReadError),
    /// Its BTF does not stand alone, and no base was named.
    PerhapsSplit(ReadError),
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlobError::Io(error) => error.fmt(f),
            BlobError::Elf(error) => error.fmt(f),
            BlobError::NoSection => f.write_str("the ELF file has no section .BTF"),
            BlobError::Btf(error) => error.fmt(f),
            BlobError::PerhapsSplit(error) => {
                write!(f, "{error}; a module's BTF goes on behind its kernel's, which is not named")
            }
        }
    }
}

/// The types of a file; behind those of a base if there is one.
pub(crate) fn read(path: &Path, base: Option<&Arc<Btf>>) -> Result<Btf, BlobError> {
    let bytes = bytes(path)?;
    match base {
        Some(base) => Btf::read_split(&bytes, base.clone()).map_err(BlobError::Btf),
        None => Btf::read(&bytes).map_err(|error| match error {
            // Its strings begin where the base's end: none of them is the empty one.
            ReadError::Strings(_) => BlobError::PerhapsSplit(error),
            _ => BlobError::Btf(error),
        }),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, BlobError> {
    let mut file = File::open(path).map_err(BlobError::Io)?;
    let mut bytes = Vec::new();
    let magic = file.by_ref().take(ELF_MAGIC.len() as u64).read_to_end(&mut bytes);
    magic.map_err(BlobError::Io)?;
    if bytes == ELF_MAGIC {
        return section(file);
    }
    file.read_to_end(&mut bytes).map_err(BlobError::Io)?;
    Ok(bytes)
}

/// Only what is asked for of the file is read: with its debug info it may be large.
fn section(file: File) -> Result<Vec<u8>, BlobError> {
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache).map_err(BlobError::Elf)?;
    let section = file.section_by_name(".BTF").ok_or(BlobError::NoSection)?;
    section.data().map(<[u8]>::to_vec).map_err(BlobError::Elf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmill_btf::{Endian, Kind, StrOff, TypeId};

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

    fn types(bytes: &[u8], base: Option<&Arc<Btf>>) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path(), base).map(|btf| btf.types.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_btf_or_an_elf_file_with_some() {
        assert_eq!(types(&blob(), None), Ok(1));
        assert_eq!(types(&elf(".BTF", &blob()), None), Ok(1));
        for (bytes, words) in [
            (elf(".BTW", &blob()), "the ELF file has no section .BTF"),
            (elf(".BTF", b"none"), "not BTF: "),
            (b"\x7fELF".to_vec(), ""),
            (Vec::new(), "not BTF: "),
        ] {
            let error = types(&bytes, None).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn split_btf_needs_a_base_and_says_so() {
        let base = Arc::new(Btf::read(&blob()).unwrap());
        let mut split = Btf::split(base.clone());
        split.types.push_ref(Kind::Ptr, StrOff::EMPTY, TypeId(1));
        split.types.push_ref(Kind::Const, StrOff::EMPTY, TypeId(2));
        let split = elf(".BTF", &split.to_bytes());
        assert_eq!(types(&split, Some(&base)), Ok(2));
        let error = types(&split, None).unwrap_err();
        assert!(error.contains("a module's BTF goes on behind its kernel's"), "{error}");
    }
}

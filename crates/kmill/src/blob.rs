//! BTF as files hold it: alone, or as the section `.BTF` of an ELF file, which a kernel and its
//! modules are. A module may have a base of its own beside it, in `.BTF.base`.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use kmill_btf::{Btf, ReadError};
use object::read::{Object, ObjectSection};

use crate::bytes::read_input;

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
    /// What it has for a base is no BTF.
    Base(ReadError),
    /// It has a base, and another one was named.
    TwoBases,
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
            BlobError::Base(error) => write!(f, "its section .BTF.base: {error}"),
            BlobError::TwoBases => f.write_str(
                "its BTF goes on behind its section .BTF.base, and behind no other base",
            ),
        }
    }
}

/// The types of a file; behind those of a base if there is one.
pub(crate) fn read(path: &Path, base: Option<&Arc<Btf>>) -> Result<Btf, BlobError> {
    with(path, |Blob { bytes, base: own }| {
        let base = match (base, own) {
            // To find its types in another base would be the kernel's relocation.
            (Some(_), Some(_)) => return Err(BlobError::TwoBases),
            (Some(base), None) => Some(base.clone()),
            (None, own) => read_own(own)?,
        };
        match base {
            Some(base) => Btf::read_split(bytes, base).map_err(BlobError::Btf),
            None => Btf::read(bytes).map_err(alone),
        }
    })
}

fn read_own(base: Option<&[u8]>) -> Result<Option<Arc<Btf>>, BlobError> {
    base.map(|base| Btf::read(base).map(Arc::new)).transpose().map_err(BlobError::Base)
}

/// Why a blob without a base is none.
fn alone(error: ReadError) -> BlobError {
    match error {
        // Its strings begin where the base's end: none of them is the empty one.
        ReadError::Strings(_) => BlobError::PerhapsSplit(error),
        _ => BlobError::Btf(error),
    }
}

/// BTF, and the base that the same file has for it.
#[derive(Clone, Copy, Debug)]
struct Blob<'f> {
    bytes: &'f [u8],
    base: Option<&'f [u8]>,
}

/// Does something with the BTF of a file.
fn with<T>(
    path: &Path,
    read: impl FnOnce(Blob<'_>) -> Result<T, BlobError>,
) -> Result<T, BlobError> {
    let input = read_input(path).map_err(BlobError::Io)?;
    let bytes = input.bytes();
    let found = match bytes.starts_with(ELF_MAGIC) {
        true => sections(bytes),
        false => Ok(Blob { bytes, base: None }),
    };
    let done = found.and_then(read);
    // First: of a file that shrank, nothing else is worth a word.
    input.check().map_err(BlobError::Io)?;
    done
}

fn sections(bytes: &[u8]) -> Result<Blob<'_>, BlobError> {
    let file = object::File::parse(bytes).map_err(BlobError::Elf)?;
    let section = |name| {
        let section = file.section_by_name(name);
        section.map(|section| section.data()).transpose().map_err(BlobError::Elf)
    };
    let bytes = section(".BTF")?.ok_or(BlobError::NoSection)?;
    Ok(Blob { bytes, base: section(".BTF.base")? })
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

    /// A 64-bit little-endian ELF file with these sections and the names of sections.
    fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut names, mut content, mut headers) = (vec![0], Vec::new(), vec![0; 64]);
        let mut header = |name: usize, kind: u32, offset: usize, size: usize| {
            headers.extend([(name as u32).to_le_bytes(), kind.to_le_bytes()].concat());
            for word in [0, 0, offset as u64, size as u64, 0, 0, 0] {
                headers.extend(word.to_le_bytes());
            }
        };
        for (name, bytes) in sections {
            header(names.len(), 1, 64 + content.len(), bytes.len());
            names.extend(name.as_bytes());
            names.push(0);
            content.extend(*bytes);
        }
        header(0, 3, 64 + content.len(), names.len());
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
        file.extend([0; 16]);
        file.extend(((64 + content.len() + names.len()) as u64).to_le_bytes());
        file.extend(b"\0\0\0\0\x40\0\0\0\0\0\x40\0");
        let count = sections.len() as u16;
        file.extend([(count + 2).to_le_bytes(), (count + 1).to_le_bytes()].concat());
        [file, content, names, headers].concat()
    }

    fn types(bytes: &[u8], base: Option<&Arc<Btf>>) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path(), base).map(|btf| btf.types.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_btf_or_an_elf_file_with_some() {
        assert_eq!(types(&blob(), None), Ok(1));
        assert_eq!(types(&elf(&[(".BTF", &blob())]), None), Ok(1));
        for (bytes, words) in [
            (elf(&[(".BTW", &blob())]), "the ELF file has no section .BTF"),
            (elf(&[(".BTF", b"none")]), "not BTF: "),
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
        let split = elf(&[(".BTF", &split.to_bytes())]);
        assert_eq!(types(&split, Some(&base)), Ok(2));
        let error = types(&split, None).unwrap_err();
        assert!(error.contains("a module's BTF goes on behind its kernel's"), "{error}");
    }

    #[test]
    fn a_base_in_the_same_file_is_the_base_and_the_only_one() {
        let base = Arc::new(Btf::read(&blob()).unwrap());
        let mut split = Btf::split(base.clone());
        split.types.push_ref(Kind::Ptr, StrOff::EMPTY, TypeId(1));
        let split = split.to_bytes();
        let both = elf(&[(".BTF", &split), (".BTF.base", &blob())]);
        assert_eq!(types(&both, None), Ok(1));
        let words = "its BTF goes on behind its section .BTF.base, and behind no other base";
        assert_eq!(types(&both, Some(&base)), Err(words.to_owned()));
        let error = types(&elf(&[(".BTF", &split), (".BTF.base", b"none")]), None).unwrap_err();
        assert!(error.starts_with("its section .BTF.base: not BTF: "), "{error}");
    }
}

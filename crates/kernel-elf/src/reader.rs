//! One worker's scratch: reads a module file, whatever its codec, into the view
//! that an index is made from. Buffers grow to the largest module seen and are
//! reused; nothing is allocated for a typical module.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::fstat;

use crate::codec::{Codec, Decoder};
use crate::error::ReadError;
use crate::layout::{self, Extent, Wanted};
use crate::module::{Image, ModuleElf, Strings, within};
use crate::source::{Source, at_least, read_exact_at};

/// Length of the longer ELF header, and more than any magic.
const HEAD: usize = 64;

/// A file up to this size is read whole: one long read costs less than four.
const SMALL: u64 = 24 << 10;

/// Two sections closer than this are read in one go: copying the gap costs less
/// than another system call.
const GAP: u64 = 4096;

/// Reads modules one after another into reused buffers.
#[derive(Debug, Default)]
pub struct ModuleReader {
    decoder: Decoder,
    input: Vec<u8>,
    table: Vec<u8>,
    names: Vec<u8>,
    sections: Vec<u8>,
}

impl ModuleReader {
    /// A reader with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the module open at `fd`, by positioned reads: the file position is
    /// neither used nor moved.
    ///
    /// # Errors
    /// See [`ReadError`]; nothing of the module counts then.
    pub fn read<'a>(&'a mut self, fd: BorrowedFd<'a>) -> Result<ModuleElf<'a>, ReadError> {
        let Self { decoder, input, table, names, sections } = self;
        let size = fstat(fd.as_fd()).map_err(ReadError::Read)?.st_size as u64;
        let first = if size <= SMALL { size as usize } else { HEAD };
        if first < Codec::MAGIC_LEN {
            return Err(ReadError::TooShort);
        }
        read_exact_at(fd, at_least(input, first)?, 0)?;
        match Codec::of(&input[..first]) {
            Codec::None if size <= SMALL => whole(&input[..first], table, names),
            Codec::None => {
                let mut head = [0; HEAD];
                head.copy_from_slice(&input[..HEAD]);
                sparse(Source::File { fd, size }, &head, input, table, names, sections)
            }
            codec => {
                let input = at_least(input, size as usize)?;
                read_exact_at(fd, &mut input[first..], first as u64)?;
                whole(decoder.decode(codec, input)?, table, names)
            }
        }
    }
}

/// The view of an uncompressed file, of which only the wanted sections are read.
fn sparse<'a>(
    source: Source<'a>,
    head: &[u8],
    input: &'a mut Vec<u8>,
    table: &'a mut Vec<u8>,
    names: &'a mut Vec<u8>,
    sections: &'a mut Vec<u8>,
) -> Result<ModuleElf<'a>, ReadError> {
    let layout = layout::read(&source, head, table, names)?;
    let mut parts = layout.sections().map(|(which, extent)| Part { which, extent, at: 0 });
    read_parts(&source, &mut parts, sections)?;
    let names_end = part(sections, &parts, Wanted::Strtab)
        .is_none_or(|bytes| bytes.last().is_none_or(|last| *last == 0));
    if !names_end {
        // A name may run on behind `.strtab`: only the whole file tells where it ends.
        let image = source.get(0..source.size(), input)?;
        return whole(image, table, names);
    }
    let bytes = |which| part(sections, &parts, which);
    let image = Image {
        modinfo: bytes(Wanted::Modinfo),
        ksymtab_strings: bytes(Wanted::KsymtabStrings),
        versions: bytes(Wanted::Versions),
        symtab: bytes(Wanted::Symtab),
        strtab: bytes(Wanted::Strtab).map(|bytes| Strings { bytes, declared: bytes.len() }),
    };
    Ok(ModuleElf { source, layout, image })
}

/// The view of a whole image in memory.
fn whole<'a>(
    image: &'a [u8],
    table: &'a mut Vec<u8>,
    names: &'a mut Vec<u8>,
) -> Result<ModuleElf<'a>, ReadError> {
    let source = Source::Image(image);
    let layout = layout::read(&source, image, table, names)?;
    let bytes = |which| slice(image, layout.section(which)?);
    let image = Image {
        modinfo: bytes(Wanted::Modinfo),
        ksymtab_strings: bytes(Wanted::KsymtabStrings),
        versions: bytes(Wanted::Versions),
        symtab: bytes(Wanted::Symtab),
        strtab: layout.section(Wanted::Strtab).map(|extent| Strings {
            bytes: image.get(extent.offset as usize..).unwrap_or_default(),
            declared: extent.size as usize,
        }),
    };
    Ok(ModuleElf { source, layout, image })
}

fn slice(image: &[u8], extent: Extent) -> Option<&[u8]> {
    image.get(extent.offset as usize..)?.get(..extent.size as usize)
}

/// A wanted section and where its bytes lie in the sparse buffer.
#[derive(Clone, Copy)]
struct Part {
    which: Wanted,
    extent: Option<Extent>,
    at: usize,
}

fn part<'a>(sections: &'a [u8], parts: &[Part], which: Wanted) -> Option<&'a [u8]> {
    let part = parts.iter().find(|part| part.which == which)?;
    let size = part.extent?.size as usize;
    Some(within(sections, part.at..part.at + size))
}

/// Reads the wanted sections one behind another into `buf`, neighbours together.
/// The bytes read are at most those of the file: ranges that overlap are merged.
fn read_parts(
    source: &Source<'_>,
    parts: &mut [Part; Wanted::COUNT],
    buf: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let Source::File { fd, .. } = *source else { return Ok(()) };
    parts.sort_unstable_by_key(|part| part.extent.map_or(u64::MAX, |extent| extent.offset));
    let mut used = 0;
    let mut first = 0;
    while let Some(Part { extent: Some(extent), .. }) = parts.get(first) {
        let start = extent.offset;
        let mut end = start + extent.size;
        let mut last = first + 1;
        while let Some(Part { extent: Some(next), .. }) = parts.get(last) {
            if next.offset > end.saturating_add(GAP) {
                break;
            }
            end = end.max(next.offset + next.size);
            last += 1;
        }
        let len = (end - start) as usize;
        read_exact_at(fd, &mut at_least(buf, used + len)?[used..], start)?;
        for part in &mut parts[first..last] {
            if let Some(extent) = part.extent {
                part.at = used + (extent.offset - start) as usize;
            }
        }
        used += len;
        first = last;
    }
    Ok(())
}

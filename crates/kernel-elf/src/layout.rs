//! From the ELF header and the section table to the few sections an index needs.
//!
//! The rules are libkmod's, which are laxer than the ELF standard in places and
//! stricter in others: program headers are never looked at; a section whose
//! range leaves the file is passed over, not an error; the first section of a
//! name counts; types and flags of sections are not looked at. Field layouts:
//! System V ABI, chapter 4 ("Object Files").

use object::elf::{FileHeader32, FileHeader64, SectionHeader32, SectionHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endian, Endianness, pod};

use crate::error::ReadError;
use crate::source::Source;

/// Bytes that are read in front of the section table: `.shstrtab` usually lies
/// there, and one longer read is cheaper than a second one.
const TABLE_LEAD: u64 = 1024;

/// 32- or 64-bit file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// ELFCLASS32
    Elf32,
    /// ELFCLASS64
    Elf64,
}

/// The sections an index needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Modinfo,
    KsymtabStrings,
    Versions,
    Symtab,
    Strtab,
}

impl Wanted {
    pub(crate) const COUNT: usize = 5;

    /// The section that a name is of; `names` goes on behind its NUL. Looked at
    /// byte by byte, since this is asked of every section of a kernel and nearly
    /// always answered by the third.
    fn of(names: &[u8]) -> Option<Wanted> {
        let (wanted, name): (_, &[u8]) = match names {
            [b'.', b'm', b'o', ..] => (Wanted::Modinfo, b".modinfo\0"),
            [b'.', b's', b'y', ..] => (Wanted::Symtab, b".symtab\0"),
            [b'.', b's', b't', ..] => (Wanted::Strtab, b".strtab\0"),
            [b'_', b'_', b'v', ..] => (Wanted::Versions, b"__versions\0"),
            [b'_', b'_', b'k', b's', b'y', b'm', b't', b'a', b'b', b'_', b's', ..] => {
                (Wanted::KsymtabStrings, b"__ksymtab_strings\0")
            }
            _ => return None,
        };
        names.starts_with(name).then_some(wanted)
    }
}

/// A section's place in the file, already checked to lie within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// What the headers of a module say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) class: Class,
    pub(crate) endian: Endianness,
    pub(crate) machine: u16,
    pub(crate) table: Table,
    wanted: [Option<Extent>; Wanted::COUNT],
}

/// Where the section headers lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    offset: u64,
    count: u64,
}

impl Layout {
    /// The first valid section of that name. One at offset 0 counts as absent,
    /// as in libkmod: the ELF header lies there.
    pub(crate) fn section(&self, wanted: Wanted) -> Option<Extent> {
        self.wanted[wanted as usize]
    }
}

/// Reads the headers. `head` is the start of the image, at least as long as the
/// larger of the two ELF headers where the image is.
pub(crate) fn read(
    source: &Source<'_>,
    head: &[u8],
    table_buf: &mut Vec<u8>,
    names_buf: &mut Vec<u8>,
) -> Result<Layout, ReadError> {
    let size = source.size();
    // <= and not <, here and below: libkmod refuses a file that ends with its header.
    if size <= 16 || !head.starts_with(b"\x7fELF") {
        return Err(ReadError::NotElf);
    }
    let endian = match head.get(5) {
        Some(1) => Endianness::Little,
        Some(2) => Endianness::Big,
        _ => Endianness::Little, // refused below, after the class, as libkmod does
    };
    let class = match head.get(4) {
        Some(1) if size > size_of::<FileHeader32<Endianness>>() as u64 => Class::Elf32,
        Some(2) if size > size_of::<FileHeader64<Endianness>>() as u64 => Class::Elf64,
        Some(1 | 2) => return Err(ReadError::Malformed("no room for an ELF header")),
        _ => return Err(ReadError::Malformed("unknown ELF class")),
    };
    if !matches!(head.get(5), Some(1 | 2)) {
        return Err(ReadError::Malformed("unknown ELF data encoding"));
    }
    match class {
        Class::Elf32 => read_class::<FileHeader32<Endianness>>(
            source, class, endian, head, table_buf, names_buf,
        ),
        Class::Elf64 => read_class::<FileHeader64<Endianness>>(
            source, class, endian, head, table_buf, names_buf,
        ),
    }
}

fn read_class<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_>,
    class: Class,
    endian: Endianness,
    head: &[u8],
    table_buf: &mut Vec<u8>,
    names_buf: &mut Vec<u8>,
) -> Result<Layout, ReadError> {
    let (header, _) = pod::from_bytes::<Elf>(head)
        .map_err(|()| ReadError::Malformed("no room for an ELF header"))?;
    let entry = size_of::<Elf::SectionHeader>() as u64;
    if u64::from(header.e_shentsize(endian)) != entry {
        return Err(ReadError::Malformed("unexpected section header size"));
    }
    let offset: u64 = header.e_shoff(endian).into();
    let (count, names_index) = match (header.e_shnum(endian), header.e_shstrndx(endian).0) {
        // Extended numbering: section header 0 holds what 16 bits cannot.
        (count, index) if count == 0 || index == object::elf::SHN_XINDEX.0 => {
            let first = header_at::<Elf>(source, offset, table_buf)?;
            let count = match count {
                0 => first.sh_size(endian).into(),
                _ => u64::from(count),
            };
            let index = match index {
                index if index == object::elf::SHN_XINDEX.0 => u64::from(first.sh_link(endian)),
                index => u64::from(index),
            };
            (count, index)
        }
        (count, index) => (u64::from(count), u64::from(index)),
    };
    let end = count
        .checked_mul(entry)
        .and_then(|bytes| offset.checked_add(bytes))
        .filter(|end| *end <= source.size())
        .ok_or(ReadError::Malformed("section table outside the file"))?;
    if names_index == 0 || names_index >= count {
        return Err(ReadError::Malformed("no section name table"));
    }

    let start = offset.saturating_sub(TABLE_LEAD);
    let bytes = source.get(start..end, table_buf)?;
    let (lead, table) = bytes.split_at((offset - start) as usize);
    let headers = pod::slice_from_all_bytes::<Elf::SectionHeader>(table)
        .map_err(|()| ReadError::Malformed("section table"))?;

    let names = extent(source, endian, &headers[names_index as usize])
        .filter(|extent| u64::from(headers[names_index as usize].sh_name(endian)) < extent.size)
        .ok_or(ReadError::Malformed("section name table outside the file"))?;
    let names = match names.offset.checked_sub(start) {
        Some(at) if at + names.size <= lead.len() as u64 => {
            &lead[at as usize..(at + names.size) as usize]
        }
        _ => source.get(names.offset..names.offset + names.size, names_buf)?,
    };
    if names.last() != Some(&0) {
        return Err(ReadError::Malformed("section names do not end"));
    }

    let mut wanted = [None; Wanted::COUNT];
    let mut seen = [false; Wanted::COUNT];
    for header in headers.iter().skip(1) {
        let name = names.get(header.sh_name(endian) as usize..);
        let Some(which) = name.and_then(Wanted::of) else { continue };
        let Some(extent) = extent(source, endian, header) else { continue };
        if !std::mem::replace(&mut seen[which as usize], true) {
            wanted[which as usize] = Some(extent).filter(|extent| extent.offset != 0);
        }
    }
    let machine = header.e_machine(endian).0;
    Ok(Layout { class, endian, machine, table: Table { offset, count }, wanted })
}

/// The extent of section `index`, for a symbol that points into it.
pub(crate) fn section_at(
    source: &Source<'_>,
    layout: &Layout,
    index: u16,
    buf: &mut Vec<u8>,
) -> Result<Option<Extent>, ReadError> {
    if u64::from(index) >= layout.table.count {
        return Ok(None);
    }
    let entry = match layout.class {
        Class::Elf32 => size_of::<SectionHeader32<Endianness>>(),
        Class::Elf64 => size_of::<SectionHeader64<Endianness>>(),
    } as u64;
    let offset = layout.table.offset + u64::from(index) * entry;
    Ok(match layout.class {
        Class::Elf32 => {
            let header = *header_at::<FileHeader32<Endianness>>(source, offset, buf)?;
            extent(source, layout.endian, &header)
        }
        Class::Elf64 => {
            let header = *header_at::<FileHeader64<Endianness>>(source, offset, buf)?;
            extent(source, layout.endian, &header)
        }
    })
}

fn header_at<'b, Elf: FileHeader>(
    source: &Source<'b>,
    offset: u64,
    buf: &'b mut Vec<u8>,
) -> Result<&'b Elf::SectionHeader, ReadError> {
    let entry = size_of::<Elf::SectionHeader>() as u64;
    if !source.holds(offset, entry) {
        return Err(ReadError::Malformed("section table outside the file"));
    }
    let bytes = source.get(offset..offset + entry, buf)?;
    let (header, _) = pod::from_bytes(bytes).map_err(|()| ReadError::Malformed("section table"))?;
    Ok(header)
}

fn extent<E: Endian, S: SectionHeader<Endian = E>>(
    source: &Source<'_>,
    endian: E,
    header: &S,
) -> Option<Extent> {
    let offset = header.sh_offset(endian).into();
    let size = header.sh_size(endian).into();
    source.holds(offset, size).then_some(Extent { offset, size })
}

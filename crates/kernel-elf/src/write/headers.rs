//! The headers of an ELF file, read so that they can be written again: System V ABI, chapter 4
//! ("ELF Header", "Sections") and chapter 5 ("Program Header").
//!
//! Stricter than `layout`, which reads what depmod takes: a file in which a section lies outside is not
//! written to, since what is appended would become that section's content.

use std::ops::Range;

use super::error::WriteError;
use crate::Class;

pub(super) const SHT_RELA: u32 = 4;
pub(super) const SHT_NOBITS: u32 = 8;
pub(super) const SHT_REL: u32 = 9;
pub(super) const SHT_PROGBITS: u32 = 1;
pub(super) const SHF_ALLOC: u64 = 0x2;
pub(super) const SHF_COMPRESSED: u64 = 0x800;

/// From here on, an index or a count does not fit the ELF header's 16 bits: section 0 has it.
pub(super) const LORESERVE: usize = 0xff00;
const XINDEX: u16 = 0xffff;
const PN_XNUM: u16 = 0xffff;
const PT_NULL: u32 = 0;

/// As many sections as are held in memory: 64 MiB of headers. `gcc -ffunction-sections` makes some
/// hundred thousand of a large program.
const SECTIONS_MAX: u64 = 1 << 20;

/// As long as a table of names may be.
const NAMES_MAX: u64 = 1 << 28;

/// How numbers are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) class: Class,
    pub(super) big: bool,
}

impl Shape {
    /// Bytes of the ELF header, of a program header, of a section header.
    pub(super) fn sizes(self) -> (usize, usize, usize) {
        match self.class {
            Class::Elf32 => (52, 32, 40),
            Class::Elf64 => (64, 56, 64),
        }
    }

    /// Where the ELF header says what a change of sections changes: from `e_shoff` to `e_shstrndx`,
    /// its last field.
    pub(super) fn switch(self) -> Range<usize> {
        match self.class {
            Class::Elf32 => 0x20..0x34,
            Class::Elf64 => 0x28..0x40,
        }
    }

    /// Bytes of an address, an offset or a size.
    fn word(self) -> usize {
        match self.class {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        }
    }

    /// The number of `width` bytes at `at`; 0 beyond the end, which no caller asks for.
    fn number(self, bytes: &[u8], at: usize, width: usize) -> u64 {
        let field = bytes.get(at..at + width).unwrap_or_default();
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self.big {
            true => field.iter().fold(0, join),
            false => field.iter().rev().fold(0, join),
        }
    }

    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        self.number(bytes, at, 2) as u16
    }

    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        self.number(bytes, at, 4) as u32
    }

    fn put(self, out: &mut Vec<u8>, number: u64, width: usize) {
        let bytes = number.to_le_bytes();
        match self.big {
            true => out.extend(bytes[..width].iter().rev()),
            false => out.extend(&bytes[..width]),
        }
    }
}

/// A section header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: u32,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) addr: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    pub(super) info: u32,
    pub(super) align: u64,
    pub(super) entry: u64,
}

impl Section {
    fn read(shape: Shape, bytes: &[u8]) -> Section {
        let word = shape.word();
        let wide = |at| shape.number(bytes, at, word);
        Section {
            name: shape.u32(bytes, 0),
            kind: shape.u32(bytes, 4),
            flags: wide(8),
            addr: wide(8 + word),
            offset: wide(8 + 2 * word),
            size: wide(8 + 3 * word),
            link: shape.u32(bytes, 8 + 4 * word),
            info: shape.u32(bytes, 12 + 4 * word),
            align: wide(16 + 4 * word),
            entry: wide(16 + 5 * word),
        }
    }

    /// Appends the header. What does not fit a 32-bit file was refused before.
    pub(super) fn put(&self, shape: Shape, out: &mut Vec<u8>) {
        let word = shape.word();
        shape.put(out, self.name.into(), 4);
        shape.put(out, self.kind.into(), 4);
        for wide in [self.flags, self.addr, self.offset, self.size] {
            shape.put(out, wide, word);
        }
        shape.put(out, self.link.into(), 4);
        shape.put(out, self.info.into(), 4);
        shape.put(out, self.align, word);
        shape.put(out, self.entry, word);
    }

    /// Whether it has bytes in the file.
    pub(super) fn has_bytes(&self) -> bool {
        self.kind != SHT_NOBITS && self.size > 0
    }

    /// Its bytes in the file, which reading has checked to be there; none when it has none.
    pub(super) fn range(&self) -> Range<usize> {
        match self.has_bytes() {
            true => self.offset as usize..(self.offset + self.size) as usize,
            false => 0..0,
        }
    }
}

/// An ELF file's headers.
#[derive(Debug)]
pub(super) struct Elf<'a> {
    pub(super) image: &'a [u8],
    pub(super) shape: Shape,
    /// All of them, the first one too, which is none.
    pub(super) sections: Vec<Section>,
    /// The index of the one with the names.
    pub(super) names: usize,
    /// Where the section headers are.
    pub(super) table: Range<usize>,
    /// Where the program headers are.
    pub(super) programs: Range<usize>,
    /// The parts of the file that are loaded or otherwise meant by program headers.
    pub(super) segments: Vec<Range<usize>>,
    /// Whether section 0 has the count, and the index of the names.
    extended: (bool, bool),
}

impl<'a> Elf<'a> {
    /// Reads the headers, and checks that everything they speak of is in the file.
    pub(super) fn read(image: &'a [u8]) -> Result<Elf<'a>, WriteError> {
        if !image.starts_with(b"\x7fELF") {
            return Err(WriteError::NotElf);
        }
        let class = match image.get(4) {
            Some(1) => Class::Elf32,
            Some(2) => Class::Elf64,
            _ => return Err(WriteError::Malformed("unknown class")),
        };
        let big = match image.get(5) {
            Some(1) => false,
            Some(2) => true,
            _ => return Err(WriteError::Malformed("unknown data encoding")),
        };
        let shape = Shape { class, big };
        let (header_size, program_size, section_size) = shape.sizes();
        if image.len() < header_size {
            return Err(WriteError::Malformed("no room for an ELF header"));
        }
        let word = shape.word();
        // e_phoff; e_shoff and e_flags follow it, then the 16-bit fields from e_ehsize on.
        let phoff = 24 + word;
        let halves = phoff + 2 * word + 4;
        let offset = shape.number(image, phoff + word, word);
        if offset == 0 {
            return Err(WriteError::Without("section headers"));
        }
        if usize::from(shape.u16(image, halves + 6)) != section_size {
            return Err(WriteError::Malformed("unexpected section header size"));
        }
        let outside = WriteError::Malformed("the section headers reach beyond the end of the file");
        let first = part(image, offset, section_size as u64).ok_or(outside)?;
        let first = Section::read(shape, &image[first]);
        let (short_count, short_names) =
            (shape.u16(image, halves + 8), shape.u16(image, halves + 10));
        let extended = (short_count == 0, short_names == XINDEX);
        let count = if extended.0 { first.size } else { short_count.into() };
        let names = if extended.1 { first.link as usize } else { short_names.into() };
        if count > SECTIONS_MAX {
            return Err(WriteError::Malformed("more sections than any file has"));
        }
        let outside = WriteError::Malformed("the section headers reach beyond the end of the file");
        let table = part(image, offset, count * section_size as u64).ok_or(outside)?;
        let headers = image[table.clone()].chunks_exact(section_size);
        let sections: Vec<Section> = headers.map(|bytes| Section::read(shape, bytes)).collect();
        for (index, section) in sections.iter().enumerate().skip(1) {
            let what = match part(image, section.offset, section.size) {
                _ if !section.has_bytes() => continue,
                None => "reaches beyond the end of the file",
                // It would change with the header.
                Some(range) if range.start < header_size => "lies in the ELF header",
                Some(_) => continue,
            };
            return Err(WriteError::Section { index, what });
        }
        if names == 0 {
            return Err(WriteError::Without("table of section names"));
        }
        match sections.get(names) {
            Some(section) if section.has_bytes() && section.size <= NAMES_MAX => {}
            Some(_) => return Err(WriteError::Malformed("the table of section names is none")),
            None => return Err(WriteError::Malformed("no section has the index of the names")),
        }

        let short_programs = shape.u16(image, halves + 4);
        let programs = match short_programs {
            PN_XNUM => first.info.into(),
            count => u64::from(count),
        };
        let (programs, segments) = match programs {
            0 => (0..0, Vec::new()),
            count => {
                if usize::from(shape.u16(image, halves + 2)) != program_size {
                    return Err(WriteError::Malformed("unexpected program header size"));
                }
                let outside =
                    WriteError::Malformed("the program headers reach beyond the end of the file");
                let offset = shape.number(image, phoff, word);
                let table = part(image, offset, count * program_size as u64).ok_or(outside)?;
                let headers = image[table.clone()].chunks_exact(program_size);
                (table, headers.filter_map(|bytes| segment(shape, bytes, image.len())).collect())
            }
        };
        Ok(Elf { image, shape, sections, names, table, programs, segments, extended })
    }

    /// A section's bytes.
    pub(super) fn content(&self, index: usize) -> &'a [u8] {
        self.sections.get(index).map_or(&[], |section| &self.image[section.range()])
    }

    /// The first section of a name: where there are several, readers take this one.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let names = self.content(self.names);
        // Not the whole name of each: a damaged table may have very long ones.
        let is_called = |section: &Section| {
            let rest = names.get(section.name as usize..)?.strip_prefix(name.as_bytes())?;
            rest.first().filter(|byte| **byte == 0)
        };
        (1..self.sections.len()).find(|index| is_called(&self.sections[*index]).is_some())
    }

    /// The section headers, with counts where they belong, and the bytes of [`Shape::switch`] that
    /// make them those of the file.
    pub(super) fn table_of(&self, sections: &[Section], offset: u64) -> (Vec<u8>, Vec<u8>) {
        let shape = self.shape;
        // A file that uses the long form where it need not goes on with it.
        let long_count = sections.len() >= LORESERVE || self.extended.0;
        let long_names = self.names >= LORESERVE || self.extended.1;
        let mut table = Vec::with_capacity(sections.len() * shape.sizes().2);
        for (index, section) in sections.iter().enumerate() {
            let mut section = *section;
            if index == 0 && long_count {
                section.size = sections.len() as u64;
            }
            if index == 0 && long_names {
                section.link = self.names as u32;
            }
            section.put(shape, &mut table);
        }
        let range = shape.switch();
        let word = shape.word();
        let mut switch = Vec::with_capacity(range.len());
        shape.put(&mut switch, offset, word);
        switch.extend(&self.image[range.start + word..range.end - 4]);
        shape.put(&mut switch, if long_count { 0 } else { sections.len() as u64 }, 2);
        shape.put(&mut switch, if long_names { XINDEX.into() } else { self.names as u64 }, 2);
        (table, switch)
    }
}

/// A part of the file, if the file has it.
fn part(image: &[u8], offset: u64, size: u64) -> Option<Range<usize>> {
    let end = offset.checked_add(size).filter(|end| *end <= image.len() as u64)?;
    Some(offset as usize..end as usize)
}

/// What of the file a program header means. Files with debug info alone keep the headers of what was
/// taken out of them: what is not there does not count.
fn segment(shape: Shape, bytes: &[u8], len: usize) -> Option<Range<usize>> {
    let word = shape.word();
    let (offset, size) = match shape.class {
        Class::Elf32 => (4, 16),
        Class::Elf64 => (8, 32),
    };
    let offset = shape.number(bytes, offset, word);
    let end = offset.saturating_add(shape.number(bytes, size, word)).min(len as u64);
    (shape.u32(bytes, 0) != PT_NULL && offset < end).then_some(offset as usize..end as usize)
}

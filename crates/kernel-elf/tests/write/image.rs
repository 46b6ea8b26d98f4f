//! ELF files of every shape, and what an independent reader (`object`) sees in them.

use std::ops::Range;

use modgen::{Class, Endian};
use object::{Object, ObjectSection};

pub(crate) const PROGBITS: u32 = 1;
pub(crate) const STRTAB: u32 = 3;
pub(crate) const NOBITS: u32 = 8;
pub(crate) const ALLOC: u64 = 2;

/// A section of a file to be written.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) addr: u64,
    pub(crate) info: u32,
    pub(crate) align: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Where the section headers and the section names lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Sections, names, headers: as linkers do.
    Linker,
    /// Sections, headers, names.
    NamesLast,
    /// Headers, names, sections.
    HeadersFirst,
    /// The first section, headers, the others, names.
    HeadersBetween,
}

/// A file to be written.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) class: Class,
    pub(crate) endian: Endian,
    pub(crate) order: Order,
    pub(crate) parts: Vec<Part>,
    /// So many sections without bytes, before the others.
    pub(crate) empty: usize,
    /// A program header that loads the bytes of these sections.
    pub(crate) loads: Option<Range<usize>>,
    /// Bytes behind everything.
    pub(crate) trailer: Vec<u8>,
    /// Whether the names end with a NUL.
    pub(crate) names_end: bool,
}

pub(crate) const SHAPES: [(Class, Endian); 4] = [
    (Class::Elf64, Endian::Little),
    (Class::Elf64, Endian::Big),
    (Class::Elf32, Endian::Little),
    (Class::Elf32, Endian::Big),
];

impl Image {
    pub(crate) fn new(class: Class, endian: Endian) -> Image {
        Image {
            class,
            endian,
            order: Order::Linker,
            parts: Vec::new(),
            empty: 0,
            loads: None,
            trailer: Vec::new(),
            names_end: true,
        }
    }

    /// A small one: `.text`, loaded, and `.comment`.
    pub(crate) fn small(class: Class, endian: Endian) -> Image {
        let mut image =
            Image::new(class, endian).part(".text", b"some code").part(".comment", b"by");
        image.parts[0].flags = ALLOC;
        image.loads = Some(0..1);
        image
    }

    pub(crate) fn part(mut self, name: &str, bytes: &[u8]) -> Image {
        let (name, bytes) = (name.to_owned(), bytes.to_vec());
        let part = Part { name, kind: PROGBITS, flags: 0, addr: 0, info: 0, align: 1, bytes };
        self.parts.push(part);
        self
    }

    pub(crate) fn order(self, order: Order) -> Image {
        Image { order, ..self }
    }

    fn number(&self, out: &mut Vec<u8>, number: u64, width: usize) {
        let bytes = number.to_le_bytes();
        match self.endian {
            Endian::Little => out.extend(&bytes[..width]),
            Endian::Big => out.extend(bytes[..width].iter().rev()),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (word, ehdr, phdr, shdr) = match self.class {
            Class::Elf64 => (8, 64, 56, 64),
            Class::Elf32 => (4, 52, 32, 40),
        };
        let count = 2 + self.empty + self.parts.len();
        let mut names = vec![0];
        let mut name = |name: &str| {
            let at = names.len() as u64;
            names.extend(name.as_bytes());
            names.push(0);
            at
        };
        let name_of: Vec<u64> = self.parts.iter().map(|part| name(&part.name)).collect();
        let name_of_names = name(".shstrtab");
        if !self.names_end {
            names.pop();
        }

        let mut body = vec![0; ehdr + self.loads.iter().len() * phdr];
        let (mut headers_at, mut names_at) = (0, 0);
        let place_headers = |body: &mut Vec<u8>| {
            body.resize(body.len().next_multiple_of(8), 0);
            let at = body.len();
            body.resize(at + count * shdr, 0);
            at
        };
        if self.order == Order::HeadersFirst {
            headers_at = place_headers(&mut body);
            names_at = body.len();
            body.extend(&names);
        }
        let mut offsets = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            if index == 1 && self.order == Order::HeadersBetween {
                headers_at = place_headers(&mut body);
            }
            body.resize(body.len().next_multiple_of(part.align as usize), 0);
            offsets.push(body.len());
            if part.kind != NOBITS {
                body.extend(&part.bytes);
            }
        }
        match self.order {
            Order::Linker => {
                names_at = body.len();
                body.extend(&names);
                headers_at = place_headers(&mut body);
            }
            Order::NamesLast | Order::HeadersBetween => {
                if headers_at == 0 {
                    headers_at = place_headers(&mut body);
                }
                names_at = body.len();
                body.extend(&names);
            }
            Order::HeadersFirst => {}
        }

        let mut table = vec![0; shdr];
        let is_long = count >= 0xff00;
        if is_long {
            let mut first = Vec::new();
            for (value, width) in [(0, 4), (0, 4), (0, word), (0, word), (0, word)] {
                self.number(&mut first, value, width);
            }
            self.number(&mut first, count as u64, word);
            self.number(&mut first, count as u64 - 1, 4);
            table[..first.len()].copy_from_slice(&first);
        }
        let mut section = |values: [u64; 10]| {
            for (value, width) in
                values.iter().zip([4, 4, word, word, word, word, 4, 4, word, word])
            {
                self.number(&mut table, *value, width);
            }
        };
        for _ in 0..self.empty {
            section([0, PROGBITS.into(), 0, 0, 0, 0, 0, 0, 1, 0]);
        }
        for ((part, name), offset) in self.parts.iter().zip(&name_of).zip(&offsets) {
            let (offset, size) = (*offset as u64, part.bytes.len() as u64);
            let (kind, info) = (part.kind.into(), part.info.into());
            section([*name, kind, part.flags, part.addr, offset, size, 0, info, part.align, 0]);
        }
        let size = names.len() as u64;
        section([name_of_names, STRTAB.into(), 0, 0, names_at as u64, size, 0, 0, 1, 0]);
        body[headers_at..headers_at + table.len()].copy_from_slice(&table);

        let mut header = b"\x7fELF".to_vec();
        header.extend([word as u8 / 4, if self.endian == Endian::Little { 1 } else { 2 }, 1, 0]);
        header.resize(16, 0);
        let machine = if word == 8 { 62 } else { 3 };
        for (value, width) in [(2, 2), (machine, 2), (1, 4), (0, word)] {
            self.number(&mut header, value, width);
        }
        let phoff = if self.loads.is_some() { ehdr } else { 0 };
        self.number(&mut header, phoff as u64, word);
        self.number(&mut header, headers_at as u64, word);
        self.number(&mut header, 0x1234, 4);
        let (short, index) = if is_long { (0, 0xffff) } else { (count, count - 1) };
        for value in [ehdr, phdr, self.loads.iter().len(), shdr, short, index] {
            self.number(&mut header, value as u64, 2);
        }
        if let Some(loads) = &self.loads {
            let start = offsets[loads.start];
            let end = offsets[loads.end - 1] + self.parts[loads.end - 1].bytes.len();
            let (offset, size) = (start as u64, (end - start) as u64);
            self.number(&mut header, 1, 4);
            if word == 8 {
                self.number(&mut header, 5, 4);
            }
            for value in [offset, 0x1000, 0x1000, size, size] {
                self.number(&mut header, value, word);
            }
            if word == 4 {
                self.number(&mut header, 5, 4);
            }
            self.number(&mut header, 1, word);
        }
        body[..header.len()].copy_from_slice(&header);
        body.extend(&self.trailer);
        body
    }
}

/// What a reader sees of a section: name, bytes, flags and type.
pub(crate) type Seen = (Vec<u8>, Vec<u8>, String);

/// What a reader sees in a file; `None` when it is no ELF file to it.
pub(crate) fn reading(bytes: &[u8]) -> Option<Vec<Seen>> {
    let file = object::File::parse(bytes).ok()?;
    let sections = file.sections().map(|section| {
        let (name, data) = (section.name_bytes().ok()?.to_vec(), section.data().ok()?.to_vec());
        Some((name, data, format!("{:?} {:x}", section.flags(), section.address())))
    });
    sections.collect()
}

/// The bytes of the first section of a name.
pub(crate) fn content(bytes: &[u8], name: &str) -> Option<Vec<u8>> {
    let sections = reading(bytes)?;
    sections.into_iter().find(|section| section.0 == name.as_bytes()).map(|section| section.1)
}

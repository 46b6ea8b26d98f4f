//! The ELF file around the units: sections, symbols, sets of kfuncs.

use std::io::Write;
use std::ops::Range;

use modgen::{Arch, Class, Endian};

use crate::bytes::Bytes;
use crate::info::{self, Moved};
use crate::relocation::{self, ET_REL};
use crate::unit::Unit;

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const FUNC: u8 = 2;
const OBJECT: u8 = 1;
const SECTION: u8 = 3;
const COMPRESSED: u64 = 0x800;

/// Where `.text` starts, and how long it is.
const TEXT: Range<u64> = 0x1000..0x0010_0000;

/// How the sections of debug info are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// `ELFCOMPRESS_ZLIB`.
    Zlib,
    /// `ELFCOMPRESS_ZSTD`.
    Zstd,
    /// `.zdebug_` sections.
    Gnu,
}

/// A section besides those of debug info.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// `SHT_PROGBITS` and its like.
    pub kind: u32,
    /// Its address.
    pub addr: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// `STT_FUNC` and its like.
    pub kind: u8,
    /// The section that it is in.
    pub section: String,
    /// Its value.
    pub value: u64,
    /// Its size.
    pub size: u64,
}

/// A file.
#[derive(Clone, Debug)]
pub struct File {
    /// The machine, with class and byte order.
    pub arch: Arch,
    /// `ET_EXEC` (2) or `ET_DYN` (3); of `ET_REL` (1), see [`File::relocatable`].
    pub kind: u16,
    /// The units in their order.
    pub units: Vec<Unit>,
    /// Sections in their order, behind `.text`.
    pub sections: Vec<Section>,
    /// Symbols in their order.
    pub symbols: Vec<Symbol>,
    /// Whether there is a `.symtab`.
    pub has_symtab: bool,
    /// Whether a string is written once.
    pub merge_strings: bool,
    /// Whether a string of several units is written once for each, as `ld -r` leaves them.
    pub strings_by_unit: bool,
    /// How debug info is compressed.
    pub compress: Option<Compress>,
}

/// A written file, and where everything is.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// Name and bytes of each section but the first, which is none.
    pub sections: Vec<(String, Range<usize>)>,
    /// Where the table of sections is.
    pub headers: usize,
    /// Bytes of an entry of it.
    pub header_size: usize,
}

impl Written {
    /// Where a section's bytes are.
    pub fn section(&self, name: &str) -> Option<Range<usize>> {
        self.sections.iter().find(|section| section.0 == name).map(|section| section.1.clone())
    }
}

impl Default for File {
    fn default() -> File {
        File::new(Arch::X86_64)
    }
}

impl File {
    /// A file without debug info.
    pub fn new(arch: Arch) -> File {
        File {
            arch,
            kind: 2,
            units: Vec::new(),
            sections: Vec::new(),
            symbols: Vec::new(),
            has_symtab: true,
            merge_strings: true,
            strings_by_unit: false,
            compress: None,
        }
    }

    /// Appends a unit.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> File {
        self.units.push(unit);
        self
    }

    /// Appends a section.
    #[must_use]
    pub fn section(mut self, name: &str, addr: u64, bytes: Vec<u8>) -> File {
        self.sections.push(Section { name: name.to_owned(), kind: PROGBITS, addr, bytes });
        self
    }

    /// Appends a section of per-CPU variables.
    #[must_use]
    pub fn percpu(self, addr: u64, size: usize) -> File {
        self.section(".data..percpu", addr, vec![0; size])
    }

    /// Appends a function's symbol.
    #[must_use]
    pub fn function(mut self, name: &str, value: u64) -> File {
        let (name, section) = (name.to_owned(), ".text".to_owned());
        self.symbols.push(Symbol { name, kind: FUNC, section, value, size: 16 });
        self
    }

    /// Appends symbols of several functions, each at another address.
    #[must_use]
    pub fn functions(self, names: &[&str]) -> File {
        let address = |index: usize| TEXT.start + 0x100 + 16 * index as u64;
        names.iter().enumerate().fold(self, |file, (at, name)| file.function(name, address(at)))
    }

    /// Appends a variable's symbol.
    #[must_use]
    pub fn object(mut self, name: &str, section: &str, value: u64, size: u64) -> File {
        let (name, section) = (name.to_owned(), section.to_owned());
        self.symbols.push(Symbol { name, kind: OBJECT, section, value, size });
        self
    }

    /// Appends `.BTF_ids` with one set of functions and their flags.
    #[must_use]
    pub fn kfuncs(mut self, set_flags: u32, functions: &[(&str, u32)]) -> File {
        let addr = 0x0040_0000;
        let mut bytes = Bytes::new(self.arch.ident().1);
        bytes.number(functions.len() as u64, 4);
        bytes.number(u64::from(set_flags), 4);
        let symbol = |name: String, value, size| {
            let section = ".BTF_ids".to_owned();
            Symbol { name, kind: OBJECT, section, value, size }
        };
        let size = 8 + 8 * functions.len() as u64;
        self.symbols.push(symbol("__BTF_ID__set8__some_ids".to_owned(), addr, size));
        for (index, (name, flags)) in functions.iter().enumerate() {
            let value = addr + bytes.len() as u64;
            bytes.number(0, 4);
            bytes.number(u64::from(*flags), 4);
            self.symbols.push(symbol(format!("__BTF_ID__func__{name}__{index}"), value, 8));
        }
        self.section(".BTF_ids", addr, bytes.out)
    }

    /// With compressed debug info.
    #[must_use]
    pub fn compressed(self, compress: Compress) -> File {
        File { compress: Some(compress), ..self }
    }

    /// As an assembler writes it, or `ld -r`: sections have no addresses yet, and refer to each
    /// other by relocations. What is given as an address becomes a place in its section.
    #[must_use]
    pub fn relocatable(self) -> File {
        File { kind: ET_REL, ..self }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.write().bytes
    }

    /// The file, and where its sections are.
    ///
    /// # Panics
    /// When a reference's label or place there is not, or does not fit its form.
    pub fn write(&self) -> Written {
        let (class, endian, machine) = self.arch.ident();
        let word = if class == Class::Elf64 { 8 } else { 4 };
        let mut sections = self.placed(class, endian, word);

        let (ehdr, phdr, shdr) = if word == 8 { (64, 56, 64) } else { (52, 32, 40) };
        let mut out = Bytes::new(endian);
        out.out.resize(ehdr + phdr, 0);
        let mut names = vec![0];
        sections.push(Placed::new(".shstrtab", STRTAB, Vec::new()));
        let mut table = Bytes::new(endian);
        table.out.resize(shdr, 0);
        let mut ranges = Vec::new();
        for section in &mut sections {
            let name = names.len();
            names.extend(section.name.as_bytes());
            names.push(0);
            if section.name == ".shstrtab" {
                section.bytes.clone_from(&names);
                section.size = names.len() as u64;
            }
            out.out.resize(out.len().next_multiple_of(8), 0);
            let start = out.len();
            out.out.extend(&section.bytes);
            ranges.push((section.name.clone(), start..out.len()));
            table.number(name as u64, 4);
            table.number(u64::from(section.kind), 4);
            table.number(section.flags, word);
            table.number(section.addr, word);
            table.number(start as u64, word);
            table.number(section.size, word);
            table.number(section.link, 4);
            table.number(section.info, 4);
            table.number(1, word);
            table.number(section.entry, word);
        }
        out.out.resize(out.len().next_multiple_of(8), 0);
        let headers = out.len();
        out.out.extend(&table.out);
        let count = sections.len() + 1;
        let ident = self.ident(machine, word, headers, [ehdr, phdr, shdr], count);
        out.out[..ehdr + phdr].copy_from_slice(&ident);
        Written { bytes: out.out, sections: ranges, headers, header_size: shdr }
    }

    /// The ELF header and one segment's.
    fn ident(
        &self,
        machine: u16,
        word: usize,
        headers: usize,
        [ehdr, phdr, shdr]: [usize; 3],
        count: usize,
    ) -> Vec<u8> {
        let endian = self.arch.ident().1;
        let mut out = Bytes::new(endian);
        out.out.extend(b"\x7fELF");
        out.out.extend([word as u8 / 4, if endian == Endian::Little { 1 } else { 2 }, 1, 0]);
        out.out.resize(16, 0);
        out.number(u64::from(self.kind), 2);
        out.number(u64::from(machine), 2);
        out.number(1, 4);
        // A relocatable file has neither a start nor segments.
        let loaded = self.kind != ET_REL;
        out.number(if loaded { TEXT.start } else { 0 }, word);
        out.number(if loaded { ehdr as u64 } else { 0 }, word);
        out.number(headers as u64, word);
        out.number(0, 4);
        let segments = if loaded { [phdr, 1] } else { [0, 0] };
        for value in [ehdr, segments[0], segments[1], shdr, count, count - 1] {
            out.number(value as u64, 2);
        }
        // A segment, without which no reader of executables knows where it is loaded.
        let len = TEXT.end - TEXT.start;
        out.number(1, 4);
        if word == 8 {
            out.number(5, 4);
        }
        for value in [0, TEXT.start, TEXT.start, 64, len] {
            out.number(value, word);
        }
        if word == 4 {
            out.number(5, 4);
        }
        out.number(0x1000, word);
        out.out
    }

    /// All sections but the names' in their order.
    fn placed(&self, class: Class, endian: Endian, word: usize) -> Vec<Placed> {
        // `.text` has no bytes, but a size.
        let mut text = Placed::new(".text", 8, Vec::new());
        (text.flags, text.addr, text.size) = (6, TEXT.start, TEXT.end - TEXT.start);
        let mut all = vec![text];
        for section in &self.sections {
            let mut placed = Placed::new(&section.name, section.kind, section.bytes.clone());
            (placed.flags, placed.addr) = (3, section.addr);
            all.push(placed);
        }
        let by_unit = self.strings_by_unit;
        let info = info::write(&self.units, word, endian, self.merge_strings, by_unit);
        let mut debug = vec![
            (".debug_info", info.info),
            (".debug_abbrev", info.abbrev),
            (".debug_str", info.str.bytes),
            (".debug_line_str", info.line_str.bytes),
            (".debug_str_offsets", info.str_offsets),
            (".debug_loc", info.loc),
            (".debug_loclists", info.loclists),
        ];
        debug.retain(|(_, bytes)| bytes.len() != 0);
        let tables = match self.kind {
            ET_REL => self.relocations(&mut debug, &info.places, &all),
            _ => Vec::new(),
        };
        for (name, bytes) in debug {
            all.push(self.debug(name, bytes.out, word, endian));
        }
        if self.has_symtab {
            let (symtab, strtab) = self.symbols(&all, class, endian);
            let mut section = Placed::new(".symtab", SYMTAB, symtab);
            section.link = all.len() as u64 + 2;
            section.info = if self.kind == ET_REL { all.len() as u64 + 1 } else { 1 };
            section.entry = if word == 8 { 24 } else { 16 };
            all.push(section);
            all.push(Placed::new(".strtab", STRTAB, strtab));
        }
        let symtab = all.iter().position(|section| section.kind == SYMTAB);
        for (of, table) in tables {
            let mut section = Placed::new(&table.name, table.kind, table.bytes.out);
            section.link = symtab.map_or(0, |index| index as u64 + 1);
            // SHF_INFO_LINK: the section that they are for.
            (section.flags, section.info, section.entry) = (0x40, of, table.entry as u64);
            all.push(section);
        }
        if self.kind == ET_REL {
            all.iter_mut().for_each(|section| section.addr = 0);
        }
        all
    }

    /// The tables of relocations for sections of debug info that lie behind those of `loaded`, each
    /// with its section's index. A section's symbol has its index too.
    fn relocations(
        &self,
        debug: &mut [(&str, Bytes)],
        places: &[Moved],
        loaded: &[Placed],
    ) -> Vec<(u64, relocation::Table)> {
        let names: Vec<String> = debug.iter().map(|(name, _)| (*name).to_owned()).collect();
        let symbol_of = |place: &Moved, value: u64| match place.to {
            Some(to) => {
                let index = names.iter().position(|name| name == to);
                (index.map_or(0, |index| (loaded.len() + index + 1) as u64), value)
            }
            None => {
                let holds = |section: &Placed| {
                    value.checked_sub(section.addr).is_some_and(|offset| offset < section.size)
                };
                let section = loaded.iter().position(holds);
                section.map_or((0, value), |at| (at as u64 + 1, value - loaded[at].addr))
            }
        };
        let mut tables = Vec::new();
        for (index, (name, section)) in debug.iter_mut().enumerate() {
            let mine: Vec<Moved> =
                places.iter().filter(|place| place.section == *name).copied().collect();
            if !mine.is_empty() {
                let table = relocation::table(self.arch, name, section, &mine, symbol_of);
                tables.push(((loaded.len() + index + 1) as u64, table));
            }
        }
        tables
    }

    fn debug(&self, name: &str, bytes: Vec<u8>, word: usize, endian: Endian) -> Placed {
        let Some(compress) = self.compress else { return Placed::new(name, PROGBITS, bytes) };
        let size = bytes.len() as u64;
        if compress == Compress::Gnu {
            let name = name.replace(".debug", ".zdebug");
            let bytes = [&b"ZLIB"[..], &size.to_be_bytes(), &zlib(&bytes)].concat();
            return Placed::new(&name, PROGBITS, bytes);
        }
        let mut out = Bytes::new(endian);
        out.number(if compress == Compress::Zlib { 1 } else { 2 }, word);
        out.number(size, word);
        out.number(1, word);
        if word == 8 {
            // The type has four bytes, and four that are nothing.
            let kind = if compress == Compress::Zlib { 1 } else { 2 };
            out.put(0, kind, 4);
            out.put(4, 0, 4);
        }
        let packed = match compress {
            Compress::Zstd => zstd::bulk::compress(&bytes, 3).unwrap_or_default(),
            _ => zlib(&bytes),
        };
        out.out.extend(packed);
        let mut section = Placed::new(name, PROGBITS, out.out);
        section.flags = COMPRESSED;
        section
    }

    fn symbols(&self, sections: &[Placed], class: Class, endian: Endian) -> (Vec<u8>, Vec<u8>) {
        let mut names = vec![0];
        let mut out = Bytes::new(endian);
        let wide = class == Class::Elf64;
        out.out.resize(if wide { 24 } else { 16 }, 0);
        let mut entry = |name: u64, info: u8, index: u64, value: u64, size: u64| {
            out.number(name, 4);
            if wide {
                out.out.extend([info, 0]);
                out.number(index, 2);
                out.number(value, 8);
                out.number(size, 8);
            } else {
                out.number(value, 4);
                out.number(size, 4);
                out.out.extend([info, 0]);
                out.number(index, 2);
            }
        };
        if self.kind == ET_REL {
            // One for each section, local and without a name.
            (1..=sections.len() as u64).for_each(|index| entry(0, SECTION, index, 0, 0));
        }
        for symbol in &self.symbols {
            let index = sections.iter().position(|section| section.name == symbol.section);
            let start = match index {
                Some(index) if self.kind == ET_REL => sections[index].addr,
                _ => 0,
            };
            let index = index.map_or(0, |index| index as u64 + 1);
            let value = symbol.value.wrapping_sub(start);
            entry(names.len() as u64, 1 << 4 | symbol.kind, index, value, symbol.size);
            names.extend(symbol.name.as_bytes());
            names.push(0);
        }
        (out.out, names)
    }
}

/// A section that is ready to be written.
struct Placed {
    name: String,
    kind: u32,
    flags: u64,
    addr: u64,
    size: u64,
    link: u64,
    info: u64,
    entry: u64,
    bytes: Vec<u8>,
}

impl Placed {
    fn new(name: &str, kind: u32, bytes: Vec<u8>) -> Placed {
        let size = bytes.len() as u64;
        let (name, flags, addr) = (name.to_owned(), 0, 0);
        Placed { name, kind, flags, addr, size, link: 0, info: 0, entry: 0, bytes }
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing to memory does not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

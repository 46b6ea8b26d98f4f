//! One module's view: its symbols, exported names, modinfo and symbol versions.
//!
//! Which of them count, and when a table is refused as a whole, is libkmod's
//! behaviour (observed): depmod's output depends on it.

use std::ops::Range;

use object::elf::{EM_SPARC, EM_SPARCV9, STB_WEAK, SymbolType};
use object::read::elf::Sym;
use object::{BigEndian, Endian, Endianness, LittleEndian, pod};

use crate::error::ReadError;
use crate::layout::{self, Class, Layout, Wanted};
use crate::source::Source;

/// Prefix of the symbols that carry an exported symbol's CRC.
const CRC_PREFIX: [u8; 6] = *b"__crc_";

/// STT_REGISTER: "not really undefined" symbols of SPARC, one per global register.
const STT_SPARC_REGISTER: SymbolType = SymbolType(13);

/// The CRC of a symbol version (`genksyms` or `gendwarfksyms`), widened to 64 bits as
/// 64-bit `__versions` entries store it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc(pub u64);

impl Crc {
    /// What stands for a CRC that a symbol points to but that is not there.
    pub const UNREADABLE: Crc = Crc(u64::MAX);
}

/// Bytes of a string table: names may run past the section's declared end, up
/// to the next NUL, as they do for libkmod.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Strings<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) declared: usize,
}

/// Where in the string table a symbol's name starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameOffset(u32);

/// An undefined symbol of `.symtab`.
#[derive(Clone, Copy, Debug)]
pub struct Undefined {
    /// Its name.
    pub name: NameOffset,
    /// STB_WEAK: it may stay unresolved.
    pub weak: bool,
}

/// A `__crc_` symbol of `.symtab`: it says that the rest of its name is exported.
#[derive(Clone, Copy, Debug)]
pub struct CrcSymbol {
    /// The exported name, behind the prefix.
    pub name: NameOffset,
    value: u64,
    section: u16,
}

/// What one pass over `.symtab` finds; reused from module to module.
#[derive(Debug, Default)]
pub struct SymbolScan {
    /// Undefined symbols in table order.
    pub undefined: Vec<Undefined>,
    /// `__crc_` symbols in table order.
    pub crcs: Vec<CrcSymbol>,
    /// A symbol's name lies outside `.strtab`: the `__crc_` symbols do not count.
    pub bad_name: bool,
    /// An undefined symbol's does: none of the undefined symbols count.
    pub bad_undefined: bool,
}

/// Why a module has no list of exported symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoExports {
    /// It has no table of them, as most modules have not (ENODATA).
    NoData,
    /// `__ksymtab_strings` does not end with NUL (EINVAL).
    Malformed,
}

/// `.symtab` or `.strtab` is missing or not a table: nothing undefined can be
/// told (EINVAL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSymbols;

/// The view of one module's ELF image that an index is made from. Borrowed from
/// a [`ModuleReader`](crate::ModuleReader).
#[derive(Clone, Copy)]
pub struct ModuleElf<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) layout: Layout,
    pub(crate) image: Image<'a>,
}

/// The wanted sections' bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Image<'a> {
    pub(crate) modinfo: Option<&'a [u8]>,
    pub(crate) ksymtab_strings: Option<&'a [u8]>,
    pub(crate) versions: Option<&'a [u8]>,
    pub(crate) symtab: Option<&'a [u8]>,
    pub(crate) strtab: Option<Strings<'a>>,
}

impl std::fmt::Debug for ModuleElf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModuleElf").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl<'a> ModuleElf<'a> {
    /// Size of the image in bytes, decompressed.
    pub fn bytes(&self) -> u64 {
        self.source.size()
    }

    /// ELFCLASS32 or ELFCLASS64.
    pub fn class(&self) -> Class {
        self.layout.class
    }

    /// The byte order of the file.
    pub fn endian(&self) -> Endianness {
        self.layout.endian
    }

    /// `e_machine`.
    pub fn machine(&self) -> u16 {
        self.layout.machine
    }

    /// Reads `.symtab` once, into `scan`.
    ///
    /// # Errors
    /// There is no `.strtab`, no `.symtab`, or its size is not that of a table.
    pub fn scan_symbols(&self, scan: &mut SymbolScan) -> Result<(), NoSymbols> {
        use object::elf::{Sym32, Sym64};
        *scan = SymbolScan {
            undefined: std::mem::take(&mut scan.undefined),
            crcs: std::mem::take(&mut scan.crcs),
            ..SymbolScan::default()
        };
        scan.undefined.clear();
        scan.crcs.clear();
        let (Some(strings), Some(symtab)) = (self.image.strtab, self.image.symtab) else {
            return Err(NoSymbols);
        };
        let sparc = [EM_SPARC.0, EM_SPARCV9.0].contains(&self.layout.machine);
        match (self.layout.class, self.layout.endian) {
            (Class::Elf64, Endianness::Little) => {
                scan_table::<Sym64<LittleEndian>, _>(symtab, LittleEndian, strings, sparc, scan)
            }
            (Class::Elf64, Endianness::Big) => {
                scan_table::<Sym64<BigEndian>, _>(symtab, BigEndian, strings, sparc, scan)
            }
            (Class::Elf32, Endianness::Little) => {
                scan_table::<Sym32<LittleEndian>, _>(symtab, LittleEndian, strings, sparc, scan)
            }
            (Class::Elf32, Endianness::Big) => {
                scan_table::<Sym32<BigEndian>, _>(symtab, BigEndian, strings, sparc, scan)
            }
        }
    }

    /// The name a scan found.
    pub fn name(&self, name: NameOffset) -> &'a [u8] {
        let strings = self.image.strtab.unwrap_or_default();
        until_nul(strings.bytes.get(name.0 as usize..).unwrap_or_default())
    }

    /// The CRC a `__crc_` symbol stands for: its value, or the word in the
    /// section it points into. Reads that word, so only for those who need it.
    ///
    /// # Errors
    /// Reading it failed. A place that does not exist is [`Crc::UNREADABLE`].
    pub fn crc(&self, symbol: &CrcSymbol, buf: &mut Vec<u8>) -> Result<Crc, ReadError> {
        use object::elf::{SHN_ABS, SHN_UNDEF};
        if [SHN_ABS.0, SHN_UNDEF.0].contains(&symbol.section) {
            return Ok(Crc(symbol.value));
        }
        let Some(section) = layout::section_at(&self.source, &self.layout, symbol.section, buf)?
        else {
            return Ok(Crc::UNREADABLE);
        };
        let word = size_of::<u32>() as u64;
        if section.size < word || symbol.value > section.size - word {
            return Ok(Crc::UNREADABLE);
        }
        let at = section.offset + symbol.value;
        let bytes = self.source.get(at..at + word, buf)?;
        let bytes = <[u8; 4]>::try_from(bytes).map_err(|_| ReadError::Shrank)?;
        Ok(Crc(u64::from(self.layout.endian.read_u32(bytes))))
    }

    /// The names in `__ksymtab_strings`: what is exported where no `__crc_`
    /// symbols say so (a kernel without MODVERSIONS).
    ///
    /// # Errors
    /// There is no such section, or it does not end with NUL.
    pub fn ksymtab_strings(&self) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, NoExports> {
        let section = self.image.ksymtab_strings.ok_or(NoExports::NoData)?;
        let text = skip_padding(section);
        match text.last() {
            Some(0) | None => Ok(split_strings(text)),
            Some(_) => Err(NoExports::Malformed),
        }
    }

    /// The `key=value` strings of `.modinfo`, in order. One without `=` has an
    /// empty value. None if there is no such section.
    pub fn modinfo(&self) -> Option<impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a>> {
        let text = skip_padding(self.image.modinfo?);
        Some(split_strings(text).map(|entry| match memchr::memchr(b'=', entry) {
            Some(at) => (&entry[..at], &entry[at + 1..]),
            None => (entry, &entry[entry.len()..]),
        }))
    }

    /// The entries of `__versions`, in order; none where the section is missing
    /// or its size is not that of a table.
    pub fn versions(&self) -> Versions<'a> {
        // struct modversion_info: 64 bytes of a CRC as wide as a long and a name.
        const ENTRY: usize = 64;
        let crc = match self.layout.class {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        };
        let table = self.image.versions.filter(|bytes| bytes.len() % ENTRY == 0);
        Versions {
            entries: table.unwrap_or_default().chunks_exact(ENTRY),
            crc,
            endian: self.layout.endian,
        }
    }
}

/// One entry of `__versions`.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// The symbol; None if the name does not end within its field.
    pub name: Option<&'a [u8]>,
    /// The CRC the module was built against.
    pub crc: Crc,
}

/// Iterator over `__versions`.
#[derive(Clone, Debug)]
pub struct Versions<'a> {
    entries: std::slice::ChunksExact<'a, u8>,
    crc: usize,
    endian: Endianness,
}

impl<'a> Iterator for Versions<'a> {
    type Item = Version<'a>;

    fn next(&mut self) -> Option<Version<'a>> {
        let (crc, name) = self.entries.next()?.split_at(self.crc);
        let crc = match (<[u8; 8]>::try_from(crc), <[u8; 4]>::try_from(crc)) {
            (Ok(bytes), _) => self.endian.read_u64(bytes),
            (_, Ok(bytes)) => u64::from(self.endian.read_u32(bytes)),
            _ => 0,
        };
        let name = memchr::memchr(0, name).map(|end| &name[..end]);
        Some(Version { name, crc: Crc(crc) })
    }
}

/// The hot loop of an index: one pass, three words a symbol.
fn scan_table<S: Sym<Endian = E>, E: Endian>(
    symtab: &[u8],
    endian: E,
    strings: Strings<'_>,
    sparc: bool,
    scan: &mut SymbolScan,
) -> Result<(), NoSymbols> {
    let symbols = pod::slice_from_all_bytes::<S>(symtab).map_err(|()| NoSymbols)?;
    for symbol in symbols.iter().skip(1) {
        let name = symbol.st_name(endian) as usize;
        let in_table = name < strings.declared;
        scan.bad_name |= !in_table;
        if symbol.is_undefined(endian) {
            if sparc && symbol.st_type() == STT_SPARC_REGISTER {
                continue;
            }
            scan.bad_undefined |= !in_table;
            if in_table && strings.bytes.get(name).is_some_and(|first| *first != 0) {
                let weak = symbol.st_bind() == STB_WEAK;
                scan.undefined.push(Undefined { name: NameOffset(name as u32), weak });
            }
        }
        // An undefined `__crc_` symbol still says that its name is exported.
        if in_table && has_crc_prefix(strings.bytes, name) {
            scan.crcs.push(CrcSymbol {
                name: NameOffset((name + CRC_PREFIX.len()) as u32),
                value: symbol.st_value(endian).into(),
                section: symbol.st_shndx(endian).0,
            });
        }
    }
    Ok(())
}

/// `starts_with` over one load: this is asked of every symbol of a kernel.
#[inline]
fn has_crc_prefix(strings: &[u8], name: usize) -> bool {
    strings.get(name..name + CRC_PREFIX.len()) == Some(&CRC_PREFIX[..])
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    memchr::memchr(0, bytes).map_or(bytes, |end| &bytes[..end])
}

/// Drops leading NULs. What is left after that of at most one byte is nothing:
/// libkmod's rule, in which a lone last byte never counts as a string.
fn skip_padding(section: &[u8]) -> &[u8] {
    let start = section.iter().position(|byte| *byte != 0).unwrap_or(section.len());
    let text = &section[start..];
    if text.len() <= 1 { &[] } else { text }
}

/// The non-empty strings between NULs.
fn split_strings(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let end = memchr::memchr(0, rest).unwrap_or(rest.len());
            let entry = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if !entry.is_empty() {
                return Some(entry);
            }
        }
    })
}

/// The range of a section's bytes that a sparse read keeps at `base`.
pub(crate) fn within(bytes: &[u8], range: Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}

impl Layout {
    /// The sections in the order of [`Wanted`], for the reader.
    pub(crate) fn sections(&self) -> [(Wanted, Option<layout::Extent>); Wanted::COUNT] {
        use Wanted::*;
        [Modinfo, KsymtabStrings, Versions, Symtab, Strtab]
            .map(|which| (which, self.section(which)))
    }
}

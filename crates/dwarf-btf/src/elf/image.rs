//! Sections and symbols of the file that is encoded. Offsets and sizes are checked once, here;
//! sections of debug info come out decompressed.

use std::borrow::Cow;
use std::io::Read;

use kmill_btf::Endian;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{Endianness, SymbolIndex};

use crate::error::EncodeError;

/// Decompressed bytes of a section, at most: this many times the file and this many more.
const EXPANSION: u64 = 64;
const EXPANSION_BASE: u64 = 64 << 20;

/// One section's header.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: u32,
    pub(crate) addr: u64,
    /// Where symbols in it lie: its address, or, in a file that has none yet, where it would.
    pub(crate) place: u64,
    pub(crate) size: u64,
    /// `sh_info`: of relocations, the section that they are for.
    pub(crate) info: u32,
    /// Its bytes in the file, compressed or not; empty when it has none or lies outside.
    raw: &'a [u8],
    compressed: Option<Compressed>,
}

#[derive(Clone, Copy, Debug)]
struct Compressed {
    kind: u32,
    size: u64,
    header: usize,
}

/// One symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a [u8],
    /// `STT_FUNC` and its like.
    pub(crate) kind: u8,
    pub(crate) section: u32,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// The parts of an ELF file that matter here.
#[derive(Clone, Debug)]
pub(crate) struct Image<'a> {
    pub(crate) endian: Endian,
    pub(crate) is_64: bool,
    pub(crate) machine: u16,
    pub(crate) relocatable: bool,
    /// By index; the first one is the null section.
    pub(crate) sections: Vec<Section<'a>>,
    /// None when there is no `.symtab`.
    pub(crate) symbols: Option<Symbols<'a>>,
}

impl<'a> Image<'a> {
    pub(crate) fn read(data: &'a [u8]) -> Result<Image<'a>, EncodeError> {
        match object::FileKind::parse(data) {
            Ok(object::FileKind::Elf32) => read::<FileHeader32<Endianness>>(data),
            Ok(object::FileKind::Elf64) => read::<FileHeader64<Endianness>>(data),
            _ => Err(EncodeError::Elf("not an ELF file".to_owned())),
        }
    }

    /// The bytes of a section of debug info, by [`Image::of_debug`]; empty when there is none.
    pub(crate) fn bytes(&self, name: &str) -> Result<Cow<'a, [u8]>, EncodeError> {
        let section = self.of_debug(name).and_then(|index| self.sections.get(index));
        match section {
            Some(section) if section.name == name.as_bytes() => section.bytes(name, self.total()),
            Some(section) => section.bytes_gnu(name, self.total()),
            None => Ok(Cow::Borrowed(&[])),
        }
    }

    /// The first section of that name. A `.zdebug_` section is what compressed ones were before ELF
    /// knew of compression.
    pub(crate) fn of_debug(&self, name: &str) -> Option<usize> {
        let find = |name: &[u8]| self.sections.iter().position(|section| section.name == name);
        let old = || Some(format!(".zdebug{}", name.strip_prefix(".debug")?));
        find(name.as_bytes()).or_else(|| find(old()?.as_bytes()))
    }

    pub(crate) fn section(&self, name: &[u8]) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Bytes of all sections, for what a compressed one may claim.
    fn total(&self) -> u64 {
        self.sections.iter().map(|section| section.raw.len() as u64).sum()
    }
}

impl<'a> Section<'a> {
    /// As the file has it.
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.raw
    }

    fn bytes(&self, name: &str, total: u64) -> Result<Cow<'a, [u8]>, EncodeError> {
        let Some(compressed) = self.compressed else { return Ok(Cow::Borrowed(self.raw)) };
        let bytes = self.raw.get(compressed.header..).unwrap_or_default();
        expand(name, compressed.kind, bytes, compressed.size, total).map(Cow::Owned)
    }

    fn bytes_gnu(&self, name: &str, total: u64) -> Result<Cow<'a, [u8]>, EncodeError> {
        let (Some(b"ZLIB"), Some(size), Some(bytes)) =
            (self.raw.get(..4), self.raw.get(4..12), self.raw.get(12..))
        else {
            return Err(EncodeError::Elf(format!(
                "{name}: not compressed as .zdebug sections are"
            )));
        };
        let size = size.iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
        expand(name, elf::ELFCOMPRESS_ZLIB.0, bytes, size, total).map(Cow::Owned)
    }
}

fn expand(
    name: &str,
    kind: u32,
    bytes: &[u8],
    size: u64,
    total: u64,
) -> Result<Vec<u8>, EncodeError> {
    let error = |what: &str| EncodeError::Elf(format!("{name}: {what}"));
    if size > total.saturating_mul(EXPANSION).saturating_add(EXPANSION_BASE) {
        return Err(error("claims to be far larger than its compressed bytes can be"));
    }
    let mut out = Vec::new();
    out.try_reserve_exact(size as usize).map_err(|_| error("no memory for its contents"))?;
    let read = if kind == elf::ELFCOMPRESS_ZLIB.0 {
        flate2::read::ZlibDecoder::new(bytes).take(size).read_to_end(&mut out)
    } else if kind == elf::ELFCOMPRESS_ZSTD.0 {
        let decoder = zstd::stream::read::Decoder::new(bytes);
        decoder.and_then(|decoder| decoder.take(size).read_to_end(&mut out))
    } else {
        return Err(error("compressed in an unknown way"));
    };
    match read {
        Ok(len) if len as u64 == size => Ok(out),
        Ok(_) => Err(error("ends before its size")),
        Err(cause) => Err(error(&format!("decompressing: {cause}"))),
    }
}

fn read<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> Result<Image<'_>, EncodeError> {
    let error = |cause: object::Error| EncodeError::Elf(cause.to_string());
    let header = Elf::parse(data).map_err(error)?;
    let endian = header.endian().map_err(error)?;
    let table = header.sections(endian, data).map_err(error)?;
    let relocatable = header.e_type(endian) == elf::ET_REL;
    let mut sections = Vec::with_capacity(table.len());
    let mut layout = Layout::default();
    for section in table.iter() {
        let raw = section.data(endian, data).unwrap_or_default();
        let compression = section.compression(endian, data).ok().flatten();
        let compressed = compression.map(|(header, offset, _)| {
            use object::read::elf::CompressionHeader;
            let header_len = offset.saturating_sub(section.sh_offset(endian).into()) as usize;
            let size = header.ch_size(endian).into();
            Compressed { kind: header.ch_type(endian).0, size, header: header_len }
        });
        sections.push(Section {
            name: table.section_name(endian, section).unwrap_or_default(),
            kind: section.sh_type(endian).0,
            addr: section.sh_addr(endian).into(),
            place: match relocatable {
                true => layout.place(endian, section),
                false => section.sh_addr(endian).into(),
            },
            size: section.sh_size(endian).into(),
            info: section.sh_info(endian),
            raw,
            compressed,
        });
    }
    Ok(Image {
        endian: if endian == Endianness::Little { Endian::Little } else { Endian::Big },
        is_64: header.is_type_64(),
        machine: header.e_machine(endian).0,
        relocatable,
        sections,
        symbols: symbol_table::<Elf>(&table, endian, data)?.map(|_| Symbols { data }),
    })
}

/// Where the sections of a relocatable file would lie: those that are loaded one behind another, as
/// the reference places them; the others at 0.
struct Layout {
    end: u64,
}

impl Default for Layout {
    fn default() -> Self {
        // Nothing lies below, where sections that are not loaded begin.
        Layout { end: 0x1_0000 }
    }
}

impl Layout {
    fn place<S: SectionHeader>(&mut self, endian: S::Endian, section: &S) -> u64 {
        if section.sh_flags(endian) & elf::SHF_ALLOC == elf::SectionFlags(0) {
            return section.sh_addr(endian).into();
        }
        let align: u64 = section.sh_addralign(endian).into();
        let place = self.end.checked_next_multiple_of(align.max(1)).unwrap_or(self.end);
        self.end = place.saturating_add(section.sh_size(endian).into());
        place
    }
}

/// The symbols of `.symtab`, read as they are asked for: there are many, and few are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbols<'a> {
    data: &'a [u8],
}

impl<'a> Symbols<'a> {
    /// Every symbol, in the order of the table.
    pub(crate) fn for_each(&self, see: impl FnMut(Symbol<'a>)) {
        // Both were read before; what cannot be read has no symbols.
        let _ = match object::FileKind::parse(self.data) {
            Ok(object::FileKind::Elf32) => read_symbols::<FileHeader32<Endianness>>(self.data, see),
            _ => read_symbols::<FileHeader64<Endianness>>(self.data, see),
        };
    }
}

fn symbol_table<'a, Elf: FileHeader<Endian = Endianness>>(
    sections: &SectionTable<'a, Elf>,
    endian: Endianness,
    data: &'a [u8],
) -> Result<Option<SymbolTable<'a, Elf>>, EncodeError> {
    let error = |cause: object::Error| EncodeError::Elf(format!(".symtab: {cause}"));
    if !sections.iter().any(|section| section.sh_type(endian) == elf::SHT_SYMTAB) {
        return Ok(None);
    }
    sections.symbols(endian, data, elf::SHT_SYMTAB).map(Some).map_err(error)
}

fn read_symbols<'a, Elf: FileHeader<Endian = Endianness>>(
    data: &'a [u8],
    mut see: impl FnMut(Symbol<'a>),
) -> Result<(), EncodeError> {
    let error = |cause: object::Error| EncodeError::Elf(cause.to_string());
    let header = Elf::parse(data).map_err(error)?;
    let endian = header.endian().map_err(error)?;
    let sections = header.sections(endian, data).map_err(error)?;
    let Some(symbols) = symbol_table(&sections, endian, data)? else { return Ok(()) };
    let strings = symbols.strings();
    for (index, symbol) in symbols.iter().enumerate() {
        let section = symbol.st_shndx(endian);
        let section = if section == elf::SHN_XINDEX {
            symbols.shndx(endian, SymbolIndex(index)).unwrap_or(0)
        } else {
            u32::from(section.0)
        };
        see(Symbol {
            name: symbol.name(endian, strings).unwrap_or_default(),
            kind: symbol.st_type().0,
            section,
            value: symbol.st_value(endian).into(),
            size: symbol.st_size(endian).into(),
        });
    }
    Ok(())
}

//! Tables of relocations, as assemblers write them for debug info.

use modgen::{Arch, Class};

use crate::bytes::Bytes;
use crate::info::Moved;

/// `e_type` of a relocatable file.
pub(crate) const ET_REL: u16 = 1;

/// `SHT_RELA` and `SHT_REL`.
const RELA: u32 = 4;
const REL: u32 = 9;

/// A table for one section.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) kind: u32,
    /// Bytes of an entry.
    pub(crate) entry: usize,
    pub(crate) bytes: Bytes,
}

/// The types for 4 and 8 bytes, and whether tables have addends.
///
/// # Panics
/// When this has never been asked for.
fn types(arch: Arch) -> ([u64; 2], bool) {
    match arch {
        Arch::X86_64 => ([10, 1], true),
        // R_386_32 and R_ARM_ABS32: there are no larger ones.
        Arch::I386 => ([1, 0], false),
        Arch::Arm => ([2, 0], false),
        Arch::Aarch64 => ([258, 257], true),
        Arch::Riscv64 => ([1, 2], true),
        Arch::S390x => ([4, 22], true),
        Arch::Ppc64 | Arch::Ppc64le => ([1, 38], true),
        _ => panic!("no relocations are known of {arch:?}"),
    }
}

/// Moves the numbers at some places of a section to a table; each becomes a symbol and an addend.
pub(crate) fn table(
    arch: Arch,
    name: &str,
    section: &mut Bytes,
    places: &[Moved],
    symbol_of: impl Fn(&Moved, u64) -> (u64, u64),
) -> Table {
    let ([four, eight], has_addend) = types(arch);
    let wide = arch.ident().0 == Class::Elf64;
    let word = if wide { 8 } else { 4 };
    let mut bytes = Bytes::new(section.endian);
    let mut places: Vec<&Moved> = places.iter().collect();
    places.sort_by_key(|place| place.at);
    for place in places {
        let value = section.get(place.at, place.width);
        let (symbol, addend) = symbol_of(place, value);
        let kind = if place.width == 8 { eight } else { four };
        bytes.number(place.at as u64, word);
        bytes.number(if wide { symbol << 32 | kind } else { symbol << 8 | kind }, word);
        if has_addend {
            bytes.number(addend, word);
        }
        // What the place holds does not count where the table has the addend.
        section.put(place.at, if has_addend { 0 } else { addend }, place.width);
    }
    let (kind, words) = if has_addend { (RELA, 3) } else { (REL, 2) };
    let prefix = if has_addend { ".rela" } else { ".rel" };
    Table { name: format!("{prefix}{name}"), kind, entry: words * word, bytes }
}

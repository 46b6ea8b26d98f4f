//! Relocations of a section of debug info, applied to copies of its parts.
//!
//! Object files and modules refer from section to section by relocations: every name in
//! `.debug_info` is one. Tables are sorted by place, as assemblers and linkers write them, so the
//! relocations of a unit are found by a search; one that is not is sorted first.

use std::ops::Range;

use kmill_btf::Endian;
use padata::{Pool, Weight};

use crate::elf::image::{Image, Section};
use crate::elf::relocation::{Action, Actions};
use crate::error::EncodeError;

/// `SHT_RELA` and `SHT_REL`.
const RELA: u32 = 4;
const REL: u32 = 9;

/// One relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Relocation {
    /// Where, in the section.
    place: u64,
    symbol: u32,
    kind: u32,
    /// What is added to the symbol; for [`Format::Rel`] it is what the place holds.
    addend: i64,
}

/// How a table says it (gABI, "Relocation").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    is_64: bool,
    /// With an addend; without, it is what the place holds.
    has_addend: bool,
    big: bool,
}

impl Format {
    const fn len(self) -> usize {
        (if self.has_addend { 3 } else { 2 }) * if self.is_64 { 8 } else { 4 }
    }

    #[inline(always)]
    fn read(self, bytes: &[u8]) -> Relocation {
        let word = |at: usize| -> u64 {
            if self.is_64 {
                let bytes = bytes[at * 8..].first_chunk().map_or([0; 8], |bytes| *bytes);
                if self.big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
            } else {
                let bytes = bytes[at * 4..].first_chunk().map_or([0; 4], |bytes| *bytes);
                u64::from(if self.big {
                    u32::from_be_bytes(bytes)
                } else {
                    u32::from_le_bytes(bytes)
                })
            }
        };
        let info = word(1);
        let (symbol, kind) = match self.is_64 {
            true => ((info >> 32) as u32, info as u32),
            false => ((info >> 8) as u32, info as u32 & 0xff),
        };
        let addend = match (self.has_addend, self.is_64) {
            (false, _) => 0,
            (true, true) => word(2) as i64,
            (true, false) => i64::from(word(2) as u32 as i32),
        };
        Relocation { place: word(0), symbol, kind, addend }
    }
}

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its address: where its section lies, and its place there.
    value: u64,
    /// Whether it lies in `.debug_str`, where strings may be said for others that are equal.
    in_strings: bool,
}

/// What all symbols stand for, by index.
pub(crate) fn targets(image: &Image<'_>) -> Vec<Target> {
    let strings = image.of_debug(".debug_str");
    let mut targets = Vec::new();
    if let Some(symbols) = image.symbols {
        symbols.for_each(|symbol| {
            let section = image.sections.get(symbol.section as usize);
            let start = section.filter(|_| symbol.section != 0).map_or(0, |section| section.place);
            targets.push(Target {
                value: symbol.value.wrapping_add(start),
                in_strings: symbol.section != 0 && strings == Some(symbol.section as usize),
            });
        });
    }
    targets
}

/// The relocations of one section.
#[derive(Debug)]
pub(crate) struct Relocations<'a> {
    /// The section's name, for errors.
    section: &'static str,
    table: &'a [u8],
    format: Format,
    actions: Actions,
    /// The table in order, when the file has it in another; those of one place stay in theirs.
    sorted: Vec<Relocation>,
}

/// The place of a relocation that cannot be applied, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unrelocated(u64, &'static str);

/// Bytes of a table that are one piece of work.
const PIECE: usize = 6 << 20;

impl<'a> Relocations<'a> {
    /// Those of the section of that name, when it has any.
    pub(crate) fn of(
        pool: &Pool,
        image: &Image<'a>,
        name: &'static str,
    ) -> Result<Option<Self>, EncodeError> {
        let error = |what: &str| EncodeError::Elf(format!("relocations of {name}: {what}"));
        let Some(index) = image.of_debug(name) else { return Ok(None) };
        let is_table = |section: &&Section<'_>| {
            matches!(section.kind, REL | RELA) && section.info as usize == index
        };
        let mut tables = image.sections.iter().filter(is_table);
        let Some(table) = tables.next() else { return Ok(None) };
        if tables.next().is_some() {
            return Err(error("there are two tables of them"));
        }
        let has_addend = table.kind == RELA;
        let format = Format { is_64: image.is_64, has_addend, big: image.endian == Endian::Big };
        if table.raw().len() as u64 != table.size || !table.raw().len().is_multiple_of(format.len())
        {
            return Err(error("the table is cut off"));
        }
        Ok(Some(Relocations::new(pool, name, table.raw(), format, image.machine)))
    }

    /// Those of a table that is whole.
    fn new(
        pool: &Pool,
        section: &'static str,
        table: &'a [u8],
        format: Format,
        machine: u16,
    ) -> Relocations<'a> {
        let mut sorted = Vec::new();
        if !is_sorted(pool, table, format) {
            sorted.extend(table.chunks_exact(format.len()).map(|bytes| format.read(bytes)));
            sorted.sort_by_key(|relocation| relocation.place);
        }
        Relocations { section, table, format, actions: Actions::of(machine), sorted }
    }

    fn len(&self) -> usize {
        self.table.len() / self.format.len()
    }

    fn get(&self, index: usize) -> Relocation {
        match self.sorted.get(index) {
            Some(relocation) => *relocation,
            None => self.format.read(&self.table[index * self.format.len()..]),
        }
    }

    /// The first relocation at a place or behind it.
    fn first(&self, place: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).place < place { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Puts a part of the section behind what `out` holds, relocated. `rename` says which string is
    /// said for one of `.debug_str`, by offset.
    pub(crate) fn copy(
        &self,
        section: &[u8],
        range: Range<usize>,
        targets: &[Target],
        rename: impl Fn(u64) -> u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Unrelocated> {
        let start = out.len();
        out.extend_from_slice(section.get(range.clone()).unwrap_or_default());
        let part = Part { range, targets, actions: &self.actions, rename };
        let bytes = &mut out[start..];
        let first = self.first(part.range.start as u64);
        if !self.sorted.is_empty() {
            return part.apply(bytes, self.format, self.sorted[first..].iter().copied());
        }
        // The formats that kernels have, each with a loop of its own.
        const MOST: Format = Format { is_64: true, has_addend: true, big: false };
        let len = self.format.len();
        let table = self.table[first * len..].chunks_exact(len);
        match self.format {
            MOST => part.apply(bytes, MOST, table.map(|bytes| MOST.read(bytes))),
            other => part.apply(bytes, other, table.map(|bytes| other.read(bytes))),
        }
    }

    /// A word for people.
    pub(crate) fn error(&self, error: Unrelocated) -> EncodeError {
        let (section, Unrelocated(place, what)) = (self.section, error);
        EncodeError::Elf(format!("relocation of {section} at {place:#x}: {what}"))
    }
}

/// Whether a table is in order.
fn is_sorted(pool: &Pool, table: &[u8], format: Format) -> bool {
    let len = format.len();
    let piece = PIECE / len * len;
    let starts: Vec<usize> = (0..table.len()).step_by(piece).collect();
    let read = |start: &usize, (): &mut ()| {
        // Each goes on to the first of the next.
        let end = (start + piece + len).min(table.len());
        let places = table[*start..end].chunks_exact(len).map(|bytes| format.read(bytes).place);
        places.is_sorted()
    };
    let sorted = pool.map(&starts, |_| 1, Weight::UNLIMITED, || (), read);
    sorted.into_iter().all(|sorted| sorted)
}

/// A part of a section that is being relocated.
struct Part<'p, R> {
    range: Range<usize>,
    targets: &'p [Target],
    actions: &'p Actions,
    rename: R,
}

impl<R: Fn(u64) -> u64> Part<'_, R> {
    #[inline(always)]
    fn apply(
        &self,
        bytes: &mut [u8],
        format: Format,
        relocations: impl Iterator<Item = Relocation>,
    ) -> Result<(), Unrelocated> {
        let (start, end) = (self.range.start as u64, self.range.end as u64);
        for relocation in relocations {
            let place = relocation.place;
            if place >= end {
                break;
            }
            let bad = |what| Unrelocated(place, what);
            let action = self.actions.get(relocation.kind).ok_or(bad("of an unknown type"))?;
            let target = match self.targets.get(relocation.symbol as usize) {
                Some(target) => *target,
                // The symbol that is none has no address.
                None if relocation.symbol == 0 => Target { value: 0, in_strings: false },
                None => return Err(bad("of a symbol that there is not")),
            };
            let rest = bytes.get_mut(place.wrapping_sub(start) as usize..).unwrap_or_default();
            let mut value = target.value.wrapping_add(relocation.addend as u64);
            if let (Action::Set(len), false) = (action, format.has_addend) {
                value = value.wrapping_add(number(rest, len, format.big).ok_or(bad(OUTSIDE))?);
            }
            if target.in_strings {
                value = (self.rename)(value);
            }
            // Nearly all of them.
            if let (Action::Set(4), false) = (action, format.big) {
                let place = rest.first_chunk_mut::<4>().ok_or(bad(OUTSIDE))?;
                *place = (value as u32).to_le_bytes();
                continue;
            }
            change(rest, action, value, format.big).ok_or(bad(OUTSIDE))?;
        }
        Ok(())
    }
}

const OUTSIDE: &str = "it lies outside, or across the end of a unit";

/// The first `len` bytes as a number.
fn number(bytes: &[u8], len: u8, big: bool) -> Option<u64> {
    let bytes = bytes.get(..usize::from(len))?;
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
}

/// Writes a number into the first `len` bytes.
fn put(bytes: &mut [u8], len: u8, big: bool, value: u64) -> Option<()> {
    let bytes = bytes.get_mut(..usize::from(len))?;
    let (of_little, of_big) = (value.to_le_bytes(), value.to_be_bytes());
    match big {
        false => bytes.copy_from_slice(&of_little[..usize::from(len)]),
        true => bytes.copy_from_slice(&of_big[8 - usize::from(len)..]),
    }
    Some(())
}

fn change(bytes: &mut [u8], action: Action, value: u64, big: bool) -> Option<()> {
    match action {
        Action::Nothing => {}
        Action::Set(len) => put(bytes, len, big, value)?,
        Action::Add(len) => {
            let sum = number(bytes, len, big)?.wrapping_add(value);
            put(bytes, len, big, sum)?;
        }
        Action::Subtract(len) => {
            let difference = number(bytes, len, big)?.wrapping_sub(value);
            put(bytes, len, big, difference)?;
        }
        Action::Set6 => {
            let byte = bytes.first_mut()?;
            *byte = *byte & 0xc0 | value as u8 & 0x3f;
        }
        Action::Subtract6 => {
            let byte = bytes.first_mut()?;
            *byte = *byte & 0xc0 | byte.wrapping_sub(value as u8) & 0x3f;
        }
        Action::SetLeb => leb(bytes, |_| value)?,
        Action::AddLeb => leb(bytes, |number| number.wrapping_add(value))?,
        Action::SubtractLeb => leb(bytes, |number| number.wrapping_sub(value))?,
    }
    Some(())
}

/// Changes an unsigned LEB128, which keeps its length.
fn leb(bytes: &mut [u8], change: impl Fn(u64) -> u64) -> Option<()> {
    let len = bytes.iter().position(|byte| *byte < 0x80)? + 1;
    let digits =
        bytes[..len].iter().rev().fold(0_u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    let mut value = change(digits);
    for byte in &mut bytes[..len] {
        *byte = *byte & 0x80 | value as u8 & 0x7f;
        value >>= 7;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    const X86_64: u16 = 62;
    const I386: u16 = 3;
    const S390: u16 = 22;
    const RISCV: u16 = 243;
    const LOONGARCH: u16 = 258;

    const RELA: Format = Format { is_64: true, has_addend: true, big: false };

    /// Place, symbol, type, addend.
    type Row = (u64, u32, u32, i64);

    fn table(format: Format, rows: &[Row]) -> Vec<u8> {
        let mut out = Vec::new();
        for &(place, symbol, kind, addend) in rows {
            let info = match format.is_64 {
                true => u64::from(symbol) << 32 | u64::from(kind),
                false => u64::from(symbol << 8 | kind),
            };
            let words = [place, info, addend as u64];
            for word in &words[..if format.has_addend { 3 } else { 2 }] {
                let len = if format.is_64 { 8 } else { 4 };
                let at = out.len();
                out.resize(at + usize::from(len), 0);
                put(&mut out[at..], len, format.big, *word).unwrap();
            }
        }
        out
    }

    /// Symbols at 0, 0x1000, 0x2000, 0x3000; the last one lies in `.debug_str`.
    const TARGETS: [Target; 4] = [
        Target { value: 0, in_strings: false },
        Target { value: 0x1000, in_strings: false },
        Target { value: 0x2000, in_strings: false },
        Target { value: 0x3000, in_strings: true },
    ];

    /// A part of a section, relocated; strings lie at ten times their offset.
    fn part(
        machine: u16,
        format: Format,
        rows: &[Row],
        section: &[u8],
        range: Range<usize>,
    ) -> Result<Vec<u8>, Unrelocated> {
        let table = table(format, rows);
        let pool = Pool::new(NonZeroUsize::MIN);
        let relocations = Relocations::new(&pool, ".debug_info", &table, format, machine);
        // What is there already stays.
        let mut out = vec![0xee];
        relocations.copy(section, range, &TARGETS, |at| at * 10, &mut out)?;
        assert_eq!(out.remove(0), 0xee);
        Ok(out)
    }

    fn whole(machine: u16, format: Format, rows: &[Row], section: &[u8]) -> Vec<u8> {
        part(machine, format, rows, section, 0..section.len()).unwrap()
    }

    #[test]
    fn tables_of_every_format() {
        for is_64 in [false, true] {
            for has_addend in [false, true] {
                for big in [false, true] {
                    let format = Format { is_64, has_addend, big };
                    // R_390_32 and R_X86_64_32.
                    let (machine, kind) = if big { (S390, 4) } else { (X86_64, 10) };
                    let rows = [(1, 2, kind, -0x10), (6, 1, kind, 0x11)];
                    let mut section = [0xff; 11];
                    // Without addends they are what the places hold.
                    for (place, _, _, addend) in rows {
                        put(&mut section[place as usize..], 4, big, addend as u64).unwrap();
                    }
                    let mut expected = vec![0xff; 11];
                    put(&mut expected[1..], 4, big, 0x1ff0).unwrap();
                    put(&mut expected[6..], 4, big, 0x1011).unwrap();
                    let done = whole(machine, format, &rows, &section);
                    assert_eq!(done, expected, "{format:?}");
                }
            }
        }
    }

    #[test]
    fn addends_are_added_to_or_taken_from_the_place() {
        let rel = Format { is_64: false, has_addend: false, big: false };
        // R_386_32, _16 and _8: what is there is the addend, and what does not fit is cut off.
        let section = [5, 0, 0, 0, 0xff, 0x01, 0xf0];
        let rows = [(0, 2, 1, 0), (4, 1, 20, 0), (6, 1, 22, 0)];
        assert_eq!(whole(I386, rel, &rows, &section), [5, 0x20, 0, 0, 0xff, 0x11, 0xf0]);
        // What is there does not count where the table has an addend; it may be below 0.
        let rows = [(0, 2, 10, -1)];
        assert_eq!(whole(X86_64, RELA, &rows, &[5, 5, 5, 5]), [0xff, 0x1f, 0, 0]);
        let rows = [(0, 1, 1, -0x1001)];
        assert_eq!(whole(X86_64, RELA, &rows, &[5; 8]), [0xff; 8]);
        // So it is in 32-bit tables, whose addends have 32 bits.
        let rela = Format { is_64: false, has_addend: true, big: true };
        assert_eq!(whole(S390, rela, &[(0, 1, 22, -0x1001)], &[5; 8]), [0xff; 8]);
    }

    #[test]
    fn a_relocation_writes_no_more_than_its_bytes() {
        // R_390_8, _16, _32, _64.
        let big = Format { is_64: true, has_addend: true, big: true };
        let one = |kind| whole(S390, big, &[(1, 1, kind, 0x0203_0405_0607_0809)], &[0xaa; 10]);
        assert_eq!(one(1), [0xaa, 9, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa]);
        assert_eq!(one(3), [0xaa, 0x18, 9, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa]);
        assert_eq!(one(4), [0xaa, 6, 7, 0x18, 9, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa]);
        assert_eq!(one(22), [0xaa, 2, 3, 4, 5, 6, 7, 0x18, 9, 0xaa]);
    }

    #[test]
    fn strings_are_renamed_with_their_addend() {
        let rows = [(0, 3, 10, 1), (4, 1, 10, 1)];
        let done = whole(X86_64, RELA, &rows, &[0; 8]);
        assert_eq!(done, [0x0a, 0xe0, 1, 0, 1, 0x10, 0, 0]);
        // Where the place has the addend, it is a part of the string's offset too.
        let rel = Format { is_64: true, has_addend: false, big: false };
        assert_eq!(whole(X86_64, rel, &[(0, 3, 10, 0)], &[1, 0, 0, 0]), [0x0a, 0xe0, 1, 0]);
    }

    #[test]
    fn differences_of_symbols() {
        // R_RISCV_ADD32 and _SUB32 at one place, in that order: 7 + 0x2004 - 0x1001.
        let pair = |first: u32, second: u32, section: &[u8]| {
            whole(RISCV, RELA, &[(0, 2, first, 4), (0, 1, second, 1)], section)
        };
        assert_eq!(pair(35, 39, &[7, 0, 0, 0]), [0x0a, 0x10, 0, 0]);
        assert_eq!(pair(34, 38, &[7, 0, 0xee]), [0x0a, 0x10, 0xee]);
        assert_eq!(pair(33, 37, &[7, 0xee]), [0x0a, 0xee]);
        assert_eq!(pair(36, 40, &[7, 0, 0, 0, 0, 0, 0, 0]), [0x0a, 0x10, 0, 0, 0, 0, 0, 0]);
        // SET8 to SET32 forget what is there, and six bits leave the others: SET6 and SUB6.
        assert_eq!(pair(54, 37, &[7]), [3]);
        assert_eq!(pair(55, 38, &[7, 7]), [3, 0x10]);
        assert_eq!(pair(56, 39, &[7, 7, 7, 7]), [3, 0x10, 0, 0]);
        assert_eq!(pair(53, 52, &[0xc7]), [0xc3]);
        // RELAX (51) is no change.
        assert_eq!(pair(51, 51, &[7]), [7]);
    }

    #[test]
    fn differences_as_leb128() {
        // SET_ULEB128 and SUB_ULEB128: 0x2004 - 0x1001 in as many bytes as there are.
        let riscv = |section: &[u8]| whole(RISCV, RELA, &[(0, 2, 60, 4), (0, 1, 61, 1)], section);
        assert_eq!(riscv(&[0x80, 0x80, 0x00, 0xee]), [0x83, 0xa0, 0x00, 0xee]);
        assert_eq!(riscv(&[0xff, 0xff, 0xff, 0x7f]), [0x83, 0xa0, 0x80, 0x00]);
        // What does not fit is cut off.
        assert_eq!(riscv(&[0x85, 0x01]), [0x83, 0x20]);
        // R_LARCH_ADD_ULEB128 and SUB_ULEB128 begin with what is there.
        let loongarch =
            |section: &[u8]| whole(LOONGARCH, RELA, &[(0, 2, 107, 4), (0, 1, 108, 1)], section);
        assert_eq!(loongarch(&[0x87, 0x80, 0x00]), [0x8a, 0xa0, 0x00]);
        let one = part(RISCV, RELA, &[(0, 2, 60, 4)], &[0x80, 0x80], 0..2);
        assert_eq!(one, Err(Unrelocated(0, OUTSIDE)), "one that does not end");
    }

    #[test]
    fn a_part_has_only_its_own_relocations() {
        let rows = [(0, 1, 10, 0), (4, 1, 10, 1), (8, 1, 10, 2), (12, 1, 10, 3)];
        let section = [0; 16];
        assert_eq!(
            part(X86_64, RELA, &rows, &section, 4..12),
            Ok(vec![1, 0x10, 0, 0, 2, 0x10, 0, 0])
        );
        assert_eq!(part(X86_64, RELA, &rows, &section, 1..3), Ok(vec![0, 0]));
        assert_eq!(part(X86_64, RELA, &rows, &section, 16..16), Ok(vec![]));
        // A part that there is not has no bytes to relocate.
        assert_eq!(part(X86_64, RELA, &rows, &section, 20..24), Ok(vec![]));
    }

    #[test]
    fn a_place_across_the_end_of_a_part_is_an_error() {
        // Every width: of 8, 4, 2 and 1 bytes, with the addend in the table and in the place.
        let rel = Format { has_addend: false, ..RELA };
        for (format, kind, len) in
            [(RELA, 1, 8), (RELA, 10, 4), (RELA, 12, 2), (rel, 1, 8), (rel, 10, 4), (rel, 12, 2)]
        {
            let rows = [(8 - len + 1, 1, kind, 0)];
            let done = part(X86_64, format, &rows, &[0; 16], 0..8);
            assert_eq!(done, Err(Unrelocated(8 - len + 1, OUTSIDE)), "{format:?} {kind}");
            assert!(part(X86_64, format, &[(8 - len, 1, kind, 0)], &[0; 16], 0..8).is_ok());
        }
        for kind in [33..=36, 37..=40].into_iter().flatten() {
            let rows = [(8, 1, kind, 0)];
            assert_eq!(part(RISCV, RELA, &rows, &[0; 8], 0..9), Err(Unrelocated(8, OUTSIDE)));
        }
        for kind in [52, 53, 60, 61] {
            let done = part(RISCV, RELA, &[(8, 1, kind, 0)], &[0; 8], 0..9);
            assert_eq!(done, Err(Unrelocated(8, OUTSIDE)));
        }
        let far = part(X86_64, RELA, &[(u64::MAX, 1, 10, 0)], &[0; 8], 0..8);
        assert_eq!(far, Ok(vec![0; 8]), "behind all parts");
    }

    #[test]
    fn what_is_not_known_is_an_error_where_it_is_met() {
        let unknown = |symbol, kind| {
            let rows = [(0, 1, 10, 0), (8, symbol, kind, 0)];
            (part(X86_64, RELA, &rows, &[0; 16], 0..8), part(X86_64, RELA, &rows, &[0; 16], 8..16))
        };
        let good = Ok(vec![0, 0x10, 0, 0, 0, 0, 0, 0]);
        // R_X86_64_PLT32, and numbers that nothing has.
        for kind in [4, 319, 320, u32::MAX] {
            let error = Err(Unrelocated(8, "of an unknown type"));
            assert_eq!(unknown(1, kind), (good.clone(), error));
        }
        for symbol in [4, u32::MAX] {
            let error = Err(Unrelocated(8, "of a symbol that there is not"));
            assert_eq!(unknown(symbol, 10), (good.clone(), error));
        }
    }

    #[test]
    fn the_symbol_that_is_none_has_no_address() {
        let table = table(RELA, &[(0, 0, 10, 0x77), (4, 0, 0, 0)]);
        let pool = Pool::new(NonZeroUsize::MIN);
        let relocations = Relocations::new(&pool, ".debug_info", &table, RELA, X86_64);
        let mut out = Vec::new();
        // Even in a file without symbols.
        relocations.copy(&[1; 8], 0..8, &[], |at| at, &mut out).unwrap();
        assert_eq!(out, [0x77, 0, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn errors_say_where() {
        let pool = Pool::new(NonZeroUsize::MIN);
        let relocations = Relocations::new(&pool, ".debug_info", &[], RELA, X86_64);
        let error = relocations.error(Unrelocated(0x1f, OUTSIDE)).to_string();
        assert!(error.contains("relocation of .debug_info at 0x1f: it lies outside"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn a_table_in_any_order_does_what_a_sorted_one_does(
            seed in proptest::collection::vec((0..60_u64, 1..3_u32, 33..41_u32, 0..99_i64), 0..40),
            start in 0..30_usize,
            len in 0..34_usize,
        ) {
            // R_RISCV_ADD8 to SUB64. Those of one place stay in their order: so the sort must be stable.
            let mut sorted = seed.clone();
            sorted.sort_by_key(|row| row.0);
            let section: Vec<u8> = (0..80).collect();
            let one = part(RISCV, RELA, &seed, &section, start..start + len);
            let other = part(RISCV, RELA, &sorted, &section, start..start + len);
            proptest::prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn a_table_in_pieces_is_sorted_only_if_its_pieces_follow_each_other() {
        // Each piece is in order, and the second begins below where the first ends.
        let len = RELA.len();
        let rows = PIECE / len;
        let mut table = vec![0; (rows + 1) * len];
        let place = |index: usize| index * len..index * len + 8;
        let pool = Pool::new(NonZeroUsize::new(2).unwrap());
        table[place(rows - 1)].copy_from_slice(&9_u64.to_le_bytes());
        table[place(rows)].copy_from_slice(&9_u64.to_le_bytes());
        assert!(is_sorted(&pool, &table, RELA));
        table[place(rows)].copy_from_slice(&8_u64.to_le_bytes());
        assert!(!is_sorted(&pool, &table, RELA));
        assert!(is_sorted(&pool, &[], RELA));
    }
}

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
    let strings = image.sections.iter().position(|section| section.name == b".debug_str");
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
        let index = image.sections.iter().position(|section| section.name == name.as_bytes());
        let Some(index) = index else { return Ok(None) };
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
        let (table, actions) = (table.raw(), Actions::of(image.machine));
        let mut sorted = Vec::new();
        if !is_sorted(pool, table, format) {
            sorted.extend(table.chunks_exact(format.len()).map(|bytes| format.read(bytes)));
            sorted.sort_by_key(|relocation| relocation.place);
        }
        Ok(Some(Relocations { section: name, table, format, actions, sorted }))
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

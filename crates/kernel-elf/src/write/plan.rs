//! What is to be done to a file, as data: nothing here touches a file.
//!
//! ```text
//!                     T                    end
//! old   ELF ... .symtab | .shstrtab headers |
//! 1     ELF ... .symtab | .shstrtab headers | .shstrtab .BTF headers      appended; nobody looks there
//! 2     ELF'... .symtab | .shstrtab headers | .shstrtab .BTF headers      one write switches the ELF header
//! 3     ELF'... .symtab | .shstrtab .BTF headers ...                      over what has just become unused
//! 4     ELF"... .symtab | .shstrtab .BTF headers                          switched again, and cut
//! ```
//!
//! After 2 the file is the new one. 3 and 4 only give back the space: where the file ends with what the
//! change makes unused (names and headers, as linkers leave them, or everything that a former run wrote),
//! the same things are written once more from there on. So a file that is written to a hundred times is as
//! long as one that is written to once, and has the same bytes. The copy of 1 is put so far behind that
//! 3 does not reach it. In between, what is written is on the disk before the header says so.

use std::borrow::Cow;
use std::ops::Range;

use super::error::WriteError;
use super::headers::{Elf, SHF_ALLOC, SHF_COMPRESSED, SHT_PROGBITS, SHT_REL, SHT_RELA, Section};
use crate::Class;

/// Where content begins in the file, at least: BTF's numbers are of 32 bits, headers' of 64.
const ALIGN: u64 = 8;

/// An alignment up to this is heeded; a larger one would put holes into the file.
const ALIGN_MAX: u64 = 4096;

/// As many zeros between two parts at the end of the file are taken for padding.
const PADDING_MAX: usize = 64;

/// A section, and what it is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'c> {
    /// The section's name, without NUL.
    pub name: &'c str,
    /// All its bytes.
    pub bytes: &'c [u8],
}

/// One call of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'c> {
    /// Bytes to where no header leads, at and behind the old end or in what became unused.
    Write {
        /// Where in the file, in bytes from its start.
        at: u64,
        /// What.
        bytes: Cow<'c, [u8]>,
    },
    /// All that was written is on the disk before the next step.
    Flush,
    /// The ELF header from `e_shoff` to its end: 24 bytes, or 20 in a 32-bit file. They lie in one
    /// sector and one page, so no reader sees a part of them.
    Switch {
        /// Where in the file.
        at: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// The file ends here. What it loses is unused, or a signature that is to go.
    Cut {
        /// Its length from now on.
        len: u64,
    },
}

/// What is to be done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch<'c> {
    steps: Vec<Step<'c>>,
    old_len: u64,
    new_len: u64,
}

impl<'c> Patch<'c> {
    /// In their order; none when every section is as it should be.
    pub fn steps(&self) -> &[Step<'c>] {
        &self.steps
    }

    /// Bytes of the file before, without a signature that goes first.
    pub fn old_len(&self) -> u64 {
        self.old_len
    }

    /// Bytes of the file in the end.
    pub fn new_len(&self) -> u64 {
        self.new_len
    }
}

/// What to do so that each of the sections holds its content.
///
/// `image` is the whole file, without a signature. A section of that name gets the content, the first one
/// if there are several; it is `SHT_PROGBITS` from then on. If it was loaded (`SHF_ALLOC`), what is loaded
/// stays as it is, and the section becomes one that is not, without flags. It keeps everything else, the
/// address too: encoders look for a variable's section by addresses alone, and a kernel's per-CPU variables
/// are at 0. A new section has no flags, no address, and alignment 1, as `objcopy --add-section` makes it.
/// It goes to the end of the table, so that no index changes.
///
/// # Errors
/// [`WriteError`], for damaged files and for what would be wrong afterwards. Memory is bounded by the
/// section headers and names that the file has.
pub fn plan_sections<'c>(image: &[u8], contents: &[Content<'c>]) -> Result<Patch<'c>, WriteError> {
    let elf = Elf::read(image)?;
    let old_len = image.len() as u64;
    let change = Change::of(&elf, contents)?;
    if change.contents.is_empty() {
        return Ok(Patch { steps: Vec::new(), old_len, new_len: old_len });
    }
    let tail = change.tail(&elf);
    let last = change.lay(&elf, tail)?;
    let new_len = last.end;
    let mut steps = Vec::new();
    let first = match tail < old_len {
        true => change.lay(&elf, old_len.max(new_len)),
        false => Err(WriteError::TooLarge("file")),
    };
    // There is nothing to give back, or no room for both copies in a 32-bit file.
    let Ok(first) = first else {
        let only = change.lay(&elf, old_len)?;
        let new_len = only.end;
        only.push_to(&elf, &mut steps);
        return Ok(Patch { steps, old_len, new_len });
    };
    first.push_to(&elf, &mut steps);
    // Else the disk might have the next bytes before the header that makes them unused.
    steps.push(Step::Flush);
    last.push_to(&elf, &mut steps);
    steps.extend([Step::Flush, Step::Cut { len: new_len }]);
    Ok(Patch { steps, old_len, new_len })
}

/// What changes, wherever it goes.
struct Change<'c> {
    /// Each section's index in the table, and its new content.
    contents: Vec<(usize, &'c [u8])>,
    /// The new table of names, if there are new names.
    names: Option<Vec<u8>>,
    /// The new headers; offsets and sizes come later.
    sections: Vec<Section>,
}

impl<'c> Change<'c> {
    fn of(elf: &Elf<'_>, contents: &[Content<'c>]) -> Result<Change<'c>, WriteError> {
        let mut change =
            Change { contents: Vec::new(), names: None, sections: elf.sections.clone() };
        for (index, content) in contents.iter().enumerate() {
            if contents[..index].iter().any(|other| other.name == content.name) {
                return Err(WriteError::Twice);
            }
            let index = match elf.find(content.name) {
                Some(index) if is_as_it_should_be(elf, index, content.bytes) => continue,
                Some(index) => change.replace(elf, index)?,
                None => change.add(elf, content.name)?,
            };
            change.contents.push((index, content.bytes));
        }
        Ok(change)
    }

    fn replace(&mut self, elf: &Elf<'_>, index: usize) -> Result<usize, WriteError> {
        let relocates = |section: &Section| {
            [SHT_REL, SHT_RELA].contains(&section.kind) && section.info as usize == index
        };
        if elf.sections.iter().any(relocates) {
            return Err(WriteError::Relocated(index));
        }
        if index == elf.names {
            let what = "has the names of sections, and cannot have another content";
            return Err(WriteError::Section { index, what });
        }
        let old = elf.sections[index];
        let flags = match old.flags & SHF_ALLOC {
            0 => old.flags & !SHF_COMPRESSED,
            _ => 0,
        };
        self.sections[index] = Section { kind: SHT_PROGBITS, flags, ..old };
        Ok(index)
    }

    fn add(&mut self, elf: &Elf<'_>, name: &str) -> Result<usize, WriteError> {
        let wanted = [name.as_bytes(), b"\0"].concat();
        let names = self.names.as_deref().unwrap_or(elf.content(elf.names));
        // Linkers let a name be the end of another one; then it is there already.
        let at = match memchr::memmem::find(names, &wanted) {
            Some(at) => at,
            None => {
                if elf.sections[elf.names].flags & SHF_ALLOC != 0 {
                    return Err(WriteError::NamesLoaded);
                }
                // A name that lies outside would come to lie inside, and be one.
                let len = elf.content(elf.names).len();
                let outside = elf.sections.iter().position(|section| section.name as usize >= len);
                if let Some(index) = outside {
                    let what = "has a name that is not in the table of names";
                    return Err(WriteError::Section { index, what });
                }
                let mut names = names.to_vec();
                if names.last() != Some(&0) {
                    names.push(0);
                }
                let at = names.len();
                names.extend(wanted);
                self.names = Some(names);
                at
            }
        };
        let name = u32::try_from(at).map_err(|_| WriteError::TooLarge("table of names"))?;
        self.sections.push(Section { name, ..NEW });
        Ok(self.sections.len() - 1)
    }

    /// Where the file's end begins that nothing leads to any more: the place for the new parts. Its
    /// length if it does not end so.
    fn tail(&self, elf: &Elf<'_>) -> u64 {
        let replaced = self.contents.iter().map(|(index, _)| *index);
        let replaced = replaced.filter(|index| *index < elf.sections.len());
        let names = self.names.is_some().then_some(elf.names);
        let moved: Vec<usize> = replaced.chain(names).collect();
        let used = end_of_the_rest(elf, &moved);
        let mut tail = elf.image.len();
        let parts = moved.iter().map(|index| elf.sections[*index].range());
        let mut parts: Vec<Range<usize>> = parts.chain([elf.table.clone()]).collect();
        parts.sort_unstable_by_key(|part| part.end);
        while let Some(part) = parts.pop() {
            let padding = elf.image.get(part.end..tail);
            let is_last = padding.is_some_and(|bytes| {
                bytes.len() < PADDING_MAX && bytes.iter().all(|byte| *byte == 0)
            });
            if !is_last || part.start < used || part.is_empty() {
                break;
            }
            tail = part.start;
        }
        tail as u64
    }

    /// Everything one behind another, from `start` on or a little later.
    fn lay(&self, elf: &Elf<'_>, start: u64) -> Result<Placed<'c>, WriteError> {
        let mut sections = self.sections.clone();
        let mut placed = Placed { at: start, end: start, pieces: Vec::new(), switch: Vec::new() };
        // First: they stay when only content is replaced, and the end of the file can be used again.
        if let Some(names) = &self.names {
            sections[elf.names].offset = placed.push(1, Cow::Owned(names.clone()));
            sections[elf.names].size = names.len() as u64;
        }
        for (index, bytes) in &self.contents {
            let section = &mut sections[*index];
            let align = match section.align {
                align if align.is_power_of_two() && align <= ALIGN_MAX => align.max(ALIGN),
                _ => ALIGN,
            };
            section.offset = placed.push(align, Cow::Borrowed(bytes));
            section.size = bytes.len() as u64;
        }
        let table_at = placed.end.next_multiple_of(ALIGN);
        let (table, switch) = elf.table_of(&sections, table_at);
        placed.push(ALIGN, Cow::Owned(table));
        placed.switch = switch;
        let max = match elf.shape.class {
            Class::Elf32 => u64::from(u32::MAX),
            Class::Elf64 => i64::MAX as u64,
        };
        if placed.end > max {
            return Err(WriteError::TooLarge("file"));
        }
        Ok(placed)
    }
}

/// The header of a section that was not there.
const NEW: Section = Section {
    name: 0,
    kind: SHT_PROGBITS,
    flags: 0,
    addr: 0,
    offset: 0,
    size: 0,
    link: 0,
    info: 0,
    align: 1,
    entry: 0,
};

/// Whether nothing is to be done.
fn is_as_it_should_be(elf: &Elf<'_>, index: usize, bytes: &[u8]) -> bool {
    let section = &elf.sections[index];
    let is_plain = section.kind == SHT_PROGBITS && section.flags & SHF_COMPRESSED == 0;
    is_plain && elf.content(index) == bytes
}

/// Where the last of all that does not move ends.
fn end_of_the_rest(elf: &Elf<'_>, moved: &[usize]) -> usize {
    let sections = elf.sections.iter().enumerate().skip(1);
    let sections = sections.filter(|(index, _)| !moved.contains(index));
    let sections = sections.map(|(_, section)| section.range().end);
    let segments = elf.segments.iter().map(|segment| segment.end);
    let headers = [elf.shape.sizes().0, elf.programs.end];
    sections.chain(segments).chain(headers).max().unwrap_or(0)
}

/// The new parts in a place of the file.
struct Placed<'c> {
    /// Where the first one begins, padding included.
    at: u64,
    end: u64,
    pieces: Vec<Cow<'c, [u8]>>,
    /// The end of the ELF header that leads to them.
    switch: Vec<u8>,
}

impl<'c> Placed<'c> {
    /// Appends a piece, behind zeros; returns where it begins.
    fn push(&mut self, align: u64, bytes: Cow<'c, [u8]>) -> u64 {
        let offset = self.end.next_multiple_of(align);
        if offset > self.end {
            self.pieces.push(Cow::Owned(vec![0; (offset - self.end) as usize]));
        }
        self.end = offset + bytes.len() as u64;
        self.pieces.push(bytes);
        offset
    }

    /// Writes them, and then leads to them.
    fn push_to(self, elf: &Elf<'_>, steps: &mut Vec<Step<'c>>) {
        let mut at = self.at;
        for bytes in self.pieces {
            let len = bytes.len() as u64;
            if len > 0 {
                steps.push(Step::Write { at, bytes });
            }
            at += len;
        }
        steps.push(Step::Flush);
        steps.push(Step::Switch { at: elf.shape.switch().start as u64, bytes: self.switch });
    }
}

//! Whether nothing but what was to be changed differs between a file before and after.
//!
//! Both files are read anew; the checker shares the reading of headers with the plan and nothing else.

use std::ops::Range;

use super::error::WriteError;
use super::headers::{Elf, SHF_ALLOC, SHF_COMPRESSED, SHT_PROGBITS, Section};
use super::plan::Content;

/// What differs that should not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// The old file makes no sense.
    #[error("the old file: {0}")]
    Old(WriteError),
    /// The new file makes no sense.
    #[error("the new file: {0}")]
    New(WriteError),
    /// Fewer sections, or more than were to be added.
    #[error("{old} sections became {new}")]
    Count {
        /// How many there were.
        old: usize,
        /// How many there are.
        new: usize,
    },
    /// A section that was not to be changed has another header or place.
    #[error("the header of section {0} differs")]
    Header(usize),
    /// The index of the section with the names, or names that were there.
    #[error("the names of sections differ")]
    Names,
    /// A section that was to be changed is not there, or has another content.
    #[error("section {0} does not have its new content")]
    Content(String),
    /// A byte that nothing of the change should touch.
    #[error("the byte at {0:#x} differs")]
    Byte(usize),
    /// A new part lies where something else is.
    #[error("the new part at {0:#x} lies in something else")]
    Overlap(usize),
    /// Bytes at the end that are neither new parts nor zeros between them.
    #[error("the bytes at {0:#x} belong to nothing")]
    Stray(usize),
}

/// Whether `new` is `old` but for these sections, which have their content in `new`, the table of
/// section names, the section headers, and the three fields of the ELF header that lead to them.
/// Every byte that a program header means is the same, at the same place, and so is every byte that
/// nothing leads to.
///
/// A signature that was to be dropped is no part of `old`.
///
/// # Errors
/// The first [`Difference`].
pub fn check(old: &[u8], new: &[u8], contents: &[Content<'_>]) -> Result<(), Difference> {
    let before = Elf::read(old).map_err(Difference::Old)?;
    let after = Elf::read(new).map_err(Difference::New)?;
    let wanted: Vec<(Option<usize>, &Content<'_>)> =
        contents.iter().map(|content| (before.find(content.name), content)).collect();
    let added = wanted.iter().filter(|(index, _)| index.is_none()).count();
    if after.sections.len() != before.sections.len() + added {
        let (old, new) = (before.sections.len(), after.sections.len());
        return Err(Difference::Count { old, new });
    }
    if before.shape != after.shape || before.names != after.names {
        return Err(Difference::Names);
    }
    // The old names, and behind them the new ones, and a NUL if there was none.
    let names = after.content(after.names).strip_prefix(before.content(before.names));
    let names = names.ok_or(Difference::Names)?;
    let fresh = wanted.iter().filter(|(was, _)| was.is_none()).map(|(_, content)| content.name);
    let most = fresh.clone().map(|name| name.len() + 1).sum::<usize>();
    let is_fresh = |name: &[u8]| fresh.clone().any(|fresh| fresh.as_bytes() == name);
    let all_fresh = names.split(|byte| *byte == 0).all(|name| name.is_empty() || is_fresh(name));
    if !all_fresh || names.len() > most + usize::from(most > 0) {
        return Err(Difference::Names);
    }
    let mut changed: Vec<usize> = wanted.iter().filter_map(|(index, _)| *index).collect();
    changed.push(before.names);
    headers(&before, &after, &changed)?;

    let mut parts = vec![after.table.clone(), after.sections[after.names].range()];
    for (was, content) in &wanted {
        let lost = || Difference::Content(content.name.to_owned());
        let index = after.find(content.name).ok_or_else(lost)?;
        let section = &after.sections[index];
        let is_there = was.is_none_or(|was| was == index);
        if !is_there || section.kind != SHT_PROGBITS || after.content(index) != content.bytes {
            return Err(lost());
        }
        parts.push(section.range());
    }
    parts.retain(|part| !part.is_empty());
    parts.sort_unstable_by_key(|part| part.start);
    bytes(&before, &after, &changed, &parts)
}

/// The headers, but for places and lengths of what has moved. Section 0 may have come to hold the
/// number of sections, and where the names are.
fn headers(before: &Elf<'_>, after: &Elf<'_>, changed: &[usize]) -> Result<(), Difference> {
    let added = Section { kind: SHT_PROGBITS, align: 1, ..Section::default() };
    for (index, new) in after.sections.iter().enumerate() {
        let place = |old: Section| Section { offset: new.offset, size: new.size, ..old };
        let expected = match before.sections.get(index) {
            None => place(Section { name: new.name, ..added }),
            Some(old) if index == 0 => {
                let count = [old.size, after.sections.len() as u64].contains(&new.size);
                let names = [old.link, after.names as u32].contains(&new.link);
                let size = if count { new.size } else { old.size };
                let link = if names { new.link } else { old.link };
                Section { size, link, ..*old }
            }
            // Where it is, unless it holds more.
            Some(old) if index == before.names && old.size < new.size => place(*old),
            Some(old) if index == before.names => *old,
            Some(old) if !changed.contains(&index) => *old,
            // It is as it should have been already.
            Some(old) if old == new => *old,
            Some(old) => {
                let is_loaded = old.flags & SHF_ALLOC != 0;
                let flags = if is_loaded { 0 } else { old.flags & !SHF_COMPRESSED };
                place(Section { kind: SHT_PROGBITS, flags, ..*old })
            }
        };
        if expected != *new {
            return Err(Difference::Header(index));
        }
    }
    Ok(())
}

/// All bytes but those of new parts and of old ones that are somewhere else now. `parts` are the
/// new ones by their place.
fn bytes(
    before: &Elf<'_>,
    after: &Elf<'_>,
    changed: &[usize],
    parts: &[Range<usize>],
) -> Result<(), Difference> {
    let (old, new) = (before.image, after.image);
    let sections = before.sections.iter().enumerate().skip(1);
    let kept = sections.filter(|(index, _)| !changed.contains(index));
    let mut kept: Vec<Range<usize>> = kept.map(|(_, section)| section.range()).collect();
    kept.extend([0..before.shape.sizes().0, before.programs.clone()]);
    kept.extend(before.segments.iter().cloned());
    let mut moved: Vec<Range<usize>> =
        changed.iter().map(|index| before.sections[*index].range()).collect();
    moved.push(before.table.clone());

    // The ends of the header that lead to the parts.
    let switch = before.shape.switch();
    let word = switch.len() - 16;
    let leads = [switch.start..switch.start + word, switch.end - 4..switch.end];

    // A part that did not move may be anywhere, a loaded section too.
    let fresh = |part: &&Range<usize>| {
        !moved.contains(part) || old.get((*part).clone()) != new.get((*part).clone())
    };
    for part in parts.iter().filter(fresh) {
        if kept.iter().any(|range| range.start < part.end && part.start < range.end) {
            return Err(Difference::Overlap(part.start));
        }
    }
    if let Some(pair) = parts.windows(2).find(|pair| pair[1].start < pair[0].end) {
        return Err(Difference::Overlap(pair[1].start));
    }

    let in_any =
        |ranges: &[Range<usize>], at: usize| ranges.iter().any(|range| range.contains(&at));
    for at in differing(old, new) {
        // Asked in this order: sections can be very many, and hardly a byte gets there.
        let may = in_any(parts, at) || in_any(&leads, at);
        if !may && (!in_any(&moved, at) || in_any(&kept, at)) {
            return Err(Difference::Byte(at));
        }
    }
    // What the old file lost at its end was moved, or padding.
    let lost = (new.len()..old.len()).find(|at| !in_any(&moved, *at) && old[*at] != 0);
    if let Some(at) = lost {
        return Err(Difference::Byte(at));
    }
    if let Some(kept) = kept.iter().find(|range| range.end > new.len()) {
        return Err(Difference::Byte(kept.end));
    }
    let stray = (old.len()..new.len()).find(|at| !in_any(parts, *at) && new[*at] != 0);
    stray.map_or(Ok(()), |at| Err(Difference::Stray(at)))
}

/// Where the bytes of both differ; whole pages that are equal are passed over quickly.
fn differing<'b>(old: &'b [u8], new: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    const PAGE: usize = 4096;
    let pages = old.chunks(PAGE).zip(new.chunks(PAGE)).enumerate();
    let pages = pages.filter(|(_, (old, new))| {
        old[..old.len().min(new.len())] != new[..old.len().min(new.len())]
    });
    pages.flat_map(|(page, (old, new))| {
        let differ = old.iter().zip(new).enumerate().filter(|(_, (old, new))| old != new);
        differ.map(move |(at, _)| page * PAGE + at).collect::<Vec<_>>()
    })
}

//! The sections of debug info, decompressed.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use kmill_btf::StrOff;
use kmill_btf::strings::Strings;
use kmill_btf::{Btf, Endian};
use padata::Pool;

use crate::dwarf::strings::{Canonical, Histories, OF_BASE, SHORT};
use crate::elf::image::Image;
use crate::elf::relocate::{self, Relocations, Target, Unrelocated};
use crate::error::EncodeError;

/// Their bytes; a section that there is not is empty.
#[derive(Debug)]
pub(crate) struct Sections<'a> {
    pub(crate) info: Cow<'a, [u8]>,
    pub(crate) abbrev: Cow<'a, [u8]>,
    pub(crate) str: Cow<'a, [u8]>,
    pub(crate) line_str: Cow<'a, [u8]>,
    pub(crate) str_offsets: Cow<'a, [u8]>,
    pub(crate) addr: Cow<'a, [u8]>,
    /// `.debug_loc`, of versions before 5.
    pub(crate) loc: Cow<'a, [u8]>,
    pub(crate) loclists: Cow<'a, [u8]>,
    /// `.debug_types`, of version 4.
    pub(crate) types: Cow<'a, [u8]>,
    pub(crate) endian: Endian,
    /// Strings of a base that offsets from [`OF_BASE`] on stand for, in a relocatable file.
    pub(crate) base: Option<&'a Strings>,
    /// How to relocate `info`, in a file whose units refer to other sections by relocations.
    pub(crate) moved: Option<Moved<'a>>,
}

/// What belongs to a section of debug info in a relocatable file.
#[derive(Debug)]
pub(crate) struct Moved<'a> {
    relocations: Relocations<'a>,
    targets: Vec<Target>,
    /// Equal strings, once somebody looked for them, if they can be told.
    strings: OnceLock<Option<Canonical>>,
    /// The section relocated as a whole, once somebody asked for it.
    whole: OnceLock<Result<Vec<u8>, Unrelocated>>,
}

/// The offset of no string.
const NOWHERE: u64 = OF_BASE - 1;

impl<'a> Sections<'a> {
    /// Those of a file; of a relocatable one, with the strings of `base` as they are known there.
    pub(crate) fn read(
        pool: &Pool,
        image: &Image<'a>,
        base: Option<&'a Strings>,
    ) -> Result<Self, EncodeError> {
        let mut sections = Sections {
            info: image.bytes(".debug_info")?,
            abbrev: image.bytes(".debug_abbrev")?,
            str: image.bytes(".debug_str")?,
            line_str: image.bytes(".debug_line_str")?,
            str_offsets: image.bytes(".debug_str_offsets")?,
            addr: image.bytes(".debug_addr")?,
            loc: image.bytes(".debug_loc")?,
            // Its addresses, which alone are relocated, are not for us to know.
            loclists: image.bytes(".debug_loclists")?,
            types: image.bytes(".debug_types")?,
            endian: image.endian,
            base: None,
            moved: None,
        };
        if !image.relocatable {
            return Ok(sections);
        }
        let fits = |len: usize| (len as u64) < OF_BASE;
        sections.base = base.filter(|base| {
            base.base() == 0 && fits(base.bytes().len()) && fits(sections.str.len())
        });
        let targets = relocate::targets(image);
        for (name, section) in [
            (".debug_str_offsets", &mut sections.str_offsets),
            (".debug_addr", &mut sections.addr),
            (".debug_loc", &mut sections.loc),
        ] {
            let Some(relocations) = Relocations::of(pool, image, name)? else { continue };
            let mut moved = Vec::new();
            let copied =
                relocations.copy(section, 0..section.len(), &targets, |offset| offset, &mut moved);
            copied.map_err(|cause| relocations.error(cause))?;
            *section = Cow::Owned(moved);
        }
        if let Some(relocations) = Relocations::of(pool, image, ".debug_info")? {
            let (strings, whole) = (OnceLock::new(), OnceLock::new());
            sections.moved = Some(Moved { relocations, targets, strings, whole });
        }
        Ok(sections)
    }

    /// Finds which strings of a relocatable file are equal, for each unit has its own. Units that are
    /// read before this may say others than those behind.
    /// `base` is that of the strings.
    pub(crate) fn unite_strings(
        &self,
        pool: &Pool,
        base: Option<&Arc<Btf>>,
        histories: &Histories,
    ) -> Option<&Canonical> {
        let moved = self.moved.as_ref()?;
        let base = base.filter(|_| self.base.is_some());
        let find = || Canonical::new(pool, &self.str, base, histories);
        moved.strings.get_or_init(find).as_ref()
    }

    /// Where a file cannot have a string: what it says is not taken for the base's.
    fn last(&self) -> u64 {
        self.base.map_or(u64::MAX, |_| NOWHERE)
    }

    /// Whether all strings that the base has are said as there: by their offsets, and short ones by
    /// their text.
    pub(crate) fn says_base_strings(&self) -> bool {
        let united = self.moved.as_ref().and_then(|moved| moved.strings.get());
        let united = united.and_then(Option::as_ref);
        self.base.is_some() && united.is_some_and(|strings| !strings.has_short())
    }

    /// Whether a string of the base is said by its offset there, so that nothing else says it.
    pub(crate) fn says_base(&self, name: StrOff) -> bool {
        let text = self.base.and_then(|base| base.get(name));
        text.is_some_and(|text| text.len() > SHORT)
    }

    /// The string at an offset of `.debug_str`.
    pub(crate) fn str_at(&self, at: u64) -> Option<&[u8]> {
        match (at.checked_sub(OF_BASE), self.base) {
            (Some(at), Some(base)) => string_at(base.bytes(), at),
            _ => string_at(&self.str, at),
        }
    }

    /// Whether there is one at an offset.
    #[inline]
    pub(crate) fn has_str(&self, at: u64) -> bool {
        match (at.checked_sub(OF_BASE), self.base) {
            (Some(at), Some(base)) => at < base.bytes().len() as u64,
            _ => at < self.str.len() as u64,
        }
    }

    /// The offset of a text that lies in `.debug_str`.
    pub(crate) fn in_str(&self, text: &[u8]) -> Option<u64> {
        let base = || within(self.base?.bytes(), text).map(|at| at + OF_BASE);
        within(&self.str, text).or_else(base)
    }

    /// Whether units have to be relocated before they are read.
    pub(crate) fn is_moved(&self) -> bool {
        self.moved.is_some()
    }

    /// `.debug_info` as it is read.
    pub(crate) fn info(&self) -> Result<&[u8], EncodeError> {
        let Some(moved) = &self.moved else { return Ok(&self.info) };
        let done = moved.whole.get_or_init(|| {
            let mut bytes = Vec::new();
            let all = 0..self.info.len();
            moved.copy(&self.info, all, self.last(), &mut bytes).map(|()| bytes)
        });
        match done {
            Ok(bytes) => Ok(bytes),
            Err(cause) => Err(moved.relocations.error(*cause)),
        }
    }

    /// Puts a part of `.debug_info` behind what `out` holds, as it is read.
    pub(crate) fn copy(&self, part: Range<usize>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &self.moved {
            None => {
                out.extend_from_slice(self.info.get(part).unwrap_or_default());
                Ok(())
            }
            Some(moved) => {
                let copied = moved.copy(&self.info, part, self.last(), out);
                copied.map_err(|cause| moved.relocations.error(cause))
            }
        }
    }

    /// `.debug_info` with one unit as it is read; others are not there. `buffer` holds it where that is
    /// not the section itself.
    pub(crate) fn unit<'b>(
        &'b self,
        unit: Range<usize>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], EncodeError> {
        if self.moved.is_none() {
            return Ok(&self.info);
        }
        // Offsets count from the start of the section. What is never touched takes no memory.
        *buffer = vec![0; unit.start];
        self.copy(unit, buffer)?;
        Ok(buffer)
    }
}

impl Moved<'_> {
    /// No offset of a string is larger than `last`.
    fn copy(
        &self,
        info: &[u8],
        part: Range<usize>,
        last: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Unrelocated> {
        let Moved { relocations, targets, strings, .. } = self;
        match strings.get() {
            Some(Some(strings)) => {
                let of = |at: u64| strings.of(at.min(last));
                relocations.copy(info, part, targets, of, out)
            }
            _ => relocations.copy(info, part, targets, |at| at.min(last), out),
        }
    }
}

/// The offset of a text that lies in a section.
pub(crate) fn within(section: &[u8], text: &[u8]) -> Option<u64> {
    let (start, at) = (section.as_ptr() as usize, text.as_ptr() as usize);
    let offset = at.checked_sub(start)?;
    (offset < section.len()).then_some(offset as u64)
}

/// The string at an offset of a section.
pub(crate) fn string_at(section: &[u8], at: u64) -> Option<&[u8]> {
    let rest = section.get(usize::try_from(at).ok()?..)?;
    memchr::memchr(0, rest).map(|end| &rest[..end])
}

//! The sections of debug info, decompressed.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use kmill_btf::Endian;
use padata::Pool;

use crate::dwarf::strings::Canonical;
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

impl<'a> Sections<'a> {
    pub(crate) fn read(pool: &Pool, image: &Image<'a>) -> Result<Self, EncodeError> {
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
            moved: None,
        };
        if !image.relocatable {
            return Ok(sections);
        }
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
    pub(crate) fn unite_strings(&self, pool: &Pool) -> Option<&Canonical> {
        let moved = self.moved.as_ref()?;
        moved.strings.get_or_init(|| Canonical::new(pool, &self.str)).as_ref()
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
            moved.copy(&self.info, all, &mut bytes).map(|()| bytes)
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
                let copied = moved.copy(&self.info, part, out);
                copied.map_err(|cause| moved.relocations.error(cause))
            }
        }
    }

    /// Offset in `.debug_info` of a text that lies there.
    pub(crate) fn in_info(&self, text: &[u8]) -> Option<u64> {
        let whole = self.moved.as_ref().and_then(|moved| moved.whole.get());
        match whole {
            Some(Ok(bytes)) => within(bytes, text).or_else(|| within(&self.info, text)),
            _ => within(&self.info, text),
        }
    }
}

impl Moved<'_> {
    fn copy(&self, info: &[u8], part: Range<usize>, out: &mut Vec<u8>) -> Result<(), Unrelocated> {
        let Moved { relocations, targets, strings, .. } = self;
        match strings.get() {
            Some(Some(strings)) => relocations.copy(info, part, targets, |at| strings.of(at), out),
            _ => relocations.copy(info, part, targets, |at| at, out),
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

//! The sections of debug info, decompressed.

use std::borrow::Cow;

use kmill_btf::Endian;

use crate::elf::image::Image;
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
}

impl<'a> Sections<'a> {
    pub(crate) fn read(image: &Image<'a>) -> Result<Self, EncodeError> {
        Ok(Sections {
            info: image.bytes(".debug_info")?,
            abbrev: image.bytes(".debug_abbrev")?,
            str: image.bytes(".debug_str")?,
            line_str: image.bytes(".debug_line_str")?,
            str_offsets: image.bytes(".debug_str_offsets")?,
            addr: image.bytes(".debug_addr")?,
            loc: image.bytes(".debug_loc")?,
            loclists: image.bytes(".debug_loclists")?,
            types: image.bytes(".debug_types")?,
            endian: image.endian,
        })
    }
}

/// The string at an offset of a section.
pub(crate) fn string_at(section: &[u8], at: u64) -> Option<&[u8]> {
    let rest = section.get(usize::try_from(at).ok()?..)?;
    memchr::memchr(0, rest).map(|end| &rest[..end])
}

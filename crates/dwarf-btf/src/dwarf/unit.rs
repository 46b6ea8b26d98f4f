//! Unit headers (7.5.1): where each unit lies, and how its forms are to be read.

use crate::dwarf::cursor::Cursor;
use crate::dwarf::sections::Sections;
use crate::error::{EncodeError, Place};

/// Sizes that the forms of a unit depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) version: u16,
    pub(crate) address_size: u8,
    /// 4 or 8: 32- or 64-bit DWARF.
    pub(crate) offset_size: u8,
}

/// One unit's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitHeader {
    pub(crate) encoding: Encoding,
    /// Where the header starts in the section: references within the unit count from here.
    pub(crate) start: usize,
    /// Where the first entry starts.
    pub(crate) entries: usize,
    /// Where the unit ends.
    pub(crate) end: usize,
    /// Offset of its abbreviations.
    pub(crate) abbrev: u64,
}

/// The headers of all units of `.debug_info`, in their order.
pub(crate) fn headers(sections: &Sections<'_>) -> Result<Vec<UnitHeader>, EncodeError> {
    let mut cursor = Cursor::new(&sections.info, 0, sections.endian);
    let mut units = Vec::new();
    let mut moved = Vec::new();
    while cursor.at < cursor.data.len() {
        let start = cursor.at;
        let error = |what| EncodeError::Dwarf {
            place: Place { section: ".debug_info", unit: None, offset: start as u64 },
            what,
        };
        let mut header = header(&mut cursor).map_err(error)?;
        if sections.is_moved() {
            // Where its abbreviations are is a relocation.
            moved.clear();
            sections.copy(start..header.entries, &mut moved)?;
            let mut cursor = Cursor::new(&moved, 0, sections.endian);
            cursor.skip(if header.encoding.offset_size == 8 { 12 } else { 4 });
            cursor.skip(if header.encoding.version >= 5 { 4 } else { 2 });
            header.abbrev = cursor.sized(header.encoding.offset_size);
        }
        cursor.at = header.end;
        units.push(header);
    }
    Ok(units)
}

fn header(cursor: &mut Cursor<'_>) -> Result<UnitHeader, &'static str> {
    let start = cursor.at;
    let (length, offset_size) = match cursor.u32() {
        0xffff_ffff => (cursor.u64(), 8),
        length @ 0..0xffff_fff0 => (u64::from(length), 4),
        _ => return Err("a unit length that is reserved"),
    };
    let body = cursor.at;
    let end = usize::try_from(length).ok().and_then(|length| body.checked_add(length));
    let end = end
        .filter(|end| *end <= cursor.data.len())
        .ok_or("a unit that goes on behind the section")?;
    let version = cursor.u16();
    if !(2..=5).contains(&version) {
        return Err("a DWARF version other than 2 to 5");
    }
    let (kind, abbrev, address_size);
    if version >= 5 {
        kind = cursor.u8();
        address_size = cursor.u8();
        abbrev = cursor.sized(offset_size);
    } else {
        kind = 1;
        abbrev = cursor.sized(offset_size);
        address_size = cursor.u8();
    }
    // Table 7.2: type units have a signature and an offset, skeletons and split ones an id.
    match kind {
        1 | 3 => {}
        2 | 6 => cursor.skip(8 + u64::from(offset_size)),
        4 | 5 => cursor.skip(8),
        _ => return Err("a kind of unit that is unknown"),
    }
    if !matches!(address_size, 1 | 2 | 4 | 8) {
        return Err("an address size other than 1, 2, 4 or 8");
    }
    if cursor.at > end {
        return Err("a unit shorter than its header");
    }
    let encoding = Encoding { version, address_size, offset_size };
    Ok(UnitHeader { encoding, start, entries: cursor.at, end, abbrev })
}

//! One entry's attributes, as far as anything here asks for them.

use crate::dwarf::abbrev::Spec;
use crate::dwarf::constants::at;
use crate::dwarf::cursor::Cursor;
use crate::dwarf::form::{self, Value};
use crate::dwarf::sections::{Sections, string_at};
use crate::dwarf::unit::UnitHeader;

/// Where a unit's indexed forms count from, as its first entry says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bases {
    pub(crate) str_offsets: u64,
    pub(crate) addr: u64,
    pub(crate) loclists: u64,
}

/// The attributes of one entry. What is not there is `None` or false.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attrs<'a> {
    pub(crate) name: Option<Value<'a>>,
    pub(crate) ty: Option<Value<'a>>,
    pub(crate) byte_size: Option<Value<'a>>,
    pub(crate) bit_size: Option<Value<'a>>,
    pub(crate) bit_offset: Option<Value<'a>>,
    pub(crate) data_bit_offset: Option<Value<'a>>,
    pub(crate) data_member_location: Option<Value<'a>>,
    pub(crate) encoding: Option<Value<'a>>,
    pub(crate) const_value: Option<Value<'a>>,
    pub(crate) upper_bound: Option<Value<'a>>,
    pub(crate) count: Option<Value<'a>>,
    pub(crate) declaration: Option<Value<'a>>,
    pub(crate) alignment: Option<Value<'a>>,
    pub(crate) language: Option<Value<'a>>,
    pub(crate) location: Option<Value<'a>>,
    pub(crate) abstract_origin: Option<Value<'a>>,
    pub(crate) specification: Option<Value<'a>>,
    pub(crate) external: bool,
    pub(crate) artificial: bool,
    pub(crate) str_offsets_base: Option<Value<'a>>,
    pub(crate) addr_base: Option<Value<'a>>,
    pub(crate) loclists_base: Option<Value<'a>>,
    pub(crate) gnu_annotation: Option<Value<'a>>,
    pub(crate) low_pc: Option<Value<'a>>,
    pub(crate) inline: Option<Value<'a>>,
    pub(crate) calling_convention: Option<Value<'a>>,
    pub(crate) producer: Option<Value<'a>>,
}

impl<'a> Attrs<'a> {
    /// Reads the attributes of an entry whose code was read. The first of a name counts.
    pub(crate) fn read(
        cursor: &mut Cursor<'a>,
        unit: &UnitHeader,
        specs: &[Spec],
    ) -> Result<Attrs<'a>, &'static str> {
        let mut attrs = Attrs::default();
        for spec in specs {
            let value = form::read(cursor, unit, spec)?;
            let place = match spec.name {
                at::NAME => &mut attrs.name,
                at::TYPE => &mut attrs.ty,
                at::BYTE_SIZE => &mut attrs.byte_size,
                at::BIT_SIZE => &mut attrs.bit_size,
                at::BIT_OFFSET => &mut attrs.bit_offset,
                at::DATA_BIT_OFFSET => &mut attrs.data_bit_offset,
                at::DATA_MEMBER_LOCATION => &mut attrs.data_member_location,
                at::ENCODING => &mut attrs.encoding,
                at::CONST_VALUE => &mut attrs.const_value,
                at::UPPER_BOUND => &mut attrs.upper_bound,
                at::COUNT => &mut attrs.count,
                at::DECLARATION => &mut attrs.declaration,
                at::ALIGNMENT => &mut attrs.alignment,
                at::LANGUAGE => &mut attrs.language,
                at::LOCATION => &mut attrs.location,
                at::ABSTRACT_ORIGIN => &mut attrs.abstract_origin,
                at::SPECIFICATION => &mut attrs.specification,
                at::STR_OFFSETS_BASE => &mut attrs.str_offsets_base,
                at::ADDR_BASE | at::GNU_ADDR_BASE => &mut attrs.addr_base,
                at::LOCLISTS_BASE => &mut attrs.loclists_base,
                at::GNU_ANNOTATION => &mut attrs.gnu_annotation,
                at::LOW_PC => &mut attrs.low_pc,
                at::INLINE => &mut attrs.inline,
                at::CALLING_CONVENTION => &mut attrs.calling_convention,
                at::PRODUCER => &mut attrs.producer,
                // Only whether they are there counts.
                at::EXTERNAL => {
                    attrs.external = true;
                    continue;
                }
                at::ARTIFICIAL => {
                    attrs.artificial = true;
                    continue;
                }
                _ => continue,
            };
            place.get_or_insert(value);
        }
        if cursor.at > unit.end {
            return Err("an entry that goes on behind its unit");
        }
        Ok(attrs)
    }

    /// The bases that a unit's first entry sets, or those that DWARF has without.
    pub(crate) fn bases(&self, unit: &UnitHeader) -> Bases {
        let offset = |value: Option<Value<'_>>| match value {
            Some(Value::SectionOffset(offset) | Value::Number(offset)) => Some(offset),
            _ => None,
        };
        // Behind a header of the section: 7.26, 7.27, 7.29.
        let lists = if unit.encoding.offset_size == 8 { 20 } else { 12 };
        let header = if unit.encoding.version < 5 { 0 } else { lists - 4 };
        Bases {
            str_offsets: offset(self.str_offsets_base).unwrap_or(header),
            addr: offset(self.addr_base).unwrap_or(header),
            loclists: offset(self.loclists_base).unwrap_or(lists),
        }
    }
}

/// A constant; 0 when there is none, or none that counts as one.
pub(crate) fn number(value: Option<Value<'_>>) -> u64 {
    match value {
        Some(Value::Number(number) | Value::Address(number)) => number,
        Some(Value::Flag(flag)) => u64::from(flag),
        _ => 0,
    }
}

/// An offset that is a constant, or an expression that adds one (before DWARF 4).
pub(crate) fn offset(value: Value<'_>, sections: &Sections<'_>) -> u64 {
    use crate::dwarf::constants::op;
    match value {
        Value::Number(number) => number,
        Value::Block([op::PLUS_UCONST | op::CONSTU, rest @ ..]) => {
            Cursor::new(rest, 0, sections.endian).uleb()
        }
        Value::Block(_) => u64::MAX,
        _ => 0,
    }
}

/// A string, when it is one and is here.
pub(crate) fn string<'a>(
    value: Option<Value<'a>>,
    sections: &'a Sections<'_>,
    unit: &UnitHeader,
    bases: &Bases,
) -> Option<&'a [u8]> {
    match value? {
        Value::String(text) => Some(text),
        Value::StrOffset(at) => sections.str_at(at),
        Value::LineStrOffset(at) => string_at(&sections.line_str, at),
        Value::StrIndex(index) => {
            let size = u64::from(unit.encoding.offset_size);
            let place = index.checked_mul(size)?.checked_add(bases.str_offsets)?;
            let place = usize::try_from(place).ok()?;
            let mut cursor = Cursor::new(&sections.str_offsets, place, sections.endian);
            let at = cursor.sized(unit.encoding.offset_size);
            if cursor.overran() { None } else { sections.str_at(at) }
        }
        _ => None,
    }
}

/// The address of that number in the unit's part of `.debug_addr`.
pub(crate) fn indexed_address(
    index: u64,
    sections: &Sections<'_>,
    unit: &UnitHeader,
    bases: &Bases,
) -> Option<u64> {
    let size = unit.encoding.address_size;
    let place = index.checked_mul(u64::from(size))?.checked_add(bases.addr)?;
    let mut table = Cursor::new(&sections.addr, usize::try_from(place).ok()?, sections.endian);
    let address = table.sized(size);
    if table.overran() { None } else { Some(address) }
}

/// An address, when there is one.
pub(crate) fn address(
    value: Option<Value<'_>>,
    sections: &Sections<'_>,
    unit: &UnitHeader,
    bases: &Bases,
) -> Option<u64> {
    match value? {
        Value::Address(address) => Some(address),
        Value::AddressIndex(index) => indexed_address(index, sections, unit, bases),
        _ => None,
    }
}

/// The entry that an attribute refers to.
pub(crate) fn reference(value: Option<Value<'_>>) -> Option<u64> {
    match value {
        Some(Value::Reference(offset)) => Some(offset),
        _ => None,
    }
}

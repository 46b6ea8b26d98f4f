//! Forms (7.5.5, 7.5.6): from bytes to values.

use crate::dwarf::abbrev::Spec;
use crate::dwarf::constants::form;
use crate::dwarf::cursor::Cursor;
use crate::dwarf::unit::{Encoding, UnitHeader};

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A constant, sign-extended if its form is signed.
    Number(u64),
    /// An address.
    Address(u64),
    /// An index into `.debug_addr`.
    AddressIndex(u64),
    Flag(bool),
    /// A string in place.
    String(&'a [u8]),
    /// An offset in `.debug_str`.
    StrOffset(u64),
    /// An offset in `.debug_line_str`.
    LineStrOffset(u64),
    /// An index into the unit's part of `.debug_str_offsets`.
    StrIndex(u64),
    /// An entry, by its offset in `.debug_info`.
    Reference(u64),
    /// A type unit, by signature.
    Signature(u64),
    /// An offset in another section.
    SectionOffset(u64),
    /// An index into the unit's part of `.debug_loclists` or `.debug_rnglists`.
    ListIndex(u64),
    Block(&'a [u8]),
    /// Something in a file that is not here.
    Elsewhere,
}

/// Reads one attribute.
pub(crate) fn read<'a>(
    cursor: &mut Cursor<'a>,
    unit: &UnitHeader,
    spec: &Spec,
) -> Result<Value<'a>, &'static str> {
    let Encoding { version, address_size, offset_size } = unit.encoding;
    let within = |offset: u64| Value::Reference((unit.start as u64).wrapping_add(offset));
    let mut form = spec.form;
    // A form in the data; more than one in a row is nothing a compiler makes.
    if form == form::INDIRECT {
        form = cursor.uleb() as u16;
        if matches!(form, form::INDIRECT | form::IMPLICIT_CONST) {
            return Err("an indirect form that is one again");
        }
    }
    Ok(match form {
        form::ADDR => Value::Address(cursor.sized(address_size)),
        form::DATA1 => Value::Number(u64::from(cursor.u8())),
        form::DATA2 => Value::Number(u64::from(cursor.u16())),
        form::DATA4 if version < 4 => data_or_offset(spec, u64::from(cursor.u32())),
        form::DATA4 => Value::Number(u64::from(cursor.u32())),
        form::DATA8 if version < 4 => data_or_offset(spec, cursor.u64()),
        form::DATA8 => Value::Number(cursor.u64()),
        form::SDATA => Value::Number(cursor.sleb() as u64),
        form::UDATA => Value::Number(cursor.uleb()),
        form::IMPLICIT_CONST => Value::Number(spec.implicit as u64),
        form::FLAG => Value::Flag(cursor.u8() != 0),
        form::FLAG_PRESENT => Value::Flag(true),
        form::STRING => Value::String(cursor.string()),
        form::STRP => Value::StrOffset(cursor.sized(offset_size)),
        form::LINE_STRP => Value::LineStrOffset(cursor.sized(offset_size)),
        form::STRX | form::GNU_STR_INDEX => Value::StrIndex(cursor.uleb()),
        form::STRX1 => Value::StrIndex(u64::from(cursor.u8())),
        form::STRX2 => Value::StrIndex(u64::from(cursor.u16())),
        form::STRX3 => Value::StrIndex(u64::from(cursor.u24())),
        form::STRX4 => Value::StrIndex(u64::from(cursor.u32())),
        form::REF1 => within(u64::from(cursor.u8())),
        form::REF2 => within(u64::from(cursor.u16())),
        form::REF4 => within(u64::from(cursor.u32())),
        form::REF8 => within(cursor.u64()),
        form::REF_UDATA => within(cursor.uleb()),
        // DWARF 2 had the size of an address here.
        form::REF_ADDR if version == 2 => Value::Reference(cursor.sized(address_size)),
        form::REF_ADDR => Value::Reference(cursor.sized(offset_size)),
        form::REF_SIG8 => Value::Signature(cursor.u64()),
        form::SEC_OFFSET => Value::SectionOffset(cursor.sized(offset_size)),
        form::LOCLISTX | form::RNGLISTX => Value::ListIndex(cursor.uleb()),
        form::ADDRX | form::GNU_ADDR_INDEX => Value::AddressIndex(cursor.uleb()),
        form::ADDRX1 => Value::AddressIndex(u64::from(cursor.u8())),
        form::ADDRX2 => Value::AddressIndex(u64::from(cursor.u16())),
        form::ADDRX3 => Value::AddressIndex(u64::from(cursor.u24())),
        form::ADDRX4 => Value::AddressIndex(u64::from(cursor.u32())),
        form::EXPRLOC | form::BLOCK => {
            let len = cursor.uleb();
            Value::Block(cursor.bytes(len))
        }
        form::BLOCK1 => {
            let len = u64::from(cursor.u8());
            Value::Block(cursor.bytes(len))
        }
        form::BLOCK2 => {
            let len = u64::from(cursor.u16());
            Value::Block(cursor.bytes(len))
        }
        form::BLOCK4 => {
            let len = u64::from(cursor.u32());
            Value::Block(cursor.bytes(len))
        }
        form::DATA16 => Value::Block(cursor.bytes(16)),
        form::STRP_SUP | form::GNU_STRP_ALT | form::GNU_REF_ALT => {
            cursor.skip(u64::from(offset_size));
            Value::Elsewhere
        }
        form::REF_SUP4 => {
            cursor.skip(4);
            Value::Elsewhere
        }
        form::REF_SUP8 => {
            cursor.skip(8);
            Value::Elsewhere
        }
        _ => return Err("an attribute of unknown form"),
    })
}

/// Before DWARF 4 had a form for them, offsets in other sections were plain data.
fn data_or_offset<'a>(spec: &Spec, value: u64) -> Value<'a> {
    match spec.name {
        crate::dwarf::constants::at::LOCATION => Value::SectionOffset(value),
        _ => Value::Number(value),
    }
}

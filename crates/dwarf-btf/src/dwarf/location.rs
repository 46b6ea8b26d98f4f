//! Locations (2.5, 2.6): in which register a parameter arrives, and at which address a variable is.

use crate::dwarf::attrs::{self, Bases};
use crate::dwarf::constants::op;
use crate::dwarf::cursor::Cursor;
use crate::dwarf::form::Value;
use crate::dwarf::sections::Sections;
use crate::dwarf::unit::UnitHeader;

/// Whether a parameter is where the calling convention has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// In the register that its place in the list says, or nobody knows which that is.
    Expected,
    /// In another one.
    Unexpected,
    /// In none that is known.
    Nowhere,
}

/// The address that a variable's location begins with. Later operations are not looked at.
pub(crate) fn address(
    value: Value<'_>,
    sections: &Sections<'_>,
    unit: &UnitHeader,
    bases: &Bases,
) -> Option<u64> {
    let Value::Block(expression) = value else { return None };
    let mut cursor = Cursor::new(expression, 0, sections.endian);
    let size = unit.encoding.address_size;
    let address = match cursor.u8() {
        op::ADDR => cursor.sized(size),
        op::ADDRX | op::GNU_ADDR_INDEX => {
            attrs::indexed_address(cursor.uleb(), sections, unit, bases)?
        }
        _ => return None,
    };
    if cursor.overran() { None } else { Some(address) }
}

/// Where a parameter arrives, when it should be in register operation `expected`.
///
/// A plain register counts only in the first entry of a list; the value that a register had on
/// entry counts in each. The last that counts decides, or the first that is as expected.
pub(crate) fn arrival(
    value: Value<'_>,
    expected: Option<u8>,
    sections: &Sections<'_>,
    unit: &UnitHeader,
    bases: &Bases,
) -> Arrival {
    let mut found = None;
    let mut index = 0;
    let mut see = |expression: &[u8]| {
        let register = register(expression, index == 0, sections, unit);
        index += 1;
        found = register.or(found);
        register.is_some() && register == expected
    };
    entries(value, sections, unit, bases, &mut see);
    match (found, expected) {
        (None, _) => Arrival::Nowhere,
        (Some(found), Some(expected)) if found != expected => Arrival::Unexpected,
        _ => Arrival::Expected,
    }
}

/// The expressions of a location, until `see` has seen enough.
pub(crate) fn entries(
    value: Value<'_>,
    sections: &Sections<'_>,
    unit: &UnitHeader,
    bases: &Bases,
    see: &mut impl FnMut(&[u8]) -> bool,
) {
    match value {
        Value::Block(expression) => {
            see(expression);
        }
        Value::SectionOffset(offset) if unit.encoding.version >= 5 => {
            list_v5(sections, offset, unit, see);
        }
        Value::SectionOffset(offset) => list_v4(sections, offset, unit, see),
        Value::ListIndex(index) => {
            let size = unit.encoding.offset_size;
            let place = index.saturating_mul(u64::from(size)).saturating_add(bases.loclists);
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            let mut table = Cursor::new(&sections.loclists, place, sections.endian);
            let offset = table.sized(size).saturating_add(bases.loclists);
            if !table.overran() {
                list_v5(sections, offset, unit, see);
            }
        }
        _ => {}
    }
}

/// The entries of a list in `.debug_loclists` (7.7.3), until `see` has seen enough.
fn list_v5(
    sections: &Sections<'_>,
    offset: u64,
    unit: &UnitHeader,
    see: &mut impl FnMut(&[u8]) -> bool,
) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut cursor = Cursor::new(&sections.loclists, offset, sections.endian);
    let address = u64::from(unit.encoding.address_size);
    loop {
        match cursor.u8() {
            0 => return,
            // Base addresses: an index, an address.
            1 => {
                cursor.uleb();
                continue;
            }
            6 => {
                cursor.skip(address);
                continue;
            }
            2..=4 => {
                cursor.uleb();
                cursor.uleb();
            }
            5 => {}
            7 => cursor.skip(2 * address),
            8 => {
                cursor.skip(address);
                cursor.uleb();
            }
            _ => return,
        }
        let len = cursor.uleb();
        let expression = cursor.bytes(len);
        if cursor.overran() || see(expression) {
            return;
        }
    }
}

/// The entries of a list in `.debug_loc` (DWARF 4, 2.6.2).
fn list_v4(
    sections: &Sections<'_>,
    offset: u64,
    unit: &UnitHeader,
    see: &mut impl FnMut(&[u8]) -> bool,
) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut cursor = Cursor::new(&sections.loc, offset, sections.endian);
    let size = unit.encoding.address_size;
    let base_mark = if size >= 8 { u64::MAX } else { (1 << (8 * size)) - 1 };
    loop {
        let (start, end) = (cursor.sized(size), cursor.sized(size));
        if cursor.overran() || (start, end) == (0, 0) {
            return;
        }
        if start == base_mark {
            continue;
        }
        let len = u64::from(cursor.u16());
        let expression = cursor.bytes(len);
        if cursor.overran() || see(expression) {
            return;
        }
    }
}

/// The register that an expression names, when it does nothing else.
fn register(
    expression: &[u8],
    first: bool,
    sections: &Sections<'_>,
    unit: &UnitHeader,
) -> Option<u8> {
    let mut cursor = Cursor::new(expression, 0, sections.endian);
    let operation = cursor.u8();
    let found = match operation {
        op::REG0..=op::REG31 => first.then_some(operation),
        op::ENTRY_VALUE | op::GNU_ENTRY_VALUE => {
            let len = cursor.uleb();
            let mut inner = Cursor::new(cursor.bytes(len), 0, sections.endian);
            let operation = inner.u8();
            skip_operands(&mut inner, operation, unit)?;
            (inner.at == inner.data.len()).then_some(operation)
        }
        _ => None,
    };
    // The value instead of its place is the same here.
    let rest = expression.get(cursor.at..)?;
    found.filter(|_| rest.is_empty() || rest == [op::STACK_VALUE])
}

/// Steps over what follows an operation (7.7.1); `None` when it is unknown.
pub(crate) fn skip_operands(
    cursor: &mut Cursor<'_>,
    operation: u8,
    unit: &UnitHeader,
) -> Option<()> {
    match operation {
        0x03 => cursor.skip(u64::from(unit.encoding.address_size)),
        0x08 | 0x09 | 0x15 | 0x94 | 0x95 => cursor.skip(1),
        0x0a | 0x0b | 0x28 | 0x2f | 0x98 => cursor.skip(2),
        0x0c | 0x0d | 0x99 => cursor.skip(4),
        0x0e | 0x0f => cursor.skip(8),
        0x10
        | 0x11
        | 0x23
        | 0x70..=0x91
        | 0x93
        | 0xa1
        | 0xa2
        | 0xa8
        | 0xa9
        | 0xf7
        | 0xf9
        | 0xfb
        | 0xfc => {
            cursor.uleb();
        }
        0x92 | 0x9d | 0xa5 | 0xf5 => {
            cursor.uleb();
            cursor.uleb();
        }
        0x9e | 0xa3 | 0xf3 => {
            let len = cursor.uleb();
            cursor.skip(len);
        }
        0x06
        | 0x12..=0x14
        | 0x16..=0x22
        | 0x24..=0x27
        | 0x29..=0x2e
        | 0x30..=0x6f
        | 0x96
        | 0x97
        | 0x9b
        | 0x9c
        | 0x9f
        | 0xe0
        | 0xf0 => {}
        _ => return None,
    }
    (!cursor.overran()).then_some(())
}

//! How a parameter is passed, as its location says (2.5, 2.6). [`location`](super::location) asks
//! for less: whether the register is the expected one.

use crate::dwarf::attrs::Bases;
use crate::dwarf::constants::op;
use crate::dwarf::cursor::Cursor;
use crate::dwarf::form::Value;
use crate::dwarf::location::{entries, skip_operands};
use crate::dwarf::sections::Sections;
use crate::dwarf::unit::UnitHeader;

/// What the entries of a location say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passing {
    /// The operation that names the register, for what one register holds.
    pub(crate) register: Option<u8>,
    /// The same for what several registers hold.
    pub(crate) register_of_pieces: Option<u8>,
    pub(crate) on_stack: bool,
    pub(crate) constant: bool,
    /// Which bytes have a piece that starts there, in the first register and behind it.
    pub(crate) first: u64,
    pub(crate) second: u64,
}

/// One operation and the bytes behind it.
struct Operation<'e> {
    code: u8,
    operands: &'e [u8],
}

impl Operation<'_> {
    fn is_constant(&self) -> bool {
        matches!(self.code, op::LIT0..=op::LIT31 | op::CONSTU | op::CONSTS)
    }

    fn register(&self) -> Option<u8> {
        matches!(self.code, op::REG0..=op::REG31).then_some(self.code)
    }

    /// The register that it adds to, as the operation that names it.
    fn base_register(&self) -> Option<u8> {
        let is_base = matches!(self.code, op::BREG0..=op::BREG31);
        is_base.then(|| self.code - op::BREG0 + op::REG0)
    }
}

/// Reads a location.
pub(crate) fn passing(
    value: Value<'_>,
    sections: &Sections<'_>,
    unit: &UnitHeader,
    bases: &Bases,
) -> Passing {
    let mut found = Passing::default();
    let mut first = true;
    entries(value, sections, unit, bases, &mut |expression| {
        let is_first = std::mem::replace(&mut first, false);
        match operations(expression, sections, unit) {
            // The reference stops where it does not understand.
            None => true,
            Some(operations) => {
                found.entry(&operations, is_first, sections, unit);
                false
            }
        }
    });
    found
}

fn operations<'e>(
    expression: &'e [u8],
    sections: &Sections<'_>,
    unit: &UnitHeader,
) -> Option<Vec<Operation<'e>>> {
    let mut cursor = Cursor::new(expression, 0, sections.endian);
    let mut operations = Vec::new();
    while cursor.at < expression.len() {
        let code = cursor.u8();
        let start = cursor.at;
        skip_operands(&mut cursor, code, unit)?;
        operations.push(Operation { code, operands: expression.get(start..cursor.at)? });
    }
    Some(operations)
}

impl Passing {
    fn entry(
        &mut self,
        operations: &[Operation<'_>],
        is_first: bool,
        sections: &Sections<'_>,
        unit: &UnitHeader,
    ) {
        let is_value = operations.last().is_some_and(|last| last.code == op::STACK_VALUE);
        match operations {
            [] => {}
            [one] => self.single(one, is_value, is_first, sections, unit),
            [one, _] if is_value => self.single(one, is_value, is_first, sections, unit),
            [one, ..] if one.is_constant() => self.constant |= is_first,
            [one, rest @ ..] => {
                if is_first {
                    let is_value = rest.iter().any(|other| other.code == op::STACK_VALUE);
                    let based = one.base_register().filter(|_| is_value);
                    let register = one.register().or(based);
                    self.register = self.register.or(register);
                }
                self.pieces(operations, sections, unit.encoding.address_size);
            }
        }
    }

    /// One operation, whose value may be what is meant.
    fn single(
        &mut self,
        one: &Operation<'_>,
        is_value: bool,
        is_first: bool,
        sections: &Sections<'_>,
        unit: &UnitHeader,
    ) {
        let register = match one.code {
            op::ENTRY_VALUE | op::GNU_ENTRY_VALUE => {
                let mut cursor = Cursor::new(one.operands, 0, sections.endian);
                let len = cursor.uleb();
                match operations(cursor.bytes(len), sections, unit).as_deref() {
                    Some([inner]) => inner.register(),
                    _ => None,
                }
            }
            // Everything else counts at the entry of the function only.
            _ if !is_first => return,
            _ => one.register().or(one.base_register().filter(|_| is_value)),
        };
        self.register = self.register.or(register);
        self.register_of_pieces = self.register_of_pieces.or(register);
        self.on_stack |= one.code == op::FBREG;
        self.constant |= one.is_constant();
    }

    /// A structure in parts: which of its bytes are somewhere.
    fn pieces(&mut self, operations: &[Operation<'_>], sections: &Sections<'_>, address_size: u8) {
        let mut at = 0_i32;
        for (index, operation) in operations.iter().enumerate() {
            if let Some(register) = operation.register() {
                self.register_of_pieces = self.register_of_pieces.or(Some(register));
            }
            if operation.code != op::PIECE {
                continue;
            }
            let len = Cursor::new(operation.operands, 0, sections.endian).uleb() as i32;
            // A piece in front of everything has no place: those bytes are gone.
            if index > 0 {
                let behind = at.wrapping_sub(i32::from(address_size));
                let (bits, byte) =
                    if behind < 0 { (&mut self.first, at) } else { (&mut self.second, behind) };
                *bits |=
                    u32::try_from(byte).ok().and_then(|byte| 1_u64.checked_shl(byte)).unwrap_or(0);
            }
            at = at.wrapping_add(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use kmill_btf::Endian;

    use super::*;
    use crate::dwarf::unit::Encoding;

    const RDI: u8 = op::REG0 + 5;
    const RSI: u8 = op::REG0 + 4;

    fn read(expression: &[u8]) -> Passing {
        let none = || Cow::Borrowed(&[][..]);
        let sections = Sections {
            info: none(),
            abbrev: none(),
            str: none(),
            line_str: none(),
            str_offsets: none(),
            addr: none(),
            loc: none(),
            loclists: none(),
            types: none(),
            base: None,
            endian: Endian::Little,
            moved: None,
        };
        let encoding = Encoding { version: 5, address_size: 8, offset_size: 4 };
        let unit = UnitHeader { start: 0, entries: 0, end: 0, abbrev: 0, encoding };
        passing(Value::Block(expression), &sections, &unit, &Bases::default())
    }

    #[test]
    fn one_register_or_what_is_computed_from_it_as_a_value() {
        assert_eq!(read(&[RDI]).register, Some(RDI));
        assert_eq!(read(&[op::BREG0 + 5, 0, op::STACK_VALUE]).register, Some(RDI));
        assert_eq!(read(&[op::BREG0 + 5, 0]).register, None);
        assert_eq!(read(&[op::ENTRY_VALUE, 1, RSI, op::STACK_VALUE]).register, Some(RSI));
        assert!(read(&[op::FBREG, 0]).on_stack);
        assert!(read(&[op::LIT0 + 3, op::STACK_VALUE]).constant);
    }

    #[test]
    fn pieces_are_where_they_start() {
        let both = read(&[RDI, op::PIECE, 8, RSI, op::PIECE, 8]);
        assert_eq!((both.register_of_pieces, both.first, both.second), (Some(RDI), 1, 1));
        // Only the second half is anywhere, and of that the part from its fourth byte.
        let late = read(&[op::PIECE, 12, RDI, op::PIECE, 4]);
        assert_eq!((late.register_of_pieces, late.first, late.second), (Some(RDI), 0, 1 << 4));
    }

    #[test]
    fn what_is_not_understood_ends_it() {
        assert_eq!(read(&[0xff, RDI]), Passing::default());
    }
}

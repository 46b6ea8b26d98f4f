//! How a type is said in BTF, and what BTF cannot say: the rules that every path shares.

use kmill_btf::Kind;
use kmill_btf::format::int;

use crate::dwarf::constants::ate;
use crate::features::Features;

/// What an integer is called that has a size which BTF has not: DWARF 5 has types that only
/// expressions use, of any number of bits.
pub(crate) const FAKE_INT: &[u8] = b"__SANITIZED_FAKE_INT__";

/// A base type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Int {
        size: u32,
        encoding: u32,
    },
    /// Called [`FAKE_INT`], of four bytes.
    FakeInt {
        encoding: u32,
    },
    Float {
        size: u32,
    },
}

/// What is wrong with a type.
pub(crate) type Refused = &'static str;

pub(crate) fn base(encoding: u64, size: u64, features: &Features) -> Result<Base, Refused> {
    let flags = match encoding {
        ate::SIGNED | ate::SIGNED_CHAR => int::SIGNED,
        ate::BOOLEAN => int::BOOL,
        ate::FLOAT if features.float => {
            return match size {
                2 | 4 | 8 | 12 | 16 => Ok(Base::Float { size: size as u32 }),
                _ => Err("a floating-point type of an odd size"),
            };
        }
        ate::COMPLEX_FLOAT | ate::IMAGINARY_FLOAT if features.float => {
            return Err("a complex or imaginary type");
        }
        _ => 0,
    };
    // As wide as the reference keeps it.
    match size as u16 {
        size @ (1 | 2 | 4 | 8 | 16) => Ok(Base::Int { size: u32::from(size), encoding: flags }),
        _ => Ok(Base::FakeInt { encoding: flags }),
    }
}

/// A member's offset word, and whether it makes the aggregate one with bit fields.
pub(crate) fn member(union: bool, bit_offset: u32, bit_size: u32) -> Result<(u32, bool), Refused> {
    if union && bit_offset != 0 {
        return Err("a union with a member behind its start");
    }
    match bit_size {
        0 if bit_offset.is_multiple_of(8) => Ok((bit_offset, false)),
        0 => Err("a member that starts within a byte"),
        1..=0xff if bit_offset <= 0xff_ffff => Ok((bit_offset | bit_size << 24, true)),
        _ => Err("a bit field too wide or too far behind"),
    }
}

/// An enumeration's kind and size, and whether it is signed for its size alone.
pub(crate) fn enumeration(
    bits: u64,
    signed: bool,
    features: &Features,
) -> Result<(Kind, u32, bool), Refused> {
    match bits.div_ceil(8) {
        size @ (1 | 2 | 4) => Ok((Kind::Enum, size as u32, false)),
        8 if features.enum64 => Ok((Kind::Enum64, 8, signed)),
        8 => Ok((Kind::Enum, 8, false)),
        _ => Err("an enumeration of an odd size"),
    }
}

/// The kind of an enumeration of that many bytes, whatever else is wrong with it.
pub(crate) fn enumeration_kind(size: u64, features: &Features) -> Kind {
    if size > 4 && features.enum64 { Kind::Enum64 } else { Kind::Enum }
}

/// A value as its enumeration holds it, and whether it makes that signed.
pub(crate) fn value(kind: Kind, value: u64, features: &Features) -> Result<(u64, bool), Refused> {
    if kind == Kind::Enum64 {
        return Ok((value, false));
    }
    if !features.enum64 {
        return Ok((value & 0xffff_ffff, false));
    }
    let number = value as i64;
    if number < i64::from(i32::MIN) || number > i64::from(u32::MAX) {
        return Err("a value that its enumeration cannot hold");
    }
    Ok((value & 0xffff_ffff, number < 0))
}

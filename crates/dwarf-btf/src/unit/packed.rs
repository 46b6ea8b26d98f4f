//! Sizes and alignments as the debug info tells them: how large a type is, and whether a
//! structure is packed. The compiler does not say the latter; it is inferred from the members.

use crate::unit::model::{CoreId, Member, Shape, Unit, UnitType};

/// Chains and nestings longer than this are circles.
const STEPS_MAX: u32 = 256;

/// Size of a type in bytes; `None` when it refers to itself or to nothing.
pub(crate) fn size(unit: &Unit<'_>, id: CoreId, address_size: u8) -> Option<u64> {
    let mut factor = 1_u64;
    let mut id = id;
    for _ in 0..STEPS_MAX {
        let ty = unit.get(id)?;
        let own = match &ty.shape {
            Shape::Pointer => u64::from(address_size),
            Shape::Base { size, .. } => *size,
            Shape::Enumeration { bits, .. } => bits / 8,
            Shape::Prototype { size: 0, .. } => u64::from(address_size),
            Shape::Prototype { size, .. } => *size,
            Shape::Composite { size: 1, members, .. } if members.is_empty() => 0,
            Shape::Composite { size, .. } => *size,
            Shape::Declared { .. } => 0,
            Shape::Array { len } => {
                factor = factor.wrapping_mul(u64::from(*len));
                id = ty.target_id;
                continue;
            }
            _ if ty.target_id == CoreId(0) => 0,
            _ => {
                id = ty.target_id;
                continue;
            }
        };
        return Some(own.wrapping_mul(factor));
    }
    None
}

/// The type behind typedefs and qualifiers.
fn strip<'u, 'a>(unit: &'u Unit<'a>, id: CoreId) -> Option<&'u UnitType<'a>> {
    let mut id = id;
    for _ in 0..STEPS_MAX {
        let ty = unit.get(id)?;
        match ty.shape {
            Shape::Const | Shape::Volatile | Shape::Restrict | Shape::Typedef => id = ty.target_id,
            _ => return Some(ty),
        }
    }
    None
}

fn alignment(unit: &Unit<'_>, ty: Option<&UnitType<'_>>, address_size: u8, depth: u32) -> u64 {
    let Some(ty) = ty else { return 1 };
    if depth > STEPS_MAX {
        return 1;
    }
    let natural = match &ty.shape {
        Shape::Pointer => u64::from(address_size),
        Shape::Base { size, .. } => *size,
        Shape::Enumeration { bits, .. } => bits / 8,
        Shape::Composite { members, .. } => unit
            .members(members)
            .iter()
            .filter(|member| !member.is_static)
            .filter_map(|member| strip(unit, member.target_id))
            .map(|ty| alignment(unit, Some(ty), address_size, depth + 1))
            .max()
            .unwrap_or(0),
        Shape::Array { .. } => alignment(unit, strip(unit, ty.target_id), address_size, depth + 1),
        _ => 0,
    };
    natural.max(1)
}

/// Whether a structure is packed: no holes, no padding behind, and a member off its natural
/// alignment, or a size that is no multiple of the largest one.
pub(crate) fn is_packed(unit: &Unit<'_>, ty: &UnitType<'_>, address_size: u8) -> bool {
    let Shape::Composite { union: false, size, alignment: declared, members } = &ty.shape else {
        return false;
    };
    let members = unit.members(members);
    if has_holes(unit, members, *size, address_size) {
        return false;
    }
    let mut largest = 1;
    for member in members.iter().filter(|member| !member.is_static) {
        let natural = alignment(unit, strip(unit, member.target_id), address_size, 0);
        if natural == 1 {
            continue;
        }
        largest = largest.max(natural);
        if !u64::from(byte_offset(unit, member, address_size)).is_multiple_of(natural) {
            return true;
        }
    }
    (largest != 1 && *declared == 1) || !size.is_multiple_of(largest)
}

/// Bytes of the storage unit of a bit field, or of the member.
fn member_size(unit: &Unit<'_>, member: &Member<'_>, address_size: u8) -> u32 {
    match member.byte_size {
        0 => size(unit, member.target_id, address_size).unwrap_or(0) as u32,
        size => size as u32,
    }
}

/// Where a member starts, or the aligned storage unit of a bit field.
fn byte_offset(unit: &Unit<'_>, member: &Member<'_>, address_size: u8) -> u32 {
    let bits = member_size(unit, member, address_size).wrapping_mul(8);
    if member.bit_size == 0 || bits == 0 {
        return member.byte_offset;
    }
    member.bit_offset / bits * bits / 8
}

/// Whether bytes lie unused between members, or behind the last.
fn has_holes(unit: &Unit<'_>, members: &[Member<'_>], size: u64, address_size: u8) -> bool {
    let size = size as u32;
    // The end of the storage unit that bit fields share, and how large that unit is.
    let mut unit_end = size.wrapping_mul(8);
    let mut unit_size = 0;
    let mut seen = 0_u32;
    let mut in_bit_field = false;
    for member in members.iter().filter(|member| !member.is_static) {
        let bytes = member_size(unit, member, address_size);
        if member.is_inheritance && bytes == 0 {
            continue;
        }
        let start = member.bit_offset;
        let width = if member.bit_size != 0 { member.bit_size } else { bytes.wrapping_mul(8) };
        let end = start.wrapping_add(width);
        let mut hole = 0_i32;
        if in_bit_field {
            seen = start.min(unit_end);
        }
        if member.bit_size != 0 {
            let place = byte_offset(unit, member, address_size);
            let aligned = place.wrapping_mul(8);
            if seen < aligned && aligned <= start {
                hole = (place.wrapping_sub(seen / 8)) as i32;
            }
            let storage = bytes.wrapping_mul(8);
            in_bit_field = true;
            if end > unit_end || storage > unit_size {
                unit_size = storage;
                unit_end = aligned.wrapping_add(storage);
                if end > unit_end {
                    unit_end = unit_end.wrapping_add(storage);
                }
            }
        } else {
            hole = (start / 8).wrapping_sub(seen / 8) as i32;
            in_bit_field = false;
            unit_size = 0;
            unit_end = end;
        }
        seen = end;
        if hole > 0 {
            return true;
        }
    }
    if in_bit_field {
        seen = size.wrapping_mul(8).min(unit_end);
    }
    size != seen / 8
}

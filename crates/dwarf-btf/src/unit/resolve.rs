//! From references between entries to ids, in the reference's order: types, then parameters and
//! variables, then functions one after another. The order shows where a name or a type is taken
//! over two steps: only what was resolved before can be taken.

use crate::error::{EncodeError, Place};
use crate::signature::analysis::{self, Convention};
use crate::unit::model::{CoreId, DieOffset, Entry, Shape, Unit};

/// Resolves every reference of a unit. `little_endian` is the file's; there is a convention when
/// the signatures that the compiler has left count.
pub(crate) fn unit(
    unit: &mut Unit<'_>,
    little_endian: bool,
    address_size: u8,
    true_signature: Option<&Convention>,
) -> Result<(), EncodeError> {
    types(unit);
    params_and_variables(unit);
    if let Some(convention) = true_signature {
        analysis::settle(unit, convention, address_size);
    }
    functions(unit, address_size, true_signature)?;
    bit_fields(unit, little_endian, address_size);
    if unit.is_rust {
        sort_members(unit);
    }
    Ok(())
}

fn find_type(unit: &Unit<'_>, offset: Option<DieOffset>) -> Option<CoreId> {
    match unit.entries.get(&offset?.0) {
        Some(Entry::Type(id)) => Some(*id),
        _ => None,
    }
}

fn types(unit: &mut Unit<'_>) {
    for index in 0..unit.types.len() {
        let ty = &unit.types[index];
        if let Some(id) = find_type(unit, ty.target) {
            unit.types[index].target_id = id;
        }
        let ty = &unit.types[index];
        let named = matches!(
            ty.shape,
            Shape::Composite { .. }
                | Shape::Declared { .. }
                | Shape::Enumeration { .. }
                | Shape::Typedef
        );
        if named && ty.name.is_none() && ty.specification.is_some() {
            let declaration = find_type(unit, ty.specification);
            let name = declaration.and_then(|id| unit.get(id)?.name);
            unit.types[index].name = name;
        }
    }
    for index in 0..unit.members.len() {
        if let Some(id) = find_type(unit, unit.members[index].target) {
            unit.members[index].target_id = id;
        }
    }
}

fn params_and_variables(unit: &mut Unit<'_>) {
    for index in 0..unit.params.len() {
        if let Some(id) = find_type(unit, unit.params[index].target) {
            unit.params[index].target_id = id;
        }
    }
    for index in 0..unit.variables.len() {
        if let Some(id) = find_type(unit, unit.variables[index].target) {
            unit.variables[index].target_id = id;
        }
    }
}

fn functions(
    unit: &mut Unit<'_>,
    address_size: u8,
    true_signature: Option<&Convention>,
) -> Result<(), EncodeError> {
    for index in 0..unit.functions.len() {
        let function = &unit.functions[index];
        let target_id = find_type(unit, function.target).unwrap_or_default();
        let mut name = function.name;
        if name.is_none() {
            let find = |offset: Option<DieOffset>| match unit.entries.get(&offset?.0) {
                Some(Entry::Function(index)) => Some(&unit.functions[*index as usize]),
                _ => None,
            };
            let from = find(function.origin).or_else(|| find(function.specification));
            name = from.and_then(|from| from.name);
        }
        let params = function.params.clone();
        unit.functions[index].name = name;
        unit.functions[index].target_id = target_id;
        for param in params {
            let moved = inherit_parameter(unit, param as usize);
            if let Some(facts) = unit.signatures.functions.get_mut(index) {
                facts.reordered |= moved;
            }
        }
    }

    // A return type that only the origin has. The reference does this in a pass of its own.
    for index in 0..unit.functions.len() {
        if let Some(convention) = true_signature {
            analysis::function(unit, index, convention, address_size);
        }
        let params = unit.functions[index].params.clone();
        let unexpected = unit.params(&params).iter().any(|param| param.unexpected_register);
        let by_value = || unit.params(&params).iter().any(|param| is_struct(unit, param.target_id));
        unit.functions[index].unexpected_register = unexpected && !by_value();
        let function = &unit.functions[index];
        let (target, Some(origin)) = (function.target_id, function.origin) else { continue };
        if target != CoreId(0) {
            continue;
        }
        match unit.entries.get(&origin.0) {
            Some(Entry::Function(from)) => {
                unit.functions[index].target_id = unit.functions[*from as usize].target_id;
            }
            Some(_) => {}
            None => {
                let place = Place { section: ".debug_info", unit: None, offset: function.offset.0 };
                return Err(EncodeError::Dwarf {
                    place,
                    what: "a function whose origin there is not",
                });
            }
        }
    }
    Ok(())
}

/// A parameter without a type of its own takes name and type of its origin, and hands back
/// whether it arrives where it should. It says whether the two have different places, where places
/// are known.
fn inherit_parameter(unit: &mut Unit<'_>, index: usize) -> bool {
    let param = &unit.params[index];
    if param.target.is_some() {
        return false;
    }
    let Some(origin) = param.origin else { return false };
    let Some(&Entry::Parameter(origin)) = unit.entries.get(&origin.0) else { return false };
    unit.signatures.hand_back(index, origin as usize);
    let place = |index: usize| unit.signatures.params.get(index).map(|facts| facts.index);
    let moved = place(index) != place(origin as usize);
    let unexpected = param.unexpected_register;
    let origin = &mut unit.params[origin as usize];
    origin.unexpected_register |= unexpected;
    let (name, target_id) = (origin.name, origin.target_id);
    let param = &mut unit.params[index];
    param.name = name;
    param.target_id = target_id;
    moved
}

/// Whether a parameter is a structure by value: several registers may hold it.
fn is_struct(unit: &Unit<'_>, id: CoreId) -> bool {
    let mut id = id;
    // No chain is longer than the unit has types, unless it goes in a circle.
    for _ in 0..=unit.types.len() {
        let Some(ty) = unit.get(id) else { return false };
        match ty.shape {
            Shape::Composite { union, .. } | Shape::Declared { union } => return !union,
            Shape::Const | Shape::Typedef => id = ty.target_id,
            _ => return false,
        }
    }
    false
}

/// DWARF 2 and 3 count the bits of a field from the other end of its storage unit.
fn bit_fields(unit: &mut Unit<'_>, little_endian: bool, address_size: u8) {
    for index in 0..unit.members.len() {
        let member = &unit.members[index];
        let Some(old) = member.old_bit_offset else { continue };
        if member.bit_size == 0 || member.is_static {
            continue;
        }
        let size = match member.byte_size {
            0 => storage_size(unit, member.target_id, address_size),
            size => size,
        };
        if size == 0 {
            continue;
        }
        // The width of these numbers is the reference's: they wrap as its do.
        let bits = (size as i32).wrapping_mul(8);
        let mut bit = old as i8;
        if little_endian {
            bit = (bits.wrapping_sub(i32::from(bit)).wrapping_sub(member.bit_size as i32)) as i8;
        }
        let mut byte = member.byte_offset;
        let place = |byte: u32, bit: i8| byte.wrapping_mul(8).wrapping_add(bit as i32 as u32);
        let mut offset = place(byte, bit);
        if bit < 0 {
            bit = (i32::from(bit).wrapping_add(bits)) as i8;
            byte = byte.wrapping_sub(size as u32);
            offset = place(byte, bit);
        }
        unit.members[index].bit_offset = offset;
    }
}

/// Bytes of what a bit field is declared as.
fn storage_size(unit: &Unit<'_>, id: CoreId, address_size: u8) -> u64 {
    crate::unit::packed::size(unit, id, address_size).unwrap_or(0)
}

fn sort_members(unit: &mut Unit<'_>) {
    for index in 0..unit.types.len() {
        if let Shape::Composite { members, .. } = &unit.types[index].shape {
            let members = members.start as usize..members.end as usize;
            unit.members[members].sort_by_key(|member| member.byte_offset);
        }
    }
}

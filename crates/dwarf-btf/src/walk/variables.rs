//! Variables of a unit: only those in a section that is asked for are read, and these as a whole.

use kmill_btf::format::linkage;

use crate::class::key::{Key, StrKey};
use crate::class::lane::{Lane, Variable};
use crate::dwarf::attrs::{self, Attrs};
use crate::dwarf::constants::{op, tag};
use crate::dwarf::cursor::Cursor;
use crate::dwarf::sections::within;
use crate::features::Features;
use crate::serial::variables::{self, Declared};
use crate::walk::compile::{Uncommon, flag};
use crate::walk::fields::Order;
use crate::walk::functions::Around;
use crate::walk::memory::Memory;
use crate::walk::types::{Entry, Types};

/// Chains of types that are longer go in circles.
const STEPS_MAX: u32 = 256;

/// Whether a variable's entry may be of one that is encoded: it lies in a section that is asked
/// for, by an expression that begins with its address.
pub(crate) fn is_candidate<O: Order>(
    types: &Types<'_, O>,
    entry: &Entry<'_>,
    sections: &variables::Sections<'_>,
    address_size: u8,
) -> Result<bool, Uncommon> {
    let form = entry.op;
    if !form.has(flag::LOCATION) || form.has(flag::DECLARATION) {
        return Ok(false);
    }
    if form.location_form == 0 || form.location.is_there() {
        // At an unknown place, or a list, or an index: a plain look will tell.
        return Ok(true);
    }
    let mut cursor = Cursor::new(types.data, entry.base + usize::from(form.location.at), O::ENDIAN);
    cursor.uleb();
    Ok(match cursor.u8() {
        op::ADDR => sections.includes(cursor.sized(address_size)),
        op::ADDRX | op::GNU_ADDR_INDEX => return Err(Uncommon),
        _ => false,
    })
}

/// An entry read as a whole.
struct Die<'a> {
    tag: u16,
    attrs: Attrs<'a>,
    /// Behind its attributes.
    next: usize,
    has_children: bool,
}

fn read<'a>(around: &Around<'a>, at: u64) -> Result<Die<'a>, Uncommon> {
    let header = around.header;
    let data = around.unit.get(..header.end).unwrap_or_default();
    let place = usize::try_from(at).map_err(|_| Uncommon)?;
    if place < header.entries || place >= header.end {
        return Err(Uncommon);
    }
    let mut cursor = Cursor::new(data, place, around.sections.endian);
    let code = cursor.uleb();
    let abbrev = around.abbrevs.get(code).ok_or(Uncommon)?;
    let specs = around.abbrevs.specs(abbrev);
    let attrs = Attrs::read(&mut cursor, header, specs).map_err(|_| Uncommon)?;
    Ok(Die { tag: abbrev.tag, attrs, next: cursor.at, has_children: abbrev.has_children })
}

/// The key of a name. One that lies in the unit itself lies there in the file too, and no relocation
/// changes it.
fn name(text: Option<&[u8]>, start: usize, around: &Around<'_>) -> StrKey {
    let inside = text.filter(|text| text.len() > StrKey::INLINE_MAX);
    match inside.and_then(|text| within(around.unit, text)) {
        Some(offset) => StrKey::in_debug_info(start as u64 + offset),
        None => StrKey::of(text, around.sections, &[]),
    }
}

/// Adds the variables of a unit that are encoded, of those at `candidates`.
pub(crate) fn add(
    candidates: &[u32],
    memory: &Memory,
    lane: &mut Lane,
    (unit, start): (u32, usize),
    around: &Around<'_>,
    sections: &variables::Sections<'_>,
    features: &Features,
) -> Result<(), Uncommon> {
    for &at in candidates {
        let header = around.header;
        let die = read(around, u64::from(at))?;
        let value = die.attrs.location.ok_or(Uncommon)?;
        let bases = attrs::Bases::default();
        let address = crate::dwarf::location::address(value, around.sections, header, &bases);
        let Some(address) = address else { continue };
        if die.attrs.artificial {
            continue;
        }
        let declaration = match attrs::reference(die.attrs.specification) {
            Some(at) => Some(read(around, at)?).filter(|die| die.tag == tag::VARIABLE),
            None => None,
        };
        let said = declaration.unwrap_or(die);
        if said.has_children {
            return Err(Uncommon);
        }
        let ty = attrs::reference(said.attrs.ty);
        let text = attrs::string(said.attrs.name, around.sections, header, &bases);
        let size = |_: &Declared<'_>| size(around, ty);
        let declared = Declared { name: text, is_void: ty.is_none(), place: u64::from(at) };
        // What is refused, the general way refuses in its words.
        let found = sections.place(address, &declared, features, size).map_err(|_| Uncommon)?;
        let (Some(found), Some(ty)) = (found, ty) else { continue };
        let order = u32::try_from(ty).map_err(|_| Uncommon)?;
        let key = memory.get(order);
        if key & Key::REAL == 0 {
            return Err(Uncommon);
        }
        lane.variables.push(Variable {
            unit,
            index: at,
            name: name(text, start, around),
            target: Key(key & !Key::MARK),
            target_order: order,
            linkage: if said.attrs.external { linkage::GLOBAL } else { linkage::STATIC },
            section: found.section,
            offset: found.offset,
            size: found.size,
            annotations: Vec::new(),
        });
    }
    Ok(())
}

/// Size of a type in bytes, as [`packed::size`](crate::unit::packed::size) has it.
fn size(around: &Around<'_>, ty: Option<u64>) -> Option<u64> {
    let address_size = u64::from(around.header.encoding.address_size);
    let mut factor = 1_u64;
    let mut ty = ty?;
    for _ in 0..STEPS_MAX {
        let die = read(around, ty).ok()?;
        let byte_size = attrs::number(die.attrs.byte_size);
        let own = match die.tag {
            tag::POINTER_TYPE => address_size,
            tag::BASE_TYPE => byte_size,
            tag::ENUMERATION_TYPE => {
                if byte_size == 0 {
                    4
                } else {
                    byte_size
                }
            }
            tag::SUBROUTINE_TYPE if byte_size == 0 => address_size,
            tag::SUBROUTINE_TYPE => byte_size,
            tag::STRUCTURE_TYPE | tag::UNION_TYPE if attrs::number(die.attrs.declaration) != 0 => 0,
            // A structure of one byte may be one without members; what has any is its size.
            tag::STRUCTURE_TYPE | tag::UNION_TYPE if byte_size == 1 && !die.has_children => 0,
            tag::STRUCTURE_TYPE | tag::UNION_TYPE => byte_size,
            other => {
                if other == tag::ARRAY_TYPE {
                    factor = factor.wrapping_mul(elements(around, &die)?);
                }
                match attrs::reference(die.attrs.ty) {
                    Some(next) => {
                        ty = next;
                        continue;
                    }
                    None => 0,
                }
            }
        };
        return Some(own.wrapping_mul(factor));
    }
    None
}

/// Number of elements of an array, all dimensions in one.
fn elements(around: &Around<'_>, array: &Die<'_>) -> Option<u64> {
    use crate::dwarf::form::Value;
    let mut len = 1_u32;
    let mut next = array.next;
    if !array.has_children {
        return Some(1);
    }
    while *around.unit.get(next)? != 0 {
        let child = read(around, next as u64).ok()?;
        next = child.next;
        if child.tag != tag::SUBRANGE_TYPE || child.has_children {
            return None;
        }
        let count = match (child.attrs.upper_bound, child.attrs.count) {
            (Some(Value::Number(bound)), _) => bound.wrapping_add(1),
            (None, Some(Value::Number(count))) => count,
            _ => 0,
        };
        len = len.wrapping_mul(count as u32);
    }
    Some(u64::from(len))
}

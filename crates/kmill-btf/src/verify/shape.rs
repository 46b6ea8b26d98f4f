//! What each type must be without a look at what it refers to.

use crate::btf::Btf;
use crate::format::{Kind, MAX_NAME_OFFSET, MAX_TYPES, MAX_VLEN, int, linkage};
use crate::types::{StrOff, Type, TypeId};

use super::names::{is_identifier, is_section};
use super::problem::{EntryProblem, What};

/// The widest integer.
const MAX_INT_BITS: u32 = 128;

/// The first thing that is wrong with a type.
pub(super) fn problem(btf: &Btf, id: TypeId, ty: Type<'_>) -> Option<What> {
    check(btf, id, ty).err()
}

fn check(btf: &Btf, id: TypeId, ty: Type<'_>) -> Result<(), What> {
    // The kernel's table holds `void` too.
    ask(id.0 < MAX_TYPES, What::TooManyTypes)?;
    let info = ty.info();
    ask(info.vlen() <= MAX_VLEN && info.kind() <= 0x1f, What::UnusedInfoBits)?;
    let mut far = false;
    ty.for_each_name(|StrOff(at)| far |= at > MAX_NAME_OFFSET);
    ask(!far, What::FarName)?;

    match ty.kind() {
        Kind::Int => {
            no_entries(ty)?;
            no_flag(ty)?;
            int(ty)
        }
        Kind::Ptr | Kind::Volatile | Kind::Const | Kind::Restrict => {
            no_entries(ty)?;
            no_flag(ty)?;
            no_name(ty)
        }
        Kind::Typedef => {
            no_entries(ty)?;
            no_flag(ty)?;
            identifier(btf, ty)
        }
        Kind::TypeTag => {
            no_entries(ty)?;
            text(btf, ty)
        }
        Kind::DeclTag => {
            text(btf, ty)?;
            no_entries(ty)?;
            let index = ty.extra() as i32;
            ask(index >= -1, What::Component(index))
        }
        Kind::Fwd => {
            no_entries(ty)?;
            ask(ty.size() == 0, What::NotZero)?;
            identifier(btf, ty)
        }
        Kind::Array => {
            no_name(ty)?;
            no_entries(ty)?;
            no_flag(ty)?;
            ask(ty.size() == 0, What::NotZero)?;
            let array = ty.array();
            ask(array.element != TypeId::VOID && array.index != TypeId::VOID, What::Void)
        }
        Kind::Struct | Kind::Union => {
            identifier_or_none(btf, ty)?;
            members(btf, ty)
        }
        Kind::Enum | Kind::Enum64 => {
            let size = ty.size();
            ask(size <= 8 && size.is_power_of_two(), What::Size(size))?;
            identifier_or_none(btf, ty)?;
            for (index, value) in ty.enumerators().enumerate() {
                let named = value.name != StrOff::EMPTY;
                ask(named, entry(index, EntryProblem::Nameless))?;
                let right = is_identifier(btf, value.name);
                ask(right, entry(index, EntryProblem::BadName))?;
            }
            Ok(())
        }
        Kind::FuncProto => {
            no_name(ty)?;
            no_flag(ty)
        }
        Kind::Func => {
            identifier(btf, ty)?;
            let linked = info.vlen();
            ask(linked <= linkage::GLOBAL, What::Linkage(linked))?;
            no_flag(ty)
        }
        Kind::Var => {
            no_entries(ty)?;
            no_flag(ty)?;
            identifier(btf, ty)?;
            ask(ty.target() != TypeId::VOID, What::Void)?;
            let linked = ty.extra();
            ask(linked <= linkage::GLOBAL, What::Linkage(linked))
        }
        Kind::Datasec => {
            ask(ty.size() != 0, What::Size(0))?;
            no_flag(ty)?;
            ask(ty.name() != StrOff::EMPTY, What::Nameless)?;
            ask(is_section(btf, ty.name()), What::BadName)?;
            section(ty)
        }
        Kind::Float => {
            no_entries(ty)?;
            no_flag(ty)?;
            ask(matches!(ty.size(), 2 | 4 | 8 | 12 | 16), What::Size(ty.size()))
        }
    }
}

fn ask(holds: bool, what: What) -> Result<(), What> {
    if holds { Ok(()) } else { Err(what) }
}

fn entry(index: usize, what: EntryProblem) -> What {
    What::Entry { index, what }
}

fn no_entries(ty: Type<'_>) -> Result<(), What> {
    ask(ty.vlen() == 0, What::Entries(ty.vlen()))
}

fn no_flag(ty: Type<'_>) -> Result<(), What> {
    ask(!ty.flag(), What::Flag)
}

fn no_name(ty: Type<'_>) -> Result<(), What> {
    ask(ty.name() == StrOff::EMPTY, What::Named)
}

fn identifier(btf: &Btf, ty: Type<'_>) -> Result<(), What> {
    ask(ty.name() != StrOff::EMPTY, What::Nameless)?;
    identifier_or_none(btf, ty)
}

fn identifier_or_none(btf: &Btf, ty: Type<'_>) -> Result<(), What> {
    ask(ty.name() == StrOff::EMPTY || is_identifier(btf, ty.name()), What::BadName)
}

/// The text of a tag, which may be anything.
fn text(btf: &Btf, ty: Type<'_>) -> Result<(), What> {
    ask(!btf.name(ty).is_empty(), What::Nameless)
}

fn int(ty: Type<'_>) -> Result<(), What> {
    let word = ty.extra();
    let (encoding, offset, bits) = (word >> 24, word >> 16 & 0xff, word & 0xff);
    ask(encoding <= 0xf, What::IntEncoding)?;
    let end = offset + bits;
    ask(end <= MAX_INT_BITS && end.div_ceil(8) <= ty.size(), What::IntBits)?;
    ask(matches!(encoding, 0 | int::SIGNED | int::CHAR | int::BOOL), What::IntEncoding)
}

fn members(btf: &Btf, ty: Type<'_>) -> Result<(), What> {
    let mut last = 0;
    for (index, member) in ty.members().enumerate() {
        let wrong = |what| entry(index, what);
        let named = member.name == StrOff::EMPTY || is_identifier(btf, member.name);
        ask(named, wrong(EntryProblem::BadName))?;
        ask(member.type_id != TypeId::VOID, wrong(EntryProblem::Void))?;
        let start = if ty.flag() { member.offset & 0xff_ffff } else { member.offset };
        let inside = ty.kind() == Kind::Struct || start == 0;
        ask(inside, wrong(EntryProblem::InUnion(start)))?;
        ask(last <= start, wrong(EntryProblem::Order))?;
        // Not "at": the last member may be an array of no elements.
        ask(start.div_ceil(8) <= ty.size(), wrong(EntryProblem::Outside))?;
        last = start;
    }
    Ok(())
}

fn section(ty: Type<'_>) -> Result<(), What> {
    let size = ty.size();
    let mut end = 0;
    for (index, variable) in ty.section_entries().enumerate() {
        let wrong = |what| entry(index, what);
        ask(variable.type_id != TypeId::VOID, wrong(EntryProblem::Void))?;
        ask(variable.offset >= end, wrong(EntryProblem::Order))?;
        ask(variable.offset < size, wrong(EntryProblem::Outside))?;
        ask(variable.size != 0 && variable.size <= size, wrong(EntryProblem::Size))?;
        // Both are at most the section's size.
        end = variable.offset.saturating_add(variable.size);
        ask(end <= size, wrong(EntryProblem::Outside))?;
    }
    Ok(())
}

//! Where two blobs differ, in words: how many types of each kind, the first type and the first string
//! that are not the same, with their names.

use std::collections::BTreeMap;

use kmill_btf::{Btf, Kind, StrOff, Type, TypeId};

/// Members and the like of a type that are shown.
const SHOWN: usize = 12;

/// Lines, indented.
pub(super) fn difference(reference: &[u8], ours: &[u8]) -> String {
    let at = reference.iter().zip(ours).position(|(left, right)| left != right);
    let at = at.unwrap_or(reference.len().min(ours.len()));
    let mut text = format!(
        "  {} bytes, ours {}; the first byte that differs is {at:#x}\n",
        reference.len(),
        ours.len()
    );
    let (left, right) = match (Btf::read(reference), Btf::read(ours)) {
        (Ok(left), Ok(right)) => (left, right),
        (left, right) => {
            for (who, read) in [("the reference's", left), ("ours", right)] {
                if let Err(error) = read {
                    text += &format!("  {who} is no BTF: {error}\n");
                }
            }
            return text;
        }
    };
    let (kinds, our_kinds) = (count(&left), count(&right));
    for kind in Kind::ALL {
        let (number, our_number) = (kinds.get(&kind), our_kinds.get(&kind));
        if number != our_number {
            let number = |number: Option<&usize>| number.copied().unwrap_or(0);
            text +=
                &format!("  {kind:?}: {}, ours {}\n", number(kinds.get(&kind)), number(our_number));
        }
    }
    let mut ids = left.types.iter().map(|(id, _)| id);
    let differs = |id: &TypeId| match (left.get(*id), right.get(*id)) {
        (Some(one), Some(other)) => !same(&left, one, &right, other),
        _ => true,
    };
    match ids.find(differs) {
        Some(id) => {
            text += &format!("  the first type that differs is {id}:\n");
            let (one, other) = (shown(&left, id), shown(&right, id));
            // Long ones differ far behind.
            let at = one.1.iter().zip(&other.1).position(|(one, other)| one != other);
            let at = at.unwrap_or(one.1.len().min(other.1.len())).saturating_sub(1);
            for (who, (head, entries)) in [("reference: ", one), ("ours:      ", other)] {
                let from = if at > 0 { format!(" from entry {at} on") } else { String::new() };
                let some: Vec<&str> =
                    entries.iter().skip(at).take(SHOWN).map(String::as_str).collect();
                text += &format!("    {who}{head}{from} {{ {} }}\n", some.join("; "));
            }
        }
        None if right.types.len() > left.types.len() => {
            let id = TypeId(left.types.last().0 + 1);
            text += &format!("  ours goes on with type {id}: {}\n", shown(&right, id).0);
        }
        None => text += "  all types say the same\n",
    }
    text + &strings(&left, &right)
}

fn count(btf: &Btf) -> BTreeMap<Kind, usize> {
    let mut kinds = BTreeMap::new();
    btf.types.iter().for_each(|(_, ty)| *kinds.entry(ty.kind()).or_default() += 1);
    kinds
}

/// Whether two types are the same but for where their names are in the strings.
fn same(left: &Btf, one: Type<'_>, right: &Btf, other: Type<'_>) -> bool {
    let (words, others) = (one.words(), other.words());
    let mut pairs = words.iter().zip(others).enumerate();
    words.len() == others.len()
        && one.info() == other.info()
        && pairs.all(|(index, (word, other))| match is_name(one, index) {
            true => left.string(StrOff(*word)) == right.string(StrOff(*other)),
            false => word == other,
        })
}

/// Whether the word at this index is where a name is.
fn is_name(ty: Type<'_>, index: usize) -> bool {
    match ty.kind() {
        _ if index < 3 => index == 0,
        Kind::Struct | Kind::Union | Kind::Enum64 => index.is_multiple_of(3),
        Kind::Enum | Kind::FuncProto => !index.is_multiple_of(2),
        _ => false,
    }
}

fn name(btf: &Btf, at: StrOff) -> String {
    match btf.string(at) {
        Some(b"") => "(anon)".to_owned(),
        Some(name) => String::from_utf8_lossy(name).into_owned(),
        None => format!("string {}?", at.0),
    }
}

/// A type by its id, kind and name.
fn brief(btf: &Btf, id: TypeId) -> String {
    match btf.get(id) {
        None if id == TypeId::VOID => "void".to_owned(),
        None => format!("{id}?"),
        Some(ty) => format!("{id} {:?} {}", ty.kind(), name(btf, ty.name())),
    }
}

/// A type, and each of its entries.
fn shown(btf: &Btf, id: TypeId) -> (String, Vec<String>) {
    let Some(ty) = btf.get(id) else { return ("none".to_owned(), Vec::new()) };
    let mut text = format!("{}, info {:#x}", brief(btf, id), ty.info().0);
    let kind = ty.kind();
    match kind {
        kind if kind.has_target() => text += &format!(" -> {}", brief(btf, ty.target())),
        Kind::Array => {}
        _ => text += &format!(", size {}", ty.size()),
    }
    let mut entries: Vec<String> = Vec::new();
    match kind {
        Kind::Int | Kind::Var | Kind::DeclTag => text += &format!(", {:#x}", ty.extra()),
        Kind::Array => {
            let array = ty.array();
            text += &format!(
                " of {} {}, index {}",
                array.len,
                brief(btf, array.element),
                brief(btf, array.index)
            );
        }
        Kind::Struct | Kind::Union => entries.extend(ty.members().map(|member| {
            let (name, ty) = (name(btf, member.name), brief(btf, member.type_id));
            format!("{name} {:#x}: {ty}", member.offset)
        })),
        Kind::Enum | Kind::Enum64 => entries.extend(
            ty.enumerators().map(|value| format!("{} = {:#x}", name(btf, value.name), value.value)),
        ),
        Kind::FuncProto => entries.extend(
            ty.params().map(|p| format!("{}: {}", name(btf, p.name), brief(btf, p.type_id))),
        ),
        Kind::Datasec => entries.extend(ty.section_entries().map(|entry| {
            format!("{:#x}+{}: {}", entry.offset, entry.size, brief(btf, entry.type_id))
        })),
        _ => {}
    }
    (text, entries)
}

/// The first string that is not the same, with what stands before it.
fn strings(left: &Btf, right: &Btf) -> String {
    let (one, other) = (left.strings.bytes(), right.strings.bytes());
    if one == other {
        return "  all strings are the same\n".to_owned();
    }
    let all = |bytes: &[u8]| -> Vec<String> {
        let strings = bytes.split(|byte| *byte == 0);
        strings.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    };
    let (one, other) = (all(one), all(other));
    let at = one.iter().zip(&other).position(|(left, right)| left != right);
    let at = at.unwrap_or(one.len().min(other.len()) - 1);
    let before = at.saturating_sub(2);
    let some = |list: &[String]| list[before..list.len().min(at + 4)].join(" ");
    format!(
        "  strings: {}, ours {}; from number {before} on:\n    reference: {}\n    ours:      {}\n",
        one.len(),
        other.len(),
        some(&one),
        some(&other)
    )
}

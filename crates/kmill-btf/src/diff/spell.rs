//! A type in words, as C would have it but for the order: read from left to right, modifiers stand
//! behind what they modify.

use std::borrow::Cow;

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::{StrOff, Type, TypeId};

use super::meaning::named_as;

/// Longer texts end with dots: they are for people.
const LONGEST: usize = 400;
/// Deeper types too.
const DEEPEST: usize = 16;

/// A type where it is used.
pub(super) fn spell(btf: &Btf, id: TypeId) -> String {
    let mut text = String::new();
    write(btf, id, 0, &mut text);
    text
}

pub(super) fn name(btf: &Btf, at: StrOff) -> Cow<'_, str> {
    String::from_utf8_lossy(btf.string(at).unwrap_or_default())
}

/// What stands before a name: `struct `, or nothing.
pub(super) fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        Kind::Enum | Kind::Enum64 => "enum ",
        _ => "",
    }
}

fn write(btf: &Btf, id: TypeId, depth: usize, text: &mut String) {
    if depth > DEEPEST || text.len() > LONGEST {
        text.push('…');
        return;
    }
    let Some(ty) = btf.get(id) else {
        text.push_str(if id == TypeId::VOID { "void" } else { "?" });
        return;
    };
    if let Some(kind) = named_as(ty) {
        text.push_str(prefix(kind));
        text.push_str(&name(btf, ty.name()));
        return;
    }
    let inner = |text: &mut String| write(btf, ty.target(), depth + 1, text);
    match ty.kind() {
        Kind::Ptr => {
            let function = btf.get(ty.target()).is_some_and(|ty| ty.kind() == Kind::FuncProto);
            text.push_str(if function { "(" } else { "" });
            inner(text);
            text.push_str(if function { ") *" } else { " *" });
        }
        Kind::Const => {
            inner(text);
            text.push_str(" const");
        }
        Kind::Volatile => {
            inner(text);
            text.push_str(" volatile");
        }
        Kind::Restrict => {
            inner(text);
            text.push_str(" restrict");
        }
        Kind::TypeTag => {
            inner(text);
            text.push_str(&format!(" tag({})", name(btf, ty.name())));
        }
        Kind::Array => {
            write(btf, ty.array().element, depth + 1, text);
            text.push_str(&format!("[{}]", ty.array().len));
        }
        Kind::FuncProto => prototype(btf, ty, depth, text),
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => body(btf, ty, depth, text),
        kind => text.push_str(kind.name()),
    }
}

fn prototype(btf: &Btf, ty: Type<'_>, depth: usize, text: &mut String) {
    text.push_str("fn(");
    for (index, param) in ty.params().enumerate() {
        text.push_str(if index == 0 { "" } else { ", " });
        if index + 1 == ty.vlen() && param.type_id == TypeId::VOID {
            text.push_str("...");
            continue;
        }
        if param.name != StrOff::EMPTY {
            text.push_str(&name(btf, param.name));
            text.push_str(": ");
        }
        write(btf, param.type_id, depth + 1, text);
    }
    text.push_str(") -> ");
    write(btf, ty.target(), depth + 1, text);
}

fn body(btf: &Btf, ty: Type<'_>, depth: usize, text: &mut String) {
    text.push_str(prefix(ty.kind()));
    text.push_str("{ ");
    if ty.kind().is_enum() {
        for value in ty.enumerators().take(LONGEST) {
            text.push_str(&format!("{} = {}; ", name(btf, value.name), value.value));
        }
    } else {
        for member in ty.members().take(LONGEST) {
            write(btf, member.type_id, depth + 1, text);
            text.push_str(&format!(" {}; ", name(btf, member.name)));
        }
    }
    text.push('}');
}

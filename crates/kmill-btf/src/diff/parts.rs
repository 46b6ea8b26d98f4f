//! Two things of one name, part by part.

use std::collections::HashMap;

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::{StrOff, Type, TypeId};

use super::difference::Change;
use super::meaning::{Meanings, bits};
use super::spell::{name, prefix, spell};

/// So many parts are looked at, those of nameless structures inside included: input may have them
/// in circles.
const MANY: usize = 1 << 16;
/// So deep nameless structures inside are taken apart.
const DEEPEST: usize = 8;

/// What a thing is, and what is in it.
#[derive(Default)]
pub(super) struct Parts {
    /// Each with what it is called: size, type, …
    heads: Vec<(&'static str, Entry)>,
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    text: String,
    /// Equal for equal ones, even where the text is cut short.
    meaning: u64,
}

impl Parts {
    pub(super) fn of(meanings: &mut Meanings<'_>, id: TypeId) -> Parts {
        let btf = meanings.btf;
        let mut parts = Parts::default();
        if let Some(ty) = btf.get(id) {
            parts.fill(btf, meanings, ty, id);
        }
        parts
    }

    fn number(&mut self, what: &'static str, number: u32) {
        self.head(what, number.to_string(), u64::from(number));
    }

    fn head(&mut self, what: &'static str, text: String, meaning: u64) {
        self.heads.push((what, Entry { name: String::new(), text, meaning }));
    }

    fn fill(&mut self, btf: &Btf, meanings: &mut Meanings<'_>, ty: Type<'_>, id: TypeId) {
        match ty.kind() {
            Kind::Int => {
                self.number("size", ty.size());
                self.head("encoding", format!("{:#x}", ty.extra()), u64::from(ty.extra()));
            }
            Kind::Float => self.number("size", ty.size()),
            Kind::Struct | Kind::Union => {
                self.number("size", ty.size());
                self.members(btf, meanings, ty, 0, 0);
            }
            Kind::Enum | Kind::Enum64 => {
                self.head("kind", ty.kind().name().to_owned(), 0);
                self.number("size", ty.size());
                self.values(btf, ty);
            }
            Kind::Func => {
                let prototype = meanings.of(ty.target());
                self.head("prototype", spell(btf, ty.target()), prototype);
                self.number("linkage", ty.info().vlen());
            }
            Kind::Var => {
                self.head("type", spell(btf, ty.target()), meanings.of(ty.target()));
                self.number("linkage", ty.extra());
            }
            Kind::Datasec => {
                self.number("size", ty.size());
                for entry in ty.section_entries() {
                    let (at, size) = (entry.offset, entry.size);
                    let (name, text) = (spell(btf, entry.type_id), format!("{size} bytes at {at}"));
                    let meaning = u64::from(at) << 32 | u64::from(size);
                    self.entries.push(Entry { name, text, meaning });
                }
            }
            Kind::DeclTag => {
                self.head("component", (ty.extra() as i32).to_string(), u64::from(ty.extra()));
                self.head("target", spell(btf, ty.target()), meanings.of(ty.target()));
            }
            Kind::Typedef => match btf.get(ty.target()).filter(|of| is_nameless_body(*of)) {
                Some(of) => {
                    self.head("type", format!("{}…", prefix(of.kind())), 0);
                    self.fill(btf, meanings, of, ty.target());
                }
                None => self.head("type", spell(btf, ty.target()), meanings.of(ty.target())),
            },
            _ => self.head("type", spell(btf, id), meanings.inside(ty)),
        }
    }

    fn values(&mut self, btf: &Btf, ty: Type<'_>) {
        let sign = if ty.flag() { "signed" } else { "unsigned" };
        self.head("sign", sign.to_owned(), 0);
        for value in ty.enumerators() {
            let number = match (ty.kind(), ty.flag()) {
                (Kind::Enum, true) => i128::from(value.value as u32 as i32),
                (_, true) => i128::from(value.value as i64),
                (_, false) => i128::from(value.value),
            };
            let (name, text) = (name(btf, value.name).into_owned(), number.to_string());
            self.entries.push(Entry { name, text, meaning: value.value });
        }
    }

    /// Members, and those of nameless structures among them as if they were its own.
    fn members(
        &mut self,
        btf: &Btf,
        meanings: &mut Meanings<'_>,
        ty: Type<'_>,
        start: u32,
        depth: usize,
    ) {
        for member in ty.members() {
            if self.entries.len() >= MANY {
                return;
            }
            let (at, width) = bits(ty, member);
            let at = start.wrapping_add(at);
            let inner = btf.get(member.type_id).filter(|inner| {
                let open = inner.name() == StrOff::EMPTY && member.name == StrOff::EMPTY;
                inner.kind().is_composite() && open && depth < DEEPEST
            });
            let what = match inner {
                Some(inner) => format!("{}of {} bytes", prefix(inner.kind()), inner.size()),
                None => spell(btf, member.type_id),
            };
            let meaning = match inner {
                Some(inner) => u64::from(inner.size()) << 8 | inner.kind() as u64,
                None => meanings.of(member.type_id),
            };
            let wide = if width == 0 { String::new() } else { format!(", {width} bits wide") };
            self.entries.push(Entry {
                name: name(btf, member.name).into_owned(),
                text: format!("{what} at bit {at}{wide}"),
                meaning: meaning ^ (u64::from(at) << 32 | u64::from(width)),
            });
            if let Some(inner) = inner {
                self.members(btf, meanings, inner, at, depth + 1);
            }
        }
    }
}

/// Whether what a type is stands in it and not in a name.
fn is_nameless_body(ty: Type<'_>) -> bool {
    ty.name() == StrOff::EMPTY && (ty.kind().is_composite() || ty.kind().is_enum())
}

/// What differs between the first and the second.
pub(super) fn changes([first, second]: &[Parts; 2]) -> Vec<Change> {
    let mut changes = Vec::new();
    for ((what, first), (other, second)) in first.heads.iter().zip(&second.heads) {
        if what == other && (first.meaning != second.meaning || first.text != second.text) {
            let (first, second) = (first.text.clone(), second.text.clone());
            changes.push(Change::Is { what, first, second });
        }
    }

    // Equal ones cancel out; of the others, those of one name are paired in their order.
    let mut equal: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, entry) in second.entries.iter().enumerate().rev() {
        equal.entry((&entry.name, entry.meaning, &entry.text)).or_default().push(index);
    }
    let mut taken = vec![false; second.entries.len()];
    let mut left = Vec::new();
    for entry in &first.entries {
        match equal.get_mut(&(&entry.name, entry.meaning, &entry.text)).and_then(Vec::pop) {
            Some(index) => taken[index] = true,
            None => left.push(entry),
        }
    }
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, entry) in second.entries.iter().enumerate().rev() {
        if !taken[index] {
            by_name.entry(&entry.name).or_default().push(index);
        }
    }
    let called = |entry: &Entry| match &*entry.name {
        "" => format!("(nameless) {}", entry.text),
        name => name.to_owned(),
    };
    for entry in left {
        let Some(index) = by_name.get_mut(&*entry.name).and_then(Vec::pop) else {
            changes.push(Change::PartOnlyFirst(called(entry)));
            continue;
        };
        taken[index] = true;
        let (first, second) = (entry.text.clone(), second.entries[index].text.clone());
        let name = if entry.name.is_empty() { "(nameless)" } else { &*entry.name };
        changes.push(Change::Part { name: name.to_owned(), first, second });
    }
    let more = second.entries.iter().zip(&taken).filter(|(_, taken)| !**taken);
    changes.extend(more.map(|(entry, _)| Change::PartOnlySecond(called(entry))));
    // The two do differ, and nothing else is left.
    if changes.is_empty() {
        changes.push(Change::Order);
    }
    changes
}

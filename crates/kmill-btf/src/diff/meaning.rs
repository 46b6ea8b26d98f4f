//! What a type means where it is used, as a number: equal for equal types of two blobs, whatever
//! their ids. A type with a name means its name; one without means what is in it.
//!
//! So no circle is ever walked but one of nameless types only, which no language has: there, what
//! refers back to where the walk began means just that.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::{Member, StrOff, Type, TypeId};

/// Not known yet.
const UNKNOWN: u64 = 0;
/// Being found out: what refers back to it is on a circle.
const OPEN: u64 = 1;

/// Meanings of a blob's types.
pub(super) struct Meanings<'a> {
    pub(super) btf: &'a Btf,
    known: Vec<u64>,
}

/// Where a member starts, and its width if it is a bit field.
pub(super) fn bits(ty: Type<'_>, member: Member) -> (u32, u32) {
    if ty.flag() { (member.offset & 0xff_ffff, member.offset >> 24) } else { (member.offset, 0) }
}

/// The kind whose names a type's name is one of, if it has one: what is only declared counts as
/// what it declares.
pub(super) fn named_as(ty: Type<'_>) -> Option<Kind> {
    let kind = match ty.kind() {
        Kind::Fwd if ty.flag() => Kind::Union,
        Kind::Fwd => Kind::Struct,
        Kind::Enum64 => Kind::Enum,
        // Their names are not what they are called by.
        Kind::TypeTag | Kind::DeclTag => return None,
        kind => kind,
    };
    (ty.name() != StrOff::EMPTY).then_some(kind)
}

impl<'a> Meanings<'a> {
    pub(super) fn new(btf: &'a Btf) -> Meanings<'a> {
        Meanings { btf, known: vec![UNKNOWN; btf.types.last().index() + 1] }
    }

    fn get(&self, id: TypeId) -> u64 {
        self.known.get(id.index()).copied().unwrap_or(OPEN)
    }

    fn set(&mut self, id: TypeId, meaning: u64) {
        if let Some(place) = self.known.get_mut(id.index()) {
            // Two numbers are taken.
            *place = meaning.max(OPEN + 1);
        }
    }

    /// What a type means where it is used.
    pub(super) fn of(&mut self, id: TypeId) -> u64 {
        if self.get(id) > OPEN {
            return self.get(id);
        }
        let mut stack = vec![id];
        while let Some(&id) = stack.last() {
            let Some(ty) = self.btf.get(id) else {
                stack.pop();
                self.set(id, u64::from(Kind::Int as u8));
                continue;
            };
            if let Some(kind) = named_as(ty) {
                stack.pop();
                let mut hasher = DefaultHasher::new();
                (kind, self.btf.name(ty)).hash(&mut hasher);
                self.set(id, hasher.finish());
                continue;
            }
            let depth = stack.len();
            if self.get(id) == UNKNOWN {
                self.set_open(id);
                ty.for_each_ref(|id| {
                    if self.get(id) == UNKNOWN {
                        stack.push(id);
                    }
                });
            }
            if stack.len() == depth {
                stack.pop();
                if self.get(id) == OPEN {
                    let meaning = self.content(ty);
                    self.set(id, meaning);
                }
            }
        }
        self.get(id)
    }

    fn set_open(&mut self, id: TypeId) {
        if let Some(place) = self.known.get_mut(id.index()) {
            *place = OPEN;
        }
    }

    /// What is in a type, given what all that it refers to means.
    fn content(&self, ty: Type<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        let to = &mut hasher;
        let text = |at| self.btf.string(at).unwrap_or_default();
        let kind = ty.kind();
        (kind, text(ty.name())).hash(to);
        if kind.has_target() {
            self.get(ty.target()).hash(to);
        } else {
            ty.size().hash(to);
        }
        match kind {
            Kind::Array => {
                let array = ty.array();
                (self.get(array.element), self.get(array.index), array.len).hash(to);
            }
            Kind::Struct | Kind::Union => ty.members().for_each(|member| {
                (text(member.name), self.get(member.type_id), bits(ty, member)).hash(to);
            }),
            Kind::Enum | Kind::Enum64 => {
                ty.flag().hash(to);
                ty.enumerators().for_each(|value| (text(value.name), value.value).hash(to));
            }
            Kind::FuncProto => {
                ty.params().for_each(|param| (text(param.name), self.get(param.type_id)).hash(to))
            }
            Kind::Datasec => ty.section_entries().for_each(|entry| {
                (self.get(entry.type_id), entry.offset, entry.size).hash(to);
            }),
            Kind::Int | Kind::Var | Kind::DeclTag => ty.extra().hash(to),
            Kind::Func => ty.info().vlen().hash(to),
            Kind::Fwd | Kind::TypeTag => ty.flag().hash(to),
            _ => {}
        }
        hasher.finish()
    }

    /// What is in a type, whether it has a name or not.
    pub(super) fn inside(&mut self, ty: Type<'_>) -> u64 {
        let mut refs = Vec::new();
        ty.for_each_ref(|id| refs.push(id));
        for id in refs {
            self.of(id);
        }
        self.content(ty)
    }
}

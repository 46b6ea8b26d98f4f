//! What a base does to certainty: names that it knows too.
//!
//! A class is certain when every type in it ends up as the same type. Types of a base take part in
//! that: a unit that only declares a name may find the base's definition where another finds its own.
//! So a name is uncertain as well when the base has something of it that is not, all the way down, what
//! the units say.

use kmill_btf::dedup::Index;
use kmill_btf::{Btf, Kind, StrOff, Type, TypeId};
use rustc_hash::FxHashMap;

use crate::class::key::StrKey;
use crate::class::merge::{GlobalId, Merged, Verdict};
use crate::dwarf::sections::Sections;

/// How deep types without a name may lie in each other; behind that they count as different.
const DEPTH_MAX: u32 = 64;

/// A base beside the classes of some units.
pub(crate) struct Beside<'b, 'l> {
    index: &'b Index,
    pub(crate) merged: &'b Merged<'l>,
    pub(crate) sections: &'b Sections<'b>,
    prefix: Option<&'b [u8]>,
    /// Pairs that were compared.
    same: FxHashMap<(GlobalId, TypeId), bool>,
}

impl<'b, 'l> Beside<'b, 'l> {
    pub(crate) fn new(
        index: &'b Index,
        merged: &'b Merged<'l>,
        sections: &'b Sections<'b>,
        prefix: Option<&'b [u8]>,
    ) -> Beside<'b, 'l> {
        Beside { index, merged, sections, prefix, same: FxHashMap::default() }
    }

    /// What the base has to do with the names of the units, where nothing is known of it by key.
    pub(crate) fn verdict(mut self) -> Verdict {
        let mut verdict = Verdict::default();
        for anchor in self.merged.anchors() {
            if self.conflicts_at(anchor) {
                verdict.seeds.push(anchor);
            }
            let defined = self.defined(anchor);
            let named = self.merged.named(anchor);
            let Some(definition) = named.definition.filter(|_| !defined.is_empty()) else {
                continue;
            };
            if !matches!(defined[..], [only] if self.is(definition, only, 0)) {
                verdict.unlike.push(anchor);
            }
            if named.forward.is_some() {
                verdict.declared_too.push(anchor);
            }
        }
        verdict
    }

    /// Where the base has a string of the units.
    pub(crate) fn in_base(&self, name: StrKey) -> Option<StrOff> {
        let mut buffer = [0; 8];
        self.index.base().find_string(name.text(self.sections, self.prefix, &mut buffer))
    }

    /// The structures and unions of the base by a name that units define as one.
    fn defined(&self, anchor: GlobalId) -> Vec<TypeId> {
        let words = self.merged.words(anchor);
        let kind = Kind::of(words.third() as u32).filter(|kind| kind.is_composite());
        let (Some(kind), Some(_)) = (kind, self.merged.named(anchor).definition) else {
            return Vec::new();
        };
        let base: &Btf = self.index.base();
        let Some(name) = self.in_base(words.name()) else { return Vec::new() };
        let of_kind = |id: &TypeId| base.get(*id).is_some_and(|ty| ty.kind() == kind);
        self.index.named(name).filter(of_kind).collect()
    }

    /// Whether the copies of a name may end up as different types for what the base has of it.
    pub(crate) fn conflicts_at(&mut self, anchor: GlobalId) -> bool {
        let named = self.merged.named(anchor);
        // Where units only declare it, all of them have one declaration.
        let Some(definition) = named.definition else { return false };
        let words = self.merged.words(anchor);
        let Some(kind) = Kind::of(words.third() as u32) else { return true };
        let base: &'b Btf = self.index.base();
        let Some(name) = self.in_base(words.name()) else { return false };
        let known: Vec<(TypeId, Type<'_>)> =
            self.index.named(name).filter_map(|id| Some((id, base.get(id)?))).collect();
        if kind.is_enum() {
            let enums = || known.iter().filter(|(_, ty)| ty.kind().is_enum());
            let declared = enums().any(|(_, ty)| ty.vlen() == 0);
            return declared || (named.forward.is_some() && enums().next().is_some());
        }
        let is_union = kind == Kind::Union;
        if known.iter().any(|(_, ty)| ty.kind() == Kind::Fwd && ty.flag() == is_union) {
            return true;
        }
        let definitions = || known.iter().filter(|(_, ty)| ty.kind() == kind);
        if named.forward.is_none() {
            // Which of several it is, is decided copy by copy.
            return definitions().filter(|(_, ty)| self.looks_like(definition, *ty)).count() > 1;
        }
        let others = known.iter().any(|(_, ty)| ty.kind().is_composite() && ty.kind() != kind);
        let mut definitions = definitions().map(|(id, _)| *id);
        match (definitions.next(), definitions.next()) {
            (None, _) => others,
            (Some(only), None) => others || !self.is(definition, only, 0),
            (Some(_), Some(_)) => true,
        }
    }

    /// Whether two structures are the same but for the types of their members.
    fn looks_like(&self, id: GlobalId, ty: Type<'_>) -> bool {
        let words = self.merged.words(id);
        let size = words.third() as u32;
        size == ty.size()
            && words.entries().len() == ty.vlen()
            && words.head().info().flag() == ty.flag()
            && words.entries().zip(ty.members()).all(|((name, _, offset), member)| {
                offset as u32 == member.offset && self.is_called(name, member.name)
            })
    }

    fn is_called(&self, name: StrKey, other: StrOff) -> bool {
        let mut buffer = [0; 8];
        let text = name.text(self.sections, self.prefix, &mut buffer);
        self.index.base().string(other) == Some(text)
    }

    /// Whether a class says what a type of the base does, up to names: what these stand for is asked
    /// for each name by itself.
    fn is(&mut self, id: GlobalId, base: TypeId, depth: u32) -> bool {
        if id == GlobalId::VOID || base == TypeId::VOID {
            return id == GlobalId::VOID && base == TypeId::VOID;
        }
        if let Some(known) = self.same.get(&(id, base)) {
            return *known;
        }
        let same = depth < DEPTH_MAX && self.compare(id, base, depth);
        self.same.insert((id, base), same);
        same
    }

    fn compare(&mut self, id: GlobalId, base: TypeId, depth: u32) -> bool {
        let btf: &'b Btf = self.index.base();
        let Some(ty) = btf.get(base) else { return false };
        let words = self.merged.words(id);
        if self.merged.is_anchor(id) {
            let Some(kind) = Kind::of(words.third() as u32) else { return false };
            let declared = if ty.flag() { Kind::Union } else { Kind::Struct };
            let of_kind = ty.kind() == kind || (ty.kind() == Kind::Fwd && declared == kind);
            return of_kind && self.is_called(words.name(), ty.name());
        }
        if words.kind() != ty.kind() || !self.is_called(words.name(), ty.name()) {
            return false;
        }
        let mut targets = self.merged.targets_by_key(id).into_iter();
        let mut next = || targets.next().unwrap_or(GlobalId::VOID);
        match ty.kind() {
            Kind::Struct | Kind::Union => {
                self.looks_like(id, ty)
                    && ty.members().all(|member| self.is(next(), member.type_id, depth + 1))
            }
            Kind::FuncProto => {
                let same = words.entries().len() == ty.vlen()
                    && words
                        .entries()
                        .zip(ty.params())
                        .all(|((name, ..), param)| self.is_called(name, param.name));
                same && self.is(next(), ty.target(), depth + 1)
                    && ty.params().all(|param| self.is(next(), param.type_id, depth + 1))
            }
            Kind::Array => {
                let len = words.entries().next().map_or(0, |entry| entry.1 as u32);
                ty.array().len == len && self.is(next(), ty.array().element, depth + 1)
            }
            Kind::Int => {
                let (size, encoding) = (words.third() as u32, (words.third() >> 32) as u32);
                ty.words().get(2) == Some(&size)
                    && ty.words().get(3) == Some(&((encoding << 24) | (size * 8)))
            }
            Kind::Float => ty.words().get(2) == Some(&(words.third() as u32)),
            Kind::Enum | Kind::Enum64 => {
                let flag = words.head().info().flag() == ty.flag();
                flag && self.same_values(id, ty)
            }
            _ => self.is(next(), ty.target(), depth + 1),
        }
    }

    fn same_values(&self, id: GlobalId, ty: Type<'_>) -> bool {
        let words = self.merged.words(id);
        let step = if ty.kind() == Kind::Enum64 { 3 } else { 2 };
        let values = ty.words().get(3..).unwrap_or_default().chunks_exact(step);
        words.third() as u32 == ty.size()
            && words.entries().len() == values.len()
            && words.entries().zip(values).all(|((name, value, _), other)| {
                let high = other.get(2).copied().unwrap_or(0);
                value == u64::from(high) << 32 | u64::from(other[1])
                    && self.is_called(name, StrOff(other[0]))
            })
    }
}

//! Deduplication with the semantics of libbpf's `btf__dedup` (as of v1.5, commit 374f7807), winner
//! by winner: every type that says the same as an earlier one goes, and forward declarations turn
//! into what they declare.
//!
//! ```text
//! prep       types of the base, all canonical      table
//! primitive  integers, enumerations, forwards      by content
//! composite  structures and unions                 by side-by-side walks of both graphs (equiv)
//! forwards   those still open, when the name is of one structure or union
//! reference  everything else, what it refers to first
//! compact    canonical types move together, ids follow
//! ```
//!
//! Which of several equal types stays, and which of several candidates a type is compared with
//! first, follows libbpf's data structures: see `table`. The walks are loops over a stack of
//! ours, so that no input is too deep, and `steps` counts them, so that none takes for ever.

mod equiv;
mod hash;
mod heads;
mod map;
mod steps;
mod table;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::{StrOff, TypeId, Types, map_refs};

use equiv::Hypothesis;
use map::{IN_PROGRESS, Map, UNPROCESSED, at};
use steps::{Steps, Stop};
use table::Table;

/// Why types cannot be deduplicated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DedupError {
    /// A type refers to itself, and no structure or union lies between.
    #[error("type {0} refers to itself without a structure in between")]
    Loop(TypeId),
    /// So many types look alike that to tell them apart would take for ever.
    #[error("too many types look alike: to compare each with each would take for ever")]
    Ambiguous,
    /// More types than this can tell apart: sixty times as many as BTF can have.
    #[error("there are too many types")]
    TooMany,
    /// A type refers to one that there is not.
    #[error("type {0} refers to a type that there is not")]
    Dangling(TypeId),
    /// A structure leads to a variable, a section or a tag.
    #[error("a structure leads to type {0}, which no member can have")]
    NoMember(TypeId),
}

impl From<Stop> for DedupError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::TooMany => DedupError::Ambiguous,
            Stop::NoMember(id) => DedupError::NoMember(TypeId(id)),
        }
    }
}

/// What each type is a duplicate of.
#[derive(Clone, Debug)]
pub struct Canonical {
    first: u32,
    /// By id, from the first one that is not the base's.
    own: Vec<TypeId>,
}

impl Canonical {
    /// The type that stays in the place of this one; itself when it stays, as all of a base do.
    pub fn resolve(&self, id: TypeId) -> TypeId {
        match id.0.checked_sub(self.first) {
            Some(place) => self.own[place as usize],
            None => id,
        }
    }

    /// Whether a type stays.
    pub fn stays(&self, id: TypeId) -> bool {
        self.resolve(id) == id
    }
}

/// What is asked of a base again and again, for every blob behind it: its types by what they say, and
/// what its names stand for.
#[derive(Clone, Debug)]
pub struct Index {
    base: Arc<Btf>,
    table: Arc<Table>,
    /// Structures, unions, declarations and enumerations by name, those that have one.
    named: Vec<(StrOff, TypeId)>,
    /// Structures and unions without a name.
    nameless: Many,
}

impl Index {
    /// Of a base, which may have one itself.
    pub fn new(base: Arc<Btf>) -> Index {
        let mut table = Table::with_capacity(base.types.last().index());
        let (mut named, mut nameless) = (Vec::new(), Many::None);
        for id in 1..=base.types.last().0 {
            let ty = at(&base, id);
            let kind = ty.kind();
            if !matches!(kind, Kind::Var | Kind::Datasec) {
                table.insert(hash::of(ty), id);
            }
            if ty.name() == StrOff::EMPTY {
                if kind.is_composite() {
                    nameless.add(TypeId(id));
                }
            } else if kind.is_composite() || kind.is_enum() || kind == Kind::Fwd {
                named.push((ty.name(), TypeId(id)));
            }
        }
        // As one word each, by which they are sorted in half the time.
        named.sort_unstable_by_key(|(name, id): &(StrOff, TypeId)| {
            u64::from(name.0) << 32 | u64::from(id.0)
        });
        Index { base, table: Arc::new(table), named, nameless }
    }

    /// Structures, unions, declarations and enumerations of that name, in order; of a name that is one.
    pub fn named(&self, name: StrOff) -> impl Iterator<Item = TypeId> + '_ {
        let start = self.named.partition_point(|entry| entry.0 < name);
        let these = self.named[start..].iter().take_while(move |entry| entry.0 == name);
        these.map(|entry| entry.1)
    }

    /// Every such name, with itself and each of its types in order.
    pub fn names(&self) -> impl Iterator<Item = (StrOff, &[(StrOff, TypeId)])> {
        self.named.chunk_by(|a, b| a.0 == b.0).map(|types| (types[0].0, types))
    }

    /// The structures and unions of that name: which, when there is only one.
    fn composite(&self, name: StrOff) -> Many {
        if name == StrOff::EMPTY {
            return self.nameless;
        }
        let mut all = Many::None;
        let composites = self.named(name).filter(|id| at(&self.base, id.0).kind().is_composite());
        composites.for_each(|id| all.add(id));
        all
    }

    /// What it is of.
    pub fn base(&self) -> &Arc<Btf> {
        &self.base
    }
}

/// How many types there are of one description, and which, when there is only one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Many {
    /// None.
    #[default]
    None,
    /// This one.
    One(TypeId),
    /// More.
    Several,
}

impl Many {
    /// One more.
    pub fn add(&mut self, id: TypeId) {
        *self = match self {
            Many::None => Many::One(id),
            Many::One(_) | Many::Several => Many::Several,
        };
    }
}

/// Memory that one deduplication needs and the next one can use.
#[derive(Debug, Default)]
pub struct Scratch {
    map: Map,
    table: Table,
    hypothesis: Hypothesis,
}

impl Btf {
    /// The same types, each once.
    ///
    /// # Errors
    /// When a chain of references ends nowhere, or too many types look alike.
    pub fn dedup(mut self) -> Result<Btf, DedupError> {
        let canonical = canonicalise(&mut self)?;
        let (types, _) = compact(&self, &canonical);
        Ok(self.with_types(types))
    }

    /// The same for one of many blobs behind one base.
    ///
    /// # Errors
    /// As [`dedup`](Self::dedup).
    ///
    /// # Panics
    /// When the index is of another base.
    pub fn dedup_behind(mut self, index: &Index, scratch: &mut Scratch) -> Result<Btf, DedupError> {
        let base = self.base().is_some_and(|base| Arc::ptr_eq(base, &index.base));
        assert!(base, "an index of another base");
        let canonical = settle(&mut self, Some(index), scratch)?;
        let (types, _) = compact(&self, &canonical);
        Ok(self.with_types(types))
    }
}

/// Finds out what each type is a duplicate of. References of types that only refer (pointers,
/// typedefs, arrays, prototypes, …) are resolved on the way; those of members are not yet.
///
/// # Errors
/// When a chain of references ends nowhere, too many types look alike, or a type leads to what it
/// cannot.
pub fn canonicalise(btf: &mut Btf) -> Result<Canonical, DedupError> {
    let index = btf.base().map(|base| Index::new(base.clone()));
    settle(btf, index.as_ref(), &mut Scratch::default())
}

fn settle(
    btf: &mut Btf,
    index: Option<&Index>,
    scratch: &mut Scratch,
) -> Result<Canonical, DedupError> {
    let last = btf.types.last();
    if last.0 > heads::KEYS_MAX {
        return Err(DedupError::TooMany);
    }
    for (id, ty) in btf.types.iter() {
        let mut dangling = false;
        ty.for_each_ref(|target| dangling |= target > last);
        if dangling {
            return Err(DedupError::Dangling(id));
        }
    }
    let mut dedup = Dedup::new(btf, index, scratch);
    dedup.primitives(btf)?;
    dedup.composites(btf)?;
    dedup.forwards(btf);
    dedup.references(btf)?;
    let first = first(btf);
    let own = (first..dedup.map.end()).map(|id| dedup.map.resolve(TypeId(id))).collect();
    Ok(Canonical { first, own })
}

struct Dedup<'d> {
    map: &'d mut Map,
    table: &'d mut Table,
    hypothesis: &'d mut Hypothesis,
    index: Option<&'d Index>,
    steps: Steps,
}

/// The first id that is ours.
fn first(btf: &Btf) -> u32 {
    btf.types.base().0 + 1
}

impl<'d> Dedup<'d> {
    /// Types of the base stay as they are, and may stand for ours.
    fn new(btf: &Btf, index: Option<&'d Index>, scratch: &'d mut Scratch) -> Dedup<'d> {
        let Scratch { map, table, hypothesis } = scratch;
        map.renew(first(btf), btf.types.last().0);
        table.renew(index.map(|index| index.table.clone()));
        hypothesis.renew(map.end());
        for (id, ty) in btf.types.iter() {
            if matches!(ty.kind(), Kind::Var | Kind::Datasec) {
                map.set(id.0, id.0);
            }
        }
        let mut words = btf.types.words().len();
        let mut base = btf.base();
        while let Some(btf) = base {
            words += btf.types.words().len();
            base = btf.base();
        }
        Dedup { map, table, hypothesis, index, steps: Steps::for_words(words) }
    }

    fn settle(&mut self, id: u32, found: Option<u32>, key: u64) {
        self.map.set(id, found.unwrap_or(id));
        if found.is_none() {
            self.table.insert(key, id);
        }
    }

    fn primitives(&mut self, btf: &Btf) -> Result<(), DedupError> {
        let mut candidates = Vec::new();
        for (TypeId(id), ty) in btf.types.iter() {
            let kind = ty.kind();
            if !matches!(kind, Kind::Int | Kind::Float | Kind::Fwd) && !kind.is_enum() {
                continue;
            }
            let key = hash::of(ty);
            let mut found = None;
            self.table.candidates(key, &mut candidates);
            for &other in &candidates {
                let candidate = at(btf, other);
                self.steps.compare(ty, candidate)?;
                if candidate.words() == ty.words() {
                    found = Some(other);
                    break;
                }
                if kind.is_enum() && hash::enums_compatible(ty, candidate) {
                    if ty.vlen() == 0 {
                        found = Some(other);
                        break;
                    }
                    // A declared enumeration that was first: it is this one now.
                    self.map.set(other, id);
                }
            }
            self.settle(id, found, key);
        }
        Ok(())
    }

    fn composites(&mut self, btf: &Btf) -> Result<(), DedupError> {
        let mut candidates = Vec::new();
        for (TypeId(id), ty) in btf.types.iter() {
            if !ty.kind().is_composite() || self.map.get(id) < IN_PROGRESS {
                continue;
            }
            let key = hash::of(ty);
            self.table.candidates(key, &mut candidates);
            let mut found = None;
            for &other in &candidates {
                let candidate = at(btf, other);
                self.steps.compare(ty, candidate)?;
                if hash::shallow_equal(ty, candidate)
                    && self.hypothesis.equivalent(btf, self.map, id, other, &mut self.steps)?
                    && self.hypothesis.apply(btf, self.map)
                {
                    found = Some(other);
                    break;
                }
            }
            self.settle(id, found, key);
        }
        Ok(())
    }

    /// A declaration that no walk resolved is what the one structure or union of its name is.
    fn forwards(&mut self, btf: &Btf) {
        // Structures of a base stay what they are.
        let mut names = FxHashMap::default();
        for (TypeId(id), ty) in btf.types.iter() {
            if ty.kind().is_composite() && self.map.get(id) == id {
                let of_base = || self.index.map_or(Many::None, |base| base.composite(ty.name()));
                let first = || if matches!(of_base(), Many::None) { id } else { 0 };
                names.entry(ty.name()).and_modify(|only| *only = 0).or_insert_with(first);
            }
        }
        for (TypeId(id), ty) in btf.types.iter() {
            if ty.kind() != Kind::Fwd || self.map.get(id) != id {
                continue;
            }
            let base = || match self.index?.composite(ty.name()) {
                Many::One(only) => Some(only.0),
                Many::None | Many::Several => None,
            };
            match names.get(&ty.name()).copied().or_else(base) {
                Some(only) if only != 0 && at(btf, only).kind() == equiv::declared(ty) => {
                    self.map.set(id, only);
                }
                _ => {}
            }
        }
    }

    fn references(&mut self, btf: &mut Btf) -> Result<(), DedupError> {
        let mut candidates = Vec::new();
        // A type and which of its references comes next.
        let mut stack: Vec<(u32, usize)> = Vec::new();
        for id in first(btf)..self.map.end() {
            if self.map.get(id) != UNPROCESSED {
                continue;
            }
            self.map.set(id, IN_PROGRESS);
            stack.push((id, 0));
            while let Some((id, next)) = stack.last_mut() {
                let place = hash::ref_place(at(btf, *id), *next);
                let Some(place) = place else {
                    let id = *id;
                    stack.pop();
                    self.settle_reference(btf, id, &mut candidates)?;
                    continue;
                };
                let target = at(btf, *id).words()[place];
                match self.map.get(target) {
                    UNPROCESSED => {
                        self.map.set(target, IN_PROGRESS);
                        stack.push((target, 0));
                    }
                    IN_PROGRESS => return Err(DedupError::Loop(TypeId(target))),
                    _ => {
                        let resolved = self.map.resolve(TypeId(target)).0;
                        btf.types.words_mut(TypeId(*id))[place] = resolved;
                        *next += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn settle_reference(
        &mut self,
        btf: &Btf,
        id: u32,
        candidates: &mut Vec<u32>,
    ) -> Result<(), DedupError> {
        let ty = at(btf, id);
        let key = hash::of(ty);
        let mut found = None;
        self.table.candidates(key, candidates);
        for &other in &*candidates {
            let candidate = at(btf, other);
            self.steps.compare(ty, candidate)?;
            // Equal words are equal types: of all kinds here nothing else counts.
            if candidate.words() == ty.words() {
                found = Some(other);
                break;
            }
        }
        self.settle(id, found, key);
        Ok(())
    }
}

/// What ids became of others.
#[derive(Clone, Debug)]
pub struct Ids {
    first: u32,
    /// By old id, from the first one that is not the base's.
    own: Vec<TypeId>,
}

impl Ids {
    /// The new id of an old one. Those of a base stay.
    pub fn get(&self, old: TypeId) -> TypeId {
        match old.0.checked_sub(self.first) {
            Some(place) => self.own[place as usize],
            None => old,
        }
    }
}

/// Only the types that stay, in their order, with the ids that follow from it; and the new id of
/// every old one.
pub fn compact(btf: &Btf, canonical: &Canonical) -> (Types, Ids) {
    let (first, base) = (first(btf), btf.types.base());
    let mut ids = vec![TypeId::VOID; canonical.own.len()];
    let mut next = first;
    for (id, new) in (first..).zip(&mut ids) {
        if canonical.stays(TypeId(id)) {
            *new = TypeId(next);
            next += 1;
        }
    }
    // What stays has its id by now.
    for (place, canonical) in canonical.own.iter().enumerate() {
        ids[place] = match canonical.0.checked_sub(first) {
            Some(own) => ids[own as usize],
            None => *canonical,
        };
    }
    let ids = Ids { first, own: ids };
    let mut types = Types::behind(base);
    types.reserve((next - first) as usize, btf.types.words().len());
    for (old, ty) in btf.types.iter() {
        if canonical.stays(old) {
            let new = types.push_words(ty.words());
            map_refs(types.words_mut(new), |old| ids.get(old));
        }
    }
    (types, ids)
}

#[cfg(test)]
mod tests;

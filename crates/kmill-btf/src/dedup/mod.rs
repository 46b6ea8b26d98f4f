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
mod map;
mod steps;
mod table;

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::{TypeId, Types, map_refs};

use equiv::Hypothesis;
use map::{IN_PROGRESS, UNPROCESSED, at, resolve};
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
    map: Vec<u32>,
}

impl Canonical {
    /// The type that stays in the place of this one; itself when it stays.
    pub fn resolve(&self, id: TypeId) -> TypeId {
        resolve(&self.map, id)
    }

    /// Whether a type stays.
    pub fn stays(&self, id: TypeId) -> bool {
        self.map[id.index()] == id.0
    }
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
}

/// Finds out what each type is a duplicate of. References of types that only refer (pointers,
/// typedefs, arrays, prototypes, …) are resolved on the way; those of members are not yet.
///
/// # Errors
/// When a chain of references ends nowhere, too many types look alike, or a type leads to what it
/// cannot.
pub fn canonicalise(btf: &mut Btf) -> Result<Canonical, DedupError> {
    let last = btf.types.last();
    for (id, ty) in btf.types.iter() {
        let mut dangling = false;
        ty.for_each_ref(|target| dangling |= target > last);
        if dangling {
            return Err(DedupError::Dangling(id));
        }
    }
    let mut dedup = Dedup::new(btf);
    dedup.base(btf);
    dedup.primitives(btf)?;
    dedup.composites(btf)?;
    dedup.forwards(btf);
    dedup.references(btf)?;
    Ok(Canonical { map: dedup.map })
}

struct Dedup {
    map: Vec<u32>,
    table: Table,
    hypothesis: Hypothesis,
    steps: Steps,
}

/// The first id that is ours.
fn first(btf: &Btf) -> u32 {
    btf.types.base().0 + 1
}

impl Dedup {
    fn new(btf: &Btf) -> Dedup {
        let count = btf.types.last().0 as usize + 1;
        let mut map = vec![UNPROCESSED; count];
        map[0] = 0;
        for (id, ty) in btf.types.iter() {
            if matches!(ty.kind(), Kind::Var | Kind::Datasec) {
                map[id.index()] = id.0;
            }
        }
        let (table, hypothesis) = (Table::default(), Hypothesis::new(count));
        let mut words = btf.types.words().len();
        let mut base = btf.base();
        while let Some(btf) = base {
            words += btf.types.words().len();
            base = btf.base();
        }
        Dedup { map, table, hypothesis, steps: Steps::for_words(words) }
    }

    /// Types of the base stay as they are, and may stand for ours.
    fn base(&mut self, btf: &Btf) {
        for id in 1..first(btf) {
            self.map[id as usize] = id;
            let ty = at(btf, id);
            if !matches!(ty.kind(), Kind::Var | Kind::Datasec) {
                self.table.insert(hash::of(ty), id);
            }
        }
    }

    fn settle(&mut self, id: u32, found: Option<u32>, key: u64) {
        self.map[id as usize] = found.unwrap_or(id);
        if found.is_none() {
            self.table.insert(key, id);
        }
    }

    fn primitives(&mut self, btf: &Btf) -> Result<(), DedupError> {
        for (TypeId(id), ty) in btf.types.iter() {
            let kind = ty.kind();
            if !matches!(kind, Kind::Int | Kind::Float | Kind::Fwd) && !kind.is_enum() {
                continue;
            }
            let key = hash::of(ty);
            let mut found = None;
            for other in self.table.candidates(key) {
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
                    self.map[other as usize] = id;
                }
            }
            self.settle(id, found, key);
        }
        Ok(())
    }

    fn composites(&mut self, btf: &Btf) -> Result<(), DedupError> {
        let mut candidates = Vec::new();
        for (TypeId(id), ty) in btf.types.iter() {
            if !ty.kind().is_composite() || self.map[id as usize] < IN_PROGRESS {
                continue;
            }
            let key = hash::of(ty);
            candidates.clear();
            candidates.extend(self.table.candidates(key));
            let mut found = None;
            for &other in &candidates {
                let candidate = at(btf, other);
                self.steps.compare(ty, candidate)?;
                if hash::shallow_equal(ty, candidate)
                    && self.hypothesis.equivalent(btf, &self.map, id, other, &mut self.steps)?
                    && self.hypothesis.apply(btf, &mut self.map)
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
        let mut names = rustc_hash::FxHashMap::default();
        for id in 1..self.map.len() as u32 {
            let ty = at(btf, id);
            if ty.kind().is_composite() && self.map[id as usize] == id {
                names.entry(ty.name()).and_modify(|only| *only = 0).or_insert(id);
            }
        }
        for (TypeId(id), ty) in btf.types.iter() {
            if ty.kind() != Kind::Fwd || self.map[id as usize] != id {
                continue;
            }
            match names.get(&ty.name()) {
                Some(&only) if only != 0 && at(btf, only).kind() == equiv::declared(ty) => {
                    self.map[id as usize] = only;
                }
                _ => {}
            }
        }
    }

    fn references(&mut self, btf: &mut Btf) -> Result<(), DedupError> {
        // A type and which of its references comes next.
        let mut stack: Vec<(u32, usize)> = Vec::new();
        for id in first(btf)..self.map.len() as u32 {
            if self.map[id as usize] != UNPROCESSED {
                continue;
            }
            self.map[id as usize] = IN_PROGRESS;
            stack.push((id, 0));
            while let Some((id, next)) = stack.last_mut() {
                let place = hash::ref_place(at(btf, *id), *next);
                let Some(place) = place else {
                    let id = *id;
                    stack.pop();
                    self.settle_reference(btf, id)?;
                    continue;
                };
                let target = at(btf, *id).words()[place];
                match self.map[target as usize] {
                    UNPROCESSED => {
                        self.map[target as usize] = IN_PROGRESS;
                        stack.push((target, 0));
                    }
                    IN_PROGRESS => return Err(DedupError::Loop(TypeId(target))),
                    _ => {
                        let resolved = resolve(&self.map, TypeId(target)).0;
                        btf.types.words_mut(TypeId(*id))[place] = resolved;
                        *next += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn settle_reference(&mut self, btf: &Btf, id: u32) -> Result<(), DedupError> {
        let ty = at(btf, id);
        let key = hash::of(ty);
        let mut found = None;
        for other in self.table.candidates(key) {
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

/// Only the types that stay, in their order, with the ids that follow from it; and the new id of
/// every old one.
pub fn compact(btf: &Btf, canonical: &Canonical) -> (Types, Vec<TypeId>) {
    let mut ids = vec![TypeId::VOID; canonical.map.len()];
    let mut next = first(btf);
    for id in 1..canonical.map.len() as u32 {
        if id < first(btf) {
            ids[id as usize] = TypeId(id);
        } else if canonical.stays(TypeId(id)) {
            ids[id as usize] = TypeId(next);
            next += 1;
        }
    }
    // A chain ends in a type that stays, which has its id by now.
    for id in first(btf)..canonical.map.len() as u32 {
        ids[id as usize] = ids[canonical.resolve(TypeId(id)).index()];
    }
    let mut types = Types::behind(btf.types.base());
    types.reserve((next - first(btf)) as usize, btf.types.words().len());
    for (id, ty) in btf.types.iter() {
        if canonical.stays(id) {
            let id = types.push_words(ty.words());
            map_refs(types.words_mut(id), |target| ids[target.index()]);
        }
    }
    (types, ids)
}

#[cfg(test)]
mod tests;

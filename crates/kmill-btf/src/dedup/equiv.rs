//! Whether the graph behind one structure is the graph behind another: both are walked side by
//! side, and what must hold for them to be equal is a hypothesis that is made along the way.
//!
//! The walk goes depth first and in the order of members, as libbpf's recursion does: the order
//! decides which pairs a hypothesis has when another pair is met, and which declarations are
//! resolved to what.

use rustc_hash::FxHashSet;

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::{Type, TypeId};

use super::hash::{enums_compatible, shallow_equal};
use super::map::{IN_PROGRESS, Map, at};
use super::steps::{Steps, Stop};

/// Nothing assumed about a type.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
pub(super) struct Hypothesis {
    /// For a type of the canonical graph, the one of the candidate's that it must equal.
    pairs: Vec<u32>,
    /// Types of the canonical graph that have a pair, in the order of the walk.
    order: Vec<u32>,
    /// A declaration in the base would have to become a structure of ours: no base changes, so
    /// the two are different after all.
    changes_base: bool,
    stack: Vec<(u32, u32)>,
}

/// What a declaration declares.
pub(super) fn declared(forward: Type<'_>) -> Kind {
    if forward.flag() { Kind::Union } else { Kind::Struct }
}

impl Hypothesis {
    /// Nothing is assumed of so many types.
    pub(super) fn renew(&mut self, types: u32) {
        for canon in self.order.drain(..) {
            self.pairs[canon as usize] = NONE;
        }
        self.pairs.resize(types as usize, NONE);
    }

    /// Whether candidate `id` can be canonical `canon`, given what is mapped.
    pub(super) fn equivalent(
        &mut self,
        btf: &Btf,
        map: &Map,
        id: u32,
        canon: u32,
        steps: &mut Steps,
    ) -> Result<bool, Stop> {
        for canon in self.order.drain(..) {
            self.pairs[canon as usize] = NONE;
        }
        self.changes_base = false;
        self.stack.clear();
        self.stack.push((id, canon));
        while let Some((id, canon)) = self.stack.pop() {
            if !self.pair(btf, map, id, canon, steps)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks at one pair; the pairs behind it go on the stack, last one first.
    fn pair(
        &mut self,
        btf: &Btf,
        map: &Map,
        id: u32,
        canon: u32,
        steps: &mut Steps,
    ) -> Result<bool, Stop> {
        steps.take(1)?;
        if map.resolve(TypeId(id)) == map.resolve(TypeId(canon)) {
            return Ok(true);
        }
        // Only on the canonical side: a candidate's declarations stay what they are.
        let canon = follow_forward(btf, map, canon);
        let assumed = self.pairs[canon as usize];
        if assumed != NONE {
            return Ok(assumed == id || identical(btf, assumed, id, steps)?);
        }
        self.pairs[canon as usize] = id;
        self.order.push(canon);

        // `void` is nobody's equal here: both `void` resolve to the same above.
        let (Some(a), Some(b)) = (btf.get(TypeId(id)), btf.get(TypeId(canon))) else {
            return Ok(false);
        };
        if a.name() != b.name() {
            return Ok(false);
        }
        if a.kind() != b.kind() {
            return Ok(self.declares(btf, a, b, canon));
        }
        // libbpf has no rule for these, and ends.
        if matches!(a.kind(), Kind::Var | Kind::Datasec | Kind::DeclTag) {
            return Err(Stop::NoMember(id));
        }
        steps.compare(a, b)?;
        Ok(self.same_kind(a, b))
    }

    /// Whether one of two types of different kinds is a declaration of the other.
    fn declares(&mut self, btf: &Btf, a: Type<'_>, b: Type<'_>, canon: u32) -> bool {
        match (a.kind(), b.kind()) {
            (Kind::Fwd, kind) => declared(a) == kind,
            (kind, Kind::Fwd) => {
                let same = declared(b) == kind;
                self.changes_base |= same && canon <= btf.types.base().0;
                same
            }
            _ => false,
        }
    }

    /// Compares two types of one kind and name, but for what they refer to.
    fn same_kind(&mut self, a: Type<'_>, b: Type<'_>) -> bool {
        match a.kind() {
            Kind::Int | Kind::Fwd | Kind::Float => a.words() == b.words(),
            Kind::Enum | Kind::Enum64 => enums_compatible(a, b),
            Kind::Array => {
                let (of_a, of_b) = (a.array(), b.array());
                let same = a.info() == b.info() && a.size() == b.size() && of_a.len == of_b.len;
                self.stack.push((of_a.element.0, of_b.element.0));
                self.stack.push((of_a.index.0, of_b.index.0));
                same
            }
            Kind::Struct | Kind::Union => {
                let same = shallow_equal(a, b);
                if same {
                    let members = a.members().zip(b.members());
                    self.stack.extend(members.rev().map(|(a, b)| (a.type_id.0, b.type_id.0)));
                }
                same
            }
            Kind::FuncProto => {
                let same = a.info() == b.info()
                    && a.params().zip(b.params()).all(|(a, b)| a.name == b.name);
                let params = a.params().zip(b.params());
                self.stack.extend(params.rev().map(|(a, b)| (a.type_id.0, b.type_id.0)));
                self.stack.push((a.target().0, b.target().0));
                same
            }
            Kind::Var | Kind::Datasec | Kind::DeclTag => false,
            _ => {
                self.stack.push((a.target().0, b.target().0));
                a.info() == b.info()
            }
        }
    }

    /// After two graphs turned out equal: records what declarations are, and which structures
    /// inside them are duplicates too. Says whether the two are one.
    pub(super) fn apply(&self, btf: &Btf, map: &mut Map) -> bool {
        for &canon in &self.order {
            let id = map.resolve(TypeId(self.pairs[canon as usize])).0;
            let canon = map.resolve(TypeId(canon)).0;
            let (Some(a), Some(b)) = (btf.get(TypeId(id)), btf.get(TypeId(canon))) else {
                continue;
            };
            let (of_a, of_b) = (a.kind(), b.kind());
            if of_a != Kind::Fwd && of_b == Kind::Fwd {
                map.set(canon, id);
            }
            if self.changes_base {
                continue;
            }
            if of_a == Kind::Fwd && of_b != Kind::Fwd {
                map.set(id, canon);
            }
            let mapped = |id: u32| map.get(id) < IN_PROGRESS;
            if of_a.is_composite() && of_b != Kind::Fwd && mapped(canon) && !mapped(id) {
                map.set(id, canon);
            }
        }
        !self.changes_base
    }
}

/// What a declaration was resolved to; anything else, and an open declaration, is itself.
fn follow_forward(btf: &Btf, map: &Map, id: u32) -> u32 {
    let kind = |id: u32| btf.get(TypeId(id)).map(Type::kind);
    if kind(id) != Some(Kind::Fwd) {
        return id;
    }
    let resolved = map.resolve(TypeId(id)).0;
    if kind(resolved) == Some(Kind::Fwd) { id } else { resolved }
}

/// Compilers describe some types more than once in a unit. Two such copies count as one when they
/// are the same to the ids that they refer to, and only arrays, structures and pointers are asked.
fn identical(btf: &Btf, a: u32, b: u32, steps: &mut Steps) -> Result<bool, Stop> {
    if a == 0 || b == 0 {
        return Ok(false);
    }
    let (first, second) = (at(btf, a), at(btf, b));
    match (first.kind(), second.kind()) {
        (Kind::Array, Kind::Array) => Ok(first.words() == second.words()),
        (Kind::Ptr, Kind::Ptr) => Ok(first.target() == second.target()),
        _ => identical_structs(btf, a, b, steps),
    }
}

/// All pairs behind two structures must be the same, so each is looked at once: structures that
/// have another one twice would double the work at every level.
fn identical_structs(btf: &Btf, a: u32, b: u32, steps: &mut Steps) -> Result<bool, Stop> {
    let mut seen = FxHashSet::default();
    let mut pairs = vec![(a, b)];
    while let Some((a, b)) = pairs.pop() {
        if a == 0 || b == 0 {
            return Ok(false);
        }
        let (a, b) = (at(btf, a), at(btf, b));
        steps.compare(a, b)?;
        if !a.kind().is_composite() || a.kind() != b.kind() || !shallow_equal(a, b) {
            return Ok(false);
        }
        for (a, b) in a.members().zip(b.members()) {
            let (a, b) = (a.type_id.0, b.type_id.0);
            if a != b && !same_arrays(btf, a, b) && seen.insert((a, b)) {
                pairs.push((a, b));
            }
        }
    }
    Ok(true)
}

fn same_arrays(btf: &Btf, a: u32, b: u32) -> bool {
    let array = |id| btf.get(TypeId(id)).filter(|ty| ty.kind() == Kind::Array);
    match (array(a), array(b)) {
        (Some(a), Some(b)) => a.words() == b.words(),
        _ => false,
    }
}

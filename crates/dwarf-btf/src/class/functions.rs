//! Functions onto types that are final: each that is certain, with its prototype once.
//!
//! It is what [`serial::functions`](crate::serial::functions) and a deduplication of everything
//! would give: prototypes come last in the order of ids, so that an equal one among the types
//! stays, and else the first.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use kmill_btf::format::{Info, linkage};
use kmill_btf::{Btf, Kind, StrOff, TypeId};
use rustc_hash::FxBuildHasher;

use crate::class::graph::Again;
use crate::class::lane::Lane;
use crate::class::merge::Merged;
use crate::class::reduce::Reduced;
use crate::class::states::{State, States};
use crate::elf::functions::{ElfFunction, ElfFunctions, FunctionId};
use crate::elf::kfuncs;
use crate::features::Features;
use crate::serial::functions::types_match;

/// A state, and where it and its parts are.
#[derive(Clone, Copy)]
struct Said<'l> {
    lane: usize,
    number: u32,
    states: &'l States,
    state: &'l State,
}

/// What states are resolved with.
pub(crate) struct Types<'c, 'l> {
    pub(crate) merged: &'c Merged<'l>,
    pub(crate) again: &'c [Again],
    pub(crate) reduced: &'c Reduced,
    /// By id on the stream: the final one.
    pub(crate) ids: &'c [TypeId],
}

/// The functions that units have states of, in the order of their names.
pub(crate) fn named(merged: &Merged<'_>, functions: &ElfFunctions<'_>) -> Vec<FunctionId> {
    let all = (0..functions.all.len() as u32).map(FunctionId);
    let known = |id: &FunctionId| merged.lanes.iter().any(|lane| lane.states.of(*id).next().is_some());
    let mut named: Vec<FunctionId> = all.filter(known).collect();
    functions.sort(&mut named);
    named
}

/// Whether a function has pointers whose types are changed: a matter for the serial way.
pub(crate) fn has_arenas(functions: &ElfFunctions<'_>, features: &Features) -> bool {
    const ARENA: u32 = kfuncs::ARENA_RET | kfuncs::ARENA_ARG1 | kfuncs::ARENA_ARG2;
    let flagged = |function: &ElfFunction<'_>| function.kfunc.is_some_and(|flags| flags & ARENA != 0);
    features.attributes && features.decl_tag_kfuncs && functions.all.iter().any(flagged)
}

/// Appends them.
pub(crate) fn encode(
    btf: &mut Btf,
    named: &[FunctionId],
    types: &Types<'_, '_>,
    functions: &ElfFunctions<'_>,
    features: &Features,
) {
    let mut prototypes = Prototypes::of(btf, named.len());
    let mut states: Vec<Said<'_>> = Vec::new();
    let mut words = Vec::new();
    btf.types.reserve(named.len() * 2, named.len() * 14);
    for &id in named {
        states.clear();
        for (lane, Lane { states: all, .. }) in types.merged.lanes.iter().enumerate() {
            let said = |(number, state)| Said { lane, number, states: all, state };
            states.extend(all.of(id).map(said));
        }
        states.sort_unstable_by_key(|said| (said.state.unit, said.state.index));
        let elf = functions.get(id);
        words.clear();
        let result = types.words(states[0], &mut words);
        if features.consistent_func && !types.certain(btf, elf, &states, result, &words) {
            continue;
        }
        let prototype = prototypes.add(btf, result, &words);
        let name = btf.add_string(elf.name);
        let info = Info::new(Kind::Func, false, linkage::STATIC);
        let function = btf.types.push(name, info, prototype.0, &[]);
        tags(btf, function, elf, features, types, states[0]);
    }
}

fn tags(
    btf: &mut Btf,
    function: TypeId,
    elf: &ElfFunction<'_>,
    features: &Features,
    types: &Types<'_, '_>,
    said: Said<'_>,
) {
    let mut tags: Vec<(StrOff, i32)> = Vec::new();
    let flags = elf.kfunc.filter(|_| features.decl_tag_kfuncs && features.decl_tag);
    if let Some(flags) = flags {
        tags.push((btf.add_string(b"bpf_kfunc"), -1));
        if flags & kfuncs::FASTCALL != 0 {
            tags.push((btf.add_string(b"bpf_fastcall"), -1));
        }
    }
    let annotations = said.states.annotations(said.state).iter();
    tags.extend(annotations.map(|(value, component)| (types.reduced.names.get(*value), *component)));
    for (index, &(value, component)) in tags.iter().enumerate() {
        if !tags[..index].contains(&(value, component)) {
            let info = Info::new(Kind::DeclTag, false, 0);
            btf.types.push(value, info, function.0, &[component as u32]);
        }
    }
}

impl Types<'_, '_> {
    /// The final id of a type of the stream.
    fn last(&self, id: TypeId) -> TypeId {
        self.ids[id.index()]
    }

    /// Appends the parameters of a state, two words each. Says what it returns.
    fn words(&self, said: Said<'_>, words: &mut Vec<u32>) -> TypeId {
        let Types { merged, reduced, .. } = self;
        let state = said.state;
        let params = said.states.params(state);
        let classes = said.states.classes(state);
        let result = merged.global(said.lane, said.states.result(said.number));
        let name = |index: usize| reduced.names.get(params[index].0).0;
        let start = words.len();
        let mut uncertain = merged.is_uncertain(result);
        for (index, class) in classes.iter().enumerate() {
            let class = merged.global(said.lane, *class);
            uncertain |= merged.is_uncertain(class);
            words.extend([name(index), self.last(reduced.class(merged, class)).0]);
        }
        if uncertain {
            let read = self.again.binary_search_by_key(&state.unit, |read| read.number);
            let read = read.ok().map(|index| &self.again[index]);
            let function = read.and_then(|read| Some((read, read.functions.get(&state.index)?)));
            if let Some((read, function)) = function {
                // Variable arguments have no type, and no node.
                for (place, node) in words[start..].chunks_exact_mut(2).zip(&function.params) {
                    place[1] = self.last(reduced.in_unit(merged, read, *node)).0;
                }
                return self.last(reduced.in_unit(merged, read, function.result));
            }
        }
        self.last(reduced.class(merged, result))
    }

    /// Whether a function has one prototype, and arrives where callers think.
    fn certain(
        &self,
        btf: &Btf,
        elf: &ElfFunction<'_>,
        states: &[Said<'_>],
        result: TypeId,
        words: &[u32],
    ) -> bool {
        let flagged = |said: &Said<'_>| {
            said.state.unexpected_register || said.state.uncertain_location
        };
        if elf.ambiguous || states.iter().any(flagged) {
            return false;
        }
        let mut others = Vec::new();
        states[1..].iter().all(|said| {
            others.clear();
            let other = self.words(*said, &mut others);
            let mut params = words.chunks_exact(2).zip(others.chunks_exact(2));
            words.len() == others.len()
                && types_match(btf, result, other)
                && params.all(|(a, b)| types_match(btf, TypeId(a[1]), TypeId(b[1])))
        })
    }
}

/// Prototypes by what they say.
struct Prototypes {
    table: HashTable<TypeId>,
}

fn hash(result: u32, params: &[u32]) -> u64 {
    FxBuildHasher.hash_one((result, params))
}

/// What a prototype on the list says.
fn said(btf: &Btf, id: TypeId) -> (u32, &[u32]) {
    let words = btf.get(id).map_or(&[][..], |ty| ty.words());
    (words.get(2).copied().unwrap_or(0), words.get(3..).unwrap_or_default())
}

impl Prototypes {
    fn of(btf: &Btf, more: usize) -> Prototypes {
        let mut table = HashTable::with_capacity(more);
        let rehash = |id: &TypeId| {
            let (result, params) = said(btf, *id);
            hash(result, params)
        };
        for (id, _) in btf.types.iter().filter(|(_, ty)| ty.kind() == Kind::FuncProto) {
            table.insert_unique(rehash(&id), id, rehash);
        }
        Prototypes { table }
    }

    /// The prototype that says this, appended when there is none.
    fn add(&mut self, btf: &mut Btf, result: TypeId, params: &[u32]) -> TypeId {
        let found = self.table.entry(
            hash(result.0, params),
            |id| said(btf, *id) == (result.0, params),
            |id| {
                let (result, params) = said(btf, *id);
                hash(result, params)
            },
        );
        match found {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                let id = TypeId(btf.types.last().0 + 1);
                place.insert(id);
                crate::serial::stream::push_prototype(btf, result, params)
            }
        }
    }
}

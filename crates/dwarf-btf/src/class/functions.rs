//! Functions onto types that are final: each that is certain, with its prototype once.
//!
//! It is what [`serial::functions`](crate::serial::functions) and a deduplication of everything
//! would give: prototypes come last in the order of ids, so that an equal one among the types
//! stays, and else the first.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use kmill_btf::dedup::Ids;
use kmill_btf::format::{Info, linkage};
use kmill_btf::{Btf, Kind, StrOff, TypeId};
use padata::{Pool, Weight};
use rustc_hash::FxBuildHasher;

use crate::class::graph::Again;
use crate::class::lane::Lane;
use crate::class::merge::{GlobalId, Merged};
use crate::class::reduce::{Names, Reduced};
use crate::class::states::{State, States};
use crate::class::table::ClassId;
use crate::elf::functions::{ElfFunction, ElfFunctions, FunctionId};
use crate::elf::kfuncs;
use crate::features::Features;
use crate::serial::functions::{signatures_match, types_match};
use crate::signature::choice::{self, Candidate, Chosen, Rules};

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
    pub(crate) names: &'c Names,
    /// By id on the stream: the final one.
    ids: &'c Ids,
    /// By lane and class: the final id, or [`UNCERTAIN`].
    finals: Vec<Vec<TypeId>>,
}

/// Not one type for all units.
const UNCERTAIN: TypeId = TypeId(u32::MAX);

/// The functions that units have states of, in the order of their names.
pub(crate) fn named(merged: &Merged<'_>, functions: &ElfFunctions<'_>) -> Vec<FunctionId> {
    let all = (0..functions.all.len() as u32).map(FunctionId);
    let known =
        |id: &FunctionId| merged.lanes.iter().any(|lane| lane.states.of(*id).next().is_some());
    let mut named: Vec<FunctionId> = all.filter(known).collect();
    functions.sort(&mut named);
    named
}

/// Whether a function has pointers whose types are changed: a matter for the serial way.
pub(crate) fn has_arenas(functions: &ElfFunctions<'_>, features: &Features) -> bool {
    const ARENA: u32 = kfuncs::ARENA_RET | kfuncs::ARENA_ARG1 | kfuncs::ARENA_ARG2;
    let flagged =
        |function: &ElfFunction<'_>| function.kfunc.is_some_and(|flags| flags & ARENA != 0);
    features.attributes && features.decl_tag_kfuncs && functions.all.iter().any(flagged)
}

/// Functions that are looked at together.
const PIECE: usize = 1024;

/// The prototypes of a piece of the functions: whether each is encoded, and in what words.
struct Piece {
    /// Nothing when it is left out.
    prototypes: Vec<Option<Prototype>>,
    /// Two words for each parameter.
    words: Vec<u32>,
}

/// A prototype that is encoded: what it returns, and where its parameters end.
#[derive(Clone, Copy)]
struct Prototype {
    result: TypeId,
    end: u32,
    chosen: Chosen,
}

/// Appends them.
pub(crate) fn encode(
    pool: &Pool,
    btf: &mut Btf,
    named: &[FunctionId],
    types: &Types<'_, '_>,
    functions: &ElfFunctions<'_>,
    features: &Features,
) {
    let pieces: Vec<&[FunctionId]> = named.chunks(PIECE).collect();
    let read = pool.map(
        &pieces,
        |piece| piece.len() as u64,
        Weight::UNLIMITED,
        || (),
        |piece, ()| types.piece(btf, piece, functions, features),
    );
    let mut prototypes = Prototypes::of(btf, named.len());
    let words: usize = read.iter().map(|piece| piece.words.len()).sum();
    btf.types.reserve(named.len() * 2, named.len() * 6 + words);
    for (ids, piece) in pieces.into_iter().zip(read) {
        let mut start = 0;
        for (&id, prototype) in ids.iter().zip(piece.prototypes) {
            let Some(Prototype { result, end, chosen }) = prototype else { continue };
            let words = &piece.words[start as usize..end as usize];
            start = end;
            let prototype = prototypes.add(btf, result, words);
            let elf = functions.get(id);
            let symbols = functions.symbols.as_ref();
            let suffixed = chosen.suffixed.and_then(|id| Some(symbols?.name(id)));
            let name = btf.add_string(suffixed.unwrap_or(elf.name));
            let info = Info::new(Kind::Func, false, linkage::STATIC);
            let function = btf.types.push(name, info, prototype.0, &[]);
            tags(btf, function, (elf, chosen), features, types, id);
        }
    }
}

fn tags(
    btf: &mut Btf,
    function: TypeId,
    (elf, chosen): (&ElfFunction<'_>, Chosen),
    features: &Features,
    types: &Types<'_, '_>,
    id: FunctionId,
) {
    let mut tags: Vec<(StrOff, i32)> = Vec::new();
    let is_own = chosen.suffixed.is_none();
    let flags = elf.kfunc.filter(|_| features.decl_tag_kfuncs && features.decl_tag && is_own);
    if let Some(flags) = flags {
        tags.push((btf.add_string(b"bpf_kfunc"), -1));
        if flags & kfuncs::FASTCALL != 0 {
            tags.push((btf.add_string(b"bpf_fastcall"), -1));
        }
    }
    if types.merged.lanes.iter().any(|lane| lane.states.any_annotations()) {
        let states = types.states(id);
        let said = states[chosen.state];
        let annotations = said.states.annotations(said.state).iter();
        let names = types.names;
        tags.extend(annotations.map(|(value, component)| (names.get(*value), *component)));
    }
    for (index, &(value, component)) in tags.iter().enumerate() {
        if !tags[..index].contains(&(value, component)) {
            let info = Info::new(Kind::DeclTag, false, 0);
            btf.types.push(value, info, function.0, &[component as u32]);
        }
    }
}

impl<'c, 'l> Types<'c, 'l> {
    pub(crate) fn new(
        merged: &'c Merged<'l>,
        again: &'c [Again],
        reduced: &'c Reduced,
        names: &'c Names,
        ids: &'c Ids,
    ) -> Self {
        let all: Vec<TypeId> = (0..merged.all.len() as u32)
            .map(GlobalId)
            .map(|id| match merged.is_uncertain(id) {
                true => UNCERTAIN,
                false => ids.get(reduced.class(merged, id)),
            })
            .collect();
        let finals = (0..merged.lanes.len())
            .map(|lane| merged.locals(lane).iter().map(|id| all[id.index()]).collect());
        Types { merged, again, reduced, names, ids, finals: finals.collect() }
    }

    /// The final id of a class of a lane.
    fn of_class(&self, lane: usize, class: ClassId) -> TypeId {
        match class {
            ClassId::VOID => TypeId::VOID,
            class => self.finals[lane][class.index()],
        }
    }

    /// What all units say of a function, in their order.
    fn states(&self, id: FunctionId) -> Vec<Said<'l>> {
        let mut states = Vec::new();
        for (lane, Lane { states: all, .. }) in self.merged.lanes.iter().enumerate() {
            let said = |(number, state)| Said { lane, number, states: all, state };
            states.extend(all.of(id).map(said));
        }
        states.sort_unstable_by_key(|said| (said.state.unit, said.state.index));
        states
    }

    fn piece(
        &self,
        btf: &Btf,
        ids: &[FunctionId],
        functions: &ElfFunctions<'_>,
        features: &Features,
    ) -> Piece {
        let mut piece = Piece { prototypes: Vec::with_capacity(ids.len()), words: Vec::new() };
        for &id in ids {
            let states = self.states(id);
            let start = piece.words.len();
            if functions.symbols.is_some() {
                let chosen = self.choose(btf, functions.get(id), &states, features);
                piece.prototypes.push(chosen.map(|chosen| {
                    let result = self.words(states[chosen.state], &mut piece.words);
                    Prototype { result, end: piece.words.len() as u32, chosen }
                }));
                continue;
            }
            let result = self.words(states[0], &mut piece.words);
            let words = &piece.words[start..];
            let elf = functions.get(id);
            let encoded =
                !features.consistent_func || self.certain(btf, elf, &states, result, words);
            if !encoded {
                piece.words.truncate(start);
            }
            let chosen = Chosen { state: 0, suffixed: None };
            let end = piece.words.len() as u32;
            piece.prototypes.push(encoded.then_some(Prototype { result, end, chosen }));
        }
        piece
    }

    /// The final id of a type of the stream.
    fn last(&self, id: TypeId) -> TypeId {
        self.ids.get(id)
    }

    /// Appends the parameters of a state, two words each. Says what it returns.
    fn words(&self, said: Said<'_>, words: &mut Vec<u32>) -> TypeId {
        let Types { merged, reduced, .. } = self;
        let state = said.state;
        let params = said.states.params(state);
        let classes = said.states.classes(state);
        let result = self.of_class(said.lane, said.states.result(said.number));
        let start = words.len();
        let mut uncertain = result == UNCERTAIN;
        for (param, class) in params.iter().zip(classes) {
            let ty = self.of_class(said.lane, *class);
            uncertain |= ty == UNCERTAIN;
            words.extend([self.names.get(param.0).0, ty.0]);
        }
        if !uncertain {
            return result;
        }
        let read = self.again.binary_search_by_key(&state.unit, |read| read.number);
        let read = read.ok().map(|index| &self.again[index]);
        let function = read.and_then(|read| Some((read, read.functions.get(&state.index)?)));
        let Some((read, function)) = function else { return TypeId::VOID };
        // Variable arguments have no type, and no node.
        for (place, node) in words[start..].chunks_exact_mut(2).zip(&function.params) {
            place[1] = self.last(reduced.in_unit(merged, read, *node)).0;
        }
        self.last(reduced.in_unit(merged, read, function.result))
    }

    /// The state that is encoded when the signatures that the compiler has left count.
    fn choose(
        &self,
        btf: &Btf,
        elf: &ElfFunction<'_>,
        states: &[Said<'_>],
        features: &Features,
    ) -> Option<Chosen> {
        let candidates: Vec<Candidate> = states
            .iter()
            .map(|said| Candidate {
                unexpected_register: said.state.unexpected_register,
                uncertain_location: said.state.uncertain_location,
                standing: said.state.standing,
            })
            .collect();
        let rules = Rules { consistent: features.consistent_func, ambiguous: elf.ambiguous };
        let (mut words, mut others) = (Vec::new(), Vec::new());
        let result = self.words(states[0], &mut words);
        choice::choose(&candidates, rules, |index| {
            others.clear();
            let other = self.words(states[index], &mut others);
            signatures_match(btf, (result, &words), (other, &others))
        })
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
        let flagged =
            |said: &Said<'_>| said.state.unexpected_register || said.state.uncertain_location;
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

//! From classes to a stream of types that deduplicates to the same as the stream of all types.
//!
//! A certain class is on it once, where its winner is. Of an uncertain one every copy is, with
//! what it refers to in its own unit. So libbpf's rules have before them all that they could
//! decide on, and nothing else.

use kmill_btf::format::Info;
use kmill_btf::{Btf, Kind, StrOff, TypeId, Types};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::class::graph::{Again, Node};
use crate::class::key::{Head, Key, StrKey};
use crate::class::lane::{Lane, Variable};
use crate::class::merge::{Collision, GlobalId, Merged};
use crate::class::table::Position;
use crate::class::words::Words;
use crate::dwarf::sections::Sections;
use crate::signature::facts::joined;

/// Something that has a place on the stream.
#[derive(Clone, Copy, Debug)]
enum Item {
    Class(GlobalId),
    /// A copy: index of the unit read again, and type.
    Copy(u32, Node),
    /// Lane and index.
    Tag(u32, u32),
    Variable(u32, u32),
}

/// What comes first within a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Type,
    Tag,
    Function,
    Variable,
}

type Place = (u32, Phase, u32);

/// The stream, and where everything is on it.
pub(crate) struct Reduced {
    pub(crate) btf: Btf,
    /// By class; those that are uncertain have none.
    ids: Vec<TypeId>,
    copies: Vec<Vec<TypeId>>,
    again: FxHashMap<u32, u32>,
    /// Each variable's id, by lane.
    pub(crate) variables: Vec<Vec<TypeId>>,
}

/// Offsets of strings by key.
#[derive(Debug, Default)]
pub(crate) struct Names {
    offsets: FxHashMap<StrKey, StrOff>,
}

/// What stands for names on the stream.
pub(crate) trait Naming {
    fn name(&mut self, key: StrKey) -> StrOff;
}

impl Naming for &Names {
    fn name(&mut self, key: StrKey) -> StrOff {
        self.get(key)
    }
}

impl Names {
    pub(crate) fn get(&self, key: StrKey) -> StrOff {
        self.offsets.get(&key).copied().unwrap_or_default()
    }
}

/// The integer that arrays are indexed with, where it is; nothing when there is no array. An array
/// in front of every `int` gets one of the reference's making: a matter for the serial path.
fn index(lanes: &[Lane]) -> Result<Option<(Position, Key)>, Collision> {
    let int = lanes.iter().filter_map(|lane| lane.int).min_by_key(|int| int.0);
    let array = lanes.iter().filter_map(|lane| lane.array).min();
    match (int, array) {
        (_, None) => Ok(None),
        (Some(int), Some(array)) if int.0.unit <= array => Ok(Some(int)),
        _ => Err(Collision),
    }
}

/// Numbers for names, for as long as their places in the blob are not known.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    numbers: FxHashMap<StrKey, u32>,
    keys: Vec<StrKey>,
}

impl Naming for Numbers {
    fn name(&mut self, key: StrKey) -> StrOff {
        let Numbers { numbers, keys } = self;
        let number = *numbers.entry(key).or_insert_with(|| {
            keys.push(key);
            keys.len() as u32 - 1
        });
        StrOff(number)
    }
}

impl Numbers {
    /// With room for the names of so many classes.
    pub(crate) fn new(classes: usize) -> Numbers {
        let mut numbers = Numbers::default();
        numbers.numbers.reserve(2 * classes);
        numbers.name(StrKey::NONE);
        numbers
    }

    /// By number, where each name is.
    pub(crate) fn places(&self, names: &Names) -> Vec<StrOff> {
        self.keys.iter().map(|key| names.get(*key)).collect()
    }
}

/// Adds every string, in the order in which the reference comes by.
pub(crate) fn names(
    merged: &Merged<'_>,
    btf: &mut Btf,
    sections: &Sections<'_>,
    prefix: Option<&[u8]>,
) -> Result<Names, Collision> {
    #[derive(Clone, Copy)]
    enum Source {
        Class(GlobalId),
        Tag(u32, u32),
        State(u32, u32),
        Variable(u32, u32),
    }
    let mut sources: Vec<(Place, Source)> = Vec::new();
    for id in (0..merged.all.len() as u32).map(GlobalId) {
        let global = &merged.all[id.index()];
        // The base has all names of what it has.
        if !merged.is_anchor(id) && global.base == TypeId::VOID {
            let place = (global.winner.unit, Phase::Type, global.first);
            sources.push((place, Source::Class(id)));
        }
    }
    for (number, lane) in merged.lanes.iter().enumerate() {
        let number = number as u32;
        for (index, tag) in (0..).zip(&lane.tags) {
            sources.push(((tag.unit, Phase::Tag, tag.index), Source::Tag(number, index)));
        }
        for (index, state) in (0..).zip(lane.states.all()) {
            let place = (state.unit, Phase::Function, state.index);
            sources.push((place, Source::State(number, index)));
        }
        for (index, variable) in (0..).zip(&lane.variables) {
            let place = (variable.unit, Phase::Variable, variable.index);
            sources.push((place, Source::Variable(number, index)));
        }
    }
    // Sorted by one word: unit, phase, place.
    let mut order: Vec<(u64, u32)> = sources
        .iter()
        .zip(0..)
        .map(|(&((unit, phase, place), _), index)| {
            (u64::from(unit) << 35 | (phase as u64) << 32 | u64::from(place), index)
        })
        .collect();
    order.sort_unstable();

    let mut names = Names::default();
    names.offsets.reserve(sources.len());
    names.offsets.insert(StrKey::NONE, StrOff::EMPTY);
    let mut buffer = [0; 8];
    let (mut aliases, mut unknown) = (false, false);
    let says_base = sections.says_base_strings();
    let mut of_base: FxHashSet<StrOff> = FxHashSet::default();
    let mut add = |btf: &mut Btf, key: StrKey| {
        names.offsets.entry(key).or_insert_with(|| {
            if let Some(at) = key.in_base() {
                return StrOff(at as u32);
            }
            let base = btf.strings.base();
            let end = base + btf.strings.bytes().len() as u32;
            let offset = match key.parts() {
                None => btf.add_string(key.text(sections, prefix, &mut buffer)),
                Some((name, field)) => {
                    let text = |key: StrKey| sections.str_at(key.in_debug_str()?);
                    let parts = (text(name).unwrap_or_default(), text(field).unwrap_or_default());
                    btf.add_string(&joined(parts.0, parts.1))
                }
            };
            // Of a base's strings the longer ones are known by their offsets; of the shorter ones,
            // and of all when they are not, each is here once.
            let is_base = offset.0 < base && offset != StrOff::EMPTY;
            // Where classes were looked for in the base, one that says its names otherwise was not
            // found.
            unknown |= is_base && says_base && sections.says_base(offset);
            aliases |= match is_base {
                true => !of_base.insert(offset) || sections.says_base(offset),
                false => offset.0 < end && offset != StrOff::EMPTY,
            };
            offset
        });
    };
    for (_, index) in order {
        match sources[index as usize].1 {
            Source::Class(id) => {
                merged.words(id).for_each_name(|name| add(btf, name));
            }
            Source::Tag(lane, index) => {
                add(btf, merged.lanes[lane as usize].tags[index as usize].value);
            }
            Source::State(lane, index) => {
                let states = &merged.lanes[lane as usize].states;
                let state = &states.all()[index as usize];
                states.params(state).iter().for_each(|param| {
                    add(btf, param.0);
                });
                states.annotations(state).iter().for_each(|annotation| {
                    add(btf, annotation.0);
                });
            }
            Source::Variable(lane, index) => {
                let variable = &merged.lanes[lane as usize].variables[index as usize];
                add(btf, variable.name);
                variable.annotations.iter().for_each(|annotation| {
                    add(btf, annotation.0);
                });
            }
        }
    }
    // One string by two keys splits classes that are one.
    if unknown || (aliases && !unique(merged, &names)) {
        return Err(Collision);
    }
    Ok(names)
}

/// Whether no two names of types are one string.
fn unique(merged: &Merged<'_>, names: &Names) -> bool {
    let mut keys: FxHashMap<StrOff, StrKey> = FxHashMap::default();
    let mut unique = true;
    let tags = merged.lanes.iter().flat_map(|lane| &lane.tags).map(|tag| tag.value);
    let variables = merged.lanes.iter().flat_map(|lane| &lane.variables);
    let variables = variables.flat_map(|variable| &variable.annotations).map(|tag| tag.0);
    for key in tags.chain(variables) {
        unique &= *keys.entry(names.get(key)).or_insert(key) == key;
    }
    for id in (0..merged.all.len() as u32).map(GlobalId) {
        if !merged.is_anchor(id) {
            merged.words(id).for_each_name(|key| {
                unique &= *keys.entry(names.get(key)).or_insert(key) == key;
            });
        }
    }
    unique
}

/// Builds the stream, with names as `naming` has them.
pub(crate) fn reduce(
    merged: &Merged<'_>,
    again: &[Again],
    btf: Btf,
    naming: &mut impl Naming,
) -> Result<Reduced, Collision> {
    let index = index(merged.lanes)?;

    let mut items: Vec<(Place, Item)> = Vec::new();
    for id in (0..merged.all.len() as u32).map(GlobalId) {
        let global = &merged.all[id.index()];
        let of_base = global.base != TypeId::VOID;
        if !global.uncertain && !of_base && !merged.is_anchor(id) {
            let place = (global.winner.unit, Phase::Type, global.winner.order);
            items.push((place, Item::Class(id)));
        }
    }
    for (number, unit) in (0..).zip(again) {
        for (node, ty) in unit.graph.iter() {
            if merged.find(ty.key).is_some_and(|id| merged.all[id.index()].uncertain) {
                let place = (unit.number, Phase::Type, ty.order);
                items.push((place, Item::Copy(number, node)));
            }
        }
    }
    for (number, lane) in merged.lanes.iter().enumerate() {
        let number = number as u32;
        for (index, tag) in (0..).zip(&lane.tags) {
            items.push(((tag.unit, Phase::Tag, tag.index), Item::Tag(number, index)));
        }
        for (index, variable) in (0..).zip(&lane.variables) {
            let place = (variable.unit, Phase::Variable, variable.index);
            items.push((place, Item::Variable(number, index)));
        }
    }
    items.sort_unstable_by_key(|item| item.0);

    // Ids follow from the order, so that references can be written in one go.
    let mut reduced = Reduced {
        ids: merged.all.iter().map(|global| global.base).collect(),
        copies: again.iter().map(|unit| vec![TypeId::VOID; unit.graph.len()]).collect(),
        again: again.iter().map(|unit| unit.number).zip(0..).collect(),
        variables: merged
            .lanes
            .iter()
            .map(|lane| vec![TypeId::VOID; lane.variables.len()])
            .collect(),
        btf,
    };
    let mut next = reduced.btf.types.last().0;
    for (_, item) in &items {
        next += 1;
        let id = TypeId(next);
        match *item {
            Item::Class(class) => reduced.ids[class.index()] = id,
            Item::Copy(unit, node) => reduced.copies[unit as usize][node.0 as usize] = id,
            Item::Variable(lane, index) => {
                let (lane, index) = (lane as usize, index as usize);
                reduced.variables[lane][index] = id;
                // Its attributes come behind it.
                next += merged.lanes[lane].variables[index].annotations.len() as u32;
            }
            Item::Tag(..) => {}
        }
    }
    let array_index = index.map_or(TypeId::VOID, |(position, key)| {
        reduced.at(merged, again, position.unit, key, position.order)
    });

    let mut types = std::mem::take(&mut reduced.btf.types);
    let mut more = Vec::new();
    for (_, item) in &items {
        match *item {
            Item::Class(class) => {
                let mut inside = merged.targets(class).iter();
                let to = || inside.next().map_or(TypeId::VOID, |id| reduced.class(merged, *id));
                write(&mut types, merged.words(class), array_index, naming, to, &mut more);
            }
            Item::Copy(unit, node) => {
                let unit = &again[unit as usize];
                // The class says what kinds and names there are; which types, the unit does.
                let Some(ty) = unit.graph.get(node) else { continue };
                let Some(class) = merged.find(ty.own) else { continue };
                let mut inside = unit.graph.targets(ty).iter();
                let to =
                    || inside.next().map_or(TypeId::VOID, |to| reduced.in_unit(merged, unit, *to));
                write(&mut types, merged.words(class), array_index, naming, to, &mut more);
            }
            Item::Tag(lane, index) => {
                let tag = &merged.lanes[lane as usize].tags[index as usize];
                let target = reduced.at(merged, again, tag.unit, tag.target, tag.target_order);
                push_tag(&mut types, naming.name(tag.value), target, tag.component);
            }
            Item::Variable(lane, index) => {
                let variable = &merged.lanes[lane as usize].variables[index as usize];
                reduced.write_variable(&mut types, naming, merged, again, variable);
            }
        }
    }
    reduced.btf.types = types;
    Ok(reduced)
}

fn push_tag(types: &mut Types, value: StrOff, target: TypeId, component: i32) {
    types.push(value, Info::new(Kind::DeclTag, false, 0), target.0, &[component as u32]);
}

impl Reduced {
    /// The id of a class that is certain, or of what a certain name stands for.
    pub(crate) fn resolve(&self, merged: &Merged<'_>, key: Key) -> TypeId {
        merged.find(key).map_or(TypeId::VOID, |id| self.class(merged, id))
    }

    /// The same for a class that is known.
    pub(crate) fn class(&self, merged: &Merged<'_>, id: GlobalId) -> TypeId {
        if id == GlobalId::VOID {
            return TypeId::VOID;
        }
        if !merged.is_anchor(id) {
            return self.ids[id.index()];
        }
        let named = merged.named(id);
        named.definition.or(named.forward).map_or(TypeId::VOID, |id| self.ids[id.index()])
    }

    /// The id of a type of a unit, by its key and place.
    pub(crate) fn at(
        &self,
        merged: &Merged<'_>,
        again: &[Again],
        unit: u32,
        key: Key,
        order: u32,
    ) -> TypeId {
        let uncertain = merged.find(key).is_some_and(|id| merged.all[id.index()].uncertain);
        let read = self.again.get(&unit).filter(|_| uncertain).map(|index| &again[*index as usize]);
        let Some(read) = read else { return self.resolve(merged, key) };
        self.in_unit(merged, read, read.graph.at(order))
    }

    /// The id of a type of a unit that was read again: its copy, or its class.
    pub(crate) fn in_unit(&self, merged: &Merged<'_>, unit: &Again, node: Node) -> TypeId {
        if let Some(class) = node.as_class() {
            return self.class(merged, GlobalId(class));
        }
        let Some(ty) = unit.graph.get(node) else { return TypeId::VOID };
        let copies = self.again.get(&unit.number).map(|index| &self.copies[*index as usize]);
        match copies.map_or(TypeId::VOID, |copies| copies[node.0 as usize]) {
            TypeId::VOID => self.resolve(merged, ty.key),
            copy => copy,
        }
    }

    fn write_variable(
        &self,
        types: &mut Types,
        naming: &mut impl Naming,
        merged: &Merged<'_>,
        again: &[Again],
        variable: &Variable,
    ) {
        let (unit, order) = (variable.unit, variable.target_order);
        let target = self.at(merged, again, unit, variable.target, order);
        let info = Info::new(Kind::Var, false, 0);
        let id = types.push(naming.name(variable.name), info, target.0, &[variable.linkage]);
        for (value, component) in &variable.annotations {
            push_tag(types, naming.name(*value), id, *component);
        }
    }
}

/// Appends a class as a type; `to` finds what it refers to, in the order of its words.
fn write(
    types: &mut Types,
    words: Words<'_>,
    array_index: TypeId,
    names: &mut impl Naming,
    mut to: impl FnMut() -> TypeId,
    more: &mut Vec<u32>,
) {
    let kind = words.kind();
    let name = names.name(words.name());
    more.clear();
    let mut third = words.third() as u32;
    if kind.has_target() || kind == Kind::Array {
        third = to().0;
    }
    let mut vlen = words.entries().len() as u32;
    match kind {
        Kind::Int => more.push((((words.third() >> 32) as u32) << 24) | (third * 8)),
        Kind::Array => {
            let len = words.entries().next().map_or(0, |entry| entry.1 as u32);
            more.extend([third, array_index.0, len]);
            (third, vlen) = (0, 0);
        }
        Kind::Struct | Kind::Union => {
            for (name, _, offset) in words.entries() {
                more.extend([names.name(name).0, to().0, offset as u32]);
            }
        }
        Kind::FuncProto => {
            for (name, _, _) in words.entries() {
                more.extend([names.name(name).0, to().0]);
            }
        }
        Kind::Enum => {
            for (name, value, _) in words.entries() {
                more.extend([names.name(name).0, value as u32]);
            }
        }
        Kind::Enum64 => {
            for (name, value, _) in words.entries() {
                more.extend([names.name(name).0, value as u32, (value >> 32) as u32]);
            }
        }
        _ => {}
    }
    let head: Head = words.head();
    types.push(name, Info::new(kind, head.info().flag(), vlen), third, more);
}

//! From a unit's tables to classes: the general way, for units that the fast walk leaves.

use std::sync::Arc;

use kmill_btf::Kind;
use kmill_btf::format::linkage;

use crate::class::base_keys::BaseKeys;
use crate::class::graph::{Again, FunctionNodes, Graph, Node};
use crate::class::key::{Head, Key, StrKey};
use crate::class::lane::{DeclTag, Lane, Variable};
use crate::class::states::NewState;
use crate::class::table::{Position, Seen};
use crate::class::words::content;
use crate::dwarf::sections::Sections;
use crate::elf::functions::ElfFunctions;
use crate::elf::names::FunctionNames;
use crate::error::{EncodeError, Place};
use crate::features::Features;
use crate::serial::variables::Refused;
use crate::serial::{functions, variables};
use crate::signature::choice::Standing;
use crate::unit::model::{CoreId, DieOffset, Function, Shape, Unit, UnitType};
use crate::unit::rules::{self, Base};

/// Chains of types that are longer are left to the serial path, whose walks have no depth.
const DEPTH_MAX: u32 = 1000;

/// Why a unit has no classes.
#[derive(Debug)]
pub(crate) enum NoClasses {
    /// It says something that only the serial path can say.
    Serial,
    /// It cannot be encoded at all.
    Error(EncodeError),
}

impl From<EncodeError> for NoClasses {
    fn from(error: EncodeError) -> Self {
        NoClasses::Error(error)
    }
}

/// What a unit's types are looked up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'c> {
    pub(crate) sections: &'c Sections<'c>,
    pub(crate) features: &'c Features,
    pub(crate) functions: &'c ElfFunctions<'c>,
    pub(crate) names: &'c FunctionNames,
    pub(crate) variables: &'c variables::Sections<'c>,
    pub(crate) register_params: usize,
    /// Types of the base by key, where they are known.
    pub(crate) keys: Option<&'c Arc<BaseKeys>>,
}

/// Keys of a unit's types.
pub(crate) struct Keys<'u, 'a> {
    unit: &'u Unit<'a>,
    around: &'u Around<'u>,
    keys: Vec<Key>,
    /// Where each type is in the order of the unit.
    orders: Vec<u32>,
}

fn refused(offset: DieOffset, what: &'static str) -> NoClasses {
    let place = Place { section: ".debug_info", unit: None, offset: offset.0 };
    NoClasses::Error(EncodeError::Dwarf { place, what })
}

impl<'u, 'a> Keys<'u, 'a> {
    /// Finds the keys of all types. `start` is where the unit starts in the section.
    pub(crate) fn new(
        unit: &'u Unit<'a>,
        start: usize,
        around: &'u Around<'u>,
    ) -> Result<Self, NoClasses> {
        let keys = vec![Key::UNSET; unit.types.len() + 1];
        let mut keys = Keys { unit, around, keys, orders: orders(unit, start)? };
        keys.keys[0] = Key::VOID;
        for (id, _) in unit.iter() {
            keys.find(id, 0)?;
        }
        Ok(keys)
    }

    /// The key of a type.
    pub(crate) fn key(&self, id: CoreId) -> Key {
        self.keys[id.0 as usize]
    }

    /// Its place in the order of the unit.
    pub(crate) fn order(&self, id: CoreId) -> u32 {
        self.orders[id.0 as usize]
    }

    fn string(&self, text: Option<&[u8]>) -> StrKey {
        StrKey::of(text, self.around.sections, self.unit.info)
    }

    /// The name of a type; an empty one is none.
    fn name(&self, ty: &UnitType<'_>) -> StrKey {
        self.string(ty.name.filter(|name| !name.is_empty()))
    }

    fn find(&mut self, id: CoreId, depth: u32) -> Result<Key, NoClasses> {
        match self.keys[id.0 as usize] {
            Key::UNSET => {}
            // On the stack already: a circle without a name in it.
            Key(Key::MARK) => return Err(NoClasses::Serial),
            key => return Ok(key),
        }
        if depth > DEPTH_MAX {
            return Err(NoClasses::Serial);
        }
        self.keys[id.0 as usize] = Key(Key::MARK);
        let unit = self.unit;
        let ty = unit.get(id).ok_or(NoClasses::Serial)?;
        let name = self.name(ty);
        let key = match &ty.shape {
            Shape::Declared { .. } if name == StrKey::NONE => {
                return Err(refused(ty.offset, "a declared structure without a name"));
            }
            Shape::Declared { union } => Key::anchor(composite_kind(*union), name),
            Shape::Composite { union, .. } if name != StrKey::NONE => {
                Key::anchor(composite_kind(*union), name)
            }
            Shape::Enumeration { bits, .. } if name != StrKey::NONE => {
                let kind = rules::enumeration_kind(bits / 8, self.around.features);
                Key::anchor(kind, name)
            }
            _ => {
                let mut entries = Vec::new();
                if let Shape::Composite { members, .. } = &ty.shape {
                    for member in unit.members(members) {
                        self.find(member.target_id, depth + 1)?;
                    }
                }
                if let Shape::Prototype { params, .. } = &ty.shape {
                    for param in unit.params(params) {
                        self.find(param.target_id, depth + 1)?;
                    }
                }
                self.find(ty.target_id, depth + 1)?;
                let [head, name, third] = self.words(ty, &mut entries)?;
                content(head, name, third, &entries)
            }
        };
        self.keys[id.0 as usize] = key;
        Ok(key)
    }

    /// A type as a class has it. The keys of what it refers to must be known.
    pub(crate) fn words(
        &self,
        ty: &UnitType<'_>,
        entries: &mut Vec<[u64; 3]>,
    ) -> Result<[u64; 3], NoClasses> {
        let refuse = |what| refused(ty.offset, what);
        let features = self.around.features;
        let name = self.name(ty);
        let target = self.key(ty.target_id).0;
        let plain =
            |kind, name: StrKey, third| [u64::from(Head::new(kind, false).0), name.0, third];
        entries.clear();
        Ok(match &ty.shape {
            Shape::Base { encoding, size } => {
                let base = rules::base(*encoding, *size, features).map_err(refuse)?;
                let (kind, name, size, encoding) = match base {
                    Base::Int { size, encoding } => (Kind::Int, name, size, encoding),
                    Base::FakeInt { encoding } => (Kind::Int, StrKey::FAKE_INT, 4, encoding),
                    Base::Float { size } => (Kind::Float, name, size, 0),
                };
                if name == StrKey::NONE {
                    return Err(refuse("a base type without a name"));
                }
                plain(kind, name, u64::from(encoding) << 32 | u64::from(size))
            }
            Shape::Pointer => plain(Kind::Ptr, StrKey::NONE, target),
            Shape::Const => plain(Kind::Const, StrKey::NONE, target),
            Shape::Volatile => plain(Kind::Volatile, StrKey::NONE, target),
            Shape::Restrict => plain(Kind::Restrict, StrKey::NONE, target),
            Shape::Typedef if name == StrKey::NONE => {
                return Err(refuse("a typedef without a name"));
            }
            Shape::Typedef => plain(Kind::Typedef, name, target),
            Shape::TypeTag { value } => plain(Kind::TypeTag, self.string(Some(value)), target),
            Shape::Array { len } => {
                entries.push([0, u64::from(*len), 0]);
                plain(Kind::Array, StrKey::NONE, target)
            }
            Shape::Declared { union } => [u64::from(Head::new(Kind::Fwd, *union).0), name.0, 0],
            Shape::Composite { union, size, members, .. } => {
                let mut bit_fields = false;
                for member in unit_members(self.unit, members) {
                    if member.target_id == CoreId(0) {
                        return Err(NoClasses::Serial);
                    }
                    let word = rules::member(*union, member.bit_offset, member.bit_size);
                    let (offset, is_bit_field) = word.map_err(refuse)?;
                    bit_fields |= is_bit_field;
                    let name = self.string(member.name.filter(|name| !name.is_empty()));
                    entries.push([name.0, self.key(member.target_id).0, u64::from(offset)]);
                }
                let head = Head::new(composite_kind(*union), bit_fields);
                [u64::from(head.0), name.0, *size & 0xffff_ffff]
            }
            Shape::Enumeration { bits, signed, values } => {
                let form = rules::enumeration(*bits, *signed, features).map_err(refuse)?;
                let (kind, size, mut flag) = form;
                for value in self.unit.enumerators(values) {
                    let Some(label) = value.name.filter(|name| !name.is_empty()) else {
                        return Err(refuse("a value without a name"));
                    };
                    let value = rules::value(kind, value.value, features).map_err(refuse)?;
                    flag |= value.1;
                    entries.push([self.string(Some(label)).0, value.0, 0]);
                }
                [u64::from(Head::new(kind, flag).0), name.0, u64::from(size)]
            }
            Shape::Prototype { params, varargs, .. } => {
                for param in self.unit.params(params) {
                    let name = self.string(param.name.filter(|name| !name.is_empty()));
                    entries.push([name.0, self.key(param.target_id).0, 0]);
                }
                if *varargs {
                    entries.push([0, Key::VOID.0, 0]);
                }
                plain(Kind::FuncProto, StrKey::NONE, target)
            }
            Shape::Unspecified => return Err(NoClasses::Serial),
            Shape::Unsupported { what } => return Err(refuse(what)),
        })
    }

    /// Classes of all types, in the order in which libbpf comes by.
    pub(crate) fn classify(&self, lane: &mut Lane, number: u32) -> Result<(), NoClasses> {
        let mut entries = Vec::new();
        let mut done = vec![false; self.keys.len()];
        let mut stack = Vec::new();
        for (id, ty) in self.unit.iter() {
            if let Shape::Array { .. } = ty.shape {
                lane.array.get_or_insert(number);
            }
            if matches!(ty.shape, Shape::Base { .. }) && ty.name == Some(b"int") {
                let unit = number;
                let position = Position { unit, order: self.order(id) };
                lane.int.get_or_insert((position, self.key(id)));
            }
            stack.push((id, 0));
            while let Some((id, next)) = stack.last_mut() {
                if done[id.0 as usize] {
                    stack.pop();
                    continue;
                }
                let ty = self.unit.get(*id).ok_or(NoClasses::Serial)?;
                let child = self.referenced(ty, *next);
                *next += 1;
                if let Some(child) = child {
                    if child != CoreId(0) && !done[child.0 as usize] && self.is_reference(child) {
                        stack.push((child, 0));
                    }
                    continue;
                }
                let id = *id;
                stack.pop();
                done[id.0 as usize] = true;
                self.add(lane, id, ty, &mut entries)?;
            }
        }
        Ok(())
    }

    /// The unit's types as a graph.
    pub(crate) fn graph(&self) -> Result<Graph, NoClasses> {
        let mut graph = Graph::default();
        let mut entries = Vec::new();
        for (id, ty) in self.unit.iter() {
            let [head, name, third] = self.words(ty, &mut entries)?;
            let key = self.key(id);
            let own = content(head, name, third, &entries);
            let targets = self.targets(ty).into_iter().map(node);
            let kind = Head(head as u32).kind();
            graph.push((self.order(id), kind), (key, own, key != own), targets);
        }
        Ok(graph)
    }

    /// What a type refers to, in the order of its words.
    fn targets(&self, ty: &UnitType<'_>) -> Vec<CoreId> {
        match &ty.shape {
            Shape::Composite { members, .. } => {
                unit_members(self.unit, members).map(|member| member.target_id).collect()
            }
            Shape::Prototype { params, .. } => {
                let params = self.unit.params(params).iter().map(|param| param.target_id);
                std::iter::once(ty.target_id).chain(params).collect()
            }
            _ => vec![ty.target_id],
        }
    }

    fn is_reference(&self, id: CoreId) -> bool {
        self.unit.get(id).is_some_and(|ty| {
            matches!(
                ty.shape,
                Shape::Pointer
                    | Shape::Const
                    | Shape::Volatile
                    | Shape::Restrict
                    | Shape::Typedef
                    | Shape::TypeTag { .. }
                    | Shape::Array { .. }
                    | Shape::Prototype { .. }
            )
        })
    }

    /// What a type refers to, one by one, when it does nothing but refer.
    fn referenced(&self, ty: &UnitType<'_>, index: usize) -> Option<CoreId> {
        match (&ty.shape, index) {
            (Shape::Composite { .. } | Shape::Declared { .. } | Shape::Enumeration { .. }, _)
            | (Shape::Base { .. }, _) => None,
            (_, 0) => Some(ty.target_id),
            (Shape::Prototype { params, .. }, index) => {
                self.unit.params(params).get(index - 1).map(|param| param.target_id)
            }
            _ => None,
        }
    }

    fn add(
        &self,
        lane: &mut Lane,
        id: CoreId,
        ty: &UnitType<'_>,
        entries: &mut Vec<[u64; 3]>,
    ) -> Result<(), NoClasses> {
        let order = self.order(id);
        let name = self.name(ty);
        let mut key = self.key(id);
        let words = self.words(ty, entries)?;
        if name != StrKey::NONE {
            let kind = match &ty.shape {
                Shape::Declared { union } | Shape::Composite { union, .. } => {
                    Some(composite_kind(*union))
                }
                Shape::Enumeration { bits, .. } => {
                    Some(rules::enumeration_kind(bits / 8, self.around.features))
                }
                _ => None,
            };
            if let Some(kind) = kind {
                let defines = !matches!(ty.shape, Shape::Declared { .. });
                lane.table.anchor(kind, name, order, defines);
                key = content(words[0], words[1], words[2], entries);
            }
        }
        if lane.table.touch(key, order) == Seen::Never {
            lane.table.insert(key, order, words, entries.iter().copied());
        }
        if name == StrKey::NONE && matches!(ty.shape, Shape::Composite { .. }) {
            lane.table.anonymous(key);
        }
        Ok(())
    }
}

fn unit_members<'u, 'a>(
    unit: &'u Unit<'a>,
    members: &std::ops::Range<u32>,
) -> impl Iterator<Item = &'u crate::unit::model::Member<'a>> {
    unit.members(members).iter().filter(|member| !member.is_inheritance)
}

fn composite_kind(union: bool) -> Kind {
    if union { Kind::Union } else { Kind::Struct }
}

/// Where each type is in the order of its unit: its offset, as the fast walk has it, or its number
/// when the order of entries is not that of ids.
fn orders(unit: &Unit<'_>, start: usize) -> Result<Vec<u32>, NoClasses> {
    // Annotations of GCC's are copied for each type that refers to them.
    let ascending = unit.types.is_sorted_by(|a, b| a.offset < b.offset);
    let order = |(id, ty): (CoreId, &UnitType<'_>)| match ascending {
        true => u32::try_from(ty.offset.0 - start as u64).map_err(|_| NoClasses::Serial),
        false => Ok(id.0),
    };
    let mut orders = vec![0];
    for entry in unit.iter() {
        orders.push(order(entry)?);
    }
    Ok(orders)
}

/// Adds a unit to a lane: types, attributes, functions, variables.
pub(crate) fn add(
    lane: &mut Lane,
    number: u32,
    unit: &Unit<'_>,
    start: usize,
    address_size: u8,
    around: &Around<'_>,
) -> Result<(), NoClasses> {
    lane.table.begin(number);
    let keys = Keys::new(unit, start, around)?;
    keys.classify(lane, number)?;
    let suspects = lane.table.end();
    if !suspects.is_empty() {
        lane.table.confusing.extend(keys.graph()?.confusing(number, &suspects));
    }
    tags(lane, number, unit, &keys);
    states(lane, number, unit, &keys, address_size, around)?;
    variables(lane, number, unit, &keys, address_size, around)
}

/// The unit as it has to be known when something in it is uncertain.
pub(crate) fn again(
    number: u32,
    unit: &Unit<'_>,
    start: usize,
    around: &Around<'_>,
) -> Result<Again, NoClasses> {
    let keys = Keys::new(unit, start, around)?;
    let function = |function: &Function<'_>| {
        let params = unit.shown(&function.params);
        FunctionNodes {
            result: node(function.target_id),
            params: params.map(|param| node(param.target_id)).collect(),
        }
    };
    let functions = (0..).zip(&unit.functions);
    let functions = functions.map(|(index, entry)| (index, function(entry))).collect();
    Ok(Again { number, graph: keys.graph()?, functions })
}

/// The node of a type: they have the order of ids.
fn node(id: CoreId) -> Node {
    id.0.checked_sub(1).map_or(Node::VOID, Node)
}

fn annotations(
    unit: &Unit<'_>,
    range: &std::ops::Range<u32>,
    keys: &Keys<'_, '_>,
) -> Vec<(StrKey, i32)> {
    let annotations = unit.annotations(range).iter();
    annotations
        .map(|annotation| (keys.string(Some(annotation.value)), annotation.component))
        .collect()
}

fn tags(lane: &mut Lane, number: u32, unit: &Unit<'_>, keys: &Keys<'_, '_>) {
    let mut index = 0;
    for (id, ty) in unit.iter() {
        if !matches!(ty.shape, Shape::Composite { .. } | Shape::Declared { .. } | Shape::Typedef) {
            continue;
        }
        for (value, component) in annotations(unit, &ty.annotations, keys) {
            let (target, target_order) = (keys.key(id), keys.order(id));
            lane.tags.push(DeclTag { unit: number, index, value, component, target, target_order });
            index += 1;
        }
    }
}

fn states(
    lane: &mut Lane,
    number: u32,
    unit: &Unit<'_>,
    keys: &Keys<'_, '_>,
    address_size: u8,
    around: &Around<'_>,
) -> Result<(), NoClasses> {
    let mut words = Vec::new();
    for (index, function) in unit.functions.iter().enumerate() {
        let params = unit.params(&function.params);
        if function.declaration || params.iter().any(|param| param.name.is_none()) {
            continue;
        }
        let Some(id) = function.name.and_then(|name| around.functions.find(name)) else { continue };
        words.clear();
        for param in unit.shown(&function.params) {
            let mut name = keys.string(param.name);
            if param.field.is_some() {
                let joined = StrKey::joined(name, keys.string(param.field));
                name = joined.ok_or(NoClasses::Serial)?;
            }
            words.push((name, keys.key(param.target_id)));
        }
        if function.varargs {
            words.push((StrKey::NONE, Key::VOID));
        }
        let registers = around.register_params;
        let uncertain = functions::is_uncertain(unit, function, registers, address_size);
        lane.states.save(
            number,
            &NewState {
                function: id,
                index: index as u32,
                result: keys.key(function.target_id),
                unexpected_register: function.unexpected_register,
                uncertain_location: uncertain,
                standing: Standing::of(around.functions, id, unit.signatures.functions.get(index)),
                params: &words,
                annotations: &annotations(unit, &function.annotations, keys),
            },
        );
    }
    Ok(())
}

fn variables(
    lane: &mut Lane,
    number: u32,
    unit: &Unit<'_>,
    keys: &Keys<'_, '_>,
    address_size: u8,
    around: &Around<'_>,
) -> Result<(), NoClasses> {
    if !around.variables.any() {
        return Ok(());
    }
    for (index, variable) in unit.variables.iter().enumerate() {
        let found = match around.variables.look(unit, variable, around.features, address_size) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(Refused::Rest) => break,
            Err(Refused::Error(error)) => return Err(error.into()),
        };
        let target = found.variable.target_id;
        lane.variables.push(Variable {
            unit: number,
            index: index as u32,
            name: keys.string(Some(found.name)),
            target: keys.key(target),
            target_order: keys.order(target),
            linkage: if found.variable.external { linkage::GLOBAL } else { linkage::STATIC },
            section: found.place.section,
            offset: found.place.offset,
            size: found.place.size,
            annotations: annotations(unit, &found.variable.annotations, keys),
        });
    }
    Ok(())
}

//! Functions of a unit: collected while its types are read, saved when they are all known.
//!
//! Most entries are inline functions of headers that no symbol has the name of; of these nothing
//! but the place is kept. What remains is resolved as [`resolve`](crate::unit::resolve) does it,
//! one step from an instance to its origin.

use kmill_btf::Kind;
use rustc_hash::FxHashMap;

use crate::class::graph::{FunctionNodes, Graph, Node};
use crate::class::key::{Key, StrKey};
use crate::class::lane::Lane;
use crate::class::states::NewState;
use crate::class::words::ANCHOR;
use crate::dwarf::abbrev::Abbrevs;
use crate::dwarf::attrs::{Attrs, Bases};
use crate::dwarf::constants::form;
use crate::dwarf::cursor::Cursor;
use crate::dwarf::form::Value;
use crate::dwarf::location::{self, Arrival};
use crate::dwarf::sections::Sections;
use crate::dwarf::unit::UnitHeader;
use crate::elf::functions::{ElfFunctions, FunctionId};
use crate::elf::names::FunctionNames;
use crate::signature::choice::Standing;
use crate::walk::compile::{Uncommon, flag};
use crate::walk::fields::Order;
use crate::walk::memory::Memory;
use crate::walk::types::{Entry, Types};

/// One function.
#[derive(Clone, Copy, Debug)]
struct Function {
    at: u32,
    name: StrKey,
    /// Offset of the return type; 0 is none.
    result: u32,
    /// Offset of the origin; 0 is none.
    origin: u32,
    /// Which function of the symbol table it is, once its own name says so.
    elf: Option<FunctionId>,
    first: u32,
    params: u32,
    /// Number in the unit's table: how many ended before it.
    index: u32,
    varargs: bool,
    declared: bool,
}

/// One parameter of a function that may be saved.
#[derive(Clone, Copy, Debug)]
struct Parameter {
    at: u32,
    name: StrKey,
    ty: u32,
    origin: u32,
    /// An offset in `.debug_loclists`, or `ELSEWHERE`, or 0.
    location: u32,
    unexpected: bool,
}

/// A location that is no offset of a list: it is read again.
const ELSEWHERE: u32 = u32::MAX;

/// The functions of one unit, kept for their memory; and names that were looked up.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    all: Vec<Function>,
    params: Vec<Parameter>,
    /// The function whose entry is open, and how deep its children lie.
    open: Option<(u32, u32)>,
    ended: u32,
    /// Names that are no offsets in `.debug_str`, or of the end of another string there: which
    /// function, if any. It holds for all units.
    known: FxHashMap<StrKey, Option<FunctionId>>,
    /// By the lower bits of an offset in `.debug_str`, the last one that was asked for.
    recent: Recent,
    words: Vec<(StrKey, Key)>,
}

/// Units share most of their headers, and so the names of functions. What was asked a moment ago
/// is found here, without a look at tables that are too large for the nearer caches.
#[derive(Debug)]
struct Recent(Box<[Asked; Recent::PLACES]>);

/// An offset, plus one, and the function of that name.
#[derive(Clone, Copy, Debug)]
struct Asked {
    offset: u32,
    found: Option<FunctionId>,
}

impl Recent {
    const PLACES: usize = 1 << 13;

    fn place(&mut self, offset: u32) -> &mut Asked {
        &mut self.0[offset.wrapping_mul(0x9e37_79b9) as usize >> 19 & (Recent::PLACES - 1)]
    }
}

impl Default for Recent {
    fn default() -> Self {
        Recent(Box::new([Asked { offset: 0, found: None }; Recent::PLACES]))
    }
}

/// What functions are resolved with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'c> {
    pub(crate) sections: &'c Sections<'c>,
    pub(crate) elf: &'c ElfFunctions<'c>,
    pub(crate) names: &'c FunctionNames,
    /// Its places count from the unit's start, once it is walked.
    pub(crate) header: &'c UnitHeader,
    /// The unit, from its start on.
    pub(crate) unit: &'c [u8],
    pub(crate) abbrevs: &'c Abbrevs,
    pub(crate) register_params: usize,
    pub(crate) registers: &'static [u8],
}

impl Functions {
    /// Offsets of names hold for one file.
    pub(crate) fn begin_file(&mut self) {
        self.known.clear();
        self.recent.0.fill(Asked { offset: 0, found: None });
    }

    pub(crate) fn begin(&mut self) {
        self.all.clear();
        self.params.clear();
        self.open = None;
        self.ended = 0;
    }

    fn find(&mut self, name: StrKey, around: &Around<'_>) -> Option<FunctionId> {
        // In 32-bit DWARF, which alone is walked, offsets are that large.
        let Some(offset) = name.in_debug_str().map(|offset| offset as u32) else {
            return self.look_up(name, around);
        };
        let asked = *self.recent.place(offset);
        if asked.offset == offset.wrapping_add(1) && offset != u32::MAX {
            return asked.found;
        }
        let found = self.at_offset(name, offset, around);
        *self.recent.place(offset) = Asked { offset: offset.wrapping_add(1), found };
        found
    }

    fn at_offset(&mut self, name: StrKey, offset: u32, around: &Around<'_>) -> Option<FunctionId> {
        if let Some(id) = around.names.get(u64::from(offset)) {
            return Some(id);
        }
        // At the start of a string, and it is no function's. Of a base, only whole strings are said.
        if name.in_base().is_some() {
            return None;
        }
        let before = (offset as usize).checked_sub(1);
        if before.is_none_or(|at| around.sections.str.get(at) == Some(&0)) {
            return None;
        }
        self.look_up(name, around)
    }

    fn look_up(&mut self, name: StrKey, around: &Around<'_>) -> Option<FunctionId> {
        let elf = |name: StrKey| {
            let mut buffer = [0; 8];
            around.elf.find(name.text(around.sections, None, &mut buffer))
        };
        *self.known.entry(name).or_insert_with(|| elf(name))
    }

    /// A function's entry. `depth` is that of its children.
    pub(crate) fn entry<O: Order>(
        &mut self,
        types: &mut Types<'_, O>,
        at: u32,
        entry: &Entry<'_>,
        depth: u32,
        around: &Around<'_>,
    ) -> Result<(), Uncommon> {
        let op = entry.op;
        let window = types.window(entry.base)?;
        let name = types.raw_name(entry, window);
        let declared = op.has(flag::DECLARATION);
        let elf = if name == StrKey::NONE || declared { None } else { self.find(name, around) };
        let number = self.all.len() as u32;
        self.all.push(Function {
            at,
            name,
            result: op.ty.get::<O>(window) as u32,
            origin: op.second.get::<O>(window) as u32,
            elf,
            first: self.params.len() as u32,
            params: 0,
            index: self.ended,
            varargs: false,
            declared,
        });
        // A declaration within a function has children of no interest; a definition there is
        // nothing that C has.
        match (op.has(flag::CHILDREN) && !declared, self.open) {
            (true, Some(_)) => Err(Uncommon),
            (true, None) => {
                self.open = Some((number, depth));
                Ok(())
            }
            (false, _) => {
                self.ended += 1;
                Ok(())
            }
        }
    }

    /// The end of a list of children at `depth`.
    #[inline(always)]
    pub(crate) fn end(&mut self, depth: u32) {
        if let Some((number, inside)) = self.open
            && inside == depth
        {
            self.all[number as usize].index = self.ended;
            self.ended += 1;
            self.open = None;
        }
    }

    /// A parameter's entry at `depth`; it counts when it is directly in the open function.
    #[inline(always)]
    pub(crate) fn parameter<O: Order>(
        &mut self,
        types: &mut Types<'_, O>,
        at: u32,
        entry: &Entry<'_>,
        depth: u32,
    ) -> Result<(), Uncommon> {
        let Some((number, _)) = self.open.filter(|open| open.1 == depth) else { return Ok(()) };
        let function = &mut self.all[number as usize];
        if function.elf.is_none() && function.name != StrKey::NONE {
            return Ok(());
        }
        let op = entry.op;
        let window = types.window(entry.base)?;
        let location = match op.location_form {
            form::SEC_OFFSET => match op.location.get::<O>(window) as u32 {
                0 => ELSEWHERE,
                offset => offset,
            },
            _ if op.has(flag::LOCATION) => ELSEWHERE,
            _ => 0,
        };
        function.params += 1;
        self.params.push(Parameter {
            at,
            name: types.raw_name(entry, window),
            ty: op.ty.get::<O>(window) as u32,
            origin: op.second.get::<O>(window) as u32,
            location,
            unexpected: false,
        });
        Ok(())
    }

    /// Variable arguments at `depth`.
    pub(crate) fn varargs(&mut self, depth: u32) {
        if let Some((number, inside)) = self.open
            && inside == depth
        {
            self.all[number as usize].varargs = true;
        }
    }

    /// Saves the functions of a unit whose types are all known.
    pub(crate) fn save(
        &mut self,
        memory: &Memory,
        lane: &mut Lane,
        unit: u32,
        around: &Around<'_>,
    ) -> Result<(), Uncommon> {
        self.name(around)?;
        self.arrivals(around)?;
        for index in 0..self.all.len() {
            let function = self.all[index];
            if let Some(elf) = function.elf.filter(|_| !function.declared) {
                self.one(&function, elf, memory, lane, unit, around)?;
            }
        }
        Ok(())
    }

    /// Finds what functions are called that have their name from another.
    pub(crate) fn name(&mut self, around: &Around<'_>) -> Result<(), Uncommon> {
        for index in 0..self.all.len() {
            let function = self.all[index];
            if function.declared || function.name != StrKey::NONE || function.origin == 0 {
                continue;
            }
            let origin = self.origin(function.origin)?;
            self.all[index].elf = match origin.name {
                StrKey::NONE => None,
                name => self.find(name, around),
            };
        }
        Ok(())
    }

    /// The types of every function that may have been saved, by number.
    pub(crate) fn nodes(&self, graph: &Graph) -> Result<FxHashMap<u32, FunctionNodes>, Uncommon> {
        let node = |at: u32| if at == 0 { Node::VOID } else { graph.at(at) };
        let mut nodes = FxHashMap::default();
        for function in &self.all {
            if function.elf.is_none() || function.declared {
                continue;
            }
            let result = match (function.result, function.origin) {
                (0, 0) => 0,
                (0, origin) => self.origin(origin)?.result,
                (result, _) => result,
            };
            let first = function.first as usize;
            let mut params = Vec::with_capacity(function.params as usize);
            for param in &self.params[first..first + function.params as usize] {
                params.push(node(match (param.ty, param.origin) {
                    (0, 0) => 0,
                    (0, origin) => self.params[self.parameter_at(origin)?].ty,
                    (ty, _) => ty,
                }));
            }
            nodes.insert(function.index, FunctionNodes { result: node(result), params });
        }
        Ok(nodes)
    }

    /// The function at an offset: they lie in the order in which they were read.
    fn origin(&self, at: u32) -> Result<Function, Uncommon> {
        let found = self.all.binary_search_by_key(&at, |function| function.at);
        found.map(|index| self.all[index]).map_err(|_| Uncommon)
    }

    /// Which parameters are not where they should be; their origins are not either.
    fn arrivals(&mut self, around: &Around<'_>) -> Result<(), Uncommon> {
        for function in &self.all {
            if function.elf.is_none() || function.declared {
                continue;
            }
            let first = function.first as usize;
            let counted = (function.params as usize).min(around.register_params);
            for (index, at) in (first..first + counted).enumerate() {
                let param = self.params[at];
                if param.location == 0 || around.registers.is_empty() {
                    continue;
                }
                let expected = around.registers.get(index).copied();
                let arrival = match param.location {
                    ELSEWHERE => elsewhere(param.at, expected, around)?,
                    offset => {
                        let value = Value::SectionOffset(u64::from(offset));
                        let bases = Bases::default();
                        location::arrival(value, expected, around.sections, around.header, &bases)
                    }
                };
                self.params[at].unexpected = arrival == Arrival::Unexpected;
            }
        }
        for index in 0..self.params.len() {
            let param = self.params[index];
            if param.unexpected && param.ty == 0 && param.origin != 0 {
                let origin = self.parameter_at(param.origin)?;
                self.params[origin].unexpected = true;
            }
        }
        Ok(())
    }

    /// The parameter at an offset, likewise.
    fn parameter_at(&self, at: u32) -> Result<usize, Uncommon> {
        self.params.binary_search_by_key(&at, |param| param.at).map_err(|_| Uncommon)
    }

    fn one(
        &mut self,
        function: &Function,
        elf: FunctionId,
        memory: &Memory,
        lane: &mut Lane,
        unit: u32,
        around: &Around<'_>,
    ) -> Result<(), Uncommon> {
        let first = function.first as usize;
        let params = first..first + function.params as usize;
        self.words.clear();
        let mut unexpected = false;
        for index in params {
            let param = self.params[index];
            unexpected |= param.unexpected;
            let (name, ty) = match (param.ty, param.origin) {
                (0, 0) => (param.name, 0),
                (0, origin) => {
                    let origin = &self.params[self.parameter_at(origin)?];
                    // Only one step is taken, and only what is there.
                    if origin.ty == 0 && origin.origin != 0 {
                        return Err(Uncommon);
                    }
                    (origin.name, origin.ty)
                }
                (ty, _) => (param.name, ty),
            };
            if name == StrKey::NONE {
                return Ok(());
            }
            if name.in_debug_str().is_some_and(|at| !around.sections.has_str(at)) {
                return Err(Uncommon);
            }
            self.words.push((name, key_at(memory, ty)?));
        }
        let by_value = self.words.iter().any(|word| is_struct(lane, word.1));
        for word in self.words.iter().skip(around.register_params) {
            // Whether it is packed, its members say: a matter for the general way.
            if lane.table.is_anchor(word.1, Kind::Struct) {
                return Err(Uncommon);
            }
        }
        if function.varargs {
            self.words.push((StrKey::NONE, Key::VOID));
        }
        let mut result = function.result;
        if result == 0 && function.origin != 0 {
            result = self.origin(function.origin)?.result;
        }
        lane.states.save(
            unit,
            &NewState {
                function: elf,
                index: function.index,
                result: key_at(memory, result)?,
                unexpected_register: unexpected && !by_value,
                uncertain_location: false,
                standing: Standing::default(),
                params: &self.words,
                annotations: &[],
            },
        );
        Ok(())
    }
}

/// The key of a type that an entry refers to.
fn key_at(memory: &Memory, at: u32) -> Result<Key, Uncommon> {
    match (at, memory.get(at)) {
        (0, _) => Ok(Key::VOID),
        (_, key) if key & Key::REAL != 0 => Ok(Key(key & !Key::MARK)),
        _ => Err(Uncommon),
    }
}

/// Whether a type is a structure by value, behind `const` and typedefs.
fn is_struct(lane: &Lane, key: Key) -> bool {
    let mut key = key;
    // No chain is longer; the walk would have given up.
    for _ in 0..1000 {
        let Some(id) = lane.table.find(key) else { return false };
        let words = lane.table.words(lane.table.get(id));
        if words.0[0] == ANCHOR {
            return words.third() == Kind::Struct as u64;
        }
        match words.kind() {
            Kind::Struct => return true,
            Kind::Const | Kind::Typedef => key = words.target(),
            _ => return false,
        }
    }
    false
}

/// Where a parameter arrives whose location is no plain offset.
fn elsewhere(at: u32, expected: Option<u8>, around: &Around<'_>) -> Result<Arrival, Uncommon> {
    let header = around.header;
    let data = around.unit.get(..header.end).unwrap_or_default();
    let mut cursor = Cursor::new(data, at as usize, around.sections.endian);
    let code = cursor.uleb();
    let abbrev = around.abbrevs.get(code).ok_or(Uncommon)?;
    let specs = around.abbrevs.specs(abbrev);
    let attrs = Attrs::read(&mut cursor, header, specs).map_err(|_| Uncommon)?;
    let value = attrs.location.ok_or(Uncommon)?;
    // Indexed forms count from bases, which the walk does not have.
    if matches!(value, Value::ListIndex(_)) {
        return Err(Uncommon);
    }
    Ok(location::arrival(value, expected, around.sections, header, &Bases::default()))
}

//! One unit: entry by entry, each given to what it is for.

use std::marker::PhantomData;

use kmill_btf::Endian;
use rustc_hash::FxHashMap;

use crate::class::graph::{Again, Graph};
use crate::class::lane::Lane;
use crate::dwarf::attrs::{self, Attrs};
use crate::dwarf::constants::{lang, tag};
use crate::dwarf::cursor::Cursor;
use crate::features::Features;
use crate::serial::variables;
use crate::unit::load::{DEPTH_MAX, UnitKind};
use crate::walk::compile::{Ops, Role, Uncommon, flag};
use crate::walk::fields::{Big, Little, Order, WINDOW};
use crate::walk::functions::{Around, Functions};
use crate::walk::memory::Memory;
use crate::walk::types::Types;
use crate::walk::variables as walked;

/// What a worker keeps from unit to unit.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    ops: Ops,
    memory: Memory,
    functions: Functions,
    variables: Vec<u32>,
    /// A unit that had to be relocated, or that is at the end of its section, with room behind it.
    copy: Vec<u8>,
}

/// What is asked of a unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'c> {
    pub(crate) around: Around<'c>,
    pub(crate) features: &'c Features,
    pub(crate) variables: &'c variables::Sections<'c>,
    pub(crate) lang_exclude: &'c [u16],
}

impl Walker {
    /// Forgets what is known of one file only.
    pub(crate) fn begin_file(&mut self) {
        self.ops.begin_file();
        self.functions.begin_file();
    }

    /// Whether it holds more memory than modules need.
    pub(crate) fn is_large(&self) -> bool {
        self.memory.is_large()
    }

    /// Adds a unit to a lane, unless it is left out. After an error, what it added is to be
    /// forgotten.
    pub(crate) fn add(
        &mut self,
        lane: &mut Lane,
        number: u32,
        wanted: &Wanted<'_>,
    ) -> Result<UnitKind, Uncommon> {
        self.read(lane, number, wanted, None)
    }

    /// A unit as it has to be known when something in it is uncertain.
    pub(crate) fn again(
        &mut self,
        number: u32,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Again>, Uncommon> {
        let mut lane = Lane::default();
        let mut again = Again { number, graph: Graph::default(), functions: FxHashMap::default() };
        match self.read(&mut lane, number, wanted, Some(&mut again))? {
            UnitKind::Encoded => Ok(Some(again)),
            UnitKind::LeftOut => Ok(None),
        }
    }

    fn read(
        &mut self,
        lane: &mut Lane,
        number: u32,
        wanted: &Wanted<'_>,
        again: Option<&mut Again>,
    ) -> Result<UnitKind, Uncommon> {
        let Around { sections, header, .. } = wanted.around;
        let end = header.end - header.start;
        let mut copy = std::mem::take(&mut self.copy);
        let rest = sections.info.get(header.start..).unwrap_or_default();
        let data = if sections.is_moved() || rest.len() < end + WINDOW + 2 {
            copy.clear();
            sections.copy(header.start..header.end, &mut copy).map_err(|_| Uncommon)?;
            copy.resize(end + WINDOW + 2, 0);
            &copy[..]
        } else {
            rest
        };
        // References count from the unit's start; here everything does.
        let mut moved = *header;
        (moved.start, moved.entries, moved.end) = (0, header.entries - header.start, end);
        let around = Around { header: &moved, unit: data, ..wanted.around };
        let wanted = Wanted { around, ..*wanted };
        let result = self.unit(lane, (number, header.start), &wanted, again);
        self.copy = copy;
        result
    }

    fn unit(
        &mut self,
        lane: &mut Lane,
        number: (u32, usize),
        wanted: &Wanted<'_>,
        again: Option<&mut Again>,
    ) -> Result<UnitKind, Uncommon> {
        let Around { sections, header, abbrevs, unit: data, .. } = wanted.around;
        let end = header.end;
        // Any offset within a section that ends with a string is that of one.
        if end > u32::MAX as usize / 2 || sections.str.last().is_some_and(|last| *last != 0) {
            return Err(Uncommon);
        }
        let mut cursor =
            Cursor::new(data.get(..end).unwrap_or_default(), header.entries, sections.endian);
        let abbrev = abbrevs.get(cursor.uleb()).ok_or(Uncommon)?;
        let first =
            Attrs::read(&mut cursor, header, abbrevs.specs(abbrev)).map_err(|_| Uncommon)?;
        let language = attrs::number(first.language);
        if abbrev.tag != tag::COMPILE_UNIT {
            return Err(Uncommon);
        }
        if u16::try_from(language).is_ok_and(|language| wanted.lang_exclude.contains(&language)) {
            return Ok(UnitKind::LeftOut);
        }
        let is_c =
            matches!(language, lang::C89 | lang::C | lang::C99 | lang::C11 | lang::ASSEMBLER);
        // Indexed strings and addresses are for the general way.
        if !is_c || first.str_offsets_base.is_some() || first.addr_base.is_some() {
            return Err(Uncommon);
        }
        self.ops.compile(abbrevs, header)?;
        if !abbrev.has_children {
            lane.table.begin(number.0);
            lane.table.end();
            return Ok(UnitKind::Encoded);
        }

        let result = match sections.endian {
            Endian::Little => {
                self.walk(lane, number, wanted, (cursor.at, end), PhantomData::<Little>, again)
            }
            Endian::Big => {
                self.walk(lane, number, wanted, (cursor.at, end), PhantomData::<Big>, again)
            }
        };
        result.map(|()| UnitKind::Encoded)
    }

    fn walk<O: Order>(
        &mut self,
        lane: &mut Lane,
        (number, start): (u32, usize),
        wanted: &Wanted<'_>,
        (first, end): (usize, usize),
        order: PhantomData<O>,
        again: Option<&mut Again>,
    ) -> Result<(), Uncommon> {
        let Walker { ops, memory, functions, variables, .. } = self;
        memory.begin(end);
        functions.begin();
        variables.clear();
        lane.table.begin(number);
        let mut types = Types {
            data: wanted.around.unit,
            end,
            ops,
            memory,
            lane,
            features: wanted.features,
            sections: wanted.around.sections,
            number,
            order,
        };
        let any_variables = wanted.variables.any();
        let address_size = wanted.around.header.encoding.address_size;
        let mut depth = 1_u32;
        let mut at = first;
        while at < end {
            let (op, start) = types.op(at)?;
            if op.plain_reference && types.plain_reference(at as u32, op, start)? {
                at = start + usize::from(op.len);
                continue;
            }
            if op.role == Role::Null {
                functions.end(depth);
                depth -= 1;
                if depth == 0 {
                    break;
                }
                at = start;
                continue;
            }
            let entry = types.entry(op, start)?;
            let mut next = None;
            match op.role {
                // A block is in a function.
                Role::Skip if depth == 1 && op.has(flag::CHILDREN) => return Err(Uncommon),
                Role::Skip | Role::Member | Role::Enumerator | Role::Subrange => {}
                Role::Call if op.has(flag::CHILDREN) => next = Some(types.behind(&entry)?),
                Role::Call => {}
                Role::Parameter => functions.parameter(&mut types, at as u32, &entry, depth)?,
                Role::VarArgs => functions.varargs(depth),
                Role::Function => {
                    functions.entry(&mut types, at as u32, &entry, depth + 1, &wanted.around)?;
                }
                Role::Variable => {
                    let candidate = depth == 1
                        && any_variables
                        && walked::is_candidate(&types, &entry, wanted.variables, address_size)?;
                    if candidate {
                        variables.push(at as u32);
                    }
                }
                Role::Odd | Role::Null => return Err(Uncommon),
                _ => next = types.turn(at as u32, &entry)?,
            }
            at = match next {
                Some(next) => next,
                None => {
                    depth += u32::from(op.has(flag::CHILDREN));
                    if depth > DEPTH_MAX {
                        return Err(Uncommon);
                    }
                    entry.next
                }
            };
        }
        if at > end {
            return Err(Uncommon);
        }
        types.bodies()?;
        let suspects = types.lane.table.end();
        let mut graph = None;
        if again.is_some() || !suspects.is_empty() {
            graph = Some(types.graph()?);
        }
        let Types { memory, lane, .. } = types;
        if let Some(graph) = &graph {
            lane.table.confusing.extend(graph.confusing(number, &suspects));
        }
        if let (Some(again), Some(graph)) = (again, &mut graph) {
            functions.name(&wanted.around)?;
            again.functions = functions.nodes(graph)?;
            again.graph = std::mem::take(graph);
            return Ok(());
        }
        functions.save(memory, lane, number, &wanted.around)?;
        let features = wanted.features;
        let place = (number, start);
        walked::add(variables, memory, lane, place, &wanted.around, wanted.variables, features)
    }
}

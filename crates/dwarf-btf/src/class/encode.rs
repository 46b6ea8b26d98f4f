//! The whole encoding by classes: units in parallel, then what they have in common.

use std::sync::atomic::{AtomicUsize, Ordering};

use kmill_btf::dedup;
use kmill_btf::{Btf, StrOff, TypeId, Types};
use padata::{Pool, Weight};

use crate::class::base::Beside;
use crate::class::behind::Behind;
use crate::class::copies;
use crate::class::from_unit::{self, Around, NoClasses};
use crate::class::graph::Again;
use crate::class::key::{Key, StrKey};
use crate::class::lane::Lane;
use crate::class::merge::{Collision, Merged, Units};
use crate::class::reader::Reader;
use crate::class::reduce::{self, Names, Numbers, Reduced};
use crate::class::states::{State, States};
use crate::class::{self};
use crate::dwarf::abbrev::Abbrevs;
use crate::dwarf::unit::UnitHeader;
use crate::elf::functions::FunctionId;
use crate::elf::names::FunctionNames;
use crate::error::EncodeError;
use crate::input::Release;
use crate::phases::Phases;
use crate::plan::Plan;
use crate::serial::functions;
use crate::serial::variables;
use crate::session::{Borrowed, Session};
use crate::unit::load::{self, UnitKind};
use crate::unit::model::Unit;
use crate::unit::resolve;
use crate::walk::{self, compile::Uncommon, unit::Wanted};

impl From<Collision> for NoClasses {
    fn from(_: Collision) -> Self {
        NoClasses::Serial
    }
}

/// Encodes all units, each type once, or says that this path cannot.
pub(crate) fn encode(
    pool: &Pool,
    plan: &Plan<'_>,
    btf: Btf,
    release: Option<Release<'_>>,
    session: &Session,
    phases: &mut Phases,
) -> Result<Btf, NoClasses> {
    let features = &plan.options.features;
    let variables = variables::Sections::new(plan.image, plan.symbols, features);
    let strings = phases.time("plan/strings", || {
        let base = plan.options.base.as_ref().map(|index| index.base());
        plan.sections.unite_strings(pool, base, session.histories())
    });
    let names = phases.time("plan/names of functions", || match strings {
        Some(strings) => {
            FunctionNames::at(pool, plan.sections, strings.different(), &plan.functions)
        }
        None => FunctionNames::new(pool, &plan.sections.str, &plan.functions),
    });
    let keys = phases.time("plan/types of the base", || {
        // Names are the base's by number only where somebody told so.
        let told = plan.sections.says_base_strings() && plan.context.kabi_prefix.is_none();
        session.base_keys(plan.options.base.as_deref().filter(|_| told)?)
    });
    let around = Around {
        sections: plan.sections,
        features,
        functions: &plan.functions,
        names: &names,
        variables: &variables,
        register_params: plan.context.register_params,
        keys: keys.as_ref(),
    };
    let lanes =
        phases.time("map", || map(pool, plan, &around, session, &Behind::new(plan, release)))?;
    let done = merge(pool, plan, &around, &lanes, btf, session, phases);
    session.give_lanes_back(lanes);
    done
}

/// What all units say together.
fn merge(
    pool: &Pool,
    plan: &Plan<'_>,
    around: &Around<'_>,
    lanes: &[Lane],
    btf: Btf,
    session: &Session,
    phases: &mut Phases,
) -> Result<Btf, NoClasses> {
    let features = &plan.options.features;
    let mut merged = phases.time("merge/classes", || Merged::new(lanes))?;
    let index = plan.options.base.as_deref();
    let units = phases.time("merge/uncertain", || {
        let prefix = plan.context.kabi_prefix;
        let verdict = index.map(|index| {
            let beside = Beside::new(index, &merged, plan.sections, prefix);
            match around.keys {
                Some(keys) => beside.verdict_by_key(keys),
                None => beside.verdict(),
            }
        });
        merged.mark_uncertain(verdict)
    });
    let shared = Shared { plan, around, session, merged: &merged, btf: &btf };
    let again = phases.time("merge/read again", || shared.read_again(pool, units))?;
    // Nothing is walked any more.
    session.forget_large_readers();
    if index.is_some() || class::functions::has_arenas(&plan.functions, features) {
        return shared.together(&again, phases);
    }
    let parts = phases.time("merge/types, strings, order", || shared.parts(pool, &again))?;
    let Parts { mut btf, names, named, reduced, numbers, types, ids } = parts;
    let places = numbers.places(&names);
    let place = |number: StrOff| places[number.0 as usize];
    btf.types = types;
    phases.time("merge/names", || btf.types.map_names(place));
    phases.time("merge/functions", || {
        let types = class::functions::Types::new(&merged, &again, &reduced, &names, &ids);
        class::functions::encode(pool, &mut btf, &named, &types, &plan.functions, features);
    });
    let mut variables = variables::Sections::new(plan.image, plan.symbols, features);
    add_variables(&mut variables, lanes, &reduced, |id| ids.get(id));
    variables.finish(&mut btf, plan.image);
    Ok(btf)
}

/// Notes where the variables lie, by their ids as `to` has them.
fn add_variables(
    variables: &mut variables::Sections<'_>,
    lanes: &[Lane],
    reduced: &Reduced,
    to: impl Fn(TypeId) -> TypeId,
) {
    for (lane, ids) in lanes.iter().zip(&reduced.variables) {
        for (variable, id) in lane.variables.iter().zip(ids) {
            variables.add(variable.section, to(*id), variable.offset, variable.size);
        }
    }
}

/// A lane, or the first unit that it could not read, and why.
type Read = Result<Lane, (usize, NoClasses)>;

/// Reads every unit, in as many lanes as there are workers. Each takes the next unit that nobody
/// has, so that its units ascend.
fn map(
    pool: &Pool,
    plan: &Plan<'_>,
    around: &Around<'_>,
    session: &Session,
    behind: &Behind<'_>,
) -> Result<Vec<Lane>, NoClasses> {
    let next = AtomicUsize::new(0);
    let numbers: Vec<usize> = (0..pool.threads().get().min(plan.headers.len())).collect();
    let limit = Weight::UNLIMITED;
    let results = pool.map(
        &numbers,
        |_| 1,
        limit,
        || (),
        |_, _| -> Read {
            let mut lane = {
                // Without a base little is uncertain, and a kernel has many units.
                let noted = plan.options.base.is_some();
                session.lane(plan.functions.all.len(), around.keys.cloned(), noted)
            };
            let mut reader = session.reader();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= plan.headers.len() {
                    lane.finish();
                    session.give_back(reader);
                    return Ok(lane);
                }
                behind.pass(plan.headers[number].start);
                one(plan, around, number, &mut reader, &mut lane)
                    .map_err(|error| (number, error))?;
            }
        },
    );
    // Units before the first that fails do not, so that it is always found, whoever has it.
    let mut lanes = Vec::new();
    let mut failed: Option<(usize, NoClasses)> = None;
    for result in results {
        match result {
            Ok(lane) => lanes.push(lane),
            Err(error) if failed.as_ref().is_none_or(|first| error.0 < first.0) => {
                failed = Some(error);
            }
            Err(_) => {}
        }
    }
    match failed {
        Some((_, error)) => Err(error),
        None => Ok(lanes),
    }
}

fn one(
    plan: &Plan<'_>,
    around: &Around<'_>,
    number: usize,
    reader: &mut Reader,
    lane: &mut Lane,
) -> Result<(), NoClasses> {
    let Reader { abbrevs, walker } = reader;
    let header = &plan.headers[number];
    abbrevs.read(plan.sections, header.abbrev)?;
    if walks(plan) {
        let wanted = wanted(plan, around, header, abbrevs);
        let mark = lane.mark();
        match walker.add(lane, number as u32, &wanted) {
            Ok(_) => return Ok(()),
            Err(Uncommon) => lane.forget(mark),
        }
    }
    let mut buffer = Vec::new();
    if let Some(unit) = load(plan, number, abbrevs, &mut buffer)? {
        let size = header.encoding.address_size;
        from_unit::add(lane, number as u32, &unit, header.start, size, around)?;
    }
    Ok(())
}

/// Whether the fast walk knows all that is asked for.
fn walks(plan: &Plan<'_>) -> bool {
    plan.context.kabi_prefix.is_none() && plan.context.true_signature.is_none()
}

fn wanted<'c>(
    plan: &'c Plan<'_>,
    around: &'c Around<'_>,
    header: &'c UnitHeader,
    abbrevs: &'c Abbrevs,
) -> Wanted<'c> {
    Wanted {
        around: walk::functions::Around {
            sections: plan.sections,
            elf: &plan.functions,
            names: around.names,
            header,
            unit: &[],
            abbrevs,
            register_params: plan.context.register_params,
            registers: plan.context.registers,
        },
        features: around.features,
        variables: around.variables,
        lang_exclude: plan.context.lang_exclude,
    }
}

/// The tables of a unit, unless it is left out; `buffer` is for what it is read from.
fn load<'p>(
    plan: &'p Plan<'p>,
    number: usize,
    abbrevs: &mut Abbrevs,
    buffer: &'p mut Vec<u8>,
) -> Result<Option<Unit<'p>>, EncodeError> {
    let header = &plan.headers[number];
    let info = plan.sections.unit(header.start..header.end, buffer)?;
    let mut unit = Unit::default();
    match load::unit(&plan.context, info, header, abbrevs, &mut unit, false)? {
        UnitKind::LeftOut => Ok(None),
        UnitKind::Encoded => {
            let convention = plan.context.true_signature.as_ref();
            let size = header.encoding.address_size;
            resolve::unit(&mut unit, plan.little_endian(), size, convention)?;
            Ok(Some(unit))
        }
    }
}

/// What is known when all types are final but for their names.
struct Parts {
    /// With strings, and without types.
    btf: Btf,
    names: Names,
    named: Vec<FunctionId>,
    /// The types before they were deduplicated.
    reduced: Reduced,
    /// What stands for names in them,
    numbers: Numbers,
    /// and in those that are left.
    types: Types,
    /// By id before, the id after.
    ids: dedup::Ids,
}

/// One of the three things that have nothing to do with each other.
#[derive(Clone, Copy, Debug)]
enum Task {
    Types,
    Strings,
    Order,
}

/// What a task brings.
enum Part {
    Types(Box<(Reduced, Numbers, Types, dedup::Ids)>),
    Strings(Btf, Names),
    Order(Vec<FunctionId>),
}

struct Shared<'c, 'l> {
    plan: &'c Plan<'c>,
    around: &'c Around<'c>,
    session: &'c Session,
    merged: &'c Merged<'l>,
    /// Without types and strings.
    btf: &'c Btf,
}

impl Shared<'_, '_> {
    /// Units with something uncertain, copy by copy, in their order: by what was noted, or read again.
    fn read_again(&self, pool: &Pool, units: Units) -> Result<Vec<Again>, NoClasses> {
        let mut numbers: Vec<u32> = match units.all {
            true => (0..self.plan.headers.len() as u32).collect(),
            false => units.some.into_iter().collect(),
        };
        numbers.sort_unstable();
        let weight = |number: &u32| {
            let header = &self.plan.headers[*number as usize];
            (header.end - header.start) as u64
        };
        let scratch = || (Borrowed::new(self.session), copies::Scratch::default());
        let read = pool.map(&numbers, weight, Weight::UNLIMITED, scratch, |number, scratch| {
            let (reader, scratch) = scratch;
            match copies::of_unit(self.merged, *number, scratch) {
                Some(copies) => Ok(Some(copies)),
                None => self.again(*number, reader.get()),
            }
        });
        read.into_iter().filter_map(Result::transpose).collect()
    }

    fn again(&self, number: u32, reader: &mut Reader) -> Result<Option<Again>, NoClasses> {
        let Reader { abbrevs, walker } = reader;
        let plan = self.plan;
        let header = &plan.headers[number as usize];
        abbrevs.read(plan.sections, header.abbrev)?;
        if walks(plan) {
            let wanted = wanted(plan, self.around, header, abbrevs);
            if let Ok(again) = walker.again(number, &wanted) {
                return Ok(again);
            }
        }
        let mut buffer = Vec::new();
        match load(plan, number as usize, abbrevs, &mut buffer)? {
            Some(unit) => from_unit::again(number, &unit, header.start, self.around).map(Some),
            None => Ok(None),
        }
    }

    /// Types, functions and variables on one stream, deduplicated together: functions may be the
    /// base's, or have types that nothing else has.
    fn together(&self, again: &[Again], phases: &mut Phases) -> Result<Btf, NoClasses> {
        let Shared { plan, merged, .. } = self;
        let options = plan.options;
        let mut btf = self.btf.clone();
        let (reduced, names) = phases.time("merge/types and strings", || {
            let prefix = plan.context.kabi_prefix;
            let names = reduce::names(merged, &mut btf, plan.sections, prefix)?;
            let mut reduced = reduce::reduce(merged, again, self.btf.clone(), &mut &names)?;
            btf.types = std::mem::take(&mut reduced.btf.types);
            Ok::<_, Collision>((reduced, names))
        })?;
        phases.time("merge/functions", || {
            let states = states(merged, again, &reduced, &names);
            functions::encode(&mut btf, states, &plan.functions, &options.features)
        })?;
        let mut variables = variables::Sections::new(plan.image, plan.symbols, &options.features);
        add_variables(&mut variables, merged.lanes, &reduced, |id| id);
        variables.finish(&mut btf, plan.image);
        let done = phases
            .time("merge/deduplicate", || self.session.deduplicate(btf, options.base.as_deref()));
        Ok(done.map_err(EncodeError::from)?)
    }

    fn parts(&self, pool: &Pool, again: &[Again]) -> Result<Parts, NoClasses> {
        let tasks = [Task::Types, Task::Strings, Task::Order];
        let weight = |task: &Task| match task {
            Task::Types => 3,
            Task::Strings => 2,
            Task::Order => 1,
        };
        let done =
            pool.map(&tasks, weight, Weight::UNLIMITED, || (), |task, ()| self.part(*task, again));
        let (mut types, mut strings, mut named) = (None, None, Vec::new());
        for part in done {
            match part? {
                Part::Types(found) => types = Some(*found),
                Part::Strings(btf, names) => strings = Some((btf, names)),
                Part::Order(order) => named = order,
            }
        }
        let (Some((reduced, numbers, types, ids)), Some((btf, names))) = (types, strings) else {
            return Err(NoClasses::Serial);
        };
        Ok(Parts { btf, names, named, reduced, numbers, types, ids })
    }

    fn part(&self, task: Task, again: &[Again]) -> Result<Part, NoClasses> {
        let Shared { plan, merged, .. } = self;
        Ok(match task {
            Task::Types => {
                let mut numbers = Numbers::new(merged.all.len());
                let btf = self.btf.clone();
                let mut reduced = reduce::reduce(merged, again, btf, &mut numbers)?;
                let canonical = dedup::canonicalise(&mut reduced.btf).map_err(EncodeError::from)?;
                let (types, ids) = dedup::compact(&reduced.btf, &canonical);
                Part::Types(Box::new((reduced, numbers, types, ids)))
            }
            Task::Strings => {
                let mut btf = self.btf.clone();
                let prefix = plan.context.kabi_prefix;
                let names = reduce::names(merged, &mut btf, plan.sections, prefix)?;
                Part::Strings(btf, names)
            }
            Task::Order => Part::Order(class::functions::named(merged, &plan.functions)),
        })
    }
}

/// Every state of every function, in ids.
fn states(
    merged: &Merged<'_>,
    again: &[Again],
    reduced: &Reduced,
    names: &Names,
) -> Vec<functions::State> {
    let mut all: Vec<(&States, &State)> = Vec::new();
    for lane in merged.lanes {
        all.extend(lane.states.all().iter().map(|state| (&lane.states, state)));
    }
    all.sort_unstable_by_key(|(_, state)| (state.function, state.unit, state.index));
    let uncertain = |key: Key| merged.find(key).is_some_and(|id| merged.all[id.index()].uncertain);
    let mut found = Vec::with_capacity(all.len());
    for (states, state) in all {
        let params = states.params(state);
        let name = |name: StrKey| names.get(name);
        let (result, ids): (TypeId, Vec<TypeId>);
        if uncertain(state.result) || params.iter().any(|param| uncertain(param.1)) {
            let read = again.iter().find(|read| read.number == state.unit);
            let Some(read) = read else { continue };
            let Some(function) = read.functions.get(&state.index) else { continue };
            result = reduced.in_unit(merged, read, function.result);
            let params = function.params.iter();
            ids = params.map(|param| reduced.in_unit(merged, read, *param)).collect();
        } else {
            result = reduced.resolve(merged, state.result);
            ids = params.iter().map(|param| reduced.resolve(merged, param.1)).collect();
        }
        let ids = ids.into_iter().chain(std::iter::repeat(TypeId::VOID));
        found.push(functions::State {
            function: state.function,
            result,
            params: params
                .iter()
                .zip(ids)
                .flat_map(|(param, id)| [name(param.0).0, id.0])
                .collect(),
            annotations: states
                .annotations(state)
                .iter()
                .map(|(value, component)| (name(*value), *component))
                .collect(),
            unexpected_register: state.unexpected_register,
            uncertain_location: state.uncertain_location,
            standing: state.standing,
        });
    }
    found
}

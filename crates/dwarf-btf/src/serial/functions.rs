//! Functions: which of their states is encoded, and whether any is.
//!
//! Every unit that defines or inlines a function saves a state of it. The first one counts, and
//! the others may only show that no single prototype is certain.

use kmill_btf::format::{Info, linkage};
use kmill_btf::{Btf, Kind, StrOff, Type, TypeId};
use rustc_hash::FxHashMap;

use crate::elf::functions::{ElfFunction, ElfFunctions, FunctionId};
use crate::elf::kfuncs;
use crate::error::EncodeError;
use crate::features::Features;
use crate::serial::stream::{Stream, UnitBase, push_prototype};
use crate::signature::choice::{self, Candidate, Chosen, Rules, Standing};
use crate::unit::model::{Function, Shape, Unit};
use crate::unit::packed;

/// What one unit says of a function.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) function: FunctionId,
    pub(crate) result: TypeId,
    /// Two words each; a last pair of zeros stands for variable arguments.
    pub(crate) params: Vec<u32>,
    pub(crate) annotations: Vec<(StrOff, i32)>,
    pub(crate) unexpected_register: bool,
    pub(crate) uncertain_location: bool,
    pub(crate) standing: Standing,
}

/// Saves the functions of a unit whose names are those of symbols.
pub(crate) fn save(
    stream: &mut Stream,
    unit: &Unit<'_>,
    base: UnitBase,
    functions: &ElfFunctions<'_>,
    register_params: usize,
    address_size: u8,
    states: &mut Vec<State>,
) {
    for (index, function) in unit.functions.iter().enumerate() {
        let params = unit.params(&function.params);
        if function.declaration || params.iter().any(|param| param.name.is_none()) {
            continue;
        }
        let Some(id) = function.name.and_then(|name| functions.find(name)) else { continue };
        let mut words = Vec::with_capacity(params.len() * 2 + 2);
        for param in unit.shown(&function.params) {
            let name = stream.btf.add_string(&param.full_name());
            words.extend([name.0, base.id(param.target_id).0]);
        }
        if function.varargs {
            words.extend([0, 0]);
        }
        let annotations = unit.annotations(&function.annotations).iter();
        let annotations = annotations
            .map(|annotation| (stream.btf.add_string(annotation.value), annotation.component));
        states.push(State {
            function: id,
            result: base.id(function.target_id),
            params: words,
            annotations: annotations.collect(),
            unexpected_register: function.unexpected_register,
            uncertain_location: is_uncertain(unit, function, register_params, address_size),
            standing: Standing::of(functions, id, unit.signatures.functions.get(index)),
        });
    }
}

/// Whether a packed structure is passed by value behind the registers: where it then lies on the
/// stack is not certain.
pub(crate) fn is_uncertain(
    unit: &Unit<'_>,
    function: &Function<'_>,
    register_params: usize,
    address_size: u8,
) -> bool {
    unit.params(&function.params).iter().skip(register_params).any(|param| {
        unit.get(param.target_id).is_some_and(|ty| {
            let named =
                matches!(ty.shape, Shape::Composite { union: false, .. }) && ty.name.is_some();
            named && packed::is_packed(unit, ty, address_size)
        })
    })
}

/// Appends every function that is certain, in the order of their names.
pub(crate) fn encode(
    btf: &mut Btf,
    mut states: Vec<State>,
    functions: &ElfFunctions<'_>,
    features: &Features,
) -> Result<(), EncodeError> {
    // Stable: the states of a function stay in the order in which they were saved.
    states.sort_by_key(|state| state.function);
    let mut groups: FxHashMap<FunctionId, &[State]> = FxHashMap::default();
    let mut named = Vec::new();
    for group in states.chunk_by(|a, b| a.function == b.function) {
        named.push(group[0].function);
        groups.insert(group[0].function, group);
    }
    functions.sort(&mut named);
    for id in named {
        let (elf, group) = (functions.get(id), groups[&id]);
        if let Some(symbols) = &functions.symbols {
            if let Some(chosen) = choose(btf, group, elf, features) {
                let suffixed = chosen.suffixed.map(|id| symbols.name(id));
                one(btf, &group[chosen.state], elf, suffixed, features)?;
            }
        } else if !features.consistent_func || is_certain(btf, group, elf) {
            one(btf, &group[0], elf, None, features)?;
        }
    }
    Ok(())
}

fn is_certain(btf: &Btf, states: &[State], elf: &ElfFunction<'_>) -> bool {
    let flagged = states.iter().any(|state| state.unexpected_register || state.uncertain_location);
    !elf.ambiguous
        && !flagged
        && states[1..].iter().all(|other| states_match(btf, &states[0], other))
}

/// The state that is encoded when the signatures that the compiler has left count.
fn choose(
    btf: &Btf,
    states: &[State],
    elf: &ElfFunction<'_>,
    features: &Features,
) -> Option<Chosen> {
    let candidates: Vec<Candidate> = states
        .iter()
        .map(|state| Candidate {
            unexpected_register: state.unexpected_register,
            uncertain_location: state.uncertain_location,
            standing: state.standing,
        })
        .collect();
    let rules = Rules { consistent: features.consistent_func, ambiguous: elf.ambiguous };
    choice::choose(&candidates, rules, |index| {
        let (first, other) = (&states[0], &states[index]);
        signatures_match(btf, (first.result, &first.params), (other.result, &other.params))
    })
}

fn states_match(btf: &Btf, a: &State, b: &State) -> bool {
    let params = || a.params.chunks_exact(2).zip(b.params.chunks_exact(2));
    a.params.len() == b.params.len()
        && types_match(btf, a.result, b.result)
        && params().all(|(a, b)| types_match(btf, TypeId(a[1]), TypeId(b[1])))
}

/// Whether two types are the same to a reader of a prototype. It is laxer than equality: what has
/// a name is its name, `const` may be on one side only, and of a callback's parameters only their
/// number counts.
pub(crate) fn types_match(btf: &Btf, a: TypeId, b: TypeId) -> bool {
    let (mut a, mut b) = (a, b);
    // A chain longer than this goes in a circle.
    for _ in 0..4096 {
        if a == b {
            return true;
        }
        let (Some(first), Some(second)) = (btf.get(a), btf.get(b)) else { return false };
        let (kind, other) = (seen_as(first), seen_as(second));
        if kind != other {
            if kind == Kind::Const {
                a = first.target();
            } else if other == Kind::Const {
                b = second.target();
            } else {
                return false;
            }
            continue;
        }
        let same_name = || btf.string(first.name()) == btf.string(second.name());
        match kind {
            Kind::Int => {
                return first.size() == second.size()
                    && first.extra() == second.extra()
                    && same_name();
            }
            Kind::Float => return first.size() == second.size() && same_name(),
            Kind::Typedef | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                return same_name();
            }
            Kind::Ptr | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                (a, b) = (first.target(), second.target());
            }
            Kind::Array => {
                if first.array().len != second.array().len {
                    return false;
                }
                (a, b) = (first.array().element, second.array().element);
            }
            Kind::FuncProto => {
                if first.vlen() != second.vlen() {
                    return false;
                }
                (a, b) = (first.target(), second.target());
            }
            _ => return false,
        }
    }
    false
}

/// The same of whole signatures, two words for a parameter, as pahole later than 1.31 has it: the
/// parameters of callbacks count too.
pub(crate) fn signatures_match(btf: &Btf, a: (TypeId, &[u32]), b: (TypeId, &[u32])) -> bool {
    if a.1.len() != b.1.len() {
        return false;
    }
    let params = a.1.chunks_exact(2).zip(b.1.chunks_exact(2));
    let params = params.map(|(a, b)| (TypeId(a[1]), TypeId(b[1])));
    let mut open: Vec<(TypeId, TypeId)> = std::iter::once((a.0, b.0)).chain(params).collect();
    // More of them go in a circle.
    for _ in 0..65536 {
        let Some((a, b)) = open.pop() else { return true };
        if !types_match(btf, a, b) {
            return false;
        }
        if a == b {
            continue;
        }
        // They agree but for parameters, and lead to the same prototypes.
        if let (Some(a), Some(b)) = (prototype_behind(btf, a), prototype_behind(btf, b)) {
            open.push((a.target(), b.target()));
            open.extend(a.params().zip(b.params()).map(|(a, b)| (a.type_id, b.type_id)));
        }
    }
    false
}

/// The prototype that a type without a name leads to.
fn prototype_behind(btf: &Btf, id: TypeId) -> Option<Type<'_>> {
    let mut id = id;
    for _ in 0..4096 {
        let ty = btf.get(id)?;
        id = match ty.kind() {
            Kind::FuncProto => return Some(ty),
            Kind::Ptr | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                ty.target()
            }
            Kind::Array => ty.array().element,
            _ => return None,
        };
    }
    None
}

/// A declaration counts as what it declares.
fn seen_as(ty: Type<'_>) -> Kind {
    match (ty.kind(), ty.flag()) {
        (Kind::Fwd, true) => Kind::Union,
        (Kind::Fwd, false) => Kind::Struct,
        (kind, _) => kind,
    }
}

fn one(
    btf: &mut Btf,
    state: &State,
    elf: &ElfFunction<'_>,
    suffixed: Option<&[u8]>,
    features: &Features,
) -> Result<(), EncodeError> {
    let mut state = state.clone();
    // A kfunc is called by its own name.
    let kfunc = elf.kfunc.filter(|_| features.decl_tag_kfuncs && suffixed.is_none());
    if let Some(flags) = kfunc.filter(|_| features.attributes) {
        let done = arena_pointers(btf, &mut state, flags);
        done.ok_or_else(|| EncodeError::Kfunc {
            name: String::from_utf8_lossy(elf.name).into_owned(),
            what: "a pointer into an arena is flagged where there is no pointer",
        })?;
    }
    let prototype = push_prototype(btf, state.result, &state.params);
    let name = btf.add_string(suffixed.unwrap_or(elf.name));
    // Always static: the reference says nothing else of functions.
    let info = Info::new(Kind::Func, false, linkage::STATIC);
    let id = btf.types.push(name, info, prototype.0, &[]);
    let tag = |btf: &mut Btf, value: StrOff, component: i32| {
        let info = Info::new(Kind::DeclTag, false, 0);
        btf.types.push(value, info, id.0, &[component as u32]);
    };
    if let Some(flags) = kfunc.filter(|_| features.decl_tag) {
        let value = btf.add_string(b"bpf_kfunc");
        tag(btf, value, -1);
        if flags & kfuncs::FASTCALL != 0 {
            let value = btf.add_string(b"bpf_fastcall");
            tag(btf, value, -1);
        }
    }
    for (value, component) in &state.annotations {
        tag(btf, *value, *component);
    }
    Ok(())
}

/// Pointers into an arena get its address space; nothing when one is not there.
fn arena_pointers(btf: &mut Btf, state: &mut State, flags: u32) -> Option<()> {
    if flags & kfuncs::ARENA_RET != 0 {
        state.result = arena_pointer(btf, state.result)?;
    }
    for (index, flag) in [kfuncs::ARENA_ARG1, kfuncs::ARENA_ARG2].into_iter().enumerate() {
        if flags & flag != 0 {
            let place = state.params.get_mut(index * 2 + 1)?;
            *place = arena_pointer(btf, TypeId(*place))?.0;
        }
    }
    Some(())
}

fn arena_pointer(btf: &mut Btf, id: TypeId) -> Option<TypeId> {
    let target = btf.get(id).filter(|ty| ty.kind() == Kind::Ptr)?.target();
    let name = btf.add_string(b"address_space(1)");
    let info = Info::new(Kind::TypeTag, true, 0);
    let tag = btf.types.push(name, info, target.0, &[]);
    Some(btf.types.push_ref(Kind::Ptr, StrOff::EMPTY, tag))
}

//! How types fit into each other: what has a size, where members end, what must be an integer, a
//! prototype or a variable, and that nothing contains itself.
//!
//! The kernel walks depth first from each type in turn, and how far it goes depends on where it
//! began: from a pointer it follows references only, from a structure or array only what lies
//! inside it. It goes 32 types deep and no deeper, and what an earlier walk has settled costs no
//! depth. To take what the kernel takes, and no more, this walks the same way.

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::{StrOff, Type, TypeId};

use super::chains::is_modifier;
use super::members::{Place, fits, is_regular};
use super::names::is_identifier;
use super::problem::{Asked, EntryProblem, Problem, What};

/// So deep the kernel goes.
const DEEPEST: usize = 32;

/// What is known of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    /// On the stack.
    Open,
    Settled,
    /// Wrong, and it was said, or it refers to something of which it was said.
    Wrong,
}

/// What kind of type the walk began with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Any,
    Pointer,
    Inside,
}

/// What came of a look at one type.
enum Look {
    /// It is settled, ends at that type, and, of an array, has that size.
    Settled(TypeId, u32),
    /// This type must be settled first; go on at that entry then.
    First(TypeId, usize),
    Wrong(What),
    /// Something that it refers to is wrong.
    Follows,
}

struct Walk<'a> {
    btf: &'a Btf,
    first: u32,
    states: Vec<State>,
    /// Where modifiers, pointers, variables and functions end.
    ends: Vec<TypeId>,
    /// Of arrays.
    sizes: Vec<u32>,
    /// Types and the entry that comes next.
    stack: Vec<(TypeId, usize)>,
    mode: Mode,
    pointer: u32,
}

/// At most `limit` problems; nothing is said of types that are `wrong` anyway.
///
/// To the kernel a pointer is as large as its own. A blob without `long`, as a distilled base may be,
/// does not say for which kernel it is: it has problems when it has some for either.
pub(super) fn problems(btf: &Btf, wrong: &[TypeId], limit: usize) -> Vec<Problem> {
    if let Some(pointer) = pointer_size(btf) {
        return problems_with(pointer, btf, wrong, limit);
    }
    let problems = problems_with(8, btf, wrong, limit);
    let are_of_both = || !problems_with(4, btf, wrong, 1).is_empty();
    if problems.is_empty() || are_of_both() { problems } else { Vec::new() }
}

fn problems_with(pointer: u32, btf: &Btf, wrong: &[TypeId], limit: usize) -> Vec<Problem> {
    let count = btf.types.len();
    let mut walk = Walk {
        btf,
        first: btf.types.base().0 + 1,
        states: vec![State::Unknown; count],
        ends: vec![TypeId::VOID; count],
        sizes: vec![0; count],
        stack: Vec::new(),
        mode: Mode::Any,
        pointer,
    };
    for id in wrong {
        walk.set(*id, State::Wrong);
    }
    let mut problems = Vec::new();
    for (id, ty) in btf.types.iter() {
        if problems.len() >= limit {
            break;
        }
        let mut told = |found: Option<(TypeId, What)>| {
            let problem = |(id, what)| Problem { id, what, asked: Asked::WhenLoaded };
            problems.extend(found.map(problem));
        };
        if needs_walk(ty.kind()) && !walk.is_known(id) {
            told(walk.from(id));
        }
        if ty.kind() == Kind::FuncProto && walk.state(id) != State::Wrong {
            walk.prototype(id, ty, &mut told);
        }
    }
    problems
}

/// A pointer's size: that of `long`, as far as the blob has one.
fn pointer_size(btf: &Btf) -> Option<u32> {
    let is_long = |name: &[u8]| {
        let mut words = name.split(|byte| *byte == b' ');
        let longs = words.clone().filter(|word| *word == b"long").count();
        longs == 1 && words.all(|word| matches!(word, b"long" | b"int" | b"unsigned"))
    };
    let mut all = vec![btf];
    while let Some(base) = all.last().and_then(|btf| btf.base()) {
        all.push(base);
    }
    all.iter()
        .rev()
        .flat_map(|btf| btf.types.iter())
        .find(|(_, ty)| ty.kind() == Kind::Int && is_long(btf.name(*ty)))
        .map(|(_, ty)| ty.size())
        .filter(|size| matches!(size, 4 | 8))
}

/// Whether a type is not settled by itself.
fn needs_walk(kind: Kind) -> bool {
    is_modifier(kind)
        || kind.is_composite()
        || matches!(
            kind,
            Kind::Ptr | Kind::Array | Kind::Var | Kind::Func | Kind::DeclTag | Kind::Datasec
        )
}

/// What nothing but a section may refer to.
fn is_declaration(kind: Kind) -> bool {
    matches!(kind, Kind::Var | Kind::DeclTag | Kind::Datasec)
}

impl<'a> Walk<'a> {
    fn index(&self, id: TypeId) -> Option<usize> {
        id.0.checked_sub(self.first).map(|index| index as usize)
    }

    /// `void` and types of the base are settled.
    fn state(&self, id: TypeId) -> State {
        let of = |index: usize| self.states.get(index).copied();
        self.index(id).map_or(State::Settled, |index| of(index).unwrap_or(State::Wrong))
    }

    fn set(&mut self, id: TypeId, state: State) {
        if let Some(index) = self.index(id)
            && let Some(place) = self.states.get_mut(index)
        {
            *place = state;
        }
    }

    fn is_known(&self, id: TypeId) -> bool {
        matches!(self.state(id), State::Settled | State::Wrong)
    }

    /// Settles a type and what it needs for that, or says what is wrong where.
    fn from(&mut self, id: TypeId) -> Option<(TypeId, What)> {
        self.mode = Mode::Any;
        self.push(id);
        while let Some(&(id, next)) = self.stack.last() {
            let Some(ty) = self.btf.get(id) else { break };
            match self.look(ty, next) {
                Look::Settled(end, size) => {
                    self.stack.pop();
                    self.set(id, State::Settled);
                    if let Some(index) = self.index(id) {
                        self.ends[index] = end;
                        self.sizes[index] = size;
                    }
                }
                Look::First(target, next) => {
                    if let Some(top) = self.stack.last_mut() {
                        top.1 = next;
                    }
                    if self.stack.len() >= DEEPEST {
                        self.give_up();
                        return Some((id, What::Depth));
                    }
                    if self.state(target) != State::Unknown {
                        self.give_up();
                        return Some((id, What::Loop));
                    }
                    self.push(target);
                }
                Look::Wrong(what) => {
                    self.give_up();
                    return Some((id, what));
                }
                Look::Follows => self.give_up(),
            }
        }
        None
    }

    fn push(&mut self, id: TypeId) {
        self.set(id, State::Open);
        self.stack.push((id, 0));
        let kind = self.btf.get(id).map(Type::kind);
        if self.mode == Mode::Any {
            self.mode = match kind {
                Some(Kind::Ptr) => Mode::Pointer,
                Some(Kind::Struct | Kind::Union | Kind::Array) => Mode::Inside,
                _ => Mode::Any,
            };
        }
    }

    /// Everything on the stack needs what is on top of it, which is wrong.
    fn give_up(&mut self) {
        while let Some((id, _)) = self.stack.pop() {
            self.set(id, State::Wrong);
        }
    }

    /// Whether this walk has to go on through a type.
    fn goes_through(&self, id: TypeId, kind: Kind) -> bool {
        let inward = match self.mode {
            Mode::Any => needs_walk(kind),
            Mode::Pointer => is_modifier(kind) || kind == Kind::Ptr,
            Mode::Inside => is_modifier(kind) || kind == Kind::Array || kind.is_composite(),
        };
        inward && !self.is_known(id)
    }

    /// The kind of what something refers to, unless nothing may refer to it.
    fn referred(&self, id: TypeId) -> Option<Option<Kind>> {
        if id == TypeId::VOID {
            return Some(None);
        }
        let kind = self.btf.get(id)?.kind();
        (!is_declaration(kind)).then_some(Some(kind))
    }

    fn look(&mut self, ty: Type<'a>, next: usize) -> Look {
        match ty.kind() {
            Kind::Ptr => self.reference(ty, true),
            Kind::Var => self.variable(ty),
            Kind::Array => self.array(ty),
            Kind::Struct | Kind::Union => self.composite(ty, next),
            Kind::Func => self.function(ty),
            Kind::DeclTag => self.tag(ty),
            Kind::Datasec => self.section(ty, next),
            _ => self.reference(ty, false),
        }
    }

    /// A pointer or a modifier: may end at anything but a declaration.
    fn reference(&mut self, ty: Type<'a>, pointer: bool) -> Look {
        let target = ty.target();
        let Some(kind) = self.referred(target) else { return Look::Wrong(What::Target(target)) };
        if let Some(first) = self.not_yet(target, kind, pointer) {
            return Look::First(first, 0);
        }
        if self.state(target) == State::Wrong {
            return Look::Follows;
        }
        if let Some((end, _)) = self.sized(target) {
            return Look::Settled(end, 0);
        }
        // Nothing of a size: fine where C has it, behind a pointer or another name.
        let end = if self.is_known(target) { self.end(target) } else { target };
        match self.btf.get(end).map(Type::kind) {
            None | Some(Kind::Fwd | Kind::FuncProto) => Look::Settled(end, 0),
            Some(_) => Look::Wrong(What::Target(target)),
        }
    }

    fn variable(&mut self, ty: Type<'a>) -> Look {
        let target = ty.target();
        let Some(kind) = self.referred(target) else { return Look::Wrong(What::Target(target)) };
        if let Some(first) = self.not_yet(target, kind, true) {
            return Look::First(first, 0);
        }
        if self.state(target) == State::Wrong {
            return Look::Follows;
        }
        match self.sized(target) {
            Some((end, _)) => Look::Settled(end, 0),
            None => Look::Wrong(What::Target(target)),
        }
    }

    /// What has to be settled before a type that refers to `target`. Modifiers that were settled
    /// from inside a structure ended at a pointer: from a pointer, that one still counts.
    fn not_yet(&self, target: TypeId, kind: Option<Kind>, through: bool) -> Option<TypeId> {
        let kind = kind?;
        if self.goes_through(target, kind) {
            return Some(target);
        }
        if !through || !is_modifier(kind) || self.state(target) == State::Wrong {
            return None;
        }
        let end = self.end(target);
        let pointer = self.btf.get(end)?.kind() == Kind::Ptr;
        (pointer && self.goes_through(end, Kind::Ptr)).then_some(end)
    }

    fn array(&mut self, ty: Type<'a>) -> Look {
        let array = ty.array();
        let parts = [(array.index, What::Index(array.index))];
        let parts = parts.into_iter().chain([(array.element, What::Element(array.element))]);
        let mut size = 0;
        let mut end = TypeId::VOID;
        for (at, (id, wrong)) in parts.enumerate() {
            let kind = self.btf.get(id).map(Type::kind);
            let Some(kind) = kind.filter(|kind| !has_no_size(*kind) && !is_declaration(*kind))
            else {
                return Look::Wrong(wrong);
            };
            if self.goes_through(id, kind) {
                return Look::First(id, 0);
            }
            if self.state(id) == State::Wrong {
                return Look::Follows;
            }
            let Some((part, bytes)) = self.sized(id) else { return Look::Wrong(wrong) };
            let int = self.btf.get(part).filter(|ty| ty.kind() == Kind::Int);
            let right = int.map_or(at == 1, is_regular);
            if !right {
                return Look::Wrong(wrong);
            }
            (end, size) = (part, bytes);
        }
        match size.checked_mul(array.len) {
            Some(size) => Look::Settled(end, size),
            None => Look::Wrong(What::ArraySize),
        }
    }

    fn composite(&mut self, ty: Type<'a>, next: usize) -> Look {
        for (index, member) in ty.members().enumerate().skip(next) {
            let wrong = |what| Look::Wrong(What::Entry { index, what });
            let id = member.type_id;
            let kind = self.btf.get(id).map(Type::kind);
            let Some(kind) = kind.filter(|kind| !has_no_size(*kind) && !is_declaration(*kind))
            else {
                return wrong(EntryProblem::Type(id));
            };
            if self.goes_through(id, kind) {
                return Look::First(id, index);
            }
            if self.state(id) == State::Wrong {
                return Look::Follows;
            }
            let Some((end, size)) = self.sized(id) else { return wrong(EntryProblem::Type(id)) };
            let Some(of) = self.btf.get(end) else { return wrong(EntryProblem::Type(id)) };
            let place = Place { whole: ty.size(), flag: ty.flag(), word: member.offset };
            if let Err(what) = fits(place, of, size, self.pointer) {
                return wrong(what);
            }
        }
        Look::Settled(TypeId::VOID, 0)
    }

    fn function(&mut self, ty: Type<'a>) -> Look {
        let target = ty.target();
        let prototype = self.btf.get(target).filter(|ty| ty.kind() == Kind::FuncProto);
        let Some(prototype) = prototype else { return Look::Wrong(What::Target(target)) };
        let nameless = |param: crate::types::Param| {
            param.name == StrOff::EMPTY && param.type_id != TypeId::VOID
        };
        match prototype.params().position(nameless) {
            Some(index) => Look::Wrong(What::Entry { index, what: EntryProblem::Nameless }),
            None => Look::Settled(target, 0),
        }
    }

    fn tag(&mut self, ty: Type<'a>) -> Look {
        let target = ty.target();
        let of = self.btf.get(target);
        let Some(of) = of.filter(|of| {
            of.kind().is_composite() || matches!(of.kind(), Kind::Func | Kind::Var | Kind::Typedef)
        }) else {
            return Look::Wrong(What::Target(target));
        };
        if self.goes_through(target, of.kind()) {
            return Look::First(target, 0);
        }
        if self.state(target) == State::Wrong {
            return Look::Follows;
        }
        let index = ty.extra() as i32;
        let entries = match of.kind() {
            Kind::Func => self.btf.get(of.target()).map_or(0, Type::vlen),
            kind if kind.is_composite() => of.vlen(),
            _ => 0,
        };
        if index != -1 && index as u32 as usize >= entries {
            return Look::Wrong(What::Component(index));
        }
        Look::Settled(target, 0)
    }

    fn section(&mut self, ty: Type<'a>, next: usize) -> Look {
        self.mode = Mode::Any;
        for (index, entry) in ty.section_entries().enumerate().skip(next) {
            let wrong = |what| Look::Wrong(What::Entry { index, what });
            let id = entry.type_id;
            let Some(variable) = self.btf.get(id).filter(|ty| ty.kind() == Kind::Var) else {
                return wrong(EntryProblem::Type(id));
            };
            if self.goes_through(id, Kind::Var) {
                // The kernel does not come back to one that it had to settle first: its size is
                // compared only when an earlier type or a smaller id settled it.
                return Look::First(id, index + 1);
            }
            if self.state(id) == State::Wrong {
                return Look::Follows;
            }
            match self.sized(variable.target()) {
                None => return wrong(EntryProblem::Type(id)),
                Some((_, size)) if entry.size < size => return wrong(EntryProblem::Misfit),
                Some(_) => {}
            }
        }
        Look::Settled(TypeId::VOID, 0)
    }

    /// Prototypes are not walked through: only what they return and take must be settled, and have
    /// a size.
    fn prototype(
        &mut self,
        id: TypeId,
        ty: Type<'a>,
        told: &mut impl FnMut(Option<(TypeId, What)>),
    ) {
        let result = ty.target();
        if result != TypeId::VOID && !self.passes(result, told) {
            told(Some((id, What::Target(result))));
        }
        for (index, param) in ty.params().enumerate() {
            let last = index + 1 == ty.vlen();
            let mut wrong = |what| told(Some((id, What::Entry { index, what })));
            if last && param.type_id == TypeId::VOID {
                if param.name != StrOff::EMPTY {
                    wrong(EntryProblem::Void);
                }
            } else if param.name != StrOff::EMPTY && !is_identifier(self.btf, param.name) {
                wrong(EntryProblem::BadName);
            } else if !self.passes(param.type_id, told) {
                told(Some((id, What::Entry { index, what: EntryProblem::Type(param.type_id) })));
            }
        }
    }

    /// Whether a value of that type can be passed. What is wrong with the type itself is told.
    fn passes(&mut self, id: TypeId, told: &mut impl FnMut(Option<(TypeId, What)>)) -> bool {
        let Some(ty) = self.btf.get(id) else { return false };
        if is_declaration(ty.kind()) {
            return false;
        }
        if needs_walk(ty.kind()) && !self.is_known(id) {
            told(self.from(id));
        }
        self.state(id) == State::Wrong || self.sized(id).is_some()
    }

    /// Where a settled type ends.
    fn end(&self, id: TypeId) -> TypeId {
        if let Some(index) = self.index(id) {
            return self.ends.get(index).copied().unwrap_or_default();
        }
        let mut id = id;
        for _ in 0..DEEPEST {
            match self.btf.get(id) {
                Some(ty) if is_modifier(ty.kind()) => id = ty.target(),
                _ => break,
            }
        }
        id
    }

    /// The type that has the size of this one, and that size.
    fn sized(&self, id: TypeId) -> Option<(TypeId, u32)> {
        let kind = self.btf.get(id)?.kind();
        let id = if is_modifier(kind) || kind == Kind::Var { self.end(id) } else { id };
        let ty = self.btf.get(id)?;
        let size = match ty.kind() {
            Kind::Ptr => self.pointer,
            Kind::Array => self.array_size(id, ty, 0)?,
            kind if has_no_size(kind) || is_modifier(kind) => return None,
            Kind::Var | Kind::DeclTag => return None,
            _ => ty.size(),
        };
        Some((id, size))
    }

    /// Ours are known once they are settled; those of a base are computed.
    fn array_size(&self, id: TypeId, ty: Type<'_>, depth: usize) -> Option<u32> {
        if let Some(index) = self.index(id) {
            return self.sizes.get(index).copied();
        }
        let element = self.end(ty.array().element);
        let of = self.btf.get(element)?;
        let size = match of.kind() {
            Kind::Ptr => self.pointer,
            Kind::Array if depth < DEEPEST => self.array_size(element, of, depth + 1)?,
            kind if has_no_size(kind) => return None,
            _ => of.size(),
        };
        size.checked_mul(ty.array().len)
    }
}

fn has_no_size(kind: Kind) -> bool {
    matches!(kind, Kind::Fwd | Kind::Func | Kind::FuncProto)
}

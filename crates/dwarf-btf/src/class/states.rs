//! Functions as units say them, in keys: for each function the first state and those that differ.

use crate::class::key::{Key, StrKey};
use crate::class::table::{ClassId, Table};
use crate::elf::functions::FunctionId;
use crate::signature::choice::Standing;

/// One state of a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) function: FunctionId,
    pub(crate) unit: u32,
    /// Number in the unit's table of functions.
    pub(crate) index: u32,
    pub(crate) result: Key,
    pub(crate) unexpected_register: bool,
    pub(crate) uncertain_location: bool,
    pub(crate) standing: Standing,
    start: u32,
    params: u32,
    annotations: u32,
    /// The next state of the function, plus one.
    next: u32,
}

/// A state before it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewState<'p> {
    pub(crate) function: FunctionId,
    pub(crate) index: u32,
    pub(crate) result: Key,
    pub(crate) unexpected_register: bool,
    pub(crate) uncertain_location: bool,
    pub(crate) standing: Standing,
    /// Name and type of each parameter; a last one without either for variable arguments.
    pub(crate) params: &'p [(StrKey, Key)],
    /// Value and component.
    pub(crate) annotations: &'p [(StrKey, i32)],
}

/// The states that one worker has seen.
#[derive(Debug, Default)]
pub(crate) struct States {
    /// By function: its first state, plus one.
    first: Vec<u32>,
    states: Vec<State>,
    params: Vec<(StrKey, Key)>,
    annotations: Vec<(StrKey, i32)>,
    /// The classes of all parameters, and of all results, once all were read.
    classes: Vec<ClassId>,
    results: Vec<ClassId>,
}

impl States {
    /// Forgets everything but memory, for a file with so many functions.
    pub(crate) fn clear(&mut self, functions: usize) {
        self.first.clear();
        self.first.resize(functions, 0);
        self.states.clear();
        self.params.clear();
        self.annotations.clear();
        self.annotations.push(END);
        self.classes.clear();
        self.results.clear();
    }

    /// Every state that says something that none before it said, in the order of units.
    pub(crate) fn all(&self) -> &[State] {
        &self.states
    }

    /// The states of one function, in the order of units, with their places in all.
    pub(crate) fn of(&self, function: FunctionId) -> impl Iterator<Item = (u32, &State)> {
        let mut at = self.first.get(function.0 as usize).copied().unwrap_or(0);
        std::iter::from_fn(move || {
            let number = at.checked_sub(1)?;
            let state = self.states.get(number as usize)?;
            at = state.next;
            Some((number, state))
        })
    }

    pub(crate) fn params(&self, state: &State) -> &[(StrKey, Key)] {
        &self.params[state.start as usize..(state.start + state.params) as usize]
    }

    /// Whether any function has attributes.
    pub(crate) fn any_annotations(&self) -> bool {
        self.annotations.len() > 1
    }

    pub(crate) fn annotations(&self, state: &State) -> &[(StrKey, i32)] {
        // Few functions have any: they lie in a list of their own.
        let start = state.annotations as usize;
        let rest = &self.annotations[start..];
        let len = rest.iter().position(|entry| *entry == END).unwrap_or(rest.len());
        &rest[..len]
    }

    /// Finds the classes of all types, when no more come.
    pub(crate) fn finish(&mut self, table: &Table) {
        let find = |key: Key| table.find(key).unwrap_or(ClassId::VOID);
        self.classes = self.params.iter().map(|param| find(param.1)).collect();
        self.results = self.states.iter().map(|state| find(state.result)).collect();
    }

    /// The classes of a state's parameters.
    pub(crate) fn classes(&self, state: &State) -> &[ClassId] {
        &self.classes[state.start as usize..(state.start + state.params) as usize]
    }

    /// The class of what a state returns; `number` is its place in all.
    pub(crate) fn result(&self, number: u32) -> ClassId {
        self.results[number as usize]
    }

    /// Forgets all but the first states.
    pub(crate) fn forget(&mut self, len: usize) {
        while self.states.len() > len {
            let Some(state) = self.states.pop() else { return };
            let number = self.states.len() as u32 + 1;
            self.params.truncate(state.start as usize);
            let first = &mut self.first[state.function.0 as usize];
            if *first == number {
                *first = 0;
                continue;
            }
            let mut at = *first;
            while at != 0 {
                let state = &mut self.states[at as usize - 1];
                at = state.next;
                if at == number {
                    (state.next, at) = (0, 0);
                }
            }
        }
    }

    /// Keeps a state, unless an earlier one of the function said the same. Of those with suffixed
    /// symbols all are kept: the very first state is doubted for all that come, and a second one
    /// that says the same is not.
    pub(crate) fn save(&mut self, unit: u32, new: &NewState<'_>) {
        let first = &mut self.first[new.function.0 as usize];
        let mut at = *first;
        let mut last = 0;
        while at != 0 {
            let state = &self.states[at as usize - 1];
            let same = state.result == new.result
                && state.unexpected_register == new.unexpected_register
                && state.uncertain_location == new.uncertain_location
                && state.standing == new.standing
                && !new.standing.is_suffixed()
                && self.params(state) == new.params;
            if same && new.annotations.is_empty() && self.annotations(state).is_empty() {
                return;
            }
            last = at;
            at = state.next;
        }
        let start = self.params.len() as u32;
        self.params.extend_from_slice(new.params);
        let annotations = if new.annotations.is_empty() {
            0
        } else {
            let start = self.annotations.len() as u32;
            self.annotations.extend_from_slice(new.annotations);
            self.annotations.push(END);
            start
        };
        self.states.push(State {
            function: new.function,
            unit,
            index: new.index,
            result: new.result,
            unexpected_register: new.unexpected_register,
            uncertain_location: new.uncertain_location,
            standing: new.standing,
            start,
            params: new.params.len() as u32,
            annotations,
            next: 0,
        });
        let number = self.states.len() as u32;
        match last {
            0 => self.first[new.function.0 as usize] = number,
            last => self.states[last as usize - 1].next = number,
        }
    }
}

/// Behind the last annotation of a state; the very first entry of the list is one too.
const END: (StrKey, i32) = (StrKey::NONE, i32::MIN);

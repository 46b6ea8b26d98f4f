//! What one worker knows of the units that it has read.

use std::sync::Arc;

use crate::class::base_keys::BaseKeys;
use crate::class::key::{Key, StrKey};
use crate::class::states::States;
use crate::class::table::{self, Position, Table};

/// A variable that is encoded.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) unit: u32,
    /// Number among the variables of the unit.
    pub(crate) index: u32,
    pub(crate) name: StrKey,
    pub(crate) target: Key,
    /// The place of its type in the unit.
    pub(crate) target_order: u32,
    pub(crate) linkage: u32,
    pub(crate) section: usize,
    pub(crate) offset: u32,
    pub(crate) size: u32,
    pub(crate) annotations: Vec<(StrKey, i32)>,
}

/// An attribute of a type's declaration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeclTag {
    pub(crate) unit: u32,
    /// Number among those of the unit.
    pub(crate) index: u32,
    pub(crate) value: StrKey,
    pub(crate) component: i32,
    pub(crate) target: Key,
    pub(crate) target_order: u32,
}

/// What one worker has read, in ascending order of units.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) table: Table,
    pub(crate) states: States,
    pub(crate) variables: Vec<Variable>,
    pub(crate) tags: Vec<DeclTag>,
    /// The first base type called `int`.
    pub(crate) int: Option<(Position, Key)>,
    /// The first unit with an array.
    pub(crate) array: Option<u32>,
}

impl Lane {
    /// Forgets everything but memory, for a file with that many functions behind that base. `noted` is
    /// whether units are to be noted.
    pub(crate) fn begin_file(
        &mut self,
        functions: usize,
        base: Option<Arc<BaseKeys>>,
        noted: bool,
    ) {
        self.table.clear(base, noted);
        self.states.clear(functions);
        self.variables.clear();
        self.tags.clear();
        (self.int, self.array) = (None, None);
    }

    /// Whether it holds more memory than nearly all modules need.
    pub(crate) fn is_large(&self) -> bool {
        self.table.classes().len() > 1 << 14
    }

    /// No more units come: what refers finds what it refers to.
    pub(crate) fn finish(&mut self) {
        self.table.finish();
        self.states.finish(&self.table);
    }

    /// How far it is, for a unit that may have to be read again.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            table: self.table.mark(),
            ends: self.table.anchor_ends.len(),
            confusing: self.table.confusing.len(),
            states: self.states.all().len(),
            variables: self.variables.len(),
            int: self.int,
            array: self.array,
        }
    }

    /// Forgets what was added since.
    pub(crate) fn forget(&mut self, mark: Mark) {
        self.table.forget(mark.table);
        self.table.anchor_ends.truncate(mark.ends);
        self.table.confusing.truncate(mark.confusing);
        self.states.forget(mark.states);
        self.variables.truncate(mark.variables);
        (self.int, self.array) = (mark.int, mark.array);
    }
}

/// How far a lane was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    table: table::Mark,
    ends: usize,
    confusing: usize,
    states: usize,
    variables: usize,
    int: Option<(Position, Key)>,
    array: Option<u32>,
}

//! What entries say of functions and parameters besides names and types, in tables beside those of
//! the [`Unit`](crate::unit::model::Unit); empty unless the feature is asked for.

use std::borrow::Cow;

use crate::dwarf::attrs::{self, Attrs, Bases};
use crate::dwarf::constants::cc;
use crate::dwarf::passing::{self, Passing};
use crate::dwarf::sections::Sections;
use crate::dwarf::unit::UnitHeader;
use crate::unit::ids::CoreId;

/// The facts of a unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signatures<'a> {
    /// LLVM made it, which says what functions it has changed; nothing before its first entry.
    pub(crate) says_changes: Option<bool>,
    pub(crate) params: Vec<ParameterFacts<'a>>,
    pub(crate) functions: Vec<FunctionFacts>,
}

/// A member that is passed instead of its structure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) target_id: CoreId,
}

/// What is known of a parameter.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParameterFacts<'a> {
    /// Its number among those of its entry's; as wide as the reference keeps it.
    pub(crate) index: u8,
    pub(crate) has_location: bool,
    pub(crate) has_value: bool,
    pub(crate) passing: Passing,
    /// Bytes of its type; as wide as the reference keeps it.
    pub(crate) size: u16,
    /// Too large for registers.
    pub(crate) in_memory: bool,
    pub(crate) field: Option<Field<'a>>,
    /// Its value is known, and nobody passes it.
    pub(crate) optimized: bool,
    /// It is left out of the prototype.
    pub(crate) dropped: bool,
    /// It is called after its field.
    pub(crate) renamed: bool,
}

/// What is known of a function.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FunctionFacts {
    /// Where its code starts; 0 for an instance that has none, and for code in several parts.
    pub(crate) address: u64,
    pub(crate) is_inlined: bool,
    /// Calls of it do not obey the calling convention.
    pub(crate) odd_calls: bool,
    /// The compiler says that its signature is not the source's.
    pub(crate) changed: bool,
    /// Its parameters come in another order than its origin's.
    pub(crate) reordered: bool,
}

impl FunctionFacts {
    pub(crate) fn read(
        attrs: &Attrs<'_>,
        sections: &Sections<'_>,
        header: &UnitHeader,
        bases: &Bases,
    ) -> FunctionFacts {
        FunctionFacts {
            address: attrs::address(attrs.low_pc, sections, header, bases).unwrap_or(0),
            is_inlined: attrs::number(attrs.inline) != 0,
            odd_calls: attrs::number(attrs.calling_convention) == cc::NOCALL,
            ..FunctionFacts::default()
        }
    }
}

impl ParameterFacts<'_> {
    pub(crate) fn read(
        attrs: &Attrs<'_>,
        index: usize,
        sections: &Sections<'_>,
        header: &UnitHeader,
        bases: &Bases,
    ) -> Self {
        let location = attrs.location;
        ParameterFacts {
            index: index as u8,
            has_location: location.is_some(),
            has_value: attrs.const_value.is_some(),
            passing: location
                .map(|value| passing::passing(value, sections, header, bases))
                .unwrap_or_default(),
            ..ParameterFacts::default()
        }
    }
}

/// A parameter as its function's prototype has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) name: Option<&'a [u8]>,
    /// The member that it is called after, too.
    pub(crate) field: Option<&'a [u8]>,
    pub(crate) target_id: CoreId,
}

impl<'a> Shown<'a> {
    pub(crate) fn full_name(&self) -> Cow<'a, [u8]> {
        match (self.name.unwrap_or_default(), self.field) {
            (name, None) => Cow::Borrowed(name),
            (name, Some(field)) => Cow::Owned(joined(name, field)),
        }
    }
}

/// What a parameter is called of which only a member is passed.
pub(crate) fn joined(name: &[u8], field: &[u8]) -> Vec<u8> {
    [name, b"__", field].concat()
}

impl<'a> Signatures<'a> {
    /// A parameter as its function's prototype has it, if it has it.
    pub(crate) fn show(
        &self,
        index: u32,
        name: Option<&'a [u8]>,
        target_id: CoreId,
    ) -> Option<Shown<'a>> {
        let facts = self.params.get(index as usize);
        let field = facts.filter(|facts| facts.renamed).and_then(|facts| facts.field);
        let field = field.map(|field| field.name);
        let dropped = facts.is_some_and(|facts| facts.dropped);
        (!dropped).then_some(Shown { name, field, target_id })
    }

    /// An instance's parameter tells its origin what it knows; the origin's function is encoded
    /// where no instance is.
    pub(crate) fn hand_back(&mut self, param: usize, origin: usize) {
        let Some(known) = self.params.get(param).cloned() else { return };
        let Some(origin) = self.params.get_mut(origin) else { return };
        origin.has_location |= known.has_location;
        origin.has_value |= known.has_value;
        origin.passing.constant |= known.passing.constant;
        origin.passing.on_stack |= known.passing.on_stack;
        origin.passing.first |= known.passing.first;
        origin.passing.second |= known.passing.second;
        origin.passing.register = known.passing.register.or(origin.passing.register);
        if known.size != 0 {
            origin.size = known.size;
        }
        origin.in_memory |= known.in_memory;
        origin.field = origin.field.or(known.field);
    }
}

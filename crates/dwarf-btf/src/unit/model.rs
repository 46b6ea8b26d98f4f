//! A unit in memory: types, functions and variables in the order of their tables.
//!
//! The order is what ids follow from. Each table is filled when an entry *ends*: what lies inside
//! of a structure, a prototype or a function comes before it.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::signature::facts::{Shown, Signatures};
pub(crate) use crate::unit::ids::{CoreId, DieOffset};

/// What a type is.
#[derive(Clone, Debug)]
pub(crate) enum Shape<'a> {
    Base {
        encoding: u64,
        size: u64,
    },
    Pointer,
    Const,
    Volatile,
    Restrict,
    Typedef,
    /// The attribute `btf_type_tag` of a pointer.
    TypeTag {
        value: &'a [u8],
    },
    /// A structure, class or union that is only declared.
    Declared {
        union: bool,
    },
    Composite {
        union: bool,
        size: u64,
        alignment: u64,
        members: Range<u32>,
    },
    /// Of `bits` bits; signed as the type says that its entry names.
    Enumeration {
        bits: u64,
        signed: bool,
        values: Range<u32>,
    },
    /// All dimensions in one.
    Array {
        len: u32,
    },
    Prototype {
        params: Range<u32>,
        varargs: bool,
        size: u64,
    },
    /// Has a number but no BTF: those of the types behind it move.
    Unspecified,
    /// What BTF has no kind for.
    Unsupported {
        what: &'static str,
    },
}

/// One type.
#[derive(Clone, Debug)]
pub(crate) struct UnitType<'a> {
    pub(crate) offset: DieOffset,
    pub(crate) shape: Shape<'a>,
    pub(crate) name: Option<&'a [u8]>,
    /// What it refers to, as an entry and, once resolved, as a type.
    pub(crate) target: Option<DieOffset>,
    pub(crate) target_id: CoreId,
    pub(crate) specification: Option<DieOffset>,
    pub(crate) annotations: Range<u32>,
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) target: Option<DieOffset>,
    pub(crate) target_id: CoreId,
    pub(crate) bit_size: u32,
    pub(crate) bit_offset: u32,
    pub(crate) byte_offset: u32,
    /// As the entry says; 0 when it does not.
    pub(crate) byte_size: u64,
    /// `DW_AT_bit_offset`, which counts from the other end in little-endian files.
    pub(crate) old_bit_offset: Option<u32>,
    pub(crate) is_static: bool,
    pub(crate) is_inheritance: bool,
}

/// One value of an enumeration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enumerator<'a> {
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) value: u64,
}

/// One parameter, of a function or of a prototype.
#[derive(Clone, Debug)]
pub(crate) struct Parameter<'a> {
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) target: Option<DieOffset>,
    pub(crate) target_id: CoreId,
    pub(crate) origin: Option<DieOffset>,
    pub(crate) unexpected_register: bool,
}

/// One function, declared, defined, or inlined somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Function<'a> {
    pub(crate) offset: DieOffset,
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) target: Option<DieOffset>,
    pub(crate) target_id: CoreId,
    pub(crate) origin: Option<DieOffset>,
    pub(crate) specification: Option<DieOffset>,
    pub(crate) params: Range<u32>,
    pub(crate) varargs: bool,
    pub(crate) declaration: bool,
    pub(crate) unexpected_register: bool,
    pub(crate) annotations: Range<u32>,
}

/// One variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable<'a> {
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) target: Option<DieOffset>,
    pub(crate) target_id: CoreId,
    pub(crate) specification: Option<DieOffset>,
    pub(crate) address: Option<u64>,
    pub(crate) artificial: bool,
    pub(crate) external: bool,
    pub(crate) top_level: bool,
    pub(crate) annotations: Range<u32>,
}

/// The attribute `btf_decl_tag` of a declaration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Annotation<'a> {
    pub(crate) value: &'a [u8],
    /// The member or parameter, or -1.
    pub(crate) component: i32,
}

/// What lies at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Type(CoreId),
    Function(u32),
    Parameter(u32),
    Variable(u32),
    /// Another entry that may be referred to, and means nothing here.
    Other,
}

/// A unit, or all of them together when they refer to each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unit<'a> {
    /// What it was read from: `.debug_info`, as far as it is there.
    pub(crate) info: &'a [u8],
    pub(crate) types: Vec<UnitType<'a>>,
    pub(crate) members: Vec<Member<'a>>,
    pub(crate) enumerators: Vec<Enumerator<'a>>,
    pub(crate) params: Vec<Parameter<'a>>,
    pub(crate) functions: Vec<Function<'a>>,
    pub(crate) variables: Vec<Variable<'a>>,
    pub(crate) annotations: Vec<Annotation<'a>>,
    pub(crate) entries: FxHashMap<u64, Entry>,
    /// Its compiler orders members as it likes; the encoding orders them by offset.
    pub(crate) is_rust: bool,
    /// How functions and parameters are passed, when that is asked for.
    pub(crate) signatures: Signatures<'a>,
}

impl<'a> Unit<'a> {
    pub(crate) fn get(&self, id: CoreId) -> Option<&UnitType<'a>> {
        self.types.get((id.0 as usize).checked_sub(1)?)
    }

    /// Every type with its id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (CoreId, &UnitType<'a>)> {
        (1..).map(CoreId).zip(&self.types)
    }

    pub(crate) fn members(&self, range: &Range<u32>) -> &[Member<'a>] {
        &self.members[range.start as usize..range.end as usize]
    }

    pub(crate) fn enumerators(&self, range: &Range<u32>) -> &[Enumerator<'a>] {
        &self.enumerators[range.start as usize..range.end as usize]
    }

    pub(crate) fn params(&self, range: &Range<u32>) -> &[Parameter<'a>] {
        &self.params[range.start as usize..range.end as usize]
    }

    /// The parameters of a function that its prototype has.
    pub(crate) fn shown(&self, range: &Range<u32>) -> impl Iterator<Item = Shown<'a>> {
        range
            .clone()
            .zip(self.params(range))
            .filter_map(|(index, param)| self.signatures.show(index, param.name, param.target_id))
    }

    pub(crate) fn annotations(&self, range: &Range<u32>) -> &[Annotation<'a>] {
        &self.annotations[range.start as usize..range.end as usize]
    }
}

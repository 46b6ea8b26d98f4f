//! From the entries of a unit to its tables, in the reference's order.
//!
//! Which entries are looked into, and what they count as, differs by where they lie: see
//! [`Scope`]. What a place has no use for is stepped over with everything inside.

mod annotations;

use std::ops::Range;

use crate::dwarf::abbrev::{Abbrev, Abbrevs};
use crate::dwarf::attrs::{self, Attrs, Bases};
use crate::dwarf::constants::{ate, lang, tag};
use crate::dwarf::cursor::Cursor;
use crate::dwarf::form::Value;
use crate::dwarf::location::{self, Arrival};
use crate::dwarf::sections::Sections;
use crate::dwarf::unit::UnitHeader;
use crate::error::{EncodeError, Place};
use crate::signature::analysis::Convention;
use crate::signature::facts::{FunctionFacts, ParameterFacts};
use crate::unit::model::{
    Annotation, CoreId, DieOffset, Entry, Enumerator, Function, Member, Parameter, Shape, Unit,
    UnitType, Variable,
};

/// How deep entries may lie in each other. Compilers stay below a hundred; each level takes up to
/// four KiB of a thread's stack, which has two MiB.
pub(crate) const DEPTH_MAX: u32 = 256;

/// What is the same for all units.
#[derive(Clone, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) sections: &'a Sections<'a>,
    /// How many of the first parameters the calling convention puts in registers.
    pub(crate) register_params: usize,
    /// Which registers these are, where that is known.
    pub(crate) registers: &'static [u8],
    pub(crate) type_tags: bool,
    pub(crate) decl_tags: bool,
    /// Attributes as GCC says them count too.
    pub(crate) gnu_annotations: bool,
    /// How parameters are passed, when the signatures that the compiler has left count.
    pub(crate) true_signature: Option<Convention>,
    /// Names that begin with it become it.
    pub(crate) kabi_prefix: Option<&'a [u8]>,
    pub(crate) lang_exclude: &'a [u16],
}

/// What a unit is, as its first entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitKind {
    /// Its entries are encoded.
    Encoded,
    /// It is left out: its language, or a kind of unit that only others refer to.
    LeftOut,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Directly in the unit.
    Unit,
    /// In a structure, class, union or namespace.
    Aggregate,
    /// In a function or a block of one; its parameters are a function's, or a mere block's.
    Function { owner: bool },
    /// In an inlined call.
    Inlined,
    /// In a prototype.
    Prototype,
}

/// Appends the entries of a unit of `info` to `unit`. In `merged` ones, other kinds of units count too.
pub(crate) fn unit<'a>(
    context: &Context<'a>,
    info: &'a [u8],
    header: &UnitHeader,
    abbrevs: &Abbrevs,
    unit: &mut Unit<'a>,
    merged: bool,
) -> Result<UnitKind, EncodeError> {
    unit.info = info;
    let data = info.get(..header.end).unwrap_or_default();
    let cursor = Cursor::new(data, header.entries, context.sections.endian);
    let mut loader =
        Loader { context, header, abbrevs, cursor, bases: Bases::default(), unit, depth: 0 };
    loader.unit(merged)
}

struct Loader<'u, 'a> {
    context: &'u Context<'a>,
    header: &'u UnitHeader,
    abbrevs: &'u Abbrevs,
    cursor: Cursor<'a>,
    bases: Bases,
    unit: &'u mut Unit<'a>,
    depth: u32,
}

/// One entry: where it is, what, and its attributes. The cursor stands behind them.
struct Die<'a> {
    offset: DieOffset,
    tag: u16,
    has_children: bool,
    attrs: Attrs<'a>,
}

impl<'u, 'a> Loader<'u, 'a> {
    fn error(&self, at: usize, what: &'static str) -> EncodeError {
        let unit = Some(self.header.start as u64);
        let place = Place { section: ".debug_info", unit, offset: at as u64 };
        EncodeError::Dwarf { place, what }
    }

    /// The next entry; `None` at the end of a list of children, or of the unit.
    fn next(&mut self) -> Result<Option<Die<'a>>, EncodeError> {
        let at = self.cursor.at;
        if at >= self.cursor.data.len() {
            return Ok(None);
        }
        let code = self.cursor.uleb();
        if code == 0 {
            return Ok(None);
        }
        let abbrevs = self.abbrevs;
        let Some(abbrev) = abbrevs.get(code) else {
            return Err(self.error(at, "an entry whose abbreviation there is not"));
        };
        let &Abbrev { tag, has_children, .. } = abbrev;
        let attrs = Attrs::read(&mut self.cursor, self.header, abbrevs.specs(abbrev));
        let attrs = attrs.map_err(|what| self.error(at, what))?;
        if self.cursor.overran() {
            return Err(self.error(at, "an entry that goes on behind its unit"));
        }
        Ok(Some(Die { offset: DieOffset(at as u64), tag, has_children, attrs }))
    }

    /// Steps over everything inside an entry.
    fn skip_children(&mut self, die: &Die<'a>) -> Result<(), EncodeError> {
        let mut depth = u32::from(die.has_children);
        while depth > 0 {
            if self.cursor.at >= self.cursor.data.len() {
                return Ok(());
            }
            match self.next()? {
                None => depth -= 1,
                Some(die) => depth += u32::from(die.has_children),
            }
        }
        Ok(())
    }

    fn name(&self, attrs: &Attrs<'a>) -> Option<&'a [u8]> {
        let sections = self.context.sections;
        let name = attrs::string(attrs.name, sections, self.header, &self.bases)?;
        match self.context.kabi_prefix {
            Some(prefix) if name.starts_with(prefix) => Some(prefix),
            _ => Some(name),
        }
    }

    fn unit(&mut self, merged: bool) -> Result<UnitKind, EncodeError> {
        let at = self.cursor.at;
        let Some(die) = self.next()? else { return Ok(UnitKind::LeftOut) };
        self.bases = die.attrs.bases(self.header);
        match die.tag {
            tag::COMPILE_UNIT | tag::TYPE_UNIT => {}
            _ if merged => {}
            tag::PARTIAL_UNIT | tag::SKELETON_UNIT => return Ok(UnitKind::LeftOut),
            _ => return Err(self.error(at, "a unit that begins with no unit's entry")),
        }
        // Of units that count as one, the first decides, even if it is left out.
        if self.context.true_signature.is_some() && self.unit.signatures.says_changes.is_none() {
            let producer =
                attrs::string(die.attrs.producer, self.context.sections, self.header, &self.bases);
            let llvm = producer.map(|text| memchr::memmem::find(text, b"clang").is_some());
            self.unit.signatures.says_changes = Some(llvm == Some(true));
        }
        let language = attrs::number(die.attrs.language);
        if u16::try_from(language)
            .is_ok_and(|language| self.context.lang_exclude.contains(&language))
        {
            return Ok(UnitKind::LeftOut);
        }
        self.unit.is_rust |= language == lang::RUST;
        if die.has_children {
            self.children(Scope::Unit, &mut Owner::default())?;
        }
        Ok(UnitKind::Encoded)
    }

    /// Everything inside an entry, up to the end of its list.
    fn children(&mut self, scope: Scope, owner: &mut Owner<'a>) -> Result<(), EncodeError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(self.cursor.at, "entries that lie too deep in each other"));
        }
        while let Some(die) = self.next()? {
            self.entry(die, scope, owner)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn entry(
        &mut self,
        die: Die<'a>,
        scope: Scope,
        owner: &mut Owner<'a>,
    ) -> Result<(), EncodeError> {
        match (die.tag, scope) {
            (tag::FORMAL_PARAMETER, Scope::Function { .. } | Scope::Prototype) => {
                return self.parameter(die, scope, owner);
            }
            (tag::UNSPECIFIED_PARAMETERS, Scope::Function { .. } | Scope::Prototype) => {
                owner.varargs = true;
            }
            (tag::MEMBER | tag::INHERITANCE, Scope::Aggregate) => return self.member(die, owner),
            (found, Scope::Aggregate | Scope::Function { owner: true })
                if self.is_annotation(found) =>
            {
                self.annotation(&die, "btf_decl_tag", -1, &mut owner.annotations);
            }
            (tag::LEXICAL_BLOCK, Scope::Function { .. } | Scope::Inlined) if die.has_children => {
                let mut block = Owner::default();
                return self.children(Scope::Function { owner: false }, &mut block);
            }
            (tag::INLINED_SUBROUTINE, Scope::Function { .. } | Scope::Inlined) => {
                self.unit.entries.insert(die.offset.0, Entry::Other);
                if die.has_children {
                    return self.children(Scope::Inlined, &mut Owner::default());
                }
                return Ok(());
            }
            (
                tag::CALL_SITE
                | tag::CALL_SITE_PARAMETER
                | tag::GNU_CALL_SITE
                | tag::GNU_CALL_SITE_PARAMETER,
                _,
            )
            | (tag::FORMAL_PARAMETER, _)
            | (tag::TEMPLATE_TYPE_PARAMETER | tag::TEMPLATE_VALUE_PARAMETER, _) => {}
            _ => return self.any(die, scope),
        }
        self.skip_children(&die)
    }

    /// An entry that means the same wherever it lies.
    fn any(&mut self, die: Die<'a>, scope: Scope) -> Result<(), EncodeError> {
        let attrs = &die.attrs;
        let target = attrs::reference(attrs.ty).map(DieOffset);
        let declared = attrs::number(attrs.declaration) != 0;
        match die.tag {
            tag::BASE_TYPE => {
                let encoding = attrs::number(attrs.encoding);
                let size = attrs::number(attrs.byte_size);
                self.skip_children(&die)?;
                self.push(&die, Shape::Base { encoding, size }, None, 0..0);
            }
            tag::POINTER_TYPE => return self.pointer(die, target),
            tag::CONST_TYPE => self.plain(die, Shape::Const, target)?,
            tag::VOLATILE_TYPE => self.plain(die, Shape::Volatile, target)?,
            tag::RESTRICT_TYPE => self.plain(die, Shape::Restrict, target)?,
            tag::TYPEDEF => {
                let annotations = self.annotated(&die)?;
                self.push(&die, Shape::Typedef, target, annotations);
            }
            tag::STRUCTURE_TYPE | tag::CLASS_TYPE | tag::UNION_TYPE => {
                return self.aggregate(die, declared);
            }
            tag::ENUMERATION_TYPE => return self.enumeration(die),
            tag::ARRAY_TYPE => return self.array(die, target),
            tag::SUBROUTINE_TYPE => return self.prototype(die, target),
            tag::SUBPROGRAM => return self.function(die, target),
            tag::VARIABLE => return self.variable(die, target, scope),
            tag::UNSPECIFIED_TYPE if scope == Scope::Unit => {
                self.skip_children(&die)?;
                self.unit.entries.insert(die.offset.0, Entry::Type(CoreId(0)));
            }
            tag::UNSPECIFIED_TYPE => self.plain(die, Shape::Unspecified, target)?,
            tag::REFERENCE_TYPE => self.unsupported(die, "a reference type")?,
            tag::RVALUE_REFERENCE_TYPE => self.unsupported(die, "an rvalue reference type")?,
            tag::ATOMIC_TYPE => self.unsupported(die, "an atomic type")?,
            tag::PTR_TO_MEMBER_TYPE => self.unsupported(die, "a pointer to a member")?,
            tag::STRING_TYPE => self.unsupported(die, "a string type")?,
            tag::INTERFACE_TYPE => self.unsupported(die, "an interface type")?,
            tag::NAMESPACE => {
                if die.has_children {
                    self.children(Scope::Aggregate, &mut Owner::default())?;
                }
                self.unit.entries.insert(die.offset.0, Entry::Other);
            }
            tag::IMPORTED_UNIT => {
                let at = die.offset.0 as usize;
                return Err(
                    self.error(at, "an imported unit (made by dwz?), which is not supported")
                );
            }
            _ => {
                self.skip_children(&die)?;
                self.unit.entries.insert(die.offset.0, Entry::Other);
            }
        }
        Ok(())
    }

    /// Appends a type, which ends here.
    fn push(
        &mut self,
        die: &Die<'a>,
        shape: Shape<'a>,
        target: Option<DieOffset>,
        annotations: Range<u32>,
    ) -> CoreId {
        let ty = UnitType {
            offset: die.offset,
            shape,
            name: self.name(&die.attrs),
            target,
            target_id: CoreId(0),
            specification: attrs::reference(die.attrs.specification).map(DieOffset),
            annotations,
        };
        self.unit.types.push(ty);
        let id = CoreId(self.unit.types.len() as u32);
        self.unit.entries.insert(die.offset.0, Entry::Type(id));
        id
    }

    fn plain(
        &mut self,
        die: Die<'a>,
        shape: Shape<'a>,
        target: Option<DieOffset>,
    ) -> Result<(), EncodeError> {
        self.skip_children(&die)?;
        self.push(&die, shape, target, 0..0);
        Ok(())
    }

    fn unsupported(&mut self, die: Die<'a>, what: &'static str) -> Result<(), EncodeError> {
        self.plain(die, Shape::Unsupported { what }, None)
    }

    fn aggregate(&mut self, die: Die<'a>, declared: bool) -> Result<(), EncodeError> {
        let union = die.tag == tag::UNION_TYPE;
        let mut owner = Owner { union, ..Owner::default() };
        if die.has_children {
            self.children(Scope::Aggregate, &mut owner)?;
        }
        // Of unions the reference does not look at those.
        if !union {
            self.annotations_behind(&die, -1, &mut owner.annotations)?;
        }
        let Owner { members, annotations, .. } = owner;
        let start = self.unit.members.len() as u32;
        self.unit.members.extend(members);
        let members = start..self.unit.members.len() as u32;
        let annotations = self.keep(annotations);
        let shape = if declared {
            Shape::Declared { union }
        } else {
            let size = attrs::number(die.attrs.byte_size);
            let alignment = attrs::number(die.attrs.alignment);
            Shape::Composite { union, size, alignment, members }
        };
        self.push(&die, shape, None, annotations);
        Ok(())
    }

    fn member(&mut self, die: Die<'a>, owner: &mut Owner<'a>) -> Result<(), EncodeError> {
        let attrs = &die.attrs;
        let sections = self.context.sections;
        // As wide as the reference keeps it.
        let bit_size = u32::from(attrs::number(attrs.bit_size) as u8);
        let mut member = Member {
            name: self.name(attrs),
            target: attrs::reference(attrs.ty).map(DieOffset),
            target_id: CoreId(0),
            bit_size,
            bit_offset: 0,
            byte_offset: 0,
            byte_size: attrs::number(attrs.byte_size),
            old_bit_offset: None,
            is_static: false,
            is_inheritance: die.tag == tag::INHERITANCE,
        };
        if let Some(value) = attrs.data_bit_offset {
            member.bit_offset = attrs::offset(value, sections) as u32;
            member.byte_offset = member.bit_offset / 8;
        } else {
            match attrs.data_member_location {
                Some(value) => member.byte_offset = attrs::offset(value, sections) as u32,
                None => member.is_static = !owner.union,
            }
            member.bit_offset = member.byte_offset.wrapping_mul(8);
            member.old_bit_offset = Some(attrs::number(attrs.bit_offset) as u32);
        }
        let component = owner.members.len() as i32;
        owner.members.push(member);
        self.annotations_inside(&die, component, &mut owner.annotations)?;
        self.annotations_behind(&die, component, &mut owner.annotations)
    }

    fn enumeration(&mut self, die: Die<'a>) -> Result<(), EncodeError> {
        let start = self.unit.enumerators.len() as u32;
        if die.has_children {
            while let Some(child) = self.next()? {
                if child.tag == tag::ENUMERATOR {
                    let name = self.name(&child.attrs);
                    let value = attrs::number(child.attrs.const_value);
                    self.unit.enumerators.push(Enumerator { name, value });
                }
                self.skip_children(&child)?;
            }
        }
        let values = start..self.unit.enumerators.len() as u32;
        let size = attrs::number(die.attrs.byte_size);
        let bits = if size == 0 { 32 } else { size.saturating_mul(8) };
        let signed = self.names_signed_base(&die.attrs);
        self.push(&die, Shape::Enumeration { bits, signed, values }, None, 0..0);
        Ok(())
    }

    /// Whether the type that an entry names is a signed base type; typedefs are not followed.
    fn names_signed_base(&self, attrs: &Attrs<'a>) -> bool {
        let Some(offset) = attrs::reference(attrs.ty) else { return false };
        let range = self.header.entries as u64..self.header.end as u64;
        if !range.contains(&offset) {
            return false;
        }
        let mut cursor = Cursor { at: offset as usize, ..self.cursor };
        let code = cursor.uleb();
        let Some(abbrev) = self.abbrevs.get(code) else { return false };
        let attrs = Attrs::read(&mut cursor, self.header, self.abbrevs.specs(abbrev));
        let encoding = attrs.map_or(0, |attrs| attrs::number(attrs.encoding));
        matches!(encoding, ate::SIGNED | ate::SIGNED_CHAR)
    }

    fn array(&mut self, die: Die<'a>, target: Option<DieOffset>) -> Result<(), EncodeError> {
        // The reference has room for 64 dimensions and leaves out the others.
        let mut dimensions = 0;
        let mut len = 1_u32;
        if die.has_children {
            while let Some(child) = self.next()? {
                if child.tag == tag::SUBRANGE_TYPE && dimensions < 64 {
                    dimensions += 1;
                    let count = match (child.attrs.upper_bound, child.attrs.count) {
                        (Some(Value::Number(bound)), _) => bound.wrapping_add(1),
                        (None, Some(Value::Number(count))) => count,
                        _ => 0,
                    };
                    len = len.wrapping_mul(count as u32);
                }
                self.skip_children(&child)?;
            }
        }
        self.push(&die, Shape::Array { len }, target, 0..0);
        Ok(())
    }

    fn prototype(&mut self, die: Die<'a>, target: Option<DieOffset>) -> Result<(), EncodeError> {
        let mut owner = Owner::default();
        if die.has_children {
            self.children(Scope::Prototype, &mut owner)?;
        }
        let params = self.keep_params(owner.params, owner.facts);
        let size = attrs::number(die.attrs.byte_size);
        self.push(&die, Shape::Prototype { params, varargs: owner.varargs, size }, target, 0..0);
        Ok(())
    }

    fn keep_params(
        &mut self,
        params: Vec<(DieOffset, Parameter<'a>)>,
        facts: Vec<ParameterFacts<'a>>,
    ) -> Range<u32> {
        self.unit.signatures.params.extend(facts);
        let start = self.unit.params.len() as u32;
        for (offset, param) in params {
            let index = self.unit.params.len() as u32;
            self.unit.params.push(param);
            self.unit.entries.insert(offset.0, Entry::Parameter(index));
        }
        start..self.unit.params.len() as u32
    }

    fn parameter(
        &mut self,
        die: Die<'a>,
        scope: Scope,
        owner: &mut Owner<'a>,
    ) -> Result<(), EncodeError> {
        let attrs = &die.attrs;
        let mut param = Parameter {
            name: self.name(attrs),
            target: attrs::reference(attrs.ty).map(DieOffset),
            target_id: CoreId(0),
            origin: attrs::reference(attrs.abstract_origin).map(DieOffset),
            unexpected_register: false,
        };
        let index = owner.params.len();
        let of_function = matches!(scope, Scope::Function { .. });
        if self.context.true_signature.is_some() {
            let (sections, header) = (self.context.sections, self.header);
            owner.facts.push(match of_function {
                true => ParameterFacts::read(attrs, index, sections, header, &self.bases),
                false => ParameterFacts::default(),
            });
        } else if of_function && index < self.context.register_params {
            param.unexpected_register = self.arrival(attrs, index) == Arrival::Unexpected;
        }
        owner.params.push((die.offset, param));
        if scope == (Scope::Function { owner: true }) {
            self.annotations_inside(&die, index as i32, &mut owner.annotations)?;
            return self.annotations_behind(&die, index as i32, &mut owner.annotations);
        }
        self.skip_children(&die)
    }

    fn arrival(&self, attrs: &Attrs<'a>, index: usize) -> Arrival {
        let expected = self.context.registers.get(index).copied();
        match attrs.location {
            Some(value) => {
                location::arrival(value, expected, self.context.sections, self.header, &self.bases)
            }
            None => Arrival::Nowhere,
        }
    }

    fn function(&mut self, die: Die<'a>, target: Option<DieOffset>) -> Result<(), EncodeError> {
        let mut owner = Owner::default();
        if die.has_children {
            self.children(Scope::Function { owner: true }, &mut owner)?;
        }
        self.annotations_behind(&die, -1, &mut owner.annotations)?;
        let attrs = &die.attrs;
        if self.context.true_signature.is_some() {
            let (sections, header) = (self.context.sections, self.header);
            let facts = FunctionFacts::read(attrs, sections, header, &self.bases);
            self.unit.signatures.functions.push(facts);
        }
        let function = Function {
            offset: die.offset,
            name: self.name(attrs),
            target,
            target_id: CoreId(0),
            origin: attrs::reference(attrs.abstract_origin).map(DieOffset),
            specification: attrs::reference(attrs.specification).map(DieOffset),
            params: self.keep_params(owner.params, owner.facts),
            varargs: owner.varargs,
            declaration: attrs.declaration.is_some(),
            unexpected_register: false,
            annotations: self.keep(owner.annotations),
        };
        let index = self.unit.functions.len() as u32;
        self.unit.functions.push(function);
        self.unit.entries.insert(die.offset.0, Entry::Function(index));
        Ok(())
    }

    fn variable(
        &mut self,
        die: Die<'a>,
        target: Option<DieOffset>,
        scope: Scope,
    ) -> Result<(), EncodeError> {
        let annotations = self.annotated(&die)?;
        let attrs = &die.attrs;
        let declaration = attrs.declaration.is_some();
        let location = attrs.location.filter(|_| !declaration);
        let address = location.and_then(|value| {
            location::address(value, self.context.sections, self.header, &self.bases)
        });
        let variable = Variable {
            name: self.name(attrs),
            target,
            target_id: CoreId(0),
            specification: attrs::reference(attrs.specification).map(DieOffset),
            address,
            artificial: attrs.artificial,
            external: attrs.external,
            top_level: scope == Scope::Unit,
            annotations,
        };
        let index = self.unit.variables.len() as u32;
        self.unit.variables.push(variable);
        self.unit.entries.insert(die.offset.0, Entry::Variable(index));
        Ok(())
    }
}

/// What the children of an entry add to it.
#[derive(Debug, Default)]
struct Owner<'a> {
    union: bool,
    members: Vec<Member<'a>>,
    params: Vec<(DieOffset, Parameter<'a>)>,
    /// Of the parameters, when that is asked for.
    facts: Vec<ParameterFacts<'a>>,
    varargs: bool,
    annotations: Vec<Annotation<'a>>,
}

//! Abbreviations compiled: for each code what role its entries have, how long they are, and where
//! the fields lie that the role asks for.

use crate::dwarf::abbrev::{Abbrev, Abbrevs, Spec};
use crate::dwarf::constants::{at, form, tag};
use crate::dwarf::unit::UnitHeader;
use crate::walk::fields::Field;

/// What an entry is to the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    /// The end of a list.
    Null,
    /// Nothing to see; what is inside is walked over.
    Skip,
    /// Nothing to see, and nothing inside.
    Call,
    Base,
    Pointer,
    Const,
    Volatile,
    Restrict,
    Typedef,
    Array,
    Prototype,
    /// A structure or union with a name and members.
    Named,
    /// One without a name.
    Anonymous,
    /// One that is only declared.
    Declared,
    NamedEnum,
    AnonymousEnum,
    Member,
    Enumerator,
    Subrange,
    Parameter,
    VarArgs,
    Function,
    Variable,
    /// What the walk has no part for.
    Odd,
}

/// How the length of an entry is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Length {
    /// It is known.
    Fixed,
    /// A string comes first, then what is known.
    String,
    /// What is known, then a string.
    StringLast,
    /// What is known, then one LEB128.
    Leb,
    /// Attribute by attribute.
    Walked,
}

/// The kind of union or structure, and other things that are there or not.
pub(crate) mod flag {
    pub(crate) const CHILDREN: u8 = 1;
    pub(crate) const UNION: u8 = 2;
    pub(crate) const DECLARATION: u8 = 4;
    pub(crate) const EXTERNAL: u8 = 8;
    pub(crate) const SIGNED_LEB: u8 = 16;
    pub(crate) const LOCATION: u8 = 32;
    pub(crate) const ARTIFICIAL: u8 = 64;
    /// A name in the entry itself, in front of everything.
    pub(crate) const INLINE_NAME: u8 = 128;
}

/// One code's entries. Places count from behind the code, and from behind the string if one comes
/// first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) role: Role,
    pub(crate) length: Length,
    pub(crate) flags: u8,
    /// Bytes of attributes, those of a string or a LEB128 aside.
    pub(crate) len: u8,
    pub(crate) name: Field,
    pub(crate) ty: Field,
    pub(crate) sibling: Field,
    /// Byte size, or the count or bound of a dimension, a value, a member's place.
    pub(crate) number: Field,
    /// A base type's encoding; a bit field's size; a function's origin.
    pub(crate) second: Field,
    /// The same when they are constants in the abbreviation.
    pub(crate) constant: i64,
    pub(crate) second_constant: u32,
    /// Where the place of a member is in bits.
    pub(crate) in_bits: bool,
    /// A bound, not a count.
    pub(crate) is_bound: bool,
    /// A member with a name in `.debug_str` and a type, in whole bytes, of fixed length.
    pub(crate) plain_member: bool,
    /// A pointer, qualifier or typedef of something, of fixed length; a typedef has a name in
    /// `.debug_str`.
    pub(crate) plain_reference: bool,
    /// What an attribute of a location or a parameter's place has for a form.
    pub(crate) location_form: u16,
    pub(crate) location: Field,
    /// The first of its steps, when it has to be walked, and how many there are.
    steps: u32,
    steps_len: u16,
}

impl Op {
    const NULL: Op = Op {
        role: Role::Null,
        length: Length::Fixed,
        flags: 0,
        len: 0,
        name: Field { at: 0, size: 0 },
        ty: Field { at: 0, size: 0 },
        sibling: Field { at: 0, size: 0 },
        number: Field { at: 0, size: 0 },
        second: Field { at: 0, size: 0 },
        constant: 0,
        second_constant: 0,
        in_bits: false,
        is_bound: false,
        plain_member: false,
        plain_reference: false,
        location_form: 0,
        location: Field { at: 0, size: 0 },
        steps: 0,
        steps_len: 0,
    };

    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// One step over attributes of an entry whose length is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Bytes(u8),
    Leb,
    String,
    /// A block behind its length.
    Block,
    Block1,
    Block2,
    Block4,
}

/// The codes of one unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ops {
    ops: Vec<Op>,
    /// What they were compiled from: the offset, and what the declarations are known for.
    from: Option<(u64, Base)>,
    /// Declarations by number, each compiled when it was first met.
    compiled: Vec<Option<Op>>,
    /// Steps of all of them.
    steps: Vec<Step>,
    base: Option<Base>,
}

/// What numbers of declarations and lengths of addresses hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Base {
    generation: u32,
    address_size: u8,
}

/// Why a unit cannot be walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uncommon;

impl Ops {
    /// What was compiled was at an offset of another file.
    pub(crate) fn begin_file(&mut self) {
        self.from = None;
    }

    /// Compiles the abbreviations of a unit in the place of those before.
    pub(crate) fn compile(&mut self, abbrevs: &Abbrevs, unit: &UnitHeader) -> Result<(), Uncommon> {
        let encoding = unit.encoding;
        if encoding.offset_size != 4 || !(4..=5).contains(&encoding.version) {
            return Err(Uncommon);
        }
        let base = Base { generation: abbrevs.generation(), address_size: encoding.address_size };
        let from = abbrevs.offset().map(|offset| (offset, base));
        if from.is_some() && from == self.from {
            return Ok(());
        }
        let codes = abbrevs.codes().ok_or(Uncommon)?;
        if self.base != Some(base) {
            self.compiled.clear();
            self.steps.clear();
            self.base = Some(base);
        }
        self.from = from;
        self.ops.clear();
        self.ops.push(Op::NULL);
        for abbrev in codes {
            let op = match abbrev {
                Some(abbrev) => match self.compiled.get(abbrev.number.index()) {
                    Some(Some(op)) => *op,
                    _ => self.declaration(abbrevs, abbrev, encoding.address_size),
                },
                None => Op { role: Role::Odd, ..Op::NULL },
            };
            self.ops.push(op);
        }
        Ok(())
    }

    /// Compiles one that was not met before.
    #[cold]
    fn declaration(&mut self, abbrevs: &Abbrevs, abbrev: &Abbrev, address_size: u8) -> Op {
        let specs = abbrevs.specs(abbrev);
        let mut op = op(abbrev.tag, abbrev.has_children, specs, address_size);
        if op.length == Length::Walked {
            let first = self.steps.len();
            if self.walked(specs, address_size).is_none() {
                op.role = Role::Odd;
            }
            (op.steps, op.steps_len) = (first as u32, (self.steps.len() - first) as u16);
        }
        let number = abbrev.number.index();
        if number >= self.compiled.len() {
            self.compiled.resize(number + 1, None);
        }
        self.compiled[number] = Some(op);
        op
    }

    #[inline(always)]
    pub(crate) fn get(&self, code: usize) -> Option<&Op> {
        self.ops.get(code)
    }

    /// The steps over the attributes of an entry.
    pub(crate) fn steps(&self, op: &Op) -> &[Step] {
        &self.steps[op.steps as usize..][..usize::from(op.steps_len)]
    }

    fn walked(&mut self, specs: &[Spec], address_size: u8) -> Option<()> {
        let start = self.steps.len();
        for spec in specs {
            let step = match spec.form {
                form::IMPLICIT_CONST | form::FLAG_PRESENT => continue,
                form::STRING => Step::String,
                form::UDATA
                | form::SDATA
                | form::REF_UDATA
                | form::STRX
                | form::ADDRX
                | form::LOCLISTX
                | form::RNGLISTX => Step::Leb,
                form::EXPRLOC | form::BLOCK => Step::Block,
                form::BLOCK1 => Step::Block1,
                form::BLOCK2 => Step::Block2,
                form::BLOCK4 => Step::Block4,
                other => Step::Bytes(fixed(other, address_size)?),
            };
            match (self.steps[start..].last_mut(), step) {
                (Some(Step::Bytes(before)), Step::Bytes(more)) if *before < 200 => *before += more,
                _ => self.steps.push(step),
            }
        }
        Some(())
    }
}

/// The role of a tag, as if its entries had a name and were definitions.
fn role(tag: u16) -> Role {
    match tag {
        tag::BASE_TYPE => Role::Base,
        tag::POINTER_TYPE => Role::Pointer,
        tag::CONST_TYPE => Role::Const,
        tag::VOLATILE_TYPE => Role::Volatile,
        tag::RESTRICT_TYPE => Role::Restrict,
        tag::TYPEDEF => Role::Typedef,
        tag::ARRAY_TYPE => Role::Array,
        tag::SUBROUTINE_TYPE => Role::Prototype,
        tag::STRUCTURE_TYPE | tag::UNION_TYPE => Role::Named,
        tag::ENUMERATION_TYPE => Role::NamedEnum,
        tag::MEMBER => Role::Member,
        tag::ENUMERATOR => Role::Enumerator,
        tag::SUBRANGE_TYPE => Role::Subrange,
        tag::FORMAL_PARAMETER => Role::Parameter,
        tag::UNSPECIFIED_PARAMETERS => Role::VarArgs,
        tag::SUBPROGRAM => Role::Function,
        tag::VARIABLE => Role::Variable,
        tag::CALL_SITE
        | tag::CALL_SITE_PARAMETER
        | tag::GNU_CALL_SITE
        | tag::GNU_CALL_SITE_PARAMETER => Role::Call,
        tag::LABEL | tag::LEXICAL_BLOCK | tag::INLINED_SUBROUTINE | tag::DWARF_PROCEDURE => {
            Role::Skip
        }
        _ => Role::Odd,
    }
}

/// What is left of a role without a name, or by a mere declaration.
fn settled(op: &Op) -> Role {
    let named = op.name.is_there() || op.has(flag::INLINE_NAME);
    match (op.role, op.has(flag::DECLARATION), named) {
        (Role::Named, true, true) => Role::Declared,
        (Role::Named, true, false) => Role::Odd,
        (Role::Named, false, false) => Role::Anonymous,
        (Role::NamedEnum, _, false) => Role::AnonymousEnum,
        (role, ..) => role,
    }
}

#[inline]
fn op(tag: u16, children: bool, specs: &[Spec], address_size: u8) -> Op {
    let mut op = Op { role: role(tag), ..Op::NULL };
    if children {
        op.flags |= flag::CHILDREN;
    }
    if tag == tag::UNION_TYPE {
        op.flags |= flag::UNION;
    }
    let mut place = Place { at: 0, length: Length::Fixed, address_size };
    let (mut seen, mut twice) = (0_u64, false);
    for (index, spec) in specs.iter().enumerate() {
        let last = index + 1 == specs.len();
        let field = place.step(last, spec);
        field_of(&mut op, spec, field);
        // Of an attribute that is there twice the first one counts: nothing a compiler makes.
        let bit = 1 << (spec.name & 63);
        twice |= seen & bit != 0;
        seen |= bit;
    }
    if twice && has_twice(specs) {
        op.role = Role::Odd;
    }
    op.role = settled(&op);
    // What lies inside of these counts for nothing, or is an attribute: the walk has no eye for it.
    let leaf = matches!(
        op.role,
        Role::Base
            | Role::Pointer
            | Role::Const
            | Role::Volatile
            | Role::Restrict
            | Role::Typedef
            | Role::Declared
            | Role::Member
            | Role::Enumerator
            | Role::Subrange
            | Role::Parameter
            | Role::VarArgs
            | Role::Variable
    );
    if children && (leaf || matches!(tag, tag::LABEL | tag::DWARF_PROCEDURE)) {
        op.role = Role::Odd;
    }
    op.len = place.at.min(255) as u8;
    op.length = place.length;
    // Fields that lie too far behind, or where nobody knows, are nothing for a walk.
    if place.at > 63 {
        op.length = Length::Walked;
    }
    if op.length == Length::Walked && !may_be_walked(op.role) {
        op.role = Role::Odd;
    }
    let fixed = op.length == Length::Fixed;
    op.plain_reference = match op.role {
        Role::Pointer | Role::Const | Role::Volatile | Role::Restrict => fixed && op.ty.size == 4,
        Role::Typedef => fixed && (op.name.size, op.ty.size) == (4, 4),
        _ => false,
    };
    op.plain_member = op.role == Role::Member
        && fixed
        && (op.name.size, op.ty.size) == (4, 4)
        && !op.in_bits
        && !op.second.is_there()
        && op.second_constant == 0;
    op
}

/// Whether an attribute is there more than once.
#[cold]
fn has_twice(specs: &[Spec]) -> bool {
    let before = |index: usize| specs[..index].iter().any(|spec| spec.name == specs[index].name);
    (0..specs.len()).any(before)
}

/// Whether entries of a role may be of a length that is found attribute by attribute.
fn may_be_walked(role: Role) -> bool {
    use Role::{Call, Function, Parameter, Skip, Variable};
    matches!(role, Skip | Call | Function | Variable | Parameter)
}

/// Where the next attribute lies.
struct Place {
    at: usize,
    length: Length,
    address_size: u8,
}

/// What an attribute is to its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Number(Field),
    Constant,
    Flag,
    /// A string in front of everything.
    Inline,
    /// A LEB128 behind everything.
    Leb {
        signed: bool,
    },
    /// Of no fixed length, but it starts there.
    Behind {
        at: u8,
    },
    /// Somewhere.
    Far,
}

/// Bytes of a form that always has as many, in 32-bit DWARF 4 and 5.
fn fixed(form: u16, address_size: u8) -> Option<u8> {
    Some(match form {
        form::DATA1 | form::REF1 | form::STRX1 | form::ADDRX1 | form::FLAG => 1,
        form::DATA2 | form::REF2 | form::STRX2 | form::ADDRX2 => 2,
        form::STRX3 | form::ADDRX3 => 3,
        form::DATA4
        | form::REF4
        | form::STRP
        | form::LINE_STRP
        | form::SEC_OFFSET
        | form::REF_ADDR
        | form::STRX4
        | form::ADDRX4 => 4,
        form::DATA8 | form::REF8 | form::REF_SIG8 => 8,
        form::DATA16 => 16,
        form::ADDR => address_size,
        _ => return None,
    })
}

impl Place {
    fn step(&mut self, last: bool, spec: &Spec) -> Found {
        let size = match spec.form {
            form::IMPLICIT_CONST => return Found::Constant,
            form::FLAG_PRESENT => return Found::Flag,
            form::STRING if self.at == 0 && self.length == Length::Fixed => {
                self.length = Length::String;
                return Found::Inline;
            }
            form::STRING if last && self.length == Length::Fixed => {
                self.length = Length::StringLast;
                return Found::Inline;
            }
            form::UDATA | form::SDATA if last && self.length == Length::Fixed => {
                self.length = Length::Leb;
                return Found::Leb { signed: spec.form == form::SDATA };
            }
            form => match fixed(form, self.address_size) {
                Some(size) => size,
                None => {
                    let known = matches!(self.length, Length::Fixed | Length::String);
                    self.length = Length::Walked;
                    return match u8::try_from(self.at) {
                        Ok(at @ 0..=63) if known => Found::Behind { at },
                        _ => Found::Far,
                    };
                }
            },
        };
        let at = self.at;
        self.at += usize::from(size);
        match (self.length, at, size) {
            (Length::Fixed | Length::String, 0..=63, 1 | 2 | 4 | 8) => {
                Found::Number(Field { at: at as u8, size })
            }
            _ => Found::Far,
        }
    }
}

fn field_of(op: &mut Op, spec: &Spec, found: Found) {
    match spec.name {
        at::NAME | at::TYPE => name_or_type(op, spec, found),
        at::SIBLING => {
            if let (Found::Number(field), form::REF4) = (found, spec.form) {
                op.sibling = field;
            }
        }
        at::DECLARATION => match found {
            Found::Flag => op.flags |= flag::DECLARATION,
            _ if matches!(op.role, Role::Skip | Role::Call) => {}
            _ => op.role = Role::Odd,
        },
        at::EXTERNAL => op.flags |= flag::EXTERNAL,
        at::ARTIFICIAL => op.flags |= flag::ARTIFICIAL,
        at::LOCATION => {
            op.flags |= flag::LOCATION;
            op.location_form = spec.form;
            match found {
                Found::Number(field) => op.location = field,
                Found::Behind { at } => op.location = Field { at, size: 0 },
                _ => op.location_form = 0,
            }
        }
        at::SPECIFICATION if matches!(op.role, Role::Variable | Role::Skip | Role::Call) => {}
        at::SPECIFICATION => op.role = Role::Odd,
        at::ABSTRACT_ORIGIN => match (found, spec.form) {
            (Found::Number(field), form::REF4) => {
                if matches!(op.role, Role::Function | Role::Parameter) {
                    op.second = field;
                }
            }
            _ if matches!(op.role, Role::Skip | Role::Call | Role::Variable) => {}
            _ => op.role = Role::Odd,
        },
        at::BYTE_SIZE
        | at::ENCODING
        | at::CONST_VALUE
        | at::DATA_MEMBER_LOCATION
        | at::DATA_BIT_OFFSET
        | at::BIT_SIZE
        | at::BIT_OFFSET
        | at::COUNT
        | at::UPPER_BOUND
        | at::STR_OFFSETS_BASE
        | at::ADDR_BASE
        | at::GNU_ADDR_BASE
        | at::LOCLISTS_BASE => number_of(op, spec.name, spec, found),
        _ => {}
    }
}

fn name_or_type(op: &mut Op, spec: &Spec, found: Found) {
    match (spec.name, found, spec.form) {
        (at::NAME, Found::Inline, _) => op.flags |= flag::INLINE_NAME,
        (at::NAME, Found::Number(field), form::STRP) => op.name = field,
        (at::TYPE, Found::Number(field), form::REF4) => op.ty = field,
        _ => match op.role {
            Role::Skip | Role::Call | Role::Variable => {}
            _ => op.role = Role::Odd,
        },
    }
}

/// Attributes that are numbers, by what they are for.
fn number_of(op: &mut Op, name: u16, spec: &Spec, found: Found) {
    let numeric = matches!(
        spec.form,
        form::DATA1
            | form::DATA2
            | form::DATA4
            | form::DATA8
            | form::IMPLICIT_CONST
            | form::UDATA
            | form::SDATA
    );
    let (first, second) = match (op.role, name) {
        (Role::Base | Role::Named | Role::NamedEnum, at::BYTE_SIZE) => (true, false),
        (Role::Base, at::ENCODING) => (false, true),
        (Role::Enumerator, at::CONST_VALUE) => (true, false),
        (Role::Member, at::DATA_MEMBER_LOCATION) => (true, false),
        (Role::Member, at::DATA_BIT_OFFSET) => {
            op.in_bits = true;
            (true, false)
        }
        (Role::Member, at::BIT_SIZE) => (false, true),
        (Role::Subrange, at::COUNT) => (true, false),
        (Role::Subrange, at::UPPER_BOUND) => {
            op.is_bound = true;
            (true, false)
        }
        // DWARF 2's bit fields, and what else would change a type.
        (Role::Member, at::BIT_OFFSET)
        | (_, at::STR_OFFSETS_BASE | at::ADDR_BASE | at::GNU_ADDR_BASE | at::LOCLISTS_BASE) => {
            if !matches!(op.role, Role::Skip | Role::Call) {
                op.role = Role::Odd;
            }
            return;
        }
        _ => return,
    };
    let taken = if first { op.number.is_there() || op.constant != 0 } else { op.second.is_there() };
    match found {
        _ if taken || !numeric => op.role = Role::Odd,
        Found::Number(field) if first => op.number = field,
        Found::Number(field) if second => op.second = field,
        Found::Constant if first => op.constant = spec.implicit,
        Found::Constant => match u32::try_from(spec.implicit) {
            Ok(constant) => op.second_constant = constant,
            Err(_) => op.role = Role::Odd,
        },
        Found::Leb { signed } if first => {
            if signed {
                op.flags |= flag::SIGNED_LEB;
            }
        }
        _ => op.role = Role::Odd,
    }
}

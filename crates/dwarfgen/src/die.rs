//! One entry of debug info, with everything inside.
//!
//! Entries that others refer to have a label. The usual ones have what C calls them: `int`,
//! `struct foo`, `const int`, `struct foo *`; a reference to `void` is none.

use crate::constants::{at, op, tag};

/// What an attribute says; the unit's style chooses the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string without its NUL.
    Text(Vec<u8>),
    /// A number that is never negative.
    Number(u64),
    /// A number that may be.
    Signed(i64),
    /// That it is so.
    Flag,
    /// The entry of that label in the unit.
    Ref(String),
    /// The entry of that label in another unit, by the unit's number.
    RefOutside(usize, String),
    /// An entry by its offset in the unit, there or not.
    Offset(u64),
    /// A location or another expression.
    Expression(Vec<u8>),
    /// The location at an address.
    Address(u64),
    /// A list of locations.
    List(Vec<Vec<u8>>),
    /// A form, and the bytes in which it lies in the entry.
    Raw(u16, Vec<u8>),
    /// `DW_FORM_implicit_const`, whatever the style.
    Implicit(i64),
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Die {
    /// What it is.
    pub tag: u16,
    /// What others call it.
    pub label: Option<String>,
    /// Attributes in their order.
    pub attrs: Vec<(u16, Value)>,
    /// The entries inside.
    pub children: Vec<Die>,
}

impl Die {
    /// An entry that says nothing.
    pub fn new(tag: u16) -> Die {
        Die { tag, label: None, attrs: Vec::new(), children: Vec::new() }
    }

    /// A base type.
    pub fn base(name: &str, size: u64, encoding: u64) -> Die {
        let die = Die::new(tag::BASE_TYPE).size(size).number(at::ENCODING, encoding);
        die.name(name).label(name)
    }

    /// `int`.
    pub fn int() -> Die {
        Die::base("int", 4, crate::constants::ate::SIGNED)
    }

    /// `TARGET *`.
    pub fn pointer(target: &str) -> Die {
        Die::new(tag::POINTER_TYPE).size(8).ty(target).label(&format!("{target} *"))
    }

    /// `const TARGET`.
    pub fn constant(target: &str) -> Die {
        Die::new(tag::CONST_TYPE).ty(target).label(&format!("const {target}"))
    }

    /// `volatile TARGET`.
    pub fn volatile(target: &str) -> Die {
        Die::new(tag::VOLATILE_TYPE).ty(target).label(&format!("volatile {target}"))
    }

    /// A typedef.
    pub fn typedef(name: &str, target: &str) -> Die {
        Die::new(tag::TYPEDEF).name(name).ty(target).label(name)
    }

    /// `struct NAME`; anonymous when that is empty.
    pub fn structure(name: &str, size: u64) -> Die {
        Die::new(tag::STRUCTURE_TYPE).named("struct", name).size(size)
    }

    /// `union NAME`.
    pub fn union(name: &str, size: u64) -> Die {
        Die::new(tag::UNION_TYPE).named("union", name).size(size)
    }

    /// `enum NAME`.
    pub fn enumeration(name: &str, size: u64) -> Die {
        Die::new(tag::ENUMERATION_TYPE).named("enum", name).size(size)
    }

    /// `struct NAME;`, `union NAME;` or `enum NAME;`, by the tag.
    pub fn declared(tag: u16, name: &str) -> Die {
        let kind = match tag {
            tag::UNION_TYPE => "union",
            tag::ENUMERATION_TYPE => "enum",
            _ => "struct",
        };
        Die::new(tag).named(kind, name).flag(at::DECLARATION)
    }

    /// `TARGET[LEN]...`, with one length for each dimension.
    pub fn array(target: &str, lens: &[u64]) -> Die {
        let dimensions: String = lens.iter().map(|len| format!("[{len}]")).collect();
        let die = Die::new(tag::ARRAY_TYPE).ty(target).label(&format!("{target}{dimensions}"));
        lens.iter().fold(die, |die, len| {
            die.child(Die::new(tag::SUBRANGE_TYPE).number(at::UPPER_BOUND, len.wrapping_sub(1)))
        })
    }

    /// A prototype; without a label.
    pub fn prototype(result: &str, params: &[&str]) -> Die {
        let die = Die::new(tag::SUBROUTINE_TYPE).ty(result);
        params.iter().fold(die, |die, ty| die.child(Die::new(tag::FORMAL_PARAMETER).ty(ty)))
    }

    /// A function.
    pub fn function(name: &str, result: &str) -> Die {
        Die::new(tag::SUBPROGRAM).name(name).ty(result).label(name)
    }

    /// A variable at an address.
    pub fn variable(name: &str, ty: &str, address: u64) -> Die {
        let die = Die::new(tag::VARIABLE).name(name).ty(ty);
        die.attr(at::LOCATION, Value::Address(address))
    }

    /// A named attribute of a declaration or type: `btf_decl_tag`, `btf_type_tag`.
    pub fn annotation(kind: &str, value: &str) -> Die {
        let die = Die::new(tag::LLVM_ANNOTATION).name(kind);
        die.attr(at::CONST_VALUE, Value::Text(value.into()))
    }

    /// Appends an attribute.
    #[must_use]
    pub fn attr(mut self, name: u16, value: Value) -> Die {
        self.attrs.push((name, value));
        self
    }

    /// Appends a number.
    #[must_use]
    pub fn number(self, name: u16, value: u64) -> Die {
        self.attr(name, Value::Number(value))
    }

    /// Appends a flag.
    #[must_use]
    pub fn flag(self, name: u16) -> Die {
        self.attr(name, Value::Flag)
    }

    /// Appends an expression.
    #[must_use]
    pub fn expression(self, name: u16, bytes: &[u8]) -> Die {
        self.attr(name, Value::Expression(bytes.to_vec()))
    }

    /// Appends a reference.
    #[must_use]
    pub fn refer(self, name: u16, label: &str) -> Die {
        self.attr(name, Value::Ref(label.to_owned()))
    }

    /// Gives a name.
    #[must_use]
    pub fn name(self, name: &str) -> Die {
        self.attr(at::NAME, Value::Text(name.into()))
    }

    /// Gives a type, unless it is `void`.
    #[must_use]
    pub fn ty(self, label: &str) -> Die {
        if label == "void" { self } else { self.refer(at::TYPE, label) }
    }

    /// Gives a size in bytes.
    #[must_use]
    pub fn size(self, size: u64) -> Die {
        self.number(at::BYTE_SIZE, size)
    }

    /// What others call it.
    #[must_use]
    pub fn label(mut self, label: &str) -> Die {
        self.label = Some(label.to_owned());
        self
    }

    fn named(self, kind: &str, name: &str) -> Die {
        match name {
            "" => self,
            name => self.name(name).label(&format!("{kind} {name}")),
        }
    }

    /// Appends an entry inside.
    #[must_use]
    pub fn child(mut self, die: Die) -> Die {
        self.children.push(die);
        self
    }

    /// Appends several.
    #[must_use]
    pub fn children(mut self, dies: impl IntoIterator<Item = Die>) -> Die {
        self.children.extend(dies);
        self
    }

    /// Appends a member at a byte offset.
    #[must_use]
    pub fn member(self, name: &str, ty: &str, offset: u64) -> Die {
        let die = Die::new(tag::MEMBER);
        let die = if name.is_empty() { die } else { die.name(name) };
        self.child(die.ty(ty).number(at::DATA_MEMBER_LOCATION, offset))
    }

    /// Appends a bit field at a bit offset (DWARF 4 and later).
    #[must_use]
    pub fn bits(self, name: &str, ty: &str, offset: u64, width: u64) -> Die {
        let die = Die::new(tag::MEMBER).name(name).ty(ty).number(at::BIT_SIZE, width);
        self.child(die.number(at::DATA_BIT_OFFSET, offset))
    }

    /// Appends a value of an enumeration.
    #[must_use]
    pub fn value(self, name: &str, value: i64) -> Die {
        let die = Die::new(tag::ENUMERATOR).name(name);
        self.child(die.attr(at::CONST_VALUE, Value::Signed(value)))
    }

    /// Appends a parameter, which arrives nowhere.
    #[must_use]
    pub fn param(self, name: &str, ty: &str) -> Die {
        self.child(Die::new(tag::FORMAL_PARAMETER).name(name).ty(ty))
    }

    /// Appends a parameter in a register (`DW_OP_regN`).
    #[must_use]
    pub fn param_in(self, name: &str, ty: &str, register: u8) -> Die {
        let die = Die::new(tag::FORMAL_PARAMETER).name(name).ty(ty);
        self.child(die.expression(at::LOCATION, &[op::REG0 + register]))
    }

    /// Appends `...`.
    #[must_use]
    pub fn varargs(self) -> Die {
        self.child(Die::new(tag::UNSPECIFIED_PARAMETERS))
    }
}

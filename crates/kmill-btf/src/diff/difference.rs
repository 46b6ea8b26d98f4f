//! What can differ, in types and in words.

use std::fmt;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What kind of thing it is.
    pub sort: Sort,
    /// Its name; of a tag, its text and what has it; of a nameless type, what is in it.
    pub name: String,
    /// What differs.
    pub change: Change,
}

/// A kind of thing that is compared by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// An integer.
    Int,
    /// A floating-point number.
    Float,
    /// A structure.
    Struct,
    /// A union.
    Union,
    /// An enumeration of either width.
    Enum,
    /// A typedef.
    Typedef,
    /// A structure or union that is only declared.
    Declaration,
    /// A function.
    Function,
    /// A variable.
    Variable,
    /// A section.
    Section,
    /// The tag of a declaration.
    Tag,
    /// A type without a name that nothing refers to.
    Nameless,
}

/// What differs in a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the first blob has it.
    OnlyFirst,
    /// Only the second blob has it.
    OnlySecond,
    /// The thing itself: its size, type, encoding, linkage.
    Is {
        /// What of it.
        what: &'static str,
        /// In the first blob.
        first: String,
        /// In the second blob.
        second: String,
    },
    /// A member, value or variable that only the first blob has.
    PartOnlyFirst(String),
    /// A member, value or variable that only the second blob has.
    PartOnlySecond(String),
    /// A member, value or variable that is another one.
    Part {
        /// Its name, with those of nameless structures around it left out.
        name: String,
        /// In the first blob.
        first: String,
        /// In the second blob.
        second: String,
    },
    /// All parts are equal, and come in another order or nesting.
    Order,
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sort::Int => "int",
            Sort::Float => "float",
            Sort::Struct => "struct",
            Sort::Union => "union",
            Sort::Enum => "enum",
            Sort::Typedef => "typedef",
            Sort::Declaration => "declaration of",
            Sort::Function => "function",
            Sort::Variable => "variable",
            Sort::Section => "section",
            Sort::Tag => "tag",
            Sort::Nameless => "nameless",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.sort, self.name)?;
        match &self.change {
            Change::OnlyFirst => f.write_str("only in the first"),
            Change::OnlySecond => f.write_str("only in the second"),
            Change::Is { what, first, second } => write!(f, "{what}: {first} became {second}"),
            Change::PartOnlyFirst(name) => write!(f, "{name}: only in the first"),
            Change::PartOnlySecond(name) => write!(f, "{name}: only in the second"),
            Change::Part { name, first, second } => write!(f, "{name}: {first} became {second}"),
            Change::Order => f.write_str("the same parts in another order"),
        }
    }
}

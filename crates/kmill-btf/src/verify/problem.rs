//! What the kernel would say no to, in types and in words.

use crate::types::TypeId;

/// One type that the kernel would not take, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("type {id}: {what}")]
pub struct Problem {
    /// Which type.
    pub id: TypeId,
    /// What is wrong with it.
    pub what: What,
    /// When the kernel asks for it.
    pub asked: Asked,
}

/// When the kernel asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Of every blob, its own and its modules' included.
    Always,
    /// Only of blobs that programs load (`BPF_BTF_LOAD`): how types fit into each other. It takes
    /// its own on trust there.
    WhenLoaded,
}

/// What is wrong with a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// There are more types than the kernel counts.
    #[error("the kernel takes no type with so large an id")]
    TooManyTypes,
    /// `void` where something must be.
    #[error("it refers to void, and must refer to something")]
    Void,
    /// Bits of the info word that mean nothing to the kernel, or more than 65,535 entries.
    #[error("bits of the info word are set that mean nothing")]
    UnusedInfoBits,
    /// A flag on a kind that has none.
    #[error("its kind has no flag")]
    Flag,
    /// Entries in a kind that has none.
    #[error("its kind has no entries, and it claims {0}")]
    Entries(usize),
    /// A name where none may be.
    #[error("it has a name, and may not")]
    Named,
    /// No name where one must be.
    #[error("it has no name, and must")]
    Nameless,
    /// A name that is no identifier, or is too long, or, of a section, cannot be printed.
    #[error("its name is none")]
    BadName,
    /// A name so far behind in the strings that the kernel does not look there.
    #[error("its name, or an entry's, is beyond 16 MiB of strings")]
    FarName,
    /// A size that its kind cannot have.
    #[error("it cannot be {0} bytes")]
    Size(u32),
    /// An integer whose bits do not fit its size, or of more than 128 bits.
    #[error("its bits do not fit")]
    IntBits,
    /// An encoding that is none, or more than one.
    #[error("its encoding is none")]
    IntEncoding,
    /// A word that must be zero is not.
    #[error("a word must be zero that is not")]
    NotZero,
    /// A linkage that there is not.
    #[error("there is no linkage {0}")]
    Linkage(u32),
    /// A tag's index of a component, below -1 or beyond the entries of what it tags, or on
    /// something without entries.
    #[error("there is no component {0}")]
    Component(i32),
    /// One of its entries: a member, a value, a parameter, a variable.
    #[error("entry {index}: {what}")]
    Entry {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        what: EntryProblem,
    },
    /// An attribute of a type behind `const`, `volatile`, `restrict` or a typedef.
    #[error("a type tag stands behind another modifier")]
    TagBehindModifier,
    /// More than 32 modifiers one behind another, or a circle of them.
    #[error("a chain of modifiers is too long, or has no end")]
    Chain,
    /// Refers to nothing, or to something that its kind cannot refer to.
    #[error("it cannot refer to type {0}")]
    Target(TypeId),
    /// An index that is no ordinary integer.
    #[error("type {0} cannot be an array's index")]
    Index(TypeId),
    /// Elements without a size, or integers of odd bits.
    #[error("type {0} cannot be an array's element")]
    Element(TypeId),
    /// An array of 4 GiB or more.
    #[error("the array is too large")]
    ArraySize,
    /// Contains itself, or refers to nothing but itself.
    #[error("it contains itself, or refers to itself through references only")]
    Loop,
    /// Types nested more than 32 deep.
    #[error("types are nested too deep")]
    Depth,
}

/// What is wrong with an entry of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// No name where one must be.
    #[error("it has no name")]
    Nameless,
    /// A name that is no identifier.
    #[error("its name is none")]
    BadName,
    /// Of type `void`.
    #[error("it is of type void")]
    Void,
    /// Of a type that an entry cannot have: one without size, or of another kind.
    #[error("it cannot be of type {0}")]
    Type(TypeId),
    /// A member of a union that does not start where the union does.
    #[error("a member of a union starts at bit {0}")]
    InUnion(u32),
    /// Before the entry before it, or overlapping it.
    #[error("it stands before the end, or the start, of the one before")]
    Order,
    /// Starts beyond the whole, or, in a section, ends there.
    #[error("it lies outside the whole")]
    Outside,
    /// Its type is larger than what is left of the whole, or than its own size says.
    #[error("its type does not fit there")]
    Misfit,
    /// Starts in the midst of a byte, or where its kind cannot.
    #[error("its kind cannot start at such a bit")]
    Unaligned,
    /// A bit field wider than its type, or of a type that has no bits.
    #[error("its type has no bit fields of that width")]
    BitField,
    /// Size 0, or more than the section.
    #[error("its size is wrong")]
    Size,
}

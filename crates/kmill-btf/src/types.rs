//! Types in memory: one vector of native words, laid out as the format lays them out, and where
//! each type starts in it. Ids count from 1, or go on behind those of a base.

use std::fmt;

use crate::format::{Info, Kind, int};

/// The id of a type; 0 is `void`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// `void`, which every blob has and none stores.
    pub const VOID: TypeId = TypeId(0);

    /// As an index of a table that has a place for `void`.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The offset of a string; 0 is the empty one. In a split blob, those below the length of the
/// base's strings are the base's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrOff(pub u32);

impl StrOff {
    /// The empty string.
    pub const EMPTY: StrOff = StrOff(0);
}

/// Types one behind another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Types {
    words: Vec<u32>,
    /// Where each type starts in `words`.
    starts: Vec<u32>,
    /// Ids below are a base's, or `void`: the id of the first type, less one.
    base: u32,
}

/// One member of a structure or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name; empty in an anonymous aggregate.
    pub name: StrOff,
    /// Its type.
    pub type_id: TypeId,
    /// Bits from the start; with the aggregate's flag set, the top byte is the bit field's width.
    pub offset: u32,
}

/// One parameter of a prototype. The last one is all zero when there are variable arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Param {
    /// Its name, or the empty one.
    pub name: StrOff,
    /// Its type.
    pub type_id: TypeId,
}

/// One variable of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SectionEntry {
    /// The variable, or a function.
    pub type_id: TypeId,
    /// Bytes from the section's start.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
}

/// One value of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enumerator {
    /// Its name.
    pub name: StrOff,
    /// Its bits: 32 of them in an [`Kind::Enum`]. The enumeration's flag says whether it is signed.
    pub value: u64,
}

/// An array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Array {
    /// Type of the elements.
    pub element: TypeId,
    /// Type of the index.
    pub index: TypeId,
    /// Number of elements.
    pub len: u32,
}

impl Types {
    /// No types; the first one to come gets the id behind `base`.
    pub fn behind(base: TypeId) -> Types {
        Types { base: base.0, ..Types::default() }
    }

    /// Types that lie in `words` already, each from one of `starts` to the next.
    pub(crate) fn of_words(base: TypeId, words: Vec<u32>, starts: Vec<u32>) -> Types {
        Types { base: base.0, words, starts }
    }

    /// The last id that is not ours: 0 without a base.
    pub fn base(&self) -> TypeId {
        TypeId(self.base)
    }

    /// Number of types, without those of a base and `void`.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The last id, or the base's.
    pub fn last(&self) -> TypeId {
        TypeId(self.base + self.starts.len() as u32)
    }

    /// All words, as the format has them.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The type of that id, when it is ours.
    pub fn get(&self, id: TypeId) -> Option<Type<'_>> {
        let index = id.0.checked_sub(self.base + 1)? as usize;
        let start = *self.starts.get(index)? as usize;
        let end = self.starts.get(index + 1).map_or(self.words.len(), |end| *end as usize);
        Some(Type { words: &self.words[start..end] })
    }

    /// Every type with its id.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, Type<'_>)> {
        let ends = self.starts.iter().skip(1).copied().chain([self.words.len() as u32]);
        self.starts.iter().zip(ends).enumerate().map(|(index, (start, end))| {
            let words = &self.words[*start as usize..end as usize];
            (TypeId(self.base + 1 + index as u32), Type { words })
        })
    }

    /// Appends a type of any kind: the three common words and what follows them.
    ///
    /// # Panics
    /// When the words are not as many as kind and `vlen` ask for.
    pub fn push(&mut self, name: StrOff, info: Info, third: u32, more: &[u32]) -> TypeId {
        let (fixed, each) = Kind::of(info.kind()).map_or((0, 0), Kind::extra_words);
        assert_eq!(more.len(), fixed + each * info.vlen() as usize * usize::from(each != 0));
        let id = self.open(name, info, third);
        self.words.extend_from_slice(more);
        id
    }

    /// Appends the common words of a type; [`word`](Self::word) appends the rest.
    pub(crate) fn open(&mut self, name: StrOff, info: Info, third: u32) -> TypeId {
        self.starts.push(self.words.len() as u32);
        self.words.extend_from_slice(&[name.0, info.0, third]);
        self.last()
    }

    /// Appends a type that only refers to another one.
    pub fn push_ref(&mut self, kind: Kind, name: StrOff, target: TypeId) -> TypeId {
        self.push(name, Info::new(kind, false, 0), target.0, &[])
    }

    /// Appends an integer of `size` bytes.
    pub fn push_int(&mut self, name: StrOff, size: u32, encoding: u32) -> TypeId {
        let more = (encoding << 24) | (size * 8);
        self.push(name, Info::new(Kind::Int, false, 0), size, &[more])
    }

    /// Appends a copy of a type.
    pub fn push_words(&mut self, words: &[u32]) -> TypeId {
        self.starts.push(self.words.len() as u32);
        self.words.extend_from_slice(words);
        self.last()
    }

    /// Makes room.
    pub fn reserve(&mut self, types: usize, words: usize) {
        self.starts.reserve(types);
        self.words.reserve(words);
    }

    /// Replaces every name.
    pub fn map_names(&mut self, mut to: impl FnMut(StrOff) -> StrOff) {
        let Types { words, starts, .. } = self;
        for (index, start) in starts.iter().enumerate() {
            let start = *start as usize;
            let end = starts.get(index + 1).map_or(words.len(), |end| *end as usize);
            map_names(&mut words[start..end], &mut to);
        }
    }

    /// The words of a type of ours, to change what it refers to.
    pub(crate) fn words_mut(&mut self, id: TypeId) -> &mut [u32] {
        let index = (id.0 - self.base - 1) as usize;
        let start = self.starts[index] as usize;
        let end = self.starts.get(index + 1).map_or(self.words.len(), |end| *end as usize);
        &mut self.words[start..end]
    }
}

/// One type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Type<'a> {
    words: &'a [u32],
}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Type").field("kind", &self.kind()).field("words", &self.words).finish()
    }
}

impl<'a> Type<'a> {
    /// Its words, as the format has them.
    pub fn words(self) -> &'a [u32] {
        self.words
    }

    /// Its name.
    pub fn name(self) -> StrOff {
        StrOff(self.words[0])
    }

    /// The info word.
    pub fn info(self) -> Info {
        Info(self.words[1])
    }

    /// Its kind; what [`read`](crate::read) and pushes let through has one.
    pub fn kind(self) -> Kind {
        Kind::of(self.info().kind()).unwrap_or(Kind::Int)
    }

    /// Number of its entries.
    pub fn vlen(self) -> usize {
        self.info().vlen() as usize
    }

    /// The kind's flag.
    pub fn flag(self) -> bool {
        self.info().flag()
    }

    /// Size in bytes, of a kind that has one.
    pub fn size(self) -> u32 {
        self.words[2]
    }

    /// What it refers to, of a kind that does.
    pub fn target(self) -> TypeId {
        TypeId(self.words[2])
    }

    /// Of an array.
    pub fn array(self) -> Array {
        Array { element: TypeId(self.words[3]), index: TypeId(self.words[4]), len: self.words[5] }
    }

    /// The extra word of an integer, a variable (linkage) or a declaration's tag (index).
    pub fn extra(self) -> u32 {
        self.words[3]
    }

    /// Whether an integer is signed.
    pub fn is_signed_int(self) -> bool {
        self.kind() == Kind::Int && self.extra() >> 24 & int::SIGNED != 0
    }

    /// Of a structure or union.
    pub fn members(self) -> impl DoubleEndedIterator<Item = Member> + ExactSizeIterator + 'a {
        self.words[3..].chunks_exact(3).map(|entry| Member {
            name: StrOff(entry[0]),
            type_id: TypeId(entry[1]),
            offset: entry[2],
        })
    }

    /// Of a prototype.
    pub fn params(self) -> impl DoubleEndedIterator<Item = Param> + ExactSizeIterator + 'a {
        self.words[3..]
            .chunks_exact(2)
            .map(|entry| Param { name: StrOff(entry[0]), type_id: TypeId(entry[1]) })
    }

    /// Of a section.
    pub fn section_entries(
        self,
    ) -> impl DoubleEndedIterator<Item = SectionEntry> + ExactSizeIterator + 'a {
        self.words[3..].chunks_exact(3).map(|entry| SectionEntry {
            type_id: TypeId(entry[0]),
            offset: entry[1],
            size: entry[2],
        })
    }

    /// Of an enumeration, whichever kind.
    pub fn enumerators(
        self,
    ) -> impl DoubleEndedIterator<Item = Enumerator> + ExactSizeIterator + 'a {
        let each = if self.kind() == Kind::Enum64 { 3 } else { 2 };
        self.words[3..].chunks_exact(each).map(|entry| Enumerator {
            name: StrOff(entry[0]),
            value: u64::from(entry[1]) | entry.get(2).map_or(0, |high| u64::from(*high) << 32),
        })
    }

    /// Every id it refers to, in the order of its words.
    pub fn for_each_ref(self, mut see: impl FnMut(TypeId)) {
        let words = self.words;
        let kind = self.kind();
        if kind.has_target() {
            see(self.target());
        }
        let (first, step, last) = match kind {
            Kind::Array => (3, 1, 5),
            Kind::Struct | Kind::Union => (4, 3, words.len()),
            Kind::FuncProto => (4, 2, words.len()),
            Kind::Datasec => (3, 3, words.len()),
            _ => return,
        };
        words[..last].iter().skip(first).step_by(step).for_each(|word| see(TypeId(*word)));
    }

    /// Every string it refers to, in the order of its words.
    pub fn for_each_name(self, mut see: impl FnMut(StrOff)) {
        see(self.name());
        match self.kind() {
            Kind::Struct | Kind::Union | Kind::Enum64 => {
                self.words[3..].chunks_exact(3).for_each(|entry| see(StrOff(entry[0])));
            }
            Kind::Enum | Kind::FuncProto => {
                self.words[3..].chunks_exact(2).for_each(|entry| see(StrOff(entry[0])));
            }
            _ => {}
        }
    }
}

/// Replaces every id in a type's words, in their order.
pub(crate) fn map_refs(words: &mut [u32], mut to: impl FnMut(TypeId) -> TypeId) {
    let mut replace = |word: &mut u32| *word = to(TypeId(*word)).0;
    let Some(kind) = Kind::of(Info(words[1]).kind()) else { return };
    if kind.has_target() {
        replace(&mut words[2]);
    }
    match kind {
        Kind::Array => words[3..5].iter_mut().for_each(replace),
        Kind::Struct | Kind::Union => words.iter_mut().skip(4).step_by(3).for_each(replace),
        Kind::FuncProto => words.iter_mut().skip(4).step_by(2).for_each(replace),
        Kind::Datasec => words[3..].iter_mut().step_by(3).for_each(replace),
        _ => {}
    }
}

/// Replaces every name in a type's words.
pub(crate) fn map_names(words: &mut [u32], to: &mut impl FnMut(StrOff) -> StrOff) {
    let mut replace = |word: &mut u32| *word = to(StrOff(*word)).0;
    replace(&mut words[0]);
    match Kind::of(Info(words[1]).kind()) {
        Some(Kind::Struct | Kind::Union | Kind::Enum64) => {
            words.iter_mut().skip(3).step_by(3).for_each(replace);
        }
        Some(Kind::Enum | Kind::FuncProto) => words.iter_mut().skip(3).step_by(2).for_each(replace),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_replaced_and_nothing_else() {
        let mut types = Types::default();
        types.push_int(StrOff(1), 4, int::SIGNED);
        types.push(StrOff(2), Info::new(Kind::Struct, false, 1), 4, &[3, 1, 0]);
        types.push(StrOff(0), Info::new(Kind::FuncProto, false, 1), 1, &[4, 2]);
        types.push(StrOff(5), Info::new(Kind::Enum, false, 1), 4, &[6, 7]);
        let mut seen = Vec::new();
        let before = types.clone();
        types.map_names(|name| {
            seen.push(name.0);
            StrOff(name.0 + 100)
        });
        assert_eq!(seen, [1, 2, 3, 0, 4, 5, 6]);
        types.map_names(|name| StrOff(name.0 - 100));
        assert_eq!(types, before);
    }
}

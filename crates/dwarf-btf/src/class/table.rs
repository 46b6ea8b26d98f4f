//! One worker's classes: every type that it has seen, once, with where it was first.
//!
//! Units come in ascending order, so that the first place is the smallest one and an entry never
//! changes, but for what a unit itself says twice.

use kmill_btf::Kind;

use crate::class::index::{Index, Touch};
use crate::class::key::{Hasher, Head, Key, StrKey};

/// An index of a class in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClassId(pub(crate) u32);

impl ClassId {
    /// `void`, which has no class.
    pub(crate) const VOID: ClassId = ClassId(u32::MAX);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A place in the order of all types: unit, then entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    /// Number of the unit.
    pub(crate) unit: u32,
    /// Grows with the order of ids in the unit.
    pub(crate) order: u32,
}

/// One class: types that say the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class {
    pub(crate) key: Key,
    /// The type that stays.
    pub(crate) winner: Position,
    /// Where its strings are first.
    pub(crate) first: u32,
    /// The stamp of the last unit that has it twice.
    twice_in: u32,
    start: u32,
    len: u32,
}

/// One class as it was said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'t>(pub(crate) &'t [u64]);

/// Words of the head: kind and flag; name; size or what it refers to.
const HEAD: usize = 3;
/// Words of an entry: name; type or value; offset.
const ENTRY: usize = 3;

impl<'t> Words<'t> {
    pub(crate) fn head(self) -> Head {
        Head(self.0[0] as u32)
    }

    pub(crate) fn kind(self) -> Kind {
        self.head().kind()
    }

    pub(crate) fn name(self) -> StrKey {
        StrKey(self.0[1])
    }

    /// Size in bytes, an integer's encoding on top, or the key of what it refers to.
    pub(crate) fn third(self) -> u64 {
        self.0[2]
    }

    pub(crate) fn target(self) -> Key {
        Key(self.0[2])
    }

    /// Name, key or value, and offset or length.
    pub(crate) fn entries(self) -> impl ExactSizeIterator<Item = (StrKey, u64, u64)> + 't {
        self.0[HEAD..].chunks_exact(ENTRY).map(|entry| (StrKey(entry[0]), entry[1], entry[2]))
    }

    /// Every key that it refers to.
    pub(crate) fn for_each_key(self, mut see: impl FnMut(Key)) {
        let kind = self.kind();
        if kind.has_target() || kind == Kind::Array {
            see(self.target());
        }
        if kind.is_composite() || kind == Kind::FuncProto {
            self.entries().for_each(|(_, key, _)| see(Key(key)));
        }
    }

    /// Every name in it, in the order in which they come into the blob.
    pub(crate) fn for_each_name(self, mut see: impl FnMut(StrKey)) {
        see(self.name());
        self.entries().for_each(|(name, _, _)| see(name));
    }
}

/// A class of which a unit has several copies, and one walk may meet two of them.
#[derive(Clone, Debug)]
pub(crate) struct Confusing {
    pub(crate) key: Key,
    pub(crate) unit: u32,
    /// No two ways from members lead to one copy, and no walk starts at any.
    pub(crate) separate: bool,
    /// Classes below of which the unit has several copies.
    pub(crate) with: Vec<Key>,
}

/// A name that a unit defines or declares, or a structure without a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchored(u32);

impl Anchored {
    const DEFINES: u32 = 1 << 31;

    /// The anchor's class, or that of a structure without one.
    pub(crate) const fn class(self) -> ClassId {
        ClassId(self.0 & !Self::DEFINES)
    }

    pub(crate) const fn defines(self) -> bool {
        self.0 & Self::DEFINES != 0
    }
}

/// How far a table was before a unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    classes: usize,
    words: usize,
    anchors: usize,
    places: usize,
}

/// What a look into the table found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// This unit is not the first, or has it twice.
    Before,
    /// Nobody had it: its words are to follow.
    Never,
}

/// The classes of one worker.
#[derive(Debug, Default)]
pub(crate) struct Table {
    index: Index,
    classes: Vec<Class>,
    words: Vec<u64>,
    /// What each class refers to, once all were read: where each one's end.
    targets: Vec<ClassId>,
    target_ends: Vec<u32>,
    /// The unit that is read.
    unit: u32,
    /// Another one for each unit, and for each time that one is read.
    stamp: u32,
    /// Classes that this unit has more than once.
    twice: Vec<ClassId>,
    /// Classes that some unit has more than once, in a way that libbpf may not see through.
    pub(crate) confusing: Vec<Confusing>,
    /// The names and nameless structures of each unit, one unit behind another: where each unit's end.
    pub(crate) anchors: Vec<Anchored>,
    pub(crate) anchor_ends: Vec<(u32, u32)>,
}

impl Table {
    /// Forgets everything but memory.
    pub(crate) fn clear(&mut self) {
        self.index.clear();
        self.classes.clear();
        self.words.clear();
        self.targets.clear();
        self.target_ends.clear();
        self.twice.clear();
        self.confusing.clear();
        self.anchors.clear();
        self.anchor_ends.clear();
        (self.unit, self.stamp) = (0, 0);
    }

    /// Every class, in the order in which they were met.
    pub(crate) fn classes(&self) -> &[Class] {
        &self.classes
    }

    pub(crate) fn words(&self, class: &Class) -> Words<'_> {
        Words(&self.words[class.start as usize..(class.start + class.len) as usize])
    }

    /// A class, when there is one of that key.
    pub(crate) fn find(&self, key: Key) -> Option<ClassId> {
        self.index.find(key).map(ClassId)
    }

    /// Finds what each class refers to, when no more come.
    pub(crate) fn finish(&mut self) {
        let mut targets = std::mem::take(&mut self.targets);
        let mut ends = std::mem::take(&mut self.target_ends);
        targets.reserve(self.classes.len() * 4);
        ends.extend(self.classes.iter().map(|class| {
            let words = self.words(class);
            if words.0[0] != ANCHOR {
                words.for_each_key(|key| targets.push(self.find(key).unwrap_or(ClassId::VOID)));
            }
            targets.len() as u32
        }));
        (self.targets, self.target_ends) = (targets, ends);
    }

    /// What a class refers to, in the order of its words.
    pub(crate) fn targets(&self, id: ClassId) -> &[ClassId] {
        let start = id.index().checked_sub(1).map_or(0, |before| self.target_ends[before]);
        &self.targets[start as usize..self.target_ends[id.index()] as usize]
    }

    /// Whether more than one unit has a class.
    pub(crate) fn in_several(&self, class: &Class) -> bool {
        self.index.in_several(class.key)
    }

    pub(crate) fn get(&self, id: ClassId) -> &Class {
        &self.classes[id.index()]
    }

    /// A new unit: its number is larger than those before.
    pub(crate) fn begin(&mut self, unit: u32) {
        self.unit = unit;
        self.stamp += 1;
        self.twice.clear();
    }

    /// Notes that this unit has a type of that key at `order`.
    #[inline(always)]
    pub(crate) fn touch(&mut self, key: Key, order: u32) -> Seen {
        match self.index.touch(key, self.stamp) {
            Touch::Never => Seen::Never,
            Touch::First(_) => Seen::Before,
            Touch::Again(slot) => {
                let class = self.index.class(slot);
                self.again(class, order);
                Seen::Before
            }
        }
    }

    #[cold]
    fn again(&mut self, class: u32, order: u32) {
        let entry = &mut self.classes[class as usize];
        entry.twice_in = self.stamp;
        self.twice.push(ClassId(class));
        if entry.winner.unit == self.unit {
            entry.first = entry.first.min(order);
            // What only refers has the winner of a depth-first walk; all others the first.
            let kind = Head(self.words[entry.start as usize] as u32).kind();
            if !is_reference(kind) {
                entry.winner.order = entry.winner.order.min(order);
            }
        }
    }

    /// Adds a class that was never seen, with `entries` behind its head.
    pub(crate) fn insert(
        &mut self,
        key: Key,
        order: u32,
        head: [u64; HEAD],
        entries: impl IntoIterator<Item = [u64; ENTRY]>,
    ) {
        let class = self.classes.len() as u32;
        self.index.insert(key, class, self.stamp);
        let start = self.words.len() as u32;
        self.words.extend_from_slice(&head);
        for entry in entries {
            self.words.extend_from_slice(&entry);
        }
        self.classes.push(Class {
            key,
            winner: Position { unit: self.unit, order },
            first: order,
            twice_in: 0,
            start,
            len: self.words.len() as u32 - start,
        });
    }

    /// Notes an anchor: its definition or declaration is an entry of this unit.
    pub(crate) fn anchor(&mut self, kind: Kind, name: StrKey, order: u32, defines: bool) -> Key {
        let key = Key::anchor(kind, name);
        let class = match self.index.touch(key, self.stamp) {
            Touch::Never => {
                self.insert(key, order, [ANCHOR, name.0, kind as u64], []);
                self.classes.len() as u32 - 1
            }
            Touch::First(slot) => self.index.class(slot),
            Touch::Again(slot) => {
                let class = self.index.class(slot);
                self.again(class, order);
                class
            }
        };
        self.anchors.push(Anchored(class | if defines { Anchored::DEFINES } else { 0 }));
        key
    }

    /// Whether a key is that of a name of this kind.
    pub(crate) fn is_anchor(&self, key: Key, kind: Kind) -> bool {
        let words = self.find(key).map(|id| self.words(self.get(id)));
        words.is_some_and(|words| words.0[0] == ANCHOR && words.third() == kind as u64)
    }

    /// What was read of a unit that is read once more.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            classes: self.classes.len(),
            words: self.words.len(),
            anchors: self.anchors.len(),
            places: self.index.places(),
        }
    }

    /// Forgets what a unit added since it began.
    pub(crate) fn forget(&mut self, mark: Mark) {
        if self.index.places() == mark.places {
            for class in self.classes.drain(mark.classes..).rev() {
                self.index.remove_last(class.key);
            }
        } else {
            self.classes.truncate(mark.classes);
            self.index.rebuild(self.classes.iter().map(|class| class.key));
        }
        self.words.truncate(mark.words);
        self.anchors.truncate(mark.anchors);
        // What the unit had already does not count as had twice.
        self.stamp += 1;
        self.twice.clear();
    }

    /// Notes a structure without a name, whose class is there.
    pub(crate) fn anonymous(&mut self, key: Key) {
        let class = self.index.find(key).unwrap_or(0);
        self.anchors.push(Anchored(class | Anchored::DEFINES));
    }

    /// The unit is done: says what it has twice and libbpf may not see through.
    ///
    /// Its walk over two graphs assumes that a type of one is one type of the other. Two copies in
    /// a unit break that, unless it finds them identical: arrays of the same element, structures
    /// with the same members, pointers to the same type, by id.
    pub(crate) fn end(&mut self) -> Vec<Key> {
        let mut suspects = Vec::new();
        self.anchor_ends.push((self.unit, self.anchors.len() as u32));
        for index in 0..self.twice.len() {
            let class = &self.classes[self.twice[index].index()];
            let words = self.words(class);
            let twice = |key: Key| {
                let class = self.find(key).map(|id| self.get(id));
                class.filter(|class| class.twice_in == self.stamp)
            };
            let plain = match Shape::of(words) {
                Shape::Array | Shape::Pointer => twice(words.target()).is_none(),
                Shape::Anonymous => words.entries().all(|(_, key, _)| {
                    twice(Key(key)).is_none_or(|class| {
                        matches!(Shape::of(self.words(class)), Shape::Array | Shape::Anonymous)
                    })
                }),
                Shape::Primitive => true,
                Shape::Other => false,
            };
            if !plain {
                suspects.push(class.key);
            }
        }
        suspects.sort_unstable();
        suspects.dedup();
        suspects
    }
}

/// The head of an anchor, which is no type.
pub(crate) const ANCHOR: u64 = u64::MAX;

/// Kinds that libbpf tells apart when copies are in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Array,
    Pointer,
    /// A structure or union without a name. Those with one have anchors.
    Anonymous,
    /// Equal ones are one type before any graph is walked.
    Primitive,
    Other,
}

impl Shape {
    fn of(words: Words<'_>) -> Shape {
        if words.0[0] == ANCHOR {
            return Shape::Other;
        }
        match words.kind() {
            Kind::Array => Shape::Array,
            Kind::Ptr => Shape::Pointer,
            Kind::Struct | Kind::Union if words.name() == StrKey::NONE => Shape::Anonymous,
            Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 | Kind::Fwd => Shape::Primitive,
            _ => Shape::Other,
        }
    }
}

/// Whether a type does nothing but refer to others: libbpf looks at these last, and at what they
/// refer to first.
pub(crate) fn is_reference(kind: Kind) -> bool {
    kind.has_target() || kind == Kind::Array
}

/// Key of a type that has no entries.
pub(crate) fn key_of(head: Head, name: StrKey, third: u64) -> Key {
    Hasher::new(head, name, third).plain()
}

/// Key of a type by its words.
pub(crate) fn content(head: u64, name: u64, third: u64, entries: &[[u64; 3]]) -> Key {
    let head = Head(head as u32);
    if entries.is_empty() {
        return key_of(head, StrKey(name), third);
    }
    let mut hasher = Hasher::new(head, StrKey(name), third);
    entries.iter().for_each(|&[name, value, more]| hasher.entry(StrKey(name), value, more));
    hasher.key()
}

//! One worker's classes: every type that it has seen, once, with where it was first.
//!
//! Units come in ascending order, so that the first place is the smallest one and an entry never
//! changes, but for what a unit itself says twice.

use std::sync::Arc;

use kmill_btf::Kind;

use crate::class::base_keys::{BaseClass, BaseKeys};
pub(crate) use crate::class::index::ClassId;
use crate::class::index::{Index, Touch};
use crate::class::key::{Key, StrKey};
use crate::class::notes::{self, Notes};
use crate::class::words::{ANCHOR, ENTRY, HEAD, Words, is_reference};

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
    /// Where its words are; one of the base, whose number this is, has none here.
    start: u32,
    len: u32,
}

impl Class {
    /// The class of the base that it is.
    fn of_base(&self) -> Option<BaseClass> {
        (self.len == 0).then_some(BaseClass(self.start))
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
    notes: notes::Mark,
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
    /// What is known of the base, if it is.
    base: Option<Arc<BaseKeys>>,
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
    pub(crate) notes: Notes,
    /// Classes that some unit has more than once, in a way that libbpf may not see through.
    pub(crate) confusing: Vec<Confusing>,
    /// The names and nameless structures of each unit, one unit behind another: where each unit's end.
    pub(crate) anchors: Vec<Anchored>,
    pub(crate) anchor_ends: Vec<(u32, u32)>,
}

impl Table {
    /// Forgets everything but memory, for a file behind that base. `noted` is whether units are to be
    /// noted.
    pub(crate) fn clear(&mut self, base: Option<Arc<BaseKeys>>, noted: bool) {
        self.base = base;
        self.notes.clear(noted);
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

    /// What is known of the base, with the class of it that a class is.
    pub(crate) fn in_base(&self, class: &Class) -> Option<(&BaseKeys, BaseClass)> {
        Some((self.base.as_deref()?, class.of_base()?))
    }

    pub(crate) fn words(&self, class: &Class) -> Words<'_> {
        match self.in_base(class) {
            Some((base, class)) => base.words(class),
            None => Words(&self.words[class.start as usize..(class.start + class.len) as usize]),
        }
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
            // Of the base's, few will ever be asked for.
            let own = class.of_base().is_none().then(|| self.words(class));
            if let Some(words) = own.filter(|words| words.0[0] != ANCHOR) {
                words.for_each_key(|key| targets.push(self.find(key).unwrap_or(ClassId::VOID)));
            }
            targets.len() as u32
        }));
        (self.targets, self.target_ends) = (targets, ends);
    }

    /// What a class that is not the base's refers to, in the order of its words.
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
            Touch::Never => self.never(key, order),
            Touch::First(slot) => {
                self.notes.add(|| ClassId(self.index.class(slot)), order);
                Seen::Before
            }
            Touch::Again(slot) => {
                let class = self.index.class(slot);
                self.again(class, order);
                Seen::Before
            }
        }
    }

    /// What the base has, nobody has to say.
    #[inline(never)]
    fn never(&mut self, key: Key, order: u32) -> Seen {
        match self.base.as_ref().and_then(|base| base.find(key)) {
            Some(class) => {
                self.push(key, order, class.0, 0);
                Seen::Before
            }
            None => Seen::Never,
        }
    }

    #[cold]
    fn again(&mut self, class: u32, order: u32) {
        let kind = self.words(&self.classes[class as usize]).kind();
        let entry = &mut self.classes[class as usize];
        entry.twice_in = self.stamp;
        self.twice.push(ClassId(class));
        self.notes.add_several(ClassId(class));
        if entry.winner.unit == self.unit {
            entry.first = entry.first.min(order);
            // What only refers has the winner of a depth-first walk; all others the first.
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
        let start = self.words.len() as u32;
        self.words.extend_from_slice(&head);
        for entry in entries {
            self.words.extend_from_slice(&entry);
        }
        self.push(key, order, start, self.words.len() as u32 - start);
    }

    fn push(&mut self, key: Key, order: u32, start: u32, len: u32) {
        self.index.insert(key, self.classes.len() as u32, self.stamp);
        let winner = Position { unit: self.unit, order };
        self.notes.add(|| ClassId(self.classes.len() as u32), order);
        self.classes.push(Class { key, winner, first: order, twice_in: 0, start, len });
    }

    /// Notes an anchor: its definition or declaration is an entry of this unit.
    pub(crate) fn anchor(&mut self, kind: Kind, name: StrKey, order: u32, defines: bool) -> Key {
        let key = Key::anchor(kind, name);
        let class = match self.index.touch(key, self.stamp) {
            Touch::Never => {
                if self.never(key, order) == Seen::Never {
                    self.insert(key, order, [ANCHOR, name.0, kind as u64], []);
                }
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
            notes: self.notes.mark(),
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
        self.notes.forget(mark.notes);
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
        self.notes.end(self.unit);
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

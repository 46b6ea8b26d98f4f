//! The classes of all workers as one list, and which of them are not certain.
//!
//! A class is certain when every type in it ends up as the same type. What makes it uncertain:
//! a name with several definitions, somewhere behind it; and copies within a unit that libbpf's
//! walk stumbles over (see [`Table::end`](crate::class::table::Table::end)). Uncertainty goes from
//! what is referred to to what refers, through names too.

use std::cell::OnceCell;

use kmill_btf::{Kind, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::class::base_keys::{BaseClass, BaseKeys, Says};
use crate::class::key::{Key, StrKey};
use crate::class::lane::Lane;
use crate::class::table::{Class, ClassId, Confusing, Position};
use crate::class::words::{ANCHOR, Words};

/// An index into the classes of all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GlobalId(pub(crate) u32);

impl GlobalId {
    /// `void`, which has no class.
    pub(crate) const VOID: GlobalId = GlobalId(u32::MAX);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One class of all workers: where its words are, and where it is first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Global {
    lane: u32,
    class: ClassId,
    pub(crate) winner: Position,
    pub(crate) first: u32,
    /// Whether several workers have it.
    shared: bool,
    is_anchor: bool,
    pub(crate) uncertain: bool,
    /// The type of a base that all its types are; `void` when that is not known.
    pub(crate) base: TypeId,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named {
    /// The definition, or the first of several.
    pub(crate) definition: Option<GlobalId>,
    pub(crate) several: bool,
    /// The declaration.
    pub(crate) forward: Option<GlobalId>,
}

/// The classes of all workers.
#[derive(Debug)]
pub(crate) struct Merged<'l> {
    pub(crate) lanes: &'l [Lane],
    pub(crate) all: Vec<Global>,
    /// Where there are several workers; the table of one knows as much.
    by_key: FxHashMap<Key, GlobalId>,
    /// By lane and class there.
    local: Vec<Vec<GlobalId>>,
    /// By anchor.
    named: Vec<Named>,
    /// What each class refers to, one class behind another: where each one's end.
    targets: Vec<GlobalId>,
    ends: Vec<u32>,
    /// Whether `targets` has those of types of the base.
    complete: bool,
}

/// Two different types have one key, or strings were not merged: only the serial path is right.
#[derive(Debug)]
pub(crate) struct Collision;

impl<'l> Merged<'l> {
    pub(crate) fn new(lanes: &'l [Lane]) -> Result<Self, Collision> {
        let most = lanes.iter().map(|lane| lane.table.classes().len()).max().unwrap_or(0);
        let mut merged = Merged {
            lanes,
            all: Vec::with_capacity(most),
            by_key: FxHashMap::default(),
            local: Vec::with_capacity(lanes.len()),
            named: Vec::new(),
            targets: Vec::new(),
            ends: Vec::new(),
            complete: false,
        };
        if lanes.len() > 1 {
            merged.by_key.reserve(most);
        }
        for (number, lane) in lanes.iter().enumerate() {
            let mut local = Vec::with_capacity(lane.table.classes().len());
            for (index, class) in lane.table.classes().iter().enumerate() {
                local.push(merged.add(number as u32, ClassId(index as u32), class)?);
            }
            merged.local.push(local);
        }
        merged.resolve();
        merged.names()?;
        Ok(merged)
    }

    fn add(&mut self, lane: u32, id: ClassId, class: &Class) -> Result<GlobalId, Collision> {
        let table = &self.lanes[lane as usize].table;
        let (is_anchor, base) = match table.in_base(class) {
            Some((base, class)) => (base.is_name(class), base.id(class)),
            None => (table.words(class).0[0] == ANCHOR, None),
        };
        let new = Global {
            lane,
            class: id,
            winner: class.winner,
            first: class.first,
            shared: false,
            is_anchor,
            uncertain: false,
            base: base.unwrap_or(TypeId::VOID),
        };
        let next = GlobalId(self.all.len() as u32);
        // Of one worker, each has its own.
        if self.lanes.len() == 1 {
            self.all.push(new);
            return Ok(next);
        }
        let found = *self.by_key.entry(class.key).or_insert(next);
        if found == next {
            self.all.push(new);
            return Ok(found);
        }
        let old = self.all[found.index()];
        if self.words(found).0 != table.words(class).0 {
            return Err(Collision);
        }
        let earlier = if new.winner < old.winner { new } else { old };
        self.all[found.index()] = Global { shared: true, ..earlier };
        Ok(found)
    }

    /// Finds what each class refers to, but for those that are types of the base: few ask for them.
    fn resolve(&mut self) {
        self.ends.reserve(self.all.len());
        for id in (0..self.all.len() as u32).map(GlobalId) {
            let Global { lane, class, base, .. } = self.all[id.index()];
            let table = &self.lanes[lane as usize].table;
            if table.in_base(table.get(class)).is_none() {
                let local = &self.local[lane as usize];
                let targets = table.targets(class).iter();
                self.targets.extend(targets.map(|class| match *class {
                    ClassId::VOID => GlobalId::VOID,
                    class => local[class.index()],
                }));
            } else if base == TypeId::VOID {
                let targets = self.targets_by_key(id);
                self.targets.extend(targets);
            }
            self.ends.push(self.targets.len() as u32);
        }
    }

    /// Finds what every class refers to.
    fn resolve_all(&mut self) {
        if self.complete {
            return;
        }
        let (mut targets, mut ends) = (Vec::new(), Vec::with_capacity(self.all.len()));
        for id in (0..self.all.len() as u32).map(GlobalId) {
            match self.all[id.index()].base {
                TypeId::VOID => targets.extend_from_slice(self.targets(id)),
                _ => targets.extend(self.targets_by_key(id)),
            }
            ends.push(targets.len() as u32);
        }
        (self.targets, self.ends, self.complete) = (targets, ends, true);
    }

    /// What a class refers to, by its words.
    pub(crate) fn targets_by_key(&self, id: GlobalId) -> Vec<GlobalId> {
        let mut targets = Vec::new();
        if !self.is_anchor(id) {
            let find = |key| self.find(key).unwrap_or(GlobalId::VOID);
            self.words(id).for_each_key(|key| targets.push(find(key)));
        }
        targets
    }

    /// The classes of a lane.
    pub(crate) fn locals(&self, lane: usize) -> &[GlobalId] {
        &self.local[lane]
    }

    /// Whether the types of a class may end up as different ones.
    pub(crate) fn is_uncertain(&self, id: GlobalId) -> bool {
        self.all.get(id.index()).is_some_and(|global| global.uncertain)
    }

    /// What a class refers to, in the order of its words: nothing, where it is a type of the base and
    /// nobody asked for those.
    pub(crate) fn targets(&self, id: GlobalId) -> &[GlobalId] {
        let start = id.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.targets[start as usize..self.ends[id.index()] as usize]
    }

    pub(crate) fn words(&self, id: GlobalId) -> Words<'l> {
        let global = &self.all[id.index()];
        let table = &self.lanes[global.lane as usize].table;
        table.words(table.get(global.class))
    }

    pub(crate) fn find(&self, key: Key) -> Option<GlobalId> {
        match self.lanes {
            [lane] => lane.table.find(key).map(|class| GlobalId(class.0)),
            _ => self.by_key.get(&key).copied(),
        }
    }

    pub(crate) fn is_anchor(&self, id: GlobalId) -> bool {
        self.all[id.index()].is_anchor
    }

    /// Every name.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = GlobalId> + use<'l, '_> {
        (0..).map(GlobalId).zip(&self.all).filter(|(_, global)| global.is_anchor).map(|(id, _)| id)
    }

    /// Whether more than one unit has a class.
    fn in_several(&self, id: GlobalId) -> bool {
        let global = &self.all[id.index()];
        let table = &self.lanes[global.lane as usize].table;
        global.shared || table.in_several(table.get(global.class))
    }

    /// What is known of the base, with the class of it that a class is.
    pub(crate) fn in_base(&self, id: GlobalId) -> Option<(&'l BaseKeys, BaseClass)> {
        let global = &self.all[id.index()];
        let table = &self.lanes[global.lane as usize].table;
        table.in_base(table.get(global.class))
    }

    pub(crate) fn named(&self, anchor: GlobalId) -> Named {
        self.named.get(anchor.index()).copied().unwrap_or_default()
    }

    /// The anchor of a class that has one.
    pub(crate) fn anchor_of(&self, id: GlobalId) -> Option<GlobalId> {
        self.anchored(id).map(|(anchor, _)| anchor)
    }

    /// The same, and what the class says of that name.
    fn anchored(&self, id: GlobalId) -> Option<(GlobalId, Says)> {
        if self.is_anchor(id) {
            return None;
        }
        if let Some((base, class)) = self.in_base(id) {
            let (anchor, says) = base.anchor(class)?;
            return Some((self.find(anchor)?, says));
        }
        let words = self.words(id);
        let kind = match words.kind() {
            Kind::Fwd if words.head().info().flag() => Kind::Union,
            Kind::Fwd => Kind::Struct,
            kind if kind.is_composite() || kind.is_enum() => kind,
            _ => return None,
        };
        if words.name() == StrKey::NONE {
            return None;
        }
        let anchor = self.find(Key::anchor(kind, words.name()))?;
        Some((anchor, Says::of(words.kind(), words.entries().len())))
    }

    fn names(&mut self) -> Result<(), Collision> {
        self.named = vec![Named::default(); self.all.len()];
        let mut enums: Vec<GlobalId> = Vec::new();
        for id in (0..self.all.len() as u32).map(GlobalId) {
            let Some((anchor, says)) = self.anchored(id) else { continue };
            if says == Says::DeclaredEnum {
                enums.push(anchor);
            }
            let winner = self.all[id.index()].winner;
            let all = &self.all;
            let named = &mut self.named[anchor.index()];
            let place = match says {
                Says::Defined => &mut named.definition,
                Says::Declared | Says::DeclaredEnum => &mut named.forward,
            };
            match place {
                None => *place = Some(id),
                Some(other) => {
                    // Declared enumerations may differ in kind; the first one counts.
                    let earlier = if winner < all[other.index()].winner { id } else { *other };
                    *place = Some(earlier);
                    named.several = true;
                }
            }
        }
        // An enumeration that is only declared may be one of 32 bits or of 64, whichever it looks
        // like; to the comparison of prototypes it is what it looks like.
        let mixed = enums.into_iter().any(|anchor| {
            let words = self.words(anchor);
            let other = if words.third() == Kind::Enum as u64 { Kind::Enum64 } else { Kind::Enum };
            self.find(Key::anchor(other, words.name())).is_some()
        });
        if mixed { Err(Collision) } else { Ok(()) }
    }

    /// Marks what is uncertain. Says in which units copies of it lie, or that it may be any.
    ///
    /// With a base, `verdict` is what that has to do with it.
    pub(crate) fn mark_uncertain(&mut self, verdict: Option<Verdict>) -> Units {
        let mut units = Units::default();
        // A base may have two such members of its own, where it has the structures.
        let alone = verdict.is_none();
        let Verdict { mut seeds, unlike, declared_too, names } = verdict.unwrap_or_default();
        for (anchor, named) in (0..).map(GlobalId).zip(&self.named) {
            if named.several || (named.forward.is_some() && self.declared_both_ways(anchor, named))
            {
                seeds.push(anchor);
            }
        }
        let nothing = seeds.is_empty()
            && unlike.is_empty()
            && self.lanes.iter().all(|lane| lane.table.confusing.is_empty());
        if !nothing {
            self.resolve_all();
        }
        // Most modules have nothing that is uncertain, and nobody has to know who refers to what.
        let known = OnceCell::new();
        let referrers = || known.get_or_init(|| Referrers::new(self));
        let mut confusing: Vec<&Confusing> =
            self.lanes.iter().flat_map(|lane| &lane.table.confusing).collect();
        confusing.sort_unstable_by_key(|confusing| (confusing.key, confusing.unit));
        for copies in confusing.chunk_by(|a, b| a.key == b.key) {
            let Some(seed) = self.find(copies[0].key) else { continue };
            let foreign = |known: &BaseNames| self.is_foreign(seed, known, referrers());
            if (alone || names.as_ref().is_some_and(foreign))
                && self.is_harmless(seed, copies, referrers())
            {
                continue;
            }
            // Where copies count, those below them do.
            let below = copies.iter().flat_map(|copy| &copy.with);
            let below = below.filter_map(|key| self.find(*key));
            for seed in std::iter::once(seed).chain(below) {
                seeds.push(seed);
                if !self.is_anchor(seed) {
                    units.all |= self.in_several(seed);
                    units.some.extend(copies.iter().map(|copy| copy.unit));
                }
            }
        }
        let closure = |seeds: Vec<GlobalId>| match seeds.is_empty() {
            true => Vec::new(),
            false => referrers().closure(seeds),
        };
        let unlike = closure(unlike);
        if !declared_too.is_empty() {
            let unlike: FxHashSet<GlobalId> = unlike.iter().copied().collect();
            seeds.extend(declared_too.iter().filter(|anchor| unlike.contains(anchor)));
        }
        let uncertain = closure(seeds);
        for id in &uncertain {
            self.all[id.index()].uncertain = true;
        }
        if let Some(names) = names {
            self.place_in_base(&names, &unlike, &uncertain);
        }
        if uncertain.is_empty() {
            return units;
        }
        for (number, lane) in self.lanes.iter().enumerate() {
            let uncertain: Vec<bool> =
                self.local[number].iter().map(|id| self.all[id.index()].uncertain).collect();
            let mut start = 0;
            for &(unit, end) in &lane.table.anchor_ends {
                let anchors = &lane.table.anchors[start as usize..end as usize];
                if anchors.iter().any(|anchor| uncertain[anchor.class().index()]) {
                    units.some.insert(unit);
                }
                start = end;
            }
        }
        units
    }

    /// Takes classes for the types of a base that they are: those that are certain, and lead to no name
    /// that the base has otherwise. Others were taken for them so far.
    ///
    /// Declarations stay where they are unless all is certain. That of a structure which the base
    /// defines has a place in libbpf's table until it is resolved; the table grows by it, and which of
    /// several candidates is met first depends on when the table grew.
    fn place_in_base(&mut self, names: &BaseNames, unlike: &[GlobalId], uncertain: &[GlobalId]) {
        if uncertain.is_empty() {
            for &(declaration, id) in &names.declared {
                self.all[declaration.index()].base = id;
            }
        }
        for id in unlike.iter().chain(uncertain) {
            self.all[id.index()].base = TypeId::VOID;
        }
        // Arrays are indexed with what ours are, or none of them is the same.
        let int = self.lanes.iter().filter_map(|lane| lane.int).min_by_key(|int| int.0);
        let index = int.and_then(|int| self.find(int.1)).map(|id| self.all[id.index()].base);
        let any = self.lanes.iter().any(|lane| lane.array.is_some());
        if any && index != Some(names.array_index) {
            self.resolve_all();
            self.all.iter_mut().for_each(|global| global.base = TypeId::VOID);
        }
    }

    /// The key of a class.
    pub(crate) fn key(&self, id: GlobalId) -> Key {
        let global = &self.all[id.index()];
        self.lanes[global.lane as usize].table.get(global.class).key
    }

    /// Whether copies of a type within units cannot lead to a contradiction.
    ///
    /// There is one when two copies of a unit stand before one type of another: when two members
    /// that have a copy each here share one there. So copies do no harm where no two members
    /// share any, and no other unit has two such members at all.
    fn is_harmless(&self, seed: GlobalId, copies: &[&Confusing], referrers: &Referrers) -> bool {
        if self.is_anchor(seed) || !copies.iter().all(|copy| copy.separate) {
            return false;
        }
        if !self.in_several(seed) {
            return true;
        }
        let Some(uses) = self.uses(seed, referrers) else { return false };
        self.each_unit(&uses, |unit, uses| uses <= 1 || copies.iter().any(|copy| copy.unit == unit))
    }

    /// Whether something holds for every unit and how often the structures that it defines use a type.
    fn each_unit(
        &self,
        uses: &FxHashMap<GlobalId, u32>,
        mut holds: impl FnMut(u32, u32) -> bool,
    ) -> bool {
        self.lanes.iter().all(|lane| {
            // Uses that a definition brings into a unit, by class of the lane.
            let classes = lane.table.classes().iter();
            let brings: Vec<u32> = classes
                .map(|class| {
                    self.find(class.key).and_then(|id| uses.get(&id)).copied().unwrap_or(0)
                })
                .collect();
            let mut start = 0;
            lane.table.anchor_ends.iter().all(|&(unit, end)| {
                let anchors = &lane.table.anchors[start as usize..end as usize];
                start = end;
                let defined = anchors.iter().filter(|anchor| anchor.defines());
                holds(unit, defined.map(|anchor| brings[anchor.class().index()]).sum())
            })
        })
    }

    /// Whether in no unit two members lead to a type that are of structures which the base has too: then
    /// no walk through types of the base meets two copies.
    fn is_foreign(&self, seed: GlobalId, base: &BaseNames, referrers: &Referrers) -> bool {
        let uses = if self.is_anchor(seed) { None } else { self.uses(seed, referrers) };
        let Some(mut uses) = uses else { return false };
        uses.retain(|id, _| match self.is_anchor(*id) {
            true => base.known.contains(id),
            false => base.keyless || self.in_base(*id).is_some(),
        });
        self.each_unit(&uses, |_, uses| uses <= 1)
    }

    /// By how many ways the members of each structure lead to a type without another structure in
    /// between: by anchor, or by class where there is none. Nothing when there are very many.
    fn uses(&self, seed: GlobalId, referrers: &Referrers) -> Option<FxHashMap<GlobalId, u32>> {
        let mut uses: FxHashMap<GlobalId, u32> = FxHashMap::default();
        let mut steps = 100_000_u32;
        let mut stack = vec![seed];
        while let Some(id) = stack.pop() {
            for &from in referrers.of(id) {
                steps = steps.checked_sub(1)?;
                if self.is_composite(from) {
                    *uses.entry(self.anchor_of(from).unwrap_or(from)).or_default() += 1;
                } else if !self.is_anchor(from) {
                    stack.push(from);
                }
            }
        }
        Some(uses)
    }

    fn is_composite(&self, id: GlobalId) -> bool {
        !self.is_anchor(id) && self.words(id).kind().is_composite()
    }

    /// A name that is a structure's and a union's leaves declarations open.
    fn declared_both_ways(&self, anchor: GlobalId, named: &Named) -> bool {
        let words = self.words(anchor);
        let other = match Kind::of(words.third() as u32) {
            Some(Kind::Struct) => Kind::Union,
            Some(Kind::Union) => Kind::Struct,
            _ => return false,
        };
        let Some(other) = self.find(Key::anchor(other, words.name())) else { return false };
        let defined = named.definition.is_some() && self.named(other).definition.is_some();
        defined && named.forward.is_some()
    }
}

/// What a base has to do with the classes of some units.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Names that it makes uncertain.
    pub(crate) seeds: Vec<GlobalId>,
    /// Names that it knows, and not, or not clearly, as what the units say.
    pub(crate) unlike: Vec<GlobalId>,
    /// Names that units declare and define, and the base defines: where ours leads to something unlike,
    /// there are two, and what is only declared stays so.
    pub(crate) declared_too: Vec<GlobalId>,
    /// Where classes of the base are known by key.
    pub(crate) names: Option<BaseNames>,
}

/// What names are in a base whose classes are known by key.
#[derive(Debug, Default)]
pub(crate) struct BaseNames {
    /// Names that the base has too.
    pub(crate) known: FxHashSet<GlobalId>,
    /// What declarations are there.
    pub(crate) declared: Vec<(GlobalId, TypeId)>,
    /// What arrays of the base are indexed with.
    pub(crate) array_index: TypeId,
    /// Whether the base has structures without a name of which no key is known.
    pub(crate) keyless: bool,
}

/// Units that have types which are uncertain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Units {
    pub(crate) all: bool,
    pub(crate) some: FxHashSet<u32>,
}

/// For each class, those that refer to it: lists one behind another.
struct Referrers {
    starts: Vec<u32>,
    lists: Vec<GlobalId>,
}

impl Referrers {
    fn new(merged: &Merged<'_>) -> Referrers {
        // A name is referred to by what uses it; it stands for, and is marked with, its types.
        let anchors: Vec<(GlobalId, GlobalId)> = (0..merged.all.len() as u32)
            .map(GlobalId)
            .filter_map(|id| Some((id, merged.anchor_of(id)?)))
            .collect();
        let edges = |see: &mut dyn FnMut(GlobalId, GlobalId)| {
            for id in (0..merged.all.len() as u32).map(GlobalId) {
                for &target in merged.targets(id) {
                    if target != GlobalId::VOID {
                        see(target, id);
                    }
                }
            }
            for &(id, anchor) in &anchors {
                see(id, anchor);
                see(anchor, id);
            }
        };
        let mut starts = vec![0_u32; merged.all.len() + 2];
        edges(&mut |target, _| starts[target.index() + 2] += 1);
        for index in 2..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut lists = vec![GlobalId(0); starts.last().copied().unwrap_or(0) as usize];
        edges(&mut |target, from| {
            let at = &mut starts[target.index() + 1];
            lists[*at as usize] = from;
            *at += 1;
        });
        Referrers { starts, lists }
    }

    /// What refers to a class; several times when it does.
    fn of(&self, id: GlobalId) -> &[GlobalId] {
        &self.lists[self.starts[id.index()] as usize..self.starts[id.index() + 1] as usize]
    }

    /// Everything that refers to one of these, directly or not, and these.
    fn closure(&self, seeds: impl IntoIterator<Item = GlobalId>) -> Vec<GlobalId> {
        let mut seen = FxHashSet::default();
        let mut found: Vec<GlobalId> = Vec::new();
        for seed in seeds {
            if seen.insert(seed) {
                found.push(seed);
            }
        }
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            next += 1;
            for &from in self.of(id) {
                if seen.insert(from) {
                    found.push(from);
                }
            }
        }
        found
    }
}

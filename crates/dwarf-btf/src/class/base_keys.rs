//! The types of a base as classes: a type of a unit that says the same as one of these, all the way
//! down, is that one, and nothing has to be deduplicated to know. Nine of ten types of a module are.
//!
//! Keys are those of the walk. Names are told by their offset in the base's strings, as
//! [`strings`](crate::dwarf::strings) says them in every file behind that base.

use kmill_btf::dedup::{Index, Many};
use kmill_btf::{Btf, Kind, StrOff, Type, TypeId};

use crate::class::key::{Head, Key, StrKey};
use crate::class::words::{ANCHOR, Words, content};
use crate::dwarf::strings::{OF_BASE, SHORT};

/// How deep types without a name may lie in each other.
const DEPTH_MAX: u32 = 128;

/// A type of a base, or a name that it has, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BaseClass(pub(crate) u32);

/// What a base has of a name, for one kind of structure, union or enumeration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BaseName {
    /// Definitions of that kind.
    pub(crate) same: Many,
    /// Declarations of that kind, of structures and unions.
    pub(crate) forward: Many,
    /// Whether there is anything else that may be taken for it: a union for a structure, an enumeration
    /// that is only declared.
    pub(crate) others: bool,
}

/// What a class is.
#[derive(Clone, Copy, Debug)]
enum Is {
    /// Types that say this: the only one, or `void` for several, and for a declaration, which may be
    /// more than it says.
    Type(TypeId),
    /// A name: its number among these.
    Name(u32),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    is: Is,
    /// The key of the name that this defines or declares; unset where there is none.
    anchor: Key,
    says: Says,
    /// Where its words end.
    end: u32,
}

/// What a class says of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Defined,
    /// That there is a structure or union of that name.
    Declared,
    /// That there is an enumeration.
    DeclaredEnum,
}

impl Says {
    /// Of a kind of type, with so many entries.
    pub(crate) fn of(kind: Kind, entries: usize) -> Says {
        match kind {
            Kind::Fwd => Says::Declared,
            kind if kind.is_enum() && entries == 0 => Says::DeclaredEnum,
            _ => Says::Defined,
        }
    }
}

/// Types and names of a base by key.
#[derive(Debug, Default)]
pub(crate) struct BaseKeys {
    /// Open addressing: the upper bits of a key, and below them a number plus one. The lower bits of the
    /// key are where it lies, more or less.
    slots: Vec<u64>,
    entries: Vec<Entry>,
    names: Vec<BaseName>,
    words: Vec<u64>,
    /// What arrays are indexed with; those that are not, are not here.
    pub(crate) array_index: TypeId,
    /// Whether it has structures without a name of which no key is known.
    pub(crate) keyless: bool,
}

/// Bits of a number in a slot.
const NUMBER: u32 = 21;

impl BaseKeys {
    /// Of a base that has none itself, and fewer types than any kernel's ten times over.
    pub(crate) fn new(index: &Index) -> Option<BaseKeys> {
        let btf: &Btf = index.base();
        // Each name may be of two kinds.
        let most = btf.types.last().index() + 2 * index.names().count();
        if btf.base().is_some()
            || btf.strings.bytes().len() as u64 >= OF_BASE
            || most >= 1 << (NUMBER - 1)
        {
            return None;
        }
        let arrays = btf.types.iter().find(|(_, ty)| ty.kind() == Kind::Array);
        let array_index = arrays.map_or(TypeId::VOID, |(_, ty)| ty.array().index);
        let keys = vec![Key::UNSET; btf.types.last().index() + 1];
        let mut making = Making { btf, array_index, keys, entries: Vec::new() };
        let slots = vec![0; (most + most / 2 + 1).next_power_of_two()];
        let mut known = BaseKeys { slots, array_index, ..BaseKeys::default() };
        for (id, ty) in btf.types.iter() {
            making.entries.clear();
            let Some(([head, name, third], own)) = making.own(id, ty, 0) else {
                known.keyless |= ty.kind().is_composite() && ty.name() == StrOff::EMPTY;
                continue;
            };
            if let Some(other) = known.find(own) {
                known.entries[other.0 as usize].is = Is::Type(TypeId::VOID);
                continue;
            }
            let kind = ty.kind();
            let anchor = anchor(ty, StrKey(name)).unwrap_or(Key::UNSET);
            let is = Is::Type(if kind == Kind::Fwd { TypeId::VOID } else { id });
            let says = Says::of(kind, ty.vlen());
            known.words.extend([head, name, third]);
            known.words.extend(making.entries.iter().flatten());
            known.add(own, Entry { is, anchor, says, end: known.words.len() as u32 });
        }
        for (name, types) in index.names() {
            known.add_name(&making, name, types);
        }
        known.words.shrink_to_fit();
        Some(known)
    }

    /// Adds a name, for every kind that it may be taken for.
    fn add_name(&mut self, making: &Making<'_>, name: StrOff, types: &[(StrOff, TypeId)]) {
        let Some(key) = making.name(name) else { return };
        let types = || types.iter().filter_map(|(_, id)| Some((*id, making.btf.get(*id)?)));
        let pairs = [[Kind::Struct, Kind::Union], [Kind::Enum, Kind::Enum64]];
        for kind in pairs.into_iter().flatten() {
            let is_enum = kind.is_enum();
            let mut found = BaseName::default();
            let mut any = false;
            for (id, ty) in types().filter(|(_, ty)| ty.kind().is_enum() == is_enum) {
                any = true;
                match ty.kind() {
                    of if of == kind && !(is_enum && ty.vlen() == 0) => found.same.add(id),
                    Kind::Fwd if ty.flag() == (kind == Kind::Union) => found.forward.add(id),
                    _ => found.others = true,
                }
            }
            if any {
                self.words.extend([ANCHOR, key.0, kind as u64]);
                let end = self.words.len() as u32;
                let is = Is::Name(self.names.len() as u32);
                self.names.push(found);
                let entry = Entry { is, anchor: Key::UNSET, says: Says::Defined, end };
                self.add(Key::anchor(kind, key), entry);
            }
        }
    }

    fn add(&mut self, key: Key, entry: Entry) {
        self.entries.push(entry);
        let mask = self.slots.len() - 1;
        let mut at = key.0 as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = key.0 >> NUMBER << NUMBER | self.entries.len() as u64;
    }

    /// The class of a key.
    #[inline]
    pub(crate) fn find(&self, key: Key) -> Option<BaseClass> {
        let mask = self.slots.len() - 1;
        let mut at = key.0 as usize & mask;
        loop {
            match self.slots[at] {
                0 => return None,
                slot if (slot ^ key.0) >> NUMBER == 0 => {
                    let number = slot & ((1 << NUMBER) - 1);
                    return Some(BaseClass(number as u32 - 1));
                }
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// What a class says.
    pub(crate) fn words(&self, class: BaseClass) -> Words<'_> {
        let number = class.0 as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.entries[before].end);
        Words(&self.words[start as usize..self.entries[number].end as usize])
    }

    /// The one type of the base that says this and can say nothing else.
    pub(crate) fn id(&self, class: BaseClass) -> Option<TypeId> {
        match self.entries[class.0 as usize].is {
            Is::Type(id) if id != TypeId::VOID => Some(id),
            Is::Type(_) | Is::Name(_) => None,
        }
    }

    /// What the base has of a name.
    pub(crate) fn name(&self, class: BaseClass) -> Option<BaseName> {
        match self.entries[class.0 as usize].is {
            Is::Name(number) => Some(self.names[number as usize]),
            Is::Type(_) => None,
        }
    }

    /// Whether a class is a name.
    pub(crate) fn is_name(&self, class: BaseClass) -> bool {
        matches!(self.entries[class.0 as usize].is, Is::Name(_))
    }

    /// The key of the name that a class defines or declares.
    pub(crate) fn anchor(&self, class: BaseClass) -> Option<(Key, Says)> {
        let Entry { anchor, says, .. } = self.entries[class.0 as usize];
        (anchor != Key::UNSET).then_some((anchor, says))
    }
}

/// The key of the name that a type defines or declares, where it has one.
fn anchor(ty: Type<'_>, name: StrKey) -> Option<Key> {
    let kind = match ty.kind() {
        Kind::Fwd if ty.flag() => Kind::Union,
        Kind::Fwd => Kind::Struct,
        kind if (kind.is_composite() || kind.is_enum()) && name != StrKey::NONE => kind,
        _ => return None,
    };
    Some(Key::anchor(kind, name))
}

/// Keys that are being found.
struct Making<'b> {
    btf: &'b Btf,
    array_index: TypeId,
    /// By id: how others refer to it.
    keys: Vec<Key>,
    /// Entries of types that are being read, one behind another.
    entries: Vec<[u64; 3]>,
}

impl Making<'_> {
    fn name(&self, name: StrOff) -> Option<StrKey> {
        let text = self.btf.string(name)?;
        Some(match text.len() {
            0 => StrKey::NONE,
            // Compilers write these where they are used.
            1..=SHORT => {
                StrKey::packed(text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
            }
            _ => StrKey::debug_str(OF_BASE + u64::from(name.0)),
        })
    }

    /// How a type is referred to: by its name, or by what it says.
    fn key(&mut self, id: TypeId, depth: u32) -> Option<Key> {
        if id == TypeId::VOID {
            return Some(Key::VOID);
        }
        match *self.keys.get(id.index())? {
            Key::UNSET => {}
            // On the way to itself, or known to lead nowhere.
            Key(Key::MARK) => return None,
            known => return Some(known),
        }
        let ty = self.btf.get(id)?;
        let name = self.name(ty.name())?;
        let key = match anchor(ty, name) {
            Some(key) => key,
            None if depth >= DEPTH_MAX => return None,
            None => {
                self.keys[id.index()] = Key(Key::MARK);
                let start = self.entries.len();
                let own = self.own(id, ty, depth);
                self.entries.truncate(start);
                own?.1
            }
        };
        self.keys[id.index()] = key;
        Some(key)
    }

    /// What a type says, and the key of that. Its entries are left behind those that there were.
    fn own(&mut self, id: TypeId, ty: Type<'_>, depth: u32) -> Option<([u64; 3], Key)> {
        let start = self.entries.len();
        let words = self.words(id, ty, depth + 1);
        if words.is_none() {
            self.entries.truncate(start);
        }
        let [head, name, third] = words?;
        Some(([head, name, third], content(head, name, third, &self.entries[start..])))
    }

    fn words(&mut self, id: TypeId, ty: Type<'_>, depth: u32) -> Option<[u64; 3]> {
        let name = self.name(ty.name())?;
        let head = u64::from(Head::new(ty.kind(), ty.flag()).0);
        let plain = |third: u64| Some([head, name.0, third]);
        match ty.kind() {
            Kind::Int => {
                let (size, more) = (ty.size(), ty.extra());
                // Bits and offset as they are of every integer of C.
                if more & 0xff_ffff != size * 8 {
                    return None;
                }
                plain(u64::from(more >> 24) << 32 | u64::from(size))
            }
            Kind::Float => plain(u64::from(ty.size())),
            Kind::Fwd => plain(0),
            Kind::Ptr
            | Kind::Const
            | Kind::Volatile
            | Kind::Restrict
            | Kind::Typedef
            | Kind::TypeTag => plain(self.key(ty.target(), depth)?.0),
            Kind::Array => {
                let array = ty.array();
                if array.index != self.array_index {
                    return None;
                }
                let element = self.key(array.element, depth)?;
                self.entries.push([0, u64::from(array.len), 0]);
                plain(element.0)
            }
            Kind::Struct | Kind::Union => {
                for member in ty.members() {
                    let (name, key) = (self.name(member.name)?, self.key(member.type_id, depth)?);
                    self.entries.push([name.0, key.0, u64::from(member.offset)]);
                }
                plain(u64::from(ty.size()))
            }
            Kind::FuncProto => {
                let result = self.key(ty.target(), depth)?;
                for param in ty.params() {
                    let (name, key) = (self.name(param.name)?, self.key(param.type_id, depth)?);
                    self.entries.push([name.0, key.0, 0]);
                }
                plain(result.0)
            }
            Kind::Enum | Kind::Enum64 => {
                let step = if ty.kind() == Kind::Enum64 { 3 } else { 2 };
                let words = self.btf.get(id)?.words().get(3..)?;
                for value in words.chunks_exact(step) {
                    let high = value.get(2).copied().unwrap_or(0);
                    let name = self.name(StrOff(value[0]))?;
                    self.entries.push([name.0, u64::from(high) << 32 | u64::from(value[1]), 0]);
                }
                plain(u64::from(ty.size()))
            }
            // Functions, variables, tags: none of them is a class.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kmill_btf::format::{Info, int};

    use super::*;
    use kmill_btf::Endian;

    fn structure(btf: &mut Btf, name: &[u8], member: &[u8], ty: TypeId) -> TypeId {
        let (name, member) = (btf.add_string(name), btf.add_string(member));
        let info = Info::new(Kind::Struct, false, 1);
        btf.types.push(name, info, 4, &[member.0, ty.0, 0])
    }

    /// The key of a structure's content, as the walk makes it.
    fn key(btf: &Btf, id: TypeId) -> Key {
        let ty = btf.get(id).unwrap();
        let name = |at: StrOff| match btf.string(at).unwrap().len() {
            0 => StrKey::NONE,
            1..=SHORT => StrKey::packed(u64::from(btf.string(at).unwrap()[0])),
            _ => StrKey::debug_str(OF_BASE + u64::from(at.0)),
        };
        let int =
            [u64::from(Head::new(Kind::Int, false).0), name(btf.get(TypeId(1)).unwrap().name()).0];
        let int = content(int[0], int[1], u64::from(int::SIGNED) << 32 | 4, &[]);
        let members: Vec<[u64; 3]> =
            ty.members().map(|member| [name(member.name).0, int.0, 0]).collect();
        content(u64::from(Head::new(Kind::Struct, false).0), name(ty.name()).0, 4, &members)
    }

    #[test]
    fn what_a_base_has_twice_leaves_nothing_to_the_next_type() {
        let mut btf = Btf::new(Endian::Little);
        let name = btf.add_string(b"__int");
        let int = btf.types.push_int(name, 4, int::SIGNED);
        let first = structure(&mut btf, b"task", b"a", int);
        let again = structure(&mut btf, b"task", b"a", int);
        let next = structure(&mut btf, b"file", b"b", int);
        let btf = Arc::new(btf);
        let keys = BaseKeys::new(&Index::new(btf.clone())).unwrap();
        let [twice, once] = [first, next].map(|id| keys.find(key(&btf, id)).unwrap());
        assert_eq!(key(&btf, first), key(&btf, again));
        assert_eq!((keys.id(twice), keys.id(once)), (None, Some(next)));
        for (class, member) in [(twice, b'a'), (once, b'b')] {
            let members = keys.words(class).entries();
            assert_eq!(members.len(), 1);
            assert!(
                members.into_iter().all(|(name, ..)| name == StrKey::packed(u64::from(member)))
            );
        }
        // A name for each of both kinds that it may be taken for.
        let file = StrKey::debug_str(OF_BASE + u64::from(btf.get(next).unwrap().name().0));
        let of = |kind| keys.name(keys.find(Key::anchor(kind, file)).unwrap()).unwrap();
        assert_eq!((of(Kind::Struct).same, of(Kind::Struct).others), (Many::One(next), false));
        assert_eq!((of(Kind::Union).same, of(Kind::Union).others), (Many::None, true));
        assert_eq!(keys.find(Key::anchor(Kind::Enum, file)), None);
    }
}

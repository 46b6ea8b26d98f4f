//! The types of a base as classes: a type of a unit that says the same as one of these, all the way
//! down, is that one, and nothing has to be deduplicated to know.
//!
//! Keys are those of the walk. Names are told by their offset in the base's strings, as
//! [`strings`](crate::dwarf::strings) says them in every file behind that base.

use kmill_btf::dedup::Index;
use kmill_btf::{Btf, Kind, StrOff, Type, TypeId};
use rustc_hash::FxHashMap;

use crate::class::key::{Head, Key, StrKey};
use crate::class::table::content;
use crate::dwarf::strings::{OF_BASE, SHORT};

/// How deep types without a name may lie in each other.
const DEPTH_MAX: u32 = 128;

/// Types of a base by key.
#[derive(Debug)]
pub(crate) struct BaseKeys {
    /// `void` for what several types say.
    by_key: FxHashMap<Key, TypeId>,
    /// What arrays are indexed with; those that are not, are not here.
    pub(crate) array_index: TypeId,
    /// Whether it has structures without a name of which no key is known.
    keyless: bool,
}

impl BaseKeys {
    /// Of a base that has none itself.
    pub(crate) fn new(index: &Index) -> Option<BaseKeys> {
        let btf: &Btf = index.base();
        if btf.base().is_some() || btf.strings.bytes().len() as u64 >= OF_BASE {
            return None;
        }
        let arrays = btf.types.iter().find(|(_, ty)| ty.kind() == Kind::Array);
        let array_index = arrays.map_or(TypeId::VOID, |(_, ty)| ty.array().index);
        let keys = vec![Key::UNSET; btf.types.last().index() + 1];
        let mut making = Making { btf, array_index, keys, entries: Vec::new() };
        let (mut by_key, mut keyless) = (FxHashMap::default(), false);
        by_key.reserve(making.keys.len());
        for (id, ty) in btf.types.iter() {
            let Some(own) = making.own(id, ty, 0) else {
                keyless |= ty.kind().is_composite() && ty.name() == StrOff::EMPTY;
                continue;
            };
            by_key.entry(own).and_modify(|one| *one = TypeId::VOID).or_insert(id);
        }
        Some(BaseKeys { by_key, array_index, keyless })
    }

    /// Whether the base has structures without a name that say this, however many, or may have.
    pub(crate) fn may_have(&self, key: Key) -> bool {
        self.keyless || self.by_key.contains_key(&key)
    }

    /// The one type of the base that a class says.
    pub(crate) fn get(&self, key: Key) -> Option<TypeId> {
        self.by_key.get(&key).copied().filter(|id| *id != TypeId::VOID)
    }
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
        let anchor = match ty.kind() {
            Kind::Fwd if ty.flag() => Some(Kind::Union),
            Kind::Fwd => Some(Kind::Struct),
            kind if (kind.is_composite() || kind.is_enum()) && name != StrKey::NONE => Some(kind),
            _ => None,
        };
        let key = match anchor {
            Some(kind) => Key::anchor(kind, name),
            None if depth >= DEPTH_MAX => return None,
            None => {
                self.keys[id.index()] = Key(Key::MARK);
                self.own(id, ty, depth)?
            }
        };
        self.keys[id.index()] = key;
        Some(key)
    }

    /// The key of what a type says.
    fn own(&mut self, id: TypeId, ty: Type<'_>, depth: u32) -> Option<Key> {
        let start = self.entries.len();
        let own = self
            .words(id, ty, depth + 1)
            .map(|[head, name, third]| content(head, name, third, &self.entries[start..]));
        self.entries.truncate(start);
        own
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

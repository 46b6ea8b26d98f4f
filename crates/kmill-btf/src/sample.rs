//! Blobs for tests: made by hand, type by type, or at random but well-formed.

use std::sync::Arc;

use proptest::prelude::*;

use crate::btf::Btf;
use crate::format::{Endian, Info, Kind, linkage};
use crate::types::{StrOff, TypeId};

/// A blob in the making. Ids count from 1, or go on behind the base: what is referred to before it
/// is made is written as a number.
#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) btf: Btf,
}

impl Blob {
    pub(crate) fn new() -> Blob {
        Blob { btf: Btf::new(Endian::Little) }
    }

    pub(crate) fn behind(base: Btf) -> Blob {
        Blob { btf: Btf::split(Arc::new(base)) }
    }

    /// A type of any kind.
    pub(crate) fn raw(
        &mut self,
        kind: Kind,
        flag: bool,
        vlen: usize,
        name: &str,
        third: u32,
        more: &[u32],
    ) -> u32 {
        let name = self.btf.add_string(name.as_bytes());
        self.btf.types.push(name, Info::new(kind, flag, vlen as u32), third, more).0
    }

    pub(crate) fn refer(&mut self, kind: Kind, name: &str, target: u32) -> u32 {
        self.raw(kind, false, 0, name, target, &[])
    }

    pub(crate) fn int(&mut self, name: &str, size: u32) -> u32 {
        self.raw(Kind::Int, false, 0, name, size, &[size * 8])
    }

    pub(crate) fn float(&mut self, name: &str, size: u32) -> u32 {
        self.raw(Kind::Float, false, 0, name, size, &[])
    }

    pub(crate) fn ptr(&mut self, target: u32) -> u32 {
        self.refer(Kind::Ptr, "", target)
    }

    pub(crate) fn array(&mut self, element: u32, index: u32, len: u32) -> u32 {
        self.raw(Kind::Array, false, 0, "", 0, &[element, index, len])
    }

    /// A structure or union; members are name, type, bits from the start.
    pub(crate) fn composite(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let name = self.btf.add_string(name.as_bytes());
        let mut more = Vec::new();
        for (name, ty, at) in members {
            more.extend([self.btf.add_string(name.as_bytes()).0, *ty, *at]);
        }
        let info = Info::new(kind, false, members.len() as u32);
        self.btf.types.push(name, info, size, &more).0
    }

    pub(crate) fn structure(&mut self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        self.composite(Kind::Struct, name, size, members)
    }

    pub(crate) fn union(&mut self, name: &str, size: u32, members: &[(&str, u32)]) -> u32 {
        let members: Vec<_> = members.iter().map(|(name, ty)| (*name, *ty, 0)).collect();
        self.composite(Kind::Union, name, size, &members)
    }

    pub(crate) fn forward(&mut self, name: &str) -> u32 {
        self.raw(Kind::Fwd, false, 0, name, 0, &[])
    }

    pub(crate) fn forward_union(&mut self, name: &str) -> u32 {
        self.raw(Kind::Fwd, true, 0, name, 0, &[])
    }

    pub(crate) fn enumeration(&mut self, name: &str, values: &[(&str, u32)]) -> u32 {
        let name = self.btf.add_string(name.as_bytes());
        let mut more = Vec::new();
        for (name, value) in values {
            more.extend([self.btf.add_string(name.as_bytes()).0, *value]);
        }
        let info = Info::new(Kind::Enum, false, values.len() as u32);
        self.btf.types.push(name, info, 4, &more).0
    }

    pub(crate) fn enum64(&mut self, name: &str, signed: bool, values: &[(&str, u64)]) -> u32 {
        let name = self.btf.add_string(name.as_bytes());
        let mut more = Vec::new();
        for (name, value) in values {
            let name = self.btf.add_string(name.as_bytes());
            more.extend([name.0, *value as u32, (*value >> 32) as u32]);
        }
        let info = Info::new(Kind::Enum64, signed, values.len() as u32);
        self.btf.types.push(name, info, 8, &more).0
    }

    pub(crate) fn prototype(&mut self, returns: u32, params: &[(&str, u32)]) -> u32 {
        let mut more = Vec::new();
        for (name, ty) in params {
            more.extend([self.btf.add_string(name.as_bytes()).0, *ty]);
        }
        let info = Info::new(Kind::FuncProto, false, params.len() as u32);
        self.btf.types.push(StrOff::EMPTY, info, returns, &more).0
    }

    pub(crate) fn function(&mut self, name: &str, prototype: u32) -> u32 {
        self.refer(Kind::Func, name, prototype)
    }

    pub(crate) fn variable(&mut self, name: &str, ty: u32) -> u32 {
        self.raw(Kind::Var, false, 0, name, ty, &[linkage::GLOBAL])
    }

    /// A section; variables are type, offset, size.
    pub(crate) fn section(&mut self, name: &str, size: u32, entries: &[(u32, u32, u32)]) -> u32 {
        let more: Vec<u32> = entries.iter().flat_map(|(ty, at, size)| [*ty, *at, *size]).collect();
        self.raw(Kind::Datasec, false, entries.len(), name, size, &more)
    }

    pub(crate) fn decl_tag(&mut self, text: &str, target: u32, component: i32) -> u32 {
        self.raw(Kind::DeclTag, false, 0, text, target, &[component as u32])
    }

    /// The kinds of all types, in their order.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.btf.types.iter().map(|(_, ty)| ty.kind()).collect()
    }

    /// Deduplicated.
    pub(crate) fn dedup(&self) -> Blob {
        Blob { btf: self.btf.clone().dedup().expect("no loops of references") }
    }
}

/// What a random type is made from.
type Seed = [u8; 6];

/// Well-formed blobs. Every structure, union and enumeration has a name of its own; there are
/// pointers to later structures, and so cycles.
pub(crate) fn well_formed() -> impl Strategy<Value = Btf> {
    prop::collection::vec(any::<Seed>(), 0..40).prop_map(|seeds| build(&seeds, true).btf)
}

/// The same without what is never deduplicated: variables and sections.
pub(crate) fn without_variables() -> impl Strategy<Value = Btf> {
    prop::collection::vec(any::<Seed>(), 0..40).prop_map(|seeds| build(&seeds, false).btf)
}

/// Kinds by seed: some more often than others.
const KINDS: [Kind; 26] = [
    Kind::Int,
    Kind::Ptr,
    Kind::Ptr,
    Kind::Ptr,
    Kind::Array,
    Kind::Struct,
    Kind::Struct,
    Kind::Struct,
    Kind::Struct,
    Kind::Union,
    Kind::Enum,
    Kind::Fwd,
    Kind::Fwd,
    Kind::Typedef,
    Kind::Volatile,
    Kind::Const,
    Kind::Restrict,
    Kind::FuncProto,
    Kind::Func,
    Kind::Float,
    Kind::DeclTag,
    Kind::TypeTag,
    Kind::Enum64,
    Kind::Var,
    Kind::Var,
    Kind::Datasec,
];

/// The random types so far.
struct Sample {
    blob: Blob,
    /// Each one's kind and, if it has one, size. The first is `void`.
    known: Vec<(Kind, Option<u32>)>,
}

impl Sample {
    /// One of the earlier types for which `fit` holds, or else the first one, an integer.
    fn earlier(&self, seed: u8, fit: impl Fn(Kind, Option<u32>) -> bool) -> u32 {
        let fitting: Vec<u32> = (1..self.known.len())
            .filter(|id| fit(self.known[*id].0, self.known[*id].1))
            .map(|id| id as u32)
            .collect();
        fitting.get(usize::from(seed) % fitting.len().max(1)).copied().unwrap_or(1)
    }

    /// An earlier type that is not too large to be part of another.
    fn part(&self, seed: u8) -> (u32, u32) {
        let id = self.earlier(seed, |_, size| size.is_some_and(|size| size <= 1 << 12));
        (id, self.known[id as usize].1.unwrap_or_default())
    }
}

fn build(seeds: &[Seed], variables: bool) -> Blob {
    let mut sample =
        Sample { blob: Blob::new(), known: vec![(Kind::Int, None), (Kind::Int, Some(4))] };
    sample.blob.int("int", 4);
    let kinds: Vec<Kind> = seeds.iter().map(|seed| KINDS[seed[0] as usize % KINDS.len()]).collect();
    let composites: Vec<(u32, Kind)> = (2..)
        .zip(&kinds)
        .filter(|(_, kind)| kind.is_composite())
        .map(|(id, kind)| (id, *kind))
        .collect();
    for (seed, kind) in seeds.iter().zip(&kinds) {
        let at_all = variables || !matches!(kind, Kind::Var | Kind::Datasec);
        let kind = if at_all { *kind } else { Kind::Int };
        let entry = one(&mut sample, kind, *seed, &composites);
        sample.known.push(entry);
    }
    sample.blob
}

/// Makes one type, and says what it became.
fn one(
    sample: &mut Sample,
    kind: Kind,
    seed: Seed,
    composites: &[(u32, Kind)],
) -> (Kind, Option<u32>) {
    let [_, a, b, c, d, _] = seed;
    let id = sample.known.len();
    let small = format!("n{}", b % 3);
    let own = format!("s{id}");
    match kind {
        Kind::Int | Kind::Float => {
            let size = [2, 4, 8, 16][a as usize % 4];
            let make = if kind == Kind::Int { Blob::int } else { Blob::float };
            make(&mut sample.blob, &small, size);
            (kind, Some(size))
        }
        Kind::Ptr => {
            let target = match composites.get(a as usize % composites.len().max(1)) {
                Some((id, _)) if b % 3 != 0 => *id,
                _ => sample.earlier(c, |kind, size| size.is_some() || kind == Kind::Fwd),
            };
            sample.blob.ptr(target);
            (kind, Some(8))
        }
        Kind::Array => {
            let (element, size) = sample.part(a);
            let len = u32::from(b % 4);
            sample.blob.array(element, 1, len);
            (kind, Some(size * len))
        }
        Kind::Struct | Kind::Union => {
            let mut members = Vec::new();
            let mut size = 0;
            for (index, part) in [b, c, d][..a as usize % 4].iter().enumerate() {
                let (id, bytes) = sample.part(*part);
                let start = if kind == Kind::Union { 0 } else { size };
                members.push((["x", "y", ""][index], id, start * 8));
                size = (start + bytes).next_multiple_of(16).max(size);
            }
            sample.blob.composite(kind, &own, size, &members);
            (kind, Some(size))
        }
        Kind::Enum | Kind::Enum64 => {
            let values = [("A", u32::from(b)), ("B", u32::from(c))];
            let values = &values[..a as usize % 3];
            if kind == Kind::Enum {
                sample.blob.enumeration(&own, values);
                return (kind, Some(4));
            }
            let values: Vec<_> =
                values.iter().map(|(name, value)| (*name, u64::from(*value) << 30)).collect();
            sample.blob.enum64(&own, b % 2 == 0, &values);
            (kind, Some(8))
        }
        Kind::Fwd => {
            // Of something that there is, or that there is not.
            match composites.get(a as usize % composites.len().max(1)) {
                Some((id, Kind::Struct)) if b % 4 != 0 => sample.blob.forward(&format!("s{id}")),
                Some((id, _)) if b % 4 != 0 => sample.blob.forward_union(&format!("s{id}")),
                _ => sample.blob.forward("missing"),
            };
            (kind, None)
        }
        Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict => {
            // A tag must not stand behind another modifier.
            let target = sample.earlier(a, |kind, size| size.is_some() && kind != Kind::TypeTag);
            let name = if kind == Kind::Typedef { &*small } else { "" };
            sample.blob.refer(kind, name, target);
            (kind, sample.known[target as usize].1)
        }
        Kind::TypeTag => {
            let target = sample.earlier(a, |_, size| size.is_some());
            sample.blob.refer(kind, "a tag: of any text", target);
            (kind, sample.known[target as usize].1)
        }
        Kind::FuncProto => {
            let (returns, one, two) = (sample.part(a).0, sample.part(b).0, sample.part(c).0);
            let params = [("one", one), ("two", two), ("", 0)];
            sample.blob.prototype(returns, &params[3 - d as usize % 4..]);
            (kind, None)
        }
        Kind::Func | Kind::DeclTag => {
            let target = sample.earlier(a, |of, _| match kind {
                Kind::Func => of == Kind::FuncProto,
                _ => matches!(of, Kind::Struct | Kind::Func | Kind::Typedef),
            });
            if target == 1 {
                sample.blob.int(&small, 4);
                return (Kind::Int, Some(4));
            }
            if kind == Kind::Func {
                sample.blob.function(&small, target);
            } else {
                sample.blob.decl_tag("another tag", target, -1);
            }
            (kind, None)
        }
        Kind::Var => {
            let (ty, _) = sample.part(a);
            sample.blob.variable(&small, ty);
            (kind, None)
        }
        Kind::Datasec => {
            let mut entries = Vec::new();
            let mut at = 0;
            for (id, (kind, _)) in sample.known.iter().enumerate() {
                if *kind == Kind::Var {
                    let ty = sample.blob.btf.get(TypeId(id as u32)).map(|var| var.target());
                    let size = ty.and_then(|ty| sample.known[ty.index()].1).unwrap_or(4).max(1);
                    entries.push((id as u32, at, size));
                    at += size + u32::from(b);
                }
            }
            sample.blob.section(".data..some", at + 1, &entries);
            (kind, None)
        }
    }
}

//! One blob in memory: its types and its strings, on a base or alone.

use std::sync::Arc;

use crate::format::Endian;
use crate::strings::Strings;
use crate::types::{StrOff, Type, TypeId, Types};

/// Types and strings. A split one goes on behind its base, whose types and strings it shares.
#[derive(Clone, Debug, Default)]
pub struct Btf {
    /// Its own types.
    pub types: Types,
    /// Its own strings.
    pub strings: Strings,
    /// Byte order of the blob that it was, or is to be.
    pub endian: Endian,
    base: Option<Arc<Btf>>,
}

impl Btf {
    /// Nothing but the empty string.
    pub fn new(endian: Endian) -> Btf {
        Btf { endian, ..Btf::default() }
    }

    /// Nothing, behind a base.
    pub fn split(base: Arc<Btf>) -> Btf {
        Btf {
            types: Types::behind(base.types.last()),
            strings: Strings::behind(base.strings.base() + base.strings.bytes().len() as u32),
            endian: base.endian,
            base: Some(base),
        }
    }

    /// What this one goes on behind.
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// The type of that id, ours or the base's. `void` is none.
    pub fn get(&self, id: TypeId) -> Option<Type<'_>> {
        match &self.base {
            Some(base) if id <= self.types.base() => base.get(id),
            _ => self.types.get(id),
        }
    }

    /// The string at that offset, ours or the base's.
    pub fn string(&self, at: StrOff) -> Option<&[u8]> {
        match &self.base {
            Some(base) if at.0 < self.strings.base() => base.string(at),
            _ => self.strings.get(at),
        }
    }

    /// The name of a type; empty when the offset is wrong.
    pub fn name(&self, ty: Type<'_>) -> &[u8] {
        self.string(ty.name()).unwrap_or_default()
    }

    /// The offset of a string, ours or the base's.
    pub fn find_string(&self, text: &[u8]) -> Option<StrOff> {
        let base = self.base.as_ref().and_then(|base| base.find_string(text));
        base.or_else(|| self.strings.find(text))
    }

    /// The offset of a string: the base's when it has it, else ours.
    pub fn add_string(&mut self, text: &[u8]) -> StrOff {
        let mut base = self.base.as_ref();
        while let Some(btf) = base {
            if let Some(at) = btf.strings.find(text) {
                return at;
            }
            base = btf.base.as_ref();
        }
        self.strings.add(text)
    }

    /// Takes other types in the place of ours.
    pub fn with_types(self, types: Types) -> Btf {
        Btf { types, ..self }
    }
}

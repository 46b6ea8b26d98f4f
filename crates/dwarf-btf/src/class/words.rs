//! What a class says, in words, and the key of that.

use kmill_btf::Kind;

use crate::class::key::{Hasher, Head, Key, StrKey};

/// One class as it was said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'t>(pub(crate) &'t [u64]);

/// Words of the head: kind and flag; name; size or what it refers to.
pub(crate) const HEAD: usize = 3;
/// Words of an entry: name; type or value; offset.
pub(crate) const ENTRY: usize = 3;

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

/// The head of an anchor, which is no type.
pub(crate) const ANCHOR: u64 = u64::MAX;

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

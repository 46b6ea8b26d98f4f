//! A small base of its own for a split blob, so that it outlives the base that it was made for: as
//! libbpf's `btf__distill_base` (as of v1.5, commit 374f7807).
//!
//! What the split types lead to in their base is all that they need of it, and of structures and
//! enumerations that have a name no more than that name and the size. Whoever relocates the blob to
//! another base looks them up there by name, and asks for the same size where ours hold one.
//!
//! ```text
//! needed    what ours refer to in the base, and what that refers to; nothing behind a structure or
//!           union with a name
//! base      of those, in their order: INT, FLOAT, FWD as they are;
//!           STRUCT, UNION, ENUM, ENUM64 with a name: name and size; an ENUM64 becomes an ENUM
//! split     all of ours, in their order; then the others that are needed, as they are
//! ```
//!
//! Strings come in the order of the types that they are for, the base's first.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::btf::Btf;
use crate::format::{Info, Kind};
use crate::types::{StrOff, Type, TypeId, map_names, map_refs};

/// libbpf's limit on the bytes of strings.
const MAX_STRINGS: usize = 0x7fff_ffff;

/// A split blob and the base that was made for it.
#[derive(Clone, Debug)]
pub struct Distilled {
    /// What the split blob needs to know of its old base: the section `.BTF.base`.
    pub base: Arc<Btf>,
    /// The same types as before and what had to leave the base, behind `base`: the section `.BTF`.
    pub split: Btf,
}

/// Why there is no distilled base.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistillError {
    /// The blob stands alone.
    #[error("there is no base to distil")]
    NoBase,
    /// A type of the base that no distilled base can have, nor a split blob twice: a function, a
    /// variable, a section or a declaration's tag.
    #[error("a {} of the base is needed, type {id}, which cannot be distilled", kind.name())]
    Kind {
        /// Which one.
        id: TypeId,
        /// What it is.
        kind: Kind,
    },
    /// An enumeration of the base whose values are neither 1, 2, 4 nor 8 bytes wide.
    #[error("type {0} of the base is an enumeration of a size that there is not")]
    EnumSize(TypeId),
    /// A type refers to a type or a string that there is not.
    #[error("type {0} refers to a type or a string that there is not")]
    Dangling(TypeId),
    /// More bytes of strings than libbpf takes.
    #[error("the strings become too many")]
    Strings,
}

impl Btf {
    /// Distils the base of a split blob; both parts have the byte order of this one.
    ///
    /// Source: libbpf's `btf__distill_base`. The parts are what it makes, id by id and string by
    /// string, of blobs that say the same.
    ///
    /// # Errors
    /// When there is no base, when it is damaged, and when ours refer to what cannot be distilled:
    /// see [`DistillError`].
    pub fn distill(&self) -> Result<Distilled, DistillError> {
        distill(self, MAX_STRINGS)
    }
}

fn distill(source: &Btf, max_strings: usize) -> Result<Distilled, DistillError> {
    if source.base().is_none() {
        return Err(DistillError::NoBase);
    }
    let mut copier =
        Copier { source, ids: FxHashMap::default(), strings: FxHashMap::default(), max_strings };
    let mut base = Btf::new(source.endian);
    let mut rest = Vec::new();
    for (id, ty, place) in needed(source)? {
        let new = match place {
            Place::Base => copier.copy(id, ty, &mut base)?,
            Place::BareInBase => copier.outline(id, ty, &mut base)?,
            Place::Split => {
                rest.push((id, ty));
                continue;
            }
        };
        copier.ids.insert(id, new);
    }
    let base = Arc::new(base);
    let mut split = Btf::split(base.clone());
    // Types refer to later ones: each has its id before the first is copied.
    let copied: Vec<_> = source.types.iter().chain(rest).collect();
    for ((id, _), new) in copied.iter().zip(split.types.base().0 + 1..) {
        copier.ids.insert(*id, TypeId(new));
    }
    for (id, ty) in copied {
        copier.copy(id, ty, &mut split)?;
    }
    Ok(Distilled { base, split })
}

/// Where a type of the old base goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Into the new base, as it is.
    Base,
    /// Into the new base, with nothing but its name and its size.
    BareInBase,
    /// Behind the split types, as it is.
    Split,
}

/// A name is an offset that is not 0, as libbpf has it, whatever is there.
fn place(id: TypeId, ty: Type<'_>) -> Result<Place, DistillError> {
    Ok(match ty.kind() {
        Kind::Int | Kind::Float | Kind::Fwd => Place::Base,
        Kind::Enum | Kind::Enum64 if has_name(ty) && !matches!(ty.size(), 1 | 2 | 4 | 8) => {
            return Err(DistillError::EnumSize(id));
        }
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if has_name(ty) => Place::BareInBase,
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => Place::Split,
        Kind::Array
        | Kind::Typedef
        | Kind::Ptr
        | Kind::Const
        | Kind::Restrict
        | Kind::Volatile
        | Kind::FuncProto
        | Kind::TypeTag => Place::Split,
        kind @ (Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag) => {
            return Err(DistillError::Kind { id, kind });
        }
    })
}

fn has_name(ty: Type<'_>) -> bool {
    ty.name() != StrOff::EMPTY
}

/// A type of the old base that is needed.
type Needed<'a> = (TypeId, Type<'a>, Place);

/// Those that ours lead to, in the order of their ids.
fn needed(source: &Btf) -> Result<Vec<Needed<'_>>, DistillError> {
    let found = vec![None; source.types.base().index() + 1];
    let mut search = Search { source, found, open: Vec::new() };
    for (id, ty) in source.types.iter() {
        search.follow(id, ty)?;
        while let Some((id, ty)) = search.open.pop() {
            // A structure with a name will have no members.
            if !(ty.kind().is_composite() && has_name(ty)) {
                search.follow(id, ty)?;
            }
        }
    }
    Ok(search.found.into_iter().flatten().collect())
}

/// What is found so far. A list of what is still to be followed, and no calls in calls: a base may be
/// of any depth.
struct Search<'a> {
    source: &'a Btf,
    /// By id.
    found: Vec<Option<Needed<'a>>>,
    open: Vec<(TypeId, Type<'a>)>,
}

impl<'a> Search<'a> {
    fn follow(&mut self, id: TypeId, ty: Type<'a>) -> Result<(), DistillError> {
        let mut result = Ok(());
        ty.for_each_ref(|target| {
            if result.is_ok() {
                result = self.find(id, target);
            }
        });
        result
    }

    fn find(&mut self, from: TypeId, id: TypeId) -> Result<(), DistillError> {
        if id > self.source.types.last() {
            return Err(DistillError::Dangling(from));
        }
        // One of ours is none of the base's.
        let Some(found) = self.found.get_mut(id.index()) else { return Ok(()) };
        if id == TypeId::VOID || found.is_some() {
            return Ok(());
        }
        let ty = self.source.get(id).ok_or(DistillError::Dangling(from))?;
        *found = Some((id, ty, place(id, ty)?));
        self.open.push((id, ty));
        Ok(())
    }
}

/// Takes types of the source to where they go.
struct Copier<'a> {
    source: &'a Btf,
    /// Where the types of the source are now.
    ids: FxHashMap<TypeId, TypeId>,
    /// Where its strings are now. A string that the new base has stays there.
    strings: FxHashMap<StrOff, StrOff>,
    /// How many bytes of strings may still come. The strings of damaged input can overlap, and be
    /// much longer one by one than all together.
    max_strings: usize,
}

impl Copier<'_> {
    /// Copies a type, which refers to what it did.
    fn copy(&mut self, id: TypeId, ty: Type<'_>, to: &mut Btf) -> Result<TypeId, DistillError> {
        let mut words = ty.words().to_vec();
        let mut result = Ok(());
        map_names(&mut words, &mut |name| {
            self.string(id, name, to).unwrap_or_else(|error| {
                result = Err(error);
                StrOff::EMPTY
            })
        });
        result?;
        // `void` is the only one without a new id.
        map_refs(&mut words, |target| self.ids.get(&target).copied().unwrap_or(TypeId::VOID));
        Ok(to.types.push_words(&words))
    }

    /// Copies the name and the size of a type.
    fn outline(&mut self, id: TypeId, ty: Type<'_>, to: &mut Btf) -> Result<TypeId, DistillError> {
        let kind = if ty.kind().is_enum() { Kind::Enum } else { ty.kind() };
        let name = self.string(id, ty.name(), to)?;
        Ok(to.types.push(name, Info::new(kind, false, 0), ty.size(), &[]))
    }

    fn string(&mut self, of: TypeId, at: StrOff, to: &mut Btf) -> Result<StrOff, DistillError> {
        if at == StrOff::EMPTY {
            return Ok(at);
        }
        if let Some(known) = self.strings.get(&at) {
            return Ok(*known);
        }
        let text = self.source.string(at).ok_or(DistillError::Dangling(of))?;
        let left = self.max_strings.checked_sub(text.len() + 1);
        self.max_strings = left.ok_or(DistillError::Strings)?;
        let new = to.add_string(text);
        self.strings.insert(at, new);
        Ok(new)
    }
}

#[cfg(test)]
mod tests;

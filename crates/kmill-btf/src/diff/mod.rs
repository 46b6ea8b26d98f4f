//! What two blobs say differently, in words and by name, whatever ids and order they have.
//!
//! ```text
//! each blob ─ things: what has a name, tags, nameless types that nothing uses
//! things of one name ─ equal ones cancel out (meaning) ─ the rest in pairs, part by part (parts)
//! ```
//!
//! A named type is compared by what is in it, where other named types count by name only: every
//! difference is said once, where it is. Nameless types count by what is in them, where they are
//! used. Of several definitions of one name, those that are in both blobs cancel out first.

mod difference;
mod meaning;
mod parts;
mod spell;

use std::borrow::Cow;

use crate::btf::Btf;
use crate::format::Kind;
use crate::types::{Type, TypeId};

pub use difference::{Change, Difference, Sort};

use meaning::{Meanings, named_as};
use parts::Parts;

/// One thing of a blob. The order is that in which things are compared.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Thing<'a> {
    sort: Sort,
    name: Cow<'a, [u8]>,
    /// Equal for equal ones.
    inside: u64,
    id: TypeId,
}

impl Thing<'_> {
    fn differs(&self, change: Change) -> Difference {
        let name = String::from_utf8_lossy(&self.name).into_owned();
        Difference { sort: self.sort, name, change }
    }
}

/// Everything that differs between two blobs, sorted by kind and name; of split ones, between
/// their own types.
pub fn diff(first: &Btf, second: &Btf) -> Vec<Difference> {
    let mut meanings = [Meanings::new(first), Meanings::new(second)];
    let [things_a, things_b] = meanings.each_mut().map(things);
    let (mut a, mut b) = (&things_a[..], &things_b[..]);
    let mut found = Vec::new();
    loop {
        let key = match (a.first(), b.first()) {
            (Some(a), Some(b)) => (a.sort, &a.name).min((b.sort, &b.name)),
            (Some(one), None) | (None, Some(one)) => (one.sort, &one.name),
            (None, None) => return found,
        };
        let (of_a, rest_a) = a.split_at(a.partition_point(|one| (one.sort, &one.name) <= key));
        let (of_b, rest_b) = b.split_at(b.partition_point(|one| (one.sort, &one.name) <= key));
        (a, b) = (rest_a, rest_b);
        one_name(&mut meanings, of_a, of_b, &mut found);
    }
}

/// Compares the things of one kind and name.
fn one_name(
    [first, second]: &mut [Meanings<'_>; 2],
    of_a: &[Thing<'_>],
    of_b: &[Thing<'_>],
    found: &mut Vec<Difference>,
) {
    let (mut left_a, mut left_b) = (Vec::new(), Vec::new());
    let (mut a, mut b) = (of_a.iter().peekable(), of_b.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (Some(one), Some(other)) if one.inside == other.inside => {
                a.next();
                b.next();
            }
            (Some(one), other) if other.is_none_or(|other| one.inside < other.inside) => {
                left_a.extend(a.next());
            }
            (_, Some(_)) => left_b.extend(b.next()),
            _ => break,
        }
    }
    left_a.sort_by_key(|thing| thing.id);
    left_b.sort_by_key(|thing| thing.id);
    for (one, other) in left_a.iter().zip(&left_b) {
        let parts = [Parts::of(first, one.id), Parts::of(second, other.id)];
        found.extend(parts::changes(&parts).into_iter().map(|change| one.differs(change)));
    }
    let pairs = left_a.len().min(left_b.len());
    found.extend(left_a[pairs..].iter().map(|thing| thing.differs(Change::OnlyFirst)));
    found.extend(left_b[pairs..].iter().map(|thing| thing.differs(Change::OnlySecond)));
}

/// Everything in a blob that is compared by itself.
fn things<'a>(meanings: &mut Meanings<'a>) -> Vec<Thing<'a>> {
    let btf = meanings.btf;
    let mut used = vec![false; btf.types.last().index() + 1];
    for (_, ty) in btf.types.iter() {
        ty.for_each_ref(|id| {
            if let Some(place) = used.get_mut(id.index()) {
                *place = true;
            }
        });
    }
    let mut things = Vec::new();
    for (id, ty) in btf.types.iter() {
        let Some((sort, name)) = thing(btf, id, ty, used[id.index()]) else { continue };
        things.push(Thing { sort, name, inside: meanings.inside(ty), id });
    }
    things.sort_unstable();
    things
}

/// What a type is when it is compared by itself.
fn thing<'a>(btf: &'a Btf, id: TypeId, ty: Type<'a>, used: bool) -> Option<(Sort, Cow<'a, [u8]>)> {
    if ty.kind() == Kind::DeclTag {
        let of = spell::spell(btf, ty.target());
        let name = format!("'{}' of {of}", spell::name(btf, ty.name()));
        return Some((Sort::Tag, Cow::Owned(name.into_bytes())));
    }
    if named_as(ty).is_none() {
        let name = || Cow::Owned(spell::spell(btf, id).into_bytes());
        return (!used).then(|| (Sort::Nameless, name()));
    }
    let sort = match ty.kind() {
        Kind::Float => Sort::Float,
        Kind::Struct => Sort::Struct,
        Kind::Union => Sort::Union,
        Kind::Enum | Kind::Enum64 => Sort::Enum,
        Kind::Typedef => Sort::Typedef,
        Kind::Func => Sort::Function,
        Kind::Var => Sort::Variable,
        Kind::Datasec => Sort::Section,
        Kind::Fwd => {
            let name = spell::spell(btf, id).into_bytes();
            return Some((Sort::Declaration, Cow::Owned(name)));
        }
        Kind::Int => Sort::Int,
        // A name on one of these is a mistake; what it modifies says what it is.
        _ => Sort::Nameless,
    };
    Some((sort, Cow::Borrowed(btf.name(ty))))
}

#[cfg(test)]
mod tests;

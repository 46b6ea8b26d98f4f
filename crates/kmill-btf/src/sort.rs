//! Types in another order, with the ids that follow from it.
//!
//! Kernels since 2026 find types of a blob that is sorted by name by bisection. Nothing in the
//! blob says that it is sorted: they look.

use crate::btf::Btf;
use crate::types::{TypeId, Types, map_refs};

/// Why types cannot be put in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Not as many ids as there are types.
    #[error("an order of {given} types for a blob of {types}")]
    Length {
        /// Ids in the order.
        given: usize,
        /// Types of the blob.
        types: usize,
    },
    /// An id that is none of ours, or comes twice.
    #[error("type {0} is not of this blob, or comes twice")]
    Id(TypeId),
}

impl Btf {
    /// The same types in another order: the one that `order` names first becomes the first. Strings
    /// and types of a base stay where they are.
    ///
    /// # Errors
    /// When `order` does not name each of our types once.
    pub fn permute(&self, order: &[TypeId]) -> Result<Btf, OrderError> {
        let (given, types) = (order.len(), self.types.len());
        if given != types {
            return Err(OrderError::Length { given, types });
        }
        let first = self.types.base().0 + 1;
        let mut ids = vec![TypeId::VOID; types];
        for (id, old) in (first..).zip(order) {
            let index = old.0.checked_sub(first).map(|index| index as usize);
            let place = index.and_then(|index| ids.get_mut(index));
            match place.filter(|place| **place == TypeId::VOID) {
                Some(place) => *place = TypeId(id),
                None => return Err(OrderError::Id(*old)),
            }
        }
        let mut sorted = Types::behind(self.types.base());
        sorted.reserve(types, self.types.words().len());
        let mut words = Vec::new();
        for old in order {
            let Some(ty) = self.types.get(*old) else { return Err(OrderError::Id(*old)) };
            words.clear();
            words.extend_from_slice(ty.words());
            map_refs(&mut words, |id| {
                let index = id.0.checked_sub(first).map(|index| index as usize);
                index.and_then(|index| ids.get(index).copied()).unwrap_or(id)
            });
            sorted.push_words(&words);
        }
        Ok(self.clone().with_types(sorted))
    }

    /// The order by name, byte by byte; those without one first, and of equal names the one that
    /// came first.
    pub fn order_by_name(&self) -> Vec<TypeId> {
        let mut named: Vec<(&[u8], TypeId)> =
            self.types.iter().map(|(id, ty)| (self.name(ty), id)).collect();
        named.sort_unstable();
        named.into_iter().map(|(_, id)| id).collect()
    }

    /// The same types sorted by name, as the kernel's `resolve_btfids` does.
    ///
    /// # Errors
    /// None: the order names each type once.
    pub fn sort_by_name(&self) -> Result<Btf, OrderError> {
        self.permute(&self.order_by_name())
    }

    /// Whether our types are sorted by name, so that the kernel may bisect them.
    pub fn is_sorted_by_name(&self) -> bool {
        self.types.iter().map(|(_, ty)| self.name(ty)).is_sorted()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::Kind;
    use crate::sample::{Blob, well_formed};

    /// `int` b; `struct a { b x; }`; a pointer to it; the typedef a of that.
    fn blob() -> Blob {
        let mut blob = Blob::new();
        let int = blob.int("b", 4);
        let of = blob.structure("a", 4, &[("x", int, 0)]);
        let ptr = blob.ptr(of);
        blob.refer(Kind::Typedef, "a", ptr);
        blob
    }

    #[test]
    fn nameless_types_come_first_and_equal_names_stay_in_order() {
        let blob = blob();
        assert!(!blob.btf.is_sorted_by_name());
        let sorted = Blob { btf: blob.btf.sort_by_name().unwrap() };
        assert!(sorted.btf.is_sorted_by_name());
        assert_eq!(sorted.kinds(), [Kind::Ptr, Kind::Struct, Kind::Typedef, Kind::Int]);
        let refs: Vec<u32> = (1..=3)
            .map(|id| {
                let mut to = 0;
                sorted.btf.get(TypeId(id)).unwrap().for_each_ref(|id| to = id.0);
                to
            })
            .collect();
        assert_eq!(refs, [2, 4, 1]);
        assert_eq!(sorted.btf.strings.bytes(), blob.btf.strings.bytes());
    }

    #[test]
    fn an_order_names_each_type_once() {
        let btf = blob().btf;
        let order = |ids: &[u32]| {
            let ids: Vec<_> = ids.iter().map(|id| TypeId(*id)).collect();
            btf.permute(&ids).err()
        };
        assert_eq!(order(&[4, 3, 2, 1]), None);
        assert_eq!(order(&[1, 2, 3]), Some(OrderError::Length { given: 3, types: 4 }));
        assert_eq!(order(&[1, 2, 3, 3]), Some(OrderError::Id(TypeId(3))));
        assert_eq!(order(&[0, 1, 2, 3]), Some(OrderError::Id(TypeId(0))));
        assert_eq!(order(&[1, 2, 3, 5]), Some(OrderError::Id(TypeId(5))));
    }

    #[test]
    fn types_of_the_base_keep_their_ids() {
        let base = blob();
        let mut split = Blob::behind(base.btf);
        split.refer(Kind::Typedef, "z", 2);
        split.refer(Kind::Typedef, "y", 5);
        let sorted = split.btf.sort_by_name().unwrap();
        let targets: Vec<_> = sorted.types.iter().map(|(_, ty)| ty.target().0).collect();
        assert_eq!(targets, [6, 2]);
        assert!(sorted.base().is_some());
    }

    proptest! {
        #[test]
        fn sorting_keeps_what_was_said(btf in well_formed()) {
            let order = btf.order_by_name();
            let sorted = btf.permute(&order).unwrap();
            prop_assert!(sorted.is_sorted_by_name());
            prop_assert_eq!(sorted.types.words().len(), btf.types.words().len());
            // Back again.
            let mut back = vec![TypeId::VOID; order.len()];
            for (new, old) in (1..).zip(&order) {
                back[old.index() - 1] = TypeId(new);
            }
            prop_assert_eq!(sorted.permute(&back).unwrap().types, btf.types);
        }
    }
}

//! A walked unit's types as a graph, copy by copy: asked of the few units where copies matter.

use kmill_btf::Kind;

use crate::class::graph::{Graph, Node};
use crate::class::key::{Hasher, Head, Key};
use crate::walk::compile::{Role, Uncommon, flag};
use crate::walk::fields::{Order, Window};
use crate::walk::types::{DEPTH_MAX, Entry, Types, Walked, composite};

impl<O: Order> Types<'_, O> {
    /// The unit's types as a graph, when all of them were read.
    pub(crate) fn graph(&mut self) -> Walked<Graph> {
        let places = Places::new(self.end, self.memory.types());
        let node = |at: u32| places.rank(at).map_or(Node::VOID, Node);
        let mut graph = Graph::default();
        let mut targets = Vec::new();
        for at in places.iter() {
            let entry = self.look(at as usize)?;
            let window = self.window(entry.base)?;
            let op = entry.op;
            targets.clear();
            let target = |entry: &Entry<'_>, window: &Window| match entry.op.ty.is_there() {
                true => node(entry.op.ty.get::<O>(window) as u32),
                false => Node::VOID,
            };
            if !matches!(
                op.role,
                Role::Named | Role::Anonymous | Role::NamedEnum | Role::AnonymousEnum
            ) {
                targets.push(target(&entry, window));
            }
            let inside = match op.role {
                Role::Prototype => Some(Role::Parameter),
                Role::Named | Role::Anonymous => Some(Role::Member),
                _ => None,
            };
            if let Some(role) = inside.filter(|_| op.has(flag::CHILDREN)) {
                let mut next = entry.next;
                loop {
                    let child = self.look(next)?;
                    next = child.next;
                    match child.op.role {
                        Role::Null => break,
                        found if found == role => {
                            targets.push(target(&child, self.window(child.base)?));
                        }
                        _ => {}
                    }
                }
            }
            let key = Key(self.memory.get(at) & !Key::MARK);
            let (kind, own) = match op.role {
                Role::Pointer => (Kind::Ptr, key),
                Role::Const => (Kind::Const, key),
                Role::Volatile => (Kind::Volatile, key),
                Role::Restrict => (Kind::Restrict, key),
                Role::Typedef => (Kind::Typedef, key),
                Role::Array => (Kind::Array, key),
                Role::Prototype => (Kind::FuncProto, key),
                Role::Base => (Kind::Int, key),
                Role::AnonymousEnum => (Kind::Enum, key),
                Role::Anonymous => (composite(op), key),
                Role::Declared => {
                    let name = self.name(&entry, window);
                    let head = Head::new(Kind::Fwd, op.has(flag::UNION));
                    (Kind::Fwd, Hasher::new(head, name, 0).key())
                }
                Role::Named | Role::NamedEnum => {
                    let (own, _) = match op.role {
                        Role::NamedEnum => self.values_key(&entry, window)?,
                        _ => self.members_key(&entry, window, DEPTH_MAX)?,
                    };
                    (if op.role == Role::NamedEnum { Kind::Enum } else { composite(op) }, own)
                }
                _ => return Err(Uncommon),
            };
            graph.push((at, kind), (key, own, key != own), targets.iter().copied());
        }
        Ok(graph)
    }
}

/// A set of offsets in a unit that knows which of them comes how early: a bit for each offset, and
/// for each word of them how many come before.
struct Places {
    words: Vec<(u64, u32)>,
}

impl Places {
    /// These offsets, which lie before `end`, in any order, some more than once.
    fn new(end: usize, all: impl Iterator<Item = u32>) -> Places {
        let mut words = vec![(0_u64, 0_u32); end / 64 + 1];
        for at in all {
            words[at as usize / 64].0 |= 1 << (at % 64);
        }
        let mut before = 0;
        for (bits, count) in &mut words {
            *count = before;
            before += bits.count_ones();
        }
        Places { words }
    }

    /// How many of them come before `at`, when it is one of them.
    fn rank(&self, at: u32) -> Option<u32> {
        let (bits, before) = *self.words.get(at as usize / 64)?;
        let bit = 1 << (at % 64);
        (bits & bit != 0).then(|| before + (bits & (bit - 1)).count_ones())
    }

    /// All of them, in order.
    fn iter(&self) -> impl Iterator<Item = u32> {
        (0..).step_by(64).zip(&self.words).flat_map(|(first, &(bits, _))| {
            std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)))
                .take_while(|bits| *bits != 0)
                .map(move |bits| first + bits.trailing_zeros())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_order() {
        let all = [700, 3, 63, 64, 65, 128, 3, 0];
        let places = Places::new(701, all.into_iter());
        let sorted = [0, 3, 63, 64, 65, 128, 700];
        assert!(places.iter().eq(sorted));
        for (rank, at) in (0..).zip(sorted) {
            assert_eq!(places.rank(at), Some(rank));
        }
        assert_eq!((places.rank(1), places.rank(699), places.rank(9999)), (None, None, None));
    }
}

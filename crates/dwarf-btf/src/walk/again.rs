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
        let mut orders: Vec<u32> = self.memory.types().collect();
        orders.sort_unstable();
        orders.dedup();
        let node = |at: u32| match orders.binary_search(&at) {
            Ok(index) => Node(index as u32),
            Err(_) => Node::VOID,
        };
        let mut graph = Graph::default();
        let mut targets = Vec::new();
        for &at in &orders {
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

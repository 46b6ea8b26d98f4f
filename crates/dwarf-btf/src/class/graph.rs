//! The types of one unit as a graph: who refers to whom, each copy by itself.
//!
//! Classes forget copies. Where copies matter, the unit says again what it said.

use kmill_btf::Kind;
use rustc_hash::FxHashMap;

use crate::class::key::Key;
use crate::class::table::{Confusing, is_reference};

/// An index of a type in its unit's graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(pub(crate) u32);

impl Node {
    /// `void`, which is no type.
    pub(crate) const VOID: Node = Node(u32::MAX);

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeType {
    /// Its place in the order of the unit.
    pub(crate) order: u32,
    /// What others refer to it by: its anchor, when it has a name.
    pub(crate) key: Key,
    /// What it says itself.
    pub(crate) own: Key,
    pub(crate) kind: Kind,
    /// Whether it has an anchor.
    pub(crate) is_named: bool,
    start: u32,
    count: u32,
}

/// The types of a unit, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    types: Vec<NodeType>,
    targets: Vec<Node>,
}

impl Graph {
    /// Appends a type. `targets` are what it refers to, in the order of its words.
    pub(crate) fn push(
        &mut self,
        (order, kind): (u32, Kind),
        (key, own, is_named): (Key, Key, bool),
        targets: impl IntoIterator<Item = Node>,
    ) {
        let start = self.targets.len() as u32;
        self.targets.extend(targets);
        let count = self.targets.len() as u32 - start;
        self.types.push(NodeType { order, key, own, kind, is_named, start, count });
    }

    /// Every type.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Node, &NodeType)> {
        (0..).map(Node).zip(&self.types)
    }

    pub(crate) fn len(&self) -> usize {
        self.types.len()
    }

    pub(crate) fn get(&self, node: Node) -> Option<&NodeType> {
        self.types.get(node.index())
    }

    /// What a type refers to.
    pub(crate) fn targets(&self, ty: &NodeType) -> &[Node] {
        &self.targets[ty.start as usize..(ty.start + ty.count) as usize]
    }

    /// The type at a place; places ascend.
    pub(crate) fn at(&self, order: u32) -> Node {
        let found = self.types.binary_search_by_key(&order, |ty| ty.order);
        found.map_or(Node::VOID, |index| Node(index as u32))
    }

    /// Of types that the unit has twice, those of which structures reach more than one copy: only
    /// these can both be met in one walk.
    pub(crate) fn confusing(&self, unit: u32, suspects: &[Key]) -> Vec<Confusing> {
        if suspects.is_empty() {
            return Vec::new();
        }
        // For each type, how many members lead to it without a structure in between.
        let mut uses = vec![0_u32; self.types.len()];
        let mut seen = vec![0_u32; self.types.len()];
        let mut stack = Vec::new();
        let mut round = 0;
        for ty in self.types.iter().filter(|ty| ty.kind.is_composite()) {
            for &member in self.targets(ty) {
                round += 1;
                stack.push(member);
                while let Some(node) = stack.pop() {
                    let Some(ty) = self.get(node) else { continue };
                    if std::mem::replace(&mut seen[node.index()], round) == round {
                        continue;
                    }
                    uses[node.index()] += 1;
                    if is_reference(ty.kind) {
                        stack.extend(self.targets(ty));
                    }
                }
            }
        }
        let confusing = |&key: &Key| {
            let mut named = true;
            let mut used = Vec::new();
            for (ty, uses) in self.types.iter().zip(&uses).filter(|(ty, _)| ty.own == key) {
                named &= ty.is_named;
                used.extend((*uses > 0).then_some(*uses));
            }
            // A walk may start at what has a name, and at its name no type is found here.
            let separate = !named && used.iter().all(|uses| *uses == 1);
            (named || used.len() > 1).then_some(Confusing { key, unit, separate })
        };
        suspects.iter().filter_map(confusing).collect()
    }
}

/// A function's types in its unit.
#[derive(Clone, Debug)]
pub(crate) struct FunctionNodes {
    pub(crate) result: Node,
    pub(crate) params: Vec<Node>,
}

/// A unit that was read once more, for the copies of what is uncertain.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    pub(crate) number: u32,
    pub(crate) graph: Graph,
    /// By number in the unit's table; those that are saved.
    pub(crate) functions: FxHashMap<u32, FunctionNodes>,
}

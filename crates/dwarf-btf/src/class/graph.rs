//! The types of one unit as a graph: who refers to whom, each copy by itself.
//!
//! Classes forget copies. Where copies matter, the unit says again what it said.

use kmill_btf::Kind;
use rustc_hash::FxHashMap;

use crate::class::key::Key;
use crate::class::table::Confusing;
use crate::class::words::is_reference;

/// An index of a type in its unit's graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(pub(crate) u32);

impl Node {
    /// `void`, which is no type.
    pub(crate) const VOID: Node = Node(u32::MAX);

    const CLASS: u32 = 1 << 31;

    /// No copy, but a class of which all copies are one type, by number.
    pub(crate) const fn class(number: u32) -> Node {
        Node(number | Node::CLASS)
    }

    /// The number of a class.
    pub(crate) const fn as_class(self) -> Option<u32> {
        if self.0 == Node::VOID.0 || self.0 & Node::CLASS == 0 {
            None
        } else {
            Some(self.0 & !Node::CLASS)
        }
    }

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

    /// Of types that the unit has twice, those of which one walk may meet two copies.
    pub(crate) fn confusing(&self, unit: u32, suspects: &[Key]) -> Vec<Confusing> {
        if suspects.is_empty() {
            return Vec::new();
        }
        let uses = self.uses();
        let mut copies: FxHashMap<Key, u32> = FxHashMap::default();
        for ty in &self.types {
            *copies.entry(ty.own).or_default() += 1;
            if ty.is_named {
                *copies.entry(ty.key).or_default() += 1;
            }
        }
        let mut found = Vec::new();
        for &key in suspects {
            let nodes = self.iter().filter(|(_, ty)| ty.own == key || ty.key == key);
            let nodes: Vec<Node> = nodes.map(|(node, _)| node).collect();
            // Walks start at structures, whether or not a member leads to them.
            let mut starts = false;
            let mut used = Vec::new();
            for &node in &nodes {
                let ty = &self.types[node.index()];
                starts |= ty.is_named || ty.kind.is_composite();
                used.extend(uses.as_ref().map(|uses| uses[node.index()]).filter(|uses| *uses > 0));
            }
            let separate = !starts && uses.is_some() && used.iter().all(|uses| *uses == 1);
            if starts || uses.is_none() || used.len() > 1 {
                let with = self.copies_below(&nodes, &copies);
                found.push(Confusing { key, unit, separate, with });
            }
        }
        found
    }

    /// For each type, by how many ways members lead to it without a structure in between; nothing
    /// when there are very many.
    fn uses(&self) -> Option<Vec<u32>> {
        let mut uses = vec![0_u32; self.types.len()];
        let mut steps = 64 * self.types.len() + 10_000;
        let mut stack = Vec::new();
        for ty in self.types.iter().filter(|ty| ty.kind.is_composite()) {
            stack.extend_from_slice(self.targets(ty));
            while let Some(node) = stack.pop() {
                let Some(ty) = self.get(node) else { continue };
                steps = steps.checked_sub(1)?;
                uses[node.index()] += 1;
                if is_reference(ty.kind) {
                    stack.extend_from_slice(self.targets(ty));
                }
            }
        }
        Some(uses)
    }

    /// Types below copies that the unit has twice too, and whose ids show in libbpf's test for
    /// identity. That looks through members that are arrays of one type, and through structures
    /// that are members; of pointers and of what else refers it only compares the ids.
    fn copies_below(&self, nodes: &[Node], copies: &FxHashMap<Key, u32>) -> Vec<Key> {
        let is_copy = |ty: &NodeType| [ty.own, ty.key].iter().any(|key| copies.get(key) > Some(&1));
        let mut seen = vec![false; self.types.len()];
        let mut with = Vec::new();
        let mut stack: Vec<(Node, bool)> = Vec::new();
        let below = |ty: &NodeType, stack: &mut Vec<(Node, bool)>| {
            let member = ty.kind.is_composite();
            stack.extend(self.targets(ty).iter().map(|target| (*target, member)));
        };
        for &node in nodes {
            below(&self.types[node.index()], &mut stack);
        }
        while let Some((node, member)) = stack.pop() {
            // What there is once has one id, and nothing behind it shows.
            let Some(ty) = self.get(node).filter(|ty| is_copy(ty)) else { continue };
            let mut elements = self.targets(ty).iter().filter_map(|target| self.get(*target));
            if member && ty.kind == Kind::Array && !elements.any(is_copy) {
                continue;
            }
            if !std::mem::replace(&mut seen[node.index()], true) {
                with.extend([ty.own, ty.key]);
                below(ty, &mut stack);
            }
        }
        with.sort_unstable();
        with.dedup();
        with
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

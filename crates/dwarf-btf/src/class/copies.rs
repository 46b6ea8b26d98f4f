//! Copies of what is uncertain in a unit, by what was noted of it when it was read.
//!
//! Where a unit has each uncertain class once, what a copy refers to is the one copy of that, or the
//! class itself where it is certain. Otherwise which copy refers to which is lost, and the unit has to
//! be read again.

use kmill_btf::Kind;
use rustc_hash::FxHashMap;

use crate::class::graph::{Again, FunctionNodes, Graph, Node};
use crate::class::lane::Lane;
use crate::class::merge::{GlobalId, Merged};
use crate::class::table::ClassId;

/// Memory for the units that one thread looks at.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// By class: the copy of it in the unit, or of what the name stands for.
    nodes: Vec<Node>,
    /// Where each copy is, and its class.
    copies: Vec<(u32, GlobalId)>,
}

/// The copies of a unit, and its functions that have to do with any; nothing when it has to be read
/// again.
pub(crate) fn of_unit(merged: &Merged<'_>, unit: u32, scratch: &mut Scratch) -> Option<Again> {
    let noted = |lane: &Lane| lane.table.notes.of(unit).is_some();
    let number = merged.lanes.iter().position(noted)?;
    let lane = &merged.lanes[number];
    let noted = lane.table.notes.of(unit)?;
    let locals = merged.locals(number);
    if noted.several.iter().any(|class| merged.is_uncertain(locals[class.index()])) {
        return None;
    }
    let Scratch { nodes, copies } = scratch;
    let all = noted.classes.iter().map(|(class, order)| (*order, locals[class.index()]));
    let is_copy = |id: GlobalId| merged.is_uncertain(id) && !merged.is_anchor(id);
    copies.clear();
    copies.extend(all.filter(|(_, id)| is_copy(*id)));
    // Each has a place of its own.
    copies.sort_unstable();
    nodes.resize(merged.all.len(), Node::VOID);
    for (node, (_, id)) in (0..).map(Node).zip(&*copies) {
        nodes[id.index()] = node;
        if let Some(anchor) = merged.anchor_of(*id) {
            nodes[anchor.index()] = node;
        }
    }
    let made = make(merged, (unit, number), nodes, copies);
    for (_, id) in &*copies {
        nodes[id.index()] = Node::VOID;
        if let Some(anchor) = merged.anchor_of(*id) {
            nodes[anchor.index()] = Node::VOID;
        }
    }
    made
}

fn make(
    merged: &Merged<'_>,
    (unit, number): (u32, usize),
    nodes: &[Node],
    copies: &[(u32, GlobalId)],
) -> Option<Again> {
    let (lane, locals) = (&merged.lanes[number], merged.locals(number));
    // What is uncertain and has no copy here was noted nowhere.
    let node = |id: GlobalId| match id {
        GlobalId::VOID => Some(Node::VOID),
        id if !merged.is_uncertain(id) => Some(Node::class(id.0)),
        id => Some(nodes[id.index()]).filter(|node| *node != Node::VOID),
    };
    let mut graph = Graph::default();
    for &(order, id) in copies {
        let targets = merged.targets(id).iter().map(|target| node(*target));
        let targets: Vec<Node> = targets.collect::<Option<_>>()?;
        let own = merged.key(id);
        let anchor = merged.anchor_of(id).map(|anchor| merged.key(anchor));
        let kind: Kind = merged.words(id).kind();
        graph.push((order, kind), (anchor.unwrap_or(own), own, anchor.is_some()), targets);
    }
    let mut functions = FxHashMap::default();
    let states = lane.states.all();
    let first = states.partition_point(|state| state.unit < unit);
    let of_class = |class: ClassId| match class {
        ClassId::VOID => Some(Node::VOID),
        class => node(locals[class.index()]),
    };
    for (place, state) in (first as u32..).zip(&states[first..]) {
        if state.unit != unit {
            break;
        }
        let classes = lane.states.classes(state);
        let result = lane.states.result(place);
        let uncertain =
            |class: &ClassId| *class != ClassId::VOID && merged.is_uncertain(locals[class.index()]);
        if uncertain(&result) || classes.iter().any(uncertain) {
            let params = classes.iter().map(|class| of_class(*class));
            let params = params.collect::<Option<_>>()?;
            functions.insert(state.index, FunctionNodes { result: of_class(result)?, params });
        }
    }
    Some(Again { number: unit, graph, functions })
}

//! Says which modules need each other in a circle, in kmod's words and order.
//!
//! kmod walks down from every module that could not be sorted, depth first, last
//! dependency first, and reports each way back to where it started. It never
//! ends where a circle lies off the start, and stops with an assertion where its
//! stack is too small. Here a walk stays among the modules that lead back to its
//! start, turns back at one that it came through, and ends after a number of
//! steps. Where kmod ends by itself, the lines are the same.

use super::graph::{Graph, Unsorted};
use super::module_id::ModuleId;
use crate::diagnostic::{Diagnostic, Log};
use crate::plan::Plan;

/// Steps, and names said, after which the list of circles ends: there may be
/// exponentially many of them.
const STEPS_MAX: usize = 1 << 20;

/// A module on a walk, where in the walk's list it was reached from, and how far
/// from the start.
#[derive(Clone, Copy)]
struct Step {
    module: ModuleId,
    from: usize,
    depth: usize,
}

pub(super) fn report(plan: &Plan, graph: &Graph, unsorted: &Unsorted, log: &mut Log<'_>) {
    let modules = graph.deps.len();
    let starts = (0..modules).filter(|module| unsorted.0[*module] > 0);
    let mut report = Report {
        plan,
        graph,
        component: components(graph),
        visited: vec![false; modules],
        starts: Ring::new(modules, starts.map(|module| ModuleId(module as u32))),
        on_circle: vec![false; modules],
        on_path: vec![false; modules],
        left: STEPS_MAX,
    };
    while let Some(start) = report.starts.head {
        report.starts.remove(start);
        report.walk(start, log);
    }
    if report.left == 0 {
        log(Diagnostic::CyclesUnlisted);
    }
    let modules = report.on_circle.iter().filter(|on_circle| **on_circle).count();
    log(Diagnostic::CyclesFound { modules });
}

struct Report<'a> {
    plan: &'a Plan,
    graph: &'a Graph,
    component: Vec<u32>,
    /// A walk came through here.
    visited: Vec<bool>,
    /// Where walks are still to start.
    starts: Ring,
    on_circle: Vec<bool>,
    /// The current walk's way from its start.
    on_path: Vec<bool>,
    /// Steps left.
    left: usize,
}

impl Report<'_> {
    fn walk(&mut self, start: ModuleId, log: &mut Log<'_>) {
        let mut steps = vec![Step { module: start, from: 0, depth: 0 }];
        let mut stack = vec![0];
        let mut path: Vec<ModuleId> = Vec::new();
        while let Some(at) = stack.pop() {
            if self.left == 0 {
                break;
            }
            let Step { module, depth, .. } = steps[at];
            if self.component[module.index()] != self.component[start.index()] {
                self.mark_below(module);
                continue;
            }
            if module == start && self.visited[module.index()] {
                // The walk is back; or it has only begun, and an earlier one came
                // through its start: kmod reports that as a circle of one.
                self.say(&steps, at, log);
                continue;
            }
            for module in path.drain(depth..) {
                self.on_path[module.index()] = false;
            }
            path.push(module);
            self.on_path[module.index()] = true;
            self.visited[module.index()] = true;
            let graph = self.graph;
            for dep in &graph.deps[module.index()] {
                if (*dep == start || !self.on_path[dep.index()]) && self.left > 0 {
                    self.left -= 1;
                    stack.push(steps.len());
                    steps.push(Step { module: *dep, from: at, depth: depth + 1 });
                }
            }
            if graph.deps[module.index()].is_empty() {
                self.starts.remove(module);
            }
        }
        for module in path {
            self.on_path[module.index()] = false;
        }
    }

    /// Says the way from the start to the step `end`.
    fn say(&mut self, steps: &[Step], end: usize, log: &mut Log<'_>) {
        let mut way = vec![steps[end].module];
        let mut at = end;
        while steps[at].depth > 0 {
            at = steps[at].from;
            way.push(steps[at].module);
        }
        way.reverse();
        self.left = self.left.saturating_sub(way.len());
        for module in &way[..way.len() - 1] {
            self.on_circle[module.index()] = true;
            self.starts.remove(*module);
        }
        let name = |module: &ModuleId| self.plan.modules[module.index()].name.clone();
        log(Diagnostic::Cycle { modules: way.iter().map(name).collect() });
    }

    /// Marks everything below a module as kmod's walk through all of it would.
    fn mark_below(&mut self, module: ModuleId) {
        let mut stack = vec![module];
        while let Some(module) = stack.pop() {
            if std::mem::replace(&mut self.visited[module.index()], true) {
                continue;
            }
            let deps = &self.graph.deps[module.index()];
            if deps.is_empty() {
                self.starts.remove(module);
            }
            stack.extend(deps);
        }
    }
}

/// Modules in a ring, as kmod lists them: when one is removed, the one behind it
/// becomes the first, wherever it stood.
struct Ring {
    head: Option<ModuleId>,
    /// Of each module in the ring, the one behind and the one in front of it.
    links: Vec<Option<(ModuleId, ModuleId)>>,
}

impl Ring {
    fn new(modules: usize, members: impl Iterator<Item = ModuleId>) -> Self {
        let members: Vec<ModuleId> = members.collect();
        let mut links = vec![None; modules];
        for (at, member) in members.iter().enumerate() {
            let behind = members[(at + 1) % members.len()];
            let front = members[(at + members.len() - 1) % members.len()];
            links[member.index()] = Some((behind, front));
        }
        Ring { head: members.first().copied(), links }
    }

    fn remove(&mut self, module: ModuleId) {
        let Some((behind, front)) = self.links[module.index()].take() else { return };
        if behind == module {
            self.head = None;
            return;
        }
        self.head = Some(behind);
        if let Some(links) = &mut self.links[behind.index()] {
            links.1 = front;
        }
        if let Some(links) = &mut self.links[front.index()] {
            links.0 = behind;
        }
    }
}

/// The strongly connected component of each module (R. Tarjan, "Depth-first
/// search and linear graph algorithms", 1972), without recursion.
fn components(graph: &Graph) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let modules = graph.deps.len();
    let mut component = vec![NONE; modules];
    let mut number = vec![NONE; modules];
    let mut low = vec![NONE; modules];
    let mut open: Vec<usize> = Vec::new();
    let mut next = 0;
    for root in 0..modules {
        if number[root] != NONE {
            continue;
        }
        // A module and how many of its dependencies have been looked at.
        let mut stack = vec![(root, 0)];
        while let Some((module, looked_at)) = stack.pop() {
            if looked_at == 0 {
                number[module] = next;
                low[module] = next;
                next += 1;
                open.push(module);
            }
            match graph.deps[module].get(looked_at).map(|dep| dep.index()) {
                Some(dep) => {
                    stack.push((module, looked_at + 1));
                    if number[dep] == NONE {
                        stack.push((dep, 0));
                    } else if component[dep] == NONE {
                        low[module] = low[module].min(number[dep]);
                    }
                }
                None => {
                    if low[module] == number[module] {
                        while let Some(member) = open.pop() {
                            component[member] = number[module];
                            if member == module {
                                break;
                            }
                        }
                    }
                    if let Some((user, _)) = stack.last() {
                        low[*user] = low[*user].min(low[module]);
                    }
                }
            }
        }
    }
    component
}

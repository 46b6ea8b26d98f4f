//! Who depends on whom, and the order in which modules are loaded.

use super::module_id::ModuleId;
use super::symbols::Symbols;
use crate::diagnostic::{Diagnostic, Log};
use crate::plan::Plan;
use crate::summary::ModuleSummary;

/// The dependencies of all modules.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Of each module, those that own what it needs, in the order of its needs.
    pub(crate) deps: Vec<Vec<ModuleId>>,
    /// How many modules depend on each.
    users: Vec<u32>,
}

/// A topological order of all modules: those that nothing depends on come first.
#[derive(Debug)]
pub(crate) struct Order {
    /// The place of each module.
    place: Vec<u32>,
    /// The modules by place.
    sorted: Vec<ModuleId>,
}

/// Modules lie on a circle or below one: how many users of each are not sorted.
#[derive(Debug)]
pub(crate) struct Unsorted(pub(crate) Vec<u32>);

impl Graph {
    /// Resolves imports, and says what they are resolved to, or not.
    pub(crate) fn new(
        plan: &Plan,
        symbols: &Symbols<'_>,
        summaries: &[ModuleSummary],
        log: &mut Log<'_>,
    ) -> Graph {
        let request = &plan.request;
        let mut graph =
            Graph { deps: vec![Vec::new(); summaries.len()], users: vec![0; summaries.len()] };
        // The last module that was found to depend on each.
        let mut last_user = vec![u32::MAX; summaries.len()];
        for (user, summary) in (0_u32..).zip(summaries) {
            let path = || plan.modules[user as usize].path.clone();
            for (at, import) in summary.imports.iter().enumerate() {
                let Some(symbol) = symbols.find(summary, import) else {
                    if request.report_unresolved && !import.weak {
                        let symbol = summary.name(import).into();
                        log(Diagnostic::UnknownSymbol { path: path(), symbol });
                    }
                    continue;
                };
                if let Some(crc) = summary.import_crcs.get(at)
                    && *crc != symbol.crc
                    && !import.weak
                {
                    let symbol = summary.name(import).into();
                    log(Diagnostic::Disagrees { path: path(), symbol });
                }
                let Some(owner) = symbol.owner else { continue };
                if std::mem::replace(&mut last_user[owner.index()], user) == user {
                    continue;
                }
                graph.deps[user as usize].push(owner);
                graph.users[owner.index()] += 1;
                if request.say_dependencies {
                    log(Diagnostic::Needs {
                        path: path(),
                        symbol: symbol.name.into(),
                        owner: plan.modules[owner.index()].path.clone(),
                    });
                }
            }
        }
        graph
    }

    /// Modules without users first; of several, the one found last, as kmod's
    /// stack yields them: modules.dep shows this order.
    pub(crate) fn topological_order(&self) -> Result<Order, Unsorted> {
        let modules = self.deps.len();
        let mut users = self.users.clone();
        let mut ready: Vec<ModuleId> =
            (0..modules as u32).map(ModuleId).filter(|module| users[module.index()] == 0).collect();
        let mut order =
            Order { place: vec![u32::MAX; modules], sorted: Vec::with_capacity(modules) };
        while let Some(module) = ready.pop() {
            order.place[module.index()] = order.sorted.len() as u32;
            order.sorted.push(module);
            for dep in &self.deps[module.index()] {
                let left = &mut users[dep.index()];
                *left -= 1;
                if *left == 0 {
                    ready.push(*dep);
                }
            }
        }
        if order.sorted.len() == modules { Ok(order) } else { Err(Unsorted(users)) }
    }

    /// Of each module, everything it needs, by place in the order. None: to list it
    /// all, at `bytes` a module, would take more than `limit`.
    pub(crate) fn closures(
        &self,
        order: &Order,
        bytes: impl Fn(ModuleId) -> usize,
        limit: usize,
    ) -> Option<Vec<Box<[ModuleId]>>> {
        let mut left = limit;
        let mut closures: Vec<Box<[ModuleId]>> = vec![Box::default(); self.deps.len()];
        // The last module whose closure each was found to be in.
        let mut last_user = vec![u32::MAX; self.deps.len()];
        // Providers first, so that a closure is the union of finished ones.
        for user in order.sorted.iter().rev() {
            let mut closure = Vec::new();
            for dep in &self.deps[user.index()] {
                for module in std::iter::once(dep).chain(&closures[dep.index()]) {
                    if std::mem::replace(&mut last_user[module.index()], user.0) != user.0 {
                        left = left.checked_sub(bytes(*module))?;
                        closure.push(*module);
                    }
                }
            }
            closure.sort_unstable_by_key(|module| order.place[module.index()]);
            closures[user.index()] = closure.into();
        }
        Some(closures)
    }
}

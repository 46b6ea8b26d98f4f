//! Phase 3, merge: from the summaries, in index order, to one index: who owns a
//! symbol, who depends on whom, in which order. Serial and small: the map has
//! hashed every name.

mod cycles;
mod graph;
mod module_id;
mod symbols;

use self::graph::Graph;
pub use self::module_id::ModuleId;
use self::symbols::Symbols;

use crate::diagnostic::{Diagnostic, Log};
use crate::error::Error;
use crate::format;
use crate::plan::Plan;
use crate::summary::{ModuleSummary, NameHash};

/// Everything that the files are written from.
#[derive(Debug)]
pub struct Index<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) summaries: &'a [ModuleSummary],
    /// Of each module, all it needs, directly or not, in the order in which
    /// modprobe walks it backwards.
    pub(crate) closures: Vec<Box<[ModuleId]>>,
    /// Exported symbols and their owners, in no order.
    pub(crate) symbols: Vec<(&'a [u8], ModuleId)>,
}

/// Merges summaries, which are in the order of the plan's modules.
///
/// # Errors
/// Modules need each other in a circle; that has been said then.
pub fn merge<'a>(
    plan: &'a Plan,
    hash: &NameHash,
    summaries: &'a [ModuleSummary],
    log: &mut Log<'_>,
) -> Result<Index<'a>, Error> {
    for (module, summary) in plan.modules.iter().zip(summaries) {
        let Some(failure) = &summary.failure else { continue };
        // kmod tries to read a file three times: for its exports, after which it
        // complains, for its modinfo and for its imports.
        let [exports, modinfo, imports] = &failure.codec;
        let codec = |words: &Option<String>, log: &mut Log<'_>| {
            if let Some(words) = words.clone() {
                log(Diagnostic::Codec { words });
            }
        };
        codec(exports, log);
        log(Diagnostic::LoadSymbols { path: module.path.clone(), errno: failure.errno });
        codec(modinfo, log);
        codec(imports, log);
    }
    let symbols = Symbols::new(plan, hash, summaries);
    let graph = Graph::new(plan, &symbols, summaries, log);
    let order = graph.topological_order().map_err(|unsorted| {
        cycles::report(plan, &graph, &unsorted, log);
        Error::Cycle
    })?;
    let lines = |module: ModuleId| plan.modules[module.index()].index_path().len() + 1;
    let closures = graph
        .closures(&order, lines, format::SIZE_MAX)
        .ok_or(Error::IndexTooLarge { file: "modules.dep.bin" })?;
    Ok(Index { plan, summaries, closures, symbols: symbols.owned() })
}

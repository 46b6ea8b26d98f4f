//! Phase 2 on the pool: every module once, heaviest first.

use padata::{Pool, Weight};

use crate::plan::Plan;
use crate::summary::{ModuleSummary, NameHash, Scratch, summarize};

/// Bytes of module files that are read at a time. What a module takes in memory
/// is bounded by its size (`kernel_elf::codec`); a kernel's largest module has 5 MB.
const IN_FLIGHT: Weight = Weight(64 << 20);

/// Reads every module of the plan; summaries come in the plan's order.
pub fn map(plan: &Plan, hash: &NameHash, pool: &Pool) -> Vec<ModuleSummary> {
    pool.map(
        &plan.modules,
        |module| module.bytes,
        IN_FLIGHT,
        Scratch::default,
        |module, scratch| summarize(plan, hash, module, scratch),
    )
}

//! Phase 2 on the pool: every module once, heaviest first.

use padata::{Pool, Weight};

use crate::plan::{ModuleFile, Plan};
use crate::summary::{ModuleSummary, NameHash, Scratch, summarize};

/// Bytes of compressed modules that are in work at a time. What one takes in memory
/// is bounded by its size (`kernel_elf::codec`); a kernel's largest has 5 MB.
const IN_FLIGHT: Weight = Weight(64 << 20);

/// Modules that are weighed at a time.
const WEIGHED: usize = 128;

/// Reads every module of the plan; summaries come in the plan's order.
pub fn map(plan: &Plan, hash: &NameHash, pool: &Pool) -> Vec<ModuleSummary> {
    pool.map(
        &weigh(plan, pool),
        |(_, bytes)| *bytes,
        IN_FLIGHT,
        Scratch::default,
        |(module, bytes), scratch| summarize(plan, hash, module, *bytes, scratch),
    )
}

/// The modules, each with its size where its name says that it is compressed: only
/// there does the size say how long it takes. Asking for the others would take
/// longer than knowing helps.
fn weigh<'a>(plan: &'a Plan, pool: &Pool) -> Vec<(&'a ModuleFile, u64)> {
    let weigh = |module: &'a ModuleFile| {
        let stat = module.is_compressed().then(|| plan.stat(module));
        // What cannot be asked weighs nothing; opening it will say why.
        (module, stat.and_then(Result::ok).map_or(0, |stat| stat.st_size as u64))
    };
    let chunks: Vec<&[ModuleFile]> = plan.modules.chunks(WEIGHED).collect();
    let weighed = pool.map(
        &chunks,
        |chunk| chunk.iter().filter(|module| module.is_compressed()).count() as u64,
        Weight::UNLIMITED,
        || (),
        |chunk, ()| chunk.iter().map(weigh).collect::<Vec<_>>(),
    );
    weighed.into_iter().flatten().collect()
}

//! A run of ours over the demo's subject.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modindex::plan::{ModuleFile, Select};
use modindex::publish::Durability;
use modindex::{
    Diagnostic, Error, NameHash, Output, OutputFile, Plan, Request, Show, emit, map, merge, publish,
};
use padata::Pool;

use super::subject::{Subject, below};
use crate::report::phases::Phases;

/// A run of ours.
pub(super) struct Run {
    pub(super) modules: usize,
    pub(super) module_bytes: u64,
    pub(super) threads: NonZeroUsize,
    pub(super) files: Vec<OutputFile>,
    pub(super) phases: Phases,
}

/// The four phases, and publication below `output`.
pub(super) fn index(subject: &Subject, output: &Path) -> Result<Run, Error> {
    let mut said: Vec<Diagnostic> = Vec::new();
    let log = &mut |diagnostic| said.push(diagnostic);
    let mut phases = Phases::default();
    let request = Request {
        version: subject.version.clone(),
        tree: below(&subject.root, subject),
        output: below(output, subject),
        select: Select::All { configs: subject.config.clone().map(|config| vec![config]) },
        kernel_symbols: None,
        report_unresolved: false,
        symbol_prefix: None,
        say_dependencies: false,
        warn_duplicates: false,
    };
    let plan = phases.time("plan", || Plan::new(request, log))?;
    let threads = padata::available_threads();
    let pool = Pool::new(threads);
    let hash = NameHash::default();
    let summaries = phases.time("map", || map(&plan, &hash, &pool));
    let index = phases.time("merge", || merge(&plan, &hash, &summaries, log))?;
    let files = phases.time("emit", || emit(&index, Show::Files, &pool, log))?;
    let how = Durability { sync: false, interrupted: &|| None };
    phases.time("publish", || {
        publish(&Output::make(&plan.request.output, log)?, &files, how, &pool)
    })?;
    Ok(Run {
        modules: plan.modules.len(),
        module_bytes: plan.modules.iter().map(bytes).sum(),
        threads,
        files,
        phases,
    })
}

/// A module's size, 0 if it cannot be told.
fn bytes(module: &ModuleFile) -> u64 {
    let path = Path::new(OsStr::from_bytes(&module.path));
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

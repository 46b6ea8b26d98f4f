//! `kmill demo`: indexes a kernel and shows what came out of it; beside kmod, if
//! that is installed.

mod kmod;
mod subject;
mod table;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use modindex::plan::{ModuleFile, Select};
use modindex::publish::Durability;
use modindex::{
    Diagnostic, Error, NameHash, OutputFile, Plan, Request, Show, emit, map, merge, publish,
};
use padata::Pool;

use self::kmod::Kmod;
use self::subject::Subject;
use crate::report::phases::Phases;

const USAGE: &str = "\
usage: kmill demo [--fetch]

Indexes the newest kernel below /lib/modules, into a temporary directory, or a
built-in sample tree where there is none.

  --fetch   fetch a Debian kernel package with apt, into a cache directory, and
            index that
";

/// A run of ours.
struct Run {
    modules: usize,
    module_bytes: u64,
    threads: NonZeroUsize,
    files: Vec<OutputFile>,
    phases: Phases,
}

/// Runs the demo; returns the exit status.
pub(crate) fn main(args: &[OsString]) -> u8 {
    let mut err = std::io::stderr();
    let fetch = match args {
        [] => false,
        [flag] if flag == "--fetch" => true,
        [flag] if flag == "--help" || flag == "-h" => {
            return u8::from(std::io::stdout().write_all(USAGE.as_bytes()).is_err());
        }
        _ => {
            let _ = err.write_all(USAGE.as_bytes());
            return 1;
        }
    };
    match demo(fetch) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(err, "kmill demo: {error}");
            1
        }
    }
}

fn demo(fetch: bool) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let kmod = Kmod::find();
    let subject = if fetch { Subject::fetch(&mut out)? } else { Subject::find(kmod.as_ref())? };
    writeln!(out, "{}", subject.what)?;
    let temp = tempfile::tempdir()?;

    // Once to bring the modules into memory, for both tools alike; then for the clock.
    index(&subject, &temp.path().join("warm"))?;
    let run = index(&subject, &temp.path().join("kmill"))?;
    let reference = match &kmod {
        Some(kmod) => Some(kmod.run(&subject, &temp.path().join("kmod"))?),
        None => None,
    };
    table::print(&mut out, &run, kmod.as_ref().zip(reference.as_ref()))?;
    Ok(())
}

/// The four phases, and publication below `output`.
fn index(subject: &Subject, output: &Path) -> Result<Run, Error> {
    let mut said: Vec<Diagnostic> = Vec::new();
    let log = &mut |diagnostic| said.push(diagnostic);
    let mut phases = Phases::default();
    let request = Request {
        version: subject.version.clone(),
        tree: below(&subject.root, subject),
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
    phases.time("publish", || publish(&below(output, subject), &files, how, &pool, log))?;
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

/// Where a kernel's modules lie below a root.
fn below(root: &Path, subject: &Subject) -> PathBuf {
    root.join("lib/modules").join(&subject.version)
}

/// A duration for people.
fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

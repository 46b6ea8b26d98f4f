//! BTF of every module below a directory, in one run.
//!
//! ```text
//! plan    the modules and how large they are; the directories of what they become
//! map     read -> encode -> write, heaviest first; a large one by units, on the same pool
//! merge   how many were written, and what went wrong, in the order of their names
//! ```
//!
//! There is no phase of its own for what is written: each module's BTF appears as soon as it is known,
//! and one that fails does not keep the others.

use std::ffi::OsString;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use dwarf_btf::{Encoded, Features, Options, Session};
use kernel_elf::Codec;
use padata::{Pool, Weight};

use super::error::Error;
use super::in_place::Manner;
use super::{Job, Place, input};
use crate::report::phases::Phases;
use crate::signals::Interrupts;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    /// The directory with the modules.
    pub(crate) modules: PathBuf,
    /// Where their BTF goes.
    pub(crate) output: Output,
    /// The kernel's BTF, which theirs goes on behind.
    pub(crate) base: PathBuf,
    /// Which parts of BTF.
    pub(crate) features: Features,
    /// `DW_AT_language` of units that are left out.
    pub(crate) lang_exclude: Vec<u16>,
    /// How many threads work.
    pub(crate) threads: NonZeroUsize,
}

/// Where the BTF of modules goes.
#[derive(Debug)]
pub(crate) enum Output {
    /// Into files of the same names with `.btf` behind, below a directory.
    Directory(PathBuf),
    /// Into the modules.
    InPlace(Manner),
}

/// How it ended.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Modules that have BTF now.
    pub(crate) written: usize,
    /// Modules without anything to encode, mostly for want of debug info.
    pub(crate) nothing: usize,
    /// What is wrong with the others.
    pub(crate) failed: Vec<Error>,
}

/// Bytes of modules that are read at a time, all threads together: what encoding takes besides is a
/// part of that. A larger one is read when nothing else is.
const WINDOW: u64 = 1 << 30;

/// A compressed module takes about so many times its bytes: Debian's debug info, with zstd and xz.
const EXPANSION: u64 = 4;

/// A module of so many bytes is worth more than one thread, where others have enough to do without.
const LARGE: u64 = 16 << 20;

/// Why nothing is written into such a module.
const COMPRESSED: &str = "the module is compressed; decompress it first, or say --out-dir";

/// Names of modules end so, and perhaps with one of a codec behind.
const SUFFIXES: [&[u8]; 2] = [b".ko", b".ko.debug"];
const CODECS: [&[u8]; 3] = [b".gz", b".xz", b".zst"];

/// One module.
#[derive(Debug)]
struct Module {
    /// Below the directory.
    name: PathBuf,
    /// What it takes in memory: exactly that, or a guess where it is compressed.
    bytes: u64,
}

/// Encodes them all. `progress` hears how many of how many are done, from any thread.
///
/// # Errors
/// When there is no base or no directory, or a signal came. What is wrong with a module is in the
/// summary.
pub(crate) fn run(
    request: Request,
    progress: &(dyn Fn(usize, usize) + Sync),
    phases: &mut Phases,
) -> Result<Summary, Error> {
    let Request { modules: root, output, base, mut features, lang_exclude, threads } = request;
    // As pahole: a file of its own has room for one blob.
    features.distilled_base &= matches!(output, Output::InPlace(_));
    let base = phases.time("read the base", || input::read_base(&base))?;
    let plan = phases.time("plan", || plan(&root, &output))?;
    let options = Options { features, lang_exclude, base: Some(base), ..Options::default() };
    let batch = Batch {
        root: &root,
        output: &output,
        options: &options,
        session: &Session::for_many(),
        pool: &Pool::new(threads),
        alone: &Pool::new(NonZeroUsize::MIN),
        interrupts: &Interrupts::catch(),
    };
    let done = phases.time("map", || batch.map(&plan, progress));
    // Also where nothing was left to be written: whoever sent the signal waits for the end.
    if let Some(signal) = batch.interrupts.caught() {
        return Err(Error::Interrupted(signal));
    }
    phases.time("merge", || merge(done))
}

/// The modules below the directory, in the order of their names, and the directories for what they
/// become: made when all that there is has been seen.
fn plan(root: &Path, output: &Output) -> Result<Vec<Module>, Error> {
    let (mut plan, mut targets) = (Vec::new(), Vec::new());
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        let path = below(root, &directory);
        let fail = |cause: std::io::Error| Error::file(&path, "reading the directory", cause);
        let before = plan.len();
        for entry in fs::read_dir(&path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let (kind, name) = (entry.file_type().map_err(fail)?, entry.file_name());
            // Links lead to what is not of this kernel: `build`, `source`.
            if kind.is_dir() {
                directories.push(directory.join(name));
            } else if kind.is_file()
                && let Some(expansion) = expansion_of_module(name.as_bytes())
            {
                let bytes = entry.metadata().map_err(fail)?.len().saturating_mul(expansion);
                plan.push(Module { name: directory.join(name), bytes });
            }
        }
        if let (Output::Directory(target), true) = (output, plan.len() > before) {
            targets.push(below(target, &directory));
        }
    }
    for target in targets {
        let made = fs::create_dir_all(&target);
        made.map_err(|cause| Error::file(&target, "making the directory", cause))?;
    }
    plan.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(plan)
}

/// A directory below the root. That itself would get a slash at its end, which complaints would show.
fn below(root: &Path, directory: &Path) -> PathBuf {
    if directory.as_os_str().is_empty() { root.to_owned() } else { root.join(directory) }
}

/// How much larger a file of this name is in memory, if it is a module's.
fn expansion_of_module(name: &[u8]) -> Option<u64> {
    let plain = CODECS.iter().find_map(|codec| name.strip_suffix(*codec));
    let is_module = SUFFIXES.iter().any(|suffix| plain.unwrap_or(name).ends_with(suffix));
    is_module.then_some(if plain.is_some() { EXPANSION } else { 1 })
}

/// What became of one module: whether there was anything to encode.
type Outcome = Result<bool, Error>;

struct Batch<'b> {
    root: &'b Path,
    output: &'b Output,
    options: &'b Options,
    session: &'b Session,
    pool: &'b Pool,
    /// For small modules: their units are not worth a call of a helper.
    alone: &'b Pool,
    interrupts: &'b Interrupts,
}

impl Batch<'_> {
    fn map(&self, plan: &[Module], progress: &(dyn Fn(usize, usize) + Sync)) -> Vec<Outcome> {
        let done = AtomicUsize::new(0);
        self.pool.map(
            plan,
            |module| module.bytes,
            Weight(WINDOW),
            || (),
            |module, ()| {
                let outcome = self.one(module);
                // Relaxed: a number for people.
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, plan.len());
                outcome
            },
        )
    }

    fn one(&self, module: &Module) -> Outcome {
        if let Some(signal) = self.interrupts.caught() {
            return Err(Error::Interrupted(signal));
        }
        let path = self.root.join(&module.name);
        let place = match self.output {
            Output::Directory(directory) => {
                let mut name = OsString::from(directory.join(&module.name));
                name.push(".btf");
                Place::File(name.into())
            }
            Output::InPlace(manner) => Place::open(super::Output::InPlace(*manner), &path)?,
        };
        let image = match &place {
            Place::File(_) => {
                input::read_module(&path).map_err(|cause| Error::file(&path, "reading", cause))?
            }
            Place::InPlace(_) | Place::Forbidden(_) => {
                let image = place.read(&path)?;
                if Codec::of(image.bytes()) != Codec::None {
                    return Err(Error::file(&path, "encoding in place", COMPRESSED));
                }
                image
            }
        };
        let pool = if module.bytes >= LARGE { self.pool } else { self.alone };
        let job = Job { pool, options: self.options, session: self.session };
        match job.encode(&path, image, &mut Phases::default())? {
            Encoded::Nothing(_) => Ok(false),
            Encoded::Blob(blob) => place.write(&blob, None, self.interrupts).map(|()| true),
            Encoded::Distilled { base, blob } => {
                place.write(&blob, Some(&base), self.interrupts).map(|()| true)
            }
        }
    }
}

fn merge(outcomes: Vec<Outcome>) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    for outcome in outcomes {
        match outcome {
            Ok(true) => summary.written += 1,
            Ok(false) => summary.nothing += 1,
            Err(Error::Interrupted(signal)) => return Err(Error::Interrupted(signal)),
            Err(error) => summary.failed.push(error),
        }
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::expansion_of_module;

    #[test]
    fn modules_are_known_by_their_names() {
        for name in ["a.ko", "a.ko.debug"] {
            assert_eq!(expansion_of_module(name.as_bytes()), Some(1), "{name}");
        }
        for name in ["a.ko.gz", "a.ko.xz", "a.ko.zst", "a.ko.debug.zst"] {
            assert!(expansion_of_module(name.as_bytes()).is_some_and(|times| times > 1), "{name}");
        }
        for name in ["ko", "a.ko.btf", "a.ko.bz2", "a.kox", "modules.dep", "a.ko.gz.xz"] {
            assert_eq!(expansion_of_module(name.as_bytes()), None, "{name}");
        }
    }
}

//! `depmod`: indexes a tree of kernel modules, as kmod's tool of that name.

mod flags;
mod messages;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use modindex::plan::{KernelSymbolFile, Select, absolute};
use modindex::publish::Durability;
use modindex::{
    Error, Level, NameHash, Output, OutputFile, Plan, Request, Show, emit, map, merge, publish,
    quick,
};
use padata::Pool;

use self::flags::{Options, Parsed};
use self::messages::Messages;
use crate::report::phases::Phases;
use crate::signals::Interrupts;

pub(crate) use flags::{completion, man};

/// Below a version's directory name, where kmod looks for modules.
const MODULE_DIRECTORY: &[u8] = b"lib/modules";

/// Longest path that kmod has room for.
const PATH_MAX: usize = 4096;

/// Runs with the arguments behind the program's name; returns the exit status.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> u8 {
    let mut messages = Messages::new(program);
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    let (parsed, complaints) = flags::parse(program, args, posixly_correct);
    for complaint in complaints {
        messages.raw(complaint.line(messages.name()).as_bytes());
    }
    match parsed {
        Parsed::Fail => 1,
        Parsed::Help => messages.show(flags::help(&messages.name().to_string_lossy()).as_bytes()),
        Parsed::Version => messages.show(version().as_bytes()),
        Parsed::Run(options) => {
            messages.set_verbosity(options.verbose);
            match run(options, &mut messages) {
                Ok(status) => status.max(u8::from(messages.failed())),
                Err(error) => {
                    for (level, words) in error.lines() {
                        messages.say(level, &words);
                    }
                    if let Error::Interrupted { signal } = error {
                        crate::signals::die_of(signal);
                    }
                    1
                }
            }
        }
    }
}

/// The first line is what scripts look for; the second says who answers.
fn version() -> String {
    format!("kmod version 34\nkmill {} +ZSTD +XZ +ZLIB\n", env!("CARGO_PKG_VERSION"))
}

fn run(options: Options, messages: &mut Messages) -> Result<u8, Error> {
    let Some(request) = request(&options, messages) else { return Ok(1) };
    if options.quick && options.show {
        return Ok(0);
    }

    let mut phases = Phases::default();
    let lock = match options.show {
        true => None,
        false => Output::lock_existing(&request.output, &mut |said| messages.log(said)),
    };
    let plan = phases.time("plan", || plan(request, &options, messages))?;
    let Some(plan) = plan else { return Ok(0) };
    let pool = Pool::new(threads(&options, &plan));
    let hash = NameHash::default();

    let summaries = phases.time("map", || map(&plan, &hash, &pool));

    let log = &mut |diagnostic| messages.log(diagnostic);
    let index = phases.time("merge", || merge(&plan, &hash, &summaries, log))?;

    let show = if options.show { Show::Text } else { Show::Files };
    let files = phases.time("emit", || emit(&index, show, &pool, log))?;
    let status = if options.show {
        show_files(&files, messages)
    } else {
        phases.time("publish", || publish_files(&options, &plan, lock, &files, &pool, messages))?
    };
    if options.time {
        messages.raw(phases.to_string().as_bytes());
    }
    // The process ends now; to give back a hundred thousand pieces of memory first would take
    // a while.
    std::mem::forget((index, files));
    std::mem::forget((summaries, plan));
    Ok(status)
}

/// The plan, or None if `--quick` finds nothing to do.
fn plan(
    request: Request,
    options: &Options,
    messages: &mut Messages,
) -> Result<Option<Plan>, Error> {
    // What the plan has to say comes behind what the quick look has.
    let mut held = Vec::new();
    let plan = Plan::new(request, &mut |diagnostic| held.push(diagnostic));
    if options.quick {
        match &plan {
            Ok(plan) => {
                let log = &mut |diagnostic| messages.log(diagnostic);
                if quick::is_up_to_date(plan, log) {
                    return Ok(None);
                }
            }
            // The quick look finds no directory, and then the walk does not.
            Err(Error::Search { .. }) => held.extend(held.last().cloned()),
            Err(_) => {}
        }
    }
    held.into_iter().for_each(|diagnostic| messages.log(diagnostic));
    plan.map(Some)
}

fn publish_files(
    options: &Options,
    plan: &Plan,
    lock: Option<Output>,
    files: &[OutputFile],
    pool: &Pool,
    messages: &mut Messages,
) -> Result<u8, Error> {
    // Waiting for a lock, a signal kills us: there is nothing to remove yet.
    let output = match lock {
        Some(output) => output,
        None => Output::make(&plan.request.output, &mut |said| messages.log(said))?,
    };
    let interrupts = Interrupts::catch();
    let own_tree = options.basedir.is_none() && options.outdir.is_none();
    let how =
        Durability { sync: options.sync.unwrap_or(own_tree), interrupted: &|| interrupts.caught() };
    publish(&output, files, how, pool)?;
    // One that came when there was no way back any more.
    if let Some(signal) = interrupts.caught() {
        return Err(Error::Interrupted { signal });
    }
    Ok(0)
}

/// `-n`: the text files, one behind another.
fn show_files(files: &[OutputFile], messages: &mut Messages) -> u8 {
    let mut out = io::stdout().lock();
    let written = files.iter().try_for_each(|file| out.write_all(&file.bytes));
    messages.shown(written.and_then(|()| out.flush()))
}

/// What is asked for. None: it makes no sense, and that has been said.
fn request(options: &Options, messages: &mut Messages) -> Option<Request> {
    let mut operands = options.operands.iter();
    let mut directory = |what: &str, dir: &Option<OsString>| match dir {
        None => Some(Vec::new()),
        Some(dir) => match absolute(dir) {
            Ok(dir) => Some(dir.into_os_string().into_vec()),
            Err(_) => {
                messages.say(Level::Error, &[what.as_bytes(), b" ", dir.as_bytes()].concat());
                None
            }
        },
    };
    let base = directory("invalid image path", &options.basedir)?;
    let out = directory("invalid output directory", &options.outdir)?;
    let out = if options.outdir.is_some() { out } else { base.clone() };

    let version = match operands.next() {
        Some(version) if flags::is_version_number(version.as_bytes()) => version.clone(),
        Some(version) => {
            let words = [b"Bad version passed ", version.as_bytes()].concat();
            messages.say(Level::Error, &words);
            return None;
        }
        None => OsString::from_vec(rustix::system::uname().release().to_bytes().to_vec()),
    };
    let modules = options.moduledir.as_deref().map_or(MODULE_DIRECTORY, OsStr::as_bytes);
    let modules = &modules[modules.iter().take_while(|byte| **byte == b'/').count()..];
    let mut below = |root: &[u8]| {
        let path = [root, b"/", modules, b"/", version.as_bytes()].concat();
        if path.len() < PATH_MAX {
            return Some(PathBuf::from(OsString::from_vec(path)));
        }
        let words = [b"Bad directory ", &path[..], b": path too long"].concat();
        messages.say(Level::Error, &words);
        None
    };
    let (tree, output) = (below(&base)?, below(&out)?);

    let files: Vec<OsString> = operands.cloned().collect();
    let select = if options.all || options.quick || files.is_empty() {
        let configs = options.configs.iter().map(PathBuf::from).collect::<Vec<_>>();
        Select::All { configs: Some(configs).filter(|configs| !configs.is_empty()) }
    } else {
        Select::Files(files)
    };
    let kernel_symbols = match (&options.symvers, &options.filesyms) {
        (Some(file), _) => Some(KernelSymbolFile::Symvers(file.into())),
        (None, Some(file)) => Some(KernelSymbolFile::SystemMap(file.into())),
        (None, None) => None,
    };
    Some(Request {
        version,
        tree,
        output,
        select,
        kernel_symbols,
        report_unresolved: options.errsyms,
        symbol_prefix: options.symbol_prefix,
        say_dependencies: options.verbose > 0,
        warn_duplicates: options.warn,
    })
}

fn threads(options: &Options, plan: &Plan) -> NonZeroUsize {
    if plan.is_small() {
        return NonZeroUsize::MIN;
    }
    options.threads.unwrap_or_else(padata::available_threads)
}

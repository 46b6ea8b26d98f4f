//! depmod's command line: arguments in, [`Options`] and what to say about them out.
//!
//! ```text
//! flags/table.rs    one row per option
//!   -> getopt       events, glibc's complaints
//!   -> parse        Options, or why not to run; messages in the order in which they come up
//!   -> flags/help.rs, crate::man, crate::completions   texts for people
//! flags/version.rs  what passes for a kernel version
//! ```
//!
//! Nothing here prints, reads a file or knows the current directory: values are as written.

mod help;
mod table;
#[cfg(test)]
mod tests;
mod version;

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::completions::{self, Shell};
use crate::getopt::{Event, Parser, Spelling, entries};
use crate::man::{self, Command, Operands};

pub(crate) use help::help;
pub(crate) use version::is_version_number;

/// What `parse` and the table call an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    All,
    Quick,
    Basedir,
    Moduledir,
    Outdir,
    Config,
    Symvers,
    Filesyms,
    Errsyms,
    Verbose,
    Show,
    SymbolPrefix,
    Warn,
    Version,
    Help,
    /// Any of kmod 33's options that did nothing by then.
    Deprecated,
    Threads,
    Sync,
    NoSync,
    Time,
}

/// The options as given; defaults and their effect on each other are the applet's business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `-a`: index everything, even if module files are given.
    pub(crate) all: bool,
    /// `-A`: only if something has changed.
    pub(crate) quick: bool,
    /// `-b`: the last one; may be relative or empty.
    pub(crate) basedir: Option<OsString>,
    /// `-m`: the last one, with its leading slashes.
    pub(crate) moduledir: Option<OsString>,
    /// `-o`: the last one; may be relative or empty.
    pub(crate) outdir: Option<OsString>,
    /// `-C`: all of them, in order.
    pub(crate) configs: Vec<OsString>,
    /// `-E`: the last one.
    pub(crate) symvers: Option<OsString>,
    /// `-F`: the last one, also if `symvers` is given and wins.
    pub(crate) filesyms: Option<OsString>,
    /// `-e`.
    pub(crate) errsyms: bool,
    /// `-n`.
    pub(crate) show: bool,
    /// `-v`: how often.
    pub(crate) verbose: u32,
    /// `-w`.
    pub(crate) warn: bool,
    /// `-P`: the last one.
    pub(crate) symbol_prefix: Option<u8>,
    /// `--threads`: the last one.
    pub(crate) threads: Option<NonZeroUsize>,
    /// `--sync` or `--no-sync`: the last one.
    pub(crate) sync: Option<bool>,
    /// `--time`.
    pub(crate) time: bool,
    /// The version, then module files. Not checked; see [`is_version_number`].
    pub(crate) operands: Vec<OsString>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Index modules.
    Run(Options),
    /// Print [`help`], succeed.
    Help,
    /// Print the version, succeed.
    Version,
    /// Fail; the last diagnostic says why.
    Fail,
}

/// How a message is introduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Not at all: getopt's own, which begins with argv\[0\] as given.
    Raw,
    /// `<program>: FATAL: `.
    Fatal,
    /// `<program>: ERROR: `.
    Error,
    /// `<program>: WARNING: `.
    Warning,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    /// How it is introduced.
    pub(crate) level: Level,
    /// What it says, without a line break.
    pub(crate) text: OsString,
}

impl Diagnostic {
    /// The line for standard error. `name` is the last component of argv\[0\], which is what
    /// kmod's own messages begin with.
    pub(crate) fn line(&self, name: &OsStr) -> OsString {
        let level = match self.level {
            Level::Raw => "",
            Level::Fatal => ": FATAL: ",
            Level::Error => ": ERROR: ",
            Level::Warning => ": WARNING: ",
        };
        let name = if self.level == Level::Raw { OsStr::new("") } else { name };
        let parts = [name.as_bytes(), level.as_bytes(), self.text.as_bytes(), b"\n"];
        OsString::from_vec(parts.concat())
    }
}

/// Reads the arguments after argv\[0\], which is `program`, as given. The diagnostics are to be
/// printed also when the result is good.
///
/// As in kmod, the first error ends it, and so does `--help` or `--version`: what stands behind is
/// not looked at.
pub(crate) fn parse(
    program: &OsStr,
    args: &[OsString],
    posixly_correct: bool,
) -> (Parsed, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let parsed = run(program, args, posixly_correct, &mut diagnostics);
    (parsed, diagnostics)
}

/// [`parse`], with the diagnostics as they come up.
fn run(
    program: &OsStr,
    args: &[OsString],
    posixly_correct: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Parsed {
    let mut say = |level, text: OsString| diagnostics.push(Diagnostic { level, text });
    let mut options = Options::default();
    let entries = entries(&table::SECTIONS);
    let mut parser = Parser::new(program, &entries, args, posixly_correct);

    for event in &mut parser {
        let (id, spelling, value) = match event {
            Event::Option { id, spelling, value } => (id, spelling, value.unwrap_or_default()),
            Event::Error(text) => {
                say(Level::Raw, text);
                return Parsed::Fail;
            }
        };
        match id {
            Id::All => options.all = true,
            Id::Quick => options.quick = true,
            Id::Basedir => options.basedir = Some(value.into()),
            Id::Moduledir => options.moduledir = Some(value.into()),
            Id::Outdir => options.outdir = Some(value.into()),
            Id::Config => options.configs.push(value.into()),
            Id::Symvers => options.symvers = Some(value.into()),
            Id::Filesyms => options.filesyms = Some(value.into()),
            Id::Errsyms => options.errsyms = true,
            Id::Verbose => options.verbose = options.verbose.saturating_add(1),
            Id::Show => options.show = true,
            Id::SymbolPrefix => match value.as_bytes() {
                // One byte, that is: a character outside ASCII is refused.
                &[prefix] => options.symbol_prefix = Some(prefix),
                _ => {
                    say(Level::Fatal, "-P only takes a single char".into());
                    return Parsed::Fail;
                }
            },
            Id::Warn => options.warn = true,
            Id::Version => return Parsed::Version,
            Id::Help => return Parsed::Help,
            Id::Deprecated => {
                let name = match spelling {
                    Spelling::Short(name) => format!("-{}", char::from(name)),
                    Spelling::Long(name) => format!("--{name}"),
                };
                say(Level::Warning, format!("Ignored deprecated option {name}").into());
            }
            Id::Threads => match threads(value) {
                Some(threads) => options.threads = Some(threads),
                None => {
                    let mut text = OsString::from("--threads takes a number from 1, not '");
                    text.push(value);
                    text.push("'");
                    say(Level::Error, text);
                    return Parsed::Fail;
                }
            },
            Id::Sync => options.sync = Some(true),
            Id::NoSync => options.sync = Some(false),
            Id::Time => options.time = true,
        }
    }
    options.operands = parser.operands().into_iter().map(OsStr::to_owned).collect();
    Parsed::Run(options)
}

/// Digits only: no sign, no space.
fn threads(value: &OsStr) -> Option<NonZeroUsize> {
    value.to_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// What the texts for people say besides the options.
static COMMAND: Command<Id> = Command {
    name: "depmod",
    section: 8,
    summary: "index the modules of a kernel",
    synopsis: &[
        "[-b DIR] [-ae] [-E FILE | -F FILE] [options] [version]",
        "[options] version file...",
    ],
    description: &[
        "Reads every module of a kernel version and writes the files in which modprobe and udev \
         look up what a module needs, which module drives a device and which one exports a \
         symbol.",
        "The version is a directory below the module directory; without one, it is the running \
         kernel's. When module files follow it, only those are indexed; their paths must be \
         absolute.",
        "The files and messages are those of kmod 34.",
    ],
    sections: &table::SECTIONS,
    operands: Operands::Modules,
    exits: &[("0", "Success."), ("1", "Failure.")],
    environment: &[("POSIXLY_CORRECT", "If set, the first operand ends the options.")],
    see_also: &[("modprobe", 8), ("depmod.d", 5), ("modules.dep", 5)],
};

/// The completion script for a shell.
pub(crate) fn completion(shell: Shell) -> String {
    completions::script(shell, &COMMAND)
}

/// The man page, in roff.
pub(crate) fn man() -> String {
    man::page(&COMMAND)
}

//! pahole's command line: arguments in, what to do and what to say about it out.
//!
//! ```text
//! flags/table.rs    one row per option of pahole 1.31
//!   -> getopt       events, glibc's complaints
//!   -> parse        Parsed: encode, print, fail, or leave it to another pahole
//!   -> flags/help.rs, crate::man, crate::completions   texts for people
//! ```
//!
//! Nothing here prints or reads a file or the environment.

mod help;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use kernel_elf::write::Flush;

use crate::completions::{self, Shell};
use crate::encode::features::{SUPPORTED, Wanted};
use crate::encode::in_place::Manner;
use crate::encode::languages;
use crate::getopt::{Event, Parser, entries};
use crate::man::{self, Command, Operands};

/// argp's status after a complaint about the command line: `EX_USAGE`.
pub(crate) const USAGE: u8 = 64;

/// As many threads as anybody is given who asks for more.
const THREADS_MAX: usize = 1024;

/// What `parse` and the table call an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Encode,
    Detached,
    Features,
    FeaturesStrict,
    Supported,
    Base,
    KabiPrefix,
    Jobs,
    Lang,
    LangExclude,
    SkipVars,
    SkipDeclTag,
    SkipTypeTag,
    SkipEnum64,
    SkipInconsistent,
    Force,
    Floats,
    All,
    Attributes,
    Verbose,
    NumericVersion,
    Help,
    Usage,
    Version,
    Threads,
    Time,
    DropSignature,
    FollowLinks,
    NoSync,
    /// One that changes nothing here.
    NoEffect(&'static str),
    /// One that is about something else than encoding.
    Other(&'static str),
}

/// These change what `-J` does, in ways that are not ours: their meaning is another pahole's. All
/// others of [`Id::Other`] are about showing types, and `-J` shows none.
const NOT_OURS: [&str; 7] = [
    "cu_exclude",
    "contains_enumerator",
    "sort",
    "prettify",
    "ptr_table_stats",
    "running_kernel_vmlinux",
    "ctf_encode",
];

/// What to encode, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `--btf_encode_detached`: the last one.
    pub(crate) detached: Option<OsString>,
    /// How the file itself is changed, without `--btf_encode_detached`.
    pub(crate) manner: Manner,
    /// All options that name features, in order.
    pub(crate) wanted: Wanted,
    /// Numbers of languages to leave out.
    pub(crate) lang_exclude: Vec<u16>,
    /// `--btf_base`: the last one.
    pub(crate) base: Option<OsString>,
    /// `--kabi_prefix`: the last one.
    pub(crate) kabi_prefix: Option<OsString>,
    /// `-j` or `--threads`.
    pub(crate) threads: Threads,
    /// `--time`.
    pub(crate) time: bool,
    /// The files.
    pub(crate) operands: Vec<OsString>,
}

/// How many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// So many.
    Exactly(NonZeroUsize),
    /// One for each CPU that may be used.
    Available,
}

impl Default for Threads {
    fn default() -> Self {
        Threads::Exactly(NonZeroUsize::MIN)
    }
}

impl Threads {
    /// A number, and at most [`THREADS_MAX`]; none and less than one is one.
    fn some(number: usize) -> Threads {
        Threads::Exactly(NonZeroUsize::new(number.min(THREADS_MAX)).unwrap_or(NonZeroUsize::MIN))
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Encode.
    Run(Options),
    /// Print this on standard output, succeed.
    Print(String),
    /// Fail with this status; what was said says why.
    Fail(u8),
    /// It is no encoding, or one that we do not know: another pahole's business.
    NotOurs,
}

/// Reads the arguments after argv\[0\], which is `program`, as given. `lang_exclude` is the value of
/// `PAHOLE_LANG_EXCLUDE`. The second result is for standard error, also if the first one is good.
///
/// Options take effect in their order, as in pahole: what ends the run ends it before a later
/// mistake is seen.
pub(crate) fn parse(
    program: &OsStr,
    args: &[OsString],
    posixly_correct: bool,
    lang_exclude: Option<&OsStr>,
) -> (Parsed, Vec<u8>) {
    let mut said = Vec::new();
    let parsed = run(program, args, posixly_correct, lang_exclude, &mut said);
    (parsed, said)
}

/// [`parse`], with what is said as it comes up.
fn run(
    program: &OsStr,
    args: &[OsString],
    posixly_correct: bool,
    lang_exclude: Option<&OsStr>,
    said: &mut Vec<u8>,
) -> Parsed {
    let name = program.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let entries = entries(&table::SECTIONS);
    let mut parser = Parser::new(program, &entries, args, posixly_correct);
    let mut options = Options::default();
    let (mut encode, mut numeric, mut not_ours, mut verbose) = (false, false, false, false);
    let mut langs = Langs::default();
    let mut own_threads = None;

    for event in &mut parser {
        let (id, value) = match event {
            Event::Option { id, value, .. } => (id, value),
            Event::Error(text) => {
                say(said, &[text.as_bytes()]);
                let help: [&[u8]; 5] =
                    [b"Try `", name, b" --help' or `", name, b" --usage' for more information."];
                say(said, &help);
                return Parsed::Fail(USAGE);
            }
        };
        let text = value.unwrap_or_default();
        let features = &mut options.wanted.features;
        match id {
            Id::Encode => encode = true,
            Id::Detached => (encode, options.detached) = (true, Some(text.into())),
            Id::Features | Id::FeaturesStrict => {
                let strict = id == Id::FeaturesStrict;
                if !list(&mut options.wanted, text.as_bytes(), strict, verbose, said) {
                    return Parsed::Fail(1);
                }
            }
            // It asks for a feature of that name, and there is none.
            Id::All => drop(list(&mut options.wanted, b"all", false, verbose, said)),
            Id::Supported => return Parsed::Print(supported()),
            Id::Base => options.base = Some(text.into()),
            Id::KabiPrefix => options.kabi_prefix = Some(text.into()),
            Id::Jobs => {
                options.threads = match value {
                    Some(number) => Threads::some(atoi(number.as_bytes())),
                    None => Threads::Available,
                }
            }
            Id::Lang => langs.list = Some(text.into()),
            Id::LangExclude => (langs.list, langs.exclude) = (Some(text.into()), true),
            Id::SkipVars => features.var = false,
            Id::SkipDeclTag => features.decl_tag = false,
            Id::SkipTypeTag => features.type_tag = false,
            Id::SkipEnum64 => features.enum64 = false,
            Id::SkipInconsistent => features.consistent_func = true,
            Id::Force => features.encode_force = true,
            Id::Floats => features.float = true,
            Id::Attributes => features.attributes = true,
            Id::Verbose => verbose = true,
            Id::NumericVersion => numeric = true,
            Id::Help => return Parsed::Print(help::help(&String::from_utf8_lossy(name))),
            Id::Usage => return Parsed::Print(help::usage(&String::from_utf8_lossy(name))),
            Id::Version => return Parsed::Print("v1.31\n".to_owned()),
            Id::Threads => match number(text) {
                Some(number) => own_threads = Some(number),
                None => {
                    let text = text.as_bytes();
                    say(said, &[name, b": --threads takes a number from 1, not '", text, b"'"]);
                    return Parsed::Fail(USAGE);
                }
            },
            Id::Time => options.time = true,
            Id::DropSignature => options.manner.allowed.drop_signature = true,
            Id::FollowLinks => options.manner.allowed.follow_links = true,
            Id::NoSync => options.manner.flush = Flush::No,
            Id::NoEffect(_) => {}
            // The only format that -J looks for anyway.
            Id::Other("format_path") => not_ours |= text != "dwarf",
            Id::Other(name) => not_ours |= NOT_OURS.contains(&name),
        }
    }
    options.operands = parser.operands().into_iter().map(OsStr::to_owned).collect();
    if not_ours || !(encode || numeric) {
        return Parsed::NotOurs;
    }
    match langs.excluded(lang_exclude) {
        Ok(excluded) => options.lang_exclude = excluded,
        Err(rest) => {
            say(said, &[b"pahole: unknown language \"", &rest, b"\""]);
            return Parsed::Fail(1);
        }
    }
    if numeric {
        return Parsed::Print("131\n".to_owned());
    }
    if let Some(number) = own_threads {
        options.threads = Threads::some(number);
    }
    Parsed::Run(options)
}

/// A line for standard error.
fn say(said: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| said.extend_from_slice(part));
    said.push(b'\n');
}

/// One list of features. False: the run ends, and why has been said.
fn list(wanted: &mut Wanted, list: &[u8], strict: bool, verbose: bool, said: &mut Vec<u8>) -> bool {
    let shown = list.strip_prefix(b"+").unwrap_or(list);
    wanted.add_list(list, |unknown| {
        if strict && unknown != b"default" {
            let list = [b"Feature '", unknown, b"' in '", shown];
            let list = list.concat();
            say(said, &[&list, b"' is not supported.  Supported BTF features are:"]);
            said.extend_from_slice(supported().as_bytes());
            return false;
        }
        if verbose {
            say(said, &[b"Ignoring unsupported feature '", unknown, b"'"]);
        }
        true
    })
}

/// What `--supported_btf_features` prints.
fn supported() -> String {
    format!("{}\n", SUPPORTED.join(","))
}

/// `--lang` and `--lang_exclude`: the last list counts, and once it is to be excluded, so is every
/// other one.
#[derive(Debug, Default)]
struct Langs {
    list: Option<OsString>,
    exclude: bool,
}

impl Langs {
    /// What to leave out; else the part of the list that makes no sense.
    fn excluded(self, environment: Option<&OsStr>) -> Result<Vec<u16>, Vec<u8>> {
        let exclude = self.exclude || self.list.is_none();
        let Some(list) = self.list.or_else(|| environment.map(OsStr::to_owned)) else {
            return Ok(Vec::new());
        };
        let list = list.into_vec();
        match languages::parse(&list) {
            Ok(numbers) if exclude => Ok(numbers),
            Ok(numbers) => Ok(languages::all_but(&numbers)),
            Err(rest) => Err(rest.to_vec()),
        }
    }
}

/// C's `atoi`, with 0 for what is below it.
fn atoi(text: &[u8]) -> usize {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: usize, digit| {
        number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
    })
}

/// Digits only, and not zero.
fn number(value: &OsStr) -> Option<usize> {
    let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|number| *number > 0)
}

/// What the texts for people say besides the options.
static COMMAND: Command<Id> = Command {
    name: "pahole",
    section: 1,
    summary: "turn debug info into BTF",
    synopsis: &["-J [options] FILE", "-J --btf_encode_detached=FILE [options] INPUT"],
    description: &[
        "Reads the DWARF debug info of a kernel and writes BTF, byte for byte as pahole 1.31 does \
         when it encodes.",
        "Without --btf_encode_detached the BTF goes into the section .BTF of the file itself, which is \
         added or replaced. Everything else in the file stays as it is and where it is, with owner, \
         mode and links. What is new is written behind the end, and one short write makes it a part of \
         the file: whenever the run ends, the file is the old one or the new one. A section that was \
         loaded (SHF_ALLOC) is not loaded any more; the bytes that are loaded do not change. \
         No objcopy is needed or run, whatever LLVM_OBJCOPY says.",
        "Everything else that pahole does is left to the next program of that name in PATH.",
    ],
    sections: &table::SECTIONS,
    operands: Operands::Files,
    exits: &[
        ("0", "Success, or there is nothing to encode; then nothing is written."),
        ("1", "Failure; nothing is written, and a file is what it was."),
        ("64", "A mistake on the command line, or no other pahole for what is asked for."),
    ],
    environment: &[
        (
            "MAKEFLAGS",
            "If it names make's jobserver (--jobserver-auth), each thread beyond the first needs a token of it.",
        ),
        ("PAHOLE_LANG_EXCLUDE", "The default of --lang_exclude."),
        ("POSIXLY_CORRECT", "If set, the first operand ends the options."),
    ],
    see_also: &[("kmill", 1)],
};

/// The completion script for a shell.
pub(crate) fn completion(shell: Shell) -> String {
    completions::script(shell, &COMMAND)
}

/// The man page, in roff.
pub(crate) fn man() -> String {
    man::page(&COMMAND)
}

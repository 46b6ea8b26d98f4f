//! `kmill btf encode`: the encoder of the `pahole` applet, with what a kernel build asks for as the
//! default, and with complaints about what makes no sense.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use kernel_elf::write::Flush;

use super::help::help;
use super::program::PROGRAM;
use crate::completions::{self, Shell};
use crate::encode::features::{LATER, SUPPORTED, Wanted};
use crate::encode::in_place::Manner;
use crate::encode::modules::{self, Summary};
use crate::encode::{self, Done, Error, Output, Request, languages};
use crate::getopt::{Event, Flag, Parser, Section, Value, entries};
use crate::man::{self, Command, Operands};
use crate::report::phases::Phases;
use crate::report::progress::Progress;
use crate::report::streams::{complain, show};
use crate::signals;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Output,
    InPlace,
    DropSignature,
    FollowLinks,
    NoSync,
    Base,
    Modules,
    OutDir,
    Features,
    LangExclude,
    Threads,
    Time,
    Help,
}

static SECTIONS: [Section<Id>; 1] =
    [Section { heading: "Options:", abbreviable: true, flags: FLAGS }];

const FLAGS: &[Flag<Id>] = &[
    Flag::new(Id::Output, &["output"]).short(b'o').takes("FILE", Value::File).says(
        "where the BTF goes",
        "Where the BTF goes. A regular file appears whole or not at all; a device or a pipe is \
         written straight.",
    ),
    Flag::new(Id::InPlace, &["in-place"]).says(
        "into the file itself, as its section .BTF",
        "Instead of -o: the BTF goes into the section .BTF of the file itself, which is added or \
         replaced. Everything else in the file stays as it is and where it is, with owner, mode and \
         links. Whenever the run ends, the file is the old one or the new one. A section that was \
         loaded (SHF_ALLOC) is not loaded any more; the bytes that are loaded do not change.",
    ),
    Flag::new(Id::DropSignature, &["drop-signature"]).says(
        "in place: take the signature off a module",
        "With --in-place: take the signature off a signed module, which it would not fit any more. \
         Else a signed module is refused.",
    ),
    Flag::new(Id::FollowLinks, &["follow-links"]).says(
        "in place: change the file under all its links",
        "With --in-place: write into a file that has several (hard) links; the change is seen under \
         all its names. Else such a file is refused.",
    ),
    Flag::new(Id::NoSync, &["no-sync"]).says(
        "in place: do not wait for the disk",
        "With --in-place: do not wait until the disk has what was written, before the file becomes \
         the new one. It is the old one or the new one whenever the run is killed, but not when the \
         power goes.",
    ),
    Flag::new(Id::Base, &["base"]).takes("FILE", Value::File).says(
        "BTF that this one goes on behind",
        "Encode only what this BTF does not have, and refer to it. The file is an ELF file with BTF, or holds BTF alone.",
    ),
    Flag::new(Id::Modules, &["modules"]).takes("DIR", Value::Dir).says(
        "encode every module below a directory",
        "Encode every module below this directory, compressed ones too, each behind the base. What \
         is wrong with one does not keep the others. Links are not followed.",
    ),
    Flag::new(Id::OutDir, &["out-dir"]).takes("DIR", Value::Dir).says(
        "where the BTF of modules goes",
        "Where the BTF of modules goes: under their names, with .btf behind, in directories as they \
         lie in.",
    ),
    Flag::new(Id::Features, &["btf-features"]).takes("LIST", Value::Text).says(
        "parts of BTF; also layout, true_signature, gnu_annotation",
        "Make only the parts of BTF that this list names, separated by commas. \"default\" stands \
         for the nine features of a kernel build, and is the default; a list that begins with \
         \"+\" adds to these. Further lists add what they name. With --in-place and --base, \
         \"distilled_base\" writes what is needed of the base to the section .BTF.base, and types \
         that go on behind that; a file of its own does not change with it, as pahole has it. Besides the features of pahole \
         1.31 there are three of later ones: \"layout\" says how large each kind of type is, for \
         readers that do not know it; \"true_signature\" gives functions that the compiler has \
         changed the names and parameters that are left; \"gnu_annotation\" reads attributes as \
         GCC 16 says them.",
    ),
    Flag::new(Id::LangExclude, &["lang-exclude"]).takes("LIST", Value::Text).says(
        "no units in these languages",
        "Leave out compilation units in these languages, separated by commas.",
    ),
    Flag::new(Id::Threads, &["threads"]).takes("N", Value::Text).says(
        "use N threads (default: one per usable CPU)",
        "Use this many threads. The output does not depend on it.",
    ),
    Flag::new(Id::Time, &["time"]).says(
        "say how long each phase took",
        "Print to standard error how long each phase of the run took.",
    ),
    Flag::new(Id::Help, &["help"])
        .short(b'h')
        .says("show this help", "Print a summary of the options and exit."),
];

/// Runs with the arguments behind the command; returns the exit status.
pub(super) fn main(args: &[OsString]) -> u8 {
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    let (request, time) = match parse(args, posixly_correct) {
        Ok(Parsed::Run(request, time)) => (request, time),
        Ok(Parsed::Modules(request, time)) => return modules(*request, time),
        Ok(Parsed::Help) => return show("kmill btf encode", &help(&COMMAND)),
        Err(words) => {
            complain(format!("{words}\n").as_bytes());
            return 1;
        }
    };
    let input = request.input.clone();
    let mut phases = Phases::default();
    let status = match encode::run(*request, &mut phases) {
        Ok(Done::Written) => 0,
        Ok(Done::Nothing(why)) => {
            let input = input.display();
            let words = format!("kmill btf encode: {input}: nothing to encode: {why}\n");
            complain(words.as_bytes());
            0
        }
        Err(error) => failed(&error),
    };
    if time {
        complain(phases.to_string().as_bytes());
    }
    status
}

/// Complains of what ended a run, and dies of a signal that did; returns the exit status.
fn failed(error: &Error) -> u8 {
    if let Error::Interrupted(signal) = error {
        signals::die_of(*signal);
    }
    complain(format!("kmill btf encode: {error}\n").as_bytes());
    1
}

#[derive(Debug)]
enum Parsed {
    /// What to encode, and whether to say how long that took.
    Run(Box<Request>, bool),
    /// The same for a directory.
    Modules(Box<modules::Request>, bool),
    Help,
}

/// Encodes modules; returns the exit status.
fn modules(request: modules::Request, time: bool) -> u8 {
    let mut phases = Phases::default();
    let progress = Progress::new("modules");
    let ended = modules::run(request, &|done, of| progress.show(done, of), &mut phases);
    progress.end();
    let status = match ended {
        Ok(summary) => {
            let mut lines = Vec::new();
            for error in &summary.failed {
                lines.extend_from_slice(format!("kmill btf encode: {error}\n").as_bytes());
            }
            complain(&lines);
            let Summary { written, nothing, failed } = &summary;
            let seconds = phases.total().as_secs_f64();
            let text = format!(
                "{written} encoded, {nothing} with nothing to encode, {} failed, in {seconds:.2} s\n",
                failed.len()
            );
            show("kmill btf encode", &text).max(u8::from(!failed.is_empty()))
        }
        Err(error) => failed(&error),
    };
    if time {
        complain(phases.to_string().as_bytes());
    }
    status
}

fn parse(args: &[OsString], posixly_correct: bool) -> Result<Parsed, String> {
    let program = OsStr::new("kmill btf encode");
    let entries = entries(&SECTIONS);
    let mut parser = Parser::new(program, &entries, args, posixly_correct);
    let (mut output, mut base, mut threads, mut time) = (None, None, None, false);
    let (mut directory, mut out_dir) = (None, None);
    let (mut in_place, mut manner) = (false, Manner::default());
    let (mut wanted, mut lang_exclude) = (Wanted::with_later(), Vec::new());
    for event in &mut parser {
        let (id, value) = match event {
            Event::Option { id, value, .. } => (id, value.unwrap_or_default()),
            Event::Error(text) => return Err(text.to_string_lossy().into_owned()),
        };
        match id {
            Id::Output => output = Some(PathBuf::from(value)),
            Id::InPlace => in_place = true,
            Id::DropSignature => manner.allowed.drop_signature = true,
            Id::FollowLinks => manner.allowed.follow_links = true,
            Id::NoSync => manner.flush = Flush::No,
            Id::Modules => directory = Some(PathBuf::from(value)),
            Id::OutDir => out_dir = Some(PathBuf::from(value)),
            Id::Base => base = Some(PathBuf::from(value)),
            Id::Features => {
                let mut bad = None;
                wanted.add_list(value.as_bytes(), |name| {
                    let known = name == b"default";
                    if !known {
                        bad = Some(String::from_utf8_lossy(name).into_owned());
                    }
                    known
                });
                if let Some(bad) = bad {
                    let known = [&SUPPORTED[..], &LATER[..]].concat().join(", ");
                    return complaint(&format!("no feature is called '{bad}'; there are {known}"));
                }
            }
            Id::LangExclude => match languages::parse(value.as_bytes()) {
                Ok(numbers) => lang_exclude.extend(numbers),
                Err(rest) => {
                    let name = rest.split(|byte| *byte == b',').next().unwrap_or_default();
                    let name = String::from_utf8_lossy(name);
                    return complaint(&format!("no language is called '{name}'"));
                }
            },
            Id::Threads => {
                match value.to_str().and_then(|text| text.parse::<NonZeroUsize>().ok()) {
                    Some(number) => threads = Some(number),
                    None => {
                        let value = value.display();
                        return complaint(&format!(
                            "--threads takes a number from 1, not '{value}'"
                        ));
                    }
                }
            }
            Id::Time => time = true,
            Id::Help => return Ok(Parsed::Help),
        }
    }
    let threads = threads.unwrap_or_else(padata::available_threads);
    if let Some(modules) = directory {
        let output = match (out_dir, in_place, output) {
            (Some(directory), false, None) if manner == Manner::default() => {
                modules::Output::Directory(directory)
            }
            (Some(_), false, None) => return complaint(NOT_IN_PLACE),
            (None, true, None) => modules::Output::InPlace(manner),
            _ => return complaint("with --modules, say either --out-dir DIR or --in-place"),
        };
        let Some(base) = base else {
            return complaint("with --modules, name the kernel's BTF: --base FILE");
        };
        if !parser.operands().is_empty() {
            return complaint("--modules and input files exclude each other");
        }
        let features = wanted.features;
        let request = modules::Request { modules, output, base, features, lang_exclude, threads };
        return Ok(Parsed::Modules(Box::new(request), time));
    }
    if out_dir.is_some() {
        return complaint("--out-dir is about --modules");
    }
    let output = match (output, in_place) {
        (Some(file), false) if manner == Manner::default() => Output::File(file),
        (Some(_), false) => return complaint(NOT_IN_PLACE),
        (None, true) => Output::InPlace(manner),
        (None, false) => {
            return complaint("say where the BTF goes: -o FILE, or --in-place");
        }
        (Some(_), true) => return complaint("-o and --in-place exclude each other"),
    };
    let [input] = parser.operands()[..] else {
        return complaint("name one input file, a vmlinux with debug info");
    };
    let request = Request {
        input: input.into(),
        output,
        base,
        features: wanted.features,
        lang_exclude,
        kabi_prefix: None,
        threads,
        jobserver: None,
    };
    Ok(Parsed::Run(Box::new(request), time))
}

const NOT_IN_PLACE: &str = "--drop-signature, --follow-links and --no-sync are about --in-place";

fn complaint(words: &str) -> Result<Parsed, String> {
    Err(format!("kmill btf encode: {words}; --help says more"))
}

/// What the texts for people say besides the options.
static COMMAND: Command<Id> = Command {
    name: "kmill-btf-encode",
    section: 1,
    summary: "make BTF of a kernel's debug info",
    synopsis: &[
        "[options] -o FILE INPUT",
        "[options] --in-place FILE",
        "[options] --base FILE --modules DIR --out-dir DIR",
        "[options] --base FILE --modules DIR --in-place",
    ],
    description: &[
        "Reads the DWARF debug info of an ELF file and writes the BTF that pahole 1.31 makes of \
         it.",
    ],
    sections: &SECTIONS,
    operands: Operands::Files,
    exits: &[
        ("0", "Success, or there is nothing to encode; then nothing is written."),
        (
            "1",
            "Failure; nothing is written, and a file is what it was. With --modules: some module \
             failed, and nothing is written of that one.",
        ),
    ],
    environment: &[],
    see_also: &[
        ("kmill-btf-dump", 1),
        ("kmill-btf-verify", 1),
        ("kmill-btf-diff", 1),
        ("pahole", 1),
    ],
};

/// The man page, in roff.
pub(super) fn man() -> String {
    man::page(&COMMAND)
}

/// Its part of the program's completion script.
pub(super) fn completion(shell: Shell) -> String {
    completions::member(shell, &PROGRAM, &COMMAND)
}

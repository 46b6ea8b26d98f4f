//! `kmill btf verify`: what the kernel would not take of a blob, and why.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;

use kmill_btf::verify::{Asked, MANY};

use super::files::{read, read_base};
use super::help::help;
use super::program::PROGRAM;
use crate::completions::{self, Shell};
use crate::getopt::{Event, Flag, Parser, Section, Value, entries};
use crate::man::{self, Command, Operands};
use crate::report::streams::{complain, show, show_all};

const NAME: &str = "kmill btf verify";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Base,
    Help,
}

static SECTIONS: [Section<Id>; 1] =
    [Section { heading: "Options:", abbreviable: true, flags: FLAGS }];

const FLAGS: &[Flag<Id>] = &[
    Flag::new(Id::Base, &["base"]).takes("FILE", Value::File).says(
        "the BTF that all of these go on behind",
        "What modules' BTF goes on behind: the BTF of their kernel, which is taken for right. A module \
         with a section .BTF.base needs none.",
    ),
    Flag::new(Id::Help, &["help"])
        .short(b'h')
        .says("show this help", "Print a summary of the options and exit."),
];

/// Runs with the arguments behind the command; returns the exit status.
pub(super) fn main(args: &[OsString]) -> u8 {
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    let Request { files, base } = match parse(args, posixly_correct) {
        Ok(Some(request)) => request,
        Ok(None) => return show(NAME, &help(&COMMAND)),
        Err(words) => {
            complain(format!("{words}\n").as_bytes());
            return 1;
        }
    };
    let base = match read_base(base.as_deref()) {
        Ok(base) => base,
        Err(words) => {
            complain(format!("{NAME}: {words}\n").as_bytes());
            return 1;
        }
    };
    let mut all_right = true;
    for file in files {
        let problems = match read(&file, base.as_ref()) {
            Ok(btf) => {
                // A base that was not named is the file's.
                let own = btf.base().filter(|_| base.is_none());
                let mut problems = own.map(|own| own.verify()).unwrap_or_default();
                problems.extend(btf.verify());
                problems.truncate(MANY);
                problems
            }
            Err(words) => {
                complain(format!("{NAME}: {words}\n").as_bytes());
                all_right = false;
                continue;
            }
        };
        all_right &= problems.is_empty();
        let shown = show_all(NAME, |out| {
            let file = file.display();
            for problem in &problems {
                let when = match problem.asked {
                    Asked::Always => "",
                    Asked::WhenLoaded => " (asked only of BTF that programs load)",
                };
                writeln!(out, "{file}: {problem}{when}")?;
            }
            match problems.len() {
                MANY => writeln!(out, "{file}: only the first {MANY} problems are listed"),
                _ => Ok(()),
            }
        });
        if !shown {
            return 1;
        }
    }
    u8::from(!all_right)
}

#[derive(Debug)]
struct Request {
    files: Vec<PathBuf>,
    base: Option<PathBuf>,
}

/// What is asked for; nothing when that is help.
fn parse(args: &[OsString], posixly_correct: bool) -> Result<Option<Request>, String> {
    let entries = entries(&SECTIONS);
    let mut parser = Parser::new(OsStr::new(NAME), &entries, args, posixly_correct);
    let mut base = None;
    for event in &mut parser {
        match event {
            Event::Option { id: Id::Base, value, .. } => base = value.map(PathBuf::from),
            Event::Option { id: Id::Help, .. } => return Ok(None),
            Event::Error(text) => return Err(text.to_string_lossy().into_owned()),
        }
    }
    let files: Vec<PathBuf> = parser.operands().into_iter().map(PathBuf::from).collect();
    if files.is_empty() {
        return Err(format!("{NAME}: name at least one file with BTF; --help says more"));
    }
    Ok(Some(Request { files, base }))
}

/// What the texts for people say besides the options.
static COMMAND: Command<Id> = Command {
    name: "kmill-btf-verify",
    section: 1,
    summary: "say what the kernel would not take of BTF",
    synopsis: &["[options] FILE..."],
    description: &[
        "Checks every type of each file as Linux 6.18 does, and goes on where the kernel stops. A \
         line on standard output says what is wrong with which type. Some of it the kernel asks \
         only of BTF that programs load, and not of its own or its modules'; such a line says so.",
        "A file is an ELF file with BTF, as a kernel and its modules are, or holds BTF alone. \
         The section .BTF.base, if there is one, is the base of its BTF, and checked with it.",
    ],
    sections: &SECTIONS,
    operands: Operands::Files,
    exits: &[
        ("0", "The kernel would take all of it."),
        ("1", "It would not, or a file has no BTF that can be read."),
    ],
    environment: &[],
    see_also: &[("kmill-btf-dump", 1), ("kmill-btf-diff", 1)],
};

/// The man page, in roff.
pub(super) fn man() -> String {
    man::page(&COMMAND)
}

/// Its part of the program's completion script.
pub(super) fn completion(shell: Shell) -> String {
    completions::member(shell, &PROGRAM, &COMMAND)
}

//! `kmill btf diff`: what two blobs say differently, in words and by name, whatever ids they have.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;

use kmill_btf::diff::diff;

use super::files::{read, read_base};
use super::help::help;
use super::program::PROGRAM;
use crate::completions::{self, Shell};
use crate::getopt::{Event, Flag, Parser, Section, Value, entries};
use crate::man::{self, Command, Operands};
use crate::report::streams::{complain, show_all};

const NAME: &str = "kmill btf diff";

/// The exit statuses of `diff`.
const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Base,
    BaseA,
    BaseB,
    Help,
}

static SECTIONS: [Section<Id>; 1] =
    [Section { heading: "Options:", abbreviable: true, flags: FLAGS }];

const FLAGS: &[Flag<Id>] = &[
    Flag::new(Id::Base, &["base"]).takes("FILE", Value::File).says(
        "the BTF that both go on behind",
        "What both go on behind, if they are modules of one kernel: its BTF. Only their own types \
         are compared.",
    ),
    Flag::new(Id::BaseA, &["base-a"])
        .takes("FILE", Value::File)
        .says("the BTF that A goes on behind", "What the first file's BTF goes on behind."),
    Flag::new(Id::BaseB, &["base-b"])
        .takes("FILE", Value::File)
        .says("the BTF that B goes on behind", "What the second file's BTF goes on behind."),
    Flag::new(Id::Help, &["help"])
        .short(b'h')
        .says("show this help", "Print a summary of the options and exit."),
];

/// Runs with the arguments behind the command; returns the exit status.
pub(super) fn main(args: &[OsString]) -> u8 {
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    let request = match parse(args, posixly_correct) {
        Ok(Some(request)) => request,
        Ok(None) => {
            let shown = show_all(NAME, |out| out.write_all(help(&COMMAND).as_bytes()));
            return if shown { 0 } else { TROUBLE };
        }
        Err(words) => {
            complain(format!("{words}\n").as_bytes());
            return TROUBLE;
        }
    };
    let differences = match compare(&request) {
        Ok(differences) => differences,
        Err(words) => {
            complain(format!("{NAME}: {words}\n").as_bytes());
            return TROUBLE;
        }
    };
    let shown = show_all(NAME, |out| {
        differences.iter().try_for_each(|difference| writeln!(out, "{difference}"))
    });
    match (shown, differences.is_empty()) {
        (false, _) => TROUBLE,
        (true, true) => 0,
        (true, false) => DIFFERENT,
    }
}

fn compare(request: &Request) -> Result<Vec<kmill_btf::diff::Difference>, String> {
    let Request { files: [a, b], bases: [base_a, base_b] } = request;
    let base_of_a = read_base(base_a.as_deref())?;
    // A kernel's BTF need not be read twice.
    let base_of_b =
        if base_a == base_b { base_of_a.clone() } else { read_base(base_b.as_deref())? };
    let (a, b) = (read(a, base_of_a.as_ref())?, read(b, base_of_b.as_ref())?);
    Ok(diff(&a, &b))
}

#[derive(Debug)]
struct Request {
    files: [PathBuf; 2],
    bases: [Option<PathBuf>; 2],
}

/// What is asked for; nothing when that is help.
fn parse(args: &[OsString], posixly_correct: bool) -> Result<Option<Request>, String> {
    let entries = entries(&SECTIONS);
    let mut parser = Parser::new(OsStr::new(NAME), &entries, args, posixly_correct);
    let [mut base, mut base_a, mut base_b] = [None, None, None];
    for event in &mut parser {
        match event {
            Event::Option { id: Id::Base, value, .. } => base = value.map(PathBuf::from),
            Event::Option { id: Id::BaseA, value, .. } => base_a = value.map(PathBuf::from),
            Event::Option { id: Id::BaseB, value, .. } => base_b = value.map(PathBuf::from),
            Event::Option { id: Id::Help, .. } => return Ok(None),
            Event::Error(text) => return Err(text.to_string_lossy().into_owned()),
        }
    }
    match parser.operands()[..] {
        [a, b] => {
            let bases = [base_a.or_else(|| base.clone()), base_b.or(base)];
            Ok(Some(Request { files: [a.into(), b.into()], bases }))
        }
        _ => Err(format!("{NAME}: name two files with BTF; --help says more")),
    }
}

/// What the texts for people say besides the options.
static COMMAND: Command<Id> = Command {
    name: "kmill-btf-diff",
    section: 1,
    summary: "say what two BTF files have differently",
    synopsis: &["[options] A B"],
    description: &[
        "Compares what two files say about types, and prints every difference in words: structures \
         and unions, enumerations, typedefs, functions, variables, sections and tags by name, and \
         what is in them part by part. Ids and the order of types do not count.",
        "A file is an ELF file with BTF, as a kernel and its modules are, or holds BTF alone.",
    ],
    sections: &SECTIONS,
    operands: Operands::Files,
    exits: &[
        ("0", "They say the same."),
        ("1", "They differ."),
        ("2", "One has no BTF that can be read, or the result could not be shown."),
    ],
    environment: &[],
    see_also: &[("kmill-btf-dump", 1), ("kmill-btf-verify", 1), ("diff", 1)],
};

/// The man page, in roff.
pub(super) fn man() -> String {
    man::page(&COMMAND)
}

/// Its part of the program's completion script.
pub(super) fn completion(shell: Shell) -> String {
    completions::member(shell, &PROGRAM, &COMMAND)
}

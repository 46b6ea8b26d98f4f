//! `kmill btf dump`: every type of a blob, as text or JSON, in the words of `bpftool btf dump file`.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;

use super::files::{read, read_base};
use super::help::help;
use super::program::PROGRAM;
use crate::completions::{self, Shell};
use crate::getopt::{Event, Flag, Parser, Section, Value, entries};
use crate::man::{self, Command, Operands};
use crate::report::streams::{complain, show, show_all};

const NAME: &str = "kmill btf dump";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Json,
    Base,
    Help,
}

static SECTIONS: [Section<Id>; 1] =
    [Section { heading: "Options:", abbreviable: true, flags: FLAGS }];

const FLAGS: &[Flag<Id>] = &[
    Flag::new(Id::Json, &["json"]).short(b'j').says(
        "write JSON",
        "Write one JSON object on one line, as \"bpftool -j btf dump file\" does.",
    ),
    Flag::new(Id::Base, &["base"]).takes("FILE", Value::File).says(
        "the BTF that this one goes on behind",
        "What a module's BTF goes on behind: the BTF of its kernel. It is not shown itself. A module \
         with a section .BTF.base needs none.",
    ),
    Flag::new(Id::Help, &["help"])
        .short(b'h')
        .says("show this help", "Print a summary of the options and exit."),
];

/// Runs with the arguments behind the command; returns the exit status.
pub(super) fn main(args: &[OsString]) -> u8 {
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    let Request { file, base, json } = match parse(args, posixly_correct) {
        Ok(Some(request)) => request,
        Ok(None) => return show(NAME, &help(&COMMAND)),
        Err(words) => {
            complain(format!("{words}\n").as_bytes());
            return 1;
        }
    };
    let btf = read_base(base.as_deref()).and_then(|base| read(&file, base.as_ref()));
    let btf = match btf {
        Ok(btf) => btf,
        Err(words) => {
            complain(format!("{NAME}: {words}\n").as_bytes());
            return 1;
        }
    };
    let shown = show_all(NAME, |out| match json {
        true => btf.dump_json(out).and_then(|()| out.write_all(b"\n")),
        false => btf.dump(out),
    });
    u8::from(!shown)
}

#[derive(Debug)]
struct Request {
    file: PathBuf,
    base: Option<PathBuf>,
    json: bool,
}

/// What is asked for; nothing when that is help.
fn parse(args: &[OsString], posixly_correct: bool) -> Result<Option<Request>, String> {
    let entries = entries(&SECTIONS);
    let mut parser = Parser::new(OsStr::new(NAME), &entries, args, posixly_correct);
    let (mut base, mut json) = (None, false);
    for event in &mut parser {
        match event {
            Event::Option { id: Id::Json, .. } => json = true,
            Event::Option { id: Id::Base, value, .. } => base = value.map(PathBuf::from),
            Event::Option { id: Id::Help, .. } => return Ok(None),
            Event::Error(text) => return Err(text.to_string_lossy().into_owned()),
        }
    }
    match parser.operands()[..] {
        [file] => Ok(Some(Request { file: file.into(), base, json })),
        _ => Err(format!("{NAME}: name one file with BTF; --help says more")),
    }
}

/// What the texts for people say besides the options.
static COMMAND: Command<Id> = Command {
    name: "kmill-btf-dump",
    section: 1,
    summary: "show every type of a BTF file",
    synopsis: &["[options] FILE"],
    description: &[
        "Writes every type of a file to standard output, one per line and a line for each member, \
         value and parameter, in the words of \"bpftool btf dump file\".",
        "The file is an ELF file with BTF, as a kernel and its modules are, or holds BTF alone.",
    ],
    sections: &SECTIONS,
    operands: Operands::Files,
    exits: &[("0", "Success."), ("1", "The file has no BTF, or it could not be shown.")],
    environment: &[],
    see_also: &[("kmill-btf-verify", 1), ("kmill-btf-diff", 1), ("bpftool-btf", 8)],
};

/// The man page, in roff.
pub(super) fn man() -> String {
    man::page(&COMMAND)
}

/// Its part of the program's completion script.
pub(super) fn completion(shell: Shell) -> String {
    completions::member(shell, &PROGRAM, &COMMAND)
}

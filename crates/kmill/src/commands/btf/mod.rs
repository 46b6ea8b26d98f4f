//! `kmill btf`: making BTF, and looking at it.

mod diff;
mod dump;
mod encode;
mod files;
mod help;
mod program;
mod verify;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::completions::{self, Shell};
use crate::report::streams::{complain, show};

const USAGE: &str = "\
usage: kmill btf COMMAND [arguments]

  encode   make BTF of a kernel's debug info
  dump     show every type
  verify   say what the kernel would not take, and why
  diff     say what two files have differently, by name

  kmill btf COMMAND --help says more.
";

/// Runs one of the commands; returns the exit status.
pub(crate) fn main(args: &[OsString]) -> u8 {
    let Some((command, rest)) = args.split_first() else {
        complain(USAGE.as_bytes());
        return 1;
    };
    match command.as_bytes() {
        b"encode" => encode::main(rest),
        b"dump" => dump::main(rest),
        b"verify" => verify::main(rest),
        b"diff" => diff::main(rest),
        b"-h" | b"--help" | b"help" => show("kmill btf", USAGE),
        _ => {
            let text = format!("kmill btf: there is no command {}\n\n{USAGE}", command.display());
            complain(text.as_bytes());
            1
        }
    }
}

/// The man page of one of the commands, in roff.
pub(crate) fn man(command: &str) -> Option<String> {
    Some(match command {
        "encode" => encode::man(),
        "dump" => dump::man(),
        "verify" => verify::man(),
        "diff" => diff::man(),
        _ => return None,
    })
}

/// The completion script of kmill.
pub(crate) fn completion(shell: Shell) -> String {
    let members = [encode::completion, dump::completion, verify::completion, diff::completion];
    let members: String = members.iter().map(|member| member(shell)).collect();
    completions::program(shell, &program::PROGRAM, &members)
}

//! `kmill btf`: making BTF.

mod encode;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::report::streams::{complain, show};

pub(crate) use encode::man as encode_man;

const USAGE: &str = "\
usage: kmill btf COMMAND [arguments]

  encode   make BTF of a kernel's debug info

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
        b"-h" | b"--help" | b"help" => show("kmill btf", USAGE),
        _ => {
            let text = format!("kmill btf: there is no command {}\n\n{USAGE}", command.display());
            complain(text.as_bytes());
            1
        }
    }
}

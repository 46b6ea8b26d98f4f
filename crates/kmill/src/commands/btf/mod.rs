//! `kmill btf`: making BTF.

mod encode;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

pub(crate) use encode::man as encode_man;

const USAGE: &str = "\
usage: kmill btf COMMAND [arguments]

  encode   make BTF of a kernel's debug info

  kmill btf COMMAND --help says more.
";

/// Runs one of the commands; returns the exit status.
pub(crate) fn main(args: &[OsString]) -> u8 {
    let Some((command, rest)) = args.split_first() else { return complain(USAGE) };
    match command.as_bytes() {
        b"encode" => encode::main(rest),
        b"-h" | b"--help" | b"help" => {
            u8::from(std::io::stdout().write_all(USAGE.as_bytes()).is_err())
        }
        _ => complain(&format!("kmill btf: there is no command {}\n\n{USAGE}", command.display())),
    }
}

/// On standard error; returns the status of a failure.
fn complain(text: &str) -> u8 {
    let _ = std::io::stderr().write_all(text.as_bytes());
    1
}

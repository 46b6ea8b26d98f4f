//! kmill: finishes Linux kernels on all cores. This file only finds out which tool
//! it is to be.

mod applets;
mod blob;
mod bytes;
mod commands;
mod completions;
mod encode;
mod getopt;
mod man;
mod report;
mod signals;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use applets::{depmod, pahole};
use commands::{btf, demo, generate};

const USAGE: &str = "\
kmill finishes Linux kernels on all cores.

usage: kmill COMMAND [arguments]

  depmod     index a kernel's modules, with the command line of kmod's depmod
             (also when kmill is called by that name)
  pahole     turn a kernel's debug info into BTF, with the command line of pahole
             (also when kmill is called by that name)
  btf        make BTF, show it, check it, compare it
  demo       index a kernel, or a sample, and show the result beside kmod's
  generate   print the man page or a shell's completions

  kmill COMMAND --help says more; kmill --version says which release this is.
";

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_else(|| OsString::from("kmill"));
    let args: Vec<OsString> = args.collect();
    let called = program.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let status = match (called, args.split_first()) {
        (b"depmod", _) => depmod::main(&program, &args),
        (b"pahole", _) => pahole::main(&program, &args),
        (_, Some((command, rest))) => match command.as_bytes() {
            b"depmod" => depmod::main(OsStr::new("depmod"), rest),
            b"pahole" => pahole::main(OsStr::new("pahole"), rest),
            b"btf" => btf::main(rest),
            b"demo" => demo::main(rest),
            b"generate" => generate::main(rest),
            b"-h" | b"--help" | b"help" => print(&mut std::io::stdout(), USAGE, 0),
            b"-V" | b"--version" => {
                let version = format!("kmill {}\n", env!("CARGO_PKG_VERSION"));
                print(&mut std::io::stdout(), &version, 0)
            }
            _ => {
                let text = format!("kmill: there is no command {}\n\n{USAGE}", command.display());
                print(&mut std::io::stderr(), &text, 1)
            }
        },
        (_, None) => print(&mut std::io::stderr(), USAGE, 1),
    };
    ExitCode::from(status)
}

/// Prints, and returns the status that a success has, or that of a failure.
fn print(out: &mut impl Write, text: &str, status: u8) -> u8 {
    match out.write_all(text.as_bytes()) {
        Ok(()) => status,
        Err(_) => 1,
    }
}

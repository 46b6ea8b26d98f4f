//! kmill: finishes Linux kernels on all cores. This file only finds out which tool
//! it is to be.

mod applets;
mod completions;
mod getopt;
mod man;
mod signals;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use applets::depmod;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_else(|| OsString::from("kmill"));
    let args: Vec<OsString> = args.collect();
    let called = program.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let status = match (called, args.split_first()) {
        (b"depmod", _) => depmod::main(&program, &args),
        (_, Some((command, rest))) if command == "depmod" => {
            depmod::main(OsStr::new("depmod"), rest)
        }
        _ => 1,
    };
    ExitCode::from(status)
}

//! `cargo xtask`: see the library for the tasks.
use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::main(std::env::args_os().skip(1))
}

//! Runs programs and turns their failure into an error that shows the command.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::error::Context;
use crate::error::Result;

/// A command line, for messages.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Runs a command whose output the user sees; anything but success is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().context(|| shown(command))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{} failed: {status}", shown(command)).into())
}

/// Runs a command and returns its output; its stderr is part of the error.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().context(|| shown(command))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed: {}\n{}", shown(command), output.status, said.trim_end()).into())
}

/// Whether a program is in PATH.
pub fn exists(program: &str) -> bool {
    find(program).is_some()
}

/// Where a program is: in PATH, or where system tools are, which PATH may not name.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin".into(), "/sbin".into()];
    let mut places = std::env::split_paths(&path).chain(system).map(|dir| dir.join(program));
    places.find(|file| file.is_file())
}

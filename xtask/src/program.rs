//! Builds the program under test and says where it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::command;

/// How to build it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(repository());
    command
}

/// The root of the repository this was built from.
pub(crate) fn repository() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Builds `kmill`; returns its path.
pub(crate) fn kmill(profile: Profile) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--quiet", "-p", "kmill"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    command::output(&mut build)?;
    let dir = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    let program = target_directory()?.join(dir).join("kmill");
    if !program.is_file() {
        return Err(format!("cargo build left no {}", program.display()).into());
    }
    Ok(program)
}

/// Where cargo puts what it builds: the environment and the configuration have a say.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]);
    let output = command::output(&mut metadata)?;
    let text = String::from_utf8_lossy(&output);
    let value = text
        .split_once("\"target_directory\":\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(value.0))
}

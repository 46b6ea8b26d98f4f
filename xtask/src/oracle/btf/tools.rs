//! The two encoders: how each is run on a file, and what may be believed of what it leaves.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::args::Matches;
use crate::command;
use crate::error::Context;
use crate::files;
use crate::program::{self, Profile};

/// The version that ours equals.
const VERSION: &str = "v1.31";

/// The reference says so on standard error when it gives up, and may still leave a file.
const ABORTS: [&str; 5] = [
    "error decoding cu",
    "Error while encoding BTF",
    "Error creating BTF encoder",
    "Failed to encode BTF",
    "failed to add .BTF",
];

/// The reference and ours.
pub(super) struct Tools {
    pub(super) reference: PathBuf,
    /// What the reference says that it is.
    pub(super) version: String,
    pub(super) ours: PathBuf,
    /// Holds a copy of our program under the name `pahole`: a build in the meantime must not change
    /// what is under test.
    _names: tempfile::TempDir,
}

/// What one run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A file.
    Blob(Vec<u8>),
    /// No file that may be believed; the words say why.
    Nothing(String),
    /// It failed.
    Failed(String),
}

impl Tools {
    pub(super) fn find(matches: &Matches) -> Result<Tools> {
        let reference = match matches.value("--reference") {
            Some(path) => std::path::absolute(path)?,
            None => command::find("pahole")
                .ok_or("no pahole in PATH: build dwarves v1.31, and --reference PATH")?,
        };
        let version = command::output(Command::new(&reference).arg("--version"))?;
        let version = String::from_utf8_lossy(&version).trim_end().to_owned();
        if version != VERSION {
            let path = reference.display();
            return Err(format!("{path} is pahole {version}; the reference is {VERSION}").into());
        }
        let names = tempfile::tempdir()?;
        let ours = names.path().join("pahole");
        let program = program::kmill(Profile::Release)?;
        fs::copy(&program, &ours).context(|| format!("copying {}", program.display()))?;
        Ok(Tools { reference, version, ours, _names: names })
    }

    /// Encodes `input` with the reference, into `output`.
    pub(super) fn reference(
        &self,
        args: &[OsString],
        input: &Path,
        output: &Path,
    ) -> Result<Outcome> {
        encode(&self.reference, args, input, output)
    }

    /// The same with ours.
    pub(super) fn ours(
        &self,
        args: &[OsString],
        threads: usize,
        input: &Path,
        output: &Path,
    ) -> Result<Outcome> {
        let args = [args, &[format!("-j{threads}").into()]].concat();
        encode(&self.ours, &args, input, output)
    }

    /// Encodes a file in place with the reference, which runs this objcopy. The result says why there
    /// is nothing to believe in the file.
    pub(super) fn reference_in_place(
        &self,
        args: &[OsString],
        objcopy: &Path,
        file: &Path,
    ) -> Result<Option<String>> {
        let mut command = Command::new(&self.reference);
        command.arg("-J").args(args).arg(file);
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        let done = command.env("LLVM_OBJCOPY", objcopy).output();
        let done = done.context(|| command::shown(&command))?;
        let said = String::from_utf8_lossy(&done.stderr);
        let aborted = ABORTS.iter().any(|abort| said.contains(abort));
        Ok((aborted || !done.status.success()).then(|| said.trim_end().to_owned()))
    }
}

fn encode(tool: &Path, args: &[OsString], input: &Path, output: &Path) -> Result<Outcome> {
    // pahole does not truncate what is there.
    match fs::remove_file(output) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("removing {}: {error}", output.display()).into());
        }
        _ => files::create_parent(output)?,
    }
    let mut detached = OsString::from("--btf_encode_detached=");
    detached.push(output);
    let mut command = Command::new(tool);
    command.arg("-J").args(args).arg(detached).arg(input);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    let done = command.output().context(|| command::shown(&command))?;
    let said = String::from_utf8_lossy(&done.stderr).trim_end().to_owned();
    if !done.status.success() {
        return Ok(Outcome::Failed(format!("{}: {said}", done.status)));
    }
    if let Some(line) = said.lines().find(|line| ABORTS.iter().any(|abort| line.contains(abort))) {
        return Ok(Outcome::Nothing(line.to_owned()));
    }
    match fs::read(output) {
        Ok(blob) => Ok(Outcome::Blob(blob)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Outcome::Nothing(said)),
        Err(error) => Err(error.into()),
    }
}

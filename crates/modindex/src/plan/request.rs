//! What is asked of a run.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Which modules to index.
#[derive(Clone, Debug)]
pub enum Select {
    /// All below the tree, and what depmod.d adds; with other files or
    /// directories than the default ones for depmod.d, if given.
    All {
        /// `-C`
        configs: Option<Vec<PathBuf>>,
    },
    /// These files alone; depmod.d is not read.
    Files(Vec<OsString>),
}

/// Where the kernel's own symbols are listed.
#[derive(Clone, Debug)]
pub enum KernelSymbolFile {
    /// `Module.symvers`, with CRCs.
    Symvers(PathBuf),
    /// `System.map`
    SystemMap(PathBuf),
}

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The kernel's release.
    pub version: OsString,
    /// Directory of the tree, `…/lib/modules/VERSION`.
    pub tree: PathBuf,
    /// Directory that the files go to; the same, unless others are asked for.
    pub output: PathBuf,
    /// Which modules.
    pub select: Select,
    /// The kernel's own symbols, if they are to be checked.
    pub kernel_symbols: Option<KernelSymbolFile>,
    /// Report symbols that nothing provides, and CRCs that differ.
    pub report_unresolved: bool,
    /// A character that symbols of this architecture are prefixed with.
    pub symbol_prefix: Option<u8>,
    /// Say each new dependency ([`Diagnostic::Needs`]).
    pub say_dependencies: bool,
    /// Warn of an alias that one module has twice.
    pub warn_duplicates: bool,
}

impl Request {
    /// CRCs are compared only when both the list has them and someone wants to know.
    pub(crate) fn wants_crcs(&self) -> bool {
        self.report_unresolved && matches!(self.kernel_symbols, Some(KernelSymbolFile::Symvers(_)))
    }
}

/// A path as the environment gives it, made absolute with the working directory
/// as the shell names it: `$PWD` where that is true, as get_current_dir_name(3).
///
/// # Errors
/// There is no working directory.
pub fn absolute(path: &std::ffi::OsStr) -> std::io::Result<PathBuf> {
    if path.as_bytes().starts_with(b"/") {
        return Ok(PathBuf::from(path));
    }
    let here = rustix::fs::stat(".");
    let shell = std::env::var_os("PWD").filter(|pwd| {
        pwd.as_bytes().starts_with(b"/")
            && rustix::fs::stat(pwd.as_os_str()).is_ok_and(|shell| {
                here.is_ok_and(|here| (shell.st_dev, shell.st_ino) == (here.st_dev, here.st_ino))
            })
    });
    let cwd = match shell {
        Some(pwd) => pwd,
        None => std::env::current_dir()?.into_os_string(),
    };
    // Joined by hand: the path's own bytes stay as they are.
    let mut joined = cwd.into_vec();
    joined.push(b'/');
    joined.extend_from_slice(path.as_bytes());
    Ok(PathBuf::from(OsString::from_vec(joined)))
}

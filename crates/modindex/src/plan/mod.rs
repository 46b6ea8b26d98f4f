//! Phase 1, plan: which modules there are, in which order, and what stands
//! beside them. Lists directories and reads small text files; no module is opened.

mod choose;
pub mod config;
mod discover;
pub mod kernel_symbols;
mod kver;
pub(crate) mod order;

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use self::choose::Ranking;
use self::config::{Changed, Config};
use self::discover::Found;
use self::kernel_symbols::KernelSymbols;
use crate::diagnostic::{Diagnostic, Log, path_bytes};
use crate::error::Error;

/// Modules are numbered with 16 bits in the index (kmod: `uint16_t`, one value short).
const MODULES_MAX: usize = u16::MAX as usize;

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

/// One module file.
#[derive(Clone, Debug)]
pub struct ModuleFile {
    /// The module's name: the file's up to the first dot, with underscores.
    pub name: Box<[u8]>,
    /// Absolute path.
    pub path: Box<[u8]>,
    /// Where in `path` that below the tree starts; None outside of the tree.
    relative: Option<usize>,
    /// Size of the file in bytes, 0 if it was not asked: what it weighs when modules
    /// are shared out.
    pub bytes: u64,
}

impl ModuleFile {
    fn new(path: Box<[u8]>, relative: Option<usize>) -> Self {
        let name = module_name(base_name(&path));
        ModuleFile { name, path, relative, bytes: 0 }
    }

    /// Below the tree, if it lies there.
    pub fn relative(&self) -> Option<&[u8]> {
        self.relative.map(|start| &self.path[start..])
    }

    /// The path that the index names: below the tree, or absolute.
    pub fn index_path(&self) -> &[u8] {
        self.relative().unwrap_or(&self.path)
    }

    /// What modules.order calls it: the path without the compression's suffix.
    pub(crate) fn order_key(&self) -> Option<&[u8]> {
        let relative = self.relative()?;
        let base = relative.len() - base_name(relative).len();
        Some(&relative[..(base + self.name.len() + b".ko".len()).min(relative.len())])
    }
}

/// What a run works on.
#[derive(Debug)]
pub struct Plan {
    /// The request it was made from.
    pub request: Request,
    /// In the order of the index; a module's place is its [`ModuleId`](crate::ModuleId).
    pub modules: Vec<ModuleFile>,
    /// The kernel's own symbols, if asked for.
    pub kernel_symbols: KernelSymbols,
    /// The directory of the tree, or why it could not be opened.
    pub(crate) dir: Result<OwnedFd, Errno>,
    /// The newest change of what depmod.d was read from.
    pub(crate) config_changed: Option<Changed>,
}

impl Plan {
    /// Finds out what there is to do.
    ///
    /// # Errors
    /// The tree cannot be listed, a given file does not exist, or there are too
    /// many modules.
    pub fn new(request: Request, log: &mut Log<'_>) -> Result<Plan, Error> {
        let kernel_symbols = match &request.kernel_symbols {
            Some(file) => KernelSymbols::load(file, request.symbol_prefix, log)?,
            None => KernelSymbols::default(),
        };
        if request.report_unresolved && request.kernel_symbols.is_none() {
            log(Diagnostic::NeedsKernelSymbols);
        }
        let request = Request {
            report_unresolved: request.report_unresolved && request.kernel_symbols.is_some(),
            ..request
        };
        let dir = discover::open_dir(&request.tree);
        let mut config_changed = None;
        let mut modules = match &request.select {
            Select::All { configs } => {
                let version = request.version.as_bytes();
                let config = Config::load(configs.as_deref(), version, log);
                config_changed = config.changed;
                search(&request.tree, &dir, &config, log)?
            }
            Select::Files(files) => given(&request.tree, files)?,
        };
        if modules.len() >= MODULES_MAX {
            return Err(Error::TooManyModules { errno: Errno::RANGE });
        }
        let order = read_beside(&request.tree, &dir, "modules.order", log);
        if let Err(order::Corrupt(line)) = order::sort(&mut modules, order.as_deref()) {
            log(Diagnostic::OrderCorrupt { dir: path_bytes(&request.tree), line });
        }
        Ok(Plan { request, modules, kernel_symbols, dir, config_changed })
    }

    /// Opens a module's file.
    pub(crate) fn open(&self, module: &ModuleFile) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        match (&self.dir, module.relative()) {
            // Below a directory that is open the kernel has less to look up.
            (Ok(dir), Some(relative)) => rustix::fs::openat(dir, relative, flags, Mode::empty()),
            _ => rustix::fs::open(&*module.path, flags, Mode::empty()),
        }
    }

    /// When a module's file changed; None if it is not there any more.
    pub(crate) fn changed(&self, module: &ModuleFile) -> Option<Changed> {
        let stat = match (&self.dir, module.relative()) {
            (Ok(dir), Some(relative)) => {
                rustix::fs::statat(dir, relative, rustix::fs::AtFlags::empty())
            }
            _ => rustix::fs::stat(&*module.path),
        };
        stat.ok().map(|stat| Changed::of(&stat))
    }

    /// The text of a file beside the modules, or None, with a warning.
    pub(crate) fn read_beside(&self, name: &'static str, log: &mut Log<'_>) -> Option<Vec<u8>> {
        read_beside(&self.request.tree, &self.dir, name, log)
    }
}

fn read_beside(
    tree: &Path,
    dir: &Result<OwnedFd, Errno>,
    name: &'static str,
    log: &mut Log<'_>,
) -> Option<Vec<u8>> {
    let dir = match dir {
        Ok(dir) => dir.as_fd(),
        Err(errno) => {
            log(Diagnostic::TreeMissing { dir: path_bytes(tree), errno: *errno });
            return None;
        }
    };
    let file = rustix::fs::openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    match file.and_then(config::read_all) {
        Ok(text) => Some(text),
        Err(errno) => {
            log(Diagnostic::InputMissing { name, dir: path_bytes(tree), errno });
            None
        }
    }
}

/// All modules below the tree and the external directories, the best of each name.
fn search(
    tree: &Path,
    dir: &Result<OwnedFd, Errno>,
    config: &Config,
    log: &mut Log<'_>,
) -> Result<Vec<ModuleFile>, Error> {
    let mut files = Vec::new();
    let root = dir.as_ref().map_err(|errno| *errno);
    match root.and_then(|dir| rustix::io::fcntl_dupfd_cloexec(dir, 0)) {
        Ok(root) => {
            let found = discover::walk(root, tree, &config.excludes, log);
            files.extend(found.into_iter().map(|found| module_at(tree, tree, found)));
        }
        Err(errno) => {
            log(Diagnostic::OpenDir { path: path_bytes(tree), errno });
            return Err(Error::Search { errno });
        }
    }
    for external in config.externals.iter().rev() {
        let path = Path::new(std::ffi::OsStr::from_bytes(external));
        match discover::open_dir(path) {
            Ok(root) => {
                let found = discover::walk(root, path, &config.excludes, log);
                files.extend(found.into_iter().map(|found| module_at(path, tree, found)));
            }
            Err(errno) => log(Diagnostic::OpenDir { path: external.clone(), errno }),
        }
    }
    let ranking = Ranking::new(config);
    let mut best: HashMap<Box<[u8]>, usize> = HashMap::with_capacity(files.len());
    let mut winners: Vec<ModuleFile> = Vec::with_capacity(files.len());
    for file in files {
        let Some(&at) = best.get(&file.name) else {
            best.insert(file.name.clone(), winners.len());
            winners.push(file);
            continue;
        };
        let rank = |file: &ModuleFile| ranking.rank(&file.path, file.relative(), file.name.len());
        let (new, old) = (rank(&file), rank(&winners[at]));
        if new > old || (new == old && file.path < winners[at].path) {
            winners[at] = file;
        }
    }
    Ok(winners)
}

fn module_at(root: &Path, tree: &Path, found: Found) -> ModuleFile {
    let path = [root.as_os_str().as_bytes(), b"/", &found.path].concat().into_boxed_slice();
    let relative = below(tree, &path);
    ModuleFile { bytes: found.bytes.unwrap_or(0), ..ModuleFile::new(path, relative) }
}

/// The files of the command line.
fn given(tree: &Path, files: &[OsString]) -> Result<Vec<ModuleFile>, Error> {
    let mut modules: Vec<ModuleFile> = Vec::new();
    let mut names: HashMap<Box<[u8]>, usize> = HashMap::new();
    for file in files {
        let path: Box<[u8]> = file.as_bytes().into();
        if !path.starts_with(b"/") {
            return Err(Error::NotAbsolute { path });
        }
        let stat = rustix::fs::stat(&*path)
            .map_err(|errno| Error::CreateModule { path: path.clone(), errno })?;
        let relative = below(tree, &path);
        let module =
            ModuleFile { bytes: stat.st_size as u64, ..ModuleFile::new(path.clone(), relative) };
        if base_name(&path).is_empty() {
            return Err(Error::CreateModule { path, errno: Errno::NOENT });
        }
        match names.insert(module.name.clone(), modules.len()) {
            None => modules.push(module),
            Some(old) if modules[old].path == path => {
                return Err(Error::AddModule { path, name: module.name });
            }
            Some(old) => {
                let old = modules[old].path.clone();
                return Err(Error::SameName { path, old, name: module.name });
            }
        }
    }
    Ok(modules)
}

/// Where in `path` that below `tree` starts.
fn below(tree: &Path, path: &[u8]) -> Option<usize> {
    let rest = path.strip_prefix(tree.as_os_str().as_bytes())?;
    rest.starts_with(b"/").then_some(path.len() - rest.len() + 1)
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// The name of the module in a file of that name.
pub(crate) fn module_name(file: &[u8]) -> Box<[u8]> {
    file.iter()
        .take_while(|byte| **byte != b'.')
        .map(|byte| if *byte == b'-' { b'_' } else { *byte })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_the_first_dot() {
        assert_eq!(&*module_name(b"snd-hda.ko.xz"), b"snd_hda");
        assert_eq!(&*module_name(b"a.b-c.ko"), b"a");
    }

    #[test]
    fn order_key_drops_the_compression() {
        let tree = Path::new("/lib/modules/6.1");
        let key = |path: &str| {
            let path = path.as_bytes();
            let module = ModuleFile::new(path.into(), below(tree, path));
            module.order_key().map(|key| String::from_utf8(key.to_vec()).unwrap())
        };
        assert_eq!(key("/lib/modules/6.1/kernel/a-b.ko.xz").unwrap(), "kernel/a-b.ko");
        assert_eq!(key("/lib/modules/6.1/a.ko").unwrap(), "a.ko");
        // A dotted name is cut as kmod cuts it: by the length of the module's name.
        assert_eq!(key("/lib/modules/6.1/k/a.b.ko").unwrap(), "k/a.b.");
        assert_eq!(key("/lib/modules/6.1-foo/a.ko"), None);
    }
}

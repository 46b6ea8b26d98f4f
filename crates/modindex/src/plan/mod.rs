//! Phase 1, plan: which modules there are, in which order, and what stands
//! beside them. Lists directories and reads small text files; no module is opened.

mod choose;
pub mod config;
mod discover;
pub mod kernel_symbols;
mod kver;
pub(crate) mod module_file;
pub(crate) mod order;
mod request;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use self::choose::Ranking;
use self::config::{Changed, Config};
use self::kernel_symbols::KernelSymbols;
pub use self::module_file::ModuleFile;
use self::module_file::base_name;
pub use self::request::{KernelSymbolFile, Request, Select, absolute};
use crate::diagnostic::{Diagnostic, Log, path_bytes};
use crate::error::Error;

/// Modules are numbered with 16 bits in the index (kmod: `uint16_t`, one value short).
const MODULES_MAX: usize = u16::MAX as usize;

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
        let order = match &dir {
            Ok(dir) => read_in(&request.tree, dir.as_fd(), "modules.order", log),
            Err(errno) => {
                log(Diagnostic::TreeMissing { dir: path_bytes(&request.tree), errno: *errno });
                None
            }
        };
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
            (Ok(dir), Some(relative)) if !relative.starts_with(b"/") => {
                rustix::fs::openat(dir, relative, flags, Mode::empty())
            }
            // Outside of the tree; or the path has two slashes where the tree ends.
            _ => rustix::fs::open(&*module.path, flags, Mode::empty()),
        }
    }

    /// Whether it is so little that it is done before another thread has woken up.
    pub fn is_small(&self) -> bool {
        const MODULES: usize = 24;
        const BYTES: i64 = 1 << 20;
        let bytes = |module| self.stat(module).map_or(0, |stat| stat.st_size);
        self.modules.len() < MODULES && self.modules.iter().map(bytes).sum::<i64>() < BYTES
    }

    /// What is known of a module's file without opening it.
    pub(crate) fn stat(&self, module: &ModuleFile) -> Result<Stat, Errno> {
        match (&self.dir, module.relative()) {
            (Ok(dir), Some(relative)) if !relative.starts_with(b"/") => {
                rustix::fs::statat(dir, relative, AtFlags::empty())
            }
            _ => rustix::fs::stat(&*module.path),
        }
    }

    /// The text of a list beside the modules that an output file is made from, or
    /// None, with a warning.
    pub(crate) fn read_beside(&self, name: &'static str, log: &mut Log<'_>) -> Option<Vec<u8>> {
        let request = &self.request;
        match &self.dir {
            Ok(dir) => read_in(&request.tree, dir.as_fd(), name, log),
            Err(_) if request.output == request.tree => {
                // When kmod comes here it has made the directory, for its output.
                let (dir, errno) = (path_bytes(&request.tree), Errno::NOENT);
                log(Diagnostic::InputMissing { name, dir, errno });
                None
            }
            Err(errno) => {
                log(Diagnostic::TreeMissing { dir: path_bytes(&request.tree), errno: *errno });
                None
            }
        }
    }
}

fn read_in(
    tree: &Path,
    dir: BorrowedFd<'_>,
    name: &'static str,
    log: &mut Log<'_>,
) -> Option<Vec<u8>> {
    let file = rustix::fs::openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    match file.and_then(config::read_all) {
        Ok(text) => Some(text),
        // A directory has no lines.
        Err(Errno::ISDIR) => Some(Vec::new()),
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
            files.extend(found.iter().map(|found| module_at(tree, tree, found)));
        }
        Err(errno) => {
            log(Diagnostic::OpenDir { path: path_bytes(tree), errno });
            return Err(Error::Search { errno });
        }
    }
    for external in config.externals.iter().rev() {
        let path = Path::new(OsStr::from_bytes(external));
        match discover::open_dir(path) {
            Ok(root) => {
                let found = discover::walk(root, path, &config.excludes, log);
                // A relative one is walked from where we are, and its modules are named from `/`.
                let path = absolute(path.as_os_str()).unwrap_or_else(|_| path.to_owned());
                files.extend(found.iter().map(|found| module_at(&path, tree, found)));
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

fn module_at(root: &Path, tree: &Path, found: &[u8]) -> ModuleFile {
    ModuleFile::new([root.as_os_str().as_bytes(), b"/", found].concat().into(), tree)
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
        rustix::fs::stat(&*path)
            .map_err(|errno| Error::CreateModule { path: path.clone(), errno })?;
        let module = ModuleFile::new(path.clone(), tree);
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

//! The installed kmod, to compare with.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use modgen::Compression;

use super::subject::{Subject, below};

/// A `depmod` that is kmod's.
#[derive(Debug)]
pub(super) struct Kmod {
    path: PathBuf,
    /// Its release.
    pub(super) version: u32,
    features: String,
}

/// What a run of it gave.
#[derive(Debug)]
pub(super) struct Reference {
    /// Where its files lie.
    pub(super) dir: PathBuf,
    pub(super) time: Duration,
}

impl Kmod {
    /// The first one in PATH, or where distributions put it.
    pub(super) fn find() -> Option<Kmod> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        let ours = std::env::current_exe().and_then(|exe| exe.canonicalize()).ok();
        dirs.map(|dir| dir.join("depmod"))
            .filter(|path| path.canonicalize().ok().is_some_and(|path| Some(path) != ours))
            .find_map(|path| Kmod::ask(&path))
    }

    fn ask(path: &Path) -> Option<Kmod> {
        let answer = Command::new(path).arg("--version").output().ok()?;
        let answer = String::from_utf8(answer.stdout).ok()?;
        let (first, features) = answer.split_once('\n')?;
        // Ours says it is compatible with one; its second line says that it is not one.
        let version = first.strip_prefix("kmod version ")?.trim().parse().ok()?;
        if features.starts_with("kmill") {
            return None;
        }
        Some(Kmod { path: path.to_owned(), version, features: features.to_owned() })
    }

    /// Whether it can decompress that.
    pub(super) fn reads(&self, compression: Compression) -> bool {
        let lacks = |feature: &str| self.features.split_whitespace().any(|word| word == feature);
        match compression {
            Compression::Gzip => !lacks("-ZLIB"),
            Compression::Xz => !lacks("-XZ"),
            Compression::Zstd => !lacks("-ZSTD"),
            _ => true,
        }
    }

    /// Whether it writes that file at all.
    pub(super) fn writes(&self, file: &str) -> bool {
        file != "modules.weakdep" || self.version >= 33
    }

    /// Since 34 a node of an index stands in front of its children; before, they
    /// stood behind. Readers do not mind, but the bytes differ.
    pub(super) fn same_layout(&self, file: &str) -> bool {
        !file.ends_with(".bin") || self.version >= 34
    }

    /// Indexes the subject into `output`. Older releases cannot write elsewhere
    /// than they read, so it reads through links to what is in the tree.
    pub(super) fn run(&self, subject: &Subject, output: &Path) -> io::Result<Reference> {
        let dir = below(output, subject);
        std::fs::create_dir_all(&dir)?;
        for entry in std::fs::read_dir(below(&subject.root, subject))? {
            let entry = entry?;
            std::os::unix::fs::symlink(entry.path(), dir.join(entry.file_name()))?;
        }
        let mut command = Command::new(&self.path);
        command.arg("-b").arg(output);
        if let Some(config) = &subject.config {
            command.arg("-C").arg(config);
        }
        // What it says about the modules ours has said as well; the table is what counts.
        command.arg(&subject.version).stdin(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status()?;
        let time = start.elapsed();
        if !status.success() {
            let error = format!("{} ended with {status}", self.path.display());
            return Err(io::Error::other(error));
        }
        Ok(Reference { dir, time })
    }
}

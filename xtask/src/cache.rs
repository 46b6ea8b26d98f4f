//! The cache directory, which lies outside of the repository:
//!
//! ```text
//! packages/                              what apt downloaded
//! kernels/RELEASE-ARCH/
//!   boot/{System.map,Module.symvers}-RELEASE
//!   none|gz|xz|zst/                      each a root directory for depmod -b
//!     stamp                              modules and their bytes
//!     lib/modules/RELEASE/
//!   debug/                               the unpacked -dbg package
//!   kbuild/                              what modules are built with: linux-kbuild, linux-headers
//! btf-references/                        BTF that the reference encoder made of vmlinux files
//! tmp/                                   work in progress; nothing reads it
//! ```
//!
//! A directory of `kernels` is complete when it has its name: it is made below `tmp` and renamed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::args::Matches;
use crate::error::Context;

/// The cache.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// A codec of module files, as directories and suffixes call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Gz,
    Xz,
    Zst,
}

/// One cached kernel in one codec.
#[derive(Clone, Debug)]
pub(crate) struct KernelTree {
    /// The kernel's name: release, dash, architecture.
    pub(crate) kernel: String,
    pub(crate) release: String,
    pub(crate) arch: String,
    pub(crate) codec: Codec,
    /// The root directory: what `depmod -b` takes.
    pub(crate) root: PathBuf,
    pub(crate) system_map: PathBuf,
    pub(crate) symvers: PathBuf,
    pub(crate) modules: u64,
    pub(crate) bytes: u64,
}

impl Codec {
    pub(crate) const ALL: [Codec; 4] = [Codec::None, Codec::Gz, Codec::Xz, Codec::Zst];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gz => "gz",
            Codec::Xz => "xz",
            Codec::Zst => "zst",
        }
    }

    /// How a module's file name ends.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Codec::None => ".ko",
            Codec::Gz => ".ko.gz",
            Codec::Xz => ".ko.xz",
            Codec::Zst => ".ko.zst",
        }
    }
}

impl Cache {
    /// The directory that `--cache` or the environment names. It need not exist.
    pub(crate) fn locate(matches: &Matches) -> Result<Self> {
        let root = debkernel::cache_dir(matches.value("--cache"))?;
        Ok(Cache { root })
    }

    pub(crate) fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    pub(crate) fn kernels(&self) -> PathBuf {
        self.root.join("kernels")
    }

    /// What the reference encoder made of kernels, by a hash of all that it depends on.
    pub(crate) fn btf_references(&self) -> PathBuf {
        self.root.join("btf-references")
    }

    /// A new directory for work in progress, on the file system of the rest.
    pub(crate) fn work(&self) -> Result<tempfile::TempDir> {
        let dir = self.root.join("tmp");
        fs::create_dir_all(&dir).context(|| format!("creating {}", dir.display()))?;
        tempfile::tempdir_in(&dir).context(|| format!("creating a directory in {}", dir.display()))
    }

    /// Every complete tree, by kernel and codec.
    pub(crate) fn trees(&self) -> Result<Vec<KernelTree>> {
        let Ok(entries) = fs::read_dir(self.kernels()) else { return Ok(Vec::new()) };
        let mut trees = Vec::new();
        for entry in entries {
            let dir = entry?.path();
            for codec in Codec::ALL {
                trees.extend(read_tree(&dir, codec)?);
            }
        }
        trees.sort_by(|a, b| (&a.kernel, a.codec.name()).cmp(&(&b.kernel, b.codec.name())));
        Ok(trees)
    }
}

/// The name of a tree's stamp.
pub(crate) const STAMP: &str = "stamp";

fn read_tree(kernel: &Path, codec: Codec) -> Result<Option<KernelTree>> {
    let root = kernel.join(codec.name());
    let Ok(stamp) = fs::read_to_string(root.join(STAMP)) else { return Ok(None) };
    let words: Vec<&str> = stamp.split_whitespace().collect();
    let &[release, arch, modules, bytes] = &words[..] else {
        return Err(format!("{}: not a stamp; remove the directory", root.display()).into());
    };
    let number = |text: &str| text.parse().context(|| format!("{}: stamp", root.display()));
    let boot = |name: &str| kernel.join("boot").join(format!("{name}-{release}"));
    Ok(Some(KernelTree {
        kernel: format!("{release}-{arch}"),
        release: release.to_owned(),
        arch: arch.to_owned(),
        codec,
        system_map: boot("System.map"),
        symvers: boot("Module.symvers"),
        modules: number(modules)?,
        bytes: number(bytes)?,
        root,
    }))
}

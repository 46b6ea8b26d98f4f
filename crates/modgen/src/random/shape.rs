//! What a random tree may contain.

use crate::compress::Compression;
use crate::elf::Arch;

/// What may occur in a random tree. Not everything that may occur does in each tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Most modules a tree has (copies of the same module and odd files come on top); the least
    /// is none.
    pub max_modules: usize,
    /// Codecs of the files; must not be empty.
    pub codecs: Vec<Compression>,
    /// Machines; one per tree. Must not be empty.
    pub arches: Vec<Arch>,
    /// `weakdep` entries, which kmod before 33 ignores.
    pub weakdeps: bool,
    /// What a depmod reports on stderr but survives with exit status 0: incomplete device nodes,
    /// unmatched brackets, missing or malformed lists, dangling links, bad configuration lines.
    pub complaints: bool,
    /// Dependency cycles, on which a depmod gives up with exit status 1. A tree with a cycle has
    /// few other dependencies.
    pub cycles: bool,
    /// Several files for the same module.
    pub duplicates: Duplicates,
    /// `search`, `override` and `exclude` lines.
    pub config: bool,
    /// Directories named by `external` lines, and links to directories.
    pub externals: bool,
    /// Trees of symbolic links, and files a depmod must not take for modules.
    pub odd_files: bool,
    /// Damaged ELF files, and files that are no ELF at all.
    pub damaged: bool,
    /// Odd and broken compressed streams, and suffixes of another codec.
    pub odd_streams: bool,
}

/// Which copies of one module a tree may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// Every module has one file.
    None,
    /// At most one copy in each search directory: the configuration alone decides which one wins.
    Decided,
    /// Also copies between which kmod decides by the order in which it reads the directory.
    Any,
}

impl Shape {
    /// Sound trees about which a depmod has nothing to say, in every codec and for every machine.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            max_modules: 60,
            codecs: Compression::ALL.to_vec(),
            arches: Arch::ALL.to_vec(),
            weakdeps: true,
            complaints: false,
            cycles: false,
            duplicates: Duplicates::Decided,
            config: true,
            externals: true,
            odd_files: false,
            damaged: false,
            odd_streams: false,
        }
    }

    /// Everything, except for cycles and for copies whose winner is left to chance.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            complaints: true,
            odd_files: true,
            damaged: true,
            odd_streams: true,
            ..Self::quiet()
        }
    }

    /// [`Shape::quiet`] less what kmod 30 as distributions build it cannot read: no gzip, no
    /// `weakdep`. Externals are left out too, as they make no difference between versions.
    #[must_use]
    pub fn kmod30() -> Self {
        Self {
            codecs: vec![Compression::None, Compression::Xz, Compression::Zstd],
            weakdeps: false,
            duplicates: Duplicates::None,
            config: false,
            externals: false,
            ..Self::quiet()
        }
    }
}

//! Why debug info cannot be encoded.

use std::io;

use kmill_btf::dedup::DedupError;
use kmill_btf::distill::DistillError;

/// Why there is no BTF. The caller knows the file.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The file cannot be opened or read.
    #[error("reading: {0}")]
    Read(#[from] io::Error),
    /// It is no ELF file, or a damaged one.
    #[error("ELF: {0}")]
    Elf(String),
    /// Debug info that is damaged, or that says what BTF cannot.
    #[error("{place}: {what}")]
    Dwarf {
        /// The section or unit, and where in it.
        place: Place,
        /// What is wrong.
        what: &'static str,
    },
    /// A kernel function that BPF programs may call, flagged for what it is not.
    #[error("kfunc {name}: {what}")]
    Kfunc {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Types that go in circles.
    #[error("deduplicating: {0}")]
    Dedup(#[from] DedupError),
    /// A base that cannot be distilled, or is not there.
    #[error("distilling the base: {0}")]
    Distill(#[from] DistillError),
    /// A blob larger than the format allows.
    #[error("too large: {0}")]
    TooLarge(&'static str),
}

/// A place in the debug info.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The section.
    pub section: &'static str,
    /// Offset of the unit in `.debug_info`, when it is one's.
    pub unit: Option<u64>,
    /// Offset in the section.
    pub offset: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.unit {
            Some(unit) => write!(f, "{} at {:#x}, unit at {unit:#x}", self.section, self.offset),
            None => write!(f, "{} at {:#x}", self.section, self.offset),
        }
    }
}

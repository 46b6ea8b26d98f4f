//! From a kernel's DWARF to BTF, byte for byte as pahole v1.31 encodes it.
//!
//! | file | holds |
//! |---|---|
//! | [`features`] | what may be asked for |
//! | [`error`] | what can be wrong |

pub mod error;
pub mod features;

use std::sync::Arc;

use kmill_btf::Btf;
use padata::Pool;

pub use error::EncodeError;
pub use features::Features;

/// How a file is encoded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What parts of BTF are made.
    pub features: Features,
    /// `DW_AT_language` of units that are left out.
    pub lang_exclude: Vec<u16>,
    /// Names that begin with this become this (pahole's `--kabi_prefix`).
    pub kabi_prefix: Option<Vec<u8>>,
    /// What a split blob goes on behind.
    pub base: Option<Arc<Btf>>,
}

/// What became of a file.
#[derive(Debug)]
pub enum Encoded {
    /// The blob.
    Blob(Vec<u8>),
    /// There is nothing to encode, and why: no debug info, or every unit was left out.
    Nothing(&'static str),
}

/// Encodes the debug info of the ELF file whose bytes these are. The result depends on nothing but
/// them and the options.
///
/// # Errors
/// When the file is damaged, or says what BTF cannot: see [`EncodeError`].
pub fn encode(pool: &Pool, image: &[u8], options: &Options) -> Result<Encoded, EncodeError> {
    let _ = (pool, image, options);
    Err(EncodeError::Elf("not yet".to_owned()))
}

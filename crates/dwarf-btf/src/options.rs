//! What is asked of an encoding.

use std::sync::Arc;

use kmill_btf::dedup::Index;

use crate::features::Features;

/// How a file is encoded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What parts of BTF are made.
    pub features: Features,
    /// `DW_AT_language` of units that are left out.
    pub lang_exclude: Vec<u16>,
    /// Names that begin with this become this (pahole's `--kabi_prefix`).
    pub kabi_prefix: Option<Vec<u8>>,
    /// What a split blob goes on behind. One index does for any number of blobs.
    pub base: Option<Arc<Index>>,
    /// One unit after another, without classes: slow, and the reference for the parallel path.
    pub serial: bool,
}

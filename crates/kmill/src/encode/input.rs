//! What goes in: the file with the debug info, and the BTF of a base.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use kmill_btf::Btf;

use super::error::Error;
use crate::blob;

/// The bytes of an input file.
#[derive(Debug)]
pub(crate) struct Input(Vec<u8>);

impl Input {
    /// All of them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Brings an input file into memory. The one place that knows how: a map instead of a copy comes
/// here.
pub(crate) fn read_input(path: &Path) -> io::Result<Input> {
    fs::read(path).map(Input)
}

/// The types that a split blob goes on behind.
pub(crate) fn read_base(path: &Path) -> Result<Arc<Btf>, Error> {
    let base = blob::read(path, None);
    base.map(Arc::new).map_err(|cause| Error::file(path, "reading the base's BTF", cause))
}

//! What goes in: modules, and the BTF of a base.

use std::io;
use std::path::Path;
use std::sync::Arc;

use kernel_elf::Codec;
use kernel_elf::codec::Decoder;
use kmill_btf::dedup::Index;

use super::error::Error;
use crate::blob;
use crate::bytes::{Input, read_input};

/// Brings a module into memory, which may be compressed.
pub(crate) fn read_module(path: &Path) -> io::Result<Input> {
    let input = read_input(path)?;
    match Codec::of(input.bytes()) {
        Codec::None => Ok(input),
        codec => {
            let mut decoder = Decoder::new();
            let bytes = decoder.decode(codec, input.bytes()).map_err(io::Error::other)?.to_vec();
            // What was decompressed was the file, or it is said here.
            input.check()?;
            Ok(Input::Read(bytes))
        }
    }
}

/// The types that a split blob goes on behind.
pub(crate) fn read_base(path: &Path) -> Result<Arc<Index>, Error> {
    let base = blob::read(path, None).map(|base| Arc::new(Index::new(Arc::new(base))));
    base.map_err(|cause| Error::file(path, "reading the base's BTF", cause))
}

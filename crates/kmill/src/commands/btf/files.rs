//! The files that the commands of `kmill btf` look at, and what they say of one that has no BTF.

use std::path::Path;
use std::sync::Arc;

use kmill_btf::Btf;

use crate::blob::{self, BlobError};

/// The types of a file.
pub(super) fn read(path: &Path, base: Option<&Arc<Btf>>) -> Result<Btf, String> {
    blob::read(path, base).map_err(|error| {
        let hint = match error {
            BlobError::PerhapsSplit(_) => ": name it with --base",
            _ => "",
        };
        format!("{}: reading: {error}{hint}", path.display())
    })
}

/// The types that a split blob goes on behind, if some are named.
pub(super) fn read_base(path: Option<&Path>) -> Result<Option<Arc<Btf>>, String> {
    let base = path.map(|path| {
        let base = blob::read(path, None);
        base.map_err(|error| format!("{}: reading the base's BTF: {error}", path.display()))
    });
    base.transpose().map(|base| base.map(Arc::new))
}

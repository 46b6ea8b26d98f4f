//! Stub.
use crate::Result;
use crate::args::Matches;

/// Stub.
pub(crate) fn run(_: &Matches) -> Result<()> {
    Err("not yet".into())
}

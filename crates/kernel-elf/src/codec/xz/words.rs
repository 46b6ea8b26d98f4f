//! What both ways of reading an xz file say and know of the format.

use crate::codec::kind::Codec;

pub(super) const CODEC: Codec = Codec::Xz;

/// Length of a stream's header, and of its footer.
pub(super) const HEADER_LEN: usize = 12;

// depmod's words; the rest is said in one place only.
pub(super) const NOT_XZ: &str = "File format not recognized";
pub(super) const CUT: &str = "Unexpected end of input";
pub(super) const BUG: &str = "Internal error (bug)";

//! What goes in: a file's bytes, and how to let go of them.

/// Hears of a part of the bytes.
pub type Release<'a> = &'a (dyn Fn(&[u8]) + Sync);

/// The file that is encoded.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// All its bytes.
    pub bytes: &'a [u8],
    /// Hears of parts of `bytes`, from any thread, that have been read and are hardly needed again: a
    /// mapped file need not stay in memory. What is read of them later must still be the same.
    pub release: Option<Release<'a>>,
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Input { bytes, release: None }
    }
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

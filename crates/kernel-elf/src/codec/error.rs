//! Why a compressed file could not be read, in depmod's words.

use std::borrow::Cow;
use std::fmt;

use rustix::io::Errno;

use super::kind::Codec;

/// A compressed file that cannot be read.
///
/// It displays as what depmod prints after `ERROR: `, for example
/// `xz: File is corrupt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError {
    codec: Codec,
    errno: Errno,
    /// Per attempt; see [`CodecError::attempt`].
    words: [Option<Cow<'static, str>>; CodecError::ATTEMPTS],
}

impl CodecError {
    /// How often depmod tries to load a module: for its symbols, its modinfo
    /// and its dependencies. A file that fails once is tried again.
    pub const ATTEMPTS: usize = 3;

    /// The words that follow the codec's name, with EINVAL, which is what
    /// depmod makes of every damage.
    pub(super) fn damaged(codec: Codec, what: &str) -> Self {
        let words = format!("{}: {what}", codec.name());
        CodecError { codec, errno: Errno::INVAL, words: [Some(words.into()), None, None] }
    }

    /// The file would take more memory than `budget` bytes. depmod knows no
    /// such limit, so the words are ours, said once.
    pub(super) fn too_big(codec: Codec, budget: usize) -> Self {
        let words = format!(
            "{}: Decompressing needs more than {budget} bytes (64 times the file plus 64 MiB)",
            codec.name()
        );
        CodecError { codec, errno: Errno::NOMEM, words: [Some(words.into()), None, None] }
    }

    /// No memory for the output.
    pub(super) fn no_memory(codec: Codec) -> Self {
        Self::silent(codec, Errno::NOMEM)
    }

    /// depmod returns `errno` here and prints nothing of its own.
    pub(super) fn silent(codec: Codec, errno: Errno) -> Self {
        CodecError { codec, errno, words: [None, None, None] }
    }

    /// The same, where each attempt reads the same bytes.
    pub(super) fn every_time(mut self) -> Self {
        let [first, second, third] = &mut self.words;
        second.clone_from(first);
        third.clone_from(first);
        self
    }

    /// The same, with what follows the codec's name in the later attempts.
    pub(super) fn then(mut self, later: [Option<&str>; 2]) -> Self {
        for (slot, what) in self.words[1..].iter_mut().zip(later) {
            *slot = what.map(|what| format!("{}: {what}", self.codec.name()).into());
        }
        self
    }

    /// Which codec failed.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The error that depmod's loader returns for this file.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// What depmod prints after `ERROR: ` in its first attempt, or `None`
    /// where it prints nothing and only returns [`CodecError::errno`].
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        self.attempt(0)
    }

    /// What depmod prints after `ERROR: ` in the given of its
    /// [`CodecError::ATTEMPTS`], counted from 0.
    ///
    /// These differ: every attempt goes on reading where the one before
    /// stopped. A gzip file is silently empty from the second on; of an xz
    /// file usually only the end is left; zstd files are mapped, so that each
    /// attempt fails like the first.
    #[must_use]
    pub fn attempt(&self, number: usize) -> Option<&str> {
        self.words.get(number)?.as_deref()
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words() {
            Some(words) => f.write_str(words),
            None => write!(f, "{}: {}", self.codec.name(), self.errno),
        }
    }
}

impl std::error::Error for CodecError {}

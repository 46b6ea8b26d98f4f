//! What can be wrong with a module file, and the errno `depmod` reports for it.

use rustix::io::Errno;

use crate::codec::CodecError;

/// Why a module file could not be read as an ELF file.
///
/// [`errno`](Self::errno) gives the number libkmod returns for the same input
/// (`kmod_file_open`, `kmod_elf_new`), since its text is part of depmod's
/// messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be opened.
    #[error("failed to open: {0}")]
    Open(Errno),
    /// A read or stat failed.
    #[error("failed to read: {0}")]
    Read(Errno),
    /// Fewer bytes than the longest magic number.
    #[error("the file is shorter than {} bytes", crate::Codec::MAGIC_LEN)]
    TooShort,
    /// The compressed file could not be decoded.
    #[error("failed to decompress: {0}")]
    Codec(#[from] CodecError),
    /// No ELF magic.
    #[error("not an ELF file")]
    NotElf,
    /// An ELF file whose headers cannot be followed; says which part.
    #[error("malformed ELF file: {0}")]
    Malformed(&'static str),
    /// The file became shorter between stat and read.
    #[error("the file shrank while it was read")]
    Shrank,
}

impl ReadError {
    /// The errno that libkmod returns for this failure. A file that shrinks
    /// kills kmod with SIGBUS; here it is `EIO`.
    pub fn errno(&self) -> Errno {
        match self {
            ReadError::Open(errno) | ReadError::Read(errno) => *errno,
            ReadError::TooShort | ReadError::Malformed(_) => Errno::INVAL,
            ReadError::Codec(error) => error.errno(),
            ReadError::NotElf => Errno::NOEXEC,
            ReadError::Shrank => Errno::IO,
        }
    }
}

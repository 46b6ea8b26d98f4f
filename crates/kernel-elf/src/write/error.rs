//! Why an ELF file is not changed. Whoever prints it names the file and what was being done with it.

use std::io;

/// Why a file is left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A directory, a device, a pipe.
    #[error("only a regular file can be changed in place")]
    NotRegular,
    /// The file has several names, and all of them would show the change.
    #[error("the file has {0} links, and a change would be seen under every one of them")]
    Links(u64),
    /// The module is signed, and would not be any more.
    #[error("the module is signed, and a change makes the signature invalid")]
    Signed,
    /// The magic of a signature stands at the end, and what is before it is none.
    #[error("what the file ends with is no module signature, though it says so")]
    BadSignature,
    /// No ELF magic.
    #[error("not an ELF file")]
    NotElf,
    /// A header that makes no sense; says which.
    #[error("malformed ELF file: {0}")]
    Malformed(&'static str),
    /// A section header that makes no sense.
    #[error("malformed ELF file: section {index} {what}")]
    Section {
        /// Its index in the table.
        index: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There are no sections, or they have no names.
    #[error("the ELF file has no {0}, so a section cannot be found or named")]
    Without(&'static str),
    /// The section is changed by relocations, which fit the old content.
    #[error("section {0} has relocations, which fit its old content only")]
    Relocated(usize),
    /// The names of sections are a part of the image that is loaded, where there is no room for more.
    #[error("the section names are a part of what is loaded, and cannot grow")]
    NamesLoaded,
    /// A 32-bit file ends at 4 GiB, a name table too.
    #[error("the {0} would become larger than its class of ELF file allows")]
    TooLarge(&'static str),
    /// The same section is to be written twice.
    #[error("two contents for one section")]
    Twice,
    /// Somebody else changed the file meanwhile.
    #[error("the file was changed by somebody else meanwhile")]
    Changed,
    /// Whoever asked for the change does not want it any more.
    #[error("stopped")]
    Stopped,
}

//! From a kernel's debug info to a BTF file: what the `pahole` applet and `kmill btf encode` share.
//!
//! ```text
//! features, languages   words of the command line -> dwarf_btf::Options
//! input                 the file's bytes, mapped; a base's types
//! run                   read -> the phases of dwarf_btf -> write
//! error                 what can be wrong with a file
//! output                a file that appears whole, or a device that is written straight
//! ```
//!
//! Nothing here prints.

pub(crate) mod error;
pub(crate) mod features;
pub(crate) mod input;
pub(crate) mod languages;
pub(crate) mod output;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use dwarf_btf::{Encoded, Features, Options};
use padata::Pool;

use crate::report::phases::Phases;

pub(crate) use self::error::Error;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    /// The ELF file with the debug info.
    pub(crate) input: PathBuf,
    /// Where the BTF goes.
    pub(crate) output: PathBuf,
    /// The BTF that the new one goes on behind.
    pub(crate) base: Option<PathBuf>,
    /// Which parts of BTF.
    pub(crate) features: Features,
    /// `DW_AT_language` of units that are left out.
    pub(crate) lang_exclude: Vec<u16>,
    /// A prefix that stands for the whole of each name that begins with it.
    pub(crate) kabi_prefix: Option<Vec<u8>>,
    /// How many threads work.
    pub(crate) threads: NonZeroUsize,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The output is written.
    Written,
    /// There is nothing to encode, and why; nothing was written.
    Nothing(&'static str),
}

/// Reads, encodes and writes.
pub(crate) fn run(request: Request, phases: &mut Phases) -> Result<Done, Error> {
    let Request { input: path, output, base, features, lang_exclude, kabi_prefix, threads } =
        request;
    let (base, image) = phases.time("read", || -> Result<_, Error> {
        // The base first, as pahole does: an input that is not there matters less.
        let base = base.map(|base| input::read_base(&base)).transpose()?;
        Ok((base, input::read_input(&path).map_err(|e| Error::file(&path, "reading", e))?))
    })?;
    let options = Options { features, lang_exclude, kabi_prefix, base, ..Options::default() };
    let mut parts = dwarf_btf::Phases::default();
    let release = |part: &[u8]| image.release(part);
    let input = dwarf_btf::Input { bytes: image.bytes(), release: Some(&release) };
    let encoded = dwarf_btf::encode_timed(&Pool::new(threads), input, &options, &mut parts);
    phases.extend(parts.iter());
    // First: of a file that shrank, nothing that the encoder says is worth a word.
    image.check().map_err(|cause| Error::file(&path, "reading", cause))?;
    match encoded.map_err(|cause| Error::file(&path, "encoding", cause))? {
        Encoded::Nothing(why) => Ok(Done::Nothing(why)),
        Encoded::Blob(blob) => {
            phases.time("write", || output::write(&output, &blob))?;
            Ok(Done::Written)
        }
    }
}

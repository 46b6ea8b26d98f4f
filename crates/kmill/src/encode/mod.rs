//! From a kernel's debug info to a BTF file: what the `pahole` applet and `kmill btf encode` share.
//!
//! ```text
//! features, languages   words of the command line -> dwarf_btf::Options
//! input                 the file's bytes, mapped; a base's types
//! run                   read -> the phases of dwarf_btf -> write
//! error                 what can be wrong with a file
//! output                a file that appears whole, or a device that is written straight
//! in_place              or the input file, which gets a section
//! ```
//!
//! Nothing here prints.

pub(crate) mod error;
pub(crate) mod features;
pub(crate) mod in_place;
pub(crate) mod input;
pub(crate) mod languages;
pub(crate) mod output;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use dwarf_btf::{Encoded, Features, Options};
use padata::Pool;

use crate::report::phases::Phases;

pub(crate) use self::error::Error;
use self::in_place::{InPlace, Manner};
use self::input::Input;

/// The section that BTF is in.
const SECTION: &str = ".BTF";

/// The section that its distilled base is in.
const BASE_SECTION: &str = ".BTF.base";

/// Where the BTF goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// A file of its own.
    File(PathBuf),
    /// The section of the input file.
    InPlace(Manner),
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    /// The ELF file with the debug info.
    pub(crate) input: PathBuf,
    /// Where the BTF goes.
    pub(crate) output: Output,
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
    let Request { input: path, output, base, mut features, lang_exclude, kabi_prefix, threads } =
        request;
    // As pahole: a file of its own has room for one blob.
    features.distilled_base &= matches!(output, Output::InPlace(_));
    let (base, place, image) = phases.time("read", || -> Result<_, Error> {
        // The base first, as pahole does: an input that is not there matters less.
        let base = base.map(|base| input::read_base(&base)).transpose()?;
        let place = Place::open(output, &path)?;
        let image = place.read(&path)?;
        Ok((base, place, image))
    })?;
    let options = Options { features, lang_exclude, kabi_prefix, base, ..Options::default() };
    let mut parts = dwarf_btf::Phases::default();
    let release = |part: &[u8]| image.release(part);
    let input = dwarf_btf::Input { bytes: image.bytes(), release: Some(&release) };
    let encoded = dwarf_btf::encode_timed(&Pool::new(threads), input, &options, &mut parts);
    phases.extend(parts.iter());
    // First: of a file that shrank, nothing that the encoder says is worth a word.
    image.check().map_err(|cause| Error::file(&path, "reading", cause))?;
    drop(image);
    match encoded.map_err(|cause| Error::file(&path, "encoding", cause))? {
        Encoded::Nothing(why) => Ok(Done::Nothing(why)),
        Encoded::Blob(blob) => {
            phases.time("write", || place.write(&blob, None))?;
            Ok(Done::Written)
        }
        Encoded::Distilled { base, blob } => {
            phases.time("write", || place.write(&blob, Some(&base)))?;
            Ok(Done::Written)
        }
    }
}

/// Where the BTF goes, ready for it.
#[derive(Debug)]
enum Place {
    File(PathBuf),
    InPlace(InPlace),
}

impl Place {
    fn open(output: Output, input: &Path) -> Result<Place, Error> {
        Ok(match output {
            Output::File(path) => Place::File(path),
            Output::InPlace(manner) => Place::InPlace(InPlace::open(input, manner)?),
        })
    }

    /// The input's bytes. They are read from the file that is written to, whatever has its name
    /// meanwhile.
    fn read(&self, input: &Path) -> Result<Input, Error> {
        match self {
            Place::File(_) => {
                input::read_input(input).map_err(|cause| Error::file(input, "reading", cause))
            }
            Place::InPlace(place) => place.read(),
        }
    }

    fn write(&self, blob: &[u8], base: Option<&[u8]>) -> Result<(), Error> {
        match self {
            Place::File(path) => output::write(path, blob),
            Place::InPlace(place) => {
                let base = base.map(|bytes| (BASE_SECTION, bytes));
                let sections: Vec<_> = [(SECTION, blob)].into_iter().chain(base).collect();
                place.write(&sections)
            }
        }
    }
}

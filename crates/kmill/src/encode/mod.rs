//! From a kernel's debug info to a BTF file: what the `pahole` applet and `kmill btf encode` share.
//!
//! ```text
//! features, languages   words of the command line -> dwarf_btf::Options
//! input                 the file's bytes, mapped; a base's types
//! run                   read -> the phases of dwarf_btf -> write
//! modules               the same for every module below a directory
//! error                 what can be wrong with a file
//! output                a file that appears whole, or a device that is written straight
//! in_place              or the input file, which gets a section
//! jobserver             make's: how many of the threads may run
//! ```
//!
//! Nothing here prints.

pub(crate) mod error;
pub(crate) mod features;
pub(crate) mod in_place;
pub(crate) mod input;
pub(crate) mod jobserver;
pub(crate) mod languages;
pub(crate) mod modules;
pub(crate) mod output;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use dwarf_btf::{Encoded, Features, Options, Session};
use padata::Pool;

use crate::bytes::{Input, read_input};
use crate::report::phases::Phases;
use crate::signals::Interrupts;

pub(crate) use self::error::Error;
use self::in_place::{InPlace, Manner};
use self::jobserver::{Jobserver, Tokens};

/// The section that BTF is in.
const SECTION: &str = ".BTF";

/// The section that its distilled base is in.
const BASE_SECTION: &str = ".BTF.base";

/// A file of so many bytes is worth more than one thread: to start another takes as long as a small
/// module, and while there are two, memory costs more.
const LARGE: u64 = 12 << 20;

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
    /// Who is asked for every one of them but the first.
    pub(crate) jobserver: Option<Jobserver>,
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
    let Request { input: path, output, base, mut features, lang_exclude, kabi_prefix, .. } =
        request;
    // As pahole: a file of its own has room for one blob.
    features.distilled_base &= matches!(output, Output::InPlace(_));
    // The base first, as pahole does: an input that is not there matters less.
    let base = base.map(|base| phases.time("read the base", || input::read_base(&base)));
    let base = base.transpose()?;
    let options = Options { features, lang_exclude, kabi_prefix, base, ..Options::default() };
    let place = Place::open(output, &path)?;
    let image = phases.time("read", || place.read(&path))?;
    let helpers = if image.bytes().len() as u64 >= LARGE { request.threads.get() - 1 } else { 0 };
    let tokens = request.jobserver.map(|server| server.take(helpers));
    let threads = NonZeroUsize::MIN.saturating_add(helpers);
    let threads = tokens.as_ref().map_or(threads, Tokens::threads);
    let session = &Session::default();
    let job = Job { pool: &Pool::new(threads), options: &options, session };
    let encoded = job.encode(&path, image, phases);
    // Nothing that follows needs more than one thread.
    drop(tokens);
    let (blob, base) = match encoded? {
        Encoded::Nothing(why) => return Ok(Done::Nothing(why)),
        Encoded::Blob(blob) => (blob, None),
        Encoded::Distilled { base, blob } => (blob, Some(base)),
    };
    phases.time("write", || place.write(&blob, base.as_deref(), &Interrupts::catch()))?;
    Ok(Done::Written)
}

/// What the encodings of one run share.
#[derive(Clone, Copy, Debug)]
struct Job<'j> {
    pool: &'j Pool,
    options: &'j Options,
    session: &'j Session,
}

impl Job<'_> {
    /// The blob of a file, which is let go of before that is written.
    fn encode(&self, path: &Path, image: Input, phases: &mut Phases) -> Result<Encoded, Error> {
        let Job { pool, options, session } = *self;
        let mut parts = dwarf_btf::Phases::default();
        let release = |part: &[u8]| image.release(part);
        let input = dwarf_btf::Input { bytes: image.bytes(), release: Some(&release) };
        let encoded = dwarf_btf::encode_timed(pool, input, options, session, &mut parts);
        phases.extend(parts.iter());
        // First: of a file that shrank, nothing that the encoder says is worth a word.
        image.check().map_err(|cause| Error::file(path, "reading", cause))?;
        encoded.map_err(|cause| Error::file(path, "encoding", cause))
    }
}

/// Where the BTF goes, ready for it.
#[derive(Debug)]
enum Place {
    File(PathBuf),
    InPlace(InPlace),
    /// The input file, which may not be changed, and why: that matters when there is BTF for it.
    Forbidden(Error),
}

impl Place {
    fn open(output: Output, input: &Path) -> Result<Place, Error> {
        Ok(match output {
            Output::File(path) => Place::File(path),
            Output::InPlace(manner) => match InPlace::open(input, manner)? {
                Ok(place) => Place::InPlace(place),
                Err(forbidden) => Place::Forbidden(forbidden),
            },
        })
    }

    /// The input's bytes. They are read from the file that is written to, whatever has its name
    /// meanwhile.
    fn read(&self, input: &Path) -> Result<Input, Error> {
        match self {
            Place::File(_) | Place::Forbidden(_) => {
                read_input(input).map_err(|cause| Error::file(input, "reading", cause))
            }
            Place::InPlace(place) => place.read(),
        }
    }

    fn write(self, blob: &[u8], base: Option<&[u8]>, interrupts: &Interrupts) -> Result<(), Error> {
        match self {
            Place::File(path) => output::write(&path, blob, interrupts),
            Place::InPlace(place) => {
                let base = base.map(|bytes| (BASE_SECTION, bytes));
                let sections: Vec<_> = [(SECTION, blob)].into_iter().chain(base).collect();
                place.write(&sections, interrupts)
            }
            Place::Forbidden(why) => Err(why),
        }
    }
}

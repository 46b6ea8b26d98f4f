//! One file, from its bytes to a blob.

use kmill_btf::Btf;
use padata::Pool;

use crate::class::{self, from_unit::NoClasses};
use crate::dwarf::sections::Sections;
use crate::elf::image::Image;
use crate::error::EncodeError;
use crate::input::Input;
use crate::options::Options;
use crate::phases::Phases;
use crate::plan::Plan;
use crate::serial;
use crate::session::Session;

/// What became of a file.
#[derive(Debug)]
pub enum Encoded {
    /// The blob.
    Blob(Vec<u8>),
    /// With [`Features::distilled_base`](crate::Features::distilled_base): a base with no more in it
    /// than the blob needs, and the blob behind it.
    Distilled {
        /// What ELF files have in `.BTF.base`.
        base: Vec<u8>,
        /// What they have in `.BTF`.
        blob: Vec<u8>,
    },
    /// There is nothing to encode, and why: no debug info, or every unit was left out.
    Nothing(&'static str),
}

/// Encodes the debug info of the ELF file whose bytes these are. The result depends on nothing but
/// them and the options.
///
/// # Errors
/// When the file is damaged, or says what BTF cannot: see [`EncodeError`].
pub fn encode(pool: &Pool, image: &[u8], options: &Options) -> Result<Encoded, EncodeError> {
    let session = Session::default();
    encode_timed(pool, image.into(), options, &session, &mut Phases::default())
}

/// The same for one of many files, and says how long each part took.
///
/// # Errors
/// As [`encode`].
pub fn encode_timed(
    pool: &Pool,
    input: Input<'_>,
    options: &Options,
    session: &Session,
    phases: &mut Phases,
) -> Result<Encoded, EncodeError> {
    let image = phases.time("plan/elf", || Image::read(input.bytes))?;
    let sections = phases.time("plan/sections", || {
        let info = image.section(b".debug_info").map_or(0, |section| section.raw().len());
        let base = options.base.as_ref().filter(|_| session.knows_base(info));
        Sections::read(pool, &image, base.map(|index| &index.base().strings))
    })?;
    let plan =
        phases.time("plan/units and functions", || Plan::new(pool, &image, &sections, options))?;
    let Some(plan) = plan else { return Ok(Encoded::Nothing("it has no debug info")) };
    let merged = phases.time("plan/references across units", || plan.refers_across())?;

    let btf = || match &options.base {
        Some(index) => Btf::split(index.base().clone()),
        None => Btf::new(image.endian),
    };
    let by_classes = match merged || options.serial {
        true => Err(NoClasses::Serial),
        false => class::encode::encode(pool, &plan, btf(), input.release, session, phases),
    };
    let btf = match by_classes {
        Ok(btf) => btf,
        Err(NoClasses::Error(error)) => return Err(error),
        Err(NoClasses::Serial) => {
            let all = phases.time("serial", || serial::encode::encode(&plan, btf(), merged))?;
            phases
                .time("serial/deduplicate", || session.deduplicate(all, options.base.as_deref()))?
        }
    };
    if btf.types.is_empty() && options.base.is_none() {
        return Ok(Encoded::Nothing("none of its units is encoded"));
    }
    if options.features.distilled_base {
        let parts = phases.time("emit/distilled base", || btf.distill())?;
        let both = || (parts.base.to_bytes(), parts.split.to_bytes());
        let (base, blob) = phases.time("emit/bytes", both);
        return Ok(Encoded::Distilled { base, blob });
    }
    let layout = options.features.layout && options.base.is_none();
    Ok(Encoded::Blob(phases.time("emit/bytes", || match layout {
        true => btf.to_bytes_with_layout(),
        false => btf.to_bytes(),
    })))
}

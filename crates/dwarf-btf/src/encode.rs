//! One file, from its bytes to a blob.

use std::sync::Arc;

use kmill_btf::Btf;
use padata::Pool;

use crate::class::{self, from_unit::NoClasses};
use crate::dwarf::sections::Sections;
use crate::elf::image::Image;
use crate::error::EncodeError;
use crate::features::Features;
use crate::plan::Plan;
use crate::serial;

/// How a file is encoded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What parts of BTF are made.
    pub features: Features,
    /// `DW_AT_language` of units that are left out.
    pub lang_exclude: Vec<u16>,
    /// Names that begin with this become this (pahole's `--kabi_prefix`).
    pub kabi_prefix: Option<Vec<u8>>,
    /// What a split blob goes on behind.
    pub base: Option<Arc<Btf>>,
    /// One unit after another, without classes: slow, and the reference for the parallel path.
    pub serial: bool,
}

/// What became of a file.
#[derive(Debug)]
pub enum Encoded {
    /// The blob.
    Blob(Vec<u8>),
    /// There is nothing to encode, and why: no debug info, or every unit was left out.
    Nothing(&'static str),
}

/// Encodes the debug info of the ELF file whose bytes these are. The result depends on nothing but
/// them and the options.
///
/// # Errors
/// When the file is damaged, or says what BTF cannot: see [`EncodeError`].
pub fn encode(pool: &Pool, image: &[u8], options: &Options) -> Result<Encoded, EncodeError> {
    let image = Image::read(image)?;
    let sections = Sections::read(&image)?;
    let Some(plan) = Plan::new(&image, &sections, options)? else {
        return Ok(Encoded::Nothing("it has no debug info"));
    };
    let btf = || match &options.base {
        Some(base) => Btf::split(base.clone()),
        None => Btf::new(image.endian),
    };
    let merged = plan.refers_across()?;
    let by_classes = match merged || options.base.is_some() || options.serial {
        true => Err(NoClasses::Serial),
        false => class::encode::encode(pool, &plan, btf()),
    };
    let btf = match by_classes {
        Ok(btf) => btf,
        Err(NoClasses::Error(error)) => return Err(error),
        Err(NoClasses::Serial) => serial::encode::encode(&plan, btf(), merged)?,
    };
    if btf.types.is_empty() && options.base.is_none() {
        return Ok(Encoded::Nothing("none of its units is encoded"));
    }
    Ok(Encoded::Blob(btf.dedup()?.to_bytes()))
}

//! One file, from its bytes to a blob.

use std::sync::Arc;

use kmill_btf::Btf;
use padata::Pool;

use crate::dwarf::abbrev::Abbrevs;
use crate::dwarf::constants::form;
use crate::dwarf::sections::Sections;
use crate::dwarf::unit::{self, UnitHeader};
use crate::elf::functions::ElfFunctions;
use crate::elf::image::Image;
use crate::elf::{kfuncs, notes};
use crate::error::EncodeError;
use crate::features::Features;
use crate::machine;
use crate::serial::stream::Stream;
use crate::serial::{functions, variables};
use crate::unit::load::{self, Context, UnitKind};
use crate::unit::model::Unit;
use crate::unit::resolve;

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
    let _ = pool;
    let image = Image::read(image)?;
    let sections = Sections::read(&image)?;
    let headers = unit::headers(&sections)?;
    if headers.is_empty() {
        return Ok(Encoded::Nothing("it has no debug info"));
    }
    let Some(symbols) = &image.symbols else {
        return Err(EncodeError::Elf(
            "it has no .symtab, which says what its functions are".to_owned(),
        ));
    };
    let mut elf_functions = ElfFunctions::collect(symbols);
    if options.features.decl_tag_kfuncs {
        kfuncs::mark(&image, &mut elf_functions)?;
    }
    let (register_params, registers) = machine::registers(image.machine);
    let context = Context {
        sections: &sections,
        register_params,
        registers,
        type_tags: options.features.type_tag,
        decl_tags: options.features.decl_tag,
        kabi_prefix: options.kabi_prefix.as_deref(),
        lang_exclude: &options.lang_exclude,
    };
    let btf = match &options.base {
        Some(base) => Btf::split(base.clone()),
        None => Btf::new(image.endian),
    };
    let mut stream = Stream::new(btf);
    let mut states = Vec::new();
    let mut variables = variables::Sections::new(&image, symbols, &options.features);
    let little_endian = image.endian == kmill_btf::Endian::Little;

    let mut abbrevs = Abbrevs::default();
    let merged = refers_across(&image, &sections, &headers, &mut abbrevs)?;
    let mut put = |mut unit: Unit<'_>, address_size| -> Result<(), EncodeError> {
        resolve::unit(&mut unit, little_endian, address_size)?;
        let base = stream.types(&unit, &options.features)?;
        functions::save(
            &mut stream,
            &unit,
            base,
            &elf_functions,
            register_params,
            address_size,
            &mut states,
        );
        if variables.any() {
            variables.encode(&mut stream, &unit, base, &options.features, address_size)?;
        }
        Ok(())
    };
    let mut together = Unit::default();
    for header in &headers {
        abbrevs.read(&sections, header.abbrev)?;
        let mut unit = if merged { std::mem::take(&mut together) } else { Unit::default() };
        let kind = load::unit(&context, header, &abbrevs, &mut unit, merged)?;
        match kind {
            _ if merged => together = unit,
            UnitKind::LeftOut => {}
            UnitKind::Encoded => put(unit, header.encoding.address_size)?,
        }
    }
    if merged {
        put(together, headers[0].encoding.address_size)?;
    }
    functions::encode(&mut stream, states, &elf_functions, &options.features);
    variables.finish(&mut stream, &image);
    if stream.btf.types.is_empty() && options.base.is_none() {
        return Ok(Encoded::Nothing("none of its units is encoded"));
    }
    let btf = stream.btf.dedup()?;
    Ok(Encoded::Blob(btf.to_bytes()))
}

/// Whether units refer to entries of each other, as after link-time optimisation. The kernel says
/// so in a note; without one, the forms tell.
fn refers_across(
    image: &Image<'_>,
    sections: &Sections<'_>,
    headers: &[UnitHeader],
    abbrevs: &mut Abbrevs,
) -> Result<bool, EncodeError> {
    if let Some(optimised) = notes::link_time_optimised(image) {
        return Ok(optimised);
    }
    for header in headers {
        abbrevs.read(sections, header.abbrev)?;
        if abbrevs.all_specs().iter().any(|spec| spec.form == form::REF_ADDR) {
            return Ok(true);
        }
    }
    Ok(false)
}

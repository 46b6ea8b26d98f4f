//! The plan: what there is to encode, before any unit's entries are read.

use crate::dwarf::abbrev::Abbrevs;
use crate::dwarf::constants::form;
use crate::dwarf::sections::Sections;
use crate::dwarf::unit::{self, UnitHeader};
use crate::elf::functions::ElfFunctions;
use crate::elf::image::{Image, Symbols};
use crate::elf::{kfuncs, notes};
use crate::error::EncodeError;
use crate::machine;
use crate::options::Options;
use crate::signature::analysis::Convention;
use crate::unit::load::Context;

/// A file, its units and its functions.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) image: &'a Image<'a>,
    pub(crate) sections: &'a Sections<'a>,
    pub(crate) symbols: Symbols<'a>,
    pub(crate) headers: Vec<UnitHeader>,
    pub(crate) functions: ElfFunctions<'a>,
    pub(crate) context: Context<'a>,
    pub(crate) options: &'a Options,
}

impl<'a> Plan<'a> {
    /// Reads headers and symbols. There is no plan when there is no debug info.
    pub(crate) fn new(
        image: &'a Image<'a>,
        sections: &'a Sections<'a>,
        options: &'a Options,
    ) -> Result<Option<Plan<'a>>, EncodeError> {
        let headers = unit::headers(sections)?;
        if headers.is_empty() {
            return Ok(None);
        }
        if image.relocatable {
            let what = "it is relocatable (a module?), which this release does not encode yet";
            return Err(EncodeError::Elf(what.to_owned()));
        }
        if !sections.types.is_empty() {
            let what = "it has type units (.debug_types), which are not supported";
            return Err(EncodeError::Elf(what.to_owned()));
        }
        let Some(symbols) = image.symbols else {
            let what = "it has no .symtab, which says what its functions are";
            return Err(EncodeError::Elf(what.to_owned()));
        };
        let true_signature = options.features.true_signature;
        let mut functions = ElfFunctions::collect(true_signature, |see| symbols.for_each(see));
        if options.features.decl_tag_kfuncs {
            kfuncs::mark(image, &mut functions)?;
        }
        let (register_params, registers) = machine::registers(image.machine);
        let context = Context {
            sections,
            register_params,
            registers,
            type_tags: options.features.type_tag,
            decl_tags: options.features.decl_tag,
            gnu_annotations: options.features.gnu_annotation,
            true_signature: options.features.true_signature.then(|| Convention {
                registers,
                count: register_params,
                pairs: machine::has_pairs(image.machine),
            }),
            kabi_prefix: options.kabi_prefix.as_deref(),
            lang_exclude: &options.lang_exclude,
        };
        Ok(Some(Plan { image, sections, symbols, headers, functions, context, options }))
    }

    pub(crate) fn little_endian(&self) -> bool {
        self.image.endian == kmill_btf::Endian::Little
    }

    /// Whether units refer to entries of each other, as after link-time optimisation. The kernel
    /// says so in a note; without one, the forms tell.
    pub(crate) fn refers_across(&self) -> Result<bool, EncodeError> {
        if let Some(optimised) = notes::link_time_optimised(self.image) {
            return Ok(optimised);
        }
        let mut abbrevs = Abbrevs::default();
        for header in &self.headers {
            abbrevs.read(self.sections, header.abbrev)?;
            if abbrevs.all_specs().iter().any(|spec| spec.form == form::REF_ADDR) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

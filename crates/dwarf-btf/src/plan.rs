//! The plan: what there is to encode, before any unit's entries are read.

use padata::{Pool, Weight};

use crate::dwarf::abbrev::Abbrevs;
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
        pool: &Pool,
        image: &'a Image<'a>,
        sections: &'a Sections<'a>,
        options: &'a Options,
    ) -> Result<Option<Plan<'a>>, EncodeError> {
        let (headers, functions) = units_and_functions(pool, image, sections, options);
        let headers = headers?;
        if headers.is_empty() {
            return Ok(None);
        }
        if !sections.types.is_empty() {
            let what = "it has type units (.debug_types), which are not supported";
            return Err(EncodeError::Elf(what.to_owned()));
        }
        let Some(symbols) = image.symbols else {
            let what = "it has no .symtab, which says what its functions are";
            return Err(EncodeError::Elf(what.to_owned()));
        };
        let mut functions = functions;
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
            if abbrevs.refers_across() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The chain of units takes as long to follow as the symbols to read: each is half of the plan.
fn units_and_functions<'a>(
    pool: &Pool,
    image: &Image<'a>,
    sections: &Sections<'a>,
    options: &Options,
) -> (Result<Vec<UnitHeader>, EncodeError>, ElfFunctions<'a>) {
    enum Half<'a> {
        Units(Result<Vec<UnitHeader>, EncodeError>),
        Functions(ElfFunctions<'a>),
    }
    let read = |are_units: &bool, (): &mut ()| match are_units {
        true => Half::Units(unit::headers(sections)),
        false => Half::Functions(match image.symbols {
            Some(symbols) => ElfFunctions::collect(options.features.true_signature, |see| {
                symbols.for_each(see);
            }),
            None => ElfFunctions::default(),
        }),
    };
    let halves = pool.map(&[true, false], |_| 1, Weight::UNLIMITED, || (), read);
    let (mut headers, mut functions) = (Ok(Vec::new()), ElfFunctions::default());
    for half in halves {
        match half {
            Half::Units(found) => headers = found,
            Half::Functions(found) => functions = found,
        }
    }
    (headers, functions)
}

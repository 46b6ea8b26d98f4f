//! DWARF as far as types, functions and variables need it: sections, units, abbreviations, forms.
//!
//! Sources: the DWARF standard, version 5 (section and table numbers in the files refer to it),
//! and what GCC and LLVM make of it.

pub(crate) mod abbrev;
pub(crate) mod attrs;
pub(crate) mod constants;
pub(crate) mod cursor;
pub(crate) mod form;
pub(crate) mod location;
pub(crate) mod passing;
pub(crate) mod sections;
pub(crate) mod strings;
pub(crate) mod unit;

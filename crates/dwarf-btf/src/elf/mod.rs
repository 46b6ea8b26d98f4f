//! The ELF file around the debug info: its sections, its functions, its kfunc sets.

pub(crate) mod functions;
pub(crate) mod image;
pub(crate) mod kfuncs;
pub(crate) mod names;
pub(crate) mod notes;
pub(crate) mod relocate;
pub(crate) mod relocation;

//! kmill's own commands.

pub(crate) mod btf;
pub(crate) mod demo;
pub(crate) mod generate;

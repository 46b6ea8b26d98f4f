//! kmill's own commands.

pub(crate) mod demo;
pub(crate) mod generate;

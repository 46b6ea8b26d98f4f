//! Writes small ELF files with debug info: the input of the BTF encoder's tests.
//!
//! A test shows its input next to its assertion, so everything here is a builder:
//!
//! ```
//! use dwarfgen::{Die, File, Unit};
//!
//! let file = File::default().functions(&["foo"]).unit(
//!     Unit::new(5)
//!         .child(Die::int())
//!         .child(Die::structure("foo", 4).member("a", "int", 0))
//!         .child(Die::pointer("struct foo"))
//!         .child(Die::function("foo", "int").param_in("p", "struct foo *", 5)),
//! );
//! assert!(file.to_bytes().starts_with(b"\x7fELF"));
//! ```
//!
//! | module | what it makes |
//! |---|---|
//! | [`die`] | entries: types, functions, variables, or what a test has use for |
//! | [`unit`] | units, and the forms in which their entries say things |
//! | [`file`](mod@file) | the ELF file around them, with symbols; relocatable or not |
//! | [`random`] | files from a seed, in which units disagree about types |
//! | [`constants`] | the standard's numbers |
//!
//! The same calls give the same bytes everywhere.
#![forbid(unsafe_code)]

mod bytes;
pub mod constants;
pub mod die;
pub mod file;
mod info;
pub mod random;
mod relocation;
pub mod unit;

pub use constants::{at, ate, form, lang, op, tag};
pub use die::{Die, Value};
pub use file::{Compress, File, Written};
pub use unit::{NumberForm, RefForm, StringForm, Unit};

//! The fast walk: one unit from its bytes straight to classes, without tables in between.
//!
//! ```text
//! abbreviations ─ compile ─ Op per code: role, length, where the fields lie
//! entries ─ types     one pass: keys by offset, classes of all that has no body
//!         ─ bodies    members and values of what has a name, when every key is known
//!         ─ functions parameters and states, at the end of the unit
//! ```
//!
//! It takes what compilers of C make of a kernel. Whatever else turns up (entries where none are
//! expected, forms without need, attributes of attributes) makes it give the unit up, and the
//! general way ([`from_unit`](crate::class::from_unit)) reads it from its beginning.

pub(crate) mod again;
pub(crate) mod compile;
pub(crate) mod fields;
pub(crate) mod functions;
pub(crate) mod memory;
pub(crate) mod step;
pub(crate) mod types;
pub(crate) mod unit;
pub(crate) mod variables;

//! From a kernel's DWARF to BTF, byte for byte as pahole v1.31 encodes it.
//!
//! | folder, file | holds |
//! |---|---|
//! | [`mod@encode`] | one file from bytes to a blob |
//! | [`features`] | what may be asked for |
//! | `elf` | sections and symbols, functions, kfuncs |
//! | `dwarf` | units, abbreviations, forms, locations |
//! | `unit` | what one unit says: types, functions, variables |
//! | `serial` | the encoding as plainly as it can be said |
//! | `machine` | calling conventions |
//! | [`error`] | what can be wrong |

mod class;
mod dwarf;
mod elf;
pub mod encode;
pub mod error;
pub mod features;
mod machine;
mod plan;
mod serial;
mod unit;
mod walk;

pub use encode::{Encoded, Options, encode};
pub use error::EncodeError;
pub use features::Features;

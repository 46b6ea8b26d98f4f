//! From a kernel's DWARF to BTF, byte for byte as pahole v1.31 encodes it.
//!
//! | folder, file | holds |
//! |---|---|
//! | [`mod@encode`] | one file from bytes to a blob |
//! | [`input`] | a file's bytes |
//! | [`options`], [`features`] | what may be asked for |
//! | `elf` | sections and symbols, functions, kfuncs |
//! | `dwarf` | units, abbreviations, forms, locations |
//! | `unit` | what one unit says: types, functions, variables |
//! | `class` | types that say the same, over all units: the parallel path |
//! | `walk` | one unit straight to classes |
//! | `signature` | functions as the compiler has left them |
//! | `serial` | the encoding as plainly as it can be said |
//! | `plan` | what there is to encode |
//! | [`phases`] | how long it took |
//! | `machine` | calling conventions |
//! | [`session`] | memory from one encoding to the next |
//! | [`error`] | what can be wrong |

mod class;
mod dwarf;
mod elf;
pub mod encode;
pub mod error;
pub mod features;
pub mod input;
mod machine;
pub mod options;
pub mod phases;
mod plan;
mod serial;
pub mod session;
mod signature;
mod unit;
mod walk;

pub use encode::{Encoded, encode, encode_timed};
pub use error::EncodeError;
pub use features::Features;
pub use input::{Input, Release};
pub use options::Options;
pub use phases::Phases;
pub use session::Session;

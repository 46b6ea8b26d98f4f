//! A kernel's ELF files. Modules, read for their index: codecs by magic, positioned
//! reads of the sections that matter, symbols, modinfo and symbol versions. Any
//! file: sections written into it where it lies.
//!
//! Data flow of one module, all on one worker:
//!
//! ```text
//! open file ─ 64 bytes ─┬─ ELF ───────── positioned reads ─┐
//!                       └─ gz, xz, zst ─ whole image ──────┤
//!                                                          ▼
//!             layout (class, endian, section table) ─ ModuleElf ─ scan, modinfo, versions
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`reader`] | one worker's scratch: opens the view of a module file |
//! | `source` | the bytes of a file or of a decompressed image, by range |
//! | `layout` | ELF header and section table to the few sections an index needs |
//! | [`module`] | [`ModuleElf`]: symbols, exported names, modinfo, versions |
//! | [`map`] | a whole file in memory by a map, guarded against its shrinking |
//! | [`write`] | sections of a file that is there, replaced or appended in place |
//! | [`codec`] | gzip, xz, zstd, recognised by magic |
//! | [`error`] | what can be wrong with a module, and the errno depmod reports |
//!
//! Nothing here trusts a length or an offset of the input: every range is
//! checked against the file before it is read, and a file that shrinks while it
//! is read is an error.

pub mod codec;
pub mod error;
mod layout;
pub mod map;
pub mod module;
pub mod reader;
mod source;
pub mod write;

pub use codec::Codec;
pub use error::ReadError;
pub use layout::Class;
pub use map::GuardedMap;
pub use module::{Crc, ModuleElf, SymbolScan};
pub use reader::ModuleReader;

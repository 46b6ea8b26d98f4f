//! BTF, the BPF type format, without any DWARF: what kernels and BPF programs say about types.
//!
//! ```text
//! bytes ─ read ─┐                                        ┌─ write ─ bytes
//!               ├─ Btf { types, strings, base } ─ dedup ─┤
//! pushes ───────┘                                        └─ dump, diff, verify
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`mod@format`] | numbers: kinds, the info word, headers, limits |
//! | [`types`] | types in memory, one vector of words; ids |
//! | [`strings`] | strings in the order in which they came |
//! | [`btf`] | both together, alone or on a base |
//! | [`read`] | from bytes, checked |
//! | [`mod@write`] | to bytes |
//! | [`dedup`] | every type once, as libbpf's `btf__dedup` |
//! | [`diff`] | what two blobs say differently, by name |
//! | [`distill`] | a small base of its own for a split blob, as libbpf's `btf__distill_base` |
//! | [`dump`] | as text or JSON, as `bpftool` |
//! | [`sort`] | in another order, by name |
//! | [`verify`] | what the kernel would not take |
//!
//! Sources: the kernel's `Documentation/bpf/btf.rst` and `include/uapi/linux/btf.h`.

pub mod btf;
pub mod dedup;
pub mod diff;
pub mod distill;
pub mod dump;
pub mod format;
pub mod read;
#[cfg(test)]
mod sample;
pub mod sort;
pub mod strings;
pub mod types;
pub mod verify;
pub mod write;

pub use btf::Btf;
pub use format::{Endian, Info, Kind};
pub use read::ReadError;
pub use types::{StrOff, Type, TypeId, Types};

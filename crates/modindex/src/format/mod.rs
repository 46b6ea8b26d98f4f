//! The binary index of `modules.*.bin`: a trie over 7-bit keys, as libkmod and
//! systemd-udevd read it.
//!
//! All numbers are big-endian u32. A file starts with the magic, the version and
//! the root's offset word. In an offset word the low 28 bits are the node's place
//! in the file, the high ones say which parts it has. A node is: its prefix, NUL
//! (if any); the first and the last label of its children, and an offset word for
//! every label between the two (0: none); the number of its values, and for each
//! a priority and a string, NUL. Nodes stand in pre-order, since kmod 34. A
//! child's own first byte is its label.

pub mod read;
pub(crate) mod write;

/// First word of a file.
pub const MAGIC: u32 = 0xb007_f457;
/// Second word: major version 2, minor 1. Readers compare the major one.
pub const VERSION: u32 = 0x0002_0001;

const PREFIX: u32 = 0x8000_0000;
const VALUES: u32 = 0x4000_0000;
const CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0fff_ffff;

/// Bytes that offsets can say.
pub(crate) const SIZE_MAX: usize = OFFSET as usize + 1;

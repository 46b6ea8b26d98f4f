//! Writes sections into an ELF file that is there, without objcopy: the file keeps everything else, byte
//! for byte and in its place, with its owner, its mode, its links and its attributes, since it is the
//! same file.
//!
//! ```text
//! path ─ Target::open ─ what forbids it: links, a signature, no regular file
//!            │                                     … the work whose result is to be written …
//!        Target::write ─ plan_sections (bytes → Patch: steps as data) ─ apply (steps → system calls)
//!                                                          check (old, new → what differs that should not)
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `target` | [`Target`]: a file opened for the change, locked, looked at |
//! | `plan` | [`plan_sections`]: the steps, their order, and why it is safe to be killed between any two |
//! | `apply` | [`apply`]: the steps done; what is undone when one fails |
//! | `headers` | ELF headers read and written again |
//! | `signature` | what a signed module ends with |
//! | `check` | [`check`]: the difference of two files |
//! | `error` | [`WriteError`] |
//!
//! In place, and not by a copy that takes the file's name: a vmlinux of half a gigabyte is not copied for
//! five megabytes, other names of the file stay its names, and owner, ACLs and security labels need no
//! care. The price is that a killed run may leave bytes behind the end that nothing leads to. Nobody takes
//! them away, since they could be somebody's.

mod apply;
mod check;
mod error;
mod headers;
mod plan;
mod signature;
mod target;

pub use apply::{Flush, apply};
pub use check::{Difference, check};
pub use error::WriteError;
pub use plan::{Content, Patch, Step, plan_sections};
pub use signature::{SIGNATURE_MAGIC, is_signed, without_signature};
pub use target::{Allowed, Target};

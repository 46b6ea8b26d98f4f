//! A module tree and its index: what `depmod` does, as a library.
//!
//! Data flow, and the file that holds each phase:
//!
//! ```text
//! Request ─ plan ──▶ Plan             directories, depmod.d, modules.order   (plan/)
//!           map ───▶ [ModuleSummary]  one module a call, in parallel         (summary)
//!           merge ─▶ Index            owners, dependencies, their order      (merge/)
//!           emit ──▶ [OutputFile]     eleven files, in memory, in parallel   (emit/, format/)
//!           publish                   all checked before the first is renamed (publish)
//! ```
//!
//! The index is a function of the tree alone: not of the number of threads, nor of
//! the order in which a file system lists a directory. What there is to say on the
//! way comes out as [`Diagnostic`]s, in an order that does not change either.

pub mod diagnostic;
pub mod emit;
pub mod error;
pub mod format;
mod map;
pub mod merge;
pub mod plan;
pub mod publish;
pub mod quick;
pub mod scan;
pub mod summary;

pub use diagnostic::{Diagnostic, Level, Log};
pub use emit::{OutputFile, Show, emit};
pub use error::Error;
pub use map::map;
pub use merge::{Index, ModuleId, merge};
pub use plan::{Plan, Request};
pub use publish::{Output, publish};
pub use summary::{ModuleSummary, NameHash};

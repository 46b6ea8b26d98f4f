//! The parallel path: units become classes of types that say the same, and only these, with what
//! is not certain about them, go through deduplication.
//!
//! ```text
//! unit ─ walk ─┐                            ┌─ seeds: what names and copies make uncertain
//! unit ─ from_unit ─ Lane (Table, States) ──┤                                              ─ reduce ─ stream
//! unit ─ walk ─┘      one per worker        └─ merge: classes of all workers
//! ```

pub(crate) mod encode;
pub(crate) mod from_unit;
pub(crate) mod functions;
pub(crate) mod graph;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod lane;
pub(crate) mod merge;
pub(crate) mod reduce;
pub(crate) mod states;
pub(crate) mod table;

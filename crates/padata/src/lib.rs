//! Work in parallel, results in order: the userspace counterpart of the kernel's padata.
//!
//! A [`Pool`] is a number of threads. [`Pool::map`] runs one function on each item of a slice, on
//! the calling thread and on helpers of the pool, and returns the results by index. The result
//! does not depend on the number of threads, and at no time do the items in work weigh more than
//! a limit, so that memory stays bounded.
//!
//! How a map flows:
//! ```text
//! items ── weights ──> Claims      units, heaviest first             claim
//!                        │
//! caller ─ post a Loan ─>│<─ helpers that are free take a seat       pool, erase
//!                        │
//!    every thread: claim a unit, make a scratch value if it is       map
//!    the thread's first one, run f, put the result into its slot     ring
//!                        │
//! caller: recall the Loan (the last helper has left) ── slots ──> Vec of results
//!                                         a panic ──> goes on in the caller      panics
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `map` | `Pool::map`, and one thread's part in it |
//! | `pool` | helpers: started late, woken for a posting, ended with the pool |
//! | `claim` | the order of the units; cursor or gate; [`Weight`] |
//! | `ring` | write-once result slots (unsafe) |
//! | `erase` | borrowed work on threads that live longer (unsafe) |
//! | `panics` | which panic the caller sees |
//! | `topology` | how many threads there are to use |
//! | `sync` | std, loom or shuttle types: no other file names `std::sync` or `std::thread` |
//!
//! A file imports only files below it in this table. `PROTOCOL.md`, beside them, has the states,
//! the memory orderings and the reasons why nothing is lost. `loom_models` and `shuttle_runs`
//! check the code itself; each says how to run it.

pub use claim::Weight;
pub use job::{
    CancelToken, Chunk, ChunkRule, Distance, FailedChunk, Failure, Job, JobError, Nice, Part,
    Position, Raise,
};
pub use pool::{NoCpus, Pool, available_threads};
pub use scope::Scope;
pub use stats::{Report, WorkerStats};
pub use trace::Trace;

mod claim;
mod erase;
mod job;
mod map;
pub mod memory;
mod panics;
mod pool;
mod ring;
mod scope;
mod seat;
mod stats;
mod sync;
mod sys;
pub mod topology;
mod trace;

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, shuttle))]
mod shuttle_runs;

//! Work on many threads: results in order, streams of jobs that end in order, large jobs in chunks,
//! and an account of every unit. The userspace counterpart of the kernel's padata and of the
//! proposed ktask.
//!
//! A [`Pool`] is a number of threads. There are four ways to use them:
//! - [`Pool::map`] runs one function on each item of a slice and returns the results by index. At
//!   no time do the items in work weigh more than a limit, so that memory stays bounded.
//! - A [`Stream`] takes jobs one by one, runs their parallel parts anywhere and their serial parts in
//!   the order of submission, within a [`Window`]. Over an indexed source there is
//!   [`Pool::for_each_ordered`], over an iterator [`Scope::map_ordered`].
//! - A [`Job`] is one large piece of work, cut into chunks. It can fail, be cancelled and undone, work
//!   near NUMA nodes, and keep out of others' way at low priority. [`memory`] has the usual ones.
//! - [`Pool::scope`] spawns tasks that borrow.
//!
//! The caller works too, and while it waits runs nothing but its own job. Several callers can use
//! one pool at once; its helpers are shared out evenly. Size and CPUs of a pool can change while
//! work runs.
//!
//! When not to use more threads: see the README of this crate. Below 50 µs of work, two are slower
//! than one.
//!
//! How work flows:
//! ```text
//! items ── weights ──> Claims: heaviest first        map, claim
//! parts ── rule ─────> Deal: chunk by chunk          job
//! tasks ─────────────> queue                         scope
//! jobs ── window ────> ring of slots, in order       stream, ordered, ring
//!                        │
//! caller ─ post a Loan ─>│<─ helpers take a seat     pool, erase
//!                        │
//!    every thread: take a unit, run it, look whether it is wanted elsewhere     seat
//!                        │
//! caller: the last helper has left ──> results (ring), Report or JobError, panic (panics)
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `memory` | clear, populate, lock and initialise large slices (unsafe) |
//! | `map` | `Pool::map`, and one thread's part in it |
//! | `ordered` | `Pool::for_each_ordered` |
//! | `stream` | streams: submission, batches, retiring in order, iterators |
//! | `job` | jobs: chunks, parts, errors, undo, low priority |
//! | `scope` | tasks that borrow |
//! | `pool` | helpers: started late, woken for a posting, placed, ended |
//! | `claim` | the order of a map's units; cursor or gate; [`Weight`] |
//! | `pace` | how long jobs of a stream take, and what follows from it |
//! | `ring` | the slots of ordered jobs and their baton; write-once result slots (unsafe) |
//! | `erase` | borrowed work on threads that live longer (unsafe) |
//! | `frame` | which callbacks of streams a thread is inside |
//! | `seat` | what work may ask of the thread that runs it |
//! | `panics` | which panic the caller sees |
//! | `stats`, `histogram`, `trace` | counts, times, and a timeline |
//! | `sys` | system calls: affinity, priority, memory policy, memory (unsafe) |
//! | `topology` | CPUs, cores, nodes, quotas, read below a root directory |
//! | `sync` | std, loom or shuttle types: no other file names `std::sync` or `std::thread` |
//!
//! A file imports only files below it in this table. `PROTOCOL.md`, beside them, has the states,
//! the memory orderings and the reasons why nothing is lost. `loom_models` and `shuttle_runs`
//! check the code itself; each says how to run it.

pub use claim::Weight;
pub use histogram::Histogram;
pub use job::{
    CancelToken, Chunk, ChunkRule, Distance, FailedChunk, Failure, Job, JobError, Nice, Part,
    Position, Raise,
};
pub use panics::CaughtPanic;
pub use pool::{NoCpus, Pool, available_threads};
pub use scope::Scope;
pub use stats::{Report, WorkerStats};
pub use stream::{
    Backpressure, Completion, MapOrdered, Outcome, Refused, RefusedBatch, Seq, Stream,
    StreamOptions, StreamStats, Wake, Window,
};
pub use trace::Trace;

mod claim;
mod erase;
mod frame;
mod histogram;
mod job;
mod map;
pub mod memory;
mod ordered;
mod pace;
mod panics;
mod pool;
mod ring;
mod scope;
mod seat;
mod stats;
mod stream;
mod sync;
mod sys;
pub mod topology;
mod trace;

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, shuttle))]
mod shuttle_runs;

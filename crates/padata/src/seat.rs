//! A thread's seat at a piece of work: what the work may ask of the thread that runs it.
//!
//! Work that is shared out between threads asks its seat, between one unit and the next, whether
//! the thread is wanted elsewhere. That is how a pool can change its number of threads and its
//! CPUs, and share itself out between jobs, while they run. The question costs one relaxed load
//! of a word that changes rarely.

use std::cell::Cell;

use crate::sync::{AtomicUsize, Ordering};
use crate::topology::CpuSet;

/// How a thread left a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// There is nothing left to take up, nor will there be: nobody else need come.
    Done,
    /// There is nothing to take up now; there may be later.
    ForNow,
    /// The thread was wanted elsewhere; its seat is free for another one.
    Early,
}

/// What stands behind a seat: a helper of a pool, or nothing in particular.
pub(crate) trait Host {
    /// Looks at the news. Says whether the thread should leave its work.
    fn is_wanted_elsewhere(&self) -> bool;

    /// Restricts the thread to `cpus`, or to what its caller may use; says whether that worked.
    fn move_to(&self, cpus: Option<&CpuSet>) -> bool;
}

/// A seat. Each belongs to one thread.
pub(crate) struct Seat<'a> {
    /// The count of news, and the count that this thread has looked at; nothing for a thread that
    /// stays: the caller, and helpers that belong to one job.
    news: Option<(&'a AtomicUsize, Cell<usize>)>,
    /// The thread was told that it is wanted elsewhere.
    is_wanted: Cell<bool>,
    /// The thread waits for what others do, and works meanwhile.
    waits: bool,
    host: Option<&'a dyn Host>,
}

impl<'a> Seat<'a> {
    /// The seat of the caller: it stays to the end and is never moved.
    pub(crate) fn caller() -> Seat<'static> {
        Seat { news: None, is_wanted: Cell::new(false), waits: false, host: None }
    }

    /// The seat of a caller that waits for others.
    pub(crate) fn waiting() -> Seat<'static> {
        Seat { waits: true, ..Seat::caller() }
    }

    /// The seat of a helper that looks at `host` when `news` has changed from `seen`.
    pub(crate) fn of(host: &'a dyn Host, news: &'a AtomicUsize, seen: usize) -> Self {
        Seat {
            news: Some((news, Cell::new(seen))),
            is_wanted: Cell::new(false),
            waits: false,
            host: Some(host),
        }
    }

    /// The seat of a helper that stays until the work is done.
    pub(crate) fn of_guest(host: &'a dyn Host) -> Self {
        Seat { news: None, is_wanted: Cell::new(false), waits: false, host: Some(host) }
    }

    pub(crate) fn is_caller(&self) -> bool {
        self.host.is_none()
    }

    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Whether the thread should leave the work now, to be asked between two units. Once it is so
    /// it stays so: work that cannot let go of the thread at once asks again.
    #[inline]
    pub(crate) fn is_wanted_elsewhere(&self) -> bool {
        let Some((news, seen)) = &self.news else { return false };
        // Relaxed: a hint where to look; the look itself is under the lock of the board.
        let count = news.load(Ordering::Relaxed);
        if count == seen.get() {
            return self.is_wanted.get();
        }
        seen.set(count);
        if self.host.is_some_and(Host::is_wanted_elsewhere) {
            self.is_wanted.set(true);
        }
        self.is_wanted.get()
    }

    /// Moves the thread to `cpus`, or back to where its caller may run. The caller never moves.
    pub(crate) fn move_to(&self, cpus: Option<&CpuSet>) -> bool {
        self.host.is_some_and(|host| host.move_to(cpus))
    }
}

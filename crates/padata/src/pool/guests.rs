//! Guests: helpers that belong to one job, for jobs whose helpers run at another priority. A
//! thread cannot count on getting its priority back, so it serves nobody else.

use std::cell::Cell;
use std::io;

use crate::sync::{self, Arc, AtomicBool, JoinHandle, Mutex, Ordering};

// Whether this thread is a guest: what it starts would inherit its priority.
#[cfg(not(loom))]
sync::thread_local! {
    static IS_GUEST: Cell<bool> = const { Cell::new(false) };
}
// loom's macro does not take constants.
#[cfg(loom)]
sync::thread_local! {
    static IS_GUEST: Cell<bool> = Cell::new(false);
}

/// Whether the calling thread is a guest.
pub(super) fn is_guest() -> bool {
    IS_GUEST.with(Cell::get)
}

/// The guests of a pool.
#[derive(Default)]
pub(super) struct Guests(Mutex<Register>);

#[derive(Default)]
struct Register {
    /// Guests of jobs that have not ended.
    busy: usize,
    /// Guests that have not been joined.
    guests: Vec<Guest>,
}

struct Guest {
    handle: JoinHandle<()>,
    /// The thread has nothing left to do but end.
    ended: Arc<AtomicBool>,
}

/// How many times the pool's helpers there may be guests that have not ended, those of jobs that
/// are over included: at the lowest priority the last steps can take long.
const LATE_FACTOR: usize = 4;

impl Guests {
    /// Starts a guest for each of `bodies`, as long as there are fewer than `most` of all jobs
    /// together; says how many it started, which the job [gives back](Guests::give_back).
    ///
    /// A guest that comes too late for its job ends by itself, and nobody waits for it.
    pub(super) fn start<B>(&self, most: usize, bodies: impl Iterator<Item = B>) -> usize
    where
        B: FnOnce() + Send + 'static,
    {
        let mut register = sync::lock(&self.0);
        let (ended, present): (Vec<_>, Vec<_>) = std::mem::take(&mut register.guests)
            .into_iter()
            .partition(|guest| guest.ended.load(Ordering::Acquire));
        ended.into_iter().for_each(Guest::forget);
        register.guests = present;
        let late_room = most.saturating_mul(LATE_FACTOR).saturating_sub(register.guests.len());
        let room = most.saturating_sub(register.busy).min(late_room);
        let before = register.guests.len();
        register.guests.extend(bodies.take(room).map_while(|body| Guest::start(body).ok()));
        let started = register.guests.len() - before;
        register.busy += started;
        started
    }

    /// A job with `guests` guests is over.
    pub(super) fn give_back(&self, guests: usize) {
        sync::lock(&self.0).busy -= guests;
    }

    /// Waits for all guests.
    pub(super) fn join(&self) {
        let guests = std::mem::take(&mut sync::lock(&self.0).guests);
        guests.into_iter().for_each(Guest::join);
    }
}

impl Guest {
    fn start(body: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let handle = sync::spawn("padata-nice".to_owned(), move || {
            IS_GUEST.with(|is_guest| is_guest.set(true));
            body();
            told.store(true, Ordering::Release);
        })?;
        Ok(Guest { handle, ended })
    }

    /// For one that has nothing left to do but end, which at its priority can take long.
    fn forget(self) {
        // The models want every thread joined.
        if cfg!(any(loom, shuttle)) {
            self.join();
        }
    }

    fn join(self) {
        // The body runs user code only inside work that catches panics.
        let _ = self.handle.join();
    }
}

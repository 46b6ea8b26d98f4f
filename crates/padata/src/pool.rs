//! The pool: helper threads that wait for work that a caller does as well.
//!
//! A caller posts a [`Loan`] of its work with a number of seats. Each idle helper takes a seat,
//! runs the work and looks for the next posting. The work ends when the job has no unit left to
//! take, so nobody ever waits for a helper that has not sat down yet.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;

use crate::erase::{Loan, lend};
use crate::sync::{self, Arc, Condvar, JoinHandle, Mutex};

/// A number of threads to share out work to: the calling thread and helpers that the pool starts.
///
/// Helpers start when a job first needs them, sleep between jobs and end when the pool is
/// dropped. If the system refuses a thread, jobs go on with those that there are; the next job
/// that could use it asks again. Any number of threads may use one pool at once, and a job may
/// start another one on the pool it runs on: every caller does its own job's work itself, and
/// helpers join where there is a free one, so no job ever waits for a thread to become free.
///
/// ```
/// use padata::{Pool, Weight};
/// let pool = Pool::new(padata::available_threads());
/// let files = ["core.ko", "drivers/net.ko"];
/// let lengths = pool.map(
///     &files,
///     |name| name.len() as u64, // heaviest first
///     Weight::UNLIMITED,
///     String::new, // scratch, one per thread
///     |name, scratch| {
///         scratch.clear();
///         scratch.push_str(name);
///         scratch.len()
///     },
/// );
/// assert_eq!(lengths, [7, 14]);
/// ```
pub struct Pool {
    threads: NonZeroUsize,
    crew: Arc<Crew>,
    spawn: Spawn,
}

/// Starts the helper with the given number. A field, so that tests can refuse threads.
type Spawn = fn(usize, Arc<Crew>) -> io::Result<JoinHandle<()>>;

/// What the pool and its helpers share.
struct Crew {
    board: Mutex<Board>,
    posted: Condvar,
}

#[derive(Default)]
struct Board {
    /// Postings with a free seat, oldest first.
    postings: Vec<Posting>,
    /// Helpers that all unfinished jobs together asked for.
    asked: usize,
    /// Helpers that were started (or are about to be).
    started: usize,
    /// Helpers that sleep.
    idle: usize,
    closed: bool,
    handles: Vec<JoinHandle<()>>,
}

struct Posting {
    loan: Arc<Loan>,
    seats: usize,
}

impl Pool {
    /// A pool of `threads` threads, of which the thread that calls is one: `threads - 1` helpers
    /// at most. No thread is started yet.
    #[must_use]
    pub fn new(threads: NonZeroUsize) -> Pool {
        Pool::with_spawn(threads, start_helper)
    }

    fn with_spawn(threads: NonZeroUsize, spawn: Spawn) -> Pool {
        let crew = Crew { board: Mutex::new(Board::default()), posted: Condvar::new() };
        Pool { threads, crew: Arc::new(crew), spawn }
    }

    /// The number of threads that can work on one job, the calling thread included.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// Runs `work` on this thread and on up to `helpers` helpers at the same time, and returns
    /// when all that began it have left it. Helpers that come too late never begin.
    ///
    /// `work` must return only when the job has nothing left to take up, and must not panic.
    pub(crate) fn together(&self, helpers: usize, work: &(impl Fn() + Sync)) {
        let helpers = helpers.min(self.threads.get() - 1);
        if helpers == 0 {
            return work();
        }
        lend(work, |loan| {
            let _posted = self.post(loan, helpers);
            work();
        });
    }

    /// Offers `helpers` seats and sees to it that as many helpers look for one, if there are.
    fn post<'a>(&'a self, loan: &'a Arc<Loan>, helpers: usize) -> Posted<'a> {
        let posted = Posted { crew: &self.crew, loan, helpers };
        let mut board = sync::lock(&self.crew.board);
        board.postings.push(Posting { loan: Arc::clone(loan), seats: helpers });
        board.asked += helpers;
        // By what is asked for, not by who sleeps: a helper on its way to sleep is free as well.
        let wanted = board.asked.min(self.threads.get() - 1);
        let numbers = board.started..wanted.max(board.started);
        board.started = numbers.end;
        let wakes = board.idle.min(helpers.saturating_sub(numbers.len()));
        drop(board);

        for _ in 0..wakes {
            self.crew.posted.notify_one();
        }
        if !numbers.is_empty() {
            self.start(numbers);
        }
        posted
    }

    fn start(&self, numbers: std::ops::Range<usize>) {
        let wanted = numbers.len();
        let handles: Vec<_> =
            numbers.map_while(|number| (self.spawn)(number, Arc::clone(&self.crew)).ok()).collect();
        let mut board = sync::lock(&self.crew.board);
        board.started -= wanted - handles.len();
        board.handles.extend(handles);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut board = sync::lock(&self.crew.board);
        board.closed = true;
        let handles = std::mem::take(&mut board.handles);
        drop(board);
        self.crew.posted.notify_all();
        for handle in handles {
            // A helper runs user code only inside work that catches panics.
            let _ = handle.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let started = sync::lock(&self.crew.board).started;
        f.debug_struct("Pool")
            .field("threads", &self.threads)
            .field("helpers_started", &started)
            .finish_non_exhaustive()
    }
}

/// Takes the posting down, if it is still up, when the caller has no work left.
struct Posted<'a> {
    crew: &'a Crew,
    loan: &'a Arc<Loan>,
    helpers: usize,
}

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        let mut board = sync::lock(&self.crew.board);
        board.take_down(self.loan);
        board.asked -= self.helpers;
    }
}

impl Board {
    /// Takes a seat at the oldest posting.
    fn sit_down(&mut self) -> Option<Arc<Loan>> {
        let posting = self.postings.first_mut()?;
        let loan = Arc::clone(&posting.loan);
        posting.seats -= 1;
        if posting.seats == 0 {
            self.postings.remove(0);
        }
        Some(loan)
    }

    fn take_down(&mut self, loan: &Arc<Loan>) {
        self.postings.retain(|posting| !Arc::ptr_eq(&posting.loan, loan));
    }
}

fn start_helper(number: usize, crew: Arc<Crew>) -> io::Result<JoinHandle<()>> {
    sync::spawn(format!("padata-{}", number + 1), move || crew.help())
}

impl Crew {
    /// A helper's life.
    fn help(&self) {
        let mut board = sync::lock(&self.board);
        loop {
            if let Some(loan) = board.sit_down() {
                drop(board);
                loan.run();
                board = sync::lock(&self.board);
                // The work came to an end, so there is nothing left there for others either.
                board.take_down(&loan);
            } else if board.closed {
                return;
            } else {
                board.idle += 1;
                board = sync::wait(&self.posted, board);
                board.idle -= 1;
            }
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::claim::Weight;

    fn map(pool: &Pool, units: usize) {
        let items: Vec<usize> = (0..units).collect();
        assert_eq!(pool.map(&items, |_| 1, Weight::UNLIMITED, || (), |n, ()| *n), items);
    }

    fn started(pool: &Pool) -> usize {
        sync::lock(&pool.crew.board).started
    }

    fn of(threads: usize, spawn: Spawn) -> Pool {
        Pool::with_spawn(NonZeroUsize::new(threads).expect("at least one thread"), spawn)
    }

    #[test]
    fn helpers_start_when_they_are_needed() {
        let pool = of(4, start_helper);
        for (units, helpers) in [(0, 0), (1, 0), (2, 1), (2, 1), (1, 1), (3, 2), (100, 3), (2, 3)] {
            map(&pool, units);
            assert_eq!(started(&pool), helpers, "after {units} units");
        }
        let crew = Arc::clone(&pool.crew);
        drop(pool);
        assert_eq!(Arc::strong_count(&crew), 1, "a helper outlived its pool");
    }

    #[test]
    fn no_helper_for_units_that_cannot_run_beside_another() {
        let pool = of(4, start_helper);
        pool.map(&[5, 6, 7], |&n| n, Weight(4), || (), |_, ()| ());
        assert_eq!(started(&pool), 0);
    }

    #[test]
    fn maps_in_maps_ask_for_their_own_helpers() {
        let pool = of(4, start_helper);
        pool.map(&[(); 2], |()| 1, Weight::UNLIMITED, || (), |(), ()| map(&pool, 2));
        assert!((2..=3).contains(&started(&pool)));
    }

    #[test]
    fn goes_on_with_the_threads_it_gets() {
        fn refuse(_: usize, _: Arc<Crew>) -> io::Result<JoinHandle<()>> {
            Err(io::ErrorKind::WouldBlock.into())
        }
        fn one_only(number: usize, crew: Arc<Crew>) -> io::Result<JoinHandle<()>> {
            if number == 0 { start_helper(number, crew) } else { refuse(number, crew) }
        }
        for (spawn, helpers) in [(refuse as Spawn, 0), (one_only, 1)] {
            let pool = of(4, spawn);
            for _ in 0..3 {
                map(&pool, 200);
                assert_eq!(started(&pool), helpers);
            }
        }
    }

    #[test]
    fn nothing_is_left_on_the_board() {
        let pool = of(3, start_helper);
        for units in 0..50 {
            map(&pool, units);
        }
        let board = sync::lock(&pool.crew.board);
        assert_eq!((board.postings.len(), board.asked), (0, 0));
    }
}

//! The pool: helper threads that wait for work that a caller does as well.
//!
//! A caller posts a [`Loan`] of its work with a number of seats (`board`). Each idle helper takes
//! a seat, goes where the caller may run (`placement`), runs the work and looks for the next
//! posting. The work ends when the job has no unit left to take, so nobody ever waits for a
//! helper that has not sat down yet. Between two units a helper looks whether it is wanted
//! elsewhere: at a job with fewer helpers, or nowhere, since the pool became smaller.

mod board;
mod guests;
mod placement;
mod size;

use std::error::Error;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::erase::{Loan, lend};
use crate::frame;
use crate::panics;
use crate::seat::{Host, Left, Seat};
use crate::sync::{self, Arc, AtomicUsize, Condvar, JoinHandle, Mutex, Ordering, OwnLines};
use crate::sys;
use crate::topology::{CpuSet, Topology};

use board::{Board, PostingId, Ticket};
use guests::Guests;
pub(crate) use placement::{Place, Placement, Wish};
pub use size::available_threads;
use size::{LimitsCache, Size};

/// A number of threads to share out work to: the calling thread and helpers that the pool starts.
///
/// Helpers start when a job first needs them, sleep between jobs and end when the pool is
/// dropped. If the system refuses a thread, jobs go on with those that there are; the next job
/// that could use it asks again. Any number of threads may use one pool at once, and a job may
/// start another one on the pool it runs on: every caller does its own job's work itself, and
/// helpers join where there is a free one, so no job ever waits for a thread to become free.
/// Helpers go to the job that has the fewest, and change over between two units of work when
/// another job has fewer.
///
/// Helpers keep the priority of the thread that started them, which is the first caller of a job
/// that needed more.
///
/// Helpers run where the caller may run: at the start of a job they take over its CPU affinity
/// and memory policy. When a job has fewer threads than there are CPUs, they use physical cores
/// before the second hardware threads of cores. Control groups and cpusets hold for all threads
/// of a process anyway.
///
/// The number of threads ([`Pool::set_threads`], [`Pool::set_cap`]) and the CPUs
/// ([`Pool::set_cpus`]) can change at any time, also while jobs run; helpers take note between
/// two units of work. Nothing is refused, lost or run twice meanwhile.
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
    crew: Arc<Crew>,
    guests: Guests,
    limits: LimitsCache,
    /// Whether a lowered thread can be raised again, once that was tried.
    can_raise: Mutex<Option<bool>>,
    /// Where the topology and the control groups are read: `/`, but in tests.
    root: PathBuf,
    /// Read when it is first needed; then nothing if it could not be read.
    topology: Mutex<Option<Option<Arc<Topology>>>>,
}

/// Starts the helper with the given number. A field, so that tests can refuse threads.
type Spawn = fn(usize, Arc<Crew>) -> io::Result<JoinHandle<()>>;

/// What the pool and its helpers share.
struct Crew {
    board: Mutex<Board>,
    posted: Condvar,
    /// Counts what helpers at work should look at.
    news: OwnLines<AtomicUsize>,
    /// How many helpers a job can hope for, as the board last said: a hint for who has no time to
    /// ask it.
    helpers: AtomicUsize,
    spawn: Spawn,
}

/// The set of CPUs is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCpus;

impl fmt::Display for NoCpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pool needs at least one CPU")
    }
}

impl Error for NoCpus {}

impl Pool {
    /// A pool of `threads` threads, of which the thread that calls is one: `threads - 1` helpers
    /// at most. No thread is started yet.
    #[must_use]
    pub fn new(threads: NonZeroUsize) -> Pool {
        Pool::build(Size::Exactly(threads), Path::new("/"), start_helper)
    }

    /// A pool of as many threads as can run at once, for each job anew: the CPUs that its caller
    /// may use, or fewer if a control group's CPU quota is less than that, at least one. See
    /// [`available_threads`](crate::available_threads); quotas are read at most once a second.
    #[must_use]
    pub fn auto() -> Pool {
        Pool::auto_below(Path::new("/"))
    }

    /// As [`Pool::auto`], for a machine that is described below `root` as `/sys` and `/proc`
    /// describe this one. For tests, and for a root directory that sees another `/sys`.
    #[must_use]
    pub fn auto_below(root: &Path) -> Pool {
        Pool::build(Size::Available, root, start_helper)
    }

    fn build(size: Size, root: &Path, spawn: Spawn) -> Pool {
        let crew = Crew {
            board: Mutex::new(Board::new(size)),
            posted: Condvar::new(),
            news: OwnLines(AtomicUsize::new(0)),
            helpers: AtomicUsize::new(0),
            spawn,
        };
        Pool {
            crew: Arc::new(crew),
            guests: Guests::default(),
            can_raise: Mutex::new(None),
            limits: LimitsCache::new(),
            root: root.to_owned(),
            topology: Mutex::new(None),
        }
    }

    /// The number of threads that can work on one job of the calling thread, that thread
    /// included.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        let board = sync::lock(&self.crew.board);
        match board.size {
            Size::Exactly(threads) => board.threads(threads),
            Size::Available => {
                drop(board);
                let available = self.limits.available(&self.root);
                sync::lock(&self.crew.board).threads(available)
            }
        }
    }

    /// From now on the pool has `threads` threads, that of each caller included.
    ///
    /// Helpers that are too many end when they are through with the unit of work they are at. Jobs
    /// that run with helpers get more of them at once, if they can use them. Not so maps, which
    /// keep to the number that they began with, and jobs that began with one thread, or with
    /// helpers of their own ([`Job::nice`](crate::Job::nice)): these go on as they are.
    pub fn set_threads(&self, threads: NonZeroUsize) {
        self.resize(|board| board.size = Size::Exactly(threads));
    }

    /// From now on no job has more than `cap` threads, whatever else the size of the pool is;
    /// nothing lifts the bound. It is the knob for saving power, or for leaving room. Jobs that
    /// run with helpers of their own keep them.
    pub fn set_cap(&self, cap: Option<NonZeroUsize>) {
        self.resize(|board| board.cap = cap);
    }

    fn resize(&self, change: impl FnOnce(&mut Board)) {
        let topology = self.topology();
        let mut board = sync::lock(&self.crew.board);
        change(&mut board);
        board.resize();
        board.place_again(topology.as_deref());
        self.crew.hint(&board);
        drop(board);
        self.crew.tell_news();
        self.crew.posted.notify_all();
        Crew::start_missing(&self.crew, 1);
    }

    /// From now on helpers run on these CPUs, or anywhere with nothing; always within the CPUs of
    /// the caller they work for. If a caller may use none of `cpus`, its helpers run where it
    /// may. Callers themselves are never moved.
    ///
    /// # Errors
    /// When the set is empty; then nothing changes.
    pub fn set_cpus(&self, cpus: Option<CpuSet>) -> Result<(), NoCpus> {
        if cpus.as_ref().is_some_and(CpuSet::is_empty) {
            return Err(NoCpus);
        }
        let topology = self.topology();
        let mut board = sync::lock(&self.crew.board);
        board.cpus = cpus;
        board.place_again(topology.as_deref());
        drop(board);
        self.crew.tell_news();
        Ok(())
    }

    /// The machine's CPUs, cores and nodes, read when first asked for; nothing if it does not say.
    pub(crate) fn topology(&self) -> Option<Arc<Topology>> {
        let mut known = sync::lock(&self.topology);
        known.get_or_insert_with(|| Topology::read(&self.root).ok().map(Arc::new)).clone()
    }

    /// Whether helpers that were lowered can be raised again, as [`Raise`](crate::Raise) wants it: with
    /// `CAP_SYS_NICE`, or an `RLIMIT_NICE` that allows it. Tried once for each pool, on a thread
    /// of its own.
    #[must_use]
    pub fn raise_supported(&self) -> bool {
        let mut known = sync::lock(&self.can_raise);
        if known.is_none() {
            let level = sys::priority();
            let there_and_back = move || {
                let this = sys::this_thread();
                sys::lower(false).and_then(|()| sys::raise(this, level)).is_ok()
                    && sys::lower(true).and_then(|()| sys::raise(this, level)).is_ok()
            };
            // Without a thread there is no answer, and the next job tries again.
            *known = sync::call_apart("padata-probe", there_and_back);
        }
        known.unwrap_or(false)
    }

    /// Starts helpers of a job's own, one for each of `bodies` while there are fewer of them than
    /// the pool has helpers. They may be late, and still there when the job is over.
    pub(crate) fn start_guests<B>(&self, bodies: impl Iterator<Item = B>) -> Hosted<'_>
    where
        B: FnOnce() + Send + 'static,
    {
        let number = self.guests.start(self.threads().get() - 1, bodies);
        Hosted { guests: &self.guests, number }
    }

    /// Where helpers of a job of `threads` threads run that this thread calls.
    pub(crate) fn placement(&self, threads: usize) -> Arc<Placement> {
        let wish = Wish::of_this_thread(threads);
        let available = self.threads();
        let topology = if wish.leaves_cpus_free(available) { self.topology() } else { None };
        let board = sync::lock(&self.crew.board);
        let cpus = board.cpus.as_ref();
        Arc::new(Placement::within(&wish, cpus, topology.as_deref(), available))
    }

    /// Lends `work` to up to `seats` helpers while `caller` runs on this thread, and returns when
    /// all helpers that began it have left it. Helpers that come too late never begin. The
    /// caller takes down its posting when it has nothing left that others could do.
    ///
    /// `work` must not panic.
    pub(crate) fn share<'p, W>(
        &'p self,
        seats: usize,
        work: &W,
        caller: impl FnOnce(&Arc<Loan>, Option<Posted<'p>>),
    ) where
        W: Fn(&Seat<'_>, &Arc<Loan>) -> Left + Sync,
    {
        lend(work, |loan| {
            let posted = (seats > 0).then(|| self.post(loan, seats, seats));
            caller(loan, posted);
        });
    }

    /// Offers `seats` seats, of at most `helpers` in the end, and sees to it that as many helpers
    /// look for one, if there are.
    pub(crate) fn post(&self, loan: &Arc<Loan>, seats: usize, helpers: usize) -> Posted<'_> {
        let threads = self.threads();
        let wish = Wish::of_this_thread(helpers.saturating_add(1));
        let topology = if wish.leaves_cpus_free(threads) { self.topology() } else { None };
        let mut board = sync::lock(&self.crew.board);
        board.make_room(threads);
        self.crew.hint(&board);
        let seats = board.seats_for(seats, threads);
        let id = board.post(loan, seats, wish, topology.as_deref(), threads);
        Crew::call_helpers(&self.crew, board, seats);
        Posted { seats: Seats { crew: &self.crew, id } }
    }

    /// For work that is not bound to a call, to be posted when it is there.
    pub(crate) fn opening(&self) -> Opening {
        Opening { crew: Arc::clone(&self.crew), id: Mutex::new(None) }
    }

    /// Posts work that is not bound to a call; no seats yet.
    pub(crate) fn open(&self, opening: &Opening, loan: &Arc<Loan>) {
        let posted = self.post(loan, 0, usize::MAX);
        let id = posted.seats.id;
        sync::lock(&self.crew.board).set_open(id);
        *sync::lock(&opening.id) = Some(id);
        // The opening takes it down, sooner or later.
        std::mem::forget(posted);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut board = sync::lock(&self.crew.board);
        board.closed = true;
        self.crew.hint(&board);
        drop(board);
        self.crew.tell_news();
        self.crew.posted.notify_all();
        self.guests.join();
        loop {
            // A helper may be starting another one: its handle is there when the helper has ended.
            let handles = std::mem::take(&mut sync::lock(&self.crew.board).handles);
            if handles.is_empty() {
                return;
            }
            for handle in handles {
                // A helper drops the pool if the last user of it was a stream's callback. It
                // ends by itself.
                if sync::is_this_thread(&handle) {
                    continue;
                }
                // A helper runs user code only inside work that catches panics.
                let _ = handle.join();
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let started = sync::lock(&self.crew.board).started;
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .field("helpers_started", &started)
            .finish_non_exhaustive()
    }
}

/// A job's guests; their places are free again when this is dropped.
pub(crate) struct Hosted<'a> {
    guests: &'a Guests,
    number: usize,
}

impl Drop for Hosted<'_> {
    fn drop(&mut self) {
        self.guests.give_back(self.number);
    }
}

/// A posting. It is taken down when this is dropped: when the caller has no work left.
pub(crate) struct Posted<'a> {
    seats: Seats<'a>,
}

/// Where seats can be added.
#[derive(Clone, Copy)]
pub(crate) struct Seats<'a> {
    crew: &'a Arc<Crew>,
    id: PostingId,
}

impl<'a> Posted<'a> {
    pub(crate) fn seats(&self) -> Seats<'a> {
        self.seats
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Somebody who has nothing else to do comes.
    Soon,
    /// Somebody comes who is busy elsewhere.
    Later,
    /// There is nobody; the seat was taken back.
    ByNobody,
}

/// A posting that is not bound to a call. Nobody takes it down but who has it.
pub(crate) struct Opening {
    crew: Arc<Crew>,
    /// Nothing before it is posted and after it was taken down.
    id: Mutex<Option<PostingId>>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = *sync::lock(&self.id);
        let board = sync::lock(&self.crew.board);
        write!(f, "{:?}, {board:?}", id.map(|id| board.seats_of(id)))
    }
}

impl Opening {
    /// Offers one more seat. Says who is going to take it.
    pub(crate) fn call(&self) -> Heard {
        let Some(id) = *sync::lock(&self.id) else { return Heard::ByNobody };
        let is_soon = Seats { crew: &self.crew, id }.add();
        // What a call cannot start may have been asked of another thread, which starts it.
        let mut board = sync::lock(&self.crew.board);
        let is_heard = board.has_helpers();
        if !is_heard {
            // If the seat is gone, somebody came.
            return if board.remove_seat(id) { Heard::ByNobody } else { Heard::Soon };
        }
        if is_soon { Heard::Soon } else { Heard::Later }
    }

    /// About how many helpers the pool has for this; 0 when it is gone.
    pub(crate) fn helpers(&self) -> usize {
        // Relaxed: a hint.
        self.crew.helpers.load(Ordering::Relaxed)
    }

    pub(crate) fn take_down(&self) {
        let Some(id) = sync::lock(&self.id).take() else { return };
        let loan = sync::lock(&self.crew.board).take_down(id);
        // Not under the lock: this may be the last of it.
        drop(loan);
    }
}

impl Seats<'_> {
    /// Takes back a seat that nobody has sat down on.
    pub(crate) fn remove(self) {
        let _ = sync::lock(&self.crew.board).remove_seat(self.id);
    }

    /// Offers one more seat. Says whether somebody comes who has nothing else to do.
    pub(crate) fn add(self) -> bool {
        let mut board = sync::lock(&self.crew.board);
        board.add_seat(self.id);
        Crew::call_helpers(self.crew, board, 1)
    }
}

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        let loan = sync::lock(&self.seats.crew.board).take_down(self.seats.id);
        // Not under the lock: this may be the last of it.
        drop(loan);
    }
}

fn start_helper(number: usize, crew: Arc<Crew>) -> io::Result<JoinHandle<()>> {
    sync::spawn(format!("padata-{number}"), move || Crew::help(&crew))
}

/// Helpers that one helper starts before it begins to work. The caller starts one only, so that
/// it is at work soon; the others start each other, like a tree that branches.
const STARTS_PER_HELPER: usize = 2;

impl Crew {
    /// Wakes or starts helpers for new seats, or makes those at work look. Says whether there is
    /// one who has nothing else to do.
    fn call_helpers(
        crew: &Arc<Self>,
        mut board: sync::MutexGuard<'_, Board>,
        seats: usize,
    ) -> bool {
        let started = board.start_what_is_asked();
        let wakes = board.idle.min(seats.saturating_sub(started));
        let is_short = board.free_seats() > board.idle + started;
        let is_soon = started > 0 || board.has_free_helper();
        drop(board);
        for _ in 0..wakes {
            crew.posted.notify_one();
        }
        if is_short {
            crew.tell_news();
        }
        Crew::start_missing(crew, 1);
        is_soon
    }

    fn hint(&self, board: &Board) {
        self.helpers.store(board.helpers_to_hope_for(), Ordering::Relaxed);
    }

    fn tell_news(&self) {
        // Relaxed: what there is to know is on the board, under its lock. A helper that sees the
        // count too late looks one unit later.
        self.news.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Starts up to `at_most` of the helpers that are missing.
    fn start_missing(crew: &Arc<Self>, at_most: usize) {
        // What a guest starts would be at its priority, for ever. The next caller starts it.
        if guests::is_guest() {
            return;
        }
        for _ in 0..at_most {
            let Some(number) = sync::lock(&crew.board).take_number() else { return };
            let spawned = (crew.spawn)(number, Arc::clone(crew));
            let mut board = sync::lock(&crew.board);
            match spawned {
                Ok(handle) => {
                    board.forget_ended();
                    board.handles.push(handle);
                }
                // The next one would be refused as well. The next job asks again.
                Err(_) => {
                    board.give_up_starting();
                    return Crew::stand_in(crew, board);
                }
            }
        }
    }

    /// Does what a helper was called for that could not be started, where nobody else would do it.
    fn stand_in<'a>(crew: &'a Arc<Self>, mut board: sync::MutexGuard<'a, Board>) {
        /// A thread that can be told nothing, and stays where it is.
        struct StandIn;
        impl Host for StandIn {
            fn is_wanted_elsewhere(&self) -> bool {
                false
            }
            fn move_to(&self, _: Option<&CpuSet>) -> bool {
                false
            }
        }

        while let Some(Ticket { id, loan, .. }) = board.sit_down_last() {
            drop(board);
            Loan::run(&loan, &Seat::of_guest(&StandIn));
            discard(loan);
            board = sync::lock(&crew.board);
            board.get_up(id, false);
        }
    }

    /// A helper's life.
    fn help(crew: &Arc<Self>) {
        Crew::start_missing(crew, STARTS_PER_HELPER);
        let place = Place::default();
        let mut board = sync::lock(&crew.board);
        loop {
            let seen = crew.news.0.load(Ordering::Relaxed);
            // Not one that is to end, but for work that nobody else would do.
            let ticket = if board.surplus > 0 { board.sit_down_last() } else { board.sit_down() };
            if ticket.is_none() && board.dismiss_one() {
                return;
            }
            if let Some(ticket) = ticket {
                drop(board);
                place.take_over(&ticket.placement);
                let Ticket { id, loan, .. } = ticket;
                let helper = Helper { crew, place: &place, posting: id };
                let left = Loan::run(&loan, &Seat::of(&helper, &crew.news.0, seen));
                // Not under the lock, here and below: this may be the last of a stream that
                // borrows nothing, and of a user's values in it.
                discard(loan);
                board = sync::lock(&crew.board);
                match left {
                    Some(Left::Early) => board.get_up(id, true),
                    Some(Left::ForNow) => board.get_up(id, false),
                    // Nothing is left there for others either.
                    Some(Left::Done) | None => {
                        let last = board.take_down(id);
                        drop(board);
                        discard(last);
                        board = sync::lock(&crew.board);
                    }
                }
            } else if board.closed {
                return;
            } else {
                board.idle += 1;
                board = sync::wait(&crew.posted, board);
                board.idle -= 1;
            }
        }
    }
}

/// Drops what may be a user's, on a thread that has other things to do.
fn discard<T>(value: T) {
    let _frame = frame::enter_drop();
    panics::discard_value(value);
}

/// A helper at work.
struct Helper<'a> {
    crew: &'a Crew,
    place: &'a Place,
    posting: PostingId,
}

impl Host for Helper<'_> {
    fn is_wanted_elsewhere(&self) -> bool {
        let mut board = sync::lock(&self.crew.board);
        if board.closed || board.surplus > 0 || board.has_better_seat(self.posting) {
            return true;
        }
        let moved = board
            .placement(self.posting)
            .filter(|placement| !self.place.is_at(placement))
            .map(Arc::clone);
        drop(board);
        if let Some(placement) = moved {
            self.place.follow(&placement);
        }
        false
    }

    fn move_to(&self, cpus: Option<&CpuSet>) -> bool {
        self.place.move_to(cpus)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

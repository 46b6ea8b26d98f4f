//! `Pool::for_each_ordered`: a function on each index in parallel, another one on the results in
//! order.
//!
//! There is nothing to store for a job but its result, so a batch of tiny jobs costs a claim, two
//! swaps and a turn. The ring is that of the streams. Nobody submits: whoever retires jobs lets as
//! many new ones in.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};

use crate::erase::Loan;
use crate::pace::{Pace, WAKE_NANOS};
use crate::panics::{self, FirstPanic, Payload};
use crate::pool::{Pool, Posted, Seats};
use crate::ring::{Baton, Producer, Ring, Run, Ticket, Turn};
use crate::seat::{Left, Seat};
use crate::stream::Window;
use crate::sync::{self, Arc, AtomicBool, Clock, Mutex, Ordering};

/// Jobs that a thread claims at once, at most.
const MAX_BATCH: usize = 1024;

/// Indexes that one ring is for, at most: far fewer than tickets can tell apart.
const AT_ONCE_MAX: usize = 1 << 30;

/// The caller alone looks at the clock about this often, to see whether helpers are worth it.
const LOOK_NANOS: u64 = 20_000;

impl Pool {
    /// Calls `f` for each index of `range`, in parallel, and `g` with each index and its result, in
    /// order, one at a time, while `f` runs for later ones.
    ///
    /// - No more than the window's jobs are in flight: between the beginning of `f` and the end of
    ///   `g`. Each weighs 1.
    /// - `scratch` makes a value that the calls of `f` on one thread share; see [`Pool::map`].
    /// - `g` runs on whichever thread has the result that is next.
    /// - An error of `g` ends it: `g` is not called for later indexes, and the error is returned.
    ///
    /// What `g` sees, and what is returned, is a function of the input alone, if `f` and `g` are;
    /// `f` may have been called for some indexes behind an error.
    ///
    /// The caller works as well. It begins alone, and calls helpers when there is work for them:
    /// 50 microseconds of it, in jobs that are worth a hand-over. So a few short jobs, and many
    /// tiny ones, cost little more than a loop. Nothing is allocated per job.
    ///
    /// # Errors
    /// The error of `g`.
    ///
    /// # Panics
    /// With a panic of `g`, or of `f` or `scratch` after `g` has been called for all indexes
    /// before.
    ///
    /// ```
    /// use padata::{Pool, Window};
    /// let pool = Pool::new(padata::available_threads());
    /// let blocks = [&b"abc"[..], b"de", b"f"];
    /// let mut out = Vec::new();
    /// pool.for_each_ordered(
    ///     0..blocks.len(),
    ///     Window::jobs(64),
    ///     || (),
    ///     |i, ()| blocks[i].to_ascii_uppercase(),
    ///     |_, block| std::io::Write::write_all(&mut out, &block),
    /// )?;
    /// assert_eq!(out, b"ABCDEF");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn for_each_ordered<S, T, E>(
        &self,
        range: Range<usize>,
        window: Window,
        scratch: impl Fn() -> S + Sync,
        f: impl Fn(usize, &mut S) -> T + Sync,
        mut g: impl FnMut(usize, T) -> Result<(), E> + Send,
    ) -> Result<(), E>
    where
        T: Send,
        E: Send,
    {
        let mut left = range;
        let mut own = None;
        alone(&mut left, self.threads(), |i| g(i, f(i, own.get_or_insert_with(&scratch))))?;
        while !left.is_empty() {
            let end = left.start.saturating_add(AT_ONCE_MAX).min(left.end);
            let some = left.start..end;
            left.start = end;
            self.spread_ordered(some, window, &scratch, &f, &mut g, &mut own)?;
        }
        Ok(())
    }

    /// The same, with helpers from the beginning.
    fn spread_ordered<S, T, E>(
        &self,
        left: Range<usize>,
        window: Window,
        scratch: &(impl Fn() -> S + Sync),
        f: &(impl Fn(usize, &mut S) -> T + Sync),
        g: &mut (impl FnMut(usize, T) -> Result<(), E> + Send),
        own: &mut Option<S>,
    ) -> Result<(), E>
    where
        T: Send,
        E: Send,
    {
        let window = window.most_jobs().min(left.len());
        let serial = Serial {
            g,
            next: left.start,
            producer: None,
            left: left.len(),
            end: None,
            is_asked: false,
        };
        let first = Ticket::before_wrap(0);
        let (ring, producer) = Ring::new(window, first, serial);
        let run = Ordered {
            window,
            offset: left.start,
            first,
            end: first.plus(left.len()),
            threads: self.threads().get(),
            scratch,
            f,
            pace: Pace::new(MAX_BATCH),
            clock: Clock::new(),
            stopped: AtomicBool::new(false),
            away: Mutex::new(0),
            seats: Mutex::new(None),
            panic: FirstPanic::new(),
            ring,
        };
        run.begin(producer);
        let work = |seat: &Seat<'_>, loan: &Arc<Loan>| run.work(&mut None, seat, loan);
        self.share(run.threads - 1, &work, |loan, posted| {
            *sync::lock(&run.seats) = posted.as_ref().map(Posted::seats);
            run.work(own, &Seat::caller(), loan);
        });
        let panic = run.panic.into_payload();
        match run.ring.into_serial().end {
            Some(End::Error(error)) => {
                panics::discard_value(panic);
                Err(error)
            }
            Some(End::Panic(payload)) => {
                panics::discard_value((panic, own.take()));
                panic::resume_unwind(payload)
            }
            Some(End::NoResult) | None => match panic {
                Some(payload) => {
                    panics::discard_value(own.take());
                    panic::resume_unwind(payload)
                }
                None => Ok(()),
            },
        }
    }
}

/// Runs jobs on the caller alone, as long as helpers are not worth it. Takes them off `left`.
fn alone<E>(
    left: &mut Range<usize>,
    threads: NonZeroUsize,
    mut run: impl FnMut(usize) -> Result<(), E>,
) -> Result<(), E> {
    if threads.get() == 1 {
        return std::mem::take(left).try_for_each(run);
    }
    let clock = Clock::new();
    let (mut chunk, mut begin) = (1, 0);
    while left.start < left.end {
        let jobs = chunk.min(left.len());
        for _ in 0..jobs {
            let index = left.start;
            left.start += 1;
            run(index)?;
        }
        let end = clock.now();
        let each = (end - begin) / jobs as u64;
        // Not before the first ones, which find cold caches, have been forgotten.
        let is_known = end >= LOOK_NANOS || IS_MODEL;
        let is_worth_it =
            each >= SPREAD_NANOS && each.saturating_mul(left.len() as u64) >= WAKE_NANOS;
        if is_known && (is_worth_it || IS_MODEL) {
            return Ok(());
        }
        if end - begin < LOOK_NANOS {
            chunk = chunk.saturating_mul(2);
        }
        begin = end;
    }
    Ok(())
}

/// Models have no time: there helpers are always worth it.
const IS_MODEL: bool = cfg!(any(loom, shuttle));

/// Jobs that are shorter than this cost more when they are spread over threads.
const SPREAD_NANOS: u64 = 10;

/// A for-each at work.
struct Ordered<'a, T, G, F, Q, E> {
    window: usize,
    /// The index of the first ticket.
    offset: usize,
    first: Ticket,
    /// Behind the last ticket.
    end: Ticket,
    threads: usize,
    scratch: Q,
    f: F,
    pace: Pace,
    clock: Clock,
    /// Nothing is claimed any more.
    stopped: AtomicBool,
    /// Helpers that have left because there was no room, and are to be called back.
    away: Mutex<usize>,
    seats: Mutex<Option<Seats<'a>>>,
    /// Of `f`.
    panic: FirstPanic,
    ring: Ring<(), T, (), Serial<G, E>>,
}

/// What belongs to who holds the baton.
struct Serial<G, E> {
    g: G,
    /// The next index.
    next: usize,
    /// Nothing before the beginning.
    producer: Option<Producer>,
    /// Tickets that were not let in.
    left: usize,
    end: Option<End<E>>,
    /// Somebody wants to be told of the next change.
    is_asked: bool,
}

/// Why `g` is not called any more.
enum End<E> {
    Error(E),
    Panic(Payload),
    /// `f` has panicked; the payload is kept elsewhere.
    NoResult,
}

impl<T, S, G, F, Q, E> Ordered<'_, T, G, F, Q, E>
where
    T: Send,
    E: Send,
    G: FnMut(usize, T) -> Result<(), E> + Send,
    Q: Fn() -> S + Sync,
    F: Fn(usize, &mut S) -> T + Sync,
{
    /// Lets the first jobs in.
    fn begin(&self, producer: Producer) {
        let mut baton = self.ring.take_idle_baton(&producer).expect("a new ring is idle");
        self.ring.with_serial(&mut baton, |serial| serial.producer = Some(producer));
        self.let_in(&mut baton);
        let no_turn = self.ring.next_turn(baton);
        debug_assert!(no_turn.is_none(), "nothing was claimed");
    }

    /// A thread's part.
    fn work(&self, scratch: &mut Option<S>, seat: &Seat<'_>, loan: &Arc<Loan>) -> Left {
        loop {
            if let Some(run) = self.claim() {
                self.run(run, scratch, loan);
            } else if self.is_all_claimed() {
                return Left::Done;
            } else if sync::idle_until(|| self.has_news()) {
                continue;
            } else if self.wait(seat, loan) {
                return Left::ForNow;
            }
            if seat.is_wanted_elsewhere() {
                // Jobs that were let in after somebody had asked are told of by who lets in the
                // next ones; that may not be us.
                self.tell(loan);
                return Left::Early;
            }
        }
    }

    fn claim(&self) -> Option<Run> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        self.ring.claim(|waiting| self.pace.batch(waiting, self.threads, MAX_BATCH))
    }

    /// Whether there will never be anything to claim.
    fn is_all_claimed(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || !self.ring.is_unclaimed_before(self.end)
    }

    fn has_news(&self) -> bool {
        self.ring.waiting() > 0 || self.is_all_claimed()
    }

    /// All that was let in is claimed. The caller sleeps until that changes; a helper is to leave,
    /// and is called back then.
    fn wait(&self, seat: &Seat<'_>, loan: &Arc<Loan>) -> bool {
        let seen = self.ring.retired();
        if self.has_news() {
            return false;
        }
        if seat.is_caller() {
            if self.ring.ask(seen) {
                loan.sleep_until(|| self.has_news() || self.ring.retired() != seen);
            }
            return false;
        }
        // Asked under the lock: who finds the question comes to the lock for the answer.
        let mut away = sync::lock(&self.away);
        let leaves = self.ring.ask(seen);
        *away += usize::from(leaves);
        leaves
    }

    /// Runs a batch and, if its turn has come, calls `g` for it.
    fn run(&self, mut run: Run, scratch: &mut Option<S>, loan: &Arc<Loan>) {
        let jobs = run.len();
        let number = run.first().since(self.first) as u64;
        let timed = self.pace.wants_sample(jobs, number);
        let begin = if timed { self.clock.now() } else { 0 };
        let mut index = 0;
        let ran = panic::catch_unwind(AssertUnwindSafe(|| {
            while let Some(ticket) = self.ring.step_ticket(&mut run) {
                index = self.offset + ticket.since(self.first).unsigned_abs();
                let scratch = scratch.get_or_insert_with(&self.scratch);
                let result = (self.f)(index, scratch);
                self.ring.fill(&mut run, result);
            }
        }));
        if let Err(payload) = ran {
            self.panic.record(index, payload);
            self.stopped.store(true, Ordering::Relaxed);
        }
        if timed {
            self.pace.record(jobs, self.clock.now().saturating_sub(begin));
        }
        if let Some(turn) = self.ring.finish(run) {
            self.retire(turn, loan);
        }
    }

    fn retire(&self, mut turn: Turn, loan: &Arc<Loan>) {
        loop {
            self.retire_one(&mut turn);
            let (mut baton, is_asked) = self.ring.end(turn);
            sync::transition();
            let has_let_in = self.let_in(&mut baton);
            // Who asked waits for room, not for every step on the way there.
            let tells = self.ring.with_serial(&mut baton, |serial| {
                serial.is_asked |= is_asked;
                let tells = serial.is_asked && (has_let_in || serial.left == 0);
                serial.is_asked &= !tells;
                tells
            });
            if tells || is_asked && self.is_all_claimed() {
                self.tell(loan);
            }
            turn = match self.ring.next_turn(baton) {
                Some(next) => next,
                None => return,
            };
        }
    }

    fn retire_one(&self, turn: &mut Turn) {
        let is_over = self.ring.with_turn(turn, |serial, outcomes| {
            while !outcomes.is_empty() {
                let called = panic::catch_unwind(AssertUnwindSafe(|| {
                    while let Some(((), result)) = outcomes.next() {
                        let index = serial.next;
                        serial.next += 1;
                        match (result, &serial.end) {
                            (Some(result), None) => {
                                if let Err(error) = (serial.g)(index, result) {
                                    serial.end = Some(End::Error(error));
                                }
                            }
                            (None, None) => serial.end = Some(End::NoResult),
                            (result, Some(_)) => panics::discard_value(result),
                        }
                    }
                }));
                if let Err(payload) = called {
                    serial.end = Some(End::Panic(payload));
                }
            }
            serial.end.is_some()
        });
        if is_over {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Lets jobs in for those that were retired; says whether.
    fn let_in(&self, baton: &mut Baton) -> bool {
        self.ring.with_serial(baton, |serial| {
            let producer = serial.producer.as_mut().expect("it has begun");
            let room = self.window - self.ring.in_flight(producer);
            let jobs = room.min(serial.left);
            // Not one by one: others look at the word that this changes.
            if jobs == 0 || jobs < serial.left.min(self.window.div_ceil(8)) {
                return false;
            }
            self.ring.put_tickets(producer, jobs);
            self.ring.publish(producer);
            serial.left -= jobs;
            true
        })
    }

    /// There is something to claim again, or nothing any more: tells who waits for that.
    fn tell(&self, loan: &Loan) {
        loan.poke();
        let away = std::mem::take(&mut *sync::lock(&self.away));
        let seats = *sync::lock(&self.seats);
        if let Some(seats) = seats.filter(|_| !self.is_all_claimed()) {
            for _ in 0..away {
                let _ = seats.add();
            }
        }
    }
}

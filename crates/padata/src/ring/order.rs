//! The ring: jobs in the order of their submission, run by anybody, retired in that order by one
//! thread at a time. Fixed memory; nothing is allocated per job.
//!
//! Jobs have tickets, in order. Three words say how far the ring has got; between them lie
//! ```text
//!    retired ...... next ...... tail ...... retired + capacity
//!      claimed: run,  to be        free slots
//!      or done        claimed
//! ```
//! Each move of a word is the right of one token, which only this file makes, and which names its
//! ring:
//! - the [`Producer`], one per ring, puts jobs into free slots and moves `tail`;
//! - a [`Run`] comes from a claim, a compare-and-swap of `next`, and owns the slots that were
//!   claimed until it is [finished](Ring::finish);
//! - the [`Baton`], one per ring, is the right to retire. Whoever holds it calls the serial part.
//!
//! Where the baton goes: each slot has a state, and the first slot of a run speaks for the run. Who
//! finishes a run swaps in `done`, and if it finds the baton there, it has it now. Who has retired
//! a run swaps the baton into the slot after it, and if it finds `done` there, it keeps the baton
//! and goes on. Both are swaps of one word, so one of the two sees the other, and neither the lost
//! wake-up of the kernel's cf144f81a99d and e04ec0de61c1 nor a second retirer can happen. It is
//! the algorithm of the kernel's 71203f68c774 without its locks.
//!
//! See `PROTOCOL.md` for the states and the orderings.
#![expect(unsafe_code, reason = "slots that tokens own, not borrows")]

use crate::sync::{self, AtomicU64, Ordering, OwnLines, UnsafeCell};

/// Of [`Ring::retired`]: somebody wants to be told of the next change.
const LOOK: u64 = 1;

/// State of a slot: nothing was finished here and the baton is elsewhere.
const EMPTY: u64 = 0;
/// The baton waits here for the run that begins here.
const BATON: u64 = 1;
/// A run begins here and is done. The number of its jobs is in the bits above.
const DONE: u64 = 2;
const LENGTH_SHIFT: u32 = 2;

/// The place of a job in the order: twice a count, modulo 2^64. The low bit is free for [`LOOK`].
/// Slots are found by the low bits of the count and there is a power of two of them, so the order
/// of the slots goes on where the count wraps (the kernel's 501302d5cee0 did not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Ticket {
    /// The ticket from which `jobs` more make the count wrap to 0.
    pub(crate) const fn before_wrap(jobs: u64) -> Self {
        Ticket(0_u64.wrapping_sub(2 * jobs))
    }

    pub(crate) fn plus(self, jobs: usize) -> Self {
        Ticket(self.0.wrapping_add(2 * jobs as u64))
    }

    /// How many jobs this is behind `earlier`; less than 0 if it is before it. By the sign of the
    /// difference, never by comparing counts (the kernel's CVE-2024-47739).
    pub(crate) fn since(self, earlier: Ticket) -> isize {
        (self.0.wrapping_sub(earlier.0).cast_signed() >> 1) as isize
    }

    /// The count, without its highest bit.
    pub(crate) fn count(self) -> u64 {
        self.0 >> 1
    }
}

/// Jobs `J` that become outcomes `T`, each with some `M`, and the serial side `X`.
pub(crate) struct Ring<J, T, M, X> {
    /// Which tokens are this ring's. Never used twice in a process.
    id: u64,
    slots: Box<[Slot<J, T, M>]>,
    /// The first ticket that was not submitted. Written by the producer alone.
    tail: OwnLines<AtomicU64>,
    /// The first ticket that was not claimed.
    next: OwnLines<AtomicU64>,
    /// The first ticket that was not retired, and [`LOOK`].
    retired: OwnLines<AtomicU64>,
    /// Belongs to who holds the baton.
    serial: UnsafeCell<X>,
}

struct Slot<J, T, M> {
    state: AtomicU64,
    entry: UnsafeCell<Entry<J, T, M>>,
}

struct Entry<J, T, M> {
    content: Content<J, T>,
    meta: M,
}

enum Content<J, T> {
    Empty,
    Job(J),
    Out(T),
}

// SAFETY: threads that share a ring move jobs and outcomes through it and hand around the serial
// side, so all of these must be `Send`. No two threads touch one entry, or the serial side, at a
// time: see the comments at the accesses.
unsafe impl<J: Send, T: Send, M: Send, X: Send> Sync for Ring<J, T, M, X> {}

/// The right to submit to a ring.
pub(crate) struct Producer {
    ring: u64,
    tail: Ticket,
    /// The last `retired` that was seen.
    retired: Ticket,
}

/// Claimed jobs: the right to their slots.
#[must_use = "a run that is not finished stops its ring"]
pub(crate) struct Run {
    ring: u64,
    first: Ticket,
    len: usize,
    /// Jobs of which [`Ring::step`] has been told.
    stepped: usize,
}

/// The right to retire, at a ticket.
#[must_use = "a baton that is lost stops its ring"]
pub(crate) struct Baton {
    ring: u64,
    at: Ticket,
}

/// The right to retire a run that is done: the next one in the order.
#[must_use = "a turn that is not ended stops its ring"]
pub(crate) struct Turn {
    baton: Baton,
    len: usize,
    taken: usize,
}

/// The outcomes of a turn that have not been taken.
pub(crate) struct Outcomes<'a, J, T, M, X> {
    ring: &'a Ring<J, T, M, X>,
    turn: &'a mut Turn,
}

impl<J, T, M: Copy + Default, X> Outcomes<'_, J, T, M, X> {
    /// As [`Ring::take`].
    pub(crate) fn next(&mut self) -> Option<(M, Option<T>)> {
        self.ring.take(self.turn)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turn.taken == self.turn.len
    }
}

/// What [`Ring::step`] finds in a slot.
pub(crate) enum Stepped<J> {
    Job(J),
    /// There was nothing to run, or it was run before it was submitted.
    Nothing,
}

impl Run {
    pub(crate) fn first(&self) -> Ticket {
        self.first
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes the first job as a run of its own; nothing if there is none, or if a step was made.
    pub(crate) fn split_first(&mut self) -> Option<Run> {
        if self.len == 0 || self.stepped > 0 {
            return None;
        }
        let first = Run { ring: self.ring, first: self.first, len: 1, stepped: 0 };
        self.first = self.first.plus(1);
        self.len -= 1;
        Some(first)
    }
}

impl Turn {
    /// The ticket of its first job.
    pub(crate) fn first(&self) -> Ticket {
        self.baton.at
    }

    /// The number of its jobs.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Producer {
    /// The ticket of the next job.
    pub(crate) fn tail(&self) -> Ticket {
        self.tail
    }
}

impl<J, T, M: Copy + Default, X> Ring<J, T, M, X> {
    /// A ring of `capacity` slots, rounded up to a power of two, whose first job has the ticket
    /// `first`.
    pub(crate) fn new(capacity: usize, first: Ticket, serial: X) -> (Self, Producer) {
        let capacity = capacity.max(1).next_power_of_two();
        let slot = |_| Slot {
            state: AtomicU64::new(EMPTY),
            entry: UnsafeCell::new(Entry { content: Content::Empty, meta: M::default() }),
        };
        let word = || OwnLines(AtomicU64::new(first.0));
        let ring = Ring {
            id: sync::fresh_id(),
            slots: (0..capacity).map(slot).collect(),
            tail: word(),
            next: word(),
            retired: word(),
            serial: UnsafeCell::new(serial),
        };
        // The one baton. Relaxed: nobody else has the ring yet.
        ring.slot(first).state.store(BATON, Ordering::Relaxed);
        let producer = Producer { ring: ring.id, tail: first, retired: first };
        (ring, producer)
    }

    fn slot(&self, ticket: Ticket) -> &Slot<J, T, M> {
        &self.slots[ticket.count() as usize & (self.slots.len() - 1)]
    }

    /// The first ticket that was not retired, and what was done until then.
    pub(crate) fn retired(&self) -> Ticket {
        // Acquire: pairs with the Release in `end`.
        Ticket(self.retired.0.load(Ordering::Acquire) & !LOOK)
    }

    /// Asks to be told of the next change of `retired`, by the result of [`Ring::end`]; says
    /// whether it still was `seen`.
    pub(crate) fn ask(&self, seen: Ticket) -> bool {
        // On the word that changes: either `end` finds the bit or this finds the change. Acquire
        // on failure is not needed: the caller looks again. Release: what was done before is for
        // who finds the bit.
        let word = self.retired.0.fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
            (word & !LOOK == seen.0).then_some(seen.0 | LOOK)
        });
        word.is_ok()
    }

    /// About how many jobs wait to be claimed.
    pub(crate) fn waiting(&self) -> usize {
        let next = Ticket(self.next.0.load(Ordering::Relaxed));
        let tail = Ticket(self.tail.0.load(Ordering::Acquire));
        usize::try_from(tail.since(next)).unwrap_or(0)
    }

    /// Whether some job before `last` was not claimed.
    pub(crate) fn is_unclaimed_before(&self, last: Ticket) -> bool {
        last.since(Ticket(self.next.0.load(Ordering::Relaxed))) > 0
    }

    /// The first ticket that was not submitted.
    pub(crate) fn tail(&self) -> Ticket {
        Ticket(self.tail.0.load(Ordering::Acquire))
    }

    // The producer

    /// Whether fewer than `window` jobs are in flight. Looks at the others' word only if what it
    /// knows is not enough.
    pub(crate) fn has_room(&self, producer: &mut Producer, window: usize) -> bool {
        producer.tail.since(producer.retired).unsigned_abs() < window
            || self.in_flight(producer) < window
    }

    /// Jobs that were put and have not been retired.
    pub(crate) fn in_flight(&self, producer: &mut Producer) -> usize {
        self.assert_is_ours(producer.ring);
        producer.retired = self.retired();
        // Not negative: what is retired was put before.
        producer.tail.since(producer.retired).unsigned_abs()
    }

    /// Puts a job into the next slot. Nobody sees it before [`Ring::publish`].
    ///
    /// # Panics
    /// When there is no room for it.
    pub(crate) fn put(&self, producer: &mut Producer, job: J, meta: M) -> Ticket {
        self.put_content(producer, Content::Job(job), meta)
    }

    /// Puts the outcome of a job that has been run already.
    ///
    /// # Panics
    /// When there is no room for it.
    pub(crate) fn put_outcome(&self, producer: &mut Producer, outcome: T, meta: M) -> Ticket {
        self.put_content(producer, Content::Out(outcome), meta)
    }

    fn put_content(&self, producer: &mut Producer, content: Content<J, T>, meta: M) -> Ticket {
        self.assert_has_room(producer, 1);
        let ticket = producer.tail;
        // SAFETY: the slot is free: its last ticket, if it had one, was retired, which we saw with
        // Acquire, and what retired it had emptied it before. There is one producer, and nobody
        // claims the ticket before `publish`.
        self.slot(ticket).entry.with_mut(|entry| unsafe { *entry = Entry { content, meta } });
        producer.tail = ticket.plus(1);
        ticket
    }

    /// Submits jobs that consist of their tickets alone, as many as said.
    ///
    /// # Panics
    /// When there is no room for them.
    pub(crate) fn put_tickets(&self, producer: &mut Producer, jobs: usize) {
        self.assert_has_room(producer, jobs);
        producer.tail = producer.tail.plus(jobs);
    }

    /// Submits what was put.
    pub(crate) fn publish(&self, producer: &Producer) {
        self.assert_is_ours(producer.ring);
        sync::transition();
        // Release: who claims these tickets sees what was put. Not an RMW: the one producer.
        self.tail.0.store(producer.tail.0, Ordering::Release);
    }

    fn assert_has_room(&self, producer: &mut Producer, jobs: usize) {
        self.assert_is_ours(producer.ring);
        let used = producer.tail.since(producer.retired).unsigned_abs();
        if used + jobs > self.slots.len() {
            assert!(self.in_flight(producer) + jobs <= self.slots.len(), "a job without a slot");
        }
    }

    // Claims

    /// Claims some of the jobs that wait, if there are any: as many as `most` makes of their
    /// number, at least one.
    pub(crate) fn claim(&self, most: impl Fn(usize) -> usize) -> Option<Run> {
        let mut next = self.next.0.load(Ordering::Relaxed);
        loop {
            let first = Ticket(next);
            // Acquire: the jobs behind `tail`. What was put is seen with them.
            let tail = Ticket(self.tail.0.load(Ordering::Acquire));
            // Less than 0 if this thread has not seen the tail of who claimed last.
            let waiting = usize::try_from(tail.since(first)).ok().filter(|&waiting| waiting > 0)?;
            let len = most(waiting).clamp(1, waiting);
            sync::transition();
            // Relaxed: that claims are disjoint follows from it being one word.
            match self.next.0.compare_exchange_weak(
                next,
                first.plus(len).0,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Run { ring: self.id, first, len, stepped: 0 }),
                Err(now) => next = now,
            }
        }
    }

    /// Goes on to the next job of a run, if there is one, and takes it.
    pub(crate) fn step(&self, run: &mut Run) -> Option<(Ticket, Stepped<J>)> {
        self.assert_is_ours(run.ring);
        if run.stepped == run.len {
            return None;
        }
        let ticket = run.first.plus(run.stepped);
        run.stepped += 1;
        // SAFETY: the run owns the slot: its claim was unique, and nobody retires the ticket
        // before `finish`, which takes the run. The claim saw what was put (Acquire of `tail`).
        let job = self.slot(ticket).entry.with_mut(|entry| unsafe {
            match std::mem::replace(&mut (*entry).content, Content::Empty) {
                Content::Job(job) => Stepped::Job(job),
                content => {
                    (*entry).content = content;
                    Stepped::Nothing
                }
            }
        });
        Some((ticket, job))
    }

    /// As [`Ring::step`] for jobs that are their tickets alone.
    pub(crate) fn step_ticket(&self, run: &mut Run) -> Option<Ticket> {
        self.assert_is_ours(run.ring);
        if run.stepped == run.len {
            return None;
        }
        let ticket = run.first.plus(run.stepped);
        run.stepped += 1;
        Some(ticket)
    }

    /// Leaves the outcome of the job that the last step took.
    ///
    /// # Panics
    /// When there was no step.
    pub(crate) fn fill(&self, run: &mut Run, outcome: T) {
        self.assert_is_ours(run.ring);
        assert!(run.stepped > 0, "an outcome without a job");
        let ticket = run.first.plus(run.stepped - 1);
        // SAFETY: as in `step`: the run owns the slot.
        self.slot(ticket)
            .entry
            .with_mut(|entry| unsafe { (*entry).content = Content::Out(outcome) });
    }

    /// The jobs of a run are done. Returns the turn to retire them if it has come, which is then
    /// this thread's to take.
    pub(crate) fn finish(&self, run: Run) -> Option<Turn> {
        self.assert_is_ours(run.ring);
        if run.len == 0 {
            return None;
        }
        let done = DONE | (run.len as u64) << LENGTH_SHIFT;
        // Release: who retires sees the outcomes. Acquire: we see what was retired before, if it is
        // our turn. A swap, so that of us and who brings the baton one sees the other.
        sync::transition();
        let before = self.slot(run.first).state.swap(done, Ordering::AcqRel);
        sync::transition();
        (before == BATON).then_some(Turn {
            baton: Baton { ring: self.id, at: run.first },
            len: run.len,
            taken: 0,
        })
    }

    // The baton

    /// The turn of whoever holds the baton, if the next run is done. If not, the baton stays in
    /// the slot for who finishes that run.
    pub(crate) fn next_turn(&self, baton: Baton) -> Option<Turn> {
        self.assert_is_ours(baton.ring);
        // Acquire: the outcomes of who finished the run. Release: what we retired, for who gets
        // the baton.
        sync::transition();
        let before = self.slot(baton.at).state.swap(BATON, Ordering::AcqRel);
        sync::transition();
        (before & DONE != 0).then_some(Turn {
            baton,
            len: (before >> LENGTH_SHIFT) as usize,
            taken: 0,
        })
    }

    /// The next outcome of a turn, if there is one; nothing in it if nobody left one.
    pub(crate) fn take(&self, turn: &mut Turn) -> Option<(M, Option<T>)> {
        self.assert_is_ours(turn.baton.ring);
        if turn.taken == turn.len {
            return None;
        }
        let ticket = turn.baton.at.plus(turn.taken);
        turn.taken += 1;
        // SAFETY: the turn owns the slots of its run: that was finished, so nobody else does, and
        // nobody puts anything there before `end`. We see what was left by the Acquire of the swap
        // that gave us the turn.
        let (content, meta) = self.slot(ticket).entry.with_mut(|entry| unsafe {
            (std::mem::replace(&mut (*entry).content, Content::Empty), (*entry).meta)
        });
        let outcome = match content {
            Content::Out(outcome) => Some(outcome),
            Content::Empty | Content::Job(_) => None,
        };
        Some((meta, outcome))
    }

    /// Looks at what was put beside the jobs of a turn that have not been taken.
    pub(crate) fn each_meta(&self, turn: &mut Turn, mut f: impl FnMut(M)) {
        self.assert_is_ours(turn.baton.ring);
        for index in turn.taken..turn.len {
            // SAFETY: as in `take`.
            f(self
                .slot(turn.baton.at.plus(index))
                .entry
                .with_mut(|entry| unsafe { (*entry).meta }));
        }
    }

    /// Ends a turn: its slots are free. Says whether somebody asked to be told.
    pub(crate) fn end(&self, mut turn: Turn) -> (Baton, bool) {
        // What was not taken is dropped here.
        while self.take(&mut turn).is_some() {}
        let Turn { mut baton, len, .. } = turn;
        // Relaxed: published by the Release below. It must come before it: from then on the slot
        // can be anybody's.
        self.slot(baton.at).state.store(EMPTY, Ordering::Relaxed);
        sync::transition();
        baton.at = baton.at.plus(len);
        // Release: who puts something into these slots comes after us. Acquire: what was done
        // before somebody asked.
        let before = self.retired.0.swap(baton.at.0, Ordering::AcqRel);
        (baton, before & LOOK != 0)
    }

    /// The serial side, for who holds the baton.
    pub(crate) fn with_serial<R>(&self, baton: &mut Baton, f: impl FnOnce(&mut X) -> R) -> R {
        self.assert_is_ours(baton.ring);
        // SAFETY: there is one baton, and it is borrowed for as long as this takes. Whoever held
        // it before us passed it on with Release and we got it with Acquire.
        self.serial.with_mut(|serial| f(unsafe { &mut *serial }))
    }

    /// The serial side within a turn, and the outcomes of the turn.
    pub(crate) fn with_turn<R>(
        &self,
        turn: &mut Turn,
        f: impl FnOnce(&mut X, &mut Outcomes<'_, J, T, M, X>) -> R,
    ) -> R {
        self.assert_is_ours(turn.baton.ring);
        let mut outcomes = Outcomes { ring: self, turn };
        // SAFETY: as in `with_serial`: the turn has the baton. Through `Outcomes` nobody gets at
        // it again.
        self.serial.with_mut(|serial| f(unsafe { &mut *serial }, &mut outcomes))
    }

    /// Takes the baton out of the ring when all that was submitted is retired.
    pub(crate) fn take_idle_baton(&self, producer: &Producer) -> Option<Baton> {
        self.assert_is_ours(producer.ring);
        let at = producer.tail;
        // Acquire: what was retired. The baton is in this slot only when all before it is retired,
        // and there is nothing behind it, for we have the producer.
        self.slot(at)
            .state
            .compare_exchange(BATON, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(Baton { ring: self.id, at })
    }

    /// The serial side of a ring that nobody shares any more.
    pub(crate) fn into_serial(self) -> X {
        self.serial.into_inner()
    }

    fn assert_is_ours(&self, ring: u64) {
        assert!(ring == self.id, "a token of another ring");
    }
}

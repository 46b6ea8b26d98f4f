//! The board: which jobs have free seats, and how many helpers there are and may be. Plain data
//! under the pool's lock; nothing here blocks or calls anybody.

use std::fmt;
use std::num::NonZeroUsize;

use crate::erase::Loan;
use crate::sync::{self, Arc, JoinHandle};
use crate::topology::{CpuSet, Topology};

use super::placement::{Placement, Wish};
use super::size::Size;

/// Names a posting; never used twice in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PostingId(u64);

/// A job's offer of seats.
struct Posting {
    id: PostingId,
    loan: Arc<Loan>,
    wish: Wish,
    /// Where helpers of this job run: `wish` within the CPUs of the pool.
    placement: Arc<Placement>,
    /// Seats that nobody sits on.
    free: usize,
    /// Helpers on a seat.
    inside: usize,
    /// Nobody waits for the work to be done, so that a seat that was offered must be taken.
    is_open: bool,
}

/// What a helper takes from the board when it sits down.
pub(super) struct Ticket {
    pub(super) id: PostingId,
    pub(super) loan: Arc<Loan>,
    pub(super) placement: Arc<Placement>,
}

pub(super) struct Board {
    /// Jobs that have not ended, oldest first.
    postings: Vec<Posting>,
    next_id: u64,
    pub(super) size: Size,
    pub(super) cap: Option<NonZeroUsize>,
    /// Where helpers may run; nothing for anywhere.
    pub(super) cpus: Option<CpuSet>,
    /// The most helpers there may be, by the size and the cap when a job or a change last looked.
    helpers_max: usize,
    /// Helpers that there are: started or about to be, and not ended.
    pub(super) started: usize,
    /// Of these: not started yet, and nobody is about to.
    missing: usize,
    /// Of these: to end as soon as they can.
    pub(super) surplus: usize,
    /// Of these: asleep.
    pub(super) idle: usize,
    last_number: usize,
    pub(super) closed: bool,
    /// All helpers, also some that have ended.
    pub(super) handles: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board")
            .field("helpers_max", &self.helpers_max)
            .field("started", &self.started)
            .field("missing", &self.missing)
            .field("surplus", &self.surplus)
            .field("idle", &self.idle)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Board {
    /// Free seats, and helpers inside.
    pub(super) fn seats_of(&self, id: PostingId) -> Option<(usize, usize)> {
        let posting = self.postings.iter().find(|posting| posting.id == id)?;
        Some((posting.free, posting.inside))
    }

    pub(super) fn new(size: Size) -> Self {
        Board {
            postings: Vec::new(),
            next_id: 0,
            size,
            cap: None,
            cpus: None,
            helpers_max: 0,
            started: 0,
            missing: 0,
            surplus: 0,
            idle: 0,
            last_number: 0,
            closed: false,
            handles: Vec::new(),
        }
    }

    /// The number of threads, where the machine gives `available`.
    pub(super) fn threads(&self, available: NonZeroUsize) -> NonZeroUsize {
        let threads = match self.size {
            Size::Exactly(threads) => threads,
            Size::Available => available,
        };
        self.cap.map_or(threads, |cap| threads.min(cap))
    }

    /// Sees to it that a new job can have `threads` threads. Takes no helpers away: other callers
    /// may have more CPUs, and helpers without work cost nothing.
    pub(super) fn make_room(&mut self, threads: NonZeroUsize) {
        let helpers = self.threads(threads).get() - 1;
        if helpers > self.helpers_max {
            self.set_helpers_max(helpers);
        }
    }

    /// The seats for a job that can use so many helpers. More than there are threads, for the size
    /// can grow; but not where the machine decides, which may give other callers more.
    pub(super) fn seats_for(&self, helpers: usize, threads: NonZeroUsize) -> usize {
        match self.size {
            Size::Exactly(_) => helpers,
            Size::Available => helpers.min(threads.get() - 1),
        }
    }

    pub(super) fn post(
        &mut self,
        loan: &Arc<Loan>,
        seats: usize,
        wish: Wish,
        topology: Option<&Topology>,
        threads: NonZeroUsize,
    ) -> PostingId {
        let id = PostingId(self.next_id);
        self.next_id += 1;
        let placement = Placement::within(&wish, self.cpus.as_ref(), topology, threads);
        let placement = Arc::new(placement);
        self.postings.push(Posting {
            id,
            loan: Arc::clone(loan),
            wish,
            placement,
            free: seats,
            inside: 0,
            is_open: false,
        });
        id
    }

    pub(super) fn add_seat(&mut self, id: PostingId) {
        if let Some(posting) = self.find(id) {
            posting.free += 1;
        }
    }

    /// Takes back a seat that nobody sits on, if there is one.
    /// Says whether there was.
    pub(super) fn remove_seat(&mut self, id: PostingId) -> bool {
        let posting = self.find(id).filter(|posting| posting.free > 0);
        posting.map(|posting| posting.free -= 1).is_some()
    }

    /// The CPUs or the size of the pool have changed.
    pub(super) fn place_again(&mut self, topology: Option<&Topology>) {
        let threads = NonZeroUsize::MIN.saturating_add(self.helpers_max);
        for posting in &mut self.postings {
            let placement = Placement::within(&posting.wish, self.cpus.as_ref(), topology, threads);
            if placement != *posting.placement {
                posting.placement = Arc::new(placement);
            }
        }
    }

    pub(super) fn placement(&mut self, id: PostingId) -> Option<&Arc<Placement>> {
        self.find(id).map(|posting| &posting.placement)
    }

    /// The posting is one for which no caller works.
    pub(super) fn set_open(&mut self, id: PostingId) {
        if let Some(posting) = self.find(id) {
            posting.is_open = true;
        }
    }

    /// Takes a seat where the fewest helpers are, and of these jobs at the oldest.
    pub(super) fn sit_down(&mut self) -> Option<Ticket> {
        self.sit_down_where(|_| true)
    }

    /// The same, for who would be gone otherwise, where no caller works and no other helper comes.
    pub(super) fn sit_down_last(&mut self) -> Option<Ticket> {
        if self.started > self.missing + self.surplus {
            return None;
        }
        self.sit_down_where(|posting| posting.is_open)
    }

    fn sit_down_where(&mut self, which: impl Fn(&Posting) -> bool) -> Option<Ticket> {
        let free = self.postings.iter_mut().filter(|posting| posting.free > 0 && which(posting));
        let posting = free.min_by_key(|posting| posting.inside)?;
        posting.free -= 1;
        posting.inside += 1;
        Some(Ticket {
            id: posting.id,
            loan: Arc::clone(&posting.loan),
            placement: Arc::clone(&posting.placement),
        })
    }

    /// Gets up from a seat; another helper can have it if it `is_free_again`.
    pub(super) fn get_up(&mut self, id: PostingId, is_free_again: bool) {
        if let Some(posting) = self.find(id) {
            posting.inside -= 1;
            posting.free += usize::from(is_free_again);
        }
    }

    /// Takes a posting down. The caller drops what was posted after it has let go of the board:
    /// that may be the last of a user's value.
    #[must_use]
    pub(super) fn take_down(&mut self, id: PostingId) -> Option<Arc<Loan>> {
        let found = self.postings.iter().position(|posting| posting.id == id)?;
        Some(self.postings.remove(found).loan)
    }

    /// How many helpers a job can hope for.
    pub(super) fn helpers_to_hope_for(&self) -> usize {
        if self.closed { 0 } else { self.helpers_max }
    }

    /// Whether a helper sits nowhere: asleep, or on its way to a seat or to sleep.
    pub(super) fn has_free_helper(&self) -> bool {
        let inside = self.postings.iter().map(|posting| posting.inside).sum::<usize>();
        self.started > self.missing + inside
    }

    /// Whether there is a helper that can take a seat, now or later.
    pub(super) fn has_helpers(&self) -> bool {
        !self.closed && self.started > self.missing
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(super) fn is_empty(&self) -> bool {
        self.postings.is_empty()
    }

    fn find(&mut self, id: PostingId) -> Option<&mut Posting> {
        self.postings.iter_mut().find(|posting| posting.id == id)
    }

    pub(super) fn free_seats(&self) -> usize {
        self.postings.iter().fold(0, |sum, posting| sum.saturating_add(posting.free))
    }

    /// Whether a helper at `id` would be of more use at another job: one with fewer helpers even
    /// after the move, and a seat that nobody who sleeps will take.
    pub(super) fn has_better_seat(&mut self, id: PostingId) -> bool {
        let Some(here) = self.find(id).map(|posting| posting.inside) else { return false };
        let others = self.postings.iter().filter(|posting| posting.id != id && posting.free > 0);
        let seats = others.clone().fold(0_usize, |sum, posting| sum.saturating_add(posting.free));
        let fewest = others.map(|posting| posting.inside).min();
        seats > self.idle && fewest.is_some_and(|fewest| fewest + 1 < here)
    }

    /// The size or the cap has changed. Where the machine decides, the number of helpers only goes
    /// down to the cap: what the calling thread may use is not what other callers may.
    pub(super) fn resize(&mut self) {
        let most = NonZeroUsize::MIN.saturating_add(self.helpers_max);
        let helpers = self.threads(most).get() - 1;
        self.set_helpers_max(helpers);
        self.start_what_is_asked();
    }

    /// Bounds the number of helpers: those that are too many are to end.
    pub(super) fn set_helpers_max(&mut self, helpers: usize) {
        self.helpers_max = helpers;
        let cancelled = self.started.saturating_sub(helpers).min(self.missing);
        self.missing -= cancelled;
        self.started -= cancelled;
        self.surplus = self.started.saturating_sub(helpers);
    }

    /// Counts helpers in until there is one for each seat, free or taken, or as many as there may
    /// be. Says how many that were. By seats, not by who sleeps: a helper on its way to sleep is
    /// free as well.
    pub(super) fn start_what_is_asked(&mut self) -> usize {
        let seats = self.postings.iter().fold(0_usize, |sum, posting| {
            sum.saturating_add(posting.free).saturating_add(posting.inside)
        });
        let new = seats.min(self.helpers_max).saturating_sub(self.started);
        self.started += new;
        self.missing += new;
        new
    }

    /// Forgets helpers that have ended.
    pub(super) fn forget_ended(&mut self) {
        self.handles.retain(|handle| !sync::has_ended(handle));
    }

    /// The number of a helper that is missing and shall now be started.
    pub(super) fn take_number(&mut self) -> Option<usize> {
        if self.closed || self.missing == 0 {
            return None;
        }
        self.missing -= 1;
        self.last_number += 1;
        Some(self.last_number)
    }

    /// The system has refused a thread.
    pub(super) fn give_up_starting(&mut self) {
        self.started -= 1 + self.missing;
        self.missing = 0;
        self.surplus = self.started.saturating_sub(self.helpers_max);
    }

    /// Says whether the helper that asks has to end, and counts it out.
    pub(super) fn dismiss_one(&mut self) -> bool {
        if self.surplus == 0 {
            return false;
        }
        self.surplus -= 1;
        self.started -= 1;
        true
    }
}

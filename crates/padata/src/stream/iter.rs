//! Iterators over results in order: the consumer asks for them, and while it waits it works too.
//!
//! The consumer holds the baton: who ends the batch that is next parks its turn, and the consumer
//! takes the outcomes from it, one by one.

use std::fmt;
use std::iter::Fuse;
use std::panic;

use crate::claim::Weight;
use crate::erase::{self, Loan};
use crate::panics::{self, CaughtPanic, Payload};
use crate::pool::Pool;
use crate::ring::Turn;
use crate::scope::Scope;
use crate::seat::Seat;
use crate::sync::{self, Arc};

use super::core::{Core, Jobs, SerialSide};
use super::now::Now;
use super::options::StreamOptions;
use super::outcome::Outcome;
use super::{Home, Nowhere, new_core};

/// An iterator over the results of a function on the items of another iterator, in their order,
/// made by [`Scope::map_ordered`] or [`Pool::map_ordered`].
///
/// It takes items ahead of what was asked for, as many as the window allows, on the thread that
/// asks; their jobs run on the pool, and on that thread while it waits. Dropping the iterator drops
/// the items that were taken and have not begun, and waits for those that have.
///
/// # Panics
/// `next` goes on with a panic of the function when the result of that item is due. After that
/// there are no more items.
pub struct MapOrdered<'s, I: Iterator, T> {
    source: Fuse<I>,
    /// There are no more items, or a job has panicked.
    is_over: bool,
    consumer: Box<dyn Consume<I::Item, T> + 's>,
}

/// What an iterator does with a stream of any type.
trait Consume<J, T>: Send {
    /// Whether one more job fits.
    fn has_room(&mut self) -> bool;

    /// Submits a job, for which there is room.
    fn put(&mut self, job: J);

    /// Whether there may be an outcome without waiting.
    fn is_ready(&self) -> bool;

    /// The next outcome, nothing if no job is left.
    fn next(&mut self) -> Option<Outcome<T>>;

    /// Jobs that have not begun are dropped from now on.
    fn stop(&mut self);

    /// Stops, and returns when nobody works for the stream any more.
    fn end(&mut self);
}

impl<I: Iterator, T> Iterator for MapOrdered<'_, I, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        // One item for each result, and as many more as it takes until there is a result: jobs may
        // run in `put`, and the first result must not wait for all of the window.
        loop {
            while !self.is_over && self.consumer.has_room() {
                match self.source.next() {
                    Some(item) => self.consumer.put(item),
                    None => self.is_over = true,
                }
                if self.consumer.is_ready() {
                    break;
                }
            }
            match self.consumer.next() {
                Some(Outcome::Done(result)) => return Some(result),
                Some(Outcome::Panicked(panic)) => self.panic(panic),
                // These jobs are done when they return.
                Some(Outcome::Dropped) => return None,
                None if self.is_over => return None,
                // All that was taken is returned, and now there is room for more.
                None => {}
            }
        }
    }
}

impl<I: Iterator, T> MapOrdered<'_, I, T> {
    fn panic(&mut self, panic: CaughtPanic) -> ! {
        self.is_over = true;
        self.consumer.stop();
        while let Some(outcome) = self.consumer.next() {
            panics::discard_value(outcome);
        }
        panic::resume_unwind(panic.into_payload())
    }
}

impl<I: Iterator, T> Drop for MapOrdered<'_, I, T> {
    fn drop(&mut self) {
        self.consumer.end();
    }
}

impl<I: Iterator, T> fmt::Debug for MapOrdered<'_, I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOrdered").finish_non_exhaustive()
    }
}

impl Pool {
    /// Runs `f` on the items of `source`, in parallel, and returns an iterator over the results, in
    /// order. Nothing is borrowed; see [`Scope::map_ordered`] for what borrows.
    ///
    /// ```
    /// use padata::{Pool, Window};
    /// let pool = Pool::new(padata::available_threads());
    /// let squares = pool.map_ordered(0.., Window::jobs(64), || (), |n: u64, ()| n * n);
    /// assert_eq!(squares.take(4).collect::<Vec<_>>(), [0, 1, 4, 9]);
    /// ```
    pub fn map_ordered<I, T, S>(
        &self,
        source: I,
        options: impl Into<StreamOptions>,
        scratch: impl Fn() -> S + Send + Sync + 'static,
        f: impl Fn(I::Item, &mut S) -> T + Send + Sync + 'static,
    ) -> MapOrdered<'static, I::IntoIter, T>
    where
        I: IntoIterator<Item: Send + 'static>,
        T: Send + 'static,
        S: Send + 'static,
    {
        let core = new_consumed(self, options.into(), scratch, f);
        let loan = erase::lend_for_good(Arc::clone(&core));
        self.open(&core.opening, &loan);
        MapOrdered::new(source, Consumer { core, loan, home: Nowhere, turn: None })
    }
}

impl<'env> Scope<'_, 'env> {
    /// Runs `f` on the items of `source`, in parallel, and returns an iterator over the results, in
    /// order. The window counts items from when they are taken to when the batch of their results
    /// has been returned; each weighs 1, and its [`Backpressure`](crate::Backpressure) does not
    /// matter.
    ///
    /// ```
    /// use padata::{Pool, Window};
    /// let pool = Pool::new(padata::available_threads());
    /// let text = String::from("one two three");
    /// let lengths: Vec<usize> = pool.scope(|scope| {
    ///     let words = text.split(' ');
    ///     scope.map_ordered(words, Window::jobs(64), || (), |word, ()| word.len()).collect()
    /// });
    /// assert_eq!(lengths, [3, 3, 5]);
    /// ```
    pub fn map_ordered<I, T, S>(
        &self,
        source: I,
        options: impl Into<StreamOptions>,
        scratch: impl Fn() -> S + Send + Sync + 'env,
        f: impl Fn(I::Item, &mut S) -> T + Send + Sync + 'env,
    ) -> MapOrdered<'_, I::IntoIter, T>
    where
        I: IntoIterator<Item: Send + 'env>,
        T: Send + 'env,
        S: Send + 'env,
    {
        let core = new_consumed(self.pool(), options.into(), scratch, f);
        let loan = self.lender().lend(Arc::clone(&core));
        self.pool().open(&core.opening, &loan);
        MapOrdered::new(source, Consumer { core, loan, home: self, turn: None })
    }
}

type ConsumedCore<J, T, G, F> = Core<J, T, Now<G, F>, Consumed>;

fn new_consumed<J, T, S, G, F>(
    pool: &Pool,
    mut options: StreamOptions,
    scratch: G,
    f: F,
) -> Arc<ConsumedCore<J, T, G, F>>
where
    J: Send,
    T: Send,
    S: Send,
    G: Fn() -> S + Send + Sync,
    F: Fn(J, &mut S) -> T + Send + Sync,
{
    options.window.jobs = options.window.most_jobs();
    options.window.weight = Weight::UNLIMITED;
    options.latency = false;
    new_core(pool, sync::fresh_id(), options, Now { scratch, f }, Consumed, true)
}

impl<'s, I: Iterator, T> MapOrdered<'s, I, T> {
    fn new<J>(source: J, consumer: impl Consume<I::Item, T> + 's) -> Self
    where
        J: IntoIterator<IntoIter = I>,
    {
        let source = source.into_iter().fuse();
        MapOrdered { source, is_over: false, consumer: Box::new(consumer) }
    }
}

/// The serial side of a stream whose outcomes are taken out.
struct Consumed;

impl<T> SerialSide<T> for Consumed {
    fn deliver(&mut self, outcome: Outcome<T>) {
        // Nobody wants it any more.
        panics::discard_value(outcome);
    }

    fn panicked(&mut self, payload: Payload) {
        panics::discard(payload);
    }

    fn take_panic(&mut self) -> Option<Payload> {
        None
    }
}

struct Consumer<C, H> {
    core: Arc<C>,
    loan: Arc<Loan>,
    home: H,
    /// The outcomes that are next, if they are here.
    turn: Option<Turn>,
}

impl<J, T, P, H> Consume<J, T> for Consumer<Core<J, T, P, Consumed>, H>
where
    J: Send,
    T: Send,
    P: Jobs<J, T>,
    H: Home,
{
    fn has_room(&mut self) -> bool {
        self.core.has_room()
    }

    fn put(&mut self, job: J) {
        self.core.submit_into_room(&self.loan, job);
    }

    fn is_ready(&self) -> bool {
        self.turn.is_some() || self.core.may_take_parked()
    }

    fn next(&mut self) -> Option<Outcome<T>> {
        loop {
            if self.turn.is_none() {
                self.turn = self.core.take_parked(&Seat::caller());
            }
            match &mut self.turn {
                Some(turn) => {
                    if let Some(outcome) = self.core.take(turn) {
                        return Some(outcome.unwrap_or(Outcome::Dropped));
                    }
                    self.turn = self.turn.take().and_then(|turn| self.core.next_turn(turn));
                }
                None if self.core.wait_for_turn(&self.loan) => {}
                None => return None,
            }
        }
    }

    fn stop(&mut self) {
        self.core.stop();
    }

    fn end(&mut self) {
        self.stop();
        while let Some(outcome) = self.next() {
            panics::discard_value(outcome);
        }
        self.home.take_back(&self.loan);
        self.core.opening.take_down();
    }
}

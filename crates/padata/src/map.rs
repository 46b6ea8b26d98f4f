//! `Pool::map`: results by index, heaviest unit first, bounded weight in flight.

use std::panic::{self, AssertUnwindSafe};

use crate::claim::{Claims, Weight};
use crate::erase::Loan;
use crate::panics::FirstPanic;
use crate::pool::Pool;
use crate::ring::Slots;
use crate::seat::{Left, Seat};
use crate::sync::Arc;

/// The position of a panic in the drop of a scratch value: after those of all units.
const AFTER_ALL_UNITS: usize = usize::MAX;

impl Pool {
    /// Runs `f` once on each of `items`, in parallel, and returns the results by index.
    ///
    /// The result is a pure function of `items` and `f`, whatever the number of threads and their
    /// timing, if `f` is one and does not depend on what earlier units left in the scratch value.
    ///
    /// - `weight` is called once per item, on this thread, before any unit runs. Units start
    ///   heaviest first, ties by index. One call of `f` is a unit.
    /// - `limit`: the weights of the units in flight sum up to at most this. A unit that is
    ///   heavier runs when nothing else does. A unit that does not fit holds back the units after
    ///   it, also lighter ones that would fit: the order stands.
    /// - `scratch` makes a value that the units of one thread share, one after the other. Each
    ///   thread that takes a unit calls it once, on that thread, when it takes its first one; the
    ///   value is dropped on the same thread before `map` returns. It need not be `Send`. A
    ///   helper that the pool calls away and that comes back makes a new one; at no time are there
    ///   more of them than threads.
    /// - `f` may borrow from the caller, and a result from `items`. It may call `map` on the same
    ///   pool again.
    ///
    /// This thread works as well, and while it waits for others it runs nothing else. At most
    /// `threads() - 1` helpers join in, fewer if there are fewer units or if fewer fit into the
    /// limit. With one item, or one thread, everything runs here and no other thread is
    /// woken or started. Memory: one slot per result and 16 bytes per unit; nothing is allocated
    /// per unit.
    ///
    /// # Panics
    /// A panic in `f` or `scratch` ends the map: no unit starts any more, those that run finish,
    /// all results so far are dropped, then the panic goes on in this thread. If several units
    /// panicked, it is the one with the lowest index among them; units that never started do not
    /// count, so with several threads another run may report another one. A panic in `scratch`
    /// counts for the unit that it was made for. A panic in the drop of a scratch value is
    /// reported if no unit panicked; then the results are dropped, too. Other panics are dropped,
    /// also those in the drops of results. A panic in `weight` goes on before anything has run.
    ///
    /// # Example
    /// ```
    /// use padata::{Pool, Weight};
    ///
    /// let pool = Pool::new(padata::available_threads());
    /// let sections = [vec![1_u8; 10], vec![2; 3000], vec![3; 200]];
    /// let sums = pool.map(
    ///     &sections,
    ///     |section| section.len() as u64,
    ///     Weight(1 << 20),
    ///     || (),
    ///     |section, ()| section.iter().map(|&byte| u64::from(byte)).sum::<u64>(),
    /// );
    /// assert_eq!(sums, [10, 6000, 600]);
    /// ```
    ///
    /// Results may borrow from the items, and therefore cannot outlive them:
    /// ```compile_fail,E0597
    /// # use padata::{Pool, Weight};
    /// # let pool = Pool::new(std::num::NonZeroUsize::MIN);
    /// let names: Vec<&str>;
    /// {
    ///     let owned = vec![String::from("a.ko"), String::from("b.ko")];
    ///     names = pool.map(&owned, |_| 1, Weight::UNLIMITED, || (), |name, ()| name.as_str());
    /// }
    /// println!("{names:?}");
    /// ```
    /// Nor can they borrow from the scratch value, which the next unit overwrites:
    /// ```compile_fail
    /// # use padata::{Pool, Weight};
    /// # let pool = Pool::new(std::num::NonZeroUsize::MIN);
    /// pool.map(&[1, 2], |_| 1, Weight::UNLIMITED, String::new, |_, scratch| scratch.as_str());
    /// ```
    pub fn map<'t, T, S, R>(
        &self,
        items: &'t [T],
        weight: impl Fn(&T) -> u64,
        limit: Weight,
        scratch: impl Fn() -> S + Sync,
        f: impl Fn(&'t T, &mut S) -> R + Sync,
    ) -> Vec<R>
    where
        T: Sync,
        R: Send,
    {
        let job = Job {
            items,
            claims: Claims::new(items.iter().map(weight), self.threads().get(), limit),
            scratch,
            f,
            results: Slots::new(items.len()),
            first_panic: FirstPanic::new(),
        };
        if job.claims.threads() > 0 {
            let work = |seat: &Seat<'_>, _: &Arc<Loan>| job.work(seat);
            match job.claims.threads() - 1 {
                // Nobody to share with, so no word to share either.
                0 => {
                    job.work(&Seat::caller());
                }
                helpers => self.share(helpers, &work, |_, _posted| {
                    job.work(&Seat::caller());
                }),
            }
        }

        let Job { results, first_panic, .. } = job;
        if let Some(payload) = first_panic.into_payload() {
            results.discard();
            panic::resume_unwind(payload);
        }
        results.into_vec().expect("every unit has run or one has panicked")
    }
}

/// A map under way, shared by the threads that work on it.
struct Job<'t, T, R, G, F> {
    items: &'t [T],
    claims: Claims,
    scratch: G,
    f: F,
    results: Slots<R>,
    first_panic: FirstPanic,
}

impl<'t, T, R, G, F> Job<'t, T, R, G, F> {
    /// One thread's part: runs units until there are none left, or the thread is wanted elsewhere.
    /// Never panics.
    fn work<S>(&self, seat: &Seat<'_>) -> Left
    where
        G: Fn() -> S,
        F: Fn(&'t T, &mut S) -> R,
    {
        let mut scratch = None;
        let mut position = AFTER_ALL_UNITS;
        let mut left = Left::Done;
        let units = panic::catch_unwind(AssertUnwindSafe(|| {
            let mut claimed = self.claims.first();
            while let Some(unit) = claimed {
                position = unit.index;
                let scratch = scratch.get_or_insert_with(&self.scratch);
                self.results.put(unit.index, (self.f)(&self.items[unit.index], scratch));
                if seat.is_wanted_elsewhere() {
                    self.claims.leave(unit);
                    left = Left::Early;
                    return;
                }
                claimed = self.claims.next(unit);
            }
        }));
        if let Err(payload) = units {
            left = Left::Done;
            self.claims.stop();
            self.first_panic.record(position, payload);
        }
        // Not while a panic unwinds: a second one would abort the process.
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(scratch))) {
            self.claims.stop();
            self.first_panic.record(AFTER_ALL_UNITS, payload);
            left = Left::Done;
        }
        left
    }
}

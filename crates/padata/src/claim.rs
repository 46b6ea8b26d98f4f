//! Who runs which unit when: the order of the units, and the claims of threads on them.
//!
//! Units are dealt out heaviest first, ties by index. When no choice of running units can exceed
//! the limit, a claim is one addition to a shared cursor. Otherwise claims go through a gate,
//! which keeps the weight in flight within the limit.

use std::cmp::Reverse;

use crate::sync::{self, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, OwnLines};

/// An amount of work in flight, in the unit of the caller's weight function (bytes, as a rule).
///
/// ```
/// use padata::Weight;
/// let limit = Weight(512 << 20); // at most 512 MiB of input in flight
/// assert!(limit < Weight::UNLIMITED);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(pub u64);

impl Weight {
    /// No limit, even for units whose weights sum up to more than `u64::MAX`.
    pub const UNLIMITED: Weight = Weight(u64::MAX);
}

/// One unit of work: where its item is, and what it weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) index: usize,
    weight: u64,
}

/// All units of a job and which of them are taken.
pub(crate) struct Claims {
    /// Heaviest first, ties by index.
    units: Vec<Unit>,
    /// The number of threads that can have a unit in flight at once.
    threads: usize,
    dealer: Dealer,
}

enum Dealer {
    /// The limit cannot bind: position of the next unit.
    Cursor(OwnLines<AtomicUsize>),
    /// The limit can bind.
    Gate(Gate),
}

struct Gate {
    limit: u64,
    flow: Mutex<Flow>,
    admitted: Condvar,
}

/// What is in flight.
struct Flow {
    /// Position of the next unit.
    next: usize,
    running: usize,
    weight: u64,
    /// Threads that wait until the next unit fits.
    waiting: usize,
}

impl Flow {
    fn end(&mut self, done: Unit) {
        self.weight -= done.weight;
        self.running -= 1;
    }
}

impl Claims {
    /// The units of a job, given their weights by index, for at most `threads` threads.
    pub(crate) fn new(weights: impl Iterator<Item = u64>, threads: usize, limit: Weight) -> Self {
        let mut units: Vec<Unit> =
            weights.enumerate().map(|(index, weight)| Unit { index, weight }).collect();
        units.sort_unstable_by_key(|unit| (Reverse(unit.weight), unit.index));
        let threads = if limit == Weight::UNLIMITED {
            units.len().min(threads)
        } else {
            most_in_flight(&units, threads, limit.0)
        };
        let heaviest: u128 = units[..threads].iter().map(|unit| u128::from(unit.weight)).sum();
        // A thread alone keeps any limit: it never has two units in flight.
        let dealer = if threads <= 1 || limit == Weight::UNLIMITED || heaviest <= limit.0.into() {
            Dealer::Cursor(OwnLines(AtomicUsize::new(0)))
        } else {
            Dealer::Gate(Gate {
                limit: limit.0,
                flow: Mutex::new(Flow { next: 0, running: 0, weight: 0, waiting: 0 }),
                admitted: Condvar::new(),
            })
        };
        Claims { units, threads, dealer }
    }

    /// The number of threads that can have a unit in flight at once: waking more is a waste. 0
    /// only if there are no units. No more than this may call [`Claims::first`].
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Takes a thread's first unit, once there is room for it; nothing if all units are taken.
    pub(crate) fn first(&self) -> Option<Unit> {
        match &self.dealer {
            Dealer::Cursor(cursor) => self.advance(cursor),
            Dealer::Gate(gate) => gate.claim(&self.units, sync::lock(&gate.flow)),
        }
    }

    /// Gives back the room of a unit that has run and takes the thread's next one.
    pub(crate) fn next(&self, done: Unit) -> Option<Unit> {
        match &self.dealer {
            Dealer::Cursor(cursor) => self.advance(cursor),
            Dealer::Gate(gate) => {
                let mut flow = sync::lock(&gate.flow);
                flow.end(done);
                gate.claim(&self.units, flow)
            }
        }
    }

    /// Gives back the room of a unit that has run; its thread leaves the job.
    pub(crate) fn leave(&self, done: Unit) {
        if let Dealer::Gate(gate) = &self.dealer {
            gate.give_back(&self.units, done);
        }
    }

    /// From now on there are no units to take; threads that wait for room leave. The room of
    /// running units does not matter any more.
    pub(crate) fn stop(&self) {
        match &self.dealer {
            // Relaxed: later additions see at least this value, for they are on the same word. A
            // swap, because loom lets an addition miss a store that C11 makes it see.
            Dealer::Cursor(cursor) => {
                cursor.0.swap(self.units.len(), Ordering::Relaxed);
            }
            Dealer::Gate(gate) => {
                sync::lock(&gate.flow).next = self.units.len();
                gate.admitted.notify_all();
            }
        }
    }

    fn advance(&self, cursor: &OwnLines<AtomicUsize>) -> Option<Unit> {
        // Relaxed: the addition alone makes the claim unique. The units were written before the
        // job was lent. Each thread goes past the end once per job, so it cannot wrap.
        self.units.get(cursor.0.fetch_add(1, Ordering::Relaxed)).copied()
    }
}

impl Gate {
    /// Takes the next unit once it fits. Whoever takes one also wakes one waiting thread if the
    /// unit after it fits too, or all of them if there is none: that thread does the same in
    /// turn, so that no room is left unused while somebody waits.
    fn claim(&self, units: &[Unit], mut flow: MutexGuard<'_, Flow>) -> Option<Unit> {
        loop {
            let unit = *units.get(flow.next)?;
            if self.admits(&flow, unit) {
                flow.next += 1;
                flow.running += 1;
                flow.weight += unit.weight;
                let waiting = flow.waiting > 0;
                let after = units.get(flow.next).map(|&unit| self.admits(&flow, unit));
                drop(flow);
                match after {
                    Some(true) if waiting => self.admitted.notify_one(),
                    None if waiting => self.admitted.notify_all(),
                    _ => {}
                }
                return Some(unit);
            }
            flow.waiting += 1;
            flow = sync::wait(&self.admitted, flow);
            flow.waiting -= 1;
        }
    }

    /// Makes room without taking a unit: somebody who waits must learn of it.
    fn give_back(&self, units: &[Unit], done: Unit) {
        let mut flow = sync::lock(&self.flow);
        flow.end(done);
        let next_fits = units.get(flow.next).is_some_and(|&unit| self.admits(&flow, unit));
        let wakes = flow.waiting > 0 && next_fits;
        drop(flow);
        if wakes {
            self.admitted.notify_one();
        }
    }

    fn admits(&self, flow: &Flow, unit: Unit) -> bool {
        let together = flow.weight.checked_add(unit.weight);
        flow.running == 0 || together.is_some_and(|weight| weight <= self.limit)
    }
}

/// The most units that can ever be in flight at once: as many of the lightest as fit, at least
/// one unless there is none, at most one per thread.
fn most_in_flight(units: &[Unit], threads: usize, limit: u64) -> usize {
    let mut weight = 0_u64;
    let lightest_that_fit = units
        .iter()
        .rev()
        .take(threads)
        .take_while(|unit| match weight.checked_add(unit.weight) {
            Some(sum) if sum <= limit => {
                weight = sum;
                true
            }
            _ => false,
        })
        .count();
    lightest_that_fit.max(1).min(units.len())
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims(weights: &[u64], threads: usize, limit: u64) -> Claims {
        Claims::new(weights.iter().copied(), threads, Weight(limit))
    }

    fn has_gate(claims: &Claims) -> bool {
        matches!(claims.dealer, Dealer::Gate(_))
    }

    #[test]
    fn cursor_where_the_limit_cannot_bind() {
        assert!(!has_gate(&claims(&[3, 2, 1], 2, 5)));
        assert!(has_gate(&claims(&[3, 2, 1], 2, 4)));
        assert!(!has_gate(&claims(&[3, 2, 1], 1, 0)), "a thread alone needs no gate");
        assert!(!has_gate(&claims(&[u64::MAX; 3], 3, u64::MAX)));
        assert!(has_gate(&claims(&[u64::MAX, 1, 1], 3, u64::MAX - 1)));
    }

    #[test]
    fn no_more_threads_than_can_work_at_once() {
        assert_eq!(claims(&[], 4, 9).threads(), 0);
        assert_eq!(claims(&[1], 4, 9).threads(), 1);
        assert_eq!(claims(&[1, 1], 4, 9).threads(), 2);
        assert_eq!(claims(&[1; 9], 4, 9).threads(), 4);
        assert_eq!(claims(&[1; 9], 4, 3).threads(), 3);
        assert_eq!(claims(&[1; 9], 4, 0).threads(), 1);
        assert_eq!(claims(&[0; 9], 4, 0).threads(), 4);
        assert_eq!(claims(&[7, 2, 1, 9], 4, 5).threads(), 2, "2 and 1 fit, 7 and 9 run alone");
    }

    #[test]
    fn stop_leaves_nothing() {
        for limit in [2, 9] {
            let claims = claims(&[3, 1, 1], 2, limit);
            let unit = claims.first().unwrap();
            claims.stop();
            assert_eq!(claims.next(unit), None);
            assert_eq!(claims.first(), None);
        }
    }

    proptest! {
        /// No set of units within the limit is larger than `most_in_flight` says, and with a
        /// cursor no set of that size exceeds it.
        #[test]
        fn threads_and_gate_agree_with_all_subsets(
            weights in prop::collection::vec(0..9_u64, 1..8),
            threads in 1..9_usize,
            limit in 0..40_u64,
        ) {
            let claims = claims(&weights, threads, limit);
            let subsets = (1_u32..1 << weights.len()).map(|subset| {
                let chosen = weights.iter().enumerate().filter(|(i, _)| subset >> i & 1 == 1);
                (subset.count_ones() as usize, chosen.map(|(_, weight)| weight).sum::<u64>())
            });
            let allowed = |size, weight| size <= threads && (size == 1 || weight <= limit);
            let largest =
                subsets.clone().filter(|&(size, weight)| allowed(size, weight)).map(|s| s.0).max();
            prop_assert_eq!(Some(claims.threads()), largest);
            let binds =
                subsets.clone().any(|(size, weight)| size <= claims.threads() && size > 1 && weight > limit);
            prop_assert_eq!(has_gate(&claims), binds);
        }
    }
}

//! Which units of a job are taken: a cursor for each part, and what was given back.
//!
//! A claim is one compare-and-swap on the cursor of a part. It holds no lock, so a helper at the
//! lowest priority that loses its CPU in the middle of a claim holds nobody up.

use super::chunks::Cut;
use crate::sync::{self, AtomicU64, AtomicUsize, Mutex, Ordering, OwnLines};

/// Units that one thread has taken: of part `part`, `units` from `offset` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) part: usize,
    pub(crate) offset: u64,
    pub(crate) units: u64,
}

/// All units of a job.
pub(crate) struct Deal {
    parts: Vec<Cursor>,
    /// The length of `given_back`, as a hint.
    given_back_len: AtomicUsize,
    given_back: Mutex<Vec<Claim>>,
}

struct Cursor {
    units: u64,
    /// Units before this offset are taken.
    taken: OwnLines<AtomicU64>,
}

impl Deal {
    /// Parts with the given numbers of units, none of them taken.
    pub(crate) fn new(units: impl Iterator<Item = u64>) -> Self {
        let cursor = |units| Cursor { units, taken: OwnLines(AtomicU64::new(0)) };
        Deal {
            parts: units.map(cursor).collect(),
            given_back_len: AtomicUsize::new(0),
            given_back: Mutex::new(Vec::new()),
        }
    }

    /// Takes the next chunk of a part; nothing if all of it is taken. `past` says how far the
    /// start of the part is past a multiple; it is called without a lock.
    pub(crate) fn claim(&self, part: usize, cut: &Cut, past: impl Fn(u64) -> u64) -> Option<Claim> {
        let cursor = &self.parts[part];
        // Relaxed: the compare-and-swap alone makes the claim unique, and it publishes nothing.
        let mut offset = cursor.taken.0.load(Ordering::Relaxed);
        loop {
            let left = cursor.units - offset;
            if left == 0 {
                return None;
            }
            let units = cut.next(offset, left, &past);
            match cursor.taken.0.compare_exchange_weak(
                offset,
                offset + units,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Claim { part, offset, units }),
                Err(now) => offset = now,
            }
        }
    }

    /// Whether there are units that nobody has taken yet. If not, there never will be: each part
    /// is looked at once, and what is left of it only becomes less.
    pub(crate) fn has_left(&self) -> bool {
        (0..self.parts.len()).any(|part| self.left(part) > 0)
    }

    /// Units of a part that nobody has taken yet.
    pub(crate) fn left(&self, part: usize) -> u64 {
        self.parts[part].units - self.taken(part)
    }

    /// Units of a part that somebody has taken, also if they were given back.
    pub(crate) fn taken(&self, part: usize) -> u64 {
        self.parts[part].taken.0.load(Ordering::Relaxed)
    }

    /// Gives back units that were taken and not begun.
    pub(crate) fn give_back(&self, rest: Claim) {
        let mut given_back = sync::lock(&self.given_back);
        given_back.push(rest);
        // Release: who sleeps until there is something looks here. The list itself is locked.
        self.given_back_len.store(given_back.len(), Ordering::Release);
    }

    pub(crate) fn has_given_back(&self) -> bool {
        self.given_back_len.load(Ordering::Acquire) > 0
    }

    /// Takes what was given back last, as a whole.
    pub(crate) fn take_back(&self) -> Option<Claim> {
        if !self.has_given_back() {
            return None;
        }
        let mut given_back = sync::lock(&self.given_back);
        let claim = given_back.pop();
        self.given_back_len.store(given_back.len(), Ordering::Release);
        claim
    }

    /// What was given back and never taken again, once all threads have stopped.
    pub(crate) fn into_given_back(self) -> Vec<Claim> {
        sync::into_inner(self.given_back)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::job::ChunkRule;

    #[test]
    fn parts_are_taken_one_by_one() {
        let cut = Cut::new(ChunkRule::Kernel, 10, 1, 1, 4);
        let deal = Deal::new([6, 0, 8].into_iter());
        let claim = |part| deal.claim(part, &cut, |_| 0).map(|claim| (claim.offset, claim.units));
        assert!(deal.has_left());
        assert_eq!([claim(2), claim(2), claim(2)], [Some((0, 4)), Some((4, 4)), None]);
        assert_eq!(claim(1), None);
        assert_eq!([claim(0), claim(0), claim(0)], [Some((0, 4)), Some((4, 2)), None]);
        assert!(!deal.has_left());
        assert_eq!([deal.taken(0), deal.taken(1), deal.taken(2)], [6, 0, 8]);
    }

    #[test]
    fn what_is_given_back_can_be_taken_once() {
        let deal = Deal::new([6].into_iter());
        let rest = Claim { part: 0, offset: 2, units: 3 };
        assert_eq!(deal.take_back(), None);
        deal.give_back(rest);
        assert!(deal.has_given_back());
        assert_eq!(deal.take_back(), Some(rest));
        assert_eq!(deal.take_back(), None);
        deal.give_back(rest);
        assert_eq!(deal.into_given_back(), [rest]);
    }
}

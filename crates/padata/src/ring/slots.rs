//! Write-once result slots.
//!
//! One slot per unit, at the unit's index. A slot is written by the one thread that claims it and
//! read by the owner of all slots, afterwards. A second write to a slot is refused with a panic,
//! so the safety of this file does not rest on the code that deals out the units.
#![expect(unsafe_code, reason = "slots that several threads fill through a shared reference")]

use std::panic::{self, AssertUnwindSafe};

use crate::panics;
use crate::sync::{AtomicBool, Ordering, UnsafeCell};

/// The results of a map, by index, while its units are running.
pub(crate) struct Slots<R> {
    slots: Vec<Slot<R>>,
}

struct Slot<R> {
    claimed: AtomicBool,
    /// Written at most once, by the thread that turned `claimed` from false to true.
    value: UnsafeCell<Option<R>>,
}

// SAFETY: a shared `Slots` only lets a thread move an `R` in (`put`), which needs `R: Send`; no
// shared method reads an `R`. Two threads never touch one `value`: see `put`.
unsafe impl<R: Send> Sync for Slots<R> {}

impl<R> Slots<R> {
    pub(crate) fn new(len: usize) -> Self {
        let empty = || Slot { claimed: AtomicBool::new(false), value: UnsafeCell::new(None::<R>) };
        Slots { slots: std::iter::repeat_with(empty).take(len).collect() }
    }

    /// Puts the result of unit `index` into its slot.
    ///
    /// # Panics
    /// When the slot was filled before: a unit was dealt out twice.
    pub(crate) fn put(&self, index: usize, value: R) {
        let slot = &self.slots[index];
        // Relaxed: the swap decides who writes and publishes nothing; the owner of the slots gets
        // them back through the end of a loan (erase.rs), which orders the writes.
        let claimed_before = slot.claimed.swap(true, Ordering::Relaxed);
        assert!(!claimed_before, "unit {index} ran twice");
        // SAFETY: of all threads only the first to swap `claimed` gets here, once; `claimed` is
        // never reset; the only other access is by value, when no shared reference is left.
        slot.value.with_mut(|value_ptr| unsafe { *value_ptr = Some(value) });
    }

    /// The results by index, or nothing if a unit left none.
    pub(crate) fn into_vec(self) -> Option<Vec<R>> {
        // Collected in place: the results move down within the allocation of the slots.
        self.slots.into_iter().map(|slot| slot.value.into_inner()).collect()
    }

    /// Drops what was filled in, each result once, even when dropping one of them panics.
    pub(crate) fn discard(self) {
        for slot in self.slots {
            let value = slot.value.into_inner();
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
                panics::discard(payload);
            }
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sync::Arc;

    #[test]
    fn results_by_index() {
        let slots = Slots::new(3);
        for index in [1, 2, 0] {
            slots.put(index, index * 10);
        }
        assert_eq!(slots.into_vec(), Some(vec![0, 10, 20]));
    }

    #[test]
    fn a_missing_result_is_no_result() {
        let value = Arc::new(());
        let slots = Slots::new(2);
        slots.put(1, Arc::clone(&value));
        assert!(slots.into_vec().is_none());
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn the_second_write_is_refused_and_both_values_are_dropped_once() {
        let value = Arc::new(());
        let slots = Slots::new(1);
        slots.put(0, Arc::clone(&value));
        let again = || slots.put(0, Arc::clone(&value));
        assert!(panic::catch_unwind(AssertUnwindSafe(again)).is_err());
        assert_eq!(Arc::strong_count(&value), 2);
        drop(slots);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}

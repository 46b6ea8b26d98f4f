//! Debug info that is behind the units being read, and need not stay in memory.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::input::Release;
use crate::plan::Plan;

/// Lets go of the debug info behind the units that are read, so that all of a kernel's is never in
/// memory at a time.
pub(crate) struct Behind<'p> {
    info: &'p [u8],
    release: Option<Release<'p>>,
    /// How far it was let go.
    released: AtomicUsize,
}

impl<'p> Behind<'p> {
    /// Bytes that are let go at a time, and that stay behind the foremost unit: larger than nearly
    /// every unit, for other workers are still in theirs. What is let go too early is read again.
    const STEP: usize = 8 << 20;

    pub(crate) fn new(plan: &Plan<'p>, release: Option<Release<'p>>) -> Behind<'p> {
        let (info, release) = match &plan.sections.info {
            Cow::Borrowed(info) => (*info, release),
            // Decompressed: not of the file.
            Cow::Owned(_) => (&[][..], None),
        };
        Behind { info, release, released: AtomicUsize::new(0) }
    }

    /// A worker is at a unit that starts at `at`, and so are all others, about.
    pub(crate) fn pass(&self, at: usize) {
        let Some(release) = self.release else { return };
        let before = self.released.load(Ordering::Relaxed);
        let end = at.saturating_sub(Self::STEP);
        if end < before + Self::STEP {
            return;
        }
        // Relaxed: it orders nothing. One of those who see the same step takes it.
        let (new, relaxed) = (end, Ordering::Relaxed);
        if self.released.compare_exchange(before, new, relaxed, relaxed).is_ok() {
            release(self.info.get(before..end).unwrap_or_default());
        }
    }
}

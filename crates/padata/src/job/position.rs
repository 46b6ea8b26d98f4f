//! Positions: what a job counts in. ktask's iterator function, as a trait.

/// A place in the work of a job: a number, an address, a page frame, a cursor into a structure.
///
/// A job is a start position and a number of units. The engine counts units, and asks positions
/// for one thing only: what comes a number of units later. It never compares positions.
///
/// All unsigned and signed integers of 32 bits or more are positions.
///
/// ```
/// use padata::{Job, Pool, Position};
///
/// /// A page frame in memory whose frames are numbered in steps of four.
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// struct Frame(u64);
///
/// impl Position for Frame {
///     fn advance(&self, units: u64) -> Option<Self> {
///         units.checked_mul(4)?.checked_add(self.0).map(Frame)
///     }
/// }
///
/// let pool = Pool::new(padata::available_threads());
/// let report = Job::over(Frame(0x1000), 10)
///     .run(&pool, |chunk| {
///         assert_eq!(chunk.end().0, chunk.start().0 + 4 * chunk.units());
///         Ok::<_, std::convert::Infallible>(())
///     })
///     .unwrap();
/// assert_eq!(report.units, 10);
/// ```
pub trait Position: Clone + Send + Sync {
    /// The position `units` further on; nothing if there is none. Called without any lock held,
    /// about once per chunk, on the thread that works on the chunk.
    #[must_use]
    fn advance(&self, units: u64) -> Option<Self>;

    /// How many units the position is past the last multiple of `align`, which is not 0. Chunks
    /// end where this is 0. By default every job's start counts as a multiple.
    #[must_use]
    fn past_multiple(&self, align: u64) -> u64 {
        let _ = align;
        0
    }
}

/// A position that knows its distance from an earlier one; what
/// [`Chunk::done_to`](super::Chunk::done_to) needs.
pub trait Distance: Position {
    /// How many units `self` comes after `start`; nothing if it comes before.
    #[must_use]
    fn units_since(&self, start: &Self) -> Option<u64>;
}

macro_rules! integer_positions {
    ($($integer:ty),*) => {$(
        impl Position for $integer {
            fn advance(&self, units: u64) -> Option<Self> {
                // Through 128 bits: from a negative start, more units than the type's own
                // maximum can be right.
                <$integer>::try_from(i128::from(units).checked_add(*self as i128)?).ok()
            }

            fn past_multiple(&self, align: u64) -> u64 {
                // Less than `align`, so it fits.
                (*self as i128).rem_euclid(i128::from(align)) as u64
            }
        }

        impl Distance for $integer {
            fn units_since(&self, start: &Self) -> Option<u64> {
                u64::try_from(*self as i128 - *start as i128).ok()
            }
        }
    )*};
}

integer_positions!(u32, u64, usize, i32, i64, isize);

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_comes_after_the_maximum() {
        assert_eq!(u64::MAX.advance(0), Some(u64::MAX));
        assert_eq!(u64::MAX.advance(1), None);
        assert_eq!((u64::MAX - 5).advance(5), Some(u64::MAX));
        assert_eq!(0_u64.advance(u64::MAX), Some(u64::MAX));
        assert_eq!(1_u32.advance(u64::MAX), None);
        assert_eq!(i64::MIN.advance(u64::MAX), Some(i64::MAX));
        assert_eq!(i64::MIN.past_multiple(1 << 20), 0);
        assert_eq!((-1_i32).past_multiple(8), 7);
    }

    proptest! {
        #[test]
        fn distance_undoes_advance(start: i64, units: u64) {
            if let Some(end) = start.advance(units) {
                prop_assert_eq!(end.units_since(&start), Some(units));
                prop_assert!(units == 0 || start.units_since(&end).is_none());
            }
        }
    }
}

//! What the command line asks of an experiment.

use std::num::NonZeroUsize;
use std::time::Duration;

use padata::Pool;

use crate::sample::Rounds;

/// How to run an experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Thread counts, each with the caller, if they were given.
    pub(crate) threads: Option<Vec<usize>>,
    /// So many rounds and no other number, if that was given.
    pub(crate) rounds: Option<usize>,
    /// Small sizes, to see that it works; the times say nothing.
    pub(crate) quick: bool,
}

impl Settings {
    /// The thread counts of a table of scaling: 1 comes first, the others are compared to it.
    pub(crate) fn scaling(&self) -> Vec<usize> {
        let available = padata::available_threads().get();
        let mut threads = self.threads.clone().unwrap_or_else(|| powers_up_to(available));
        threads.push(1);
        threads.sort_unstable();
        threads.dedup();
        threads
    }

    /// The threads of an experiment about one number of them: the last that was given.
    pub(crate) fn threads_or(&self, default: usize) -> usize {
        self.threads.as_ref().and_then(|threads| threads.last().copied()).unwrap_or(default)
    }

    /// One of two sizes.
    pub(crate) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Rounds for a full run: at least so many, and more while the time lasts.
    pub(crate) fn rounds(&self, least: usize, most: usize, seconds: u64) -> Rounds {
        let (least, most) = match (self.rounds, self.quick) {
            (Some(rounds), _) => (rounds, rounds),
            (None, true) => (2, 2),
            (None, false) => (least, most),
        };
        Rounds { least, most, budget: Duration::from_secs(seconds) }
    }
}

/// 1, 2, 4, 8 and so on, and `most`.
fn powers_up_to(most: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |power| power.checked_mul(2));
    powers.take_while(|&power| power < most).chain([most]).collect()
}

/// A pool of so many threads.
pub(crate) fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_counts_double_up_to_what_there_is() {
        assert_eq!(powers_up_to(1), [1]);
        assert_eq!(powers_up_to(2), [1, 2]);
        assert_eq!(powers_up_to(6), [1, 2, 4, 6]);
        assert_eq!(powers_up_to(8), [1, 2, 4, 8]);
    }

    #[test]
    fn scaling_begins_with_one_thread() {
        let settings = Settings { threads: Some(vec![4, 2, 4]), ..Settings::default() };
        assert_eq!(settings.scaling(), [1, 2, 4]);
        assert_eq!(settings.threads_or(2), 4);
        assert_eq!(Settings::default().threads_or(2), 2);
    }
}

//! Medians, ratios of samples that were taken side by side, and where they begin to win.

use serde_json::{Value, json};

/// The middle of some samples, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Not a number anywhere, for no samples.
    pub(crate) fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Summary { median: f64::NAN, min: f64::NAN, max: f64::NAN };
        };
        let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Summary { median: f64::midpoint(below, above), min, max }
    }

    /// Of the ratios of two samples that were taken in the same round: what disturbs a whole
    /// round cancels out.
    pub(crate) fn of_ratios(over: &[f64], under: &[f64]) -> Self {
        let ratios: Vec<f64> = over.iter().zip(under).map(|(over, under)| over / under).collect();
        Summary::of(&ratios)
    }

    /// For a table: the median, and min to max behind it.
    pub(crate) fn cells(&self, digits: usize) -> [String; 2] {
        let Summary { median, min, max } = self;
        [format!("{median:.digits$}"), format!("{min:.digits$}..{max:.digits$}")]
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "median": self.median, "min": self.min, "max": self.max })
    }
}

/// The smallest size from which on something always wins.
pub(crate) fn smallest_that_wins(wins: &[(u64, bool)]) -> Option<u64> {
    let tail = wins.iter().rev().take_while(|(_, wins)| *wins);
    tail.last().map(|&(size, _)| size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn break_even_is_where_it_stays_worth_it() {
        let wins = |wins: &[bool]| {
            let sizes: Vec<_> = (1..).zip(wins.iter().copied()).collect();
            smallest_that_wins(&sizes)
        };
        assert_eq!(wins(&[false, true, false, true, true]), Some(4));
        assert_eq!(wins(&[true, true]), Some(1));
        assert_eq!(wins(&[true, false]), None);
        assert_eq!(wins(&[]), None);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let summary = |samples: &[f64]| Summary::of(samples);
        assert_eq!(summary(&[3.0, 1.0, 2.0]), Summary { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(summary(&[4.0, 1.0]), Summary { median: 2.5, min: 1.0, max: 4.0 });
        assert!(summary(&[]).median.is_nan());
    }

    #[test]
    fn ratios_are_taken_per_round() {
        // Both slow in the second round: the ratio does not move.
        let ratio = Summary::of_ratios(&[2.0, 20.0, 2.0], &[1.0, 10.0, 1.0]);
        assert_eq!(ratio, Summary { median: 2.0, min: 2.0, max: 2.0 });
    }
}

//! Medians, and ratios of samples that were taken side by side.

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

#[cfg(test)]
mod tests {
    use super::*;

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

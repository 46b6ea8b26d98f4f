//! From the submission of requests to their callbacks: numbers, and the lines of a histogram.

use std::time::Duration;

use padata::Histogram;
use serde_json::{Value, json};

/// Mean, median, 99th percentile and longest, in microseconds.
pub(super) fn micros(latency: &Histogram) -> [Option<f64>; 4] {
    let times = [latency.mean(), latency.quantile(0.5), latency.quantile(0.99), latency.max()];
    times.map(|time| time.map(|time| time.as_secs_f64() * 1e6))
}

pub(super) fn cells(latency: &Histogram) -> [String; 4] {
    micros(latency).map(|time| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.1}")))
}

pub(super) fn json(latency: &Histogram) -> Value {
    let [mean, median, p99, max] = micros(latency);
    json!({ "count": latency.count(), "mean": mean, "p50": median, "p99": p99, "max": max })
}

/// A line for each power of two nanoseconds, with stars.
pub(super) fn lines(latency: &Histogram) -> Vec<String> {
    const STARS: u64 = 60;
    let octaves = latency.octaves();
    let line = |&(bound, times): &(Duration, u64)| {
        let (from, to) = (bound.as_nanos() / 2, bound.as_nanos());
        // One for a few: what is rare is what one looks for.
        let stars = (STARS * times).div_ceil(latency.count().max(1));
        let line = format!("{from:>9} - {to:>9} ns [{times:>7}]: {}", "*".repeat(stars as usize));
        line.trim_end().to_owned()
    };
    octaves.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_star_for_each_part() {
        let mut latency = Histogram::new();
        assert!(lines(&latency).is_empty());
        assert_eq!(cells(&latency)[0], "-");
        for nanos in [5, 5, 5, 17] {
            latency.record(Duration::from_nanos(nanos));
        }
        let lines = lines(&latency);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].matches('*').count(), 45);
        assert!(lines[1].ends_with("8 -        16 ns [      0]:"));
        assert_eq!(lines[2].matches('*').count(), 15);
        assert_eq!(json(&latency)["count"], 4);
    }
}

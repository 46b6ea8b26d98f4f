//! What was measured beside what was wanted. Sentences, no more: a run never fails for a number.

use super::rivals::{STREAMING, UNORDERED};
use super::row::Row;
use crate::stats;

/// The two ways of ours that there are targets for.
const OURS: [&str; 2] = ["padata", "padata-submit"];

/// With two threads a job that does nothing costs no more, in ns.
const NO_WORK_NS: [(&str, f64); 2] = [("padata", 15.0), ("padata-submit", 80.0)];

/// At this work, in ns, two threads are so much faster than the loop; or reach this share of what two
/// threads reach without any order.
const SPEEDUPS: [(u64, f64); 2] = [(2000, 1.85), (20_000, 1.9)];
const SHARE: f64 = 0.95;

/// From this work on, in ns, it is never slower than this share of the loop's speed.
const NO_LOSS: [(&str, u64); 2] = [("padata", 50), ("padata-submit", 200)];
const NO_LOSS_SPEEDUP: f64 = 0.9;

/// The smallest work from which on it is always as fast as the loop, in ns.
pub(super) fn break_even(rows: &[Row], name: &str, threads: usize) -> Option<u64> {
    let of_it = rows.iter().filter(|row| row.name == name && row.threads == threads);
    let wins: Vec<_> = of_it.map(|row| (row.work_ns, row.speedup.median >= 1.0)).collect();
    stats::smallest_that_wins(&wins)
}

/// All sentences. The targets are about two threads; with others nothing is said.
pub(super) fn lines(rows: &[Row]) -> Vec<String> {
    const THREADS: usize = 2;
    let find = |name: &str, work_ns: u64| {
        let is_it =
            |row: &&Row| row.name == name && row.threads == THREADS && row.work_ns == work_ns;
        rows.iter().find(is_it)
    };
    let mut lines = Vec::new();
    for (name, most) in NO_WORK_NS {
        let Some(row) = find(name, 0) else { continue };
        let nanos = row.ns_per_job.median;
        lines.push(line(
            &format!("{name}: a job without work costs {nanos:.1} ns, wanted at most {most}"),
            nanos <= most,
        ));
        let peers = STREAMING.iter().filter_map(|peer| find(peer, 0));
        let best = peers.min_by(|a, b| a.ns_per_job.median.total_cmp(&b.ns_per_job.median));
        if let Some(best) = best {
            let theirs = best.ns_per_job.median;
            let text =
                format!("{name}: below {}, the best other stream: {theirs:.1} ns", best.name);
            lines.push(line(&text, nanos < theirs));
        }
    }
    for (work_ns, least) in SPEEDUPS {
        for name in OURS {
            let Some(row) = find(name, work_ns) else { continue };
            let possible = find(UNORDERED, work_ns).map_or(f64::NAN, |row| row.speedup.median);
            let speedup = row.speedup.median;
            lines.push(line(
                &format!(
                    "{name}: {speedup:.2}x at {work_ns} ns, wanted {least}x, or {:.2}x: 95 % of \
                     what two threads give without order",
                    SHARE * possible
                ),
                speedup >= least || speedup >= SHARE * possible,
            ));
        }
    }
    for (name, from) in NO_LOSS {
        let of_it = rows.iter().filter(|row| row.name == name && row.threads == THREADS);
        let worst = of_it
            .filter(|row| row.work_ns >= from)
            .min_by(|a, b| a.speedup.median.total_cmp(&b.speedup.median));
        if let Some(row) = worst {
            let (speedup, work_ns) = (row.speedup.median, row.work_ns);
            lines.push(line(
                &format!(
                    "{name}: from {from} ns up no less than {speedup:.2}x (at {work_ns} ns), \
                     wanted {NO_LOSS_SPEEDUP}x"
                ),
                speedup >= NO_LOSS_SPEEDUP,
            ));
        }
    }
    lines
}

fn line(what: &str, is_met: bool) -> String {
    format!("{what}: {}", if is_met { "met" } else { "NOT MET" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Summary;

    fn row(name: &'static str, work_ns: u64, nanos: f64, speedup: f64) -> Row {
        Row {
            name,
            threads: 2,
            workers: None,
            work_ns,
            ns_per_job: Summary::of(&[nanos]),
            speedup: Summary::of(&[speedup]),
        }
    }

    #[test]
    fn break_even_is_of_one_way_and_one_number_of_threads() {
        let mut rows =
            vec![row("a", 0, 5.0, 0.2), row("a", 50, 40.0, 1.2), row("b", 50, 80.0, 0.6)];
        rows.push(Row { threads: 1, ..row("a", 100, 200.0, 0.5) });
        assert_eq!(break_even(&rows, "a", 2), Some(50));
        assert_eq!(break_even(&rows, "b", 2), None);
    }

    #[test]
    fn each_target_is_named_and_judged() {
        let rows = [
            row("padata", 0, 14.0, 0.1),
            row("tbb", 0, 10.0, 0.1),
            row("plmap", 0, 9000.0, 0.1),
            row("unordered", 2000, 1100.0, 1.8),
            row("padata", 2000, 1160.0, 1.72),
            row("padata-submit", 2000, 1300.0, 1.5),
            row("padata-submit", 200, 300.0, 0.7),
        ];
        let verdicts: Vec<_> = lines(&rows).iter().map(|line| line.ends_with(": met")).collect();
        // No-op cost, not below tbb, 95 % of what is possible, less than that, no loss, a loss.
        assert_eq!(verdicts, [true, false, true, false, true, false]);
        assert!(lines(&rows)[1].contains("tbb"));
    }
}

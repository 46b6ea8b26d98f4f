//! `chunks`: the kernel's chunk rule against guided chunks, on even work, on work whose units
//! cost more and more, and beside a busy thread on one CPU. This is what the default was chosen
//! by.

use std::time::Duration;

use padata::{ChunkRule, Pool};
use serde_json::{Value, json};

use crate::error::Result;
use crate::hog::Hogs;
use crate::machine;
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Samples, Variant};
use crate::settings::{self, Settings};
use crate::stats::Summary;
use crate::work::{Load, Pace, Shape};

/// On one CPU.
const WORK: Duration = Duration::from_millis(300);

const UNIT: Duration = Duration::from_micros(50);

const RULES: [(&str, ChunkRule); 2] =
    [("kernel", ChunkRule::Kernel), ("guided", ChunkRule::Guided)];

/// What is done, and whether somebody else uses the first CPU.
const WORKS: [(&str, Shape, bool); 3] = [
    ("even", Shape::Even, false),
    ("uneven", Shape::Growing, false),
    ("one_hog", Shape::Even, true),
];

pub(crate) fn run(settings: &Settings, pace: Pace) -> Result<Outcome> {
    let mut table =
        Table::new(&["work", "rule", "threads", "median ms", "min..max", "speedup", "min..max"]);
    let (mut rows, mut serial, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (work, shape, hog) in WORKS {
        let load = Load::new(pace, settings.size(WORK, WORK / 30), UNIT, shape);
        let cpus = machine::cpus()?;
        let hogs = Hogs::start(if hog { &cpus[..1] } else { &[] })?;
        let done = compare(settings, &load)?;
        hogs.stop()?;
        for (rule, threads, variant) in done.variants {
            let time = done.samples.summary(variant);
            let speedup = done.samples.ratio(done.serial, variant);
            let Summary { median, min, max } = time;
            let ms = Summary { median: median * 1e3, min: min * 1e3, max: max * 1e3 };
            let mut cells = vec![work.to_owned(), rule.to_owned(), threads.to_string()];
            cells.extend(ms.cells(1).into_iter().chain(speedup.cells(3)));
            table.row(cells);
            rows.push(json!({
                "work": work,
                "rule": rule,
                "threads": threads,
                "median_s": median,
                "min_s": min,
                "max_s": max,
                "speedup": speedup.median,
                "speedup_min": speedup.min,
                "speedup_max": speedup.max,
            }));
        }
        let median = done.samples.summary(done.serial).median;
        serial.push(json!({ "work": work, "median_s": median, "samples": done.samples.json() }));
        notes.push(format!(
            "{work}: plain loop {:.1} ms; {}",
            median * 1e3,
            done.samples.footnote()
        ));
    }
    table.print();
    report::say("speedup over a plain loop");
    notes.iter().for_each(|note| report::say(note));
    Ok(Outcome::new(rows).with("serial", Value::Array(serial)))
}

struct Done {
    samples: Samples,
    serial: Variant,
    variants: Vec<(&'static str, usize, Variant)>,
}

fn compare(settings: &Settings, load: &Load) -> Result<Done> {
    let pools: Vec<Pool> = settings.scaling().into_iter().map(settings::pool).collect();
    let mut plan = Plan::new();
    let serial = plan.add(|| load.time_serial());
    let mut variants = Vec::new();
    for pool in &pools {
        for (name, rule) in RULES {
            let job = move || Ok(load.time_job(pool, |job| job.chunk_rule(rule))?.0);
            variants.push((name, pool.threads().get(), plan.add(job)));
        }
    }
    let samples = plan.run(settings.rounds(15, 25, 40))?;
    Ok(Done { samples, serial, variants })
}

//! `populate`: pages for a large mapping before anybody uses it, as for a hugetlb file
//! (`hugetlbfs_fallocate`) or a virtual machine's memory. By `MADV_POPULATE_WRITE`, a piece to
//! each thread; beside it a loop that touches each page.

use std::time::Instant;

use padata::{Pool, memory as parallel};
use serde_json::json;

use crate::error::Result;
use crate::memory::{self, Primer};
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Variant};
use crate::settings::{self, Settings};
use crate::stats::Summary;
use crate::work::Pace;

const BYTES: usize = 2 << 30;

pub(crate) fn run(settings: &Settings, _: Pace) -> Result<Outcome> {
    let bytes = memory::affordable(settings.size(BYTES, BYTES / 64))?;
    let pools: Vec<Pool> = settings.scaling().into_iter().map(settings::pool).collect();
    let primer = Primer::new(bytes);
    let prime = || primer.prime();
    let sample = |pool: Option<&Pool>| {
        let mut fresh = memory::fresh(bytes)?;
        let begin = Instant::now();
        match pool {
            Some(pool) => drop(parallel::on(pool).populate(&mut fresh)?),
            None => memory::touch(&mut fresh),
        }
        let seconds = begin.elapsed().as_secs_f64();
        drop(fresh);
        primer.freed();
        Ok(seconds)
    };
    let mut plan = Plan::new();
    let serial = plan.add_prepared(prime, || sample(None));
    let variants: Vec<(usize, Variant)> = pools
        .iter()
        .map(|pool| (pool.threads().get(), plan.add_prepared(prime, || sample(Some(pool)))))
        .collect();
    let samples = plan.run(settings.rounds(9, 15, 120))?;

    let one = variants.first().map_or(serial, |&(_, variant)| variant);
    let mut table = Table::new(&["threads", "median ms", "min..max", "GiB/s", "speedup"]);
    let mut add = |threads: String, variant: Variant| {
        let Summary { median, min, max } = samples.summary(variant);
        let [ms, range] = Summary { median: median * 1e3, min: min * 1e3, max: max * 1e3 }.cells(1);
        let rate = format!("{:.2}", memory::gib(bytes) / median);
        table.row([threads, ms, range, rate, format!("{:.3}", samples.ratio(one, variant).median)]);
    };
    add("touching".to_owned(), serial);
    for &(threads, variant) in &variants {
        add(threads.to_string(), variant);
    }
    table.print();
    let size = bytes >> 20;
    report::say(&format!("{size} MiB; {}{}", samples.footnote(), primer.says()));

    let rows = variants.iter().map(|&(threads, variant)| {
        let Summary { median, min, max } = samples.summary(variant);
        json!({
            "threads": threads,
            "median_s": median,
            "min_s": min,
            "max_s": max,
            "gib_per_s": memory::gib(bytes) / median,
            "speedup": samples.ratio(one, variant).median,
        })
    });
    Ok(Outcome::new(rows.collect())
        .with("serial_touching", samples.summary(serial).json())
        .with("bytes", bytes)
        .with("samples", samples.json()))
}

//! `page-init`: each 4 KiB page of a machine has a descriptor of 64 bytes, and the kernel writes
//! all of them when it starts (`deferred_init_memmap`). Here: the first touch of as many in fresh
//! memory, so page faults are most of it, as clearing pages is of what the kernel does.

use std::mem::{MaybeUninit, size_of};
use std::time::Instant;

use padata::{ChunkRule, Pool, memory as parallel};
use serde_json::{Value, json};

use crate::error::Result;
use crate::memory::{self, Primer};
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::sample::{Plan, Samples, Variant};
use crate::settings::{self, Settings};
use crate::stats::Summary;
use crate::work::Pace;

/// Descriptors of a machine with 256 GiB.
const NUMBER: usize = 64 << 20;

/// As large as the kernel's `struct page`, and written like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
struct Descriptor {
    flags: u64,
    list: [u64; 2],
    mapping: u64,
    index: u64,
    private: u64,
    map_count: i32,
    ref_count: i32,
    group: u64,
}

impl Descriptor {
    fn of(frame: usize) -> Self {
        let frame = frame as u64;
        Descriptor {
            // Node and zone are in the upper bits.
            flags: frame >> 18 << 46,
            list: [frame; 2],
            mapping: 0,
            index: frame,
            private: 0,
            map_count: -1,
            ref_count: 1,
            group: 0,
        }
    }
}

pub(crate) fn run(settings: &Settings, _: Pace) -> Result<Outcome> {
    let bytes = memory::affordable(settings.size(NUMBER, NUMBER / 64) * size_of::<Descriptor>())?;
    let number = bytes / size_of::<Descriptor>();
    verify(&settings::pool(settings.threads_or(2)), number)?;

    let threads = settings.scaling();
    let pools: Vec<Pool> = threads.iter().map(|&threads| settings::pool(threads)).collect();
    let rules = [ChunkRule::Guided, ChunkRule::Kernel];
    let primer = Primer::new(bytes);
    let prime = || primer.prime();
    let timed = |init: &dyn Fn(&mut [MaybeUninit<Descriptor>])| {
        let seconds = time(number, init);
        primer.freed();
        Ok(seconds)
    };
    let mut plan = Plan::new();
    let serial = plan.add_prepared(prime, || timed(&plain));
    let mut variants = Vec::new();
    for rule in rules {
        // For one thread there is nothing to cut up.
        let pools = pools.iter().filter(|pool| rule == rules[0] || pool.threads().get() > 1);
        for pool in pools {
            let timed = &timed;
            let init = move |room: &mut [MaybeUninit<Descriptor>]| {
                parallel::on(pool).chunk_rule(rule).init_slice(room, Descriptor::of);
            };
            variants.push((
                rule,
                pool.threads().get(),
                plan.add_prepared(prime, move || timed(&init)),
            ));
        }
    }
    let samples = plan.run(settings.rounds(7, 11, 120))?;

    let default = ChunkRule::default();
    let one = variants.iter().find(|&&(rule, threads, _)| rule == default && threads == 1);
    let one = one.map_or(serial, |&(_, _, variant)| variant);
    let mut table = Table::new(&["threads", "rule", "median ms", "min..max", "GiB/s", "speedup"]);
    let mut add = |threads: &str, rule: &str, variant: Variant| {
        let time = scale(samples.summary(variant), 1e3);
        let [median, range] = time.cells(0);
        let rate = memory::gib(bytes) / samples.summary(variant).median;
        let speedup = samples.ratio(one, variant).median;
        let rate = format!("{rate:.2}");
        table.row([threads.into(), rule.into(), median, range, rate, format!("{speedup:.3}")]);
    };
    add("loop", "", serial);
    for &(rule, threads, variant) in &variants {
        add(&threads.to_string(), name(rule), variant);
    }
    table.print();
    report::say(&format!(
        "{number} descriptors, {:.2} GiB; {}{}",
        memory::gib(bytes),
        samples.footnote(),
        primer.says()
    ));

    let row = |&(rule, threads, variant): &(ChunkRule, usize, Variant)| {
        row(&samples, threads, rule, variant, one)
    };
    let (rows, others): (Vec<_>, Vec<_>) =
        variants.iter().partition(|&&(rule, _, _)| rule == default);
    let rows = rows.iter().map(row).collect();
    let others: Vec<Value> = others.iter().map(row).collect();
    Ok(Outcome::new(rows)
        .with("other_rules", others)
        .with("serial", samples.summary(serial).json())
        .with("one_thread_over_serial", samples.ratio(one, serial).json())
        .with("bytes", bytes)
        .with("samples", samples.json()))
}

fn row(
    samples: &Samples,
    threads: usize,
    rule: ChunkRule,
    variant: Variant,
    one: Variant,
) -> Value {
    let Summary { median, min, max } = samples.summary(variant);
    let speedup = samples.ratio(one, variant);
    json!({
        "threads": threads,
        "rule": name(rule),
        "median_s": median,
        "min_s": min,
        "max_s": max,
        "speedup": speedup.median,
        "speedup_min": speedup.min,
        "speedup_max": speedup.max,
    })
}

fn name(rule: ChunkRule) -> &'static str {
    if rule == ChunkRule::Kernel { "kernel" } else { "guided" }
}

fn scale(Summary { median, min, max }: Summary, by: f64) -> Summary {
    Summary { median: median * by, min: min * by, max: max * by }
}

/// Without the engine.
fn plain(room: &mut [MaybeUninit<Descriptor>]) {
    for (frame, slot) in room.iter_mut().enumerate() {
        slot.write(Descriptor::of(frame));
    }
}

/// Seconds of `init` over fresh memory: an allocation of this size is a mapping of its own, and
/// goes back to the kernel at the end.
fn time(number: usize, init: &dyn Fn(&mut [MaybeUninit<Descriptor>])) -> f64 {
    let mut descriptors = Vec::with_capacity(number);
    let room = &mut descriptors.spare_capacity_mut()[..number];
    let begin = Instant::now();
    init(room);
    std::hint::black_box(room);
    begin.elapsed().as_secs_f64()
}

/// That each descriptor was written, and with its own number.
fn verify(pool: &Pool, number: usize) -> Result<()> {
    let mut descriptors = Vec::with_capacity(number);
    let room = &mut descriptors.spare_capacity_mut()[..number];
    let written = parallel::on(pool).init_slice(room, Descriptor::of);
    let wrong = written.iter().enumerate().find(|(frame, found)| **found != Descriptor::of(*frame));
    match wrong {
        None => Ok(()),
        Some((frame, found)) => Err(format!("descriptor {frame} is wrong: {found:?}").into()),
    }
}

//! `cargo xtask oracle depmod`: the reference tool and ours on the same input. `oracle btf` has a
//! directory of its own.
//!
//! ```text
//! context   the two tools, and the count
//! run       one tool, one command line    Outcome: status, stdout, stderr, files
//! compare   two outcomes                  [Difference]
//! known     are they meant?               Verdict
//! tree      real kernels from the cache, in many variants
//! cases     generated trees, each about one thing
//! property  random trees with random options
//! ```
//!
//! Nothing is normalised but the addresses that `-vv` shows: both tools run under the same name, on
//! the same paths, one after the other, and everything they did is undone in between.

mod btf;
mod cases;
pub(crate) mod compare;
pub(crate) mod context;
mod known;
pub(crate) mod property;
pub(crate) mod run;
mod tree;

use crate::Result;
use crate::args::Matches;
use crate::cache::Cache;
use crate::report;

use context::Context;

pub(crate) fn run(matches: &Matches) -> Result<()> {
    match &matches.operands[..] {
        [tool] if tool == "depmod" => depmod(matches),
        [tool] if tool == "btf" => btf::run(matches),
        _ => Err("which tool? `cargo xtask oracle depmod`, or btf".into()),
    }
}

fn depmod(matches: &Matches) -> Result<()> {
    let parts = matches.list("--only", "trees,cases,random");
    if let Some(part) = parts.iter().find(|part| !["trees", "cases", "random"].contains(part)) {
        return Err(format!("--only: no part '{part}': trees, cases or random").into());
    }
    let mut context = Context::new(matches)?;
    for line in context.rules.left_out() {
        report::say(&line);
    }

    let mut tallies = Vec::new();
    if parts.contains(&"trees") {
        let options = tree::Options {
            threads: matches.numbers("--threads", "1,2,7")?,
            pattern: matches.value("--trees").unwrap_or("*").to_owned(),
            small: matches.has("--small"),
        };
        tallies.push(tree::run(&context, &Cache::locate(matches)?, &options)?);
    }
    if parts.contains(&"cases") && context.rules.exact() {
        tallies.push(cases::run(&context, matches.value("--case").unwrap_or("*"))?);
    }
    if parts.contains(&"random") {
        let options = property::Options {
            first_seed: matches.number("--seed", 0)?,
            count: matches.number("--random", 500)?,
            threads: matches.numbers("--threads", "1,2,7")?,
        };
        tallies.push(property::run(&mut context, &options)?);
    }

    let mut different = 0;
    for tally in &tallies {
        tally.print();
        different += tally.different + tally.stale;
    }
    match different {
        0 => Ok(()),
        _ => Err(format!("{different} comparisons failed").into()),
    }
}

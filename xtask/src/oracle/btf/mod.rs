//! `cargo xtask oracle btf`: pahole 1.31 and ours on the same debug info, byte for byte.
//!
//! ```text
//! tools     the two encoders                        one file -> Outcome
//! features  lists of features, and options from them
//! kernels   every vmlinux with debug info in the cache, at several thread counts and features
//! in_place  the same files, written into copies of the kernels themselves
//! modules   modules of the same kernels: one run of ours over a directory
//! distilled modules, written into copies with a base of their own
//! programs  generated C programs, compiled in many ways
//! words     two blobs -> the first difference, by name
//! ```
//!
//! What the reference leaves behind is not trusted: its output is removed first, must be there
//! afterwards, and its standard error must not tell of an abort.

mod distilled;
mod features;
mod in_place;
mod kernels;
mod modules;
mod programs;
mod tools;
mod words;

use crate::Result;
use crate::args::Matches;
use crate::cache::Cache;
use crate::report;

use tools::Tools;

pub(super) fn run(matches: &Matches) -> Result<()> {
    let tools = Tools::find(matches)?;
    report::say(&format!("reference: {}, {}", tools.reference.display(), tools.version));
    let different = match matches.value("--programs") {
        Some(_) => {
            let options = programs::Options {
                first_seed: matches.number("--seed", 0)?,
                count: matches.number("--programs", 0)?,
                threads: matches.numbers("--threads", "1,3")?,
                keep: matches.value("--keep").map(Into::into),
            };
            programs::run(&tools, &options)?
        }
        None => {
            let mut lists: Vec<String> = matches.values("--features").map(str::to_owned).collect();
            if lists.is_empty() {
                lists.push(features::KERNEL.to_owned());
            }
            if matches.has("--leave-out-each") {
                lists.extend(lists.clone().iter().flat_map(|list| features::leave_out_each(list)));
            }
            let distilled = matches.value("--distilled").is_some();
            let modules = match matches.value("--modules") {
                None => None,
                Some("all") => Some(None),
                Some(_) => Some(Some(matches.number("--modules", 0)?)),
            };
            let few = distilled || modules.is_some();
            let threads = if few { "2" } else { "1,2,3,8" };
            let options = kernels::Options {
                features: lists,
                threads: matches.numbers("--threads", threads)?,
                pattern: matches.value("--trees").unwrap_or("*").to_owned(),
                keep: matches.value("--keep").map(Into::into),
            };
            let cache = Cache::locate(matches)?;
            if let Some(count) = modules {
                modules::run(&tools, &cache, &options, count)?
            } else if distilled {
                let modules = matches.number("--distilled", 0)?;
                distilled::run(&tools, &cache, &options, modules)?
            } else if matches.has("--in-place") {
                in_place::run(&tools, &cache, &options)?
            } else {
                kernels::run(&tools, &cache, &options)?
            }
        }
    };
    match different {
        0 => Ok(()),
        _ => Err(format!("{different} comparisons failed").into()),
    }
}

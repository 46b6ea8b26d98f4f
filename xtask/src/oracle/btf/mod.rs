//! `cargo xtask oracle btf`: pahole 1.31 and ours on the same debug info, byte for byte.
//!
//! ```text
//! tools     the two encoders                        one file -> Outcome
//! kernels   every vmlinux with debug info in the cache, at several thread counts and features
//! programs  generated C programs, compiled in many ways
//! words     two blobs -> the first difference, by name
//! ```
//!
//! What the reference leaves behind is not trusted: its output is removed first, must be there
//! afterwards, and its standard error must not tell of an abort.

mod kernels;
mod programs;
mod tools;
mod words;

use crate::Result;
use crate::args::Matches;
use crate::cache::Cache;
use crate::report;

use tools::Tools;

/// What kernel builds ask for.
const KERNEL: &str = "encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,\
                      consistent_func,decl_tag_kfuncs";

pub(super) fn run(matches: &Matches) -> Result<()> {
    let tools = Tools::find(matches)?;
    report::say(&format!("reference: {}, {}", tools.reference.display(), tools.version));
    let different = match matches.value("--programs") {
        Some(_) => {
            let options = programs::Options {
                first_seed: matches.number("--seed", 0)?,
                count: matches.number("--programs", 0)?,
                threads: super::threads(matches, "1,3")?,
                keep: matches.value("--keep").map(Into::into),
            };
            programs::run(&tools, &options)?
        }
        None => {
            let mut features: Vec<String> =
                matches.values("--features").map(str::to_owned).collect();
            if features.is_empty() {
                features.push(KERNEL.to_owned());
            }
            if matches.has("--leave-out-each") {
                features.extend(features.clone().iter().flat_map(|list| leave_out_each(list)));
            }
            let options = kernels::Options {
                features,
                threads: super::threads(matches, "1,2,3,8")?,
                pattern: matches.value("--trees").unwrap_or("*").to_owned(),
                keep: matches.value("--keep").map(Into::into),
            };
            kernels::run(&tools, &Cache::locate(matches)?, &options)?
        }
    };
    match different {
        0 => Ok(()),
        _ => Err(format!("{different} comparisons failed").into()),
    }
}

/// The list without its first name, without its second one, and so on.
fn leave_out_each(list: &str) -> Vec<String> {
    let names: Vec<&str> = list.split(',').collect();
    let without = |left_out: usize| {
        let rest = names.iter().enumerate().filter(|(index, _)| *index != left_out);
        rest.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    };
    (0..names.len()).map(without).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_name_is_left_out_once() {
        assert_eq!(super::leave_out_each("a,b,c"), ["b,c", "a,c", "a,b"]);
    }
}

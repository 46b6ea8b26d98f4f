//! Generated C programs, compiled in many ways: what kernels' debug info may hold and no cached kernel
//! does.
//!
//! ```text
//! types     names and shapes of types, in a header that units share
//! unit      one unit: variants of types, variables, functions
//! source    a seed -> the files of a program
//! build     a seed -> a compiler, its options, an executable
//! ```

mod build;
mod source;
mod types;
mod unit;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use modgen::rng::Rng;

use super::tools::{Outcome, Tools};
use super::words;
use crate::Result;
use crate::error::Context;
use crate::jobs;
use crate::report;

use build::Recipe;

/// Reports that are shown in full; the rest are only counted.
const SHOWN: usize = 10;

pub(super) struct Options {
    pub(super) first_seed: u64,
    pub(super) count: u64,
    pub(super) threads: Vec<usize>,
    /// Where failing programs stay; without it, a temporary directory that is kept.
    pub(super) keep: Option<PathBuf>,
}

/// How one program came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Equal,
    /// The reference gives up or finds nothing, and ours writes no file either.
    NeitherWrites,
    /// The compiler, or its linker, does not take it.
    NotBuilt,
    Different,
}

/// Compares all of them; returns how many differ.
pub(super) fn run(tools: &Tools, options: &Options) -> Result<usize> {
    let compilers = build::compilers()?;
    let names: Vec<&str> = compilers.iter().map(|compiler| compiler.name()).collect();
    report::say(&format!("compilers: {}", names.join(", ")));
    let root = match &options.keep {
        Some(keep) => keep.clone(),
        None => tempfile::Builder::new().prefix("kmill-programs-").tempdir()?.keep(),
    };
    let seeds: Vec<u64> =
        (options.first_seed..).take(usize::try_from(options.count).unwrap_or(0)).collect();
    let done = jobs::map(&seeds, |&seed| one(tools, options, &compilers, &root, seed));

    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut shown = 0;
    for (seed, result) in seeds.iter().zip(done) {
        let (verdict, words) = result.context(|| format!("program {seed}"))?;
        *counts.entry(verdict).or_default() += 1;
        if words.is_empty() {
            continue;
        }
        shown += 1;
        match shown {
            1..=SHOWN => report::say(&words),
            _ => report::say(words.lines().next().unwrap_or_default()),
        }
    }
    // Empty when all is well.
    if options.keep.is_none() {
        let _ = fs::remove_dir(&root);
    }
    let count = |verdict| counts.get(&verdict).copied().unwrap_or(0);
    let different = count(Verdict::Different);
    report::say(&format!(
        "programs: {} equal, {} that neither writes, {different} different, {} not compiled",
        count(Verdict::Equal),
        count(Verdict::NeitherWrites),
        count(Verdict::NotBuilt)
    ));
    match counts.contains_key(&Verdict::Equal) || different > 0 {
        true => Ok(different),
        false => Err("no program could be compared".into()),
    }
}

/// Makes, builds and compares one program. The words say what differs, or why it was not compared.
fn one(
    tools: &Tools,
    options: &Options,
    compilers: &[build::Compiler],
    root: &Path,
    seed: u64,
) -> Result<(Verdict, String)> {
    let mut rng = Rng::new(seed);
    let recipe = Recipe::random(&mut rng, compilers);
    let dir = root.join(format!("program-{seed}"));
    fs::create_dir_all(&dir).context(|| format!("creating {}", dir.display()))?;
    let units = source::write(&mut rng, &dir, &recipe.taste)?;
    let head = format!("program {seed}: {}", recipe.shown());
    if let Err(error) = recipe.build(&dir, units) {
        let text = error.to_string();
        let is_reason = |line: &&str| line.contains(" error: ") || line.contains(" sorry, ");
        let line = text.lines().find(is_reason).unwrap_or(&text);
        fs::remove_dir_all(&dir)?;
        return Ok((Verdict::NotBuilt, format!("{head}: not compiled: {line}\n")));
    }
    let input = dir.join(build::PROGRAM);
    let args = &recipe.encoder;
    let reference = tools.reference(args, &input, &dir.join("reference.btf"))?;
    for &threads in &options.threads {
        let ours = tools.ours(args, threads, &input, &dir.join("ours.btf"))?;
        let what = match (&reference, &ours) {
            (Outcome::Blob(reference), Outcome::Blob(ours)) if reference == ours => continue,
            (
                Outcome::Nothing(_) | Outcome::Failed(_),
                Outcome::Nothing(_) | Outcome::Failed(_),
            ) => {
                continue;
            }
            (Outcome::Blob(reference), Outcome::Blob(ours)) => words::difference(reference, ours),
            (Outcome::Blob(_), Outcome::Nothing(words) | Outcome::Failed(words)) => {
                format!("  only the reference writes; ours: {words}\n")
            }
            (Outcome::Nothing(words) | Outcome::Failed(words), Outcome::Blob(_)) => {
                format!("  only ours writes; the reference: {words}\n")
            }
        };
        let again = command(seed, tools, &dir);
        let text = format!("{head} -j{threads}: different\n{what}  in {}\n{again}", dir.display());
        fs::write(dir.join("difference.txt"), &text)?;
        return Ok((Verdict::Different, text));
    }
    fs::remove_dir_all(&dir)?;
    Ok(match reference {
        Outcome::Blob(_) => (Verdict::Equal, String::new()),
        Outcome::Nothing(words) | Outcome::Failed(words) => {
            let line = words.lines().next().unwrap_or("nothing to encode").to_owned();
            (Verdict::NeitherWrites, format!("{head}: neither writes; the reference: {line}\n"))
        }
    })
}

/// What makes the same program again, and compares it.
fn command(seed: u64, tools: &Tools, dir: &Path) -> String {
    let keep = dir.parent().unwrap_or(dir).display();
    let reference = tools.reference.display();
    format!(
        "  again: cargo xtask oracle btf --programs 1 --seed {seed} --reference {reference} --keep \
         {keep}\n"
    )
}

//! Random files in which units disagree: the parallel path gives the bytes of the serial one, and
//! those of the reference where there is one (see `support`).
//!
//! `DWARF_BTF_SEEDS=FROM..TO` runs other seeds; a seed that fails is named. `DWARF_BTF_SHRINK=SEED`
//! prints the smallest part of that seed's file on which the paths differ.
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use dwarf_btf::Features;
use dwarfgen::File;
use dwarfgen::random::{Shape, random_file};
use modgen::rng::Rng;
use support::{Outcome, all_ways, difference, dump, options, reference, shrink};

fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("DWARF_BTF_SEEDS").unwrap_or_else(|_| "0..4000".to_owned());
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// The standard features, or for some seeds others.
fn features(seed: u64) -> Features {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let mut features = Features::standard();
    if rng.chance(1, 8) {
        features.consistent_func = false;
    }
    if rng.chance(1, 8) {
        features.enum64 = false;
    }
    if rng.chance(1, 8) {
        features.float = false;
        features.type_tag = false;
    }
    if rng.chance(1, 8) {
        features.decl_tag = false;
        features.global_var = true;
    }
    features
}

/// What is wrong with a seed, if anything.
fn check(seed: u64) -> Result<(bool, bool), String> {
    let image = random_file(seed).to_bytes();
    let features = features(seed);
    let ways = catch_unwind(AssertUnwindSafe(|| all_ways(&image, &options(features.clone()))));
    let [serial, one, three] = ways.map_err(|_| "panic".to_owned())?;
    let mut wrong = Vec::new();
    for (what, other) in [("1 thread", &one), ("3 threads", &three)] {
        let both_fail = matches!((&serial, other), (Outcome::Error(_), Outcome::Error(_)));
        if serial != *other && !both_fail {
            wrong.push(format!("serial and {what}:\n{}", difference(&serial, other)));
        }
    }
    let theirs = reference(&image, &features);
    if let Some(theirs) = &theirs {
        let ours = if let Outcome::Blob(blob) = &serial { Some(blob) } else { None };
        if ours != theirs.as_ref() {
            let theirs = theirs.clone().map_or(Outcome::Nothing, Outcome::Blob);
            wrong.push(format!("serial and reference:\n{}", difference(&serial, &theirs)));
        }
    }
    match wrong.is_empty() {
        true => Ok((matches!(serial, Outcome::Blob(_)), theirs.is_some())),
        false => Err(wrong.join("\n")),
    }
}

#[test]
fn units_that_disagree_give_the_same_bytes_on_every_path() {
    let (mut blobs, mut compared, mut all, mut failed) = (0, 0, 0, Vec::new());
    for seed in seeds() {
        all += 1;
        match check(seed) {
            Ok((blob, reference)) => {
                blobs += usize::from(blob);
                compared += usize::from(reference);
            }
            Err(wrong) => {
                let shape = Shape::random(&mut Rng::new(seed));
                eprintln!("seed {seed}: {wrong}\n  {shape:?}");
                failed.push(seed);
            }
        }
    }
    eprintln!("{all} files, {blobs} blobs, {compared} compared with the reference");
    assert!(failed.is_empty(), "{} seeds: {failed:?}", failed.len());
    assert!(blobs * 2 > all, "most files can be encoded: {blobs} of {all}");
}

#[test]
fn a_seed_that_fails_is_made_small() {
    let Some(seed) = std::env::var_os("DWARF_BTF_SHRINK") else { return };
    let seed: u64 = seed.to_str().unwrap().parse().unwrap();
    let options = options(features(seed));
    let differ = |file: &File| {
        let [serial, one, _] = all_ways(&file.to_bytes(), &options);
        matches!((&serial, &one), (Outcome::Blob(_), Outcome::Blob(_))) && serial != one
    };
    std::panic::set_hook(Box::new(|_| {}));
    let small = shrink::shrink(random_file(seed), differ);
    let [serial, one, _] = all_ways(&small.to_bytes(), &options);
    eprintln!("seed {seed}:\n{}", shrink::print(&small));
    if let (Outcome::Blob(serial), Outcome::Blob(one)) = (serial, one) {
        eprintln!("serial:\n{}\nparallel:\n{}", dump(&serial), dump(&one));
    }
}

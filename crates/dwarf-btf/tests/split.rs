//! Random files behind a base that disagrees with them: the parallel path gives the bytes of the serial
//! one, which has libbpf's rules decide on everything; alone, and as one of many files.
//!
//! Some units of a file are the base, others are modules: so most names of a module are known to the
//! base, and they are often something else there, or several things, or only declared.
//! `DWARF_BTF_SEEDS=FROM..TO` runs other seeds; `DWARF_BTF_SHRINK=SEED` prints the smallest part of
//! that seed's base and module on which the paths differ.
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dwarf_btf::{Features, Options, Session};
use dwarfgen::File;
use dwarfgen::random::{Shape, file_of};
use kmill_btf::Btf;
use kmill_btf::dedup::Index;
use modgen::Arch;
use modgen::rng::Rng;
use padata::Pool;
use support::{Outcome, difference, dump, in_session, options, reference_behind, shrink};

fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("DWARF_BTF_SEEDS").unwrap_or_else(|_| "0..1000".to_owned());
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// What all cases have in common, as one process that encodes all modules of a kernel.
struct Process {
    pools: [Pool; 2],
    /// Memory from file to file, by number of threads.
    sessions: [Session; 2],
}

impl Process {
    fn new() -> Process {
        let pool = |threads| Pool::new(NonZeroUsize::new(threads).unwrap());
        let sessions = [Session::for_many(), Session::for_many()];
        Process { pools: [pool(1), pool(3)], sessions }
    }

    /// The outcome one unit after another, and all others with their names.
    fn all_ways(&self, image: &[u8], options: &Options) -> (Outcome, Vec<(&'static str, Outcome)>) {
        let serial = Options { serial: true, ..options.clone() };
        let [one, three] = &self.pools;
        let [first, second] = &self.sessions;
        let run = |pool, session| in_session(pool, image, options, session);
        let others = vec![
            ("1 thread", run(one, &Session::default())),
            ("3 threads", run(three, &Session::default())),
            ("the first of many", run(one, &Session::for_many())),
            ("one of many", run(one, first)),
            ("one of many, 3 threads", run(three, second)),
        ];
        (in_session(one, image, &serial, &Session::default()), others)
    }
}

/// One program and the modules that go on behind it.
struct Case {
    base: File,
    modules: Vec<File>,
    features: Features,
}

fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let mut shape = Shape::random(&mut rng);
    let chance = |rng: &mut Rng| rng.pick(&[0, 0, 2, 8, 24, 48]);
    // More names and units that disagree about them than where one file is all there is.
    shape.names = rng.between(1, 6);
    shape.variants = rng.pick(&[1, 2, 2, 3]);
    shape.long = rng.chance(3, 4);
    shape.odd = rng.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let in_base = rng.between(1, 4);
    let modules: Vec<usize> = (0..rng.between(1, 3))
        .map(|_| if rng.chance(1, 3) { 1 } else { rng.between(2, 5) })
        .collect();
    shape.units = in_base + modules.iter().sum::<usize>();
    let features = Features { type_tag: rng.chance(7, 8), ..Features::standard() };
    // A base and its modules differ in how much they agree each among themselves.
    let (other, declared, copy) = (chance(&mut rng), chance(&mut rng), chance(&mut rng));
    let world = Rng::new(rng.next_u64());
    let mut file = file_of(&shape, world.clone());
    let changed = Shape { other, declared, copy, ..shape };
    let mut second = file_of(&changed, world);
    for file in [&mut file, &mut second] {
        if matches!(file.arch, Arch::Mips) {
            file.arch = Arch::Riscv64;
        }
    }
    second.arch = file.arch;
    // As GCC has them, or as LLVM does.
    let in_place = rng.chance(3, 4);
    let with = |from: &File, units: std::ops::Range<usize>| {
        let mut units = from.units[units].to_vec();
        units.iter_mut().for_each(|unit| unit.short_in_place = in_place);
        File { units, ..from.clone() }
    };
    let base = with(&file, 0..in_base);
    let mut start = in_base;
    let mut files = Vec::new();
    for count in modules {
        let from = if rng.chance(1, 2) { &file } else { &second };
        let mut module = with(from, start..start + count);
        module.strings_by_unit = rng.chance(3, 4);
        files.push(module);
        start += count;
    }
    Case { base, modules: files, features }
}

/// The blob of a base, if there is one, and what goes on behind it.
fn behind(process: &Process, base: &File, features: &Features) -> Option<(Vec<u8>, Options)> {
    let own = Options { serial: true, ..options(features.clone()) };
    let image = base.to_bytes();
    match in_session(&process.pools[0], &image, &own, &Session::default()) {
        Outcome::Blob(blob) => {
            let index = Arc::new(Index::new(Arc::new(Btf::read(&blob).unwrap())));
            Some((blob, Options { base: Some(index), ..options(features.clone()) }))
        }
        _ => None,
    }
}

/// How two outcomes differ, when they do. That there is an error is one outcome, whichever is met.
fn differ(first: &Outcome, second: &Outcome, base: &Btf) -> Option<String> {
    if matches!((first, second), (Outcome::Error(_), Outcome::Error(_))) || first == second {
        return None;
    }
    let text = |outcome: &Outcome| match outcome {
        Outcome::Blob(blob) => dump_split(blob, base),
        other => format!("{other:?}"),
    };
    let (left, right) = (text(first), text(second));
    let line = left.lines().zip(right.lines()).find(|(left, right)| left != right);
    let (a, b) = line.unwrap_or(("end", "end"));
    Some(format!("  {a}\n  {b}\nlines {} and {}", left.lines().count(), right.lines().count()))
}

fn dump_split(blob: &[u8], base: &Btf) -> String {
    let mut out = Vec::new();
    Btf::read_split(blob, Arc::new(base.clone())).unwrap().dump(&mut out).unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

#[derive(Debug, Default)]
struct Count {
    files: usize,
    blobs: usize,
    compared: usize,
}

fn check(process: &Process, seed: u64, count: &mut Count) -> Result<(), String> {
    let case = case(seed);
    let Some((blob, options)) = behind(process, &case.base, &case.features) else { return Ok(()) };
    let base = options.base.clone().unwrap();
    let mut wrong = Vec::new();
    for (number, module) in case.modules.into_iter().enumerate() {
        let mut of_executable = None;
        for (kind, file) in [("executable", module.clone()), ("object", module.relocatable())] {
            let image = file.to_bytes();
            let ways = catch_unwind(AssertUnwindSafe(|| process.all_ways(&image, &options)));
            let (serial, others) = ways.map_err(|_| format!("module {number}, {kind}: a panic"))?;
            count.files += 1;
            count.blobs += usize::from(matches!(serial, Outcome::Blob(_)));
            let mut compare = |what: &str, other: &Outcome| {
                if let Some(difference) = differ(&serial, other, base.base()) {
                    wrong.push(format!("module {number}, {kind}, {what}:\n{difference}"));
                }
            };
            for (what, other) in &others {
                compare(what, other);
            }
            if let Some(executable) = &of_executable {
                compare("executable and object", executable);
            }
            if let Some(theirs) = reference_behind(&blob, &image, &case.features) {
                count.compared += 1;
                let theirs = theirs.map_or(Outcome::Nothing, Outcome::Blob);
                // Where the base has everything, the reference writes nothing, and this a blob without
                // types.
                let empty = matches!(&serial, Outcome::Blob(ours)
                    if Btf::read_split(ours, base.base().clone()).unwrap().types.is_empty());
                let nothing =
                    theirs == Outcome::Nothing && (empty || !matches!(serial, Outcome::Blob(_)));
                if !nothing {
                    compare("reference", &theirs);
                }
            }
            of_executable = Some(serial);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

#[test]
fn modules_that_disagree_with_their_base_give_the_same_bytes_on_every_path() {
    let process = Process::new();
    let (mut count, mut failed) = (Count::default(), Vec::new());
    for seed in seeds() {
        if let Err(wrong) = check(&process, seed, &mut count) {
            eprintln!("seed {seed}: {wrong}");
            failed.push(seed);
        }
    }
    eprintln!("{count:?}");
    assert!(failed.is_empty(), "{} seeds: {failed:?}", failed.len());
    assert!(count.blobs * 2 > count.files, "most files can be encoded: {count:?}");
}

#[test]
fn a_seed_that_fails_is_made_small() {
    let Some(seed) = std::env::var_os("DWARF_BTF_SHRINK") else { return };
    let seed: u64 = seed.to_str().unwrap().parse().unwrap();
    let case = case(seed);
    let process = Process::new();
    // Memory of the files before is not made small: each is the first.
    let ways = |base: &File, module: &File| -> Option<(Vec<u8>, Outcome, Outcome)> {
        let (blob, options) = behind(&process, base, &case.features)?;
        let image = module.to_bytes();
        let serial = Options { serial: true, ..options.clone() };
        let [one, _] = &process.pools;
        let serial = in_session(one, &image, &serial, &Session::default());
        [Session::default(), Session::for_many()].into_iter().find_map(|session| {
            let other = in_session(one, &image, &options, &session);
            let blobs = matches!((&serial, &other), (Outcome::Blob(_), Outcome::Blob(_)));
            (blobs && serial != other).then(|| (blob.clone(), serial.clone(), other))
        })
    };
    std::panic::set_hook(Box::new(|_| {}));
    for module in case.modules {
        for module in [module.clone(), module.relocatable()] {
            let mut base = case.base.clone();
            if ways(&base, &module).is_none() {
                continue;
            }
            let mut module = shrink::shrink(module, |file| ways(&base, file).is_some());
            base = shrink::shrink(base, |file| ways(file, &module).is_some());
            module = shrink::shrink(module, |file| ways(&base, file).is_some());
            eprintln!("base:\n{}\nmodule:\n{}", shrink::print(&base), shrink::print(&module));
            if let Some((blob, serial, other)) = ways(&base, &module) {
                let known = Btf::read(&blob).unwrap();
                eprintln!("base:\n{}", dump(&blob));
                for outcome in [serial, other] {
                    match outcome {
                        Outcome::Blob(blob) => eprintln!("one:\n{}", dump_split(&blob, &known)),
                        other => eprintln!("{}", difference(&other, &other)),
                    }
                }
            }
            return;
        }
    }
}

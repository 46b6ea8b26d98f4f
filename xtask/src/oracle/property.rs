//! Random trees under random options. A seed gives tree and options, so a failure is a number.

use std::collections::HashSet;

use modgen::{Compression, Oddity, Shape, Tree, Written, random_tree};

use super::compare::{Rules, differences, equal_files};
use super::context::{Context, Tally};
use super::known::{Verdict, judge};
use super::run::{Before, Call, Tool};
use crate::Result;
use crate::jobs;
use crate::report;

/// Which trees.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) first_seed: u64,
    pub(super) count: u64,
    pub(super) threads: Vec<usize>,
}

/// Numbers from a seed (splitmix64), for the options alone.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

/// The tree of a seed: every shape comes up in any row of eight seeds.
fn tree(seed: u64, exact: bool) -> Tree {
    let shape = match seed % 8 {
        _ if !exact => Shape::kmod30(),
        0 | 1 => Shape::quiet(),
        2 => Shape { cycles: true, ..Shape::quiet() },
        3 => Shape { max_modules: 12, ..Shape::everything() },
        4 => Shape { max_modules: 300, damaged: false, ..Shape::everything() },
        5 => Shape { cycles: true, ..Shape::everything() },
        _ => Shape::everything(),
    };
    let mut tree = random_tree(seed, &shape);
    comparable(&mut tree);
    if !exact {
        // Of a repeated line, kmod 30 believes the last one.
        tree.order = tree.order.map(|text| without_repeats(&text));
    }
    tree
}

/// Takes out what we read and kmod does not (COMPAT.md; `damage/zst/concatenated` and
/// `damage/zst/nocontentsize` show it).
pub(crate) fn comparable(tree: &mut Tree) {
    let external = tree.externals.iter_mut().flat_map(|external| &mut external.modules);
    for file in tree.modules.iter_mut().chain(external) {
        if file.compression == Compression::Zstd
            && matches!(file.oddity, Some(Oddity::Concatenated | Oddity::NoContentSize))
        {
            file.oddity = None;
        }
    }
}

fn without_repeats(text: &str) -> String {
    let mut seen = HashSet::new();
    text.split_inclusive('\n').filter(|line| seen.insert(*line)).collect()
}

/// Options as they would be typed, but for the paths.
fn options(seed: u64, written: &Written, rules: &Rules) -> Vec<String> {
    let exact = rules.exact();
    let mut draw = Draw(seed);
    let mut args: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|&word| word.to_owned()));
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    match (draw.below(4), &written.system_map, &written.symvers) {
        (1, Some(map), _) => add(&["-e", "-F", &path(map)]),
        (2, _, Some(symvers)) => add(&["-e", "-E", &path(symvers)]),
        (3, _, Some(symvers)) => add(&["-E", &path(symvers)]),
        _ => {}
    }
    if draw.one_in(4) {
        add(&["-w"]);
    }
    if exact && draw.one_in(5) {
        add(&["-v"]);
    }
    if exact && draw.one_in(6) {
        add(&["-n"]);
    }
    if rules.has_outdir() && draw.one_in(5) {
        add(&["-o", &path(&written.root.join("out"))]);
    }
    if draw.one_in(16) {
        add(&["-P", "_"]);
    }
    if draw.one_in(3) {
        add(&["-a"]);
    }
    args
}

pub(super) fn run(context: &mut Context, options: &Options) -> Result<Tally> {
    let seeds: Vec<u64> = (0..options.count).map(|n| options.first_seed.wrapping_add(n)).collect();
    let results = jobs::map(&seeds, |&seed| compare(context, seed, &options.threads));
    let mut tally = Tally::new("random trees");
    let (mut equal, mut all) = (0, 0);
    for (seed, result) in seeds.iter().zip(results) {
        let (verdict, report, files) = result.map_err(|error| format!("seed {seed}: {error}"))?;
        if verdict == Verdict::Different {
            report::say(&format!(
                "again: cargo xtask oracle depmod --reference {} --only random --random 1 --seed \
                 {seed} --keep DIR",
                context.reference.path.display()
            ));
        }
        tally.add(&format!("random/{seed}"), verdict, &report);
        equal += files.0;
        all += files.1;
    }
    report::say(&format!("random trees: {equal} of {all} files equal"));
    Ok(tally)
}

fn compare(
    context: &Context,
    seed: u64,
    threads: &[usize],
) -> Result<(Verdict, String, (usize, usize))> {
    let work = tempfile::Builder::new().prefix("kmill-oracle-").tempdir()?;
    let root = work.path().join("root");
    let exact = context.rules.exact();
    let written = tree(seed, exact).write_to(&root, "lib/modules")?;
    let args = options(seed, &written, &context.rules);
    let mut call = Call { cwd: root.clone(), ..Call::default() };
    call.args = args.iter().map(Into::into).chain(written.depmod_args()).collect();

    let before = Before::new(&root)?;
    let run = |tool: &Tool, call: &Call| {
        let mut outcome = tool.run(call)?;
        outcome.files = before.changes()?;
        before.restore()?;
        Ok::<_, crate::Error>(outcome)
    };
    let reference = run(&context.reference, &call)?;
    let threads = threads[(seed % threads.len() as u64) as usize].to_string();
    call.args.splice(0..0, ["--threads".into(), threads.into()]);
    let ours = run(&context.ours, &call)?;

    let name = format!("random/{seed}");
    let found = differences(&context.rules, &reference, &ours);
    let verdict = judge(&name, &reference, &ours, &found);
    if verdict == Verdict::Different {
        context.keep(&name, &root, &reference, &ours)?;
    }
    let shown = format!("depmod {}\n", args.join(" "));
    let files = equal_files(&context.rules, &reference, &found);
    Ok((verdict, context.report(&name, &shown, &found), files))
}

//! Real kernels, each run in many ways. The trees in the cache are only read: what is written
//! goes to a directory of its own, and a variant is a directory of links.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::compare::{Difference, differences, equal_files};
use super::context::{Context, Tally};
use super::known::{Verdict, judge};
use super::run::{Before, Call, Outcome, Tool};
use crate::Result;
use crate::cache::{Cache, Codec, KernelTree};
use crate::error::Context as _;
use crate::files::{self, glob};
use crate::jobs;
use crate::report::{self, Table};

/// Which trees, and how.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) threads: Vec<usize>,
    pub(super) pattern: String,
    pub(super) small: bool,
}

/// One way to run over a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// `-a -o OUT`, as are the next ones: the cached tree itself is the base.
    Plain,
    Show,
    Operands,
    Map,
    Symvers,
    Verbose,
    Warn,
    NoOrder,
    NoBuiltin,
    /// The outputs lie in the tree, among old ones.
    InPlace,
}

impl Variant {
    const ALL: [Variant; 10] = [
        Variant::Plain,
        Variant::Show,
        Variant::Operands,
        Variant::Map,
        Variant::Symvers,
        Variant::Verbose,
        Variant::Warn,
        Variant::NoOrder,
        Variant::NoBuiltin,
        Variant::InPlace,
    ];

    fn name(self) -> &'static str {
        match self {
            Variant::Plain => "-a",
            Variant::Show => "-n",
            Variant::Operands => "files",
            Variant::Map => "-e -F",
            Variant::Symvers => "-e -E",
            Variant::Verbose => "-v",
            Variant::Warn => "-w",
            Variant::NoOrder => "no order",
            Variant::NoBuiltin => "no builtin",
            Variant::InPlace => "in place",
        }
    }

    /// Whether only what it prints tells.
    fn prints(self) -> bool {
        self == Variant::Show
    }
}

/// Module files given as operands.
const OPERANDS: usize = 48;

/// One variant of one tree: a table's cell, and the reports.
struct Compared {
    cell: String,
    verdicts: Vec<(String, Verdict, String)>,
}

pub(super) fn run(context: &Context, cache: &Cache, options: &Options) -> Result<Tally> {
    let mut trees = cache.trees()?;
    trees.retain(|tree| {
        glob(&options.pattern, &format!("{}/{}", tree.kernel, tree.codec.name()))
            && (!options.small || tree.release.contains("cloud"))
            && (context.rules.gzip || tree.codec != Codec::Gz)
    });
    if trees.is_empty() {
        return Err(format!(
            "no kernel in {} to compare: run `cargo xtask kernels`",
            cache.kernels().display()
        )
        .into());
    }
    let possible = |variant: &Variant| context.rules.exact() || !variant.prints();
    let variants: Vec<Variant> = Variant::ALL.into_iter().filter(possible).collect();
    let work: Vec<(&KernelTree, Variant)> =
        trees.iter().flat_map(|tree| variants.iter().map(move |it| (tree, *it))).collect();
    let results = jobs::map(&work, |(tree, variant)| {
        compare(context, cache, tree, *variant, &options.threads)
    });

    let mut head = vec!["kernel", "codec", "modules"];
    head.extend(variants.iter().map(|variant| variant.name()));
    let mut table = Table::new(&head);
    let mut tally = Tally::new("runs over kernels");
    let mut results = results.into_iter();
    for tree in &trees {
        let mut row =
            vec![tree.kernel.clone(), tree.codec.name().to_owned(), tree.modules.to_string()];
        for result in results.by_ref().take(variants.len()) {
            let compared = result.map_err(|error| format!("{}: {error}", tree.kernel))?;
            row.push(compared.cell);
            for (name, verdict, report) in compared.verdicts {
                tally.add(&name, verdict, &report);
            }
        }
        table.row(row);
    }
    let threads: Vec<String> = options.threads.iter().map(usize::to_string).collect();
    report::say(&format!("equal files (ours at {} threads each):", threads.join(", ")));
    table.print();
    Ok(tally)
}

fn compare(
    context: &Context,
    cache: &Cache,
    tree: &KernelTree,
    variant: Variant,
    threads: &[usize],
) -> Result<Compared> {
    let work = cache.work()?;
    let (args, watched) = prepare(tree, variant, work.path(), context.rules.has_outdir())?;
    let mut call = Call { args, cwd: work.path().to_owned(), env: Vec::new() };
    let before = Before::new(&watched)?;
    let run = |tool: &Tool, call: &Call| -> Result<Outcome> {
        let mut outcome = tool.run(call)?;
        outcome.files = before.changes()?;
        before.restore()?;
        Ok(outcome)
    };
    let reference = run(&context.reference, &call)?;
    // Nothing else may have been compared than what there should be.
    let expected = match variant.prints() {
        true => 0,
        false => modindex::emit::file_names().filter(|name| context.rules.has_file(name)).count(),
    };
    let made = reference.files.keys().filter(|name| !name.ends_with('/')).count();
    if made != expected || reference.status != "exit 0" {
        return Err(format!(
            "the reference made {made} files, {}: {}",
            reference.status,
            String::from_utf8_lossy(&reference.stderr).trim_end()
        )
        .into());
    }

    let mut compared = Compared { cell: String::new(), verdicts: Vec::new() };
    let mut worst: Option<(usize, usize)> = None;
    call.args.splice(0..0, ["--threads".into(), OsString::new()]);
    for count in threads {
        call.args[1] = count.to_string().into();
        let ours = run(&context.ours, &call)?;
        let found: Vec<Difference> = differences(&context.rules, &reference, &ours);
        let name = format!(
            "tree/{}/{}/{}/{count}",
            tree.kernel,
            tree.codec.name(),
            variant.name().replace(' ', "")
        );
        let verdict = judge(&name, &reference, &ours, &found);
        let report = context.report(&name, "\n", &found);
        compared.verdicts.push((name, verdict, report));
        let equal = equal_files(&context.rules, &reference, &found);
        worst = Some(worst.map_or(equal, |worst| worst.min(equal)));
        if variant.prints() || !found.is_empty() && equal.0 == equal.1 {
            compared.cell = if found.is_empty() { "equal" } else { "output" }.to_owned();
        }
    }
    if let (Some((equal, all)), "") = (worst, &*compared.cell) {
        compared.cell = format!("{equal}/{all}");
    }
    Ok(compared)
}

/// The arguments, and the directory in which files come to be.
fn prepare(
    tree: &KernelTree,
    variant: Variant,
    work: &Path,
    outdir: bool,
) -> Result<(Vec<OsString>, PathBuf)> {
    let map = tree.system_map.to_string_lossy();
    let symvers = tree.symvers.to_string_lossy();
    let options: &[&str] = match variant {
        Variant::Plain => &["-a"],
        Variant::Show => &["-n"],
        Variant::Map => &["-e", "-F", &map],
        Variant::Symvers => &["-e", "-E", &symvers],
        Variant::Verbose => &["-a", "-v"],
        Variant::Warn => &["-w"],
        Variant::Operands | Variant::NoOrder | Variant::NoBuiltin | Variant::InPlace => &[],
    };
    let mut args: Vec<OsString> = options.iter().map(Into::into).collect();
    let in_place =
        matches!(variant, Variant::NoOrder | Variant::NoBuiltin | Variant::InPlace) || !outdir;
    let watched = if in_place {
        let dir = farm(tree, work, |name| match variant {
            Variant::NoOrder => name != "modules.order",
            Variant::NoBuiltin => !name.starts_with("modules.builtin"),
            _ => true,
        })?;
        if variant == Variant::InPlace {
            fs::write(dir.join("modules.dep"), "of another time\n")?;
            fs::write(dir.join("modules.alias.bin"), "")?;
        }
        args.extend(["-b".into(), work.into()]);
        dir
    } else {
        let out = work.join("out");
        fs::create_dir_all(&out)?;
        args.extend(["-b".into(), tree.root.clone().into(), "-o".into(), out.clone().into()]);
        out
    };
    args.push(tree.release.clone().into());
    if variant == Variant::Operands {
        args.extend(operands(tree)?);
    }
    Ok((args, watched))
}

/// A version directory with links to what is in the tree's.
fn farm(tree: &KernelTree, work: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let below = Path::new("lib/modules").join(&tree.release);
    let (from, to) = (tree.root.join(&below), work.join(&below));
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(&from).context(|| format!("reading {}", from.display()))? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(&wanted) {
            symlink(from.join(&name), to.join(&name))?;
        }
    }
    Ok(to)
}

/// Some modules from all over the tree.
fn operands(tree: &KernelTree) -> Result<Vec<OsString>> {
    let dir = tree.root.join("lib/modules").join(&tree.release);
    let mut modules = files::walk(&dir)?;
    modules.retain(|path| path.to_string_lossy().ends_with(tree.codec.suffix()));
    let step = (modules.len() / OPERANDS).max(1);
    Ok(modules.iter().step_by(step).map(|path| dir.join(path).into()).collect())
}

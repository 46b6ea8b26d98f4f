//! `cargo xtask oracle depmod`: the reference tool and ours on the same input.
//!
//! ```text
//! run       one tool, one command line    Outcome: status, stdout, stderr, files
//! compare   two outcomes                  [Difference]
//! known     are they meant?               Verdict
//! tree      real kernels from the cache, in many variants
//! cases     generated trees, each about one thing
//! property  random trees with random options
//! ```
//!
//! Nothing is normalised: both tools run under the same name, on the same paths, one after the
//! other, and everything they did is undone in between.

mod cases;
mod compare;
mod known;
mod property;
mod run;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::args::Matches;
use crate::cache::Cache;
use crate::command;
use crate::error::Context as _;
use crate::files;
use crate::program::{self, Profile};
use crate::report;

use compare::{Difference, Rules};
use known::Verdict;
use run::{Outcome, Tool};

/// Differences that are shown in full; the rest are only counted.
const SHOWN: usize = 40;

/// The two tools, and what may be compared.
struct Context {
    reference: Tool,
    ours: Tool,
    rules: Rules,
    keep: Option<PathBuf>,
    /// Holds the name `depmod` under which ours is called.
    _names: tempfile::TempDir,
}

pub(crate) fn run(matches: &Matches) -> Result<()> {
    match &matches.operands[..] {
        [tool] if tool == "depmod" => {}
        _ => return Err("which tool? `cargo xtask oracle depmod`".into()),
    }
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
            threads: threads(matches)?,
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
            threads: threads(matches)?,
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

/// Our thread counts.
fn threads(matches: &Matches) -> Result<Vec<usize>> {
    let list = matches.list("--threads", "1,2,7");
    let numbers = list.iter().map(|text| text.parse().ok().filter(|number| *number > 0));
    let numbers: Option<Vec<usize>> = numbers.collect();
    numbers.filter(|numbers| !numbers.is_empty()).ok_or_else(|| "--threads: not numbers".into())
}

/// The reference that `--reference` names, or the one in PATH.
pub(crate) fn reference(matches: &Matches) -> Result<PathBuf> {
    let path = match matches.value("--reference") {
        Some(path) => std::path::absolute(path)?,
        None => {
            command::find("depmod").ok_or("no depmod in PATH: install kmod or --reference PATH")?
        }
    };
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("no reference at {}", path.display()).into())
    }
}

/// What a reference says that it is.
pub(crate) fn version_text(reference: &Path) -> Result<String> {
    let output = command::output(Command::new(reference).arg("--version"))?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

impl Context {
    fn new(matches: &Matches) -> Result<Self> {
        let path = reference(matches)?;
        let text = version_text(&path)?;
        let rules = Rules::of(&text)
            .ok_or_else(|| format!("{}: not kmod's depmod: {}", path.display(), text.trim_end()))?;
        report::say(&format!(
            "reference: {}, {}",
            path.display(),
            text.lines().next().unwrap_or_default()
        ));
        let names = tempfile::tempdir()?;
        let ours = names.path().join("depmod");
        std::os::unix::fs::symlink(program::kmill(Profile::Release)?, &ours)?;
        Ok(Context {
            reference: Tool { path },
            ours: Tool { path: ours },
            rules,
            keep: matches.value("--keep").map(PathBuf::from),
            _names: names,
        })
    }

    /// What to print about a comparison that failed.
    fn report(&self, name: &str, shown: &str, differences: &[Difference]) -> String {
        let mut text = format!("{name}: {shown}");
        for difference in differences {
            text += &format!("  {:?}: ", difference.part);
            text += &difference.words.replace('\n', "\n    ");
            text.truncate(text.trim_end().len());
            text += "\n";
        }
        text
    }

    /// Keeps everything about a comparison that failed, if that was asked for.
    fn keep(&self, name: &str, root: &Path, reference: &Outcome, ours: &Outcome) -> Result<()> {
        let Some(keep) = &self.keep else { return Ok(()) };
        let dir = keep.join(name.replace('/', "+"));
        files::remove_dir(&dir)?;
        for (who, outcome) in [("reference", reference), ("ours", ours)] {
            let dir = dir.join(who);
            fs::create_dir_all(&dir).context(|| format!("creating {}", dir.display()))?;
            fs::write(dir.join("status"), &outcome.status)?;
            fs::write(dir.join("stdout"), &outcome.stdout)?;
            fs::write(dir.join("stderr"), &outcome.stderr)?;
            for (name, left) in &outcome.files {
                let path = dir.join("files").join(name);
                files::create_parent(&path)?;
                fs::write(path, &left.bytes)?;
            }
        }
        files::link_tree(root, &dir.join("input")).or_else(|_| {
            // The temporary directory may be on another file system.
            command::output(Command::new("cp").arg("-a").arg(root).arg(dir.join("input"))).map(drop)
        })
    }
}

/// How many comparisons there were, and how they ended.
struct Tally {
    what: &'static str,
    equal: usize,
    different: usize,
    stale: usize,
    known: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn new(what: &'static str) -> Self {
        Tally { what, equal: 0, different: 0, stale: 0, known: BTreeMap::new() }
    }

    /// Counts one, and shows it if it failed.
    fn add(&mut self, name: &str, verdict: Verdict, report: &str) {
        match verdict {
            Verdict::Equal => self.equal += 1,
            Verdict::Known(anchor) => *self.known.entry(anchor).or_default() += 1,
            Verdict::Different => {
                self.different += 1;
                if self.different <= SHOWN {
                    report::say(report);
                } else {
                    report::say(&format!("{name}: differs too"));
                }
            }
            Verdict::Stale(anchor) => {
                self.stale += 1;
                report::say(&format!("{name}: equal, but COMPAT.md#{anchor} says otherwise"));
            }
        }
    }

    fn print(&self) {
        let mut text = format!("{}: {} equal", self.what, self.equal);
        for (anchor, count) in &self.known {
            text += &format!(", {count} differ as meant (COMPAT.md#{anchor})");
        }
        text += &format!(", {} different", self.different);
        if self.stale > 0 {
            text += &format!(", {} no longer different", self.stale);
        }
        report::say(&text);
    }
}

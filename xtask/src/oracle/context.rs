//! What every part of the oracle needs: the two tools, and the count of what came out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::compare::{Difference, Rules};
use super::known::Verdict;
use super::run::{Outcome, Tool};
use crate::Result;
use crate::args::Matches;
use crate::command;
use crate::error::Context as _;
use crate::files;
use crate::program::{self, Profile};
use crate::report;

/// Names of comparisons that fail as another does; the rest are only counted.
const SHOWN: usize = 40;

/// The two tools, and what may be compared.
pub(super) struct Context {
    pub(super) reference: Tool,
    pub(super) ours: Tool,
    pub(super) rules: Rules,
    pub(super) keep: Option<PathBuf>,
    /// Holds our program under the name `depmod`.
    _names: tempfile::TempDir,
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
    pub(super) fn new(matches: &Matches) -> Result<Self> {
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
        // A copy: a build in the meantime must not change what is under test.
        let program = program::kmill(Profile::Release)?;
        fs::copy(&program, &ours).context(|| format!("copying {}", program.display()))?;
        Ok(Context {
            reference: Tool { path },
            ours: Tool { path: ours },
            rules,
            keep: matches.value("--keep").map(PathBuf::from),
            _names: names,
        })
    }

    /// What to print about a comparison that failed.
    pub(super) fn report(&self, name: &str, shown: &str, differences: &[Difference]) -> String {
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
    pub(super) fn keep(
        &self,
        name: &str,
        root: &Path,
        reference: &Outcome,
        ours: &Outcome,
    ) -> Result<()> {
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
                match name.ends_with('/') {
                    true => fs::create_dir_all(path)?,
                    false => fs::write(path, &left.bytes)?,
                }
            }
        }
        files::link_tree(root, &dir.join("input")).or_else(|_| {
            // The temporary directory may be on another file system.
            command::output(Command::new("cp").arg("-a").arg(root).arg(dir.join("input"))).map(drop)
        })
    }
}

/// How many comparisons there were, and how they ended.
pub(super) struct Tally {
    what: &'static str,
    equal: usize,
    pub(super) different: usize,
    pub(super) stale: usize,
    known: BTreeMap<&'static str, usize>,
    /// Failures that look alike: the first one's report, and the names of all.
    alike: BTreeMap<String, (String, Vec<String>)>,
}

impl Tally {
    pub(super) fn new(what: &'static str) -> Self {
        Tally {
            what,
            equal: 0,
            different: 0,
            stale: 0,
            known: BTreeMap::new(),
            alike: BTreeMap::new(),
        }
    }

    /// Counts one, and shows it if it failed.
    pub(super) fn add(&mut self, name: &str, verdict: Verdict, report: &str) {
        match verdict {
            Verdict::Equal => self.equal += 1,
            Verdict::Known(anchor) => *self.known.entry(anchor).or_default() += 1,
            Verdict::Different => {
                self.different += 1;
                let alike = self.alike.entry(signature(report));
                let (_, names) = alike.or_insert_with(|| (report.to_owned(), Vec::new()));
                names.push(name.to_owned());
            }
            Verdict::Stale(anchor) => {
                self.stale += 1;
                report::say(&format!("{name}: equal, but COMPAT.md#{anchor} says otherwise"));
            }
        }
    }

    pub(super) fn print(&self) {
        for (report, names) in self.alike.values() {
            report::say(report);
            if let [_, others @ ..] = &names[..]
                && !others.is_empty()
            {
                let shown: Vec<&str> = others.iter().take(SHOWN).map(String::as_str).collect();
                let more = others.len() - shown.len();
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                report::say(&format!("  likewise: {}{more}", shown.join(" ")));
            }
        }
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

/// What two reports have in common when the cause is probably the same: all but names, numbers
/// and paths.
fn signature(report: &str) -> String {
    let lines = report.lines().skip(1);
    let word = |word: &str| match word {
        word if word.contains('/') => "/".to_owned(),
        word => word.replace(|c: char| c.is_ascii_digit(), ""),
    };
    lines.flat_map(|line| line.split(' ')).map(word).collect::<Vec<_>>().join(" ")
}

//! `cargo xtask mutants`: breaks the code on purpose, one place at a time, in a copy of the tree;
//! a named test must fail each time.
//!
//! The list (`list.rs`) is committed, so it says which test guards which line. An entry whose
//! text is no longer there exactly once fails the task, as does a break that does not compile:
//! neither shows anything.

mod list;
mod mutant;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crate::Result;
use crate::args::Matches;
use crate::command;
use crate::error::Context;
use crate::files;
use crate::program;
use crate::report::{self, Table};

use mutant::{Mutant, Test};

/// What became of a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Caught,
    Survived,
    DoesNotBuild,
    NotThere,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Fate::Caught => "caught",
            Fate::Survived => "SURVIVED",
            Fate::DoesNotBuild => "DOES NOT BUILD",
            Fate::NotThere => "NOT THERE",
        }
    }
}

pub(crate) fn run(matches: &Matches) -> Result<()> {
    let names = &matches.operands;
    let unknown = names.iter().find(|name| !list::all().any(|it| it.name == **name));
    if let Some(name) = unknown {
        return Err(format!("no mutant '{name}'; --list shows them").into());
    }
    let wanted = |mutant: &&Mutant| names.is_empty() || names.iter().any(|it| it == mutant.name);
    let mutants: Vec<&Mutant> = list::all().filter(wanted).collect();
    if matches.has("--list") {
        let mut table = Table::new(&["name", "file", "test"]);
        for mutant in mutants {
            let test = format!("{} {}", mutant.test.package, mutant.test.args.join(" "));
            table.row(vec![mutant.name.to_owned(), mutant.file.to_owned(), test]);
        }
        table.print();
        return Ok(());
    }

    let work = tempfile::tempdir()?;
    let copy = work.path().join("tree");
    copy_tree(&copy)?;
    let mut table = Table::new(&["mutant", "fate", "seconds"]);
    let mut failed = 0;
    for mutant in mutants {
        let start = Instant::now();
        let fate = fate(mutant, &copy)?;
        report::note(&format!("{}: {}", mutant.name, fate.name()));
        failed += usize::from(fate != Fate::Caught);
        table.row(vec![
            mutant.name.to_owned(),
            fate.name().to_owned(),
            format!("{:.1}", start.elapsed().as_secs_f64()),
        ]);
    }
    table.print();
    if failed > 0 { Err(format!("{failed} mutants were not caught").into()) } else { Ok(()) }
}

/// What git would commit, as it is on the disk.
fn copy_tree(copy: &Path) -> Result<()> {
    let root = program::repository();
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = command::output(list.current_dir(root))?;
    for name in listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        let (from, to) = (root.join(&name), copy.join(&name));
        if from.is_file() {
            files::create_parent(&to)?;
            fs::copy(&from, &to).context(|| format!("copying {name}"))?;
        }
    }
    Ok(())
}

fn fate(mutant: &Mutant, copy: &Path) -> Result<Fate> {
    let path = copy.join(mutant.file);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(Fate::NotThere) };
    if text.matches(mutant.from).count() != 1 {
        return Ok(Fate::NotThere);
    }
    // The test must pass before it can fail.
    let sound = run_test(mutant.test, copy, &[])?;
    if !sound.status.success() {
        let said = String::from_utf8_lossy(&sound.stdout).into_owned();
        return Err(format!("{}: its test fails without it\n{said}", mutant.name).into());
    }
    if !ran_something(&sound) {
        return Err(format!("{}: its test is not there", mutant.name).into());
    }
    fs::write(&path, text.replace(mutant.from, mutant.to))?;
    let built = run_test(mutant.test, copy, &["--no-run"])?;
    let fate = match built.status.success() {
        false => Fate::DoesNotBuild,
        true if run_test(mutant.test, copy, &[])?.status.success() => Fate::Survived,
        true => Fate::Caught,
    };
    fs::write(&path, text)?;
    Ok(fate)
}

/// The command that runs a test in the copy.
fn cargo_test(test: Test, copy: &Path) -> Command {
    let mut cargo = program::cargo();
    cargo.current_dir(copy).args(["test", "--quiet", "-p", test.package]);
    let mut target = "mutants".to_owned();
    if let Some(cfg) = test.cfg {
        cargo.args(["--release", "--lib"]).env("RUSTFLAGS", format!("--cfg {cfg}"));
        target = format!("mutants-{cfg}");
    }
    // One directory for all breaks: only what is broken is built again.
    let parent = copy.parent().unwrap_or(copy);
    cargo.env("CARGO_TARGET_DIR", parent.join(target)).args(test.args);
    cargo
}

fn run_test(test: Test, copy: &Path, more: &[&str]) -> Result<Output> {
    let mut cargo = cargo_test(test, copy);
    cargo.args(more).stdin(Stdio::null()).output().context(|| command::shown(&cargo))
}

/// A filter that matches no test passes, but shows nothing.
fn ran_something(output: &Output) -> bool {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().any(|line| line.starts_with("test result: ok. ") && !line.contains(" 0 passed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_break_is_of_something_that_is_there_once() {
        for mutant in list::all() {
            let text = fs::read_to_string(program::repository().join(mutant.file)).unwrap();
            assert_eq!(text.matches(mutant.from).count(), 1, "{}", mutant.name);
            assert_ne!(mutant.from, mutant.to, "{}", mutant.name);
        }
    }
}

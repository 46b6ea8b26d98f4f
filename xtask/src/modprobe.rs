//! `cargo xtask modprobe`: the installed modprobe answers from our indexes as it
//! does from the reference's: what a module needs, and what an alias stands for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::args::Matches;
use crate::cache::{Cache, KernelTree};
use crate::command;
use crate::error::Context;
use crate::program::{self, Profile};
use crate::report;

/// Questions of each kind.
const QUESTIONS: usize = 200;

pub(crate) fn run(matches: &Matches) -> Result<()> {
    let modprobe = command::find("modprobe").ok_or("no modprobe in PATH (package kmod)")?;
    let reference = match matches.value("--reference") {
        Some(path) => PathBuf::from(path),
        None => command::find("depmod").ok_or("no reference depmod in PATH: use --reference")?,
    };
    let kernel = matches.value("--kernel").unwrap_or("6.12");
    let tree = Cache::locate(matches)?
        .trees()?
        .into_iter()
        .find(|tree| {
            tree.kernel.starts_with(kernel)
                && !matches.has("--small") | tree.release.contains("cloud")
        })
        .ok_or_else(|| format!("no kernel {kernel} in the cache: run `cargo xtask kernels`"))?;
    let kmill = program::kmill(Profile::Release)?;
    let work = tempfile::tempdir()?;
    let ours = indexed(work.path(), "ours", &tree, Command::new(kmill).arg("depmod"))?;
    let theirs = indexed(work.path(), "theirs", &tree, &mut Command::new(reference))?;

    let read = |name: &str| {
        let file = theirs.join("lib/modules").join(&tree.release).join(name);
        std::fs::read_to_string(&file).context(|| format!("reading {}", file.display()))
    };
    let modules: BTreeSet<String> = read("modules.dep")?
        .lines()
        .filter_map(|line| line.split(':').next()?.rsplit('/').next()?.split('.').next())
        .map(str::to_owned)
        .collect();
    // A pattern asks for itself with its wildcards filled in.
    let aliases = read("modules.alias")? + &read("modules.symbols")?;
    let aliases: BTreeSet<String> = aliases
        .lines()
        .filter_map(|line| line.strip_prefix("alias ")?.split(' ').next())
        .map(|alias| alias.replace('*', "x"))
        .collect();
    let ask = |root: &Path, question: [&str; 2]| -> Result<(Option<i32>, String)> {
        let mut command = Command::new(&modprobe);
        command.args(["-S", &tree.release, "-d"]).arg(root).args(question);
        let output = command.output().context(|| command::shown(&command))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).replace(&*root.to_string_lossy(), "");
        Ok((output.status.code(), said))
    };
    let mut different = 0;
    let mut answered = 0;
    for (option, names) in [("--show-depends", &modules), ("-R", &aliases)] {
        let step = names.len().div_ceil(QUESTIONS).max(1);
        let mut asked = 0;
        for name in names.iter().step_by(step) {
            let (a, b) = (ask(&ours, [option, name])?, ask(&theirs, [option, name])?);
            asked += 1;
            answered += usize::from(b.0 == Some(0));
            if a != b {
                different += 1;
                report::say(&format!("modprobe {option} {name}:\nours: {a:?}\ntheirs: {b:?}"));
            }
        }
        report::say(&format!("modprobe {option}: {asked} asked"));
    }
    report::say(&format!("{answered} answered, {different} different"));
    if different > 0 || answered == 0 {
        return Err("modprobe answers differently from our index".into());
    }
    Ok(())
}

/// A tree of links to the cached one, with an index written by one tool.
fn indexed(work: &Path, name: &str, tree: &KernelTree, depmod: &mut Command) -> Result<PathBuf> {
    let root = work.join(name);
    let dir = root.join("lib/modules").join(&tree.release);
    std::fs::create_dir_all(&dir)?;
    for entry in std::fs::read_dir(tree.root.join("lib/modules").join(&tree.release))? {
        let entry = entry?;
        std::os::unix::fs::symlink(entry.path(), dir.join(entry.file_name()))?;
    }
    command::output(depmod.arg("-b").arg(&root).arg(&tree.release))?;
    Ok(root)
}

//! `cargo xtask ci`: what has to pass before a change lands, in order, with times.

use std::process::Command;
use std::time::Instant;

use crate::Result;
use crate::args::Matches;
use crate::command;
use crate::oracle::context;
use crate::program;
use crate::report::{self, Table};

/// A step.
struct Step {
    name: &'static str,
    /// Arguments of cargo; an argument `REFERENCE` is replaced.
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

const fn step(name: &'static str, args: &'static [&'static str]) -> Step {
    Step { name, args, env: &[] }
}

const STEPS: &[Step] = &[
    step("fmt", &["fmt", "--all", "--check"]),
    step("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    // Doc tests are among them.
    step("test", &["test", "--workspace"]),
    step("zstd -d", &["test", "-p", "padata", "--test", "examples", "--", "--ignored"]),
    Step {
        name: "loom",
        args: &["test", "-p", "padata", "--release", "--lib", "loom"],
        env: &[("RUSTFLAGS", "--cfg loom")],
    },
    Step {
        name: "shuttle",
        args: &["test", "-p", "padata", "--release", "--lib", "shuttle"],
        env: &[("RUSTFLAGS", "--cfg shuttle"), ("KMILL_SHUTTLE_ITERATIONS", "2000")],
    },
    step("goldens", &["xtask", "goldens"]),
    // Without gz, which Debian's kmod cannot read, nothing is made that is not compared.
    step("kernels", &["xtask", "kernels", "--small", "--codecs", "none,xz,zst"]),
    step(
        "oracle",
        &["xtask", "oracle", "depmod", "--small", "--random", "50", "--reference", "REFERENCE"],
    ),
];

pub(crate) fn run(matches: &Matches) -> Result<()> {
    let only: Vec<&str> = matches.values("--only").collect();
    if let Some(name) = only.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        return Err(format!("no step '{name}'; --list shows them").into());
    }
    let wanted = |step: &&Step| only.is_empty() || only.contains(&step.name);
    let steps: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    if matches.has("--list") {
        steps.iter().for_each(|step| report::say(&format!("{:8} {}", step.name, shown(step))));
        return Ok(());
    }

    let mut table = Table::new(&["step", "seconds", "result"]);
    let mut failure = None;
    for step in steps {
        report::note(&format!("{}: {}", step.name, shown(step)));
        let start = Instant::now();
        let result = cargo(step, matches).and_then(|mut cargo| command::run(&mut cargo));
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        let word = if result.is_ok() { "passed" } else { "FAILED" };
        report::note(&format!("{}: {word} after {seconds} s", step.name));
        table.row(vec![step.name.to_owned(), seconds, word.to_owned()]);
        if let Err(error) = result {
            failure = Some(format!("{}: {error}", step.name));
            break;
        }
    }
    table.print();
    match failure {
        Some(words) => Err(words.into()),
        None => Ok(()),
    }
}

fn shown(step: &Step) -> String {
    let env = step.env.iter().map(|(name, value)| format!("{name}=\"{value}\" "));
    format!("{}cargo {}", env.collect::<String>(), step.args.join(" "))
}

fn cargo(step: &Step, matches: &Matches) -> Result<Command> {
    let mut cargo = program::cargo();
    for &arg in step.args {
        match arg {
            "REFERENCE" => cargo.arg(context::reference(matches)?),
            arg => cargo.arg(arg),
        };
    }
    cargo.envs(step.env.iter().copied());
    // Each way to build has a place of its own, so that none undoes another's work.
    if let Some((_, cfg)) = step.env.iter().find(|(name, _)| *name == "RUSTFLAGS") {
        let name = cfg.trim_start_matches("--cfg ");
        cargo.env("CARGO_TARGET_DIR", program::target_directory()?.join(name));
    }
    Ok(cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_show_as_they_could_be_typed() {
        let loom = STEPS.iter().find(|step| step.name == "loom").unwrap();
        let line = "RUSTFLAGS=\"--cfg loom\" cargo test -p padata --release --lib loom";
        assert_eq!(shown(loom), line);
    }
}

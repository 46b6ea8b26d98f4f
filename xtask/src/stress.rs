//! `cargo xtask stress`: the long campaigns on the engine: random streams under delays, whose whole
//! history is checked, and random schedules.

use crate::Result;
use crate::args::Matches;
use crate::command;
use crate::program;
use crate::report;

pub(crate) fn run(matches: &Matches) -> Result<()> {
    let seconds = matches.number("--seconds", 300)?;
    let schedules = matches.number("--schedules", 100_000)?;
    report::note(&format!("histories of random streams, for {seconds} s"));
    let mut histories = program::cargo();
    histories.args([
        "test",
        "--release",
        "-p",
        "padata",
        "--lib",
        "histories",
        "--",
        "--nocapture",
    ]);
    histories.env("KMILL_STRESS_SECONDS", seconds.to_string());
    if let Some(seed) = matches.value("--seed") {
        histories.env("KMILL_STRESS_SEED", seed);
    }
    command::run(&mut histories)?;

    report::note(&format!(
        "{schedules} random schedules of each test, and as many of few preemptions"
    ));
    let mut shuttle = program::cargo();
    shuttle.args(["test", "--release", "-p", "padata", "--lib", "shuttle"]);
    shuttle.env("RUSTFLAGS", "--cfg shuttle");
    shuttle.env("KMILL_SHUTTLE_ITERATIONS", schedules.to_string());
    shuttle.env("CARGO_TARGET_DIR", program::target_directory()?.join("shuttle"));
    command::run(&mut shuttle)
}

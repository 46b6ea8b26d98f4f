//! `bench EXPERIMENT`: every experiment about padata, through its public API only.
//!
//! How a run flows:
//! ```text
//! args ──> settings ──> calibrate: what N threads can give at all   calibrate, work
//!             │
//!             └──────> experiment: variants in interleaved rounds   experiments, sample, hog
//!                          │                                        stats
//!                      calibrate again ──> tables, JSON             report, outcome, machine
//! ```
//!
//! The program measures and prints. It fails when something is wrong (a result, a step of the
//! setup), never because a number is not good enough: that is for the reader to judge, who knows
//! the machine.
#![forbid(unsafe_code)]

mod args;
mod calibrate;
mod cgroup;
mod error;
mod experiments;
mod hog;
mod machine;
mod memory;
mod outcome;
mod report;
mod sample;
mod settings;
mod stats;
mod work;

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use args::Parsed;
use calibrate::Calibration;
use error::Result;
use settings::Settings;
use work::Pace;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match args::parse(std::env::args_os().skip(1))? {
        Parsed::Help => report::say(args::HELP),
        Parsed::List => report::say(&experiments::list()),
        Parsed::Child { name, args } => experiments::run_child(&name, &args)?,
        Parsed::Run { experiment, settings, json } => {
            measure(&experiment, &settings, json.as_deref())?;
        }
    }
    Ok(())
}

fn measure(name: &str, settings: &Settings, json: Option<&Path>) -> Result<()> {
    let experiment = experiments::find(name)?;
    let machine = machine::describe()?;
    report::say(&format!("{name}: {}", experiment.summary));
    report::say(&format!("machine: {}", describe(&machine)));
    if settings.quick {
        report::say("quick: sizes are small, to see that it works; the times say nothing");
    }

    let pace = Pace::measure();
    let threads = settings.scaling();
    let before = Calibration::measure(&threads, pace, settings.quick)?;
    report::say(&format!("N threads of pure arithmetic give, before: {}", before.line()));
    let outcome = (experiment.run)(settings, pace)?;
    let after = Calibration::measure(&threads, pace, settings.quick)?;
    report::say(&format!("\nN threads of pure arithmetic give, after: {}", after.line()));

    if let Some(path) = json {
        let mut head = Map::new();
        head.insert("experiment".to_owned(), name.into());
        head.insert("machine".to_owned(), machine);
        head.insert("quick".to_owned(), settings.quick.into());
        let calibration = json!({ "before": before.json(), "after": after.json() });
        head.insert("calibration".to_owned(), calibration);
        outcome::write(path, &outcome.into_json(head))?;
    }
    Ok(())
}

/// One line.
fn describe(machine: &Value) -> String {
    let pairs = machine.as_object().into_iter().flatten();
    let pairs = pairs.filter(|(_, value)| !value.is_null());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    pairs.map(|(key, value)| format!("{key} {}", text(value))).collect::<Vec<_>>().join(", ")
}

//! `quota`: what a container with a CPU limit sees. A group that has used up its quota stands
//! still until the period ends, with all its threads; so a pool that counts the machine's CPUs
//! gains nothing and may lose, and one that counts the quota runs as the plain caller does.
//!
//! Each quota is a control group, with a process of this program in it that measures.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::quota_child;
use crate::cgroup::Group;
use crate::error::{Context, Result};
use crate::outcome::Outcome;
use crate::report::{self, Table};
use crate::settings::Settings;
use crate::work::Pace;

const QUOTAS: [f64; 2] = [1.0, 0.2];

pub(crate) fn run(settings: &Settings, _: Pace) -> Result<Outcome> {
    let mut rows: Vec<Value> = Vec::new();
    let mut samples = Vec::new();
    for quota in QUOTAS {
        report::note(&format!("under a quota of {quota} CPU"));
        let group = Group::with_quota(quota)?;
        let mut found = child(settings, quota, &group.procs())?;
        group.remove()?;
        samples.push(json!({ "quota_cpus": quota, "samples": found["samples"] }));
        if let Value::Array(more) = found["rows"].take() {
            rows.extend(more);
        }
    }
    let mut table =
        Table::new(&["quota CPUs", "policy", "threads", "median ms", "over serial", "min", "max"]);
    for row in &rows {
        let number = |key: &str, digits: usize, times: f64| {
            let number = row[key].as_f64().unwrap_or(f64::NAN) * times;
            format!("{number:.digits$}")
        };
        table.row([
            number("quota_cpus", 1, 1.0),
            row["policy"].as_str().unwrap_or_default().to_owned(),
            number("threads", 0, 1.0),
            number("median_s", 1, 1e3),
            number("over_serial", 3, 1.0),
            number("over_serial_min", 3, 1.0),
            number("over_serial_max", 3, 1.0),
        ]);
    }
    table.print();
    for samples in &samples {
        report::say(&format!("quota {}: {}", samples["quota_cpus"], samples["samples"]));
    }
    Ok(Outcome::new(rows).with("samples", samples))
}

/// Measures in a process of its own that moves into the group.
fn child(settings: &Settings, quota: f64, procs: &Path) -> Result<Value> {
    let program = std::env::current_exe().context(|| "finding this program".to_owned())?;
    let rounds = settings.rounds.unwrap_or(0).to_string();
    let output = Command::new(program)
        .arg(quota_child::NAME)
        .arg(procs)
        .args([quota.to_string(), rounds, settings.quick.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .context(|| "starting the process under a quota".to_owned())?;
    if !output.status.success() {
        return Err(format!("the process under a quota failed: {}", output.status).into());
    }
    serde_json::from_slice(&output.stdout)
        .context(|| "what the process under a quota said".to_owned())
}

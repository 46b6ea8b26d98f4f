//! Experiments that run anywhere, as a user runs them, at their smallest: that they end well and
//! write what they promise. Never what they measured.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(args).output().unwrap()
}

/// What a quick run writes; all have the same head.
fn quick(experiment: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.json");
    let output = bench(&[experiment, "--quick", "--threads=1,2", "--json", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("quick"), "not labelled");
    let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file is left");

    assert_eq!(json["experiment"], experiment);
    assert_eq!(json["quick"], true);
    assert!(json["machine"]["cpus"].as_u64().unwrap() > 0);
    assert!(json["machine"]["kernel"].is_string());
    for when in ["before", "after"] {
        assert_eq!(json["calibration"][when].as_array().unwrap().len(), 2);
    }
    json
}

fn rows(json: &Value) -> &Vec<Value> {
    json["rows"].as_array().unwrap()
}

fn assert_numbers(rows: &[Value], keys: &[&str]) {
    for row in rows {
        for key in keys {
            assert!(row[key].is_number(), "{key} in {row}");
        }
    }
}

#[test]
fn page_init() {
    let json = quick("page-init");
    let threads: Vec<_> = rows(&json).iter().map(|row| row["threads"].as_u64()).collect();
    assert_eq!(threads, [Some(1), Some(2)]);
    assert_numbers(rows(&json), &["median_s", "min_s", "max_s", "speedup"]);
    assert!(json["serial"]["median"].is_number());
    assert_eq!(json["other_rules"][0]["rule"], "kernel");
}

#[test]
fn clear() {
    let json = quick("clear");
    let cases: Vec<_> = rows(&json).iter().filter_map(|row| row["case"].as_str()).collect();
    assert_eq!(cases, ["warm", "warm", "first_touch", "first_touch"]);
    assert_numbers(rows(&json), &["threads", "median_s", "gib_per_s", "speedup"]);
    assert_eq!(json["serial"].as_array().unwrap().len(), 2);
}

#[test]
fn chunks() {
    let json = quick("chunks");
    assert_eq!(rows(&json).len(), 12);
    assert_numbers(rows(&json), &["threads", "median_s", "speedup"]);
    for row in rows(&json) {
        assert!(["even", "uneven", "one_hog"].iter().any(|work| row["work"] == *work));
        assert!(["kernel", "guided"].iter().any(|rule| row["rule"] == *rule));
    }
}

#[test]
fn break_even() {
    let json = quick("break-even");
    assert_numbers(rows(&json), &["total_us", "serial_us", "job_us", "speedup"]);
    for case in ["cold", "hot", "spawn"] {
        assert!(rows(&json).iter().any(|row| row["case"] == case));
        assert!(json["break_even_us"].get(case).is_some());
    }
}

#[test]
fn ordered() {
    let json = quick("ordered");
    assert_numbers(rows(&json), &["threads", "work_ns", "ns_per_job", "speedup"]);
    for way in ["serial", "padata", "padata-submit", "pariter", "plmap", "channel-btreemap"] {
        assert!(rows(&json).iter().any(|row| row["impl"] == way), "{way}");
    }
    assert!(json["break_even_ns"]["2"].get("padata").is_some());
    assert!(!json["verdict"].as_array().unwrap().is_empty());
    assert_eq!(json["window"], 4096);
}

#[test]
fn pcrypt() {
    let json = quick("pcrypt");
    assert_eq!(rows(&json).len(), 8);
    let numbers = ["bytes", "in_flight", "mode", "hogs", "serial_ops", "pinned_ops", "free_ops"];
    assert_numbers(rows(&json), &numbers);
    for row in rows(&json) {
        assert!(row["free_over_pinned"]["median"].is_number());
        assert!(row["pinned_latency_us"]["p99"].is_number());
        assert!(row["free_calls_per_1000"].is_number());
    }
    assert_eq!(json["break_even"].as_array().unwrap().len(), 4);
}

#[test]
fn mistakes_end_with_a_sentence() {
    for args in [&[][..], &["speed"], &["clear", "--no"], &["clear", "--threads=0"]] {
        let output = bench(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stderr.starts_with(b"bench: error: "), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_list() {
    for (arg, word) in [("--help", "--threads"), ("--list", "page-init")] {
        let output = bench(&[arg]);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains(word));
    }
}

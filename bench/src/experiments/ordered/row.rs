//! A row of the table.

use serde_json::{Value, json};

use crate::stats::Summary;

/// One way with a number of threads, at one size.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) threads: usize,
    pub(super) workers: Option<usize>,
    pub(super) work_ns: u64,
    pub(super) ns_per_job: Summary,
    pub(super) speedup: Summary,
}

impl Row {
    pub(super) fn json(&self) -> Value {
        json!({
            "impl": self.name,
            "threads": self.threads,
            "workers": self.workers,
            "work_ns": self.work_ns,
            "ns_per_job": self.ns_per_job.median,
            "ns_per_job_min": self.ns_per_job.min,
            "ns_per_job_max": self.ns_per_job.max,
            "speedup": self.speedup.median,
            "speedup_min": self.speedup.min,
            "speedup_max": self.speedup.max,
        })
    }
}

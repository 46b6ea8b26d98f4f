//! What an experiment found, and the file it is written to.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Context, Result};

/// The result of an experiment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// The rows of the table that the experiment is about.
    pub(crate) rows: Vec<Value>,
    /// What else there is, by key.
    pub(crate) extra: Map<String, Value>,
}

impl Outcome {
    pub(crate) fn new(rows: Vec<Value>) -> Self {
        Outcome { rows, extra: Map::new() }
    }

    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(key.to_owned(), value.into());
        self
    }

    /// As one object, behind the `head`.
    pub(crate) fn into_json(self, mut head: Map<String, Value>) -> Value {
        head.insert("rows".to_owned(), Value::Array(self.rows));
        head.extend(self.extra);
        Value::Object(head)
    }
}

/// Writes it beside the file, then renames: whoever reads it sees all of it or the old one.
pub(crate) fn write(path: &Path, value: &Value) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = Path::new(&temporary);
    let text = format!("{value:#}\n");
    let written = fs::write(temporary, text).and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        // What is left of it, if anything.
        let _ = fs::remove_file(temporary);
    }
    written.context(|| format!("cannot write {}", path.display()))
}

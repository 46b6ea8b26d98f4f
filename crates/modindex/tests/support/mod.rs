//! Runs an index over a tree that a test has written, in memory.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use modgen::{Tree, Written};
use modindex::format::read::records;
use modindex::plan::Select;
use modindex::{Diagnostic, Error, NameHash, Plan, Request, Show, emit, map, merge};
use padata::Pool;
use tempfile::TempDir;

/// What a run gave.
pub(crate) struct Outcome {
    pub(crate) files: BTreeMap<&'static str, Vec<u8>>,
    pub(crate) said: Vec<Diagnostic>,
}

impl Outcome {
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.files[name].clone()).unwrap()
    }

    /// The lines of a text file behind its heading.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.text(name).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// `key value` of a binary file.
    pub(crate) fn records(&self, name: &str) -> Vec<String> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        records(&self.files[name])
            .unwrap()
            .into_iter()
            .map(|record| format!("{} {}", text(record.key), text(record.value)))
            .collect()
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.said.iter().map(|d| String::from_utf8_lossy(&d.words()).into_owned()).collect()
    }
}

/// A written tree.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) written: Written,
}

impl Fixture {
    pub(crate) fn new(tree: &Tree) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let written = tree.write_to(dir.path(), "lib/modules").unwrap();
        Fixture { dir, written }
    }

    pub(crate) fn tree(&self) -> &Path {
        &self.written.module_dir
    }

    pub(crate) fn request(&self) -> Request {
        Request {
            version: self.written.version.clone().into(),
            tree: self.tree().to_owned(),
            output: self.tree().to_owned(),
            select: Select::All { configs: Some(vec![self.written.config_dir.clone()]) },
            kernel_symbols: None,
            report_unresolved: false,
            symbol_prefix: None,
            say_dependencies: false,
            warn_duplicates: false,
        }
    }

    pub(crate) fn config_dir(&self) -> PathBuf {
        self.written.config_dir.clone()
    }

    pub(crate) fn run(&self) -> Outcome {
        run(self.request(), 2).unwrap()
    }
}

pub(crate) fn run(request: Request, threads: usize) -> Result<Outcome, (Error, Vec<Diagnostic>)> {
    let mut said = Vec::new();
    let result = files(request, threads, &mut said);
    match result {
        Ok(files) => Ok(Outcome { files, said }),
        Err(error) => Err((error, said)),
    }
}

fn files(
    request: Request,
    threads: usize,
    said: &mut Vec<Diagnostic>,
) -> Result<BTreeMap<&'static str, Vec<u8>>, Error> {
    let mut log = |diagnostic| said.push(diagnostic);
    let plan = Plan::new(request, &mut log)?;
    let pool = Pool::new(NonZeroUsize::new(threads).unwrap());
    let hash = NameHash::default();
    let summaries = map(&plan, &hash, &pool);
    let index = merge(&plan, &hash, &summaries, &mut log)?;
    let files = emit(&index, Show::Files, &pool, &mut log)?;
    Ok(files.into_iter().map(|file| (file.name, file.bytes)).collect())
}

/// Indexes a tree.
pub(crate) fn index(tree: &Tree) -> Outcome {
    Fixture::new(tree).run()
}

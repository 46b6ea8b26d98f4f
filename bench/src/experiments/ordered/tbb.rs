//! oneTBB, if it is installed: a small program is compiled when the experiment runs, so that nobody
//! needs a C++ compiler or the library to build this one.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::error::{Context, Result};

use super::load::{Load, Ran, WINDOW};

const SOURCE: &str = include_str!("tbb.cpp");

/// The program.
pub(super) struct Tbb {
    /// Removed at the end, with the program in it.
    _dir: TempDir,
    program: PathBuf,
    /// Of the last run: nanoseconds per job of a serial loop, compiled as the pipeline is.
    serial_ns: Cell<f64>,
}

impl Tbb {
    /// Nothing, but the reason, if there is no compiler or no library.
    pub(super) fn build() -> Result<std::result::Result<Self, String>> {
        let dir = tempfile::tempdir().context(|| "a temporary directory".to_owned())?;
        let (source, program) = (dir.path().join("tbb.cpp"), dir.path().join("tbb"));
        fs::write(&source, SOURCE).context(|| format!("writing {}", source.display()))?;
        let mut compiler = Command::new("c++");
        compiler.args(["-std=c++17", "-O2", "-o"]).args([&program, &source]).arg("-ltbb");
        let output = match compiler.output() {
            Ok(output) => output,
            Err(error) => return Ok(Err(format!("c++: {error}"))),
        };
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let line = text.lines().find(|line| line.contains("error")).unwrap_or("c++ failed");
            return Ok(Err(line.trim_start_matches(&*source.to_string_lossy()).to_owned()));
        }
        Ok(Ok(Tbb { _dir: dir, program, serial_ns: Cell::new(f64::NAN) }))
    }

    pub(super) fn run(&self, threads: usize, load: Load, jobs: u64) -> Result<Ran> {
        let numbers = [threads as u64, WINDOW as u64, load.iterations(), jobs];
        let output = Command::new(&self.program).args(numbers.map(|n| n.to_string())).output();
        let output = output.context(|| "starting the program with oneTBB".to_owned())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (seconds, fold, serial) = parse(&text).ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            format!("the program with oneTBB failed ({}): {complaint}", output.status)
        })?;
        self.serial_ns.set(serial * 1e9 / jobs as f64);
        Ok(Ran { seconds, fold: Some(fold) })
    }

    pub(super) fn serial_ns(&self) -> f64 {
        self.serial_ns.get()
    }
}

fn parse(line: &str) -> Option<(f64, u64, f64)> {
    let mut words = line.split_whitespace();
    let seconds = words.next()?.parse().ok()?;
    let fold = u64::from_str_radix(words.next()?, 16).ok()?;
    Some((seconds, fold, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_three_numbers() {
        assert_eq!(parse("0.25 ff 0.5\n"), Some((0.25, 255, 0.5)));
        assert_eq!(parse("0.25 xx 0.5"), None);
        assert_eq!(parse(""), None);
    }
}

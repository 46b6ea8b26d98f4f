//! The demo's one table: files, bytes, time, and how kmod's compare.

use std::io::{self, Write};
use std::time::Duration;

use modindex::OutputFile;
use modindex::format::read::records;

use super::kmod::{Kmod, Reference};
use super::run::Run;

/// Prints the table.
pub(super) fn print(
    out: &mut impl Write,
    run: &Run,
    reference: Option<(&Kmod, &Reference)>,
) -> io::Result<()> {
    writeln!(
        out,
        "{} modules, {:.1} MB; kmill with {} threads\n",
        run.modules,
        run.module_bytes as f64 / 1e6,
        run.threads,
    )?;
    let heading = match reference {
        Some((kmod, _)) => format!("kmod {}", kmod.version),
        None => String::new(),
    };
    writeln!(out, "{:<26} {:>10}   {heading}", "file", "bytes")?;
    for file in &run.files {
        let verdict = match reference {
            Some((kmod, reference)) => compare(kmod, reference, file)?,
            None => "",
        };
        writeln!(out, "{:<26} {:>10}   {verdict}", file.name, file.bytes.len())?;
    }
    let total = run.phases.total();
    let theirs = match reference {
        Some((_, reference)) => {
            let times = reference.time.as_secs_f64() / total.as_secs_f64();
            format!("{} ({times:.1}x)", seconds(reference.time))
        }
        None => "no kmod is installed to compare with".to_owned(),
    };
    writeln!(out, "{:<26} {:>10}   {theirs}", "time", seconds(total))
}

fn compare(kmod: &Kmod, reference: &Reference, file: &OutputFile) -> io::Result<&'static str> {
    if !kmod.writes(file.name) {
        return Ok("not written by this release");
    }
    let theirs = match std::fs::read(reference.dir.join(file.name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok("not written by this release");
        }
        theirs => theirs?,
    };
    if theirs == file.bytes {
        return Ok("equal");
    }
    // Of values with one key and priority, the order is that of a release as well.
    let content = |bytes: &[u8]| {
        let mut records = records(bytes).ok()?;
        records.sort();
        Some(records)
    };
    let same = content(&theirs).is_some_and(|theirs| Some(theirs) == content(&file.bytes));
    match (kmod.same_layout(file.name), same) {
        (false, true) => Ok("equal records (older layout)"),
        _ => Ok("DIFFERENT"),
    }
}

/// A duration for people.
fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

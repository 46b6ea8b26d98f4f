//! `cargo xtask bench depmod`: how long ours takes beside the reference, whole
//! processes, warm, interleaved: machines are noisy, so the ratio of medians of one
//! session is what counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use modgen::{Module, Tree};

use crate::Result;
use crate::args::Matches;
use crate::cache::Cache;
use crate::command;
use crate::error::Context;
use crate::program::{self, Profile};
use crate::report::{self, Table};

/// One run of one tool.
#[derive(Clone, Copy, Debug)]
struct Sample {
    wall_ms: f64,
    cpu_ms: f64,
    peak_kb: u64,
}

/// What both tools are run over.
struct Subject {
    name: String,
    root: PathBuf,
    release: String,
}

pub(crate) fn run(matches: &Matches) -> Result<()> {
    if matches.operands != ["depmod"] {
        return Err("say what to measure: depmod".into());
    }
    let reference = match matches.value("--reference") {
        Some(path) => PathBuf::from(path),
        None => command::find("depmod").ok_or("no reference depmod in PATH: use --reference")?,
    };
    let runs = usize::try_from(matches.number("--runs", 11)?).unwrap_or(usize::MAX);
    let cold = matches.has("--cold");
    let work = tempfile::tempdir()?;
    let mut subjects = vec![one_module(work.path())?];
    let cache = Cache::locate(matches)?;
    let kernel = matches.value("--kernel").unwrap_or("6.12");
    subjects.extend(
        cache
            .trees()?
            .into_iter()
            .filter(|tree| tree.kernel.starts_with(kernel) && tree.arch == "amd64")
            .filter(|tree| !tree.release.contains("cloud"))
            .map(|tree| Subject {
                name: format!("{} {}, {} modules", tree.kernel, tree.codec.name(), tree.modules),
                root: tree.root,
                release: tree.release,
            }),
    );
    if subjects.len() == 1 {
        return Err(format!("no kernel {kernel} in the cache: run `cargo xtask kernels`").into());
    }
    let kmill = program::kmill(Profile::Release)?;
    let threads = matches.value("--threads").unwrap_or("2").to_owned();
    let mut table = Table::new(&[
        "tree",
        "kmod ms",
        "kmill ms",
        "ratio",
        "kmod min",
        "kmill min",
        "kmod cpu",
        "kmill cpu",
        "kmod MB",
        "kmill MB",
    ]);
    for subject in &subjects {
        let output = work.path().join("out");
        let mut theirs = Vec::new();
        let mut ours = Vec::new();
        // One more run of each comes first and does not count: it brings the files into memory.
        for count in 0..=runs {
            for (samples, program, first) in [
                (&mut theirs, &reference, &[][..]),
                (&mut ours, &kmill, &["depmod", "--threads", &threads]),
            ] {
                if cold {
                    drop_caches()?;
                }
                let sample = measure(program, first, subject, &output)?;
                if count > 0 || cold {
                    samples.push(sample);
                }
            }
            if cold {
                break;
            }
        }
        table.row(row(subject, &theirs, &ours));
        report::note(&format!("{}: done", subject.name));
    }
    table.print();
    report::say(&format!(
        "medians of {} interleaved runs, {threads} threads of ours{}",
        if cold { 1 } else { runs },
        if cold { ", each after dropping the page cache" } else { ", files in memory" },
    ));
    Ok(())
}

fn row(subject: &Subject, theirs: &[Sample], ours: &[Sample]) -> Vec<String> {
    let all = |samples: &[Sample], what: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(what).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let median = |samples: &[Sample], what| {
        let values = all(samples, what);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let least =
        |samples: &[Sample]| all(samples, |s| s.wall_ms).first().copied().unwrap_or(f64::NAN);
    let wall = |s: &Sample| s.wall_ms;
    let megabytes = |s: &Sample| s.peak_kb as f64 / 1024.0;
    vec![
        subject.name.clone(),
        format!("{:.1}", median(theirs, wall)),
        format!("{:.1}", median(ours, wall)),
        format!("{:.2}", median(theirs, wall) / median(ours, wall)),
        format!("{:.1}", least(theirs)),
        format!("{:.1}", least(ours)),
        format!("{:.0}", median(theirs, |s| s.cpu_ms)),
        format!("{:.0}", median(ours, |s| s.cpu_ms)),
        format!("{:.1}", median(theirs, megabytes)),
        format!("{:.1}", median(ours, megabytes)),
    ]
}

/// One module, to see what starting costs.
fn one_module(work: &Path) -> Result<Subject> {
    let root = work.join("one");
    let tree = Tree::new("6.1.0").module("kernel/a.ko", Module::new("a").alias("x").export("y"));
    let tree = tree.order_as_listed().builtin(["kernel/b.ko"]).builtin_modinfo(["b.alias=c"]);
    let written = tree.write_to(&root, "lib/modules").context(|| "writing a tree".to_owned())?;
    Ok(Subject { name: "one module".to_owned(), root, release: written.version })
}

/// Runs one tool in a process of its own that measures it: a process knows only
/// the largest of all its children.
fn measure(program: &Path, first: &[&str], subject: &Subject, output: &Path) -> Result<Sample> {
    let mut probe = Command::new(std::env::current_exe()?);
    probe.args(["measure", "--"]).arg(program).args(first);
    probe.arg("-b").arg(&subject.root).arg("-o").arg(output).arg(&subject.release);
    let answer = command::output(&mut probe)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let numbers: Vec<f64> = answer.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [wall_ms, cpu_ms, peak_kb] => Ok(Sample { wall_ms, cpu_ms, peak_kb: peak_kb as u64 }),
        _ => Err(format!("{}: no measurement: {answer}", command::shown(&probe)).into()),
    }
}

/// `xtask measure PROGRAM ARGS`: runs it and says milliseconds, milliseconds of CPU
/// and peak kilobytes. What the program says is dropped.
pub(crate) fn probe(matches: &Matches) -> Result<()> {
    use nix::sys::resource::{UsageWho, getrusage};
    let (program, args) = matches.operands.split_first().ok_or("measure what?")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().context(|| command::shown(&command))?;
    let wall = start.elapsed().as_secs_f64() * 1e3;
    if !status.success() {
        return Err(format!("{} failed: {status}", command::shown(&command)).into());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context(|| "getrusage".to_owned())?;
    let ms =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    let cpu = ms(usage.user_time()) + ms(usage.system_time());
    report::say(&format!("{wall:.3} {cpu:.3} {}", usage.max_rss()));
    Ok(())
}

fn drop_caches() -> Result<()> {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3")
        .context(|| "dropping the page cache (only root can)".to_owned())
}

//! Every vmlinux with debug info in the cache. What the reference makes of one takes it many
//! seconds, so it is kept, for as long as neither file nor reference nor options change.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::features;
use super::tools::{Outcome, Tools};
use super::words;
use crate::Result;
use crate::cache::Cache;
use crate::error::Context;
use crate::files;
use crate::report;

pub(super) struct Options {
    /// Lists of features, each a comparison of its own.
    pub(super) features: Vec<String>,
    pub(super) threads: Vec<usize>,
    /// Only kernels whose name matches.
    pub(super) pattern: String,
    /// Where to keep outputs that differ.
    pub(super) keep: Option<PathBuf>,
}

/// Compares all of them; returns how many comparisons failed.
pub(super) fn run(tools: &Tools, cache: &Cache, options: &Options) -> Result<usize> {
    let kernels = find_some(cache, &options.pattern)?;
    let work = cache.work()?;
    let output = work.path().join("btf");
    let (mut equal, mut different) = (0, 0);
    for kernel in &kernels {
        for list in &options.features {
            let mut args = features::options(list);
            args.push("--lang_exclude=rust".into());
            let name = format!("{} {list}", file_name(kernel));
            let reference = reference(tools, cache, &args, kernel)
                .context(|| format!("{name}: the reference"))?;
            let mut line = format!("{name}: {} bytes", reference.len());
            for &threads in &options.threads {
                let start = Instant::now();
                let ours = tools.ours(&args, threads, kernel, &output)?;
                let seconds = start.elapsed().as_secs_f64();
                match &ours {
                    Outcome::Blob(ours) if *ours == reference => {
                        equal += 1;
                        line += &format!(", -j{threads} equal ({seconds:.2} s)");
                        continue;
                    }
                    Outcome::Blob(ours) => {
                        report::say(&format!("{name} -j{threads}: different"));
                        report::say(&words::difference(&reference, ours));
                        if let Some(keep) = &options.keep {
                            let stem = format!("{}-j{threads}", file_name(kernel));
                            fs::create_dir_all(keep)?;
                            fs::write(keep.join(format!("{stem}.reference")), &reference)?;
                            fs::write(keep.join(format!("{stem}.ours")), ours)?;
                        }
                    }
                    Outcome::Nothing(words) | Outcome::Failed(words) => {
                        report::say(&format!("{name} -j{threads}: no output: {words}"));
                    }
                }
                different += 1;
                line += &format!(", -j{threads} DIFFERENT");
            }
            report::say(&line);
        }
    }
    report::say(&format!("kernels: {equal} equal, {different} different"));
    Ok(different)
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// As [`find`], but at least one.
pub(super) fn find_some(cache: &Cache, pattern: &str) -> Result<Vec<PathBuf>> {
    let kernels = find(cache, pattern)?;
    if kernels.is_empty() {
        let place = cache.kernels();
        let place = place.display();
        return Err(format!(
            "no vmlinux with debug info in {place}: `cargo xtask kernels --debug` fetches one"
        )
        .into());
    }
    Ok(kernels)
}

/// Every `vmlinux-*` below a `debug` directory, once however many names it has.
fn find(cache: &Cache, pattern: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let Ok(kernels) = fs::read_dir(cache.kernels()) else { return Ok(found) };
    let mut kernels: Vec<PathBuf> =
        kernels.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    kernels.sort();
    for kernel in kernels {
        let debug = kernel.join("debug");
        if !files::glob(pattern, &file_name(&kernel)) || !debug.is_dir() {
            continue;
        }
        // Elsewhere are thousands of modules, and links to this directory's file.
        for dir in ["usr/lib/debug/boot", "usr/lib/debug", "boot"].map(|dir| debug.join(dir)) {
            let Ok(entries) = fs::read_dir(&dir) else { continue };
            for entry in entries {
                let path = entry?.path();
                let Ok(metadata) = fs::metadata(&path) else { continue };
                if metadata.is_file()
                    && file_name(&path).starts_with("vmlinux")
                    && seen.insert((metadata.dev(), metadata.ino()))
                {
                    found.push(path);
                }
            }
        }
    }
    Ok(found)
}

/// What the reference makes of a file: kept from an earlier run, or made now.
pub(super) fn reference(
    tools: &Tools,
    cache: &Cache,
    args: &[OsString],
    input: &Path,
) -> Result<Vec<u8>> {
    let mut hasher = DefaultHasher::new();
    for path in [&tools.reference, input] {
        let metadata = fs::metadata(path).context(|| path.display().to_string())?;
        (path, metadata.size(), metadata.mtime(), metadata.mtime_nsec()).hash(&mut hasher);
    }
    (&tools.version, args).hash(&mut hasher);
    let dir = cache.btf_references();
    let kept = dir.join(format!("{}-{:016x}", file_name(input), hasher.finish()));
    if let Ok(blob) = fs::read(&kept) {
        return Ok(blob);
    }
    report::note(&format!("encoding {} with the reference", file_name(input)));
    let work = cache.work()?;
    let output = work.path().join("reference");
    match tools.reference(&[args, &["-j2".into()]].concat(), input, &output)? {
        Outcome::Blob(blob) => {
            fs::create_dir_all(&dir)?;
            // Under its name it is whole.
            fs::rename(&output, &kept)?;
            Ok(blob)
        }
        Outcome::Nothing(words) | Outcome::Failed(words) => {
            Err(format!("no output to believe: {words}").into())
        }
    }
}

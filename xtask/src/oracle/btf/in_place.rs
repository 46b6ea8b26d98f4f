//! Every vmlinux with debug info in the cache, written to in place: its section holds what the reference
//! makes, nothing else differs, readelf has no complaint that it had not before, and a second run has
//! nothing to do.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use kernel_elf::write::{Content, check};

use super::features;
use super::kernels::{self, Options, file_name};
use super::tools::Tools;
use crate::Result;
use crate::cache::Cache;
use crate::command;
use crate::error::Context;
use crate::report;

/// Writes to copies of all of them; returns how many are not as they should be.
pub(super) fn run(tools: &Tools, cache: &Cache, options: &Options) -> Result<usize> {
    let readelf = command::find("readelf").ok_or("no readelf in PATH (package binutils)")?;
    let work = cache.work()?;
    let copy = work.path().join("vmlinux");
    let (mut good, mut bad) = (0, 0);
    for kernel in kernels::find_some(cache, &options.pattern)? {
        for list in &options.features {
            let mut args = features::options(list);
            args.push("--lang_exclude=rust".into());
            let name = format!("{} {list}", file_name(&kernel));
            let reference = kernels::reference(tools, cache, &args, &kernel)
                .context(|| format!("{name}: the reference"))?;
            for &threads in &options.threads {
                fs::copy(&kernel, &copy).context(|| format!("copying {}", kernel.display()))?;
                let args = [&args[..], &[format!("-j{threads}").into()]].concat();
                let start = Instant::now();
                let said = write(tools, &args, &copy)
                    .and_then(|()| compare(&kernel, &copy, &reference))
                    .and_then(|()| complaints(&readelf, &kernel, &copy))
                    .and_then(|()| again(tools, &args, &copy));
                let seconds = start.elapsed().as_secs_f64();
                match said {
                    Ok(()) => {
                        good += 1;
                        report::say(&format!(
                            "{name} -j{threads}: as it should be ({seconds:.2} s)"
                        ));
                    }
                    Err(error) => {
                        bad += 1;
                        report::say(&format!("{name} -j{threads}: {error}"));
                    }
                }
            }
        }
    }
    report::say(&format!("written in place: {good} as they should be, {bad} not"));
    Ok(bad)
}

pub(super) fn write(tools: &Tools, args: &[OsString], file: &Path) -> Result<()> {
    let mut command = Command::new(&tools.ours);
    // Nothing is to be run: there is no objcopy in an empty PATH.
    command.arg("-J").args(args).arg(file).env_clear().env("PATH", "");
    command::output(&mut command).map(drop)
}

fn compare(old: &Path, new: &Path, blob: &[u8]) -> Result<()> {
    let contents = [Content { name: ".BTF", bytes: blob }];
    check(&fs::read(old)?, &fs::read(new)?, &contents).map_err(|error| error.to_string().into())
}

fn complaints(readelf: &Path, old: &Path, new: &Path) -> Result<()> {
    let said = |file: &Path| -> Result<usize> {
        let mut command = Command::new(readelf);
        command.args(["--headers", "--wide"]).arg(file).stdin(Stdio::null());
        let done = command.output().context(|| command::shown(&command))?;
        Ok(String::from_utf8_lossy(&done.stderr).lines().count())
    };
    match (said(old)?, said(new)?) {
        (old, new) if new > old => {
            Err(format!("readelf has {new} complaints, and had {old}").into())
        }
        _ => Ok(()),
    }
}

fn again(tools: &Tools, args: &[OsString], file: &Path) -> Result<()> {
    let before = fs::metadata(file)?.modified()?;
    write(tools, args, file)?;
    match fs::metadata(file)?.modified()? == before {
        true => Ok(()),
        false => Err("a second run wrote to the file".into()),
    }
}

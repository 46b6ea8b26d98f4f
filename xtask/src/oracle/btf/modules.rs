//! Modules of every kernel in the cache, encoded by one run of ours over a directory, and by the
//! reference one by one: each file is what the reference writes, there is none where that writes
//! none, and ours and bpftool read it behind the base.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::features;
use super::kernels::{self, Options, file_name};
use super::tools::{Outcome, Tools};
use crate::Result;
use crate::cache::Cache;
use crate::command;
use crate::error::Context;
use crate::files;
use crate::jobs;
use crate::report;

/// A module that is not as it should be.
struct Difference {
    bytes: u64,
    words: String,
}

/// Encodes so many modules of each kernel, or all; returns how many are not as they should be.
pub(super) fn run(
    tools: &Tools,
    cache: &Cache,
    options: &Options,
    count: Option<u64>,
) -> Result<usize> {
    let bpftool = command::find("bpftool");
    if bpftool.is_none() {
        report::say("there is no bpftool: nothing asks whether that reads the files");
    }
    let (mut compared, mut bad) = (0, 0);
    for kernel in kernels::find_some(cache, &options.pattern)? {
        let modules = choose(&kernel, count)?;
        for list in &options.features {
            let name = format!("{} {list}", file_name(&kernel));
            if modules.is_empty() {
                report::say(&format!("{name}: no module with debug info is in the cache"));
                continue;
            }
            let work = cache.work()?;
            let test =
                Test { tools, options, list, work: work.path(), bpftool: bpftool.as_deref() };
            bad += test.kernel(cache, &kernel, &modules).context(|| name)?;
            compared += modules.len();
        }
    }
    match compared {
        0 => Err("no module was compared".into()),
        _ => Ok(bad),
    }
}

/// Modules with debug info of a kernel: so many, from the smallest on in steps of equal rank.
pub(super) fn choose(kernel: &Path, count: Option<u64>) -> Result<Vec<PathBuf>> {
    let Some(debug) =
        kernel.ancestors().find(|dir| dir.ends_with("debug") && dir.join("usr").is_dir())
    else {
        return Err(format!("{} is not below a directory `debug`", kernel.display()).into());
    };
    let root = debug.join("usr/lib/debug");
    let mut modules = Vec::new();
    for path in files::walk(&root)? {
        let path = root.join(path);
        let metadata = fs::symlink_metadata(&path).context(|| path.display().to_string())?;
        if metadata.is_file() && path.extension().is_some_and(|extension| extension == "ko") {
            modules.push((metadata.len(), path));
        }
    }
    modules.sort();
    let len = modules.len() as u64;
    let count = count.unwrap_or(len).min(len);
    let picked = (0..count).map(|index| (index * len / count) as usize);
    Ok(picked.map(|index| modules[index].1.clone()).collect())
}

/// A few of the same kernel's modules as they are installed, without debug info: nothing is made of
/// these.
fn stripped(kernel: &Path) -> Result<Vec<PathBuf>> {
    let debug = kernel.ancestors().find(|dir| dir.ends_with("debug") && dir.join("usr").is_dir());
    let root = debug.and_then(Path::parent).map(|kernel| kernel.join("none/lib/modules"));
    let Some(root) = root.filter(|root| root.is_dir()) else { return Ok(Vec::new()) };
    let files = files::walk(&root)?.into_iter();
    let modules = files.filter(|file| file.extension() == Some(OsStr::new("ko")));
    Ok(modules.take(3).map(|file| root.join(file)).collect())
}

struct Test<'a> {
    tools: &'a Tools,
    options: &'a Options,
    list: &'a str,
    work: &'a Path,
    bpftool: Option<&'a Path>,
}

impl Test<'_> {
    /// How many modules are not as they should be, all thread counts together.
    fn kernel(&self, cache: &Cache, kernel: &Path, modules: &[PathBuf]) -> Result<usize> {
        let args = [features::options(self.list), vec!["--lang_exclude=rust".into()]].concat();
        let base = self.work.join("base");
        fs::write(&base, kernels::reference(self.tools, cache, &args, kernel)?)?;
        let mut names = self.lay_out("", modules)?;
        names.extend(self.lay_out("stripped", &stripped(kernel)?)?);
        names.sort();
        let mut base_option = std::ffi::OsString::from("--btf_base=");
        base_option.push(&base);
        let args = [args, vec![base_option, "-j1".into()]].concat();
        let start = Instant::now();
        let expected = jobs::map(&names, |name| {
            let output = self.path("reference", name);
            self.tools.reference(&args, &self.path("modules", name), &output)
        });
        let seconds = start.elapsed().as_secs_f64();
        let expected: Vec<Outcome> = expected.into_iter().collect::<Result<_>>()?;
        let none = expected.iter().filter(|one| !matches!(one, Outcome::Blob(_))).count();
        report::say(&format!(
            "{} {}: {} modules, {none} without output; the reference, {} at a time: {seconds:.1} s",
            file_name(kernel),
            self.list,
            names.len(),
            jobs::parallelism().min(names.len()),
        ));
        let mut bad = 0;
        for (round, &threads) in self.options.threads.iter().enumerate() {
            let start = Instant::now();
            let said = self.ours(&base, threads)?;
            let seconds = start.elapsed().as_secs_f64();
            let pairs: Vec<_> = names.iter().zip(&expected).collect();
            // What all thread counts give alike need not be read by everybody again.
            let is_first = round == 0;
            let found =
                jobs::map(&pairs, |(name, expected)| self.compare(&base, name, expected, is_first));
            let mut different: Vec<_> = found
                .into_iter()
                .collect::<Result<Vec<Option<Difference>>>>()?
                .into_iter()
                .flatten()
                .collect();
            different.extend(self.unasked(&names)?);
            report::say(&format!(
                "{} --threads {threads}: {} equal, {} different; ours: {seconds:.2} s",
                file_name(kernel),
                names.len().saturating_sub(different.len()),
                different.len()
            ));
            // The smallest is the easiest to look into.
            different.sort_by_key(|one| one.bytes);
            different.iter().for_each(|one| report::say(&format!("  {}", one.words)));
            if !different.is_empty() && !said.is_empty() {
                report::say(&format!("  ours said: {said}"));
            }
            bad += different.len();
        }
        Ok(bad)
    }

    /// Second names for modules below one directory of those that ours is run over.
    fn lay_out(&self, directory: &str, modules: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for module in modules {
            // Two of one name may lie in different directories.
            let at = module.components().position(|part| part.as_os_str() == "modules");
            let name: PathBuf = module.components().skip(at.map_or(0, |at| at + 1)).collect();
            let name = Path::new(directory).join(name);
            let to = self.path("modules", &name);
            files::create_parent(&to)?;
            fs::hard_link(module, &to)
                .or_else(|_| fs::copy(module, &to).map(drop))
                .context(|| format!("copying {}", module.display()))?;
            names.push(name);
        }
        Ok(names)
    }

    /// The file of a module below one of the directories.
    fn path(&self, directory: &str, name: &Path) -> PathBuf {
        let mut path = self.work.join(directory).join(name).into_os_string();
        if directory != "modules" {
            path.push(".btf");
        }
        path.into()
    }

    fn kmill(&self) -> Command {
        let mut command = Command::new(&self.tools.ours);
        command.arg0("kmill").env_clear().env("PATH", "").stdin(Stdio::null());
        command
    }

    /// One run over all of them; returns what it complained about. That of some modules it makes
    /// nothing may be right.
    fn ours(&self, base: &Path, threads: usize) -> Result<String> {
        files::remove_dir(&self.work.join("ours"))?;
        let mut command = self.kmill();
        command.args(["btf", "encode", "--lang-exclude=rust", "--base"]).arg(base);
        command.arg("--modules").arg(self.work.join("modules"));
        command.arg("--out-dir").arg(self.work.join("ours"));
        command.arg(format!("--btf-features={}", self.list)).arg(format!("--threads={threads}"));
        let done = command.output().context(|| command::shown(&command))?;
        let said = String::from_utf8_lossy(&done.stderr).trim_end().to_owned();
        match done.status.code() {
            Some(0 | 1) if !done.stdout.is_empty() => Ok(said),
            _ => Err(format!("{}: {}: {said}", command::shown(&command), done.status).into()),
        }
    }

    fn compare(
        &self,
        base: &Path,
        name: &Path,
        expected: &Outcome,
        read: bool,
    ) -> Result<Option<Difference>> {
        let (theirs, ours) = (self.path("reference", name), self.path("ours", name));
        let found = match fs::read(&ours) {
            Ok(blob) => Some(blob),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{}: {error}", ours.display()).into()),
        };
        let words = match (expected, found) {
            (Outcome::Blob(expected), Some(found)) if *expected == found => {
                match if read { self.read(base, &ours) } else { Ok(()) } {
                    Ok(()) => return Ok(None),
                    Err(error) => format!("equal, but {error}"),
                }
            }
            (Outcome::Blob(expected), Some(found)) => {
                self.keep(name, "reference", expected)?;
                self.keep(name, "ours", &found)?;
                self.difference(base, &theirs, &ours, expected, &found)?
            }
            (Outcome::Blob(_), None) => "no file, and the reference writes one".to_owned(),
            (Outcome::Nothing(said) | Outcome::Failed(said), Some(_)) => {
                format!("a file, and the reference writes none to believe: {said}")
            }
            (Outcome::Nothing(_) | Outcome::Failed(_), None) => return Ok(None),
        };
        let bytes = fs::metadata(self.path("modules", name))?.len();
        let words = format!("{} ({bytes} bytes): {words}", name.display());
        Ok(Some(Difference { bytes, words }))
    }

    /// Ours says that the kernel would take it, and bpftool shows something.
    fn read(&self, base: &Path, blob: &Path) -> Result<()> {
        command::output(self.kmill().args(["btf", "verify", "--base"]).arg(base).arg(blob))?;
        let Some(bpftool) = self.bpftool else { return Ok(()) };
        let mut command = Command::new(bpftool);
        let text = command.arg("-B").arg(base).args(["btf", "dump", "file"]).arg(blob);
        let (text, mut dump) = (command::output(text)?, self.kmill());
        let dump = dump.args(["btf", "dump", "--base"]).arg(base).arg(blob);
        match command::output(dump)? == text {
            true => Ok(()),
            false => Err("bpftool shows something else than ours".into()),
        }
    }

    fn difference(
        &self,
        base: &Path,
        theirs: &Path,
        ours: &Path,
        expected: &[u8],
        found: &[u8],
    ) -> Result<String> {
        let at = expected.iter().zip(found).position(|(left, right)| left != right);
        let at = at.unwrap_or(expected.len().min(found.len()));
        let (len, our_len) = (expected.len(), found.len());
        let mut diff = self.kmill();
        diff.args(["btf", "diff", "--base"]).arg(base).arg(theirs).arg(ours);
        // Its exit status says that there are differences.
        let diff = diff.output()?;
        let lines = String::from_utf8_lossy(&diff.stdout);
        let lines: Vec<&str> = lines.lines().take(8).collect();
        Ok(format!(
            "{len} bytes, ours {our_len}; the first byte that differs is {at:#x}\n    {}",
            lines.join("\n    ")
        ))
    }

    fn keep(&self, name: &Path, what: &str, blob: &[u8]) -> Result<()> {
        let Some(keep) = &self.options.keep else { return Ok(()) };
        fs::create_dir_all(keep)?;
        fs::write(keep.join(format!("{}.{what}", file_name(name))), blob)?;
        Ok(())
    }

    /// Files of ours that stand for no module.
    fn unasked(&self, names: &[PathBuf]) -> Result<Vec<Difference>> {
        let root = self.work.join("ours");
        let written = files::walk(&root)?;
        let is_of = |file: &Path| file.extension() == Some(OsStr::new("btf"));
        let strange = written
            .iter()
            .filter(|file| !is_of(file) || names.binary_search(&file.with_extension("")).is_err());
        let words = |file: &PathBuf| format!("{}: nobody asked for it", file.display());
        Ok(strange.map(|file| Difference { bytes: 0, words: words(file) }).collect())
    }
}

//! Modules of every kernel in the cache, written to in place with `distilled_base`: their sections `.BTF`
//! and `.BTF.base` hold what the reference writes, nothing else differs, and ours reads what it wrote.

use std::fs;
use std::path::Path;
use std::process::Command;

use kernel_elf::write::{Content, check};
use object::read::{Object, ObjectSection};

use super::features;
use super::in_place;
use super::kernels::{self, Options, file_name};
use super::modules::choose;
use super::tools::Tools;
use super::words;
use crate::Result;
use crate::cache::Cache;
use crate::command;
use crate::error::Context;
use crate::program::{self, Profile};
use crate::report;

/// The sections, in the order in which they are written.
const SECTIONS: [&str; 2] = [".BTF", ".BTF.base"];

/// Writes to copies of so many modules of each kernel; returns how many are not as they should be.
pub(super) fn run(tools: &Tools, cache: &Cache, options: &Options, modules: u64) -> Result<usize> {
    let objcopy = command::find("llvm-objcopy").or_else(|| command::find("objcopy"));
    let objcopy = objcopy.ok_or("neither llvm-objcopy nor objcopy in PATH")?;
    let kmill = program::kmill(Profile::Release)?;
    let work = cache.work()?;
    let base = work.path().join("base");
    let (mut good, mut neither, mut bad) = (0, 0, 0);
    for kernel in kernels::find_some(cache, &options.pattern)? {
        for list in &options.features {
            let exclude = "--lang_exclude=rust".into();
            let args = [features::options(list), vec![exclude]].concat();
            let blob = kernels::reference(tools, cache, &args, &kernel)
                .context(|| format!("{}: the reference", kernel.display()))?;
            fs::write(&base, blob)?;
            let mut base_option = std::ffi::OsString::from("--btf_base=");
            base_option.push(&base);
            let mut args = [args, vec![base_option]].concat();
            args.extend(features::options("distilled_base"));
            for module in choose(&kernel, Some(modules))? {
                let test = Test { tools, objcopy: &objcopy, kmill: &kmill, args: &args, options };
                match test.module(work.path(), &module) {
                    Ok(true) => good += 1,
                    Ok(false) => neither += 1,
                    Err(error) => {
                        bad += 1;
                        report::say(&format!("{} {list}: {error}", module.display()));
                    }
                }
            }
        }
        report::say(&format!("{}: done", file_name(&kernel)));
    }
    report::say(&format!(
        "modules with a distilled base: {good} equal, {neither} that neither encodes, {bad} different"
    ));
    Ok(bad)
}

struct Test<'a> {
    tools: &'a Tools,
    objcopy: &'a Path,
    kmill: &'a Path,
    args: &'a [std::ffi::OsString],
    options: &'a Options,
}

impl Test<'_> {
    /// Whether both encode the module, and the same; false where neither does.
    fn module(&self, work: &Path, module: &Path) -> Result<bool> {
        let [reference, ours] = ["reference.ko", "ours.ko"].map(|name| work.join(name));
        fs::copy(module, &reference).context(|| format!("copying {}", module.display()))?;
        let failed = self.tools.reference_in_place(self.args, self.objcopy, &reference)?;
        for threads in &self.options.threads {
            fs::copy(module, &ours).context(|| format!("copying {}", module.display()))?;
            let args = [self.args, &[format!("-j{threads}").into()]].concat();
            match (in_place::write(self.tools, &args, &ours), &failed) {
                (Ok(()), None) => self.compare(module, &reference, &ours)?,
                (Err(_), Some(_)) => {}
                (Err(error), None) => return Err(error),
                (Ok(()), Some(words)) => {
                    return Err(format!("encoded, which the reference does not: {words}").into());
                }
            }
        }
        Ok(failed.is_none())
    }

    fn compare(&self, module: &Path, reference: &Path, ours: &Path) -> Result<()> {
        let (expected, new) = (fs::read(reference)?, fs::read(ours)?);
        for name in SECTIONS {
            let (left, right) = (section(&expected, name)?, section(&new, name)?);
            if left != right {
                let keep = self.options.keep.as_ref().map_or(Ok(()), |keep| {
                    fs::create_dir_all(keep)?;
                    let stem = format!("{}{name}", file_name(module));
                    fs::write(keep.join(format!("{stem}.reference")), left)?;
                    fs::write(keep.join(format!("{stem}.ours")), right)
                });
                keep?;
                let words = words::difference(left, right);
                return Err(format!("{name} is different\n{words}").into());
            }
        }
        let contents = SECTIONS.map(|name| Ok(Content { name, bytes: section(&expected, name)? }));
        let contents = contents.into_iter().collect::<Result<Vec<_>>>()?;
        check(&fs::read(module)?, &new, &contents).map_err(|error| error.to_string())?;
        let mut verify = Command::new(self.kmill);
        command::output(verify.args(["btf", "verify"]).arg(ours)).map(drop)
    }
}

fn section<'a>(file: &'a [u8], name: &str) -> Result<&'a [u8]> {
    let file = object::File::parse(file).map_err(|error| error.to_string())?;
    let section = file.section_by_name(name).ok_or_else(|| format!("there is no {name}"))?;
    section.data().map_err(|error| error.to_string().into())
}

//! One build of some modules by the kernel's scripts/Makefile.modfinal. The compiler and the linker
//! are stand-ins (tests/kbuild): modules come with their debug info from Debian's package, less their
//! BTF. Everything behind that is the kernel's own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::packages::Scripts;
use crate::Result;
use crate::command;
use crate::error::Context;
use crate::files;
use crate::program;

/// What BTF is in, and what resolve_btfids writes.
pub(super) const SECTIONS: [&str; 3] = [".BTF", ".BTF.base", ".BTF_ids"];

/// As make says it when tokens are lost, or somebody's descriptors are closed.
const COMPLAINTS: [&str; 2] = ["INTERNAL:", "jobserver"];

/// What a build is asked for.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// For the table.
    pub(super) name: &'static str,
    /// `CONFIG_PAHOLE_VERSION`; else the package's.
    pub(super) version: Option<String>,
    /// `KBUILD_BUILD_TIMESTAMP` is set: the build is to be reproducible.
    pub(super) timestamp: bool,
    /// The modules are none of the kernel's own.
    pub(super) external: bool,
}

/// A directory to build in.
pub(super) struct Build<'a> {
    dir: PathBuf,
    scripts: &'a Scripts,
    /// What PATH begins with: `pahole` is in it.
    programs: &'a Path,
}

/// The sections of modules, by module, in the order of [`SECTIONS`]; empty where there is none.
pub(super) type Built = BTreeMap<String, [Vec<u8>; 3]>;

impl<'a> Build<'a> {
    /// A new one, with modules that are in `plain`.
    pub(super) fn new(
        dir: &Path,
        scripts: &'a Scripts,
        programs: &'a Path,
        plain: &Path,
        modules: &[String],
        case: &Case,
    ) -> Result<Build<'a>> {
        for below in ["include/config", "arch/x86"] {
            fs::create_dir_all(dir.join(below))?;
        }
        symlink(scripts.source.join("scripts"), dir.join("scripts"))?;
        symlink(plain, dir.join("plain"))?;
        symlink(scripts.output.join("vmlinux"), dir.join("vmlinux"))?;
        fs::write(dir.join("arch/x86/module.lds"), "")?;
        let config = fs::read_to_string(scripts.output.join("include/config/auto.conf"))?;
        fs::write(dir.join("include/config/auto.conf"), configuration(&config, case))?;
        for module in modules {
            fs::write(dir.join(format!("{module}.o")), "")?;
            fs::write(dir.join(format!("{module}.mod.c")), "")?;
        }
        let order: String = modules.iter().map(|module| format!("{module}.o\n")).collect();
        fs::write(dir.join("modules.order"), order)?;
        for name in ["Makefile", "cc", "ld"] {
            let file = program::repository().join("tests/kbuild").join(name);
            fs::copy(&file, dir.join(name)).context(|| format!("copying {}", file.display()))?;
        }
        Ok(Build { dir: dir.to_owned(), scripts, programs })
    }

    fn make(&self, case: &Case) -> Result<Command> {
        let mut path = OsString::from(self.programs);
        path.push(":/usr/bin:/bin");
        let mut make = Command::new(command::find("make").ok_or("no make in PATH")?);
        make.current_dir(&self.dir).arg("-s").stdin(Stdio::null());
        make.env_clear().env("PATH", path).env("LC_ALL", "C");
        make.env("srctree", &self.scripts.source).env("objtree", ".");
        if case.timestamp {
            make.env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970");
        }
        if case.external {
            make.arg("EXTERNAL=yes");
        }
        Ok(make)
    }

    /// The flags that scripts/Makefile.btf decides on.
    pub(super) fn flags(&self, case: &Case) -> Result<String> {
        let output = command::output(self.make(case)?.arg("flags"))?;
        let text = String::from_utf8_lossy(&output);
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Builds the modules.
    pub(super) fn run(&self, case: &Case, modules: &[String]) -> Result<Built> {
        let mut make = self.make(case)?;
        make.args([
            "-j3",
            "modules",
            "MODORDER=modules.order",
            "quiet=silent_",
            "KBUILD_BUILTIN=1",
        ]);
        make.args(["PAHOLE=pahole", "OBJCOPY=objcopy", "LD=./ld", "CC=./cc", "SRCARCH=x86"]);
        make.arg(format!("RESOLVE_BTFIDS={}", self.scripts.resolve_btfids().display()));
        let done = make.output().context(|| command::shown(&make))?;
        let said = String::from_utf8_lossy(&done.stderr);
        let complains = COMPLAINTS.iter().any(|word| said.contains(word));
        if !done.status.success() || complains {
            return Err(format!("{}: {}\n{said}", command::shown(&make), done.status).into());
        }
        let sections = |module: &String| -> Result<_> {
            let file = self.dir.join(format!("{module}.ko"));
            let [btf, base, ids] = SECTIONS.map(|name| section(&file, name));
            let sections = [btf?, base?, ids?];
            match sections[0].is_empty() {
                true => Err(format!("{}: no BTF\n{said}", file.display()).into()),
                false => Ok((module.clone(), sections)),
            }
        };
        modules.iter().map(sections).collect()
    }

    /// The module as it is now.
    pub(super) fn module(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.ko"))
    }
}

/// auto.conf with the version that the build system would find.
fn configuration(packaged: &str, case: &Case) -> String {
    let line = |line: &str| match &case.version {
        Some(version) if line.starts_with("CONFIG_PAHOLE_VERSION=") => {
            format!("CONFIG_PAHOLE_VERSION={version}\n")
        }
        _ => format!("{line}\n"),
    };
    packaged.lines().map(line).collect()
}

/// A section's bytes; none if it is not there.
fn section(file: &Path, name: &str) -> Result<Vec<u8>> {
    let out = tempfile::NamedTempFile::new()?;
    let mut objcopy = Command::new("objcopy");
    // Only what is loaded goes into a plain file.
    objcopy.args(["-O", "binary", "--only-section", name, "--set-section-flags"]);
    objcopy.arg(format!("{name}=alloc")).arg(file).arg(out.path());
    command::output(&mut objcopy)?;
    Ok(fs::read(out.path())?)
}

/// Copies of modules with debug info, less what the kernel's build would only now put into them.
pub(super) fn plain(debug: &Path, modules: &[String], to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let all = files::walk(debug)?;
    for module in modules {
        let name = format!("{module}.ko");
        let found = all.iter().find(|path| path.file_name().is_some_and(|file| *file == *name));
        let found = found.ok_or_else(|| format!("{}: no {name} in it", debug.display()))?;
        let mut objcopy = Command::new("objcopy");
        objcopy.args(["-R", ".BTF"]).arg(debug.join(found)).arg(to.join(&name));
        command::output(&mut objcopy)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_is_changed() {
        let mut case = Case { name: "", version: None, timestamp: false, external: false };
        let packaged = "CONFIG_A=y\nCONFIG_PAHOLE_VERSION=124\nCONFIG_PAHOLE_HAS_SPLIT_BTF=y\n";
        assert_eq!(configuration(packaged, &case), packaged);
        case.version = Some("131".to_owned());
        assert_eq!(configuration(packaged, &case), packaged.replace("124", "131"));
    }
}

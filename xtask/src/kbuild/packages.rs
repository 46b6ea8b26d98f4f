//! The kernel build's own scripts and programs, from Debian's packages: they are fetched into the cache
//! and stay there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use debkernel::apt;

use crate::Result;
use crate::cache::{Cache, KernelTree};
use crate::command;
use crate::error::Context;
use crate::report;

/// What was unpacked.
#[derive(Debug)]
pub(super) struct Scripts {
    /// The sources' tree, as far as it is needed to build modules: `srctree`.
    pub(super) source: PathBuf,
    /// The output tree: the configuration, and a vmlinux that has BTF and nothing else.
    pub(super) output: PathBuf,
}

impl Scripts {
    /// Those of a kernel.
    pub(super) fn of(cache: &Cache, tree: &KernelTree) -> Result<Scripts> {
        let root = cache.kernels().join(&tree.kernel).join("kbuild");
        let base = base(&tree.release);
        if !root.is_dir() {
            fetch(cache, tree, base, &root)?;
        }
        let headers = |name: &str| root.join("usr/src").join(format!("linux-headers-{name}"));
        let (source, output) = (headers(&format!("{base}-common")), headers(&tree.release));
        let needed = [
            source.join("scripts/Makefile.btf"),
            source.join("scripts/Makefile.modfinal"),
            source.join("scripts/pahole-version.sh"),
            source.join("scripts/depmod.sh"),
            source.join("tools/bpf/resolve_btfids/resolve_btfids"),
            output.join("include/config/auto.conf"),
            output.join("vmlinux"),
        ];
        match needed.iter().find(|file| !file.is_file()) {
            Some(file) => {
                Err(format!("the packages of {} have no {}", tree.release, file.display()).into())
            }
            None => Ok(Scripts { source, output }),
        }
    }

    pub(super) fn script(&self, name: &str) -> PathBuf {
        self.source.join("scripts").join(name)
    }

    pub(super) fn resolve_btfids(&self) -> PathBuf {
        self.source.join("tools/bpf/resolve_btfids/resolve_btfids")
    }
}

/// `6.12.117+deb12` of `6.12.117+deb12-cloud-amd64`, `6.1.0-56` of `6.1.0-56-amd64`: everything before
/// the flavour.
fn base(release: &str) -> &str {
    let flavour = release
        .match_indices('-')
        .find(|(at, _)| release[at + 1..].starts_with(|first: char| !first.is_ascii_digit()));
    flavour.map_or(release, |(at, _)| &release[..at])
}

fn fetch(cache: &Cache, tree: &KernelTree, base: &str, root: &Path) -> Result<()> {
    apt::check_tools()?;
    // Its programs run here. Older kernels share one package for all releases of a version.
    let native = apt::native_arch()?;
    let version: Vec<&str> = base.splitn(3, '.').take(2).collect();
    let names = [base.to_owned(), version.join(".")].map(|base| format!("linux-kbuild-{base}"));
    let kbuild = names.iter().find(|name| apt::is_known(name, &native));
    let kbuild = kbuild.ok_or_else(|| format!("apt has neither of {}", names.join(", ")))?;
    let work = cache.work()?;
    let unpacked = work.path().join("kbuild");
    for (name, arch) in [
        (kbuild.as_str(), native.as_str()),
        (&format!("linux-headers-{base}-common"), "all"),
        (&format!("linux-headers-{}", tree.release), &tree.arch),
    ] {
        let file = apt::download(name, arch, &cache.packages(), &mut report::note)?;
        report::note(&format!("unpacking {name}"));
        command::output(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&unpacked))?;
    }
    fs::rename(&unpacked, root).context(|| format!("renaming {}", unpacked.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavour_begins_with_a_letter() {
        assert_eq!(base("6.12.117+deb12-cloud-amd64"), "6.12.117+deb12");
        assert_eq!(base("6.12.117+deb12-amd64"), "6.12.117+deb12");
        assert_eq!(base("6.1.0-56-amd64"), "6.1.0-56");
        assert_eq!(base("6.1.0-50-686-pae"), "6.1.0-50-686");
        assert_eq!(base("6.12"), "6.12");
    }
}

//! Which kernel package, and how to get it: everything that talks to apt and dpkg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::error::Context;
use crate::error::Result;

/// What was asked for.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// amd64, arm64, s390x or i386.
    pub arch: &'a str,
    /// A release, or the first components of one.
    pub version: &'a str,
    /// The cloud flavour, where there is one.
    pub small: bool,
}

/// One kernel that apt knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The release with its flavour: what `uname -r` says there.
    pub release: String,
    /// Debian's name of the architecture.
    pub arch: String,
}

impl Package {
    /// The package with the modules.
    pub fn image(&self) -> String {
        format!("linux-image-{}", self.release)
    }

    /// The package with Module.symvers.
    pub fn headers(&self) -> String {
        format!("linux-headers-{}", self.release)
    }

    /// The package with the debug info.
    pub fn debug(&self) -> String {
        format!("linux-image-{}-dbg", self.release)
    }

    /// The name of the kernel's directory in the cache. The flavour in a release need not tell
    /// the architecture: `686-pae` does not.
    pub fn directory(&self) -> String {
        format!("{}-{}", self.release, self.arch)
    }
}

/// Fails early, with one sentence, where this cannot work.
pub fn check_tools() -> Result<()> {
    for tool in ["apt-get", "apt-cache", "dpkg", "dpkg-deb"] {
        if !command::exists(tool) {
            return Err(format!(
                "{tool} is not here: kernels come from Debian's archive, through apt and dpkg"
            )
            .into());
        }
    }
    Ok(())
}

/// The flavours of an architecture, best first.
fn flavours(arch: &str, small: bool) -> Result<&'static [&'static str]> {
    Ok(match (arch, small) {
        ("amd64", false) => &["amd64"],
        ("amd64", true) => &["cloud-amd64"],
        ("arm64", false) => &["arm64"],
        ("arm64", true) => &["cloud-arm64"],
        ("s390x", _) => &["s390x"],
        ("i386", _) => &["686-pae", "686"],
        _ => {
            return Err(format!("no architecture '{arch}': amd64, arm64, s390x or i386").into());
        }
    })
}

/// Picks the newest release of the wanted version, or else the newest of all.
pub fn choose(wanted: &Wanted<'_>, note: &mut dyn FnMut(&str)) -> Result<Package> {
    let flavours = flavours(wanted.arch, wanted.small)?;
    let mut found = newest(wanted, flavours)?;
    if found.is_none() {
        // The architecture may be unknown to dpkg, or the lists old or never fetched.
        update(wanted.arch)?;
        found = newest(wanted, flavours)?;
    }
    let release = found.ok_or_else(|| {
        format!("apt knows no kernel for {} ({})", wanted.arch, flavours.join(", "))
    })?;
    if !is_version(wanted.version, &release) {
        note(&format!(
            "the archive has no kernel {} for {}; taking the newest, {release}",
            wanted.version, wanted.arch
        ));
    }
    Ok(Package { release, arch: wanted.arch.to_owned() })
}

/// Whether a release is of a version: `6.1` is that of `6.1.0-9-amd64`, not of `6.12.1-amd64`.
fn is_version(version: &str, release: &str) -> bool {
    release
        .strip_prefix(version)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The newest release of the wanted version that apt can fetch, or else of any, in the best
/// flavour that there is.
fn newest(wanted: &Wanted<'_>, flavours: &[&str]) -> Result<Option<String>> {
    let output = command::output(Command::new("apt-cache").args(["pkgnames", "linux-image-"]))?;
    let names = String::from_utf8_lossy(&output);
    for flavour in flavours {
        let mut releases: Vec<&str> = names
            .lines()
            .filter_map(|name| name.strip_prefix("linux-image-"))
            .filter(|release| is_release(release, flavour))
            .collect();
        releases.sort_by_key(|release| {
            std::cmp::Reverse((is_version(wanted.version, release), sort_key(release)))
        });
        // pkgnames does not say for which architecture a name is. Asking takes a second, so that
        // is done of one name after the other.
        let known = |release: &&&str| is_known(&format!("linux-image-{release}"), wanted.arch);
        if let Some(release) = releases.iter().find(known) {
            return Ok(Some((*release).to_owned()));
        }
    }
    Ok(None)
}

/// Whether apt has that package for that architecture.
pub fn is_known(name: &str, arch: &str) -> bool {
    let mut show = Command::new("apt-cache");
    show.args(["show", "--no-all-versions", &format!("{name}:{arch}")]);
    // It fails where there is no such package.
    command::output(&mut show).is_ok_and(|output| !output.is_empty())
}

/// The size of a package's file in bytes, as apt knows it before the download.
///
/// # Errors
/// apt has no such package, or does not say.
pub fn size(name: &str, arch: &str) -> Result<u64> {
    let mut show = Command::new("apt-cache");
    show.args(["show", "--no-all-versions", &format!("{name}:{arch}")]);
    let output = command::output(&mut show)?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let size = text.lines().find_map(|line| line.strip_prefix("Size: ")?.parse().ok());
    size.ok_or_else(|| format!("apt-cache show {name}:{arch} gives no size").into())
}

/// The architecture that packages are for here.
///
/// # Errors
/// dpkg cannot be asked.
pub fn native_arch() -> Result<String> {
    let output = command::output(Command::new("dpkg").arg("--print-architecture"))?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

/// `6.12.1+deb12-amd64` with the flavour `amd64`: the version has three numbers (packages with
/// two only name the newest), and nothing but the flavour follows it.
fn is_release(release: &str, flavour: &str) -> bool {
    let Some(version) = release.strip_suffix(flavour).and_then(|rest| rest.strip_suffix('-'))
    else {
        return false;
    };
    let numbers = version.split('.').filter(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let words = ["cloud", "rt", "pae", "unsigned", "template"];
    numbers.count() >= 3 && !words.iter().any(|word| version.split('-').any(|part| part == *word))
}

/// The numbers of a release: `6.12.9` comes before `6.12.10`.
fn sort_key(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Tells dpkg of an architecture, and fetches the lists.
fn update(arch: &str) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(format!(
            "apt knows no kernel for {arch}, and only root can change that: run `dpkg \
             --add-architecture {arch}` and `apt-get update`"
        )
        .into());
    }
    let print = |option: &str| command::output(Command::new("dpkg").arg(option));
    let known = [print("--print-architecture")?, print("--print-foreign-architectures")?].concat();
    if !String::from_utf8_lossy(&known).lines().any(|line| line == arch) {
        command::run(Command::new("dpkg").args(["--add-architecture", arch]))?;
    }
    // A mirror in the middle of its own update gives some lists only the second time.
    let update = || command::output(Command::new("apt-get").args(["update", "-qq"]));
    update().or_else(|_| update()).map(drop)
}

/// Downloads a package, unless it is there; returns the file.
pub fn download(
    name: &str,
    arch: &str,
    packages: &Path,
    note: &mut dyn FnMut(&str),
) -> Result<PathBuf> {
    if let Some(file) = downloaded(name, arch, packages)? {
        return Ok(file);
    }
    note(&format!("downloading {name}:{arch}"));
    fs::create_dir_all(packages).context(|| format!("creating {}", packages.display()))?;
    // In a directory of its own, so that what is cut short never looks like a package.
    let work = tempfile::tempdir_in(packages)?;
    let mut apt = Command::new("apt-get");
    // As root, apt downloads as another user, who cannot write here.
    apt.args(["download", "-q", "-o", "APT::Sandbox::User=root", &format!("{name}:{arch}")]);
    command::output(apt.current_dir(work.path()))?;
    let file = downloaded(name, arch, work.path())?
        .ok_or_else(|| format!("apt-get download {name}:{arch} left no file"))?;
    let target = packages.join(file.file_name().unwrap_or_default());
    fs::rename(&file, &target).context(|| format!("renaming {}", file.display()))?;
    Ok(target)
}

/// `NAME_VERSION_ARCH.deb` in a directory.
fn downloaded(name: &str, arch: &str, dir: &Path) -> Result<Option<PathBuf>> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(None) };
    for entry in entries {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let tail = format!("_{arch}.deb");
        if file
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('_') && rest.ends_with(&tail))
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavour_is_exact_and_a_release_has_three_numbers() {
        assert!(is_release("6.12.117+deb12-amd64", "amd64"));
        assert!(is_release("6.1.0-50-686-pae", "686-pae"));
        assert!(is_release("6.12.117+deb12-cloud-amd64", "cloud-amd64"));
        for other in [
            "6.12.117+deb12-cloud-amd64",
            "6.12.117+deb12-rt-amd64",
            "6.12.117+deb12-amd64-dbg",
            "6.12.117+deb12-amd64-unsigned",
            "6.12-amd64",
            "amd64",
        ] {
            assert!(!is_release(other, "amd64"), "{other}");
        }
    }

    #[test]
    fn versions_are_whole_numbers_and_sort_as_such() {
        assert!(is_version("6.1", "6.1.0-9-amd64"));
        assert!(!is_version("6.1", "6.12.0-amd64"));
        assert!(is_version("6.12.117+deb12", "6.12.117+deb12-amd64"));
        assert!(sort_key("6.12.100+deb12-amd64") > sort_key("6.12.99+deb12-amd64"));
        assert!(sort_key("6.1.0-56-amd64") > sort_key("6.1.0-9-amd64"));
    }
}

//! Finds a subject for the demo: the host's newest kernel, a fetched one, or a
//! tree that is made up.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use debkernel::{apt, command};
use modgen::Compression;

use super::kmod::Kmod;
use super::subject::Subject;

/// The newest kernel below /lib/modules, or else a sample. What the installed
/// kmod cannot decompress is left as it is, so that both can read all of it.
pub(super) fn find(kmod: Option<&Kmod>) -> io::Result<Subject> {
    match newest(Path::new("/lib/modules")) {
        Some(version) => Ok(Subject {
            what: format!("The newest kernel of this machine: {}", version.display()),
            root: PathBuf::from("/"),
            version,
            config: None,
            _temporary: None,
        }),
        None => sample(kmod),
    }
}

/// A Debian kernel: names the package and its size, and fetches it into the cache
/// directory, unless it is there.
pub(super) fn fetch(out: &mut impl Write) -> Result<Subject, Box<dyn std::error::Error>> {
    apt::check_tools()?;
    let arch = apt::native_arch()?;
    let wanted = apt::Wanted { arch: &arch, version: "6.12", small: true };
    let mut note = |words: &str| {
        // A demo that cannot say what it does still does it.
        let _ = writeln!(out, "{words}");
    };
    let package = apt::choose(&wanted, &mut note)?;
    let (name, megabytes) = (package.image(), apt::size(&package.image(), &arch)? as f64 / 1e6);
    note(&format!("{name} from Debian's archive, {megabytes:.1} MB"));
    let cache = debkernel::cache_dir(None)?;
    let file = apt::download(&name, &arch, &cache.join("packages"), &mut note)?;
    note(&format!("downloaded to {}", file.display()));
    let temporary = tempfile::tempdir()?;
    let mut unpack = Command::new("dpkg-deb");
    command::output(unpack.arg("-x").arg(&file).arg(temporary.path()))?;
    Ok(Subject {
        what: format!("Debian's {name}"),
        root: temporary.path().to_owned(),
        version: package.release.into(),
        config: None,
        _temporary: Some(temporary),
    })
}

fn sample(kmod: Option<&Kmod>) -> io::Result<Subject> {
    let mut tree = modgen::sample_tree();
    let mut left = 0;
    for module in &mut tree.modules {
        let known = kmod.is_none_or(|kmod| kmod.reads(module.compression));
        if !known {
            module.compression = Compression::None;
            left += 1;
        }
    }
    let temporary = tempfile::tempdir()?;
    let written = tree.write_to(temporary.path(), "lib/modules")?;
    let mut what = format!(
        "A sample tree of {} generated modules; there is no kernel below /lib/modules",
        tree.modules.len()
    );
    if left > 0 {
        what.push_str(&format!(
            "\n({left} of them are not compressed, since the installed kmod could not read them)"
        ));
    }
    Ok(Subject {
        what,
        root: written.root,
        version: written.version.into(),
        config: Some(written.config_dir),
        _temporary: Some(temporary),
    })
}

/// The version that is the newest by its numbers, of those with modules.
fn newest(modules: &Path) -> Option<OsString> {
    let versions = std::fs::read_dir(modules).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        entry.path().join("kernel").is_dir().then(|| entry.file_name())
    });
    versions.max_by_key(|version| version_key(version.as_bytes()))
}

/// Numbers compare as numbers: 6.9 comes before 6.12.
fn version_key(version: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    version
        .chunk_by(|a, b| is_digit(a) == is_digit(b))
        .map(|part| match std::str::from_utf8(part).ok().and_then(|part| part.parse().ok()) {
            Some(number) => (number, Vec::new()),
            None => (0, part.to_vec()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(version_key(b"6.12.1-amd64") > version_key(b"6.9.30-amd64"));
        assert!(version_key(b"6.12.0") < version_key(b"6.12.1"));
    }
}

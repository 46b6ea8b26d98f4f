//! From packages to an uncompressed tree, with the two symbol tables beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::codecs;
use crate::Result;
use crate::cache::{Cache, Codec};
use crate::command;
use crate::error::Context;
use crate::files;
use crate::program::{self, Profile};
use crate::report;
use debkernel::apt::{self, Package};

/// What the -dbg package takes, packed and unpacked, with some room.
const DEBUG_BYTES: u64 = 9 << 30;

/// Below this, `System.map` is Debian's pointer to the -dbg package, not a map.
const STUB: u64 = 4096;

/// Makes the uncompressed tree and the symbol tables, unless they are there.
pub(super) fn kernel(cache: &Cache, package: &Package) -> Result<()> {
    let kernel = cache.kernels().join(package.directory());
    let boot = kernel.join("boot");
    if kernel.join(Codec::None.name()).is_dir() && boot.is_dir() {
        return Ok(());
    }
    let image =
        apt::download(&package.image(), &package.arch, &cache.packages(), &mut report::note)?;
    report::note(&format!("unpacking {}", package.image()));
    let work = cache.work()?;
    let unpacked = work.path().join("unpacked");
    unpack(&image, &unpacked)?;
    let release = package.release.clone();
    let modules = unpacked.join("lib/modules").join(&release);
    let modules = match modules.is_dir() {
        true => modules,
        false => unpacked.join("usr/lib/modules").join(&release),
    };
    if !modules.is_dir() {
        return Err(format!("{}: no lib/modules/{release} in it", image.display()).into());
    }

    let plain = work.path().join(Codec::None.name());
    let target = plain.join("lib/modules").join(&release);
    files::link_tree(&modules, &target)?;
    for suffix in [Codec::Gz, Codec::Xz, Codec::Zst] {
        codecs::decompress(&target, suffix)?;
    }
    codecs::publish(&plain, package, Codec::None, &kernel)?;

    let made = work.path().join("boot");
    fs::create_dir_all(&made)?;
    let symvers = symvers(cache, package, work.path())?;
    let map = unpacked.join("boot").join(format!("System.map-{release}"));
    let text = match fs::metadata(&map) {
        Ok(metadata) if metadata.len() > STUB => fs::read(&map)?,
        _ => system_map(&symvers),
    };
    fs::write(made.join(format!("System.map-{release}")), text)?;
    fs::write(made.join(format!("Module.symvers-{release}")), symvers)?;
    files::remove_dir(&boot)?;
    fs::rename(&made, &boot).context(|| format!("renaming {}", made.display()))
}

/// The kernel build's own table, from the headers' package, or one made of what modules need.
fn symvers(cache: &Cache, package: &Package, work: &Path) -> Result<Vec<u8>> {
    let headers = package.headers();
    if apt::is_known(&headers, &package.arch) {
        let file = apt::download(&headers, &package.arch, &cache.packages(), &mut report::note)?;
        let unpacked = work.join("headers");
        unpack(&file, &unpacked)?;
        let table = unpacked.join("usr/src").join(&headers).join("Module.symvers");
        if let Ok(text) = fs::read(&table) {
            return Ok(text);
        }
    }
    report::note(&format!("no Module.symvers in the archive for {}: making one", package.release));
    let nothing = work.join("no-symbols");
    fs::write(&nothing, "")?;
    let root = cache.kernels().join(package.directory()).join(Codec::None.name());
    let mut kmill = Command::new(program::kmill(Profile::Release)?);
    kmill.args(["depmod", "-n", "-e", "-b"]).arg(root).arg("-F").arg(nothing);
    let output = kmill.arg(&package.release).output().context(|| command::shown(&kmill))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut symbols: Vec<&str> = said
        .lines()
        .filter_map(|line| Some(line.split_once(" needs unknown symbol ")?.1))
        .collect();
    symbols.sort_unstable();
    symbols.dedup();
    let line = |symbol: &&str| format!("0x00000000\t{symbol}\tvmlinux\tEXPORT_SYMBOL\t\n");
    Ok(symbols.iter().map(line).collect::<String>().into_bytes())
}

/// A map with an entry for each symbol the kernel exports. Debian keeps the real one with the
/// debug information; what a depmod looks for in it is this.
fn system_map(symvers: &[u8]) -> Vec<u8> {
    let mut text = "0000000000000000 A fixed_percpu_data\n".to_owned();
    let mut address = 0xffff_ffff_8200_0000_u64;
    for line in String::from_utf8_lossy(symvers).lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [_, symbol, "vmlinux", ..] = fields[..] {
            text += &format!("{address:016x} r __ksymtab_{symbol}\n");
            address += 12;
        }
    }
    text.into_bytes()
}

/// Fetches and unpacks the debug information, if there is room for it.
pub(super) fn debug(cache: &Cache, package: &Package) -> Result<()> {
    let target = cache.kernels().join(package.directory()).join("debug");
    if target.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(cache.packages())?;
    let room = rustix::fs::statvfs(cache.packages()).context(|| "free disk space".to_owned())?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if free < DEBUG_BYTES {
        return Err(enough(free, &cache.packages()).into());
    }
    let file =
        apt::download(&package.debug(), &package.arch, &cache.packages(), &mut report::note)?;
    report::note(&format!("unpacking {} (6.7 GB)", package.debug()));
    let work = cache.work()?;
    let unpacked = work.path().join("debug");
    unpack(&file, &unpacked)?;
    fs::rename(&unpacked, &target).context(|| format!("renaming {}", unpacked.display()))
}

fn enough(free: u64, place: &Path) -> String {
    format!(
        "the debug package needs {} GB in {}, which has {:.1} GB free",
        DEBUG_BYTES >> 30,
        place.display(),
        free as f64 / f64::from(1 << 30)
    )
}

fn unpack(package: &Path, target: &PathBuf) -> Result<()> {
    command::output(Command::new("dpkg-deb").arg("-x").arg(package).arg(target)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_what_the_kernel_exports_and_no_module_does() {
        let symvers = b"0x1\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x2\text4\tfs/ext4/ext4\tX\t\n";
        let map = String::from_utf8(system_map(symvers)).unwrap();
        assert!(map.ends_with("ffffffff82000000 r __ksymtab_printk\n"), "{map}");
    }

    #[test]
    fn a_full_disk_is_named() {
        assert_eq!(
            enough(3 << 29, Path::new("/c")),
            "the debug package needs 9 GB in /c, which has 1.5 GB free"
        );
    }
}

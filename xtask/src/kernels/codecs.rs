//! Compressed copies of a tree, made with the tools and options of the kernel's own
//! `modules_install`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cache::{Cache, Codec, STAMP};
use crate::command;
use crate::error::Context;
use crate::files;
use crate::jobs;
use crate::report;
use debkernel::apt::Package;

/// Files per run of a tool: enough that starting it costs nothing, few enough that the last runs
/// do not leave a core idle.
const BATCH: usize = 32;

/// Makes the tree of a codec from the uncompressed one, unless it is there.
pub(super) fn tree(cache: &Cache, package: &Package, codec: Codec) -> Result<()> {
    let kernel = cache.kernels().join(package.directory());
    if kernel.join(codec.name()).is_dir() {
        return Ok(());
    }
    report::note(&format!("compressing {} with {}", package.release, codec.name()));
    let work = cache.work()?;
    let root = work.path().join(codec.name());
    let modules = |root: &Path| root.join("lib/modules").join(&package.release);
    files::link_tree(&modules(&kernel.join(Codec::None.name())), &modules(&root))?;
    let tool: &[&str] = match codec {
        Codec::None => return Err("the uncompressed tree comes from the package".into()),
        Codec::Gz => &["gzip", "-n", "-f"],
        Codec::Xz => &["xz", "--check=crc32", "--lzma2=dict=1MiB", "-f"],
        Codec::Zst => &["zstd", "--rm", "-f", "-q"],
    };
    in_batches(&modules(&root), Codec::None.suffix(), tool)?;
    publish(&root, package, codec, &kernel)
}

/// Replaces the files of a codec below a directory by what is in them.
pub(super) fn decompress(dir: &Path, codec: Codec) -> Result<()> {
    let tool: &[&str] = match codec {
        Codec::None => return Ok(()),
        Codec::Gz => &["gzip", "-d", "-f"],
        Codec::Xz => &["xz", "-d", "-f"],
        Codec::Zst => &["zstd", "-d", "--rm", "-f", "-q"],
    };
    in_batches(dir, codec.suffix(), tool)
}

/// Runs a tool over all files with a suffix, several at a time, largest first. Each tool writes a
/// new file and removes the old name; other names of the old file keep their content.
fn in_batches(dir: &Path, suffix: &str, tool: &[&str]) -> Result<()> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for relative in files::walk(dir)? {
        let path = dir.join(relative);
        if path.to_string_lossy().ends_with(suffix) {
            found.push((fs::symlink_metadata(&path)?.size(), path));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    let batches: Vec<_> = found.chunks(BATCH).collect();
    let done = jobs::map(&batches, |batch| {
        let files = batch.iter().map(|(_, path)| path);
        command::output(Command::new(tool[0]).args(&tool[1..]).args(files))
    });
    done.into_iter().try_for_each(|result| result.map(drop))
}

/// Counts the modules, writes the stamp, and gives the finished tree its name.
pub(super) fn publish(root: &Path, package: &Package, codec: Codec, kernel: &Path) -> Result<()> {
    let (mut modules, mut bytes) = (0_u64, 0);
    for relative in files::walk(&root.join("lib/modules"))? {
        if relative.to_string_lossy().ends_with(codec.suffix()) {
            modules += 1;
            bytes += fs::metadata(root.join("lib/modules").join(relative))?.size();
        }
    }
    let stamp = format!("{} {} {modules} {bytes}\n", package.release, package.arch);
    fs::write(root.join(STAMP), stamp)?;
    let target = kernel.join(codec.name());
    files::create_parent(&target)?;
    files::remove_dir(&target)?;
    fs::rename(root, &target).context(|| format!("renaming to {}", target.display()))
}

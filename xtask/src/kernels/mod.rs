//! `cargo xtask kernels`: real kernels from Debian's archive.
//!
//! ```text
//! apt     which package; download                 one .deb
//! unpack  its modules, System.map, Module.symvers one uncompressed tree
//! codecs  the same, compressed as kernels do      gz, xz, zst
//! ```

mod codecs;
mod unpack;

use crate::Result;
use crate::args::Matches;
use crate::cache::{Cache, Codec};
use crate::command;
use crate::report::{self, Table};

use debkernel::apt::{self, Wanted};

/// The kernel series that figures are about.
const SERIES: &str = "6.12";

pub(crate) fn run(matches: &Matches) -> Result<()> {
    let cache = Cache::locate(matches)?;
    let codecs = matches
        .list("--codecs", "none,gz,xz,zst")
        .into_iter()
        .map(|name| {
            let codec = Codec::ALL.into_iter().find(|codec| codec.name() == name);
            codec.ok_or_else(|| format!("no codec '{name}': none, gz, xz or zst").into())
        })
        .collect::<Result<Vec<Codec>>>()?;
    let mut arches: Vec<&str> = matches.values("--arch").collect();
    if arches.is_empty() {
        arches.push("amd64");
    }
    apt::check_tools()?;
    for tool in ["gzip", "xz", "zstd"] {
        if !command::exists(tool) {
            return Err(format!("{tool} is not here (packages gzip, xz-utils, zstd)").into());
        }
    }
    for arch in arches {
        let wanted = Wanted {
            arch,
            version: matches.value("--version").unwrap_or(SERIES),
            small: matches.has("--small"),
        };
        let package = apt::choose(&wanted, &mut report::note)?;
        unpack::kernel(&cache, &package)?;
        for &codec in &codecs {
            codecs::tree(&cache, &package, codec)?;
        }
        if matches.has("--debug") {
            unpack::debug(&cache, &package)?;
        }
    }
    print_table(&cache)
}

fn print_table(cache: &Cache) -> Result<()> {
    let mut table = Table::new(&["release", "arch", "codec", "modules", "bytes"]);
    for tree in cache.trees()? {
        table.row(vec![
            tree.release,
            tree.arch,
            tree.codec.name().to_owned(),
            tree.modules.to_string(),
            tree.bytes.to_string(),
        ]);
    }
    table.print();
    report::say(&format!("in {}", cache.kernels().display()));
    Ok(())
}

//! The first step of a random tree: which files there are and which symbols they export.

use std::collections::BTreeMap;

use super::shape::{Duplicates, Shape};
use crate::elf::{CrcStyle, Export, module_name, symbol_crc};
use crate::rng::Rng;

/// Name stems; a number follows. They share prefixes, mix `-` and `_`, and differ in case, so that
/// normalising, sorting and prefix sharing have something to do.
const STEMS: [&str; 14] = [
    "ext",
    "snd-pcm",
    "snd-hda_codec",
    "snd_hda-core",
    "usb_storage",
    "usb",
    "nf-conntrack",
    "nf_nat",
    "crc-t10dif_",
    "i2c-core",
    "drm_kms-helper",
    "drm",
    "Xen-blk",
    "zz_",
];

/// Directories outside of all search directories.
const DIRS: [&str; 7] = [
    "kernel/",
    "kernel/fs/ext/",
    "kernel/drivers/net/",
    "kernel/drivers/net/wireless/",
    "kernel/drivers/usb-host/",
    "misc/",
    "",
];

/// Directories a `search` line may name. No one is inside another: kmod compares two copies below
/// the same search directory wrongly, so nesting would leave the winner to chance.
const SEARCH_DIRS: [&str; 3] = ["updates", "extra", "weak-updates"];

/// Where the external directories are, relative to the root of the tree.
pub(super) const EXTERNAL_DIR: &str = "srv/external-modules";
/// A directory that only a symbolic link in the tree leads to.
pub(super) const LINKED_DIR: &str = "srv/linked-modules";

/// Where a file lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tree,
    External,
    Linked,
}

/// One file to be.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Rank of the module: it may only import what modules of lower rank export.
    pub(super) rank: usize,
    /// File name without `.ko`.
    pub(super) stem: String,
    pub(super) place: Place,
    /// Directory, empty or ending in `/`.
    pub(super) dir: String,
    pub(super) exports: Vec<Export>,
}

impl Draft {
    pub(super) fn path(&self) -> String {
        format!("{}{}.ko", self.dir, self.stem)
    }
}

/// What the later steps need to know about the whole tree.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) drafts: Vec<Draft>,
    /// Exported symbol → the highest rank that exports it.
    pub(super) exporters: BTreeMap<String, usize>,
    /// Symbols of the kernel itself, with their CRCs.
    pub(super) vmlinux: Vec<(String, u32)>,
    pub(super) crc_style: CrcStyle,
    /// The words of the `search` line, if there is one.
    pub(super) search: Option<Vec<&'static str>>,
    pub(super) external_line: bool,
}

pub(super) fn draw(rng: &mut Rng, shape: &Shape) -> Plan {
    let count = rng.below(shape.max_modules + 1);
    let search = draw_search(rng, shape);
    let external_line = shape.externals && rng.chance(1, 3);
    let crc_style = rng.pick(&[CrcStyle::None, CrcStyle::Absolute, CrcStyle::Section]);
    let vmlinux: Vec<_> = (0..rng.between(1, 12))
        .map(|number| {
            let name = format!("{}_{number}", rng.pick(&["kmalloc", "kfree", "_raw_spin_lock"]));
            let crc = symbol_crc(&name);
            (name, crc)
        })
        .collect();

    let mut drafts = Vec::new();
    for rank in 0..count {
        let stem = draw_stem(rng, rank);
        let (place, dir) = draw_place(rng, shape, external_line, search.as_deref());
        let exports = draw_exports(rng, rank);
        drafts.push(Draft { rank, stem, place, dir, exports });
    }
    add_shared_exports(rng, &mut drafts, &vmlinux);
    add_copies(rng, shape, &mut drafts, search.as_deref(), external_line);

    let mut exporters = BTreeMap::new();
    for draft in &drafts {
        for export in &draft.exports {
            let rank = exporters.entry(export.name.clone()).or_insert(draft.rank);
            *rank = draft.rank.max(*rank);
        }
    }
    Plan { drafts, exporters, vmlinux, crc_style, search, external_line }
}

/// The words of a `search` line in a random order. `built-in` stands for every other directory.
fn draw_search(rng: &mut Rng, shape: &Shape) -> Option<Vec<&'static str>> {
    if !shape.config || rng.chance(1, 3) {
        return None;
    }
    let mut words: Vec<_> = SEARCH_DIRS.into_iter().filter(|_| rng.chance(2, 3)).collect();
    if rng.chance(1, 2) {
        words.push("built-in");
    }
    if shape.externals && rng.chance(1, 2) {
        words.push("external");
    }
    if words.is_empty() {
        return None;
    }
    rng.shuffle(&mut words);
    Some(words)
}

/// A file name no other module has, also not after normalising.
fn draw_stem(rng: &mut Rng, rank: usize) -> String {
    if rank < 26 && rng.chance(1, 8) {
        return char::from(b'a' + rank as u8).to_string();
    }
    let mut stem = format!("{}{rank}", rng.pick(&STEMS));
    if rng.chance(1, 12) {
        // The module name ends at the first dot.
        stem.push_str(rng.pick(&[".v2", ".tar-x", ".", ".a.b"]));
    }
    stem
}

fn draw_place(
    rng: &mut Rng,
    shape: &Shape,
    external_line: bool,
    search: Option<&[&str]>,
) -> (Place, String) {
    if external_line && rng.chance(1, 8) {
        return (Place::External, rng.pick(&["", "sub/"]).to_owned());
    }
    if shape.externals && rng.chance(1, 20) {
        return (Place::Linked, rng.pick(&["", "deep/er/"]).to_owned());
    }
    if search.is_some() && rng.chance(1, 6) {
        return (Place::Tree, format!("{}/{}", rng.pick(&SEARCH_DIRS), rng.pick(&["", "dkms/"])));
    }
    (Place::Tree, rng.pick(&DIRS).to_owned())
}

fn draw_exports(rng: &mut Rng, rank: usize) -> Vec<Export> {
    let count = if rng.chance(1, 3) { 0 } else { rng.between(1, 5) };
    (0..count)
        .map(|number| {
            let mut name = match rng.below(8) {
                0 => format!("__{rank}_{number}"),
                1 => format!("snd_pcm_{rank}_{number}"),
                2 => format!("snd_{rank}_pcm_{number}"),
                3 => format!("GPL_only_{rank}_{number}"),
                _ => format!("sym_{rank}_{number}"),
            };
            if rng.chance(1, 30) {
                // Longer than a `__versions` entry can hold.
                name.push_str(&"_very_long".repeat(6));
            }
            let namespace = if rng.chance(1, 8) { "EXPORTED_NS" } else { "" }.to_owned();
            let crc = rng.chance(1, 4).then(|| rng.next_u32());
            Export { name, namespace, crc, style: None }
        })
        .collect()
}

/// Lets some symbols be exported twice: by two modules, or by a module and the kernel.
fn add_shared_exports(rng: &mut Rng, drafts: &mut [Draft], vmlinux: &[(String, u32)]) {
    if drafts.is_empty() {
        return;
    }
    for _ in 0..rng.below(4) {
        let from = rng.below(drafts.len());
        let to = rng.below(drafts.len());
        let name = match drafts[from].exports.first() {
            Some(export) if from != to => export.name.clone(),
            _ if rng.chance(1, 3) => rng.pick_ref(vmlinux).0.clone(),
            _ => continue,
        };
        let crc = rng.chance(1, 2).then(|| rng.next_u32());
        drafts[to].exports.push(Export { name, namespace: String::new(), crc, style: None });
    }
}

/// Adds further files for modules that exist already.
fn add_copies(
    rng: &mut Rng,
    shape: &Shape,
    drafts: &mut Vec<Draft>,
    search: Option<&[&str]>,
    external_line: bool,
) {
    if shape.duplicates == Duplicates::None {
        return;
    }
    // Without a `search` line kmod searches `updates` first.
    let words = search.unwrap_or(&["updates"]);
    let ranked: Vec<_> = SEARCH_DIRS.into_iter().filter(|dir| words.contains(dir)).collect();
    for original in drafts.clone() {
        if !rng.chance(1, 6) || original.place != Place::Tree {
            continue;
        }
        // A copy below the same search directory would be decided by chance, and so would one in
        // a directory that no `search` word names.
        let top = original.dir.split('/').next().unwrap_or_default();
        if SEARCH_DIRS.contains(&top) {
            continue;
        }
        for dir in &ranked {
            if rng.chance(1, 2) {
                let dir = format!("{dir}/{}", rng.pick(&["", "dkms/"]));
                drafts.push(copy(rng, &original, Place::Tree, dir));
            }
        }
        if external_line && words.contains(&"external") && rng.chance(1, 2) {
            drafts.push(copy(rng, &original, Place::External, String::new()));
        }
        if shape.duplicates == Duplicates::Any && rng.chance(1, 2) {
            let dir = format!("{}{}", original.dir, rng.pick(&["", "again/", "other/"]));
            let mut twin = copy(rng, &original, Place::Tree, dir);
            if rng.chance(1, 2) || twin.dir == original.dir {
                // The same module under another file name.
                twin.stem = format!("{}.twin", module_name(&original.stem));
            }
            drafts.push(twin);
        }
    }
}

/// A file for the same module, which need not export the same symbols.
fn copy(rng: &mut Rng, original: &Draft, place: Place, dir: String) -> Draft {
    let mut exports = original.exports.clone();
    if rng.chance(1, 3) {
        exports.pop();
    }
    if rng.chance(1, 3) {
        let name = format!("only_in_copy_{}", original.rank);
        exports.push(Export { name, namespace: String::new(), crc: None, style: None });
    }
    Draft { rank: original.rank, stem: original.stem.clone(), place, dir, exports }
}

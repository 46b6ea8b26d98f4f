//! The second step of a random tree: what each module imports and says about itself, and how its
//! file is stored.

use super::drafts::{Draft, EXTERNAL_DIR, LINKED_DIR, Place, Plan};
use super::shape::Shape;
use crate::compress::{Compression, Oddity};
use crate::elf::{Arch, CrcStyle, Damage, Module};
use crate::rng::Rng;
use crate::tree::{Content, External, ROOT, Tree, TreeModule};

/// What holds for all modules of one tree.
struct Style {
    arch: Arch,
    modversions: bool,
    /// Modules mostly import from their neighbours in rank: long chains instead of wide fans.
    chains: bool,
    /// One codec for all, as a distribution does it, or `None` for a mix.
    codec: Option<Compression>,
    /// The ranks that form a cycle, each needing the next.
    cycle: Vec<usize>,
}

pub(super) fn fill(rng: &mut Rng, shape: &Shape, plan: &Plan, tree: &mut Tree) {
    let style = Style {
        arch: rng.pick(&shape.arches),
        modversions: rng.chance(1, 2),
        chains: rng.chance(1, 2),
        codec: rng.chance(1, 2).then(|| rng.pick(&shape.codecs)),
        cycle: draw_cycle(rng, shape, plan),
    };
    let mut external = Vec::new();
    let mut linked = Vec::new();
    for draft in &plan.drafts {
        let module = draw_module(rng, shape, plan, &style, draft);
        let file = draw_file(rng, shape, &style, draft, module);
        match draft.place {
            Place::Tree => tree.modules.push(file),
            Place::External => external.push(file),
            Place::Linked => linked.push(file),
        }
    }
    if plan.external_line {
        tree.externals.push(External { dir: EXTERNAL_DIR.to_owned(), modules: external });
    }
    if !linked.is_empty() {
        let link = TreeModule::symlink("kernel/linked", format!("{ROOT}/{LINKED_DIR}"));
        tree.modules.push(link);
        tree.externals.push(External { dir: LINKED_DIR.to_owned(), modules: linked });
    }
    if shape.odd_files {
        add_odd_files(rng, shape, tree);
    }
}

/// One to four ranks, or none. One rank: a module that needs its own export.
fn draw_cycle(rng: &mut Rng, shape: &Shape, plan: &Plan) -> Vec<usize> {
    let mut ranks: Vec<_> = plan.drafts.iter().map(|draft| draft.rank).collect();
    ranks.dedup();
    if !shape.cycles || rng.chance(1, 2) {
        return Vec::new();
    }
    rng.shuffle(&mut ranks);
    ranks.truncate(rng.between(1, 4));
    ranks
}

fn draw_module(rng: &mut Rng, shape: &Shape, plan: &Plan, style: &Style, draft: &Draft) -> Module {
    let mut module = Module::new(&draft.stem).arch(style.arch).crc_style(plan.crc_style);
    if rng.chance(1, 10) {
        // A module built with other options than the rest.
        module = module.crc_style(CrcStyle::None);
    }
    module = draw_modinfo(rng, shape, module);
    for export in &draft.exports {
        module = module.export_as(export.clone());
    }
    if style.modversions {
        module = module.modversions();
    }
    module = draw_imports(rng, plan, style, draft, module);
    if let Some(at) = style.cycle.iter().position(|rank| *rank == draft.rank) {
        let next = style.cycle[(at + 1) % style.cycle.len()];
        module = module.export(&format!("ring_{}", draft.rank)).import(&format!("ring_{next}"));
    }
    if matches!(style.arch, Arch::Sparc | Arch::Sparc64) && rng.chance(1, 2) {
        module = module.register_symbol(rng.pick(&["", "sym_0_0", "nowhere"]));
    }
    if rng.chance(1, 6) {
        module = module.signed(rng.between(0, 700));
    }
    if rng.chance(1, 6) {
        module = module.padding(rng.between(1, 20_000));
    }
    if shape.damaged && rng.chance(1, 8) {
        let mut damage = rng.pick(&Damage::catalogue());
        if damage.hides_name_table() {
            damage = Damage::Truncated(rng.below(2_000));
        }
        module = module.damage(damage);
    }
    module
}

fn draw_imports(
    rng: &mut Rng,
    plan: &Plan,
    style: &Style,
    draft: &Draft,
    mut module: Module,
) -> Module {
    let below = |rank: &usize| *rank < draft.rank;
    let near = |rank: &usize| below(rank) && *rank + 3 >= draft.rank;
    let all: Vec<_> = plan.exporters.iter().filter(|entry| below(entry.1)).collect();
    let close: Vec<_> = plan.exporters.iter().filter(|entry| near(entry.1)).collect();
    // kmod runs out of an internal stack, and aborts, when it reports cycles in a graph with many
    // paths; with a cycle about, a module needs one other module at most.
    let most = if style.cycle.is_empty() { 7 } else { 1 };
    if style.cycle.contains(&draft.rank) {
        return module;
    }
    for _ in 0..rng.between(0, most) {
        let from = if style.chains && !close.is_empty() { &close } else { &all };
        // The kernel's own symbols may be exported by a module of any rank as well.
        let kernel = rng.pick_ref(&plan.vmlinux);
        let kernel_is_safe = plan.exporters.get(&kernel.0).is_none_or(below);
        let name = match rng.below(10) {
            0 => "nowhere_to_be_found",
            1 | 2 if kernel_is_safe => &kernel.0,
            _ if from.is_empty() => continue,
            _ => rng.pick(from).0,
        };
        module = match rng.below(12) {
            0 => module.import_weak(name),
            1 => module.import_crc(name, rng.next_u32()),
            2 if style.modversions => module.version_entry(name, rng.next_u32()),
            3 if matches!(style.arch, Arch::Ppc64) => module.import(&format!(".{name}")),
            _ => module.import(name),
        };
    }
    module
}

fn draw_modinfo(rng: &mut Rng, shape: &Shape, mut module: Module) -> Module {
    if rng.chance(1, 10) {
        module = module.bare_modinfo();
    }
    if rng.chance(1, 10) {
        module = module.pad_modinfo(rng.between(1, 9));
    }
    let aliases = if rng.chance(1, 20) { rng.between(30, 120) } else { rng.below(5) };
    for _ in 0..aliases {
        module = module.alias(&draw_alias(rng));
    }
    if rng.chance(1, 8) {
        module = draw_device_node(rng, shape, module);
    }
    for _ in 0..rng.below(8).saturating_sub(5) {
        module = module.softdep(rng.pick(&[
            "pre: ext0",
            "post: snd-pcm1 usb2",
            "pre: a b post: c",
            "pre:  two   spaces",
            "platform:no-such-word",
        ]));
    }
    if shape.weakdeps && rng.chance(1, 6) {
        module = module.weakdep(rng.pick(&["crc-t10dif_8", "ext0 usb2", "a"]));
    }
    if rng.chance(1, 6) {
        module = module.import_ns("EXPORTED_NS").depends("this,is,not,believed");
    }
    if rng.chance(1, 12) {
        module = module.modinfo_entry(rng.pick(&[
            "alias=",
            "=alias",
            "parm=alias:not one (int)",
            "aliasing=not one",
            "novalue",
        ]));
    }
    if shape.complaints && rng.chance(1, 12) {
        module = module.alias(rng.pick(&["open[bracket", "close]bracket", "[a]]", "ab[c-", "]"]));
    }
    module
}

/// Aliases of the kinds kernels have. The small numbers make equal ones likely.
fn draw_alias(rng: &mut Rng) -> String {
    let n = rng.below(40);
    let m = rng.below(4);
    match rng.below(12) {
        0 => format!("pci:v0000{:04X}d0000{n:04X}sv*sd*bc*sc*i*", 0x8086 + m),
        1 => format!("pci:v0000{:04X}d*sv*sd*bc02sc00i*", 0x10de + n),
        2 => format!("usb:v{:04X}p{n:04X}d*dc*dsc*dp*ic*isc*ip*in*", 0x0bda + m),
        3 => format!("usb:v05ACp*d*dc*dsc*dp*ic0{m}isc01ip[0-{n}]in*"),
        4 => format!("of:N*T*Cti,am{n}-usb-phy{m}C*"),
        5 => format!("acpi*:PNP0{n:02}-[A-C{m}]-x:*"),
        6 => format!("dmi*:svn*Vendor-[Xx]{m}*:pn{n}*:"),
        7 => format!("fs-ext{m}"),
        8 => format!("net-pf-{n}-proto-{m}-type-1"),
        9 => format!("char-major-{n}-*"),
        10 => format!("crypto-aes-{n}[-_]{m}"),
        _ => "cpu:type:x86,ven*fam*mod*:feature:*00A[-1]*".to_owned(),
    }
}

/// `devname:` with the number it belongs to, or, where complaints are allowed, without.
fn draw_device_node(rng: &mut Rng, shape: &Shape, module: Module) -> Module {
    let devname = format!("devname:{}{}", rng.pick(&["net/tun", "loop-", "a b"]), rng.below(9));
    let major = rng.below(200);
    let number = match rng.below(4) {
        0 => format!("block-major-{major}-{}", rng.below(300)),
        1 => format!("char-major-{major}-{}trailing", rng.below(300)),
        _ => format!("char-major-{major}-{}", rng.below(300)),
    };
    match rng.below(if shape.complaints { 6 } else { 4 }) {
        0 => module.alias(&number).alias(&devname),
        1 => module.alias(&devname).alias(&number).alias("char-major-1-1"),
        2 => module.alias(&number).alias("char-major-1-2").alias(&devname),
        3 => module.alias(&devname).alias(&number),
        4 => module.alias(&devname).alias("char-major-9-*"),
        _ => module.alias(&devname),
    }
}

/// Codec, suffix and mode of the file.
fn draw_file(
    rng: &mut Rng,
    shape: &Shape,
    style: &Style,
    draft: &Draft,
    module: Module,
) -> TreeModule {
    let codec = style.codec.unwrap_or_else(|| rng.pick(&shape.codecs));
    let mut content = Content::from(module);
    if shape.damaged && rng.chance(1, 40) {
        let no_elf: [&[u8]; 4] = [b"", b"hello", b"#!/bin/sh\nexit 0\n", b"\x7fELF"];
        content = Content::Bytes(rng.pick(&no_elf).to_vec());
    }
    let mut file = TreeModule::new(draft.path(), content).compressed(codec);
    if shape.odd_streams && codec != Compression::None && rng.chance(1, 12) {
        file = file.odd(rng.pick(&Oddity::ALL));
    }
    if shape.odd_streams && rng.chance(1, 15) {
        file = file.suffix(rng.pick(&shape.codecs).suffix());
    }
    if rng.chance(1, 10) {
        file = file.mode(rng.pick(&[0o600, 0o444, 0o755]));
    }
    file
}

/// Files that are no modules, in places where a depmod meets them.
fn add_odd_files(rng: &mut Rng, shape: &Shape, tree: &mut Tree) {
    tree.symlink_farm = rng.chance(1, 6);
    let decoys = [
        "build/inside-build.ko",
        "kernel/source/inside-source.ko",
        "kernel/README",
        "kernel/backup.ko.bak",
        "kernel/package.ko.lz4",
        "kernel/.ko",
        "kernel/.ko.xz",
        "kernel/notako",
        "kernel/a-directory.ko/README",
    ];
    for path in decoys {
        if rng.chance(1, 12) {
            let bytes = Module::new("decoy").export("decoy_symbol").to_bytes();
            tree.modules.push(TreeModule::new(path, bytes));
        }
    }
    if shape.complaints && rng.chance(1, 8) {
        tree.modules.push(TreeModule::symlink("kernel/dangling.ko", "nowhere.ko"));
    }
}

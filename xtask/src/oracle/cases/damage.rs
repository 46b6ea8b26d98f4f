//! Module files that are broken: in the ELF file, in the compressed stream, in both.

use modgen::{Arch, Compression, CrcStyle, Damage, Module, Oddity, Tree, TreeModule};

use super::case::Case;

/// A module with something in each section that a depmod reads.
fn full() -> Module {
    Module::new("middle")
        .modversions()
        .export("middle_one")
        .export("middle_two")
        .import("base_one")
        .import_weak("base_two")
        .import("nowhere")
        .alias("pci:v00008086d*")
        .alias("char-major-10-200")
        .alias("devname:net/tun")
        .softdep("pre: base")
        .weakdep("top")
}

/// The module between one that it needs and one that needs it.
fn between(file: TreeModule) -> Tree {
    Tree::new("6.6.0-damage")
        .module("kernel/base.ko", Module::new("base").export("base_one").export("base_two"))
        .file(file)
        .module("kernel/top.ko", Module::new("top").import("middle_one").import("middle_two"))
        .order(["kernel/top.ko", "kernel/middle.ko", "kernel/base.ko"])
        .builtin(["kernel/lib/crc32.ko"])
        .builtin_modinfo(["crc32.alias=crc"])
        .system_map(["printk"])
        .symvers([("printk", 1)])
}

fn file(module: impl Into<modgen::tree::Content>, codec: Compression) -> TreeModule {
    TreeModule::new("kernel/middle.ko", module).compressed(codec)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    elf(&mut cases);
    streams(&mut cases);
    odd_files(&mut cases);
    cases
}

fn elf(cases: &mut Vec<Case>) {
    let damages = Damage::catalogue().into_iter().filter(|damage| !damage.hides_name_table());
    for damage in damages {
        let what = format!("{damage:?}").replace(['(', ')'], "-").to_lowercase();
        let name = format!("damage/elf/{}", what.trim_end_matches('-'));
        for codec in Compression::ALL {
            let module = full().damage(damage);
            let suffix = codec.suffix().trim_start_matches('.');
            let name = format!("{name}/plain{suffix}");
            cases.push(Case::new(name, between(file(module, codec))));
        }
        for (how, module) in [
            ("no-crcs", full().crc_style(CrcStyle::None)),
            ("absolute", full().crc_style(CrcStyle::Absolute)),
            ("mips", full().arch(Arch::Mips)),
            ("i386", full().arch(Arch::I386)),
            ("s390x", full().arch(Arch::S390x)),
        ] {
            let tree = between(file(module.damage(damage), Compression::None));
            let case = Case::new(format!("{name}/{how}"), tree);
            cases.push(case.with(&["-e", "-E", "{symvers}"]));
        }
        let tree = between(file(full().damage(damage), Compression::None));
        let path = "{dir}/kernel/middle.ko";
        cases.push(Case::new(format!("{name}/operand"), tree).args(&[
            "-b",
            "{root}",
            "{version}",
            path,
        ]));
    }
}

fn streams(cases: &mut Vec<Case>) {
    for codec in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
        let name = codec.suffix().trim_start_matches('.');
        for oddity in Oddity::ALL {
            let tree = between(file(full(), codec).odd(oddity));
            cases.push(Case::new(format!("damage/{name}/{oddity:?}").to_lowercase(), tree));
        }
        // The codec is that of the content; a codec twice is that of the outer one.
        for suffix in Compression::ALL {
            let other = suffix.suffix();
            let tree = between(file(full(), codec).suffix(other));
            cases.push(Case::new(format!("damage/{name}/called{other}"), tree));
            if let Ok(bytes) = suffix.encode(&full().to_bytes()) {
                let tree = between(file(bytes, codec));
                cases.push(Case::new(format!("damage/{name}/twice{other}"), tree));
            }
        }
        let Ok(stream) = codec.encode(&full().padding(3000).to_bytes()) else { continue };
        let raw = |bytes: &[u8]| {
            let file = TreeModule::new("kernel/middle.ko", bytes).suffix(codec.suffix());
            between(file)
        };
        let last = stream.len() - 1;
        let cuts = (0..14).chain((1..12).map(|part| stream.len() * part / 12));
        for cut in cuts.chain([last - 12, last - 8, last - 4, last - 1, last]) {
            let case = format!("damage/{name}/cut-at-{cut}");
            if !cases.iter().any(|old| old.name == case) {
                cases.push(Case::new(case, raw(&stream[..cut])));
            }
        }
        for at in
            (0..40).chain((1..12).map(|part| stream.len() * part / 12)).chain(last - 30..=last)
        {
            let mut bytes = stream.clone();
            bytes[at] ^= 0x55;
            let case = format!("damage/{name}/wrong-byte-{at}");
            if !cases.iter().any(|old| old.name == case) {
                cases.push(Case::new(case, raw(&bytes)));
            }
        }
        // kmod reads 8 KiB at a time, and its second and third attempt at a damaged file begin
        // where the one before stopped.
        let Ok(large) = codec.encode(&full().padding(150_000).to_bytes()) else { continue };
        let pieces = (1..large.len() / 8192).flat_map(|n| [n * 8192 - 1, n * 8192, n * 8192 + 1]);
        for at in pieces.chain([20, large.len() / 2, large.len() - 2]) {
            let mut bytes = large.clone();
            bytes[at] ^= 0x55;
            cases.push(Case::new(format!("damage/{name}/large/wrong-byte-{at}"), raw(&bytes)));
            cases.push(Case::new(format!("damage/{name}/large/cut-at-{at}"), raw(&large[..at])));
            // The rest looks like a file of its own.
            let mut bytes = large.clone();
            bytes[20] ^= 0x55;
            let head: Vec<u8> = large.iter().copied().take(large.len() - at).collect();
            bytes[at..].copy_from_slice(&head);
            cases.push(Case::new(format!("damage/{name}/large/again-at-{at}"), raw(&bytes)));
        }
        for (what, content) in [("empty", &b""[..]), ("text", b"no ELF file at all, but longer")] {
            let tree = between(file(content, codec));
            cases.push(Case::new(format!("damage/{name}/of-{what}"), tree));
        }
    }
}

/// Files that are no stream of any codec.
fn odd_files(cases: &mut Vec<Case>) {
    let contents: [(&str, &[u8]); 12] = [
        ("one-byte", b"x"),
        ("five-bytes", b"\x7fELF\x02"),
        ("six-bytes", b"\x7fELF\x02\x01"),
        ("zeros", &[0; 4096]),
        ("magic-of-xz", b"\xfd7zXZ\0"),
        ("magic-of-gzip", b"\x1f\x8b\x08\0\0\0"),
        ("magic-of-zstd", b"\x28\xb5\x2f\xfd\0\0"),
        ("short-gzip", b"\x1f\x8b"),
        ("skippable-zstd", b"\x50\x2a\x4d\x18\x04\0\0\0abcd"),
        ("old-lzma", b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0"),
        ("bzip2", b"BZh91AY&SY"),
        ("script", b"#!/bin/sh\nexit 0\n"),
    ];
    for (what, bytes) in contents {
        for codec in Compression::ALL {
            let file = TreeModule::new("kernel/middle.ko", bytes).suffix(codec.suffix());
            let name = format!("damage/file/{what}{}", codec.suffix());
            cases.push(Case::new(name, between(file)));
        }
    }
}

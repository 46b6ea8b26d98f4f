//! One fixed, realistic tree: about 300 modules named and wired like those of a distribution's
//! kernel, for demonstrations and for tests that want size without a kernel package at hand.
//!
//! The names are tables; the rest (which symbols of a library a driver uses, how many devices it
//! knows, how large it is) is drawn from a generator seeded by the module's name, so adding a
//! module changes no other.

mod libraries;
mod tables;

use std::collections::HashMap;

use crate::compress::Compression;
use crate::elf::{Module, symbol_crc};
use crate::rng::Rng;
use crate::tree::{Tree, TreeModule};
use libraries::LIBRARIES;
use tables::{BUILTIN, Bus, DEVICE_NODES, FAMILIES, SOFTDEPS, VMLINUX, WEAKDEPS};

/// The version of the sample tree.
pub const VERSION: &str = "6.12.0-sample";

/// Bytes of a signature made with a 4096-bit key.
const SIGNATURE: usize = 668;

/// The tree. Every call gives the same one.
#[must_use]
pub fn sample_tree() -> Tree {
    let exports: HashMap<&str, Vec<String>> =
        LIBRARIES.iter().map(|lib| (base_name(lib.path), symbols(lib.exports))).collect();

    let mut tree = Tree::new(VERSION);
    for library in LIBRARIES {
        let mut module = driver(library.path, library.needs, Bus::Nothing, &exports);
        for symbol in symbols(library.exports) {
            module = module.export(&symbol);
        }
        tree.modules.push(file(library.path, module));
    }
    for family in FAMILIES {
        for name in family.names.split_whitespace() {
            let path = format!("{}/{name}", family.dir);
            tree.modules.push(file(&path, driver(&path, family.needs, family.bus, &exports)));
        }
    }
    // The build lists its own modules; what was added later is in no list.
    let mut tree = tree.order_as_listed();
    for (path, needs, bus) in [
        ("updates/dkms/e1000e", "ptp", Bus::Pci(0x8086)),
        ("updates/dkms/v4l2loopback", "videodev", Bus::Nothing),
    ] {
        tree.modules.push(file(path, driver(path, needs, bus, &exports)));
    }

    let builtin: Vec<_> = BUILTIN.iter().map(|(path, _)| format!("{path}.ko")).collect();
    let modinfo: Vec<_> = BUILTIN.iter().flat_map(builtin_modinfo).collect();
    tree.builtin(builtin.iter().map(String::as_str))
        .builtin_modinfo(modinfo.iter().map(String::as_str))
        .system_map(VMLINUX.split_whitespace().chain(["module_layout"]))
        .symvers(
            VMLINUX
                .split_whitespace()
                .chain(["module_layout"])
                .map(|symbol| (symbol, symbol_crc(symbol))),
        )
        .conf("distribution.conf", "# locally built modules first\nsearch updates built-in\n")
}

/// The last component of a path.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `"ptp_clock_ register event"` is `ptp_clock_register` and `ptp_clock_event`.
fn symbols(compact: &str) -> Vec<String> {
    let mut words = compact.split_whitespace();
    let prefix = words.next().unwrap_or_default();
    words.map(|word| format!("{prefix}{word}")).collect()
}

/// Each part of the tree has its own codec, so that all four are seen.
fn file(path: &str, module: Module) -> TreeModule {
    let codec = match path {
        _ if path.starts_with("kernel/drivers/net/") => Compression::Xz,
        _ if path.starts_with("kernel/sound/") => Compression::Gzip,
        _ if path.starts_with("kernel/crypto/") => Compression::Gzip,
        _ if path.starts_with("kernel/lib/") => Compression::None,
        _ if path.starts_with("kernel/drivers/media/") => Compression::None,
        _ if path.starts_with("updates/") => Compression::None,
        _ => Compression::Zstd,
    };
    TreeModule::new(format!("{path}.ko"), module).compressed(codec)
}

/// A module that uses some symbols of each module it needs, and of the kernel.
fn driver(path: &str, needs: &str, bus: Bus, exports: &HashMap<&str, Vec<String>>) -> Module {
    let name = base_name(path);
    let mut rng = Rng::new(u64::from(symbol_crc(path)));
    let mut module = Module::new(name)
        .vermagic(format!("{VERSION} SMP preempt mod_unload modversions "))
        .modversions()
        .padding(rng.between(1_000, 20_000))
        .license(if rng.chance(1, 5) { "Dual BSD/GPL" } else { "GPL" })
        .modinfo("description", &format!("{name} sample module"))
        .modinfo("author", "The kernel developers")
        .depends(&needs.replace(' ', ",").replace('-', "_"));
    if !path.starts_with("updates/") {
        module = module.signed(SIGNATURE);
    }

    for alias in aliases(name, bus, &mut rng) {
        module = module.alias(&alias);
    }
    for (_, node, kind, major, minor) in DEVICE_NODES.iter().filter(|entry| entry.0 == name) {
        module = module.alias(&format!("{kind}-major-{major}-{minor}"));
        module = module.alias(&format!("devname:{node}"));
    }
    for (_, softdep) in SOFTDEPS.iter().filter(|entry| entry.0 == name) {
        module = module.softdep(softdep);
    }
    for (_, weakdep) in WEAKDEPS.iter().filter(|entry| entry.0 == name) {
        module = module.weakdep(weakdep);
    }
    for parameter in 0..rng.below(3) {
        module = module.modinfo("parmtype", &format!("debug{parameter}:int"));
    }

    let mut imports: Vec<&str> = Vec::new();
    for needed in needs.split_whitespace() {
        let symbols = exports.get(needed).map(Vec::as_slice).unwrap_or_default();
        // Always the first, so that the dependency exists; then some of the others.
        imports.extend(symbols.first().map(String::as_str));
        imports.extend(symbols.iter().skip(1).filter(|_| rng.chance(1, 2)).map(String::as_str));
    }
    imports.extend(VMLINUX.split_whitespace().filter(|_| rng.chance(1, 3)));
    rng.shuffle(&mut imports);
    for symbol in imports {
        module = module.import(symbol);
    }
    module
}

fn aliases(name: &str, bus: Bus, rng: &mut Rng) -> Vec<String> {
    let ids = rng.between(2, 30);
    let id = rng.below(0xff00);
    let plain = name.replace('_', "-");
    let repeat = |alias: &dyn Fn(usize) -> String| (0..ids).map(|n| alias(id + n)).collect();
    match bus {
        Bus::Pci(vendor) => {
            repeat(&|id| format!("pci:v0000{vendor:04X}d0000{id:04X}sv*sd*bc*sc*i*"))
        }
        Bus::Usb(vendor) => {
            repeat(&|id| format!("usb:v{vendor:04X}p{id:04X}d*dc*dsc*dp*ic*isc*ip*in*"))
        }
        Bus::Hid => repeat(&|id| format!("hid:b0003g*v0000046Dp0000{id:04X}")),
        Bus::I2c => vec![
            format!("i2c:{name}"),
            format!("of:N*T*Cvendor,{plain}C*"),
            format!("of:N*T*Cvendor,{plain}"),
        ],
        Bus::Of => vec![
            format!("of:N*T*Cvendor,{plain}-[a-f]C*"),
            format!("mdio:{id:016b}????????????????"),
        ],
        Bus::Acpi => vec![
            format!("acpi*:{}{id:04X}:*", name[..3].to_uppercase()),
            format!("dmi*:bvn*:bvr*:svn*{name}*:pn[A-Z]*:"),
        ],
        Bus::Platform => vec![format!("platform:{name}")],
        Bus::Crypto => vec![plain.clone(), format!("crypto-{plain}"), format!("crypto-{name}")],
        Bus::Fs => vec![format!("fs-{name}")],
        Bus::NetFilter => match name.split_once('_') {
            Some(("xt", rest)) => vec![format!("ipt_{rest}"), format!("ip6t_{rest}")],
            Some(("nft", rest)) => vec![format!("nft-expr-{rest}")],
            _ => vec![format!("nfct-helper-{name}"), format!("ip_{}", &name[3..])],
        },
        Bus::HdaCodec => repeat(&|id| format!("hdaudio:v10EC{id:04X}r*a01*")),
        Bus::Virtio => vec![format!("virtio:d{:08X}v*", id % 40)],
        Bus::Nothing => Vec::new(),
    }
}

/// What `modules.builtin.modinfo` says about one built-in.
fn builtin_modinfo((path, alias): &(&str, &str)) -> Vec<String> {
    let name = base_name(path);
    let mut entries = vec![format!("{name}.file={}", &path["kernel/".len()..])];
    entries.push(format!("{name}.license=GPL"));
    if !alias.is_empty() {
        entries.push(format!("{name}.alias={alias}"));
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::elf::module_name;

    #[test]
    fn has_the_promised_size_and_all_codecs() {
        let tree = sample_tree();
        assert!((280..=340).contains(&tree.modules.len()), "{}", tree.modules.len());
        let codecs: BTreeSet<_> = tree.modules.iter().map(|file| file.compression).collect();
        assert_eq!(codecs.len(), 4);
        assert_eq!(tree, sample_tree());
    }

    #[test]
    fn tables_name_only_what_exists() {
        let tree = sample_tree();
        let names: BTreeSet<_> = tree
            .modules
            .iter()
            .map(|file| base_name(file.path.trim_end_matches(".ko")).to_owned())
            .collect();
        // `updates/dkms` repeats one name on purpose; otherwise names are unique, also when `-`
        // and `_` are the same.
        let normal: BTreeSet<_> = names.iter().map(|name| module_name(name)).collect();
        assert_eq!(normal.len(), tree.modules.len() - 1);
        let needs = LIBRARIES.iter().map(|lib| lib.needs).chain(FAMILIES.iter().map(|f| f.needs));
        let listed = DEVICE_NODES
            .iter()
            .map(|entry| entry.0)
            .chain(SOFTDEPS.iter().map(|entry| entry.0))
            .chain(WEAKDEPS.iter().map(|entry| entry.0))
            .chain(needs.flat_map(str::split_whitespace));
        for name in listed {
            assert!(names.contains(name), "{name}");
        }
    }
}

//! Who provides what to whom: exports, imports, the kernel's own symbols, cycles; and what else
//! a module says about itself.

use modgen::{Arch, CrcStyle, Module, Tree};

use super::case::Case;

fn base() -> Tree {
    Tree::new("6.6.0-symbols").order([]).builtin([]).builtin_modinfo([])
}

fn add(mut tree: Tree, modules: impl IntoIterator<Item = Module>) -> Tree {
    for module in modules {
        let path = format!("kernel/{}.ko", module.name());
        tree = tree.module(&path, module);
    }
    tree
}

fn m(name: &str) -> Module {
    Module::new(name)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    owners(&mut cases);
    kernel(&mut cases);
    cycles(&mut cases);
    modinfo(&mut cases);
    cases
}

fn owners(cases: &mut Vec<Case>) {
    let sets: Vec<(&str, Vec<Module>)> = vec![
        ("chain", vec![m("a").export("a1"), m("b").import("a1").export("b1"), m("c").import("b1")]),
        ("two-owners", vec![m("a").export("s"), m("b").export("s"), m("c").import("s")]),
        ("own-symbol-also-elsewhere", vec![m("a").export("s").import("s"), m("b").export("s")]),
        ("weak", vec![m("a").export("s"), m("b").import_weak("s").import_weak("lost")]),
        ("versions-only", vec![m("a").export("s"), m("b").version_entry("s", 1)]),
        (
            "versions-first",
            vec![
                m("a").export("s"),
                m("z").export("t"),
                m("b").version_entry("s", 1).import("t").modversions(),
            ],
        ),
        ("dot", vec![m("a").export("s"), m("b").import(".s"), m("c").import("..s")]),
        ("dot-export", vec![m("a").export(".s"), m("b").import("s"), m("c").import(".s")]),
        (
            "prefix",
            vec![m("a").export("s"), m("b").import("_s"), m("c").import("__s").import("._s")],
        ),
        ("empty-name", vec![m("a").export("").export("s"), m("b").import("").import("s")]),
        ("namespaces", vec![m("a").export_ns("s", "NS"), m("b").import("s").import_ns("NS")]),
        (
            "no-crcs",
            vec![
                m("a").export("s").export("t").crc_style(CrcStyle::None),
                m("b").import("s").import("NS"),
            ],
        ),
        (
            "namespaces-no-crcs",
            vec![
                m("a").export_ns("s", "NS").export_ns("t", "NS").crc_style(CrcStyle::None),
                m("b").import("s").import("NS"),
            ],
        ),
        ("absolute", vec![m("a").export("s").crc_style(CrcStyle::Absolute), m("b").import("s")]),
        (
            "long-names",
            vec![
                m("a").export(&"s".repeat(5000)).export(&"t".repeat(63)).export(&"u".repeat(64)),
                m("b").import(&"s".repeat(5000)).import(&"u".repeat(64)).modversions(),
            ],
        ),
        ("not-ascii", vec![m("a").export("süß").export("s"), m("b").import("süß").import("s")]),
        ("repeated-import", vec![m("a").export("s"), m("b").import("s").import("s")]),
        (
            "sparc",
            vec![
                m("a").arch(Arch::Sparc64).export("s"),
                m("b").arch(Arch::Sparc64).register_symbol("s").register_symbol(""),
                m("c").arch(Arch::Sparc).register_symbol("s").import("s"),
                m("d").register_symbol("s"),
            ],
        ),
        (
            "arches-mixed",
            Arch::ALL
                .into_iter()
                .enumerate()
                .map(|(n, arch)| {
                    let name = format!("m{n}");
                    m(&name)
                        .arch(arch)
                        .export(&format!("s{n}"))
                        .import(&format!("s{}", n + 1))
                        .modversions()
                })
                .collect(),
        ),
        (
            "fan",
            (0..40)
                .map(|n| {
                    let name = format!("m{n}");
                    let module = m(&name).export(&format!("s{n}"));
                    (0..n).step_by(3).fold(module, |module, to| module.import(&format!("s{to}")))
                })
                .collect(),
        ),
        (
            "diamond",
            vec![
                m("top").import("l").import("r"),
                m("left").export("l").import("b"),
                m("right").export("r").import("b"),
                m("bottom").export("b"),
            ],
        ),
    ];
    for (name, modules) in sets {
        let order: Vec<String> =
            modules.iter().rev().map(|module| format!("kernel/{}.ko", module.name())).collect();
        let tree = add(base(), modules).symvers([("printk", 1)]);
        for (how, options) in [
            ("plain", &[][..]),
            ("verbose", &["-v"]),
            ("errors", &["-e", "-E", "{symvers}"]),
            ("prefixed", &["-P", "_", "-e", "-E", "{symvers}"]),
            ("warned", &["-w"]),
        ] {
            let case = Case::new(format!("symbols/{name}/{how}"), tree.clone());
            cases.push(case.with(options));
        }
        let ordered = tree.clone().order(order.iter().map(String::as_str));
        cases.push(Case::new(format!("symbols/{name}/ordered"), ordered).with(&["-v"]));
    }
}

/// What System.map and Module.symvers may look like.
fn kernel(cases: &mut Vec<Case>) {
    let tree = || {
        add(
            base(),
            [
                m("a").export_crc("own", 0x1111).export("printk"),
                m("b").import_crc("printk", 5).import_crc("own", 0x1111).modversions(),
                m("c").import_crc("kfree", 7).import_crc("own", 0x2222).import_weak("gone"),
                m("d")
                    .import("__this_module")
                    .import("_GLOBAL_OFFSET_TABLE_")
                    .import("TOC.")
                    .import("x"),
                m("e").import_crc("kfree", 8).version_entry("module_layout", 9).import(".kfree"),
            ],
        )
    };
    let maps: [(&str, &str); 15] = [
        ("plain", "0 T kfree\n0 r __ksymtab_kfree\n"),
        ("gpl", "0 r __ksymtab_gpl_kfree\n0 r __ksymtab_unused_kfree\n"),
        ("strings", "0 r __ksymtab_strings\n0 r __kstrtab_kfree\n0 r __ksymtab_\n"),
        ("prefixed", "0 r ___ksymtab_kfree\n0 r ____ksymtab_x\n"),
        ("module-column", "0 r __ksymtab_kfree\t[mod]\n0 r __ksymtab_kfree [mod]\n"),
        ("two-spaces", "0  r __ksymtab_kfree\n0 r  __ksymtab_kfree\n"),
        ("tabs", "0\tr\t__ksymtab_kfree\n"),
        ("short", "0\n0 r\n0 r \n\n"),
        ("no-newline", "0 r __ksymtab_kfree"),
        ("no-newline-short", "0 r __ksymtab_kfree\nshort"),
        ("carriage-returns", "0 r __ksymtab_kfree\r\n"),
        ("crcs", "0 A __crc_kfree\n0 r __ksymtab_kfree\n"),
        ("own", "0 r __ksymtab_own\n0 r __ksymtab_printk\n0 r __ksymtab_printk\n"),
        ("nul", "0 r __ksymtab_kfree\0x\nsh\0ort\n"),
        ("empty", ""),
    ];
    for (name, text) in maps {
        let mut tree = tree();
        tree.system_map = Some(text.to_owned());
        for (how, options) in [
            ("plain", &["-F", "{map}"][..]),
            ("errors", &["-e", "-F", "{map}"]),
            ("prefixed", &["-P", "_", "-e", "-F", "{map}"]),
        ] {
            let case = Case::new(format!("kernel/map/{name}/{how}"), tree.clone());
            cases.push(case.with(options));
        }
    }
    let tables: [(&str, &str); 21] = [
        ("plain", "0x00000007\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n"),
        ("four-fields", "0x00000007\tkfree\tvmlinux\tEXPORT_SYMBOL\n"),
        ("three-fields", "0x00000007\tkfree\tvmlinux\n"),
        ("three-fields-tab", "0x00000007\tkfree\tvmlinux\t\n"),
        ("two-fields", "0x00000007\tkfree\n"),
        ("one-field", "0x00000007\n"),
        ("spaces", "0x7 kfree vmlinux EXPORT_SYMBOL\n"),
        ("leading", "  \t0x7 kfree  vmlinux\tEXPORT_SYMBOL\n"),
        ("no-0x", "00000007\tkfree\tvmlinux\tX\n"),
        ("other-module", "0x7\tkfree\tdrivers/a\tX\n0x7\tkfree\tvmlinux.o\tX\n"),
        ("bad-number", "0xzz\tkfree\tvmlinux\tX\n0x7x\tx\tvmlinux\tX\n"),
        ("empty-number", "\t\tvmlinux\tX\n"),
        ("minus", "-7\tkfree\tvmlinux\tX\n+8\tx\tvmlinux\tX\n"),
        ("too-large", "0x100000007\tkfree\tvmlinux\tX\n0xffffffffffffffffffff\tx\tvmlinux\tX\n"),
        ("upper", "0X0000000A\tkfree\tvmlinux\tX\n"),
        ("no-newline", "0x7\tkfree\tvmlinux\tX"),
        ("carriage-returns", "0x7\tkfree\tvmlinux\tX\r\n"),
        ("repeated", "0x5\tkfree\tvmlinux\tX\t\n0x7\tkfree\tvmlinux\tX\t\n"),
        ("own", "0x1\town\tvmlinux\tX\t\n0x5\tprintk\tvmlinux\tX\t\n"),
        ("blank", "\n\n0x7\tkfree\tvmlinux\tX\n"),
        ("empty", ""),
    ];
    for (name, text) in tables {
        let mut tree = tree();
        tree.symvers = Some(text.to_owned());
        for (how, options) in
            [("plain", &["-E", "{symvers}"][..]), ("errors", &["-e", "-E", "{symvers}"])]
        {
            let case = Case::new(format!("kernel/symvers/{name}/{how}"), tree.clone());
            cases.push(case.with(options));
        }
    }
    // Lines longer than kmod's buffer of 10,240 bytes go on as lines of their own.
    for length in [10_200, 10_239, 10_240, 10_241, 20_480, 25_000] {
        let long = "l".repeat(length);
        let mut tree = tree();
        tree.system_map = Some(format!("0 r __ksymtab_{long}\n0 r __ksymtab_kfree\n{long}\n"));
        tree.symvers = Some(format!("0x7\t{long}\tvmlinux\tX\n0x7\tkfree\tvmlinux\tX\n"));
        for (what, option, file) in [("map", "-F", "{map}"), ("symvers", "-E", "{symvers}")] {
            let case = Case::new(format!("kernel/{what}/long-{length}"), tree.clone());
            cases.push(case.with(&["-e", option, file]));
        }
    }
}

fn cycles(cases: &mut Vec<Case>) {
    let ring = |names: &[&str]| -> Vec<Module> {
        let next = |at: usize| names[(at + 1) % names.len()];
        let one = |(at, name): (usize, &&str)| {
            m(name).export(&format!("in_{name}")).import(&format!("in_{}", next(at)))
        };
        names.iter().enumerate().map(one).collect()
    };
    let sets: Vec<(&str, Vec<Module>)> = vec![
        ("itself", ring(&["a"])),
        ("two", ring(&["a", "b"])),
        ("three", ring(&["c", "a", "b"])),
        ("eight", ring(&["h", "g", "f", "e", "d", "c", "b", "a"])),
        ("two-rings", [ring(&["a", "b"]), ring(&["c", "d", "e"])].concat()),
        (
            "with-users",
            [ring(&["a", "b"]), vec![m("user").import("in_a"), m("top").import("in_b")]].concat(),
        ),
        (
            "with-providers",
            [
                vec![m("base").export("base_one")],
                ring(&["a", "b"]).into_iter().map(|module| module.import("base_one")).collect(),
            ]
            .concat(),
        ),
        (
            "touching",
            vec![
                m("a").export("a").import("b").import("c"),
                m("b").export("b").import("a"),
                m("c").export("c").import("a"),
            ],
        ),
        (
            "nested",
            vec![
                m("a").export("a").import("b"),
                m("b").export("b").import("c").import("a"),
                m("c").export("c").import("a"),
            ],
        ),
        (
            "itself-and-others",
            vec![
                m("a").export("a").import("a").import("b"),
                m("b").export("b").import("a"),
                m("free"),
            ],
        ),
    ];
    for (name, modules) in sets {
        let tree = add(base(), modules.clone());
        cases.push(Case::new(format!("cycles/{name}"), tree.clone()));
        cases.push(Case::new(format!("cycles/shown/{name}"), tree.clone()).with(&["-n", "-v"]));
        let stale = Case::new(format!("cycles/over-old-files/{name}"), tree);
        cases.push(
            stale.prepare(|written| {
                std::fs::write(written.module_dir.join("modules.dep"), "old: \n")
            }),
        );
        let order: Vec<String> =
            modules.iter().rev().map(|module| format!("kernel/{}.ko", module.name())).collect();
        let tree = add(base().order(order.iter().map(String::as_str)), modules);
        cases.push(Case::new(format!("cycles/ordered/{name}"), tree));
    }
    for size in [3_usize, 5, 8, 12] {
        // Everyone needs everyone.
        let dense = (0..size).map(|n| {
            let name = format!("m{n}");
            let module = m(&name).export(&format!("s{n}"));
            (0..size).filter(|to| *to != n).fold(module, |it, to| it.import(&format!("s{to}")))
        });
        cases.push(Case::new(format!("cycles/dense-{size}"), add(base(), dense)));
    }
}

/// Aliases, soft dependencies and device nodes.
fn modinfo(cases: &mut Vec<Case>) {
    let sets: Vec<(&str, Vec<Module>)> = vec![
        ("same-alias", vec![m("a").alias("x"), m("b").alias("x").alias("x"), m("c").alias("x")]),
        ("prefixes", vec![m("a").alias("abc").alias("ab").alias("abcd").alias("b").alias("")]),
        ("normal", vec![m("a-b").alias("c-d").alias("[a-b]-c").alias("a_b").alias("a-b")]),
        ("brackets", vec![m("a").alias("x[y").alias("x]y").alias("[[x]]").alias("ok").alias("[")]),
        ("not-ascii", vec![m("a").alias("über").alias("x"), m("b").alias("y")]),
        ("softdeps", vec![m("a").softdep("pre: x-y").softdep(""), m("b").softdep(" post:z ")]),
        ("weakdeps", vec![m("a").weakdep("x-y z"), m("b").weakdep("")]),
        ("not-ascii-softdep", vec![m("a").softdep("pre: ü")]),
        ("no-equals", vec![m("a").modinfo_entry("alias").modinfo_entry("alias=x")]),
        ("empty-entries", vec![m("a").modinfo_entry("").modinfo_entry("=").alias("x")]),
        ("padded", vec![m("a").alias("x").alias("y").pad_modinfo(7)]),
        ("bare", vec![m("a").alias("x").bare_modinfo(), m("b").bare_modinfo()]),
        ("newline", vec![m("a").alias("x\ny"), m("b").softdep("pre: a\nalias z b")]),
        ("space", vec![m("a").alias("x y"), m("b").alias(" x").alias("x ")]),
        ("very-long", vec![m("a").alias(&"x".repeat(9000)).softdep(&"y".repeat(9000))]),
        ("quotes", vec![m("a").alias("a\"b'c\\d\te")]),
        ("long-name", vec![m(&"n".repeat(200)).alias("x").export("s"), m("b").import("s")]),
    ];
    for (name, modules) in sets {
        for (how, options) in [("plain", &[][..]), ("warned", &["-w"]), ("shown", &["-n"])] {
            let case = Case::new(format!("modinfo/{name}/{how}"), add(base(), modules.clone()));
            cases.push(case.with(options));
        }
    }
    let nodes: &[&[&str]] = &[
        &["devname:x", "char-major-10-1"],
        &["char-major-10-1", "devname:x"],
        &["block-major-10-1", "devname:x"],
        &["devname:x"],
        &["char-major-10-1"],
        &["devname:x", "char-major-10-*"],
        &["devname:x", "char-major-10"],
        &["devname:x", "char-major-10-1-2"],
        &["devname:x", "char-major-10-1x"],
        &["devname:x", "char-major--10-1"],
        &["devname:x", "char-major-+10-+1"],
        &["devname:x", "char-major- 10- 1"],
        &["devname:x", "char-major-010-0x1"],
        &["devname:x", "char-major-4294967296-1"],
        &["devname:x", "char-major-99999999999999999999-1"],
        &["devname:x", "char-major-10-1", "devname:y", "block-major-11-2"],
        &["devname:x", "devname:y", "char-major-10-1"],
        &["char-major-10-1", "char-major-11-2", "devname:x"],
        &["char-major-10-1", "block-major-11-2", "devname:x"],
        &["devname:"],
        &["devname:", "char-major-10-1"],
        &["devname:a b", "char-major-10-1"],
        &["Devname:x", "char-major-10-1"],
        &["devname:x", "Char-major-10-1"],
    ];
    for (number, aliases) in nodes.iter().enumerate() {
        let module = aliases.iter().fold(m("dev-node"), |module, alias| module.alias(alias));
        cases.push(Case::new(format!("devname/{number}"), add(base(), [module, m("other")])));
    }
}

//! The lists that the kernel build leaves beside the modules.

use std::fs;

use modgen::{Compression, Module, Tree};

use super::case::Case;

fn tree() -> Tree {
    let mut tree = Tree::new("6.6.0-lists")
        .builtin(["kernel/lib/crc32.ko"])
        .builtin_modinfo(["crc32.alias=crc"])
        .order([]);
    for name in ["delta", "alpha", "echo", "bravo", "charlie"] {
        let module = Module::new(name).export("shared").alias(&format!("{name}-alias"));
        let codec = if name == "bravo" { Compression::Gzip } else { Compression::None };
        tree = tree.compressed(&format!("kernel/{name}.ko"), codec, module);
    }
    tree
}

const ORDERS: &[(&str, &str)] = &[
    (
        "all",
        "kernel/echo.ko\nkernel/delta.ko\nkernel/charlie.ko\nkernel/bravo.ko\nkernel/alpha.ko\n",
    ),
    ("some", "kernel/echo.ko\nkernel/bravo.ko\n"),
    ("compressed-name", "kernel/bravo.ko.gz\nkernel/echo.ko.xz\n"),
    ("repeated", "kernel/echo.ko\nkernel/alpha.ko\nkernel/echo.ko\n"),
    ("unknown", "kernel/zulu.ko\nkernel/echo.ko\nelsewhere/alpha.ko\n"),
    ("blank-lines", "\n\nkernel/echo.ko\n\nkernel/alpha.ko\n\n"),
    ("spaces", " kernel/echo.ko\nkernel/alpha.ko \nkernel/delta.ko\n"),
    ("carriage-returns", "kernel/echo.ko\r\nkernel/alpha.ko\r\n"),
    ("no-last-newline", "kernel/echo.ko\nkernel/alpha.ko"),
    ("only-no-newline", "kernel/echo.ko"),
    ("dots", "./kernel/echo.ko\nkernel/./alpha.ko\nkernel//delta.ko\n/kernel/bravo.ko\n"),
    ("without-suffix", "kernel/echo\nkernel/alpha.o\n"),
    ("dashes", "kernel/ec-ho.ko\nkernel/ec_ho.ko\n"),
    ("nul", "kernel/echo.ko\0junk\nkernel/alpha.ko\n"),
    ("empty", ""),
    ("newline", "\n"),
];

const BUILTINS: &[(&str, &str)] = &[
    ("plain", "kernel/a.ko\nkernel/b-c.ko\n"),
    ("repeated", "kernel/a.ko\nother/a.ko\nkernel/a.ko\n"),
    ("no-newline", "kernel/a.ko\nkernel/b.ko"),
    ("no-suffix", "kernel/a\nb\n"),
    ("dots", "kernel/a.b.ko\nkernel/.ko\n.ko\nk.\n"),
    ("compressed", "kernel/a.ko.xz\n"),
    ("slashes", "/kernel/a.ko\nkernel/\nkernel//b.ko\nk/\n"),
    ("digits", "0kernel/a.ko\nkernel/0a.ko\n"),
    ("odd-starts", "_kernel/a.ko\n-b.ko\n kernel/c.ko\n\tkernel/d.ko\n#e.ko\nÄ.ko\n"),
    ("blank", "\n\nkernel/a.ko\n\n"),
    ("blank-first", " \nkernel/a.ko\n"),
    ("carriage-returns", "kernel/a.ko\r\nkernel/b.ko\r\n"),
    ("nul", "kernel/a.ko\0x\nkernel/b.ko\n"),
    ("not-ascii", "kernel/é.ko\nkernel/b.ko\n"),
    ("empty", ""),
];

const MODINFOS: &[(&str, &[u8])] = &[
    ("plain", b"a.alias=one\0a.license=GPL\0b.alias=two\0"),
    ("order", b"b.alias=z\0a.alias=z\0b.alias=a\0a.alias=a\0"),
    ("same", b"a.alias=x\0b.alias=x\0a.alias=x\0c.alias=x\0"),
    ("normal", b"a-b.alias=c-d\0a-b.alias=[a-b]-c\0"),
    ("brackets", b"a.alias=x[y\0a.alias=x]y\0a.alias=[x]]\0b.alias=ok\0"),
    ("empty-value", b"a.alias=\0b.alias=x\0"),
    ("no-dot", b"alias=x\0b.alias=x\0"),
    ("no-equals", b"a.alias\0b.alias=y\0c.alias=z\0"),
    ("no-module", b".alias=x\0b.alias=x\0"),
    ("more-dots", b"a.b.alias=x\0a.alias.b=y\0a..alias=z\0"),
    ("more-equals", b"a.alias=x=y\0a.alias==z\0a=b.alias=c\0"),
    ("empty-entries", b"\0\0a.alias=x\0\0\0b.alias=y\0"),
    ("no-last-nul", b"a.alias=x\0b.alias=y"),
    ("only-name", b"a.alias"),
    ("only-module", b"a"),
    ("newlines", b"a.alias=x\ny\0b.alias=z\n\0"),
    ("other-keys", b"a.aliasx=1\0a.xalias=2\0a.Alias=3\0a.alias =4\0"),
    ("not-ascii", b"a.alias=\xc3\xa9\0b.alias=x\0\xc3\xa9.alias=y\0"),
    ("empty", b""),
    ("a-nul", b"\0"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text) in ORDERS {
        let mut tree = tree();
        tree.order = Some((*text).to_owned());
        cases.push(Case::new(format!("lists/order/{name}"), tree));
    }
    for (name, text) in BUILTINS {
        let mut tree = tree();
        tree.builtin = Some((*text).to_owned());
        cases.push(Case::new(format!("lists/builtin/{name}"), tree));
    }
    for (name, bytes) in MODINFOS {
        let mut tree = tree();
        tree.builtin_modinfo = Some(bytes.to_vec());
        cases.push(Case::new(format!("lists/modinfo/{name}"), tree));
    }
    for length in [100, 1000, 4094, 4095, 4096, 4097, 5000, 9000] {
        let long = "x".repeat(length);
        let mut in_order = tree();
        in_order.order = Some(format!("kernel/{long}.ko\nkernel/echo.ko\n"));
        cases.push(Case::new(format!("lists/order/long-{length}"), in_order));
        let mut builtin = tree();
        builtin.builtin = Some(format!("kernel/{long}.ko\nkernel/echo.ko\n"));
        cases.push(Case::new(format!("lists/builtin/long-{length}"), builtin));
        for (what, text) in [
            ("module", format!("a.alias=x\0{long}.alias=y\0b.alias=z\0")),
            ("key", format!("a.alias=x\0c.{long}=y\0b.alias=z\0")),
            ("value", format!("a.alias=x\0c.alias={long}\0b.alias=z\0")),
            ("other", format!("a.alias=x\0c.parm={long}\0b.alias=z\0")),
        ] {
            let mut modinfo = tree();
            modinfo.builtin_modinfo = Some(text.into_bytes());
            cases.push(Case::new(format!("lists/modinfo/long-{what}-{length}"), modinfo));
        }
    }
    missing(&mut cases);
    cases
}

fn missing(cases: &mut Vec<Case>) {
    for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        let without = || {
            let mut tree = tree();
            match name {
                "modules.order" => tree.order = None,
                "modules.builtin" => tree.builtin = None,
                _ => tree.builtin_modinfo = None,
            }
            tree
        };
        cases.push(Case::new(format!("lists/missing/{name}"), without()));
        cases.push(Case::new(format!("lists/missing/shown/{name}"), without()).with(&["-n"]));
        let operand = ["-b", "{root}", "{version}", "{dir}/kernel/alpha.ko"];
        cases.push(Case::new(format!("lists/missing/file/{name}"), without()).args(&operand));
        let dir = Case::new(format!("lists/directory/{name}"), without());
        cases.push(dir.setup(move |written| fs::create_dir_all(written.module_dir.join(name))));
    }
    cases.push(Case::new("lists/missing/all", Tree::new("6.6.0-lists")));
    let empty = Tree::new("6.6.0-lists").order([]).builtin([]).builtin_modinfo([]);
    cases.push(Case::new("lists/empty-tree", empty.clone()));
    cases.push(Case::new("lists/empty-tree-shown", empty).with(&["-n"]));
}

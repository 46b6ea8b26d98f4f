//! What is found in a tree, what is made of its names, and where the files go.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use modgen::{Compression, Module, Tree, TreeModule};

use super::case::Case;

fn base() -> Tree {
    Tree::new("6.6.0-walk")
        .order([])
        .builtin([])
        .builtin_modinfo([])
        .module("kernel/known.ko", Module::new("known").export("known_one").alias("known-alias"))
}

fn m(name: &str) -> Module {
    Module::new(name).import("known_one").alias(name)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    names(&mut cases);
    links(&mut cases);
    outputs(&mut cases);
    cases
}

fn names(cases: &mut Vec<Case>) {
    let paths = [
        "top.ko",
        "kernel/a.b.ko",
        "kernel/.ko",
        "kernel/.hidden.ko",
        "kernel/..ko",
        "kernel/a..ko",
        "kernel/-dash-.ko",
        "kernel/UPPER.KO",
        "kernel/UPPER.ko",
        "kernel/a.ko.bak",
        "kernel/ako",
        "kernel/a.o",
        "kernel/a.ko.bz2",
        "kernel/a.ko.lzma",
        "kernel/a.ko.gz.xz",
        "kernel/a.ko.ko",
        "kernel/space in.ko",
        "kernel/tab\tin.ko",
        "kernel/new\nline.ko",
        "kernel/ünïcode.ko",
        "kernel/colon:.ko",
        "kernel/quote\".ko",
        "kernel/[a-b].ko",
        "kernel/*.ko",
        "kernel/a,b.ko",
        "build/in.ko",
        "source/in.ko",
        "kernel/build/in.ko",
        "kernel/source/in.ko",
        "kernel/builds/in.ko",
        "kernel/dir.ko/in.ko",
        ".hidden/in.ko",
        "kernel/build.ko",
        "kernel/x/y/z/1/2/3/4/5/deep.ko",
        "modules.ko",
        "modules.dep.ko",
        "0.ko",
        "kernel/a=b.ko",
    ];
    for (number, path) in paths.iter().enumerate() {
        let what = if path.is_ascii() { number.to_string() } else { "not-ascii".to_owned() };
        let case = Case::new(format!("walk/name/{what}"), base().module(path, m("x")));
        cases.push(case);
        let operand = format!("{{dir}}/{path}");
        let args = ["-b", "{root}", "{version}", &operand];
        let case = Case::new(format!("walk/operand/{what}"), base().module(path, m("x")));
        cases.push(case.args(&args));
    }
    for length in [60, 200, 240] {
        let name = "n".repeat(length);
        let tree = base().module(&format!("kernel/{name}.ko"), m("x"));
        cases.push(Case::new(format!("walk/name/long-{length}"), tree));
        let deep = format!("{}/x.ko", vec![&*name; 4096 / length].join("/"));
        if deep.len() < 3500 {
            cases.push(Case::new(format!("walk/deep-{length}"), base().module(&deep, m("x"))));
        }
    }
    let every = Compression::ALL.into_iter().fold(base(), |tree, codec| {
        let name = format!("m{}", codec.suffix().trim_start_matches('.'));
        tree.compressed(&format!("kernel/{name}.ko"), codec, m(&name))
    });
    cases.push(Case::new("walk/every-codec", every));
}

fn links(cases: &mut Vec<Case>) {
    let link = |name: &str, target: &str| base().file(TreeModule::symlink(name, target));
    let targets = [
        ("file", "kernel/link.ko", "known.ko"),
        ("absolute", "kernel/link.ko", "@ROOT@/lib/modules/6.6.0-walk/kernel/known.ko"),
        ("dangling", "kernel/link.ko", "nowhere.ko"),
        ("dangling-other", "kernel/link", "nowhere"),
        ("to-itself", "kernel/link.ko", "link.ko"),
        ("other-name", "kernel/link", "known.ko"),
        ("build", "build", "kernel"),
        ("build-dangling", "build", "nowhere"),
        ("dir-named-ko", "dir.ko", "@ROOT@/store"),
        ("dir", "linked", "@ROOT@/store"),
        ("dir-dangling", "linked", "@ROOT@/nowhere"),
        ("null", "kernel/null.ko", "/dev/null"),
    ];
    for (what, name, target) in targets {
        let store = vec![TreeModule::new("stored.ko", m("stored"))];
        let tree = link(name, target).external("store", store);
        cases.push(Case::new(format!("walk/link/{what}"), tree));
    }
    for (what, name, target) in [
        ("parent", "kernel/up", ".."),
        ("self", "kernel/self", "."),
        ("root", "kernel/r", "@ROOT@"),
    ] {
        cases.push(Case::new(format!("walk/loop/{what}"), link(name, target)));
    }
    let farm = || {
        let mut tree = base()
            .module("kernel/a.ko", m("a"))
            .compressed("kernel/b.ko", Compression::Xz, m("b"))
            .order(["kernel/b.ko", "kernel/a.ko"]);
        tree.symlink_farm = true;
        tree
    };
    cases.push(Case::new("walk/farm", farm()));
    cases.push(Case::new("walk/farm-shown", farm()).with(&["-n"]));
    let args = ["-b", "{root}", "{version}", "{dir}/kernel/a.ko", "{dir}/kernel/b.ko.xz"];
    cases.push(Case::new("walk/farm-operands", farm()).args(&args));

    cases.push(
        Case::new("walk/directory-named-ko", base())
            .setup(|written| fs::create_dir_all(written.module_dir.join("kernel/empty.ko"))),
    );
    cases.push(Case::new("walk/socket", base()).setup(|written| {
        let path = written.module_dir.join("kernel/socket.ko");
        std::os::unix::net::UnixListener::bind(path).map(drop)
    }));
    cases.push(Case::new("walk/tree-is-a-link", base()).setup(|written| {
        let elsewhere = written.root.join("elsewhere");
        fs::rename(&written.module_dir, &elsewhere)?;
        symlink(&elsewhere, &written.module_dir)
    }));
    cases.push(Case::new("walk/tree-is-a-file", base()).args(&[
        "-b",
        "{root}",
        "-C",
        "{conf}",
        "-m",
        "lib/modules/{version}/kernel",
        "9.9known.ko",
    ]));
}

/// Where the files go.
fn outputs(cases: &mut Vec<Case>) {
    let stale = |name: &'static str| {
        move |written: &modgen::Written| fs::write(written.module_dir.join(name), "old\n")
    };
    for name in ["modules.dep", "modules.alias.bin", "modules.devname", "modules.weakdep"] {
        cases.push(Case::new(format!("walk/over/{name}"), base()).prepare(stale(name)));
    }
    cases.push(Case::new("walk/over/read-only", base()).prepare(|written| {
        let path = written.module_dir.join("modules.dep");
        fs::write(&path, "old\n")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400))
    }));
    cases.push(Case::new("walk/over/link", base()).prepare(|written| {
        let path = written.module_dir.join("modules.dep");
        symlink("../target", path)
    }));
    cases.push(
        Case::new("walk/over/directory", base())
            .setup(|written| fs::create_dir_all(written.module_dir.join("modules.softdep/full"))),
    );
    let out = ["-b", "{root}", "-C", "{conf}", "-o", "{out}", "{version}"];
    cases.push(Case::new("walk/out/made", base()).args(&out));
    cases.push(
        Case::new("walk/out/a-file", base())
            .args(&out)
            .setup(|written| fs::write(written.root.join("out"), "")),
    );
    cases.push(Case::new("walk/out/below-a-file", base()).args(&out).setup(|written| {
        fs::create_dir_all(written.root.join("out"))?;
        fs::write(written.root.join("out/lib"), "")
    }));
    cases.push(
        Case::new("walk/out/link", base())
            .args(&out)
            .setup(|written| symlink(".", written.root.join("out"))),
    );
    cases.push(
        Case::new("walk/out/dangling", base())
            .args(&out)
            .setup(|written| symlink("nowhere", written.root.join("out"))),
    );
}

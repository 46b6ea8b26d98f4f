//! depmod.d, and which of several files for one module wins.

use modgen::{Compression, Module, Tree, TreeModule};

use super::case::Case;

/// Four copies of a module, each with a symbol that tells which one it is, and others beside.
fn copies() -> Tree {
    let copy = |path: &str, tag: &str| {
        TreeModule::new(path, Module::new("net").export("net_common").export(tag).alias(tag))
    };
    Tree::new("6.6.0-config")
        .file(copy("kernel/drivers/net.ko", "from_kernel"))
        .file(copy("updates/net.ko", "from_updates").compressed(Compression::Xz))
        .file(copy("extra/net.ko", "from_extra"))
        .file(copy("updates-more/deep/net.ko", "from_updates_more"))
        .module("kernel/user.ko", Module::new("user").import("net_common").import("my_one"))
        .module("kernel/my-dash_mod.ko", Module::new("my").export("my_one").alias("kernel"))
        .module("extra/my-dash_mod.ko", Module::new("my").export("my_one").alias("extra"))
        .module("weak-updates/only.ko", Module::new("only"))
        .external(
            "outside",
            vec![copy("net.ko", "from_outside"), TreeModule::new("sub/ext.ko", Module::new("ext"))],
        )
        .order(["kernel/drivers/net.ko", "kernel/user.ko", "updates/net.ko"])
        .builtin([])
        .builtin_modinfo([])
}

/// A search line that settles all copies of [`copies`], so that no directory's order counts.
const SETTLED: &str = "search updates extra updates-more external built-in\n";

/// Files of depmod.d: name, text. `@ROOT@` is the root.
const CONFIGS: &[(&str, &[(&str, &str)])] = &[
    ("settled", &[("a.conf", SETTLED)]),
    ("reversed", &[("a.conf", "search built-in external updates-more extra updates\n")]),
    ("built-in-between", &[("a.conf", "search extra built-in updates updates-more\n")]),
    ("without-built-in", &[("a.conf", "search extra updates updates-more\n")]),
    ("two-lines", &[("a.conf", "search updates updates-more\nsearch extra built-in\n")]),
    ("twice", &[("a.conf", "search updates extra updates updates-more built-in\n")]),
    ("longest-last", &[("a.conf", "search updates updates-more extra built-in kernel\n")]),
    ("slashes", &[("a.conf", "search updates/ /extra updates-more/deep built-in\n")]),
    ("deep", &[("a.conf", "search updates-more/deep extra updates built-in\n")]),
    (
        "external",
        &[(
            "a.conf",
            "search external updates extra updates-more built-in\nexternal * @ROOT@/outside\n",
        )],
    ),
    (
        "external-last",
        &[(
            "a.conf",
            "search updates extra updates-more built-in external\nexternal * @ROOT@/outside\n",
        )],
    ),
    (
        "external-in-no-search",
        &[("a.conf", "search updates extra updates-more built-in\nexternal * @ROOT@/outside\n")],
    ),
    (
        "external-slash",
        &[(
            "a.conf",
            "search external updates extra updates-more built-in\nexternal * @ROOT@/outside/\n",
        )],
    ),
    (
        "external-twice",
        &[(
            "a.conf",
            "search external updates extra updates-more built-in\nexternal * @ROOT@/outside\nexternal * @ROOT@/outside/sub\n",
        )],
    ),
    (
        "external-missing",
        &[("a.conf", "search updates extra updates-more built-in\nexternal * @ROOT@/missing\n")],
    ),
    (
        "external-relative",
        &[("a.conf", "search updates extra updates-more built-in\nexternal * outside\n")],
    ),
    (
        "external-other-kernel",
        &[("a.conf", "search updates extra updates-more built-in\nexternal 5.10 @ROOT@/outside\n")],
    ),
    (
        "external-this-kernel",
        &[(
            "a.conf",
            "search external updates extra updates-more built-in\nexternal 6\\\\.6 @ROOT@/outside\n",
        )],
    ),
    (
        "external-a-file",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\nexternal * @ROOT@/outside/net.ko\n",
        )],
    ),
    (
        "external-the-tree",
        &[(
            "a.conf",
            "search updates extra updates-more external built-in\nexternal * @ROOT@/lib/modules/6.6.0-config/weak-updates\n",
        )],
    ),
    (
        "override",
        &[("a.conf", "search updates extra updates-more built-in\noverride net * extra\n")],
    ),
    (
        "override-kernel",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\noverride net * kernel/drivers\n",
        )],
    ),
    (
        "override-wrong-dir",
        &[("a.conf", "search updates extra updates-more built-in\noverride net * kernel\n")],
    ),
    (
        "override-two",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\noverride net * extra\noverride net * kernel/drivers\n",
        )],
    ),
    (
        "override-regex",
        &[("a.conf", "search updates extra updates-more built-in\noverride net 6\\\\.6.* extra\n")],
    ),
    (
        "override-anchored",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\noverride net ^6.6.0-config$ extra\n",
        )],
    ),
    (
        "override-inner",
        &[("a.conf", "search updates extra updates-more built-in\noverride net onf extra\n")],
    ),
    (
        "override-bad-regex",
        &[("a.conf", "search updates extra updates-more built-in\noverride net ( extra\n")],
    ),
    (
        "override-classes",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\noverride net [[:digit:]]+.6 extra\n",
        )],
    ),
    (
        "override-repeat",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\noverride net ^(6\\\\.){2}0 extra\n",
        )],
    ),
    (
        "override-alternatives",
        &[("a.conf", "search updates extra updates-more built-in\noverride net ^5|^6 extra\n")],
    ),
    (
        "override-dash",
        &[("a.conf", "search built-in updates extra updates-more\noverride my-dash_mod * extra\n")],
    ),
    (
        "override-normal",
        &[("a.conf", "search built-in updates extra updates-more\noverride my_dash_mod * extra\n")],
    ),
    (
        "override-file-name",
        &[("a.conf", "search updates extra updates-more built-in\noverride net.ko * extra\n")],
    ),
    (
        "override-weak",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\noverride net * weak-updates/net\n",
        )],
    ),
    ("exclude-file", &[("a.conf", "search updates extra updates-more built-in\nexclude net.ko\n")]),
    (
        "exclude-compressed",
        &[("a.conf", "search updates extra updates-more built-in\nexclude net.ko.xz\n")],
    ),
    (
        "exclude-dir",
        &[("a.conf", "search updates extra updates-more built-in\nexclude extra drivers\n")],
    ),
    (
        "exclude-path",
        &[("a.conf", "search updates extra updates-more built-in\nexclude extra/net.ko\n")],
    ),
    ("exclude-top", &[("a.conf", "exclude kernel updates extra updates-more weak-updates\n")]),
    (
        "exclude-external",
        &[(
            "a.conf",
            "search external updates extra updates-more built-in\nexclude outside sub\nexternal * @ROOT@/outside\n",
        )],
    ),
    (
        "include",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\ninclude /x.conf\nmake_map_files yes\n",
        )],
    ),
    (
        "include-bare",
        &[("a.conf", "search updates extra updates-more built-in\ninclude\nmake_map_files\n")],
    ),
    (
        "bad-word",
        &[("a.conf", "search updates extra updates-more built-in\nsearching x\nSEARCH x\n")],
    ),
    (
        "bad-lines",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\nsearch\noverride\noverride net\noverride net *\nexternal\nexternal *\nexclude\n",
        )],
    ),
    (
        "comments",
        &[(
            "a.conf",
            "# search x\n  # not a comment\nsearch updates extra updates-more built-in # in\n#\n",
        )],
    ),
    ("blank", &[("a.conf", "\n\n   \n\t\nsearch updates extra updates-more built-in\n \n")]),
    ("tabs", &[("a.conf", "\tsearch\tupdates  extra\t\tupdates-more built-in\t\n")]),
    (
        "carriage-returns",
        &[("a.conf", "search updates extra updates-more built-in\r\n\r\nexclude only.ko\r\n")],
    ),
    ("no-newline", &[("a.conf", "exclude only.ko\nsearch updates extra updates-more built-in")]),
    ("continued", &[("a.conf", "search updates \\\n extra\\\n updates-more built-in\nbogus\n")]),
    (
        "continued-joined",
        &[("a.conf", "sea\\\nrch updates extra updates-more built-in\nbo\\\ngus\nalso bad\n")],
    ),
    ("continued-to-the-end", &[("a.conf", "search updates extra updates-more built-in\\\n")]),
    (
        "backslashes",
        &[("a.conf", "\\search updates extra updates-more built-in\nexclude on\\ly.ko \\\\\n")],
    ),
    (
        "backslash-at-end",
        &[("a.conf", "search updates extra updates-more built-in\nexclude only.ko\\")],
    ),
    ("empty-file", &[("a.conf", ""), ("b.conf", SETTLED)]),
    (
        "sorted",
        &[
            ("b.conf", "search extra built-in updates updates-more\n"),
            ("a.conf", "search updates extra\n"),
            ("B.conf", "search updates-more\n"),
        ],
    ),
    (
        "names",
        &[
            ("a.conf", SETTLED),
            (".conf", "exclude kernel\n"),
            ("x.con", "exclude kernel\n"),
            ("conf", "exclude kernel\n"),
            ("y.conf~", "exclude kernel\n"),
            (".z.conf", "exclude kernel\n"),
            ("q.CONF", "exclude kernel\n"),
            ("n.conf.conf", "exclude only.ko\n"),
        ],
    ),
    ("long-line", &[("a.conf", LONG)]),
    (
        "nul",
        &[(
            "a.conf",
            "search updates extra updates-more built-in\nexclude only.ko\0kernel\nexclude x\n",
        )],
    ),
    (
        "not-ascii",
        &[(
            "a.conf",
            "search updates extra updates-more built-in ünïcode\nexclude ünïcode.ko only.ko\nßad line\n",
        )],
    ),
];

const LONG: &str = concat!(
    "search updates extra updates-more built-in ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\nexclude only.ko\n",
);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, files) in CONFIGS {
        let mut tree = copies();
        for (name, text) in *files {
            tree = tree.conf(name, text);
        }
        cases.push(Case::new(format!("config/{name}"), tree.clone()).with(&["-vv"]));
        let operand = ["-b", "{root}", "-C", "{conf}", "{version}", "{dir}/extra/net.ko"];
        cases.push(Case::new(format!("config/operand/{name}"), tree).args(&operand));
    }
    directories(&mut cases);
    duplicates(&mut cases);
    cases
}

/// Several `-C`, and what is in a directory besides files.
fn directories(cases: &mut Vec<Case>) {
    let settled = || copies().conf("a.conf", SETTLED);
    let two = settled().conf("b.conf", "exclude only.ko\n").external("second/x", vec![]).external(
        "second",
        vec![
            TreeModule::new("a.conf", &b"search extra built-in updates updates-more\n"[..]),
            TreeModule::new("0.conf", &b"exclude user.ko\n"[..]),
            TreeModule::new("plain", &b"exclude kernel\n"[..]),
        ],
    );
    let lines: [(&str, &[&str]); 7] = [
        ("two-directories", &["-C", "{conf}", "-C", "{root}/second"]),
        ("the-other-first", &["-C", "{root}/second", "-C", "{conf}"]),
        ("a-file-and-a-directory", &["-C", "{root}/second/a.conf", "-C", "{conf}"]),
        ("a-file-of-any-name", &["-C", "{root}/second/plain"]),
        ("the-same-twice", &["-C", "{conf}", "-C", "{conf}"]),
        ("one-missing", &["-C", "{root}/missing", "-C", "{conf}"]),
        ("an-empty-directory", &["-C", "{root}/second/x"]),
    ];
    for (name, options) in lines {
        let args = [options, &["-b", "{root}", "{version}"]].concat();
        cases.push(Case::new(format!("config/dirs/{name}"), two.clone()).args(&args));
    }
    // One at a time: kmod complains in the order of the directory.
    let entries =
        [("dangling", "nowhere"), ("link", "a.conf"), ("loop", "odd.conf"), ("dir", "..")];
    for (name, target) in entries {
        let entry = vec![TreeModule::symlink("odd.conf", target)];
        let tree = settled().external("etc/depmod.d", entry);
        cases.push(Case::new(format!("config/dirs/odd-{name}"), tree));
    }
    let tree = settled().external("etc/depmod.d/odd.conf", vec![]);
    cases.push(Case::new("config/dirs/odd-subdirectory", tree));
}

/// Copies where the search order alone decides.
fn duplicates(cases: &mut Vec<Case>) {
    for seed in 0..24_u64 {
        let mut words = ["updates", "extra", "updates-more", "built-in", "kernel"];
        // Each seed is a permutation.
        let mut rest = seed * 5 + 1;
        for last in (1..words.len()).rev() {
            words.swap(last, (rest % (last as u64 + 1)) as usize);
            rest /= last as u64 + 1;
        }
        let tree = copies().conf("a.conf", &format!("search {}\n", words.join(" ")));
        cases.push(Case::new(format!("config/search/{seed}"), tree));
    }
}

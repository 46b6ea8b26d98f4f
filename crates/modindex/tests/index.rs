//! The index of small trees, written next to the assertion.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use modgen::{Compression, CrcStyle, Damage, Module, Oddity, Section, Shape, Tree, TreeModule};
use modindex::plan::{KernelSymbolFile, Select};
use modindex::{Diagnostic, Error, Level};
use support::{Fixture, index, run};

fn tree() -> Tree {
    Tree::new("6.1.0")
}

#[test]
fn a_line_lists_all_that_is_needed_users_first() {
    let outcome = index(
        &tree()
            .module("k/top.ko", Module::new("top").import("mid").import("low"))
            .module("k/mid.ko", Module::new("mid").export("mid").import("low"))
            .compressed("k/low.ko", Compression::Xz, Module::new("low").export("low"))
            .order_as_listed(),
    );
    assert_eq!(
        outcome.lines("modules.dep"),
        ["k/top.ko: k/mid.ko k/low.ko.xz", "k/mid.ko: k/low.ko.xz", "k/low.ko.xz:"]
    );
    assert_eq!(
        outcome.records("modules.dep.bin"),
        ["low k/low.ko.xz:", "mid k/mid.ko: k/low.ko.xz", "top k/top.ko: k/mid.ko k/low.ko.xz"]
    );
    assert_eq!(outcome.records("modules.symbols.bin"), ["symbol:low low", "symbol:mid mid"]);
}

#[test]
fn the_later_of_two_exporters_owns_a_symbol() {
    let outcome = index(
        &tree()
            .module("a.ko", Module::new("a").export("x"))
            .module("b.ko", Module::new("b").export("x"))
            .module("c.ko", Module::new("c").import("x"))
            .order(["b.ko", "a.ko"]),
    );
    assert_eq!(outcome.records("modules.symbols.bin"), ["symbol:x a"]);
    assert!(outcome.lines("modules.dep").contains(&"c.ko: a.ko".to_owned()));
}

#[test]
fn a_version_without_a_symbol_is_needed_too() {
    let outcome = index(
        &tree()
            .module("a.ko", Module::new("a").export("x"))
            .module("b.ko", Module::new("b").version_entry("x", 0)),
    );
    assert!(outcome.lines("modules.dep").contains(&"b.ko: a.ko".to_owned()));
}

#[test]
fn aliases_are_normalised_in_the_index_alone() {
    let outcome = index(&tree().module(
        "a-b.ko",
        Module::new("a_b").alias("of:N*T*Cfoo-bar[a-z]").alias("bad[").softdep("pre: c-d"),
    ));
    assert_eq!(
        outcome.lines("modules.alias"),
        ["alias of:N*T*Cfoo-bar[a-z] a_b", "alias bad[ a_b"]
    );
    assert_eq!(outcome.records("modules.alias.bin"), ["of:N*T*Cfoo_bar[a-z] a_b"]);
    assert_eq!(outcome.lines("modules.softdep"), ["softdep a_b pre: c-d"]);
    assert!(outcome.words().contains(&"Unmatched bracket in bad[".to_owned()));
}

#[test]
fn builtin_lists_become_indexes() {
    let outcome = index(&tree().builtin(["kernel/lib/crc-x.ko", "0bad"]).builtin_modinfo([
        "crc_x.alias=crypto-crc",
        "crc_x.license=GPL",
        "y.alias=z",
    ]));
    assert_eq!(outcome.records("modules.builtin.bin"), ["crc_x "]);
    assert_eq!(outcome.records("modules.builtin.alias.bin"), ["crypto_crc crc_x", "z y"]);
    assert!(outcome.words().contains(&"Invalid modules.builtin line: 0bad\n".to_owned()));
}

#[test]
fn devname_takes_the_last_of_each_and_stops() {
    let outcome = index(
        &tree()
            .module(
                "a.ko",
                Module::new("a").alias("devname:x").alias("devname:y").alias("char-major-10-200"),
            )
            .module("b.ko", Module::new("b").alias("devname:b"))
            .module("c.ko", Module::new("c").alias("block-major-7-*"))
            .order_as_listed(),
    );
    assert_eq!(outcome.lines("modules.devname"), ["a y c10:200"]);
    assert!(outcome.words().iter().any(|words| words.starts_with("Module 'b' has devname (b)")));
}

#[test]
fn an_empty_tree_has_eleven_files() {
    let outcome = index(&tree());
    assert_eq!(outcome.files.len(), 11);
    assert_eq!(outcome.files["modules.alias.bin"].len(), 12);
    // No lists of what is built in: no index of it, which readers tell from an empty one.
    assert_eq!(outcome.files["modules.builtin.bin"].len(), 0);
    assert_eq!(outcome.files["modules.devname"].len(), 0);
    assert_eq!(outcome.said.len(), 3);
}

#[test]
fn a_damaged_module_is_listed_without_needs() {
    let outcome = index(
        &tree()
            .module("a.ko", Module::new("a").export("x"))
            .module("bad.ko", Module::new("bad").import("x").damage(Damage::Truncated(200)))
            .module("good.ko", Module::new("good").import("x"))
            .order_as_listed(),
    );
    assert_eq!(outcome.lines("modules.dep"), ["a.ko:", "bad.ko:", "good.ko: a.ko"]);
    let words = outcome.words();
    let said = words.iter().find(|words| words.contains("bad.ko")).unwrap();
    assert!(said.starts_with("failed to load symbols from /"), "{said}");
    assert!(said.ends_with("/bad.ko: Invalid argument"), "{said}");
}

#[test]
fn missing_modinfo_costs_no_dependencies() {
    let outcome = index(&tree().module("a.ko", Module::new("a").export("x")).module(
        "b.ko",
        Module::new("b").import("x").alias("q").damage(Damage::Missing(Section::Modinfo)),
    ));
    assert!(outcome.lines("modules.dep").contains(&"b.ko: a.ko".to_owned()));
    assert!(outcome.lines("modules.alias").is_empty());
}

#[test]
fn unresolved_symbols_and_other_crcs_are_reported_on_request() {
    let fixture = Fixture::new(
        &tree()
            .module("a.ko", Module::new("a").export_crc("x", 5).crc_style(CrcStyle::Section))
            .module(
                "b.ko",
                Module::new("b")
                    .import_crc("x", 6)
                    .import_crc("printk", 1)
                    .import_crc("nothing", 2)
                    .import_weak("perhaps"),
            )
            .symvers([("printk", 1)]),
    );
    let request = || {
        let file = fixture.written.symvers.clone().unwrap();
        let mut request = fixture.request();
        request.kernel_symbols = Some(KernelSymbolFile::Symvers(file));
        request.report_unresolved = true;
        request
    };
    let words = |outcome: support::Outcome| {
        let words = outcome.words().into_iter();
        words.filter(|words| words.contains("symbol ")).collect::<Vec<_>>()
    };
    let path = fixture.tree().join("b.ko").display().to_string();
    assert_eq!(
        words(run(request(), 1).unwrap()),
        [
            format!("{path} disagrees about version of symbol x"),
            format!("{path} needs unknown symbol nothing"),
        ]
    );
    let mut map = request();
    map.kernel_symbols = None;
    let outcome = run(map, 1).unwrap();
    assert_eq!(outcome.said[0], Diagnostic::NeedsKernelSymbols);
    assert!(words(outcome).is_empty());
}

#[test]
fn cycles_are_named_and_nothing_is_written() {
    let fixture = Fixture::new(
        &tree()
            .module("a.ko", Module::new("a").export("a").import("b"))
            .module("b.ko", Module::new("b").export("b").import("a"))
            .order_as_listed(),
    );
    let (error, said) = run(fixture.request(), 2).err().unwrap();
    assert!(matches!(error, Error::Cycle));
    let words: Vec<_> = said
        .iter()
        .filter(|diagnostic| diagnostic.level() == Level::Error)
        .map(|diagnostic| String::from_utf8(diagnostic.words()).unwrap())
        .collect();
    assert_eq!(words, ["Cycle detected: a -> b -> a", "Found 2 modules in dependency cycles!"]);
}

/// kmod walks for ever where a circle lies off the module that it starts from, and
/// stops with an assertion where circles are many.
#[test]
fn cycles_end_where_kmod_does_not() {
    let names: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
    let mut all = tree();
    for name in &names {
        let others = names.iter().filter(|other| *other != name);
        let module = others.fold(Module::new(name.as_str()).export(name), |m, o| m.import(o));
        all = all.module(&format!("{name}.ko"), module);
    }
    let (error, said) = run(Fixture::new(&all).request(), 2).err().unwrap();
    assert!(matches!(error, Error::Cycle));
    assert_eq!(said.last(), Some(&Diagnostic::CyclesFound { modules: 12 }));
}

#[test]
fn files_of_the_command_line_need_no_tree() {
    let fixture = Fixture::new(
        &tree()
            .module("a.ko", Module::new("a").export("x"))
            .module("b.ko", Module::new("b").import("x")),
    );
    let path = |name: &str| fixture.tree().join(name).into_os_string();
    let mut request = fixture.request();
    request.select = Select::Files(vec![path("a.ko"), path("b.ko")]);
    assert_eq!(run(request.clone(), 1).unwrap().lines("modules.dep").len(), 2);
    // In another tree's index they are named by their whole path.
    request.tree = fixture.dir.path().join("elsewhere");
    let outcome = run(request.clone(), 1).unwrap();
    assert!(outcome.lines("modules.dep").iter().all(|line| line.starts_with('/')));
    request.select = Select::Files(vec!["a.ko".into()]);
    let (error, _) = run(request.clone(), 1).err().unwrap();
    assert_eq!(error.to_string(), "a.ko: not absolute path.");
    request.select = Select::Files(vec![path("missing.ko")]);
    let (error, _) = run(request, 1).err().unwrap();
    assert!(error.to_string().ends_with("missing.ko: No such file or directory"), "{error}");
}

#[test]
fn a_link_to_a_directory_is_followed_but_not_round_in_a_circle() {
    let fixture = Fixture::new(&tree().module("k/a.ko", Module::new("a")));
    std::os::unix::fs::symlink("..", fixture.tree().join("k/up")).unwrap();
    let outcome = fixture.run();
    assert_eq!(outcome.lines("modules.dep"), ["k/a.ko:"]);
    // At once, not some levels down.
    let link = fixture.tree().join("k/up");
    let words = format!("directory loop, not followed: {}", link.display());
    assert!(outcome.words().contains(&words), "{:?}", outcome.words());
}

#[test]
fn names_that_are_passed_over() {
    let outcome = index(
        &tree()
            .module("build/a.ko", Module::new("a"))
            .module("k/source/b.ko", Module::new("b"))
            .module("k/skip/c.ko", Module::new("c"))
            .module("k/d.ko", Module::new("d"))
            .module("k/.ko", Module::new("e"))
            .module("k/f.ko.bz2", Module::new("f"))
            .conf("x.conf", "exclude skip\n"),
    );
    assert_eq!(outcome.lines("modules.dep"), ["k/d.ko:"]);
}

/// kmod keeps what the file system lists first, or last.
#[test]
fn of_equal_duplicates_the_smaller_path_counts() {
    let duplicate = |a: &str, b: &str| {
        let tree = tree().module(a, Module::new("m")).module(b, Module::new("m"));
        index(&tree).lines("modules.dep")
    };
    assert_eq!(duplicate("k/b/m.ko", "k/a/m.ko"), ["k/a/m.ko:"]);
    assert_eq!(duplicate("updates/b/m.ko", "updates/a/m.ko"), ["updates/a/m.ko:"]);
    assert_eq!(duplicate("k/m.ko.zst", "k/m.ko"), ["k/m.ko:"]);
    assert_eq!(duplicate("k/m.ko", "updates/m.ko"), ["updates/m.ko:"]);
}

/// kmod takes `/lib/modules/6.1.0-x` to lie in `/lib/modules/6.1.0`.
#[test]
fn a_directory_that_is_only_called_alike_is_outside() {
    let fixture = Fixture::new(&tree().module("k/m.ko", Module::new("m")));
    let other = fixture.tree().with_file_name("6.1.0-x");
    std::fs::create_dir_all(other.join("updates")).unwrap();
    std::fs::write(other.join("updates/m.ko"), Module::new("m").to_bytes()).unwrap();
    let conf = format!("search built-in updates\nexternal * {}\n", other.display());
    std::fs::write(fixture.config_dir().join("x.conf"), conf).unwrap();
    // Its `updates` is not ours, so both are `built-in`, and the smaller path counts.
    let path = other.join("updates/m.ko");
    assert_eq!(fixture.run().lines("modules.dep"), [format!("{}:", path.display())]);
}

/// kmod ends the run in the midst of publishing.
#[test]
fn what_is_not_ascii_is_left_out_of_the_indexes() {
    let outcome = index(&tree().module("a.ko", Module::new("a").alias("caf\u{e9}").alias("ok")));
    assert_eq!(outcome.records("modules.alias.bin"), ["ok a"]);
    assert_eq!(outcome.lines("modules.alias"), ["alias caf\u{e9} a", "alias ok a"]);
    let bad = outcome.said.iter().find(|said| matches!(said, Diagnostic::BadCharacter { .. }));
    assert_eq!(bad.map(Diagnostic::level), Some(Level::Warning));
}

/// kmod refuses them.
#[test]
fn zstd_files_of_several_frames_or_without_size_are_read() {
    for oddity in [Oddity::Concatenated, Oddity::NoContentSize] {
        let module = Module::new("a").alias("x").padding(5000);
        let file = TreeModule::new("a.ko", module).compressed(Compression::Zstd).odd(oddity);
        let outcome = index(&tree().file(file));
        assert_eq!(outcome.lines("modules.alias"), ["alias x a"], "{oddity:?}");
    }
}

/// Copies of overlapping names would fill the memory: 64 KiB of name, needed by
/// thousands of symbols.
#[test]
fn overlapping_names_are_bounded() {
    let mut module = Module::new("a");
    for n in 0..2000 {
        module = module.import(&format!("s{n}"));
    }
    let long = "x".repeat(1 << 16);
    let mut bytes = module.import(&long).to_bytes();
    // Let every symbol have the long name.
    let shoff = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    let count = usize::from(bytes[60]);
    let section = |bytes: &[u8], n: usize| {
        let at = shoff + 64 * n;
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        let kind = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        (kind, word(at + 24), word(at + 32))
    };
    let (_, symtab, size) = (0..count).map(|n| section(&bytes, n)).find(|s| s.0 == 2).unwrap();
    let last: [u8; 4] = bytes[symtab + size - 24..][..4].try_into().unwrap();
    for symbol in (symtab + 24..symtab + size).step_by(24) {
        bytes[symbol..symbol + 4].copy_from_slice(&last);
    }
    let outcome = index(&tree().module("a.ko", bytes));
    assert_eq!(outcome.lines("modules.dep"), ["a.ko:"]);
}

#[test]
fn threads_do_not_change_a_byte() {
    for seed in 0..20 {
        let fixture = Fixture::new(&modgen::random_tree(seed, &Shape::everything()));
        let one = run(fixture.request(), 1).unwrap();
        for threads in [2, 3, 7] {
            let more = run(fixture.request(), threads).unwrap();
            assert_eq!(one.files, more.files, "seed {seed}, {threads} threads");
            assert_eq!(one.said, more.said, "seed {seed}, {threads} threads");
        }
    }
}

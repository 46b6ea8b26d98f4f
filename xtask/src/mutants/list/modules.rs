//! Breaks of what makes an index of modules: reading, order, publication, the command line.

use crate::mutants::mutant::{Mutant, test};

pub(super) const DEPMOD: &[Mutant] = &[
    // kernel-elf: limits and first matches
    Mutant {
        name: "the last section of a name counts",
        file: "crates/kernel-elf/src/layout.rs",
        from: "if !std::mem::replace(&mut seen[which as usize], true) {",
        to: "if !std::mem::replace(&mut seen[which as usize], false) {",
        test: test("kernel-elf", &["the_first_section_of_a_name_counts"]),
    },
    Mutant {
        name: "registers of sparc are needed",
        file: "crates/kernel-elf/src/module.rs",
        from: "SymbolType = SymbolType(13)",
        to: "SymbolType = SymbolType(12)",
        test: test("kernel-elf", &["sparc_registers_are_not_needed_symbols"]),
    },
    Mutant {
        name: "weak symbols are needed",
        file: "crates/kernel-elf/src/module.rs",
        from: "let weak = symbol.st_bind() == STB_WEAK;",
        to: "let weak = symbol.st_bind() != STB_WEAK;",
        test: test("kernel-elf", &["symbols_modinfo_and_versions"]),
    },
    // modindex: order
    Mutant {
        name: "the last line of modules.order counts",
        file: "crates/modindex/src/plan/order.rs",
        from: "places.entry(path).or_insert(place);",
        to: "places.insert(path, place);",
        test: test("xtask", &["--test", "goldens"]),
    },
    Mutant {
        name: "another hash",
        file: "crates/modindex/src/plan/order.rs",
        from: "hash ^= hash << 4;",
        to: "hash ^= hash << 5;",
        test: test("xtask", &["--test", "goldens"]),
    },
    Mutant {
        name: "longer lines of modules.order",
        file: "crates/modindex/src/plan/order.rs",
        from: "const LINE_ROOM: usize = 4096;",
        to: "const LINE_ROOM: usize = 4097;",
        test: test("modindex", &["order_lines_end_with_newline"]),
    },
    Mutant {
        name: "search words count backwards",
        file: "crates/modindex/src/plan/choose.rs",
        from: "for word in config.searches.iter().rev() {",
        to: "for word in config.searches.iter() {",
        test: test("modindex", &["the_word_read_first_counts_most"]),
    },
    Mutant {
        name: "updates2 is in updates",
        file: "crates/modindex/src/plan/choose.rs",
        from: "path.len() > dir.len() && path[dir.len()] == b'/' && path.starts_with(dir)",
        to: "path.len() > dir.len() && path.starts_with(dir)",
        test: test("modindex", &["the_word_read_first_counts_most"]),
    },
    Mutant {
        name: "the first exporter owns a symbol",
        file: "crates/modindex/src/merge/symbols.rs",
        from: "Some((_, old)) => *old = symbol,",
        to: "Some((_, old)) => { let _ = (old, symbol); }",
        test: test("modindex", &["the_later_of_two_exporters_owns_a_symbol"]),
    },
    Mutant {
        name: "ready modules in their order",
        file: "crates/modindex/src/merge/graph.rs",
        from: "while let Some(module) = ready.pop() {",
        to: "while let Some(module) = (!ready.is_empty()).then(|| ready.remove(0)) {",
        test: test("xtask", &["--test", "goldens"]),
    },
    Mutant {
        name: "a line in the order of discovery",
        file: "crates/modindex/src/merge/graph.rs",
        from: "closure.sort_unstable_by_key(|module| order.place[module.index()]);",
        to: "let _ = order;",
        test: test("xtask", &["--test", "goldens"]),
    },
    Mutant {
        name: "earlier values first",
        file: "crates/modindex/src/format/write.rs",
        from: "(entries[*at as usize].priority, Reverse(*at))",
        to: "(entries[*at as usize].priority, *at)",
        test: test("modindex", &["values_ascend_by_priority_then_later_first"]),
    },
    Mutant {
        name: "the first devname counts",
        file: "crates/modindex/src/emit/devname.rs",
        from: "devname = Some(name);",
        to: "devname = devname.or(Some(name));",
        test: test("modindex", &["devname_takes_the_last_of_each_and_stops"]),
    },
    // modindex: publication
    Mutant {
        name: "temporary files are written through",
        file: "crates/modindex/src/publish.rs",
        from: "                rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?;\n",
        to: "",
        test: test("modindex", &["leftovers_of_a_killed_run"]),
    },
    Mutant {
        name: "modules.dep.bin is renamed in its place",
        file: "crates/modindex/src/publish.rs",
        from: "const LAST: &str = \"modules.dep.bin\";",
        to: "const LAST: &str = \"modules.devname\";",
        test: test("modindex", &["what_cannot_be_renamed"]),
    },
    Mutant {
        name: "an interrupted run leaves its files",
        file: "crates/modindex/src/publish.rs",
        from: "if !self.renamed {",
        to: "if self.files.is_empty() {",
        test: test("modindex", &["an_interrupted_run_changes_nothing"]),
    },
    Mutant {
        name: "a directory loop is followed",
        file: "crates/modindex/src/plan/discover.rs",
        from: "if self.levels.iter().any(is_it) {",
        to: "if self.levels.iter().any(is_it) && self.levels.len() > 9 {",
        test: test("modindex", &["a_link_to_a_directory_is_followed"]),
    },
    Mutant {
        name: "quick does not look at the list",
        file: "crates/modindex/src/quick.rs",
        from: "newest <= oldest && lists_the_modules(plan, dir.as_fd())",
        to: "newest <= oldest && (lists_the_modules(plan, dir.as_fd()) || true)",
        test: test("modindex", &["quick_sees_every_change"]),
    },
    // kmill: the command line
    Mutant {
        name: "POSIXLY_CORRECT does nothing",
        file: "crates/kmill/src/getopt.rs",
        from: "if self.posixly_correct {",
        to: "if self.posixly_correct && self.operands.is_empty() {",
        test: test("kmill", &["flags::tests"]),
    },
    Mutant {
        name: "added options can be shortened",
        file: "crates/kmill/src/getopt.rs",
        from: "|(e, long)| e.abbreviable && long.as_bytes()",
        to: "|(_, long)| long.as_bytes()",
        test: test("kmill", &["added_names_are_seen_in_full_only"]),
    },
    Mutant {
        name: "a version needs no second number",
        file: "crates/kmill/src/applets/depmod/flags/version.rs",
        from: ".and_then(behind).is_some()",
        to: ".is_some()",
        test: test("kmill", &["version_numbers"]),
    },
];

//! The breaks: what is changed, and which test must fail then.

/// One break.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mutant {
    pub(super) name: &'static str,
    /// Relative to the repository.
    pub(super) file: &'static str,
    /// What stands there, exactly once.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) test: Test,
}

/// The test that must notice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    pub(super) package: &'static str,
    /// What `cargo test -p PACKAGE` gets besides; nothing behind `--`.
    pub(super) args: &'static [&'static str],
    /// A cfg to build with, which takes release mode as well.
    pub(super) cfg: Option<&'static str>,
}

const fn test(package: &'static str, args: &'static [&'static str]) -> Test {
    Test { package, args, cfg: None }
}

const fn modelled(cfg: &'static str, args: &'static [&'static str]) -> Test {
    Test { package: "padata", args, cfg: Some(cfg) }
}

pub(super) const MUTANTS: &[Mutant] = &[
    // padata: the protocol
    Mutant {
        name: "a slot can be written twice",
        file: "crates/padata/src/ring/slots.rs",
        from: "assert!(!claimed_before, \"unit {index} ran twice\");",
        to: "let _ = claimed_before;",
        test: test("padata", &["the_second_write_is_refused"]),
    },
    Mutant {
        name: "lightest units first",
        file: "crates/padata/src/claim.rs",
        from: "(Reverse(unit.weight), unit.index)",
        to: "(unit.weight, unit.index)",
        test: test("padata", &["heaviest_first"]),
    },
    Mutant {
        name: "units of equal weight backwards",
        file: "crates/padata/src/claim.rs",
        from: "(Reverse(unit.weight), unit.index)",
        to: "(Reverse(unit.weight), Reverse(unit.index))",
        test: test("padata", &["heaviest_first"]),
    },
    Mutant {
        name: "a done unit keeps its weight",
        file: "crates/padata/src/claim.rs",
        from: "self.weight -= done.weight;",
        to: "let _ = done.weight;",
        test: test("padata", &["all_that_fits_is_in_flight"]),
    },
    Mutant {
        name: "the gate takes one unit too many",
        file: "crates/padata/src/claim.rs",
        from: "flow.running == 0 || together.is_some_and(|weight| weight <= self.limit)",
        to: "flow.running <= 1 || together.is_some_and(|weight| weight <= self.limit)",
        test: modelled("loom", &["gate_keeps_the_limit"]),
    },
    Mutant {
        name: "the end of the units wakes nobody",
        file: "crates/padata/src/claim.rs",
        from: "None if waiting => self.admitted.notify_all(),",
        to: "None if waiting => {}",
        test: test("padata", &["no_thread_stays_at_the_gate"]),
    },
    Mutant {
        name: "stop wakes nobody",
        file: "crates/padata/src/claim.rs",
        from: "sync::lock(&gate.flow).next = self.units.len();\n                gate.admitted.notify_all();",
        to: "sync::lock(&gate.flow).next = self.units.len();",
        test: modelled("loom", &["gate_stops_while_threads_wait"]),
    },
    Mutant {
        name: "stop deals on",
        file: "crates/padata/src/claim.rs",
        from: "cursor.0.swap(self.units.len(), Ordering::Relaxed);",
        to: "cursor.0.swap(0, Ordering::Relaxed);",
        test: test("padata", &["stop_leaves_nothing"]),
    },
    Mutant {
        name: "a claim in two steps",
        file: "crates/padata/src/claim.rs",
        from: "self.units.get(cursor.0.fetch_add(1, Ordering::Relaxed)).copied()",
        to: "{ let at = cursor.0.load(Ordering::Relaxed); cursor.0.store(at + 1, Ordering::Relaxed); \
             self.units.get(at).copied() }",
        test: modelled("loom", &["cursor_deals_each_unit_once"]),
    },
    Mutant {
        name: "who leaves the gate tells nobody",
        file: "crates/padata/src/claim.rs",
        from: "let wakes = flow.waiting > 0 && next_fits;",
        to: "let wakes = false && next_fits;",
        test: modelled("loom", &["gate_tells_who_waits"]),
    },
    Mutant {
        name: "the last borrower tells nobody",
        file: "crates/padata/src/erase.rs",
        from: "if before == RECALLED + BORROWER {",
        to: "if before == RECALLED {",
        test: modelled("loom", &["loan_of_two_borrowers"]),
    },
    Mutant {
        name: "the lender sees nothing of what borrowers did",
        file: "crates/padata/src/erase.rs",
        from: "self.state.fetch_sub(BORROWER, Ordering::Release)",
        to: "self.state.fetch_sub(BORROWER, Ordering::Relaxed)",
        test: modelled("loom", &["loan_of_two_borrowers"]),
    },
    Mutant {
        name: "a chunk that another thread has taken",
        file: "crates/padata/src/job/deal.rs",
        from: "Err(now) => offset = now,",
        to: "Err(_) => return Some(Claim { part, offset, units }),",
        test: modelled("loom", &["deal_gives_each_offset_once"]),
    },
    Mutant {
        name: "the look for what is left reads a part twice",
        file: "crates/padata/src/job/deal.rs",
        from: "(0..self.parts.len()).any(|part| self.left(part) > 0)",
        to: "(0..self.parts.len()).min_by_key(|&part| std::cmp::Reverse(self.left(part))).is_some_and(|part| self.left(part) > 0)",
        test: modelled("loom", &["job_that_is_cancelled_reports"]),
    },
    Mutant {
        name: "an empty hole comes after what it gave back",
        file: "crates/padata/src/job/account.rs",
        from: "(claim.part, claim.offset, claim.units)",
        to: "(claim.part, claim.offset, u64::MAX - claim.units)",
        test: test("padata", &["settles_every_unit"]),
    },
    Mutant {
        name: "guests start helpers of the pool",
        file: "crates/padata/src/pool/mod.rs",
        from: "if guests::is_guest() {",
        to: "if guests::is_guest() && false {",
        test: test("padata", &["--test", "placement", "helpers_started_from_low_priority"]),
    },
    Mutant {
        name: "handles of ended helpers are kept",
        file: "crates/padata/src/pool/board.rs",
        from: "self.handles.retain(|handle| !sync::has_ended(handle));",
        to: "let _ = sync::has_ended;",
        test: test("padata", &["ended_helpers_are_forgotten"]),
    },
    Mutant {
        name: "the end of a helper does not wait for its raise",
        file: "crates/padata/src/job/nice.rs",
        from: "compare_exchange(INSIDE, GONE, Ordering::AcqRel,",
        to: "compare_exchange(INSIDE, GONE, Ordering::Release,",
        test: modelled("loom", &["nobody_raises_a_helper"]),
    },
    Mutant {
        name: "a raise does not hold its helper",
        file: "crates/padata/src/job/nice.rs",
        from: "compare_exchange(INSIDE, RAISING,",
        to: "compare_exchange(INSIDE, INSIDE,",
        test: modelled("loom", &["nobody_raises_a_helper"]),
    },
    Mutant {
        name: "all helpers are raised at once",
        file: "crates/padata/src/job/nice.rs",
        from: "if self.next > 0 && self.standings",
        to: "if self.next > 9 && self.standings",
        test: test("padata", &["one_at_a_time"]),
    },
    Mutant {
        name: "helpers of low priority are not lowered",
        file: "crates/padata/src/job/mod.rs",
        from: "sys::lower(nice == Nice::Idle).is_err()",
        to: "false && nice == Nice::Idle",
        test: test("padata", &["--test", "placement", "one_at_a_time"]),
    },
    Mutant {
        name: "what a helper gives back is lost",
        file: "crates/padata/src/job/run.rs",
        from: "let has_more = || self.deal.has_given_back() &&",
        to: "let has_more = || false &&",
        test: test("padata", &["--test", "job", "the_caller_gets_back"]),
    },
    Mutant {
        name: "chunks start after an error",
        file: "crates/padata/src/job/run.rs",
        from: "while !self.control.is_stopped() {",
        to: "loop {",
        test: test("padata", &["--test", "job", "no_chunk_starts_after_an_error"]),
    },
    Mutant {
        name: "the finished prefix is not undone",
        file: "crates/padata/src/job/account.rs",
        from: "at..claim.offset + done.unwrap_or(0)",
        to: "at..claim.offset",
        test: test("padata", &["settles_every_unit"]),
    },
    Mutant {
        name: "an undo that panics ends the undo",
        file: "crates/padata/src/job/mod.rs",
        from: "None => *first = Some(payload),",
        to: "None => panic::resume_unwind(payload),",
        test: test("padata", &["--test", "job", "an_undo_that_panics"]),
    },
    Mutant {
        name: "bug 10: a division by min_chunk",
        file: "crates/padata/src/job/chunks.rs",
        from: "units / align.max(min_chunk).max(1)",
        to: "units / align.max(min_chunk)",
        test: test("padata", &["--test", "job", "bug_10"]),
    },
    Mutant {
        name: "bug 10: chunks of a min_chunk of 0 are not aligned",
        file: "crates/padata/src/job/chunks.rs",
        from: "share.max(min_chunk).checked_next_multiple_of(align)",
        to: "Some(share.max(min_chunk))",
        test: test("padata", &["the_kernels_rule_by_the_book"]),
    },
    Mutant {
        name: "chunks begin at multiples instead of ending there",
        file: "crates/padata/src/job/chunks.rs",
        from: "u128::from(past(grid)) + u128::from(offset)",
        to: "u128::from(past(grid)) * 0 + u128::from(offset)",
        test: test("padata", &["every_rule_covers_everything_once"]),
    },
    Mutant {
        name: "bug 11: a quota is rounded up",
        file: "crates/padata/src/topology/cgroup.rs",
        from: "self.micros / self.period_micros)",
        to: "self.micros.div_ceil(self.period_micros.get()))",
        test: test("padata", &["whole_cpus_of_a_quota"]),
    },
    Mutant {
        name: "bug 11: a pool of one thread waits for a helper",
        file: "crates/padata/src/job/mod.rs",
        from: "if threads > 1 && job.nice == Nice::Inherit {",
        to: "if threads == 1 { loop {} } else if job.nice == Nice::Inherit {",
        test: test("padata", &["--test", "job", "bug_11"]),
    },
    Mutant {
        name: "bug 12: an empty part ends the job",
        file: "crates/padata/src/job/spread.rs",
        from: ".filter(|&part| deal.left(part) > 0)\n            .max_by_key",
        to: ".take_while(|&part| deal.left(part) > 0)\n            .max_by_key",
        test: test("padata", &["--test", "job", "bug_12"]),
    },
    Mutant {
        name: "helpers never change over",
        file: "crates/padata/src/pool/board.rs",
        from: "seats > self.idle && fewest",
        to: "seats > self.idle && false && fewest",
        test: test("padata", &["--test", "job", "a_helper_changes_over"]),
    },
    Mutant {
        name: "helpers that are too many stay",
        file: "crates/padata/src/pool/board.rs",
        from: "self.surplus = self.started.saturating_sub(helpers);",
        to: "self.surplus = 0;",
        test: test("padata", &["fewer_threads_end_helpers"]),
    },
    Mutant {
        name: "helpers stay where they were",
        file: "crates/padata/src/pool/placement.rs",
        from: "if self.cpus.borrow().as_ref() == Some(&target) {",
        to: "if self.cpus.borrow().is_some() {",
        test: test("padata", &["--test", "placement", "helpers_inherit"]),
    },
    Mutant {
        name: "a lock that fails leaves pages locked",
        file: "crates/padata/src/memory.rs",
        from: ".undo(|done| drop(sys::unlock(range(&done))))",
        to: ".undo(|_| ())",
        test: test("padata", &["--test", "memory", "lock_beyond_the_limit"]),
    },
    Mutant {
        name: "what a panic left is not dropped",
        file: "crates/padata/src/memory.rs",
        from: "self.0.done_units(self.1);",
        to: "self.0.done_units(0);",
        test: test("padata", &["--test", "memory", "init_slice_drops"]),
    },
    Mutant {
        name: "a scope ends before its tasks",
        file: "crates/padata/src/scope.rs",
        from: "self.unfinished.load(Ordering::Acquire) == 0",
        to: "self.unfinished.load(Ordering::Acquire) < 9",
        test: test("padata", &["--test", "scope", "a_helper_that_has_to_go"]),
    },
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

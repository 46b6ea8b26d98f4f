//! Damaged files: never a panic, the same on every path, and an error that says where.
//!
//! Thousands of small damages from seeds, then the ones that take a builder: depth, loops, sizes
//! that nothing can have.
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use dwarf_btf::Features;
use dwarfgen::random::random_file;
use dwarfgen::{Compress, Die, File, StringForm, Unit, Value, Written, at, form, op, tag};
use modgen::rng::Rng;
use support::{Outcome, all_ways, options, outcome};

/// `DWARF_BTF_DAMAGES=FROM..TO` runs others.
fn cases() -> std::ops::Range<u64> {
    let text = std::env::var("DWARF_BTF_DAMAGES").unwrap_or_else(|_| "0..2000".to_owned());
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// Far more than any case takes: only so that a hang is a failure.
const HANG: Duration = Duration::from_secs(120);

/// A file that has everything.
fn rich() -> File {
    let unit = |version: u16, strings| {
        let list = vec![vec![op::REG0 + 5], vec![op::ENTRY_VALUE, 1, op::REG0 + 5]];
        let param = Die::new(tag::FORMAL_PARAMETER).name("p").ty("struct s *");
        let origin = Die::new(tag::FORMAL_PARAMETER).refer(at::ABSTRACT_ORIGIN, "p");
        Unit::new(version)
            .strings(strings)
            .with_siblings()
            .child(Die::int())
            .child(Die::pointer("struct s").child(Die::annotation("btf_type_tag", "user")))
            .child(Die::array("int", &[2, 3]))
            .child(
                Die::structure("s", 32)
                    .member("a", "int", 0)
                    .bits("b", "int", 32, 3)
                    .member("c", "int[2][3]", 8)
                    .child(Die::annotation("btf_decl_tag", "of s")),
            )
            .child(Die::enumeration("e", 4).value("x", -1).value("y", 70_000))
            .child(Die::enumeration("w", 8).value("z", 1 << 40))
            .child(Die::typedef("t", "enum e"))
            .child(Die::prototype("t", &["int", "struct s *"]).varargs().label("proto"))
            .child(Die::pointer("proto"))
            .child(
                Die::function("f", "int")
                    .child(param.attr(at::LOCATION, Value::List(list)).label("p"))
                    .child(Die::new(tag::LEXICAL_BLOCK).child(Die::union("u", 4))),
            )
            .child(Die::new(tag::SUBPROGRAM).refer(at::ABSTRACT_ORIGIN, "f").child(origin))
            .child(Die::variable("v", "struct s", 0x10_0010).flag(at::EXTERNAL))
    };
    File::default()
        .functions(&["f", "z"])
        .percpu(0x10_0000, 0x100)
        .kfuncs(1, &[("f", 1 << 12)])
        .unit(unit(5, StringForm::Strx))
        .unit(unit(5, StringForm::LineStrp))
        .unit(unit(4, StringForm::Strp))
        .unit(unit(3, StringForm::Inline).in_dwarf64())
        .unit(unit(2, StringForm::Strp))
}

/// What only later features look at: signatures that LLVM changed, and annotations of GCC's.
fn later() -> File {
    let gnu = |kind: &str, value: &str| {
        let die = Die::annotation(kind, value).label(value);
        Die { tag: tag::GNU_ANNOTATION, ..die }
    };
    let unit = |version: u16| {
        let second = [0x93, 8, op::REG0 + 5, 0x93, 8];
        let pair = Die::new(tag::FORMAL_PARAMETER).name("p").ty("struct pair").label("p");
        let known = Die::new(tag::FORMAL_PARAMETER).name("k").ty("long").label("k");
        let list = vec![vec![0x30, op::STACK_VALUE], vec![op::ENTRY_VALUE, 1, op::REG0 + 4]];
        let origin = |label| Die::new(tag::FORMAL_PARAMETER).refer(at::ABSTRACT_ORIGIN, label);
        let address = Value::Raw(form::ADDR, 0x1000_u64.to_le_bytes().to_vec());
        let mut unit = Unit::new(version)
            .child(Die::base("long", 8, 5))
            .child(gnu("btf_type_tag", "first"))
            .child(gnu("btf_type_tag", "second").refer(at::GNU_ANNOTATION, "first"))
            .child(gnu("btf_decl_tag", "decl").refer(at::GNU_ANNOTATION, "second"))
            .child(
                Die::structure("pair", 16)
                    .refer(at::GNU_ANNOTATION, "decl")
                    .member("a", "long", 0)
                    .member("b", "long", 8),
            )
            .child(Die::pointer("struct pair").refer(at::GNU_ANNOTATION, "second"))
            .child(
                Die::function("f", "struct pair *")
                    .refer(at::GNU_ANNOTATION, "decl")
                    .number(at::CALLING_CONVENTION, 3)
                    .attr(at::LOW_PC, address.clone())
                    .child(pair.expression(at::LOCATION, &second))
                    .child(known.attr(at::LOCATION, Value::List(list))),
            )
            .child(
                Die::new(tag::SUBPROGRAM)
                    .refer(at::ABSTRACT_ORIGIN, "f")
                    .attr(at::LOW_PC, address)
                    .children([origin("k"), origin("p")]),
            );
        unit.die.attrs.push((at::PRODUCER, Value::Text(b"clang".to_vec())));
        unit
    };
    let file = File::default().function("f.isra.0", 0x1000).functions(&["g"]);
    file.unit(unit(5)).unit(unit(4))
}

fn write_number(bytes: &mut [u8], at: usize, value: u64, width: usize) {
    if let Some(place) = bytes.get_mut(at..at + width) {
        place.copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

/// Numbers that are wrong nearly everywhere.
fn absurd(rng: &mut Rng, len: usize) -> u64 {
    let near = len as u64 + rng.below(3) as u64;
    let all = [0, 1, near, u64::MAX, i64::MAX as u64, 1 << 40, 0xffff_ffff, 0x8000_0000, 0xfff0];
    if rng.chance(1, 4) { rng.next_u64() >> rng.below(64) } else { rng.pick(&all) }
}

/// One damage; a case has some of them.
fn damage(rng: &mut Rng, written: &Written, bytes: &mut Vec<u8>) {
    let of_debug = |name: &str| name.starts_with(".debug") || name.starts_with(".zdebug");
    let debug = written.sections.iter().filter(|(name, range)| of_debug(name) && !range.is_empty());
    let debug: Vec<_> = debug.map(|section| section.1.clone()).collect();
    let inside = |rng: &mut Rng| {
        if debug.is_empty() {
            return rng.below(written.bytes.len());
        }
        let range = rng.pick_ref(&debug).clone();
        range.start + rng.below(range.len())
    };
    let header = |rng: &mut Rng| {
        written.headers + (1 + rng.below(written.sections.len())) * written.header_size
    };
    let len = bytes.len();
    match rng.below(12) {
        0 => bytes.truncate(rng.below(len)),
        // Section headers: type, flags, address, offset, size, link, info, entry size.
        1 | 2 => {
            let (field, width) = rng.pick(&[(4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 4)]);
            let value = if rng.chance(1, 3) { 0x800 } else { absurd(rng, len) };
            let at = header(rng);
            write_number(bytes, at + field, value, width);
        }
        // A section ends early.
        3 => {
            let index = rng.below(written.sections.len());
            let size = rng.below(written.sections[index].1.len() + 1) as u64;
            let at = written.headers + (1 + index) * written.header_size;
            write_number(bytes, at + 32, size, 8);
        }
        4 => {
            let value = absurd(rng, len);
            write_number(bytes, rng.below(64), value, rng.pick(&[1, 2, 4, 8]));
        }
        // References and lengths.
        5 | 6 => {
            let value = if rng.chance(1, 2) { rng.below(400) as u64 } else { absurd(rng, len) };
            let at = inside(rng);
            write_number(bytes, at, value, rng.pick(&[1, 2, 4, 4, 4, 8]));
        }
        // LEB128 numbers that do not end.
        7 => {
            let at = inside(rng);
            let end = (at + rng.between(1, 12)).min(len);
            if let Some(place) = bytes.get_mut(at..end) {
                place.fill(0xff);
            }
        }
        8 => {
            let (from, to) = (inside(rng), inside(rng));
            let count = rng.below(40);
            if from + count <= bytes.len() && to + count <= bytes.len() {
                bytes.copy_within(from..from + count, to);
            }
        }
        _ => {
            for _ in 0..rng.between(1, 8) {
                let at = if rng.chance(1, 8) { rng.below(len) } else { inside(rng) };
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = rng.next_u32() as u8;
                }
            }
        }
    }
}

fn damaged(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed ^ 0xda4a);
    let file = if rng.chance(1, 2) { rich() } else { random_file(rng.next_u64()) };
    damaged_file(&mut rng, file)
}

fn damaged_file(rng: &mut Rng, mut file: File) -> Vec<u8> {
    file.arch = modgen::Arch::X86_64;
    if rng.chance(1, 8) {
        file = file.compressed(rng.pick(&[Compress::Zlib, Compress::Zstd, Compress::Gnu]));
    }
    let written = file.write();
    let mut bytes = written.bytes.clone();
    for _ in 0..rng.pick(&[1, 1, 1, 2, 5]) {
        if bytes.is_empty() {
            break;
        }
        damage(rng, &written, &mut bytes);
    }
    bytes
}

/// What became of a damaged file on every path, or what is wrong with that.
fn check(image: &[u8], features: Features) -> Result<Outcome, String> {
    let options = options(features);
    let ways = catch_unwind(AssertUnwindSafe(|| all_ways(image, &options)));
    let [serial, one, three] = ways.map_err(|_| "a panic".to_owned())?;
    if one != three {
        let difference = support::difference(&one, &three);
        return Err(format!("one thread and three: {difference}"));
    }
    match (&serial, &one) {
        (Outcome::Error(first), Outcome::Error(second)) => {
            let places = [".debug_", "ELF: ", "kfunc ", "dedup"];
            let named = |text: &String| places.iter().any(|place| text.contains(place));
            if !named(first) || !named(second) {
                return Err(format!("an error that says no place: {first}, {second}"));
            }
        }
        _ if serial == one => {}
        _ => return Err(format!("the paths differ: {}", support::difference(&serial, &one))),
    }
    Ok(serial)
}

/// Runs something on another thread, and fails where it hangs.
fn watched<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (to, from) = mpsc::channel();
    let thread = std::thread::spawn(move || to.send(run()));
    match from.recv_timeout(HANG) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what}: {:?}", thread.join().is_err()),
    }
}

#[test]
fn two_thousand_damages() {
    let (mut blobs, mut errors, mut nothing, mut wrong) = (0, 0, 0, Vec::new());
    let cases = cases();
    for seed in cases.clone() {
        let features = Features { attributes: true, ..Features::standard() };
        let result = watched(&format!("damage {seed}"), move || check(&damaged(seed), features));
        match result {
            Ok(Outcome::Blob(_)) => blobs += 1,
            Ok(Outcome::Error(_)) => errors += 1,
            Ok(Outcome::Nothing) => nothing += 1,
            Err(what) => wrong.push(format!("damage {seed}: {what}")),
        }
    }
    eprintln!("{blobs} blobs, {errors} errors, {nothing} without anything to encode");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let count = cases.end - cases.start;
    assert!(errors > count / 5, "most damages are found: {errors}");
    assert!(blobs > count / 20, "some are harmless: {blobs}");
}

#[test]
fn damages_to_what_only_later_features_look_at() {
    let features = Features { true_signature: true, gnu_annotation: true, ..Features::standard() };
    let mut blobs = 0;
    for seed in cases() {
        let features = features.clone();
        let result = watched(&format!("damage {seed}"), move || {
            let mut rng = Rng::new(seed ^ 0x1a7e);
            check(&damaged_file(&mut rng, later()), features)
        });
        match result {
            Ok(outcome) => blobs += usize::from(matches!(outcome, Outcome::Blob(_))),
            Err(what) => panic!("damage {seed}: {what}"),
        }
    }
    assert!(blobs > 50, "some are harmless: {blobs}");
}

/// A damaged relocatable file; half of the damages are to its tables.
fn damaged_relocatable(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed ^ 0x0b1ec7);
    let mut file = if rng.chance(1, 2) { rich() } else { random_file(rng.next_u64()) };
    file.arch = modgen::Arch::X86_64;
    file.strings_by_unit = rng.chance(1, 2);
    let written = file.relocatable().write();
    let mut bytes = written.bytes.clone();
    let tables: Vec<usize> = (0..written.sections.len())
        .filter(|index| written.sections[*index].0.starts_with(".rela"))
        .collect();
    for _ in 0..rng.pick(&[1, 1, 1, 2, 5]) {
        if bytes.is_empty() {
            break;
        }
        if tables.is_empty() || rng.chance(1, 2) {
            damage(&mut rng, &written, &mut bytes);
            continue;
        }
        let index = rng.pick(&tables);
        let header = written.headers + (1 + index) * written.header_size;
        let range = written.sections[index].1.clone();
        let row = range.start + rng.below(range.len() / 24) * 24;
        let value = absurd(&mut rng, bytes.len());
        match rng.below(8) {
            // A table that ends early, or for another section, or with other symbols; no table.
            0 => write_number(&mut bytes, header + 32, rng.below(range.len()) as u64, 8),
            1 => write_number(&mut bytes, header + 44, rng.below(30) as u64, 4),
            2 => write_number(&mut bytes, header + 40, value, 4),
            3 => write_number(&mut bytes, header + 4, rng.pick(&[1, 9, 4, 8]), 4),
            // A place, a type, a symbol, an addend.
            4 => write_number(&mut bytes, row, value, 8),
            5 => write_number(&mut bytes, row + 8, rng.below(64) as u64, 4),
            6 => write_number(&mut bytes, row + 12, rng.below(64) as u64, 4),
            _ => write_number(&mut bytes, row + 16, value, 8),
        }
    }
    bytes
}

#[test]
fn damages_to_relocatable_files() {
    let (mut blobs, mut errors, mut unnamed, mut wrong) = (0, 0, 0, Vec::new());
    for seed in cases() {
        let result = watched(&format!("damage {seed}"), move || {
            check(&damaged_relocatable(seed), Features::standard())
        });
        match result {
            Ok(Outcome::Blob(_)) => blobs += 1,
            Ok(Outcome::Error(_)) => errors += 1,
            Ok(Outcome::Nothing) => {}
            // Known, and not understood yet: the parallel path takes some such names for empty ones.
            Err(what) if what.contains("without a name") => unnamed += 1,
            Err(what) => wrong.push(format!("damage {seed}: {what}")),
        }
    }
    eprintln!("{blobs} blobs, {errors} errors, {unnamed} without a name on one path");
    assert!(unnamed * 200 < blobs + errors, "{unnamed}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(blobs > 100 && errors > 100, "{blobs} blobs, {errors} errors");
}

/// The outcome of a file that is made to be hard.
fn hard(what: &str, file: File) -> Outcome {
    watched(what, move || outcome(&file.to_bytes(), &options(Features::standard())))
}

fn error(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Error(error) => error,
        other => panic!("no error: {other:?}"),
    }
}

fn one(dies: impl IntoIterator<Item = Die>) -> File {
    File::default().functions(&["f"]).unit(Unit::new(5).children(dies))
}

#[test]
fn types_that_go_in_circles() {
    let pair = |a: Die, b: Die| hard("a circle", one([a.label("a"), b.label("b")]));
    for outcome in [
        pair(Die::pointer("b"), Die::pointer("a")),
        pair(Die::typedef("x", "b"), Die::constant("a")),
        pair(Die::constant("a"), Die::volatile("a")),
        pair(Die::array("b", &[2]), Die::array("a", &[2])),
        pair(Die::prototype("b", &["b"]), Die::pointer("a")),
    ] {
        assert!(error(&outcome).contains("dedup"), "{outcome:?}");
    }
    let selves = [
        Die::structure("s", 8).member("a", "struct s", 0),
        Die::structure("", 8).label("n").member("a", "n", 0),
        Die::function("f", "void").param("x", "struct s").param("y", "n"),
    ];
    assert!(matches!(hard("structures in themselves", one(selves)), Outcome::Blob(_)));
    let origins = [
        Die::new(tag::SUBPROGRAM).label("a").refer(at::ABSTRACT_ORIGIN, "b"),
        Die::new(tag::SUBPROGRAM).label("b").refer(at::ABSTRACT_ORIGIN, "a"),
        Die::new(tag::VARIABLE).label("v").refer(at::SPECIFICATION, "v"),
        Die::int(),
    ];
    assert!(matches!(hard("origins in circles", one(origins)), Outcome::Blob(_)));
}

#[test]
fn chains_of_a_hundred_thousand_types() {
    type Link = fn(&str) -> Die;
    let links: [Link; 3] =
        [Die::pointer, Die::constant, |target| Die::prototype("void", &[target])];
    for link in links {
        for forward in [false, true] {
            let chain = (1..100_000).map(move |at| {
                let next = if forward { at + 1 } else { at - 1 };
                link(&format!("t{next}")).label(&format!("t{at}"))
            });
            let ends = [0, 100_000].map(|at| Die::int().label(&format!("t{at}")));
            let outcome = hard("a chain", one(ends.into_iter().chain(chain)));
            assert!(matches!(outcome, Outcome::Blob(_)));
        }
    }
}

#[test]
fn entries_deep_in_each_other() {
    for tag in [tag::STRUCTURE_TYPE, tag::LEXICAL_BLOCK, tag::SUBPROGRAM, tag::NAMESPACE, 0x4444] {
        for depth in [100, 250, 1000] {
            let inner = Die::int();
            let die = (0..depth).fold(inner, |inner, _| Die::new(tag).child(inner));
            let top = Die::function("g", "void").child(die);
            let outcome = std::thread::Builder::new()
                .stack_size(256 << 20)
                .spawn(move || hard("depth", one([top])))
                .unwrap()
                .join()
                .unwrap();
            match outcome {
                Outcome::Error(error) => assert!(depth > 250 && error.contains("deep"), "{error}"),
                // What is stepped over may be as deep as it likes.
                _ => assert!(depth < 260 || tag == 0x4444 || tag == tag::LEXICAL_BLOCK),
            }
        }
    }
}

#[test]
fn sizes_that_nothing_can_have() {
    let huge = u64::MAX;
    let dies = [
        Die::int(),
        Die::structure("s", huge).member("a", "int", huge).member("b", "int", 1 << 40),
        Die::array("int", &[huge, huge, 3]),
        Die::array("struct s", &[huge]),
        Die::variable("v", "struct s[18446744073709551615]", 0x10_0008),
        Die::function("f", "void").param("x", "struct s"),
    ];
    let file = one(dies).percpu(0x10_0000, 64);
    assert!(!matches!(hard("sizes", file), Outcome::Nothing));
    let fields = Die::new(tag::MEMBER).name("a").ty("int").number(at::BIT_SIZE, huge);
    let fields = Die::structure("s", 4).child(fields.number(at::DATA_BIT_OFFSET, huge));
    assert!(matches!(hard("a bit field", one([Die::int(), fields])), Outcome::Error(_)));
    for size in [0, 3, huge] {
        hard("an enumeration", one([Die::enumeration("e", size).value("a", i64::MIN)]));
    }
}

#[test]
fn an_array_of_sixty_four_dimensions_and_more() {
    let file = one([Die::int(), Die::array("int", &[2; 100])]);
    assert!(matches!(hard("dimensions", file), Outcome::Blob(_)));
}

#[test]
fn abbreviations_near_the_largest_code() {
    let mut unit =
        Unit::new(5).children([Die::int(), Die::pointer("int"), Die::typedef("t", "int")]);
    for first in [u64::MAX - 3, u64::from(u32::MAX) - 1, 1 << 40, 1500] {
        unit.first_code = first;
        let outcome = hard("codes", File::default().unit(unit.clone()));
        assert!(matches!(outcome, Outcome::Blob(_)), "{first}");
    }
}

#[test]
fn forms_that_there_are_not_and_blocks_without_end() {
    let long = [0xff; 9].into_iter().chain([0x01]).collect::<Vec<u8>>();
    for (form, bytes) in [
        (0x7777, vec![]),
        (form::EXPRLOC, long.clone()),
        (form::BLOCK1, vec![0xff]),
        (form::INDIRECT, vec![form::INDIRECT as u8, 0x0b, 0]),
        (form::INDIRECT, vec![form::IMPLICIT_CONST as u8]),
    ] {
        let die = Die::new(tag::BASE_TYPE).attr(0x2222, Value::Raw(form, bytes));
        let outcome = hard("a form", one([die]));
        assert!(error(&outcome).contains(".debug_info"), "{outcome:?}");
    }
    // These lie elsewhere or nowhere, which is as if they were not there.
    for (form, bytes) in
        [(form::STRP, vec![0xff; 4]), (form::STRX, long.clone()), (form::LINE_STRP, vec![0xf0; 4])]
    {
        let die = Die::structure("", 4).attr(at::NAME, Value::Raw(form, bytes));
        assert!(matches!(hard("a string", one([die])), Outcome::Blob(_)));
    }
    let nowhere = Die::new(tag::POINTER_TYPE).attr(at::TYPE, Value::Offset(0xffff_fff0));
    assert!(matches!(hard("a reference", one([nowhere])), Outcome::Blob(_)));
    for (form, bytes) in [(form::SEC_OFFSET, vec![0xff; 4]), (form::LOCLISTX, long)] {
        let param = Die::new(tag::FORMAL_PARAMETER).name("x").ty("int");
        let param = param.attr(at::LOCATION, Value::Raw(form, bytes));
        let file = one([Die::int(), Die::function("f", "void").child(param)]);
        assert!(matches!(hard("a list", file), Outcome::Blob(_)));
    }
}

#[test]
fn a_compressed_section_that_claims_terabytes() {
    for compress in [Compress::Zlib, Compress::Zstd, Compress::Gnu] {
        for size in [1_u64 << 42, u64::MAX, 1 << 30, 1, 0] {
            let file = one([Die::int(), Die::typedef("t", "int")]).compressed(compress);
            let mut written = file.write();
            let gnu = compress == Compress::Gnu;
            let name = if gnu { ".zdebug_info" } else { ".debug_info" };
            let section = written.section(name).unwrap();
            let place = if gnu { section.start + 4 } else { section.start + 8 };
            let bytes = if gnu { size.to_be_bytes() } else { size.to_le_bytes() };
            written.bytes[place..place + 8].copy_from_slice(&bytes);
            let image = written.bytes;
            let outcome =
                watched("a claim", move || outcome(&image, &options(Features::standard())));
            if size > 0 {
                assert!(
                    error(&outcome).contains(".debug_info"),
                    "{compress:?} {size}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn headers_of_units_that_are_wrong() {
    let written = one([Die::int()]).write();
    let start = written.section(".debug_info").unwrap().start;
    let with = |at: usize, bytes: &[u8]| {
        let mut image = written.bytes.clone();
        image[start + at..start + at + bytes.len()].copy_from_slice(bytes);
        watched("a header", move || outcome(&image, &options(Features::standard())))
    };
    for (at, bytes) in [
        (0, &[0xff, 0xff, 0xff, 0x7f][..]),
        (0, &[0xf5, 0xff, 0xff, 0xff]),
        (0, &[0xff; 12]),
        (0, &[0; 4]),
        (4, &[6, 0]),
        (4, &[1, 0]),
        (6, &[0x44]),
        (7, &[3]),
        (8, &[0xff; 4]),
        (12, &[0x7f]),
    ] {
        assert!(error(&with(at, bytes)).contains(".debug_"), "{at}: {bytes:?}");
    }
}

#[test]
fn empty_files_and_those_that_are_no_elf_files() {
    for image in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &[0xff; 4096], &[0; 64]] {
        let outcome = outcome(image, &options(Features::standard()));
        assert!(error(&outcome).contains("ELF"));
    }
}

/// `DWARF_BTF_DAMAGE=SEED` writes that seed's file to the directory of temporary files.
#[test]
fn a_damaged_file_is_written_out() {
    let Some(seed) = std::env::var_os("DWARF_BTF_DAMAGE") else { return };
    let path = std::env::temp_dir().join("damaged.elf");
    std::fs::write(path, damaged(seed.to_str().unwrap().parse().unwrap())).unwrap();
}

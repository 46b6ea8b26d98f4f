//! Which variables are encoded, and the sections they lie in.
//!
//! Where a rule is the reference's own, the assertion is what pahole 1.31 gives (see `support`).
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use dwarf_btf::Features;
use dwarfgen::{Die, File, Unit, at, op, tag};
use kmill_btf::{Btf, Kind};
use support::{Outcome, encoded, encoded_with, of_kind, options, outcome, refused_with, types};

const START: u64 = 0x10_0000;

fn file(dies: impl IntoIterator<Item = Die>) -> File {
    let unit = Unit::new(5).child(Die::int()).children(dies);
    File::default().functions(&["f"]).percpu(START, 0x100).unit(unit)
}

fn variables(btf: &Btf) -> Vec<String> {
    [of_kind(btf, Kind::Var), of_kind(btf, Kind::Datasec)].concat()
}

fn found(dies: impl IntoIterator<Item = Die>) -> Vec<String> {
    variables(&encoded(&file(dies)))
}

#[test]
fn per_cpu_variables_lie_in_their_section_by_offset() {
    let expected =
        ["var global int b", "var static int a", "datasec .data..percpu size=20 {a@8+4, b@16+4}"];
    let dies = [
        Die::variable("b", "int", START + 16).flag(at::EXTERNAL),
        Die::variable("a", "int", START + 8),
        Die::variable("elsewhere", "int", 0x9000_0000),
    ];
    assert_eq!(found(dies.clone()), expected);
    let without = Features { var: false, ..Features::standard() };
    assert_eq!(variables(&encoded_with(&file(dies), without)), [""; 0]);
}

#[test]
fn variables_of_all_sections_only_with_their_feature() {
    let dies = [Die::variable("a", "int", START + 8), Die::variable("g", "int", 0x20_0008)];
    let file = file(dies).section(".data", 0x20_0000, vec![0; 64]);
    assert_eq!(variables(&encoded(&file)).len(), 2);
    let global = Features { global_var: true, ..Features::standard() };
    let expected = [
        "var static int a",
        "var static int g",
        "datasec .data..percpu size=12 {a@8+4}",
        "datasec .data size=12 {g@8+4}",
    ];
    assert_eq!(variables(&encoded_with(&file, global)), expected);
}

#[test]
fn duplicates_stay_and_ties_keep_their_order() {
    let unit = || Unit::new(5).child(Die::int()).child(Die::variable("a", "int", START + 8));
    let file = File::default().percpu(START, 64).unit(unit()).unit(unit());
    let expected =
        ["var static int a", "var static int a", "datasec .data..percpu size=12 {a@8+4, a@8+4}"];
    assert_eq!(variables(&encoded(&file)), expected);
}

#[test]
fn variables_stand_between_the_types_of_units() {
    let unit = |name: &str, at| {
        let tag = Die::annotation("btf_decl_tag", "of v");
        Unit::new(5)
            .child(Die::structure(name, 4))
            .child(Die::variable("v", &format!("struct {name}"), START + at).child(tag))
    };
    let file = File::default().percpu(START, 64).unit(unit("s", 8)).unit(unit("t", 16));
    let expected = [
        "struct s size=4 {}",
        "var static struct s v",
        "tag of v of v[-1]",
        "struct t size=4 {}",
        "var static struct t v",
        "tag of v of v[-1]",
        "datasec .data..percpu size=20 {v@8+4, v@16+4}",
    ];
    assert_eq!(types(&encoded(&file)), expected);
}

#[test]
fn only_the_first_operation_of_a_location_counts() {
    let address = |more: &[u8]| {
        let mut location = vec![op::ADDR];
        location.extend((START + 8).to_le_bytes());
        location.extend(more);
        Die::new(tag::VARIABLE).name("a").ty("int").expression(at::LOCATION, &location)
    };
    assert_eq!(found([address(&[])]).len(), 2);
    assert_eq!(found([address(&[op::PLUS_UCONST, 8])])[1], "datasec .data..percpu size=12 {a@8+4}");
    let register =
        Die::new(tag::VARIABLE).name("a").ty("int").expression(at::LOCATION, &[op::REG0]);
    assert_eq!(found([register]), [""; 0]);
}

#[test]
fn local_artificial_and_declared_variables_do_not_count() {
    let variable = || Die::variable("a", "int", START + 8);
    assert_eq!(found([Die::function("f", "void").child(variable())]), [""; 0]);
    assert_eq!(found([variable().flag(at::ARTIFICIAL)]), [""; 0]);
    assert_eq!(found([variable().flag(at::DECLARATION)]), [""; 0]);
}

#[test]
fn a_definition_is_called_as_its_declaration() {
    let mut define = Die::variable("", "void", START + 8);
    define.attrs.remove(0);
    let declare =
        Die::new(tag::VARIABLE).name("a").ty("int").flag(at::EXTERNAL).flag(at::DECLARATION);
    let dies = [declare.label("a"), define.refer(at::SPECIFICATION, "a")];
    assert_eq!(found(dies)[0], "var global int a");
}

#[test]
fn names_of_machinery_are_left_out() {
    for name in ["__UNIQUE_IDx", "__tpstrtab_x", "__exitcall_x", "__gendwarfksyms_ptr_x"] {
        assert_eq!(found([Die::variable(name, "int", START + 8)]), [""; 0], "{name}");
    }
    assert_eq!(found([Die::variable("__UNIQUE", "int", START + 8)]).len(), 2);
}

#[test]
fn at_the_start_of_a_section_a_symbol_must_agree() {
    let with = |symbol: &str, section: &str| {
        let file = file([Die::variable("a", "int", START)]);
        variables(&encoded(&file.object(symbol, section, START, 4))).len()
    };
    assert_eq!(with("a", ".data..percpu"), 2);
    assert_eq!(with("b", ".data..percpu"), 0);
    assert_eq!(with("a", ".text"), 0);
}

#[test]
fn types_without_a_size_are_left_out() {
    let dies = [
        Die::structure("empty", 0),
        Die::variable("a", "struct empty", START + 8),
        Die::array("int", &[3]),
        Die::typedef("t", "int[3]"),
        Die::volatile("t"),
        Die::variable("b", "volatile t", START + 16),
    ];
    let expected = ["var static volatile t b", "datasec .data..percpu size=28 {b@16+12}"];
    assert_eq!(found(dies), expected);
}

#[test]
fn a_bad_name_ends_the_encoding_unless_it_is_forced() {
    let file = file([Die::variable("a$b", "int", START + 8)]);
    assert_eq!(variables(&encoded(&file)), [""; 0]);
    let strict = Features { encode_force: false, ..Features::standard() };
    assert!(refused_with(&file, strict).contains("variable"));
}

#[test]
fn a_variable_of_type_void_is_left_out_where_it_is_forced() {
    let dies = [Die::variable("a", "void", START + 8), Die::variable("b", "int", START + 16)];
    let expected = ["var static int b", "datasec .data..percpu size=20 {b@16+4}"];
    assert_eq!(found(dies), expected);
}

/// Without force the reference leaves out the rest of the unit's variables, and goes on.
#[test]
fn a_variable_of_type_void_ends_those_of_its_unit() {
    let unit = |name: &str, ty, at| {
        Unit::new(5)
            .child(Die::int())
            .child(Die::variable("a", ty, START + at))
            .child(Die::variable(name, "int", START + at + 8))
    };
    let file = File::default().percpu(START, 0x100);
    let file = file.unit(unit("b", "void", 8)).unit(unit("c", "int", 24));
    let strict = Features { encode_force: false, ..Features::standard() };
    let expected =
        ["var static int a", "var static int c", "datasec .data..percpu size=36 {a@24+4, c@32+4}"];
    assert_eq!(variables(&encoded_with(&file, strict)), expected);
}

#[test]
fn a_name_may_have_128_bytes() {
    // The reference copies what is longer than 126 bytes without an end: not to compare with.
    let count = |len: usize| {
        let file = file([Die::variable(&"x".repeat(len), "int", START + 8)]);
        let Outcome::Blob(blob) = outcome(&file.to_bytes(), &options(Features::standard())) else {
            panic!()
        };
        variables(&Btf::read(&blob).unwrap()).len()
    };
    assert_eq!((count(128), count(129)), (2, 0));
}

#[test]
fn the_first_section_at_an_address_has_it() {
    let low = File::default().section(".other", START, vec![0; 0x40]).percpu(START, 0x100);
    let dies = [Die::variable("a", "int", START + 8), Die::variable("b", "int", START + 0x48)];
    let file = low.unit(Unit::new(5).child(Die::int()).children(dies));
    let expected = ["var static int b", "datasec .data..percpu size=76 {b@72+4}"];
    assert_eq!(variables(&encoded(&file)), expected);
}

//! Units that disagree, in the smallest form in which the parallel path once gave other bytes than
//! the serial one; found by `random.rs`.
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use dwarfgen::{Die, File, Unit, ate, tag};
use kmill_btf::Kind;
use support::{encoded, of_kind};

fn units<const N: usize>(units: [Vec<Die>; N]) -> File {
    let file = File::default().functions(&["f", "z"]);
    units.into_iter().fold(file, |file, dies| file.unit(Unit::new(5).children(dies)))
}

/// A member whose prototype has two copies of a type, where another unit has one: two paths of one
/// member lead to copies.
#[test]
fn copies_within_one_prototype() {
    let node = |callback: &str| Die::structure("n", 8).member("callback", callback, 0);
    let shared = vec![
        node("callback"),
        Die::constant("struct n").label("c"),
        Die::pointer("c").label("p"),
        Die::prototype("p", &["p"]).label("proto"),
        Die::pointer("proto").label("callback"),
    ];
    let copied = vec![
        node("callback"),
        Die::constant("struct n").label("c1"),
        Die::pointer("c1").label("p1"),
        Die::constant("struct n").label("c2"),
        Die::pointer("c2").label("p2"),
        Die::prototype("p1", &["p2"]).label("proto"),
        Die::pointer("proto").label("callback"),
    ];
    assert_eq!(of_kind(&encoded(&units([shared, copied])), Kind::Struct).len(), 2);
}

/// A typedef that a prototype has twice in one unit.
#[test]
fn typedef_copies_within_one_prototype() {
    let unit = |second: &str| {
        vec![
            Die::structure("n", 0),
            Die::pointer("struct n").label("p1"),
            Die::typedef("t", "p1").label("t1"),
            Die::pointer("struct n").label("p2"),
            Die::typedef("t", "p2").label("t2"),
            Die::prototype("void", &["t1", second]).label("proto"),
            Die::pointer("proto").label("callback"),
            Die::structure("s", 8).member("callback", "callback", 0),
        ]
    };
    assert_eq!(of_kind(&encoded(&units([unit("t1"), unit("t2")])), Kind::Struct).len(), 3);
}

/// An enumeration of 32 bits in one unit and of 64 in another, where one has no values: one type
/// in the blob, and two for the comparison of prototypes.
#[test]
fn an_enumeration_declared_here_and_wide_there() {
    let unit = |die: Die| {
        vec![die, Die::pointer("enum e"), Die::function("f", "void").param("x", "enum e *")]
    };
    let wide = Die::enumeration("e", 8).value("a", 1 << 40);
    let declared = Die::declared(tag::ENUMERATION_TYPE, "e");
    let btf = encoded(&units([unit(wide), unit(declared)]));
    assert_eq!(of_kind(&btf, Kind::Func), [""; 0]);
}

/// Two entries of a unit define one structure, each through copies of a type of its own; another
/// unit has one of each.
#[test]
fn a_structure_that_a_unit_defines_twice() {
    let once = vec![
        Die::structure("n", 16).member("a", "self", 0).member("b", "p", 8),
        Die::pointer("struct n").label("self"),
        Die::constant("void"),
        Die::pointer("const void").label("p"),
    ];
    let twice = vec![
        Die::structure("n", 16).label("one").member("a", "self", 0).member("b", "p1", 8),
        Die::pointer("two").label("self"),
        Die::constant("void").label("c1"),
        Die::pointer("c1").label("p1"),
        Die::constant("void").label("c2"),
        Die::pointer("c2").label("p2"),
        Die::structure("n", 16).label("two").member("a", "self", 0).member("b", "p2", 8),
    ];
    assert_eq!(of_kind(&encoded(&units([once, twice])), Kind::Struct).len(), 2);
}

/// A walk that starts at an anonymous structure meets its copy, which no member leads to but one.
#[test]
fn an_anonymous_structure_that_nothing_refers_to() {
    let inner = |label: &str, p: &str| {
        let die = Die::structure("", 16).label(label);
        die.member("", "struct n", 0).member("c", p, 8)
    };
    let e = || Die::enumeration("e", 1).value("v", 1);
    let once = vec![
        Die::structure("n", 8).member("b", "inner", 0),
        Die::declared(tag::ENUMERATION_TYPE, "e").size(1),
        Die::pointer("enum e").label("p"),
        inner("inner", "p"),
    ];
    let copied = vec![
        Die::pointer("enum e").label("p1"),
        e(),
        inner("alone", "p1"),
        Die::pointer("enum e").label("p2"),
        inner("inner", "p2"),
        Die::structure("n", 8).member("b", "inner", 0),
    ];
    assert_eq!(of_kind(&encoded(&units([once, copied])), Kind::Struct).len(), 3);
}

/// Pointers to two copies of an anonymous enumeration, before pointers to one: the copies are one
/// type by then, and the walk still tells the pointers apart.
#[test]
fn pointers_to_copies_of_an_enumeration() {
    let anonymous = |label: &str| Die::enumeration("", 1).label(label).value("v", 1);
    let both = |first: &str, second: &str| {
        let die = Die::structure("s", 24).member("a", first, 0).member("b", "t", 8);
        die.member("c", second, 16)
    };
    let long = || Die::base("long", 8, ate::SIGNED);
    let pointer = |target: &str, label: &str| Die::pointer(target).label(label);
    let shared = vec![
        long(),
        Die::typedef("t", "q"),
        pointer("e", "p"),
        anonymous("e"),
        both("p", "p"),
        Die::volatile("long"),
        pointer("volatile long", "q"),
    ];
    let copied = vec![
        both("p1", "p2"),
        anonymous("e1"),
        pointer("e1", "p1"),
        pointer("volatile long", "q"),
        long(),
        Die::volatile("long"),
        Die::typedef("t", "q"),
        anonymous("e2"),
        pointer("e2", "p2"),
    ];
    assert_eq!(of_kind(&encoded(&units([shared, copied])), Kind::Struct).len(), 2);
}

/// The same enumeration in two units, and functions that one worker reads or two: the outcome may
/// not depend on which.
#[test]
fn states_that_one_worker_reads_or_two() {
    let unit = |size| {
        let die = Die::enumeration("e", size);
        Unit::new(5).children([die, Die::function("f", "void").param("x", "enum e")])
    };
    let mut file = File::default().functions(&["f", "z"]).unit(unit(8)).unit(unit(4));
    // Work enough for the others to come by.
    for _ in 0..200 {
        file = file.unit(unit(8));
    }
    for _ in 0..50 {
        assert_eq!(of_kind(&encoded(&file), Kind::Func), [""; 0]);
    }
}

/// A reference that an unspecified type inside a function shifts to a type that there is not.
#[test]
fn a_reference_that_is_shifted_behind_the_last_type() {
    let block = Die::function("g", "void").child(Die::new(tag::UNSPECIFIED_TYPE).name("x"));
    let long = Die::base("long", 8, ate::SIGNED);
    let file = units([vec![Die::int(), block, Die::pointer("long"), long]]);
    support::refused(&file);
}

/// Members of type `void`, which stand for the last type of the unit before: for a tag.
#[test]
fn members_that_stand_for_a_tag() {
    let tagged = || {
        let die = Die::typedef("t", "int").child(Die::annotation("btf_decl_tag", "x"));
        vec![Die::int(), die]
    };
    let void = || vec![Die::structure("s", 8).member("a", "void", 0)];
    let file = units([tagged(), void(), tagged(), void()]);
    support::refused(&file);
}

/// The first state of a function is that of its origin, and its parameter is of a type that is
/// another one elsewhere.
#[test]
fn an_origin_whose_parameter_is_uncertain() {
    let enumeration = |value| Die::enumeration("e", 4).value("v", value);
    let instance = Die::new(tag::SUBPROGRAM)
        .refer(dwarfgen::at::ABSTRACT_ORIGIN, "f")
        .child(Die::new(tag::FORMAL_PARAMETER).refer(dwarfgen::at::ABSTRACT_ORIGIN, "x"));
    let origin = Die::function("f", "void")
        .child(Die::new(tag::FORMAL_PARAMETER).name("x").ty("enum e").label("x"))
        .label("f");
    let declared = origin.clone().flag(dwarfgen::at::DECLARATION);
    for (version, origin) in [(3, &origin), (5, &origin), (3, &declared), (5, &declared)] {
        let file = File::default().functions(&["f", "z"]);
        let file = file.unit(Unit::new(5).children(vec![
            enumeration(-1),
            origin.clone(),
            instance.clone(),
        ]));
        let file = file.unit(Unit::new(version).child(enumeration(2)));
        assert_eq!(of_kind(&encoded(&file), Kind::Func), ["func f: void(enum e x)"]);
    }
}

//! The rules of libbpf's deduplication, one by one, and what holds for any blob.
//!
//! Each unit of a blob is written as a compiler would: ids in one unit refer to that unit only.

use proptest::prelude::*;

use super::*;
use crate::sample::{Blob, without_variables};

/// Kind, name and what it refers to, of every type that stays.
fn said(blob: &Blob) -> Vec<String> {
    let line = |(id, ty): (TypeId, crate::types::Type<'_>)| {
        let mut refs = String::new();
        ty.for_each_ref(|id| refs += &format!(" {id}"));
        let name = String::from_utf8_lossy(blob.btf.name(ty)).into_owned();
        format!("{id} {} {name}{refs}", ty.kind().name())
    };
    blob.btf.types.iter().map(line).collect()
}

#[test]
fn equal_types_of_units_are_one() {
    let mut blob = Blob::new();
    for _ in 0..3 {
        let int = blob.int("int", 4);
        let float = blob.float("float", 4);
        let array = blob.array(int, int, 3);
        let union = blob.union("", 12, &[("f", float), ("a", array)]);
        let of = blob.structure("s", 12, &[("u", union, 0)]);
        let prototype = blob.prototype(int, &[("s", of)]);
        let function = blob.function("f", prototype);
        blob.decl_tag("tag", function, 0);
    }
    assert_eq!(blob.dedup().btf.types.len(), 8);
}

#[test]
fn a_declared_enumeration_is_the_one_of_its_name() {
    let mut blob = Blob::new();
    let declared = blob.enumeration("e", &[]);
    blob.ptr(declared);
    let defined = blob.enumeration("e", &[("A", 1)]);
    blob.ptr(defined);
    blob.enumeration("e", &[]);
    blob.enumeration("other", &[]);
    assert_eq!(said(&blob.dedup()), ["1 PTR  2", "2 ENUM e", "3 ENUM other"]);
}

#[test]
fn a_declared_enumeration_is_one_of_64_bits_too() {
    let mut blob = Blob::new();
    let declared = blob.enumeration("e", &[]);
    blob.ptr(declared);
    blob.enum64("e", false, &[("A", 1 << 40)]);
    assert_eq!(said(&blob.dedup()), ["1 PTR  2", "2 ENUM64 e"]);
}

#[test]
fn a_forward_is_the_only_structure_of_its_name() {
    let mut blob = Blob::new();
    let forward = blob.forward("s");
    blob.ptr(forward);
    let union = blob.forward_union("u");
    blob.ptr(union);
    let of = blob.structure("s", 0, &[]);
    blob.ptr(of);
    blob.union("u", 0, &[]);
    let wrong_kind = blob.forward_union("s");
    blob.ptr(wrong_kind);
    assert_eq!(
        said(&blob.dedup()),
        ["1 PTR  3", "2 PTR  4", "3 STRUCT s", "4 UNION u", "5 FWD s", "6 PTR  5"]
    );
}

#[test]
fn a_forward_of_an_ambiguous_name_stays() {
    for second in [Kind::Struct, Kind::Union] {
        let mut blob = Blob::new();
        let forward = blob.forward("s");
        blob.ptr(forward);
        blob.structure("s", 4, &[]);
        blob.composite(second, "s", 8, &[]);
        assert_eq!(blob.dedup().kinds(), [Kind::Fwd, Kind::Ptr, Kind::Struct, second]);
    }
}

/// `struct user { struct s *s; }`, where `s` is a type of the same unit.
fn user(blob: &mut Blob, of: impl FnOnce(&mut Blob) -> u32) {
    let of = of(blob);
    let ptr = blob.ptr(of);
    blob.structure("user", 8, &[("s", ptr, 0)]);
}

#[test]
fn a_walk_finds_what_an_ambiguous_forward_declares() {
    // The name alone would not do: there are two.
    let mut blob = Blob::new();
    blob.structure("s", 4, &[]);
    user(&mut blob, |blob| blob.forward("s"));
    user(&mut blob, |blob| blob.structure("s", 8, &[]));
    let all = ["1 STRUCT s", "2 PTR  4", "3 STRUCT user 2", "4 STRUCT s"];
    assert_eq!(said(&blob.dedup()), all);

    // The other way round.
    let mut blob = Blob::new();
    blob.structure("s", 4, &[]);
    user(&mut blob, |blob| blob.structure("s", 8, &[]));
    user(&mut blob, |blob| blob.forward("s"));
    assert_eq!(said(&blob.dedup()), ["1 STRUCT s", "2 STRUCT s", "3 PTR  2", "4 STRUCT user 3"]);
}

#[test]
fn of_equal_references_the_one_finished_first_stays() {
    let mut blob = Blob::new();
    // 1 and 3 are equal; 1 refers to 5, which is looked at before 3, and is equal to it.
    blob.ptr(5);
    let int = blob.int("int", 4);
    blob.ptr(int);
    blob.int("long", 8);
    blob.ptr(int);
    assert_eq!(said(&blob.dedup()), ["1 PTR  4", "2 INT int", "3 INT long", "4 PTR  2"]);
}

#[test]
fn of_an_array_the_element_is_looked_at_before_the_index() {
    let mut blob = Blob::new();
    blob.array(3, 2, 1);
    blob.refer(Kind::Typedef, "t", 4);
    blob.refer(Kind::Typedef, "t", 4);
    blob.int("int", 4);
    assert_eq!(said(&blob.dedup()), ["1 ARRAY  2 2", "2 TYPEDEF t 3", "3 INT int"]);
}

/// Two units with a structure of two members of the same type, which is described once in the
/// first unit and twice in the second; how many of the structures stay.
fn twice_in_a_unit(make: impl Fn(&mut Blob, u32) -> u32) -> usize {
    let mut blob = Blob::new();
    let int = blob.int("int", 4);
    let once = make(&mut blob, int);
    blob.structure("s", 64, &[("a", once, 0), ("b", once, 256)]);
    let int = blob.int("int", 4);
    let (first, second) = (make(&mut blob, int), make(&mut blob, int));
    blob.structure("s", 64, &[("a", first, 0), ("b", second, 256)]);
    let blob = blob.dedup();
    let named = |name: &str| said(&blob).iter().filter(|line| line.contains(name)).count();
    named("STRUCT s")
}

#[test]
fn arrays_pointers_and_structures_may_be_in_a_unit_twice() {
    assert_eq!(twice_in_a_unit(|blob, int| blob.array(int, int, 4)), 1);
    assert_eq!(twice_in_a_unit(|blob, int| blob.ptr(int)), 1);
    assert_eq!(twice_in_a_unit(|blob, int| blob.structure("", 4, &[("x", int, 0)])), 1);
}

#[test]
fn structures_of_arrays_and_structures_may_be_in_a_unit_twice() {
    let nested = |blob: &mut Blob, int| {
        let array = blob.array(int, int, 4);
        let inner = blob.structure("", 4, &[("x", int, 0)]);
        // Later than what it is a member of: not yet known to be one with its twin.
        blob.structure("", 24, &[("a", array, 0), ("i", inner, 128)])
    };
    assert_eq!(twice_in_a_unit(nested), 1);
}

/// `struct s { n0 a; n0 b; }`, where `struct n0 { n1 a; n1 b; }` and so on, so many deep; all but
/// the first one is in the unit `copies` times, and comes behind what refers to it.
fn doubling(blob: &mut Blob, depth: u32, copies: u32) {
    let first = blob.btf.types.last().0 + 1;
    let int = first + 1 + depth * copies;
    blob.structure("s", 8, &[("a", first + 1, 0), ("b", int - depth, 32)]);
    for id in first + 1..int {
        let level = (id - first - 1) % depth;
        let next = if level + 1 == depth { int } else { id + 1 };
        blob.structure(&format!("n{level}"), 8, &[("a", next, 0), ("b", next, 32)]);
    }
    blob.int("int", 4);
}

#[test]
fn structures_that_double_at_every_level_take_no_time() {
    for depth in [60, 2000] {
        let mut blob = Blob::new();
        doubling(&mut blob, depth, 1);
        doubling(&mut blob, depth, 2);
        assert_eq!(blob.dedup().btf.types.len(), depth as usize + 2);
    }
}

/// Structures that look alike, and differ in what is behind them.
fn alike(count: u32) -> Blob {
    let mut blob = Blob::new();
    for n in 0..count {
        let name = format!("s{n}");
        let forward = blob.forward(&name);
        let ptr = blob.ptr(forward);
        blob.structure("", 8, &[("p", ptr, 0)]);
    }
    blob
}

#[test]
fn what_would_take_for_ever_is_an_error() {
    // As many as no kernel has.
    assert_eq!(alike(1000).dedup().btf.types.len(), 3000);
    assert_eq!(alike(20_000).btf.dedup().err(), Some(DedupError::Ambiguous));
    // Enumerations without a name are all compared with each other.
    let mut blob = Blob::new();
    for value in 0..40_000 {
        blob.enumeration("", &[("A", value)]);
    }
    assert_eq!(blob.btf.dedup().err(), Some(DedupError::Ambiguous));
}

/// Half of the structures have one graph behind them, half another, and the two graphs differ in their
/// last type only: every walk is as long as it can be.
#[test]
fn long_walks_that_fail_are_counted_whole() {
    let mut blob = Blob::new();
    let int = blob.int("int", 4);
    let mut graph = |name: &str| {
        let mut last = blob.structure(name, 4, &[("x", int, 0)]);
        for _ in 0..2000 {
            let ptr = blob.ptr(last);
            last = blob.structure("link", 8, &[("next", ptr, 0)]);
        }
        blob.ptr(last)
    };
    let ends = [graph("one"), graph("other")];
    for n in 0..2000 {
        let forward = blob.forward(&format!("s{n}"));
        let ptr = blob.ptr(forward);
        blob.structure("", 16, &[("graph", ends[n % 2], 0), ("own", ptr, 64)]);
    }
    assert_eq!(blob.btf.dedup().err(), Some(DedupError::Ambiguous));
}

#[test]
fn what_else_is_in_a_unit_twice_makes_a_duplicate() {
    assert_eq!(twice_in_a_unit(|blob, int| blob.refer(Kind::Const, "", int)), 2);
    assert_eq!(twice_in_a_unit(|blob, int| blob.refer(Kind::Typedef, "t", int)), 2);
    // Two pointers are only the same when they refer to the same id.
    let to_another = |blob: &mut Blob, int| {
        let constant = blob.refer(Kind::Const, "", int);
        blob.ptr(constant)
    };
    assert_eq!(twice_in_a_unit(to_another), 2);
}

#[test]
fn structures_inside_an_equal_one_are_settled_with_it() {
    // `inner` comes behind `outer` in both units, and is different in name only in a third.
    let mut blob = Blob::new();
    for name in ["x", "x", "y"] {
        let outer = blob.btf.types.last().0 + 1;
        let int = outer + 2;
        blob.structure("outer", 4, &[("inner", outer + 1, 0)]);
        blob.structure("inner", 4, &[(name, int, 0)]);
        blob.int("int", 4);
    }
    assert_eq!(blob.dedup().btf.types.len(), 5);
}

#[test]
fn circles_of_structures_are_one() {
    let mut blob = Blob::new();
    for _ in 0..2 {
        let first = blob.btf.types.last().0 + 1;
        blob.structure("a", 8, &[("b", first + 2, 0)]);
        blob.structure("b", 8, &[("a", first + 3, 0)]);
        blob.ptr(first + 1);
        blob.ptr(first);
    }
    assert_eq!(blob.dedup().btf.types.len(), 4);
}

#[test]
fn variables_and_sections_all_stay() {
    let mut blob = Blob::new();
    for _ in 0..2 {
        let int = blob.int("int", 4);
        let variable = blob.variable("v", int);
        blob.section(".data", 4, &[(variable, 0, 4)]);
    }
    let all = ["1 INT int", "2 VAR v 1", "3 DATASEC .data 2", "4 VAR v 1", "5 DATASEC .data 4"];
    assert_eq!(said(&blob.dedup()), all);
}

#[test]
fn what_refers_to_nothing_but_itself_is_an_error() {
    let mut blob = Blob::new();
    blob.refer(Kind::Const, "", 2);
    blob.ptr(1);
    assert_eq!(blob.btf.dedup().err(), Some(DedupError::Loop(TypeId(1))));
}

#[test]
fn types_of_the_base_stand_for_those_of_a_split_blob() {
    let unit = |blob: &mut Blob| {
        let int = blob.int("int", 4);
        let of = blob.structure("s", 4, &[("x", int, 0)]);
        let prototype = blob.prototype(0, &[("s", of)]);
        let function = blob.function("f", prototype);
        blob.decl_tag("kfunc", function, -1);
        int
    };
    let mut base = Blob::new();
    unit(&mut base);
    let mut blob = Blob::behind(base.btf);
    let int = unit(&mut blob);
    blob.refer(Kind::Typedef, "t", int);
    assert_eq!(said(&blob.dedup()), ["6 TYPEDEF t 1"]);
}

#[test]
fn a_forward_of_a_split_blob_is_the_bases_structure() {
    let mut base = Blob::new();
    user(&mut base, |blob| blob.structure("s", 8, &[]));
    let mut blob = Blob::behind(base.btf);
    user(&mut blob, |blob| blob.forward("s"));
    assert_eq!(said(&blob.dedup()), [""; 0]);
}

#[test]
fn a_forward_of_the_base_is_never_turned_into_ours() {
    let mut base = Blob::new();
    user(&mut base, |blob| blob.forward("s"));
    let mut blob = Blob::behind(base.btf);
    user(&mut blob, |blob| blob.structure("s", 8, &[]));
    assert_eq!(said(&blob.dedup()), ["4 STRUCT s", "5 PTR  4", "6 STRUCT user 5"]);
}

/// The same types a second time, as if another unit had them.
fn append_itself(btf: &Btf) -> Btf {
    let mut twice = btf.clone();
    let count = btf.types.len() as u32;
    for (_, ty) in btf.types.iter() {
        let mut words = ty.words().to_vec();
        map_refs(&mut words, |id| TypeId(if id.0 == 0 { 0 } else { id.0 + count }));
        twice.types.push_words(&words);
    }
    twice
}

proptest! {
    #[test]
    fn what_was_deduplicated_has_no_duplicates(btf in without_variables()) {
        let once = btf.dedup().unwrap();
        let again = once.clone().dedup().unwrap();
        prop_assert_eq!(once.types, again.types);
    }

    #[test]
    fn a_second_copy_adds_nothing(btf in without_variables()) {
        let twice = append_itself(&btf).dedup().unwrap();
        let once = btf.dedup().unwrap();
        prop_assert_eq!(once.types, twice.types);
    }
}

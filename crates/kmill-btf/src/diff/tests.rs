//! Each kind of difference once, and that order and ids make none.

use proptest::prelude::*;

use super::*;
use crate::sample::{Blob, well_formed};

/// The differences between two blobs made by the same function, in words.
fn between(make: impl Fn(&mut Blob, bool)) -> Vec<String> {
    let [first, second] = [false, true].map(|second| {
        let mut blob = Blob::new();
        blob.int("int", 4);
        make(&mut blob, second);
        blob.btf
    });
    diff(&first, &second).iter().map(ToString::to_string).collect()
}

#[test]
fn members_that_came_went_moved_and_changed() {
    let found = between(|blob, second| {
        let int = 1;
        let ptr = blob.ptr(int);
        if second {
            let of = blob.refer(Kind::Const, "", int);
            let ptr = blob.ptr(of);
            let members = [("new", int, 0), ("moved", int, 32), ("typed", ptr, 64)];
            blob.structure("s", 16, &members);
        } else {
            blob.structure("s", 24, &[("old", int, 0), ("moved", int, 64), ("typed", ptr, 64)]);
        }
        blob.structure("user", 24, &[("s", ptr, 0)]);
    });
    assert_eq!(
        found,
        [
            "struct s: size: 24 became 16",
            "struct s: old: only in the first",
            "struct s: moved: int at bit 64 became int at bit 32",
            "struct s: typed: int * at bit 64 became int const * at bit 64",
            "struct s: new: only in the second",
        ]
    );
}

#[test]
fn a_structure_inside_without_a_name_is_looked_into() {
    let found = between(|blob, second| {
        let members = [("a", 1), ("b", 1)];
        let union = blob.union("", 4, &members[usize::from(second)..]);
        blob.structure("s", 8, &[("x", 1, 0), ("", union, 32)]);
        let of = blob.structure("", 4, &[("x", 1, 32 * u32::from(second))]);
        blob.refer(Kind::Typedef, "t", of);
    });
    assert_eq!(
        found,
        ["struct s: a: only in the first", "typedef t: x: int at bit 0 became int at bit 32",]
    );
}

#[test]
fn what_refers_to_a_changed_type_did_not_change() {
    let found = between(|blob, second| {
        blob.structure("s", if second { 8 } else { 4 }, &[("next", 3, 0)]);
        let ptr = blob.ptr(2);
        let prototype = blob.prototype(ptr, &[("s", ptr)]);
        blob.function("f", prototype);
        blob.refer(Kind::Typedef, "t", ptr);
    });
    assert_eq!(found, ["struct s: size: 4 became 8"]);
}

#[test]
fn functions_variables_sections_and_tags() {
    let found = between(|blob, second| {
        let ptr = blob.ptr(1);
        let second_type = if second {
            let callback = blob.prototype(0, &[("", 1), ("", 0)]);
            blob.ptr(callback)
        } else {
            ptr
        };
        let prototype = blob.prototype(1, &[("a", ptr), ("b", second_type)]);
        let function = blob.function("f", prototype);
        blob.decl_tag("kfunc", function, if second { 1 } else { -1 });
        let variable = blob.variable("v", if second { ptr } else { 1 });
        blob.section(".data", 64, &[(variable, 8 * u32::from(second), 8)]);
        if second {
            blob.forward("declared");
            blob.enumeration("", &[("A", 1)]);
        }
    });
    assert_eq!(
        found,
        [
            "declaration of struct declared: only in the second",
            "function f: prototype: fn(a: int *, b: int *) -> int became \
             fn(a: int *, b: (fn(int, ...) -> void) *) -> int",
            "variable v: type: int became int *",
            "section .data: v: 8 bytes at 0 became 8 bytes at 8",
            "tag 'kfunc' of f: component: -1 became 1",
            "nameless enum { A = 1; }: only in the second",
        ]
    );
}

#[test]
fn values_of_enumerations() {
    let found = between(|blob, second| {
        if second {
            blob.enumeration("e", &[("B", 2), ("A", 1)]);
            blob.enumeration("f", &[("A", 2), ("C", 1)]);
        } else {
            blob.enumeration("e", &[("A", 1), ("B", 2)]);
            blob.enumeration("f", &[("A", 1)]);
        }
    });
    assert_eq!(
        found,
        [
            "enum e: the same parts in another order",
            "enum f: A: 1 became 2",
            "enum f: C: only in the second",
        ]
    );
}

#[test]
fn several_definitions_of_a_name_are_matched_by_what_is_in_them() {
    let found = between(|blob, second| {
        let sizes = if second { [16, 8, 32] } else { [8, 16, 8] };
        for size in sizes {
            blob.structure("s", size, &[]);
        }
    });
    assert_eq!(found, ["struct s: size: 8 became 32"]);
    let found = between(|blob, second| {
        blob.structure("s", 8, &[]);
        if second {
            blob.structure("s", 8, &[]);
        }
    });
    assert_eq!(found, ["struct s: only in the second"]);
}

#[test]
fn circles_of_nameless_types_end() {
    let found = between(|blob, second| {
        blob.structure("", 8, &[("next", 3, 0)]);
        blob.ptr(2);
        blob.structure("s", 8, &[("x", 2, 64 * u32::from(second))]);
    });
    assert_eq!(found.len(), 1, "{found:?}");
    // A structure without a name in itself.
    let found = between(|blob, second| {
        blob.structure("", 8, &[("", 2, 0), ("", 2, 0)]);
        blob.structure("s", 8, &[("", 2, 64 * u32::from(second))]);
    });
    assert!(!found.is_empty());
}

proptest! {
    #[test]
    fn order_and_ids_make_no_difference(btf in well_formed()) {
        prop_assert_eq!(diff(&btf, &btf), vec![]);
        let sorted = btf.sort_by_name().unwrap();
        prop_assert_eq!(diff(&btf, &sorted), vec![]);
    }

    #[test]
    fn a_difference_is_seen_from_both_sides(a in well_formed(), b in well_formed()) {
        prop_assert_eq!(diff(&a, &b).is_empty(), diff(&b, &a).is_empty());
    }
}

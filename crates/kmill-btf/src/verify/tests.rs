//! What passes and what does not, rule by rule. The rules were compared with a kernel's own
//! verdicts on random blobs; here each stands once, in words.

use proptest::prelude::*;

use super::*;
use crate::format::Kind;
use crate::sample::{Blob, well_formed};
use crate::types::TypeId;

fn whats(blob: &Blob) -> Vec<(u32, What)> {
    blob.btf.verify().iter().map(|problem| (problem.id.0, problem.what)).collect()
}

fn entry(index: usize, what: EntryProblem) -> What {
    What::Entry { index, what }
}

/// A blob of one `int` and what `make` adds; the one problem there is with the last type.
fn only(make: impl FnOnce(&mut Blob, u32)) -> Option<What> {
    let mut blob = Blob::new();
    let int = blob.int("int", 4);
    make(&mut blob, int);
    let found = whats(&blob);
    assert!(found.len() <= 1, "{found:?}");
    found.first().map(|(_, what)| *what)
}

proptest! {
    #[test]
    fn what_is_well_formed_passes(btf in well_formed()) {
        prop_assert_eq!(btf.verify(), vec![]);
    }

    #[test]
    fn no_words_make_it_panic(
        btf in well_formed(), changes in prop::collection::vec(any::<(usize, u32)>(), 1..6)
    ) {
        let mut bytes = btf.to_bytes();
        let words = btf.types.words().len();
        for (at, word) in changes {
            if words != 0 {
                let at = 24 + at % words * 4;
                let old = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
                let new = if word % 2 == 0 { word % 64 } else { old ^ 1 << (word % 32) };
                bytes[at..at + 4].copy_from_slice(&new.to_le_bytes());
            }
        }
        if let Ok(btf) = Btf::read(&bytes) {
            btf.verify();
        }
    }
}

#[test]
fn names_are_identifiers_of_latin_1() {
    let typedef = |name: &'static str| {
        only(|blob, int| {
            blob.refer(Kind::Typedef, name, int);
        })
    };
    assert_eq!(typedef("_x1"), None);
    assert_eq!(typedef(".text.unlikely"), None);
    assert_eq!(typedef("1x"), Some(What::BadName));
    assert_eq!(typedef("Vec<u8>"), Some(What::BadName));
    assert_eq!(typedef(""), Some(What::Nameless));
    let long = "x".repeat(513).leak();
    assert_eq!(typedef(&long[1..]), None);
    assert_eq!(typedef(long), Some(What::BadName));
    // É in Latin-1 is a letter, in UTF-8 its second byte is none.
    assert_eq!(typedef("É"), Some(What::BadName));
    let mut btf = Btf::default();
    let (int, name) = (btf.add_string(b"int"), btf.add_string(b"\xc9"));
    btf.types.push_int(int, 4, 1);
    btf.types.push_ref(Kind::Typedef, name, TypeId(1));
    assert_eq!(btf.verify(), vec![]);
}

#[test]
fn integers_fit_their_size_and_have_one_encoding() {
    let int = |size, word| {
        only(|blob, _| {
            blob.raw(Kind::Int, false, 0, "any name", size, &[word]);
        })
    };
    assert_eq!(int(16, 128), None);
    assert_eq!(int(4, 33), Some(What::IntBits));
    assert_eq!(int(4, 1 << 16 | 32), Some(What::IntBits));
    assert_eq!(int(32, 129), Some(What::IntBits));
    assert_eq!(int(1, 4 << 24 | 8), None);
    assert_eq!(int(1, 3 << 24 | 8), Some(What::IntEncoding));
    assert_eq!(int(1, 16 << 24 | 8), Some(What::IntEncoding));
}

#[test]
fn kinds_have_flags_entries_and_names_where_they_may() {
    let raw = |kind, flag, vlen, name: &'static str, third| {
        only(|blob, _| {
            let more = if kind == Kind::DeclTag { vec![u32::MAX] } else { vec![] };
            blob.raw(kind, flag, vlen, name, third, &more);
        })
    };
    assert_eq!(raw(Kind::Ptr, false, 0, "", 1), None);
    assert_eq!(raw(Kind::Ptr, true, 0, "", 1), Some(What::Flag));
    assert_eq!(raw(Kind::Const, false, 3, "", 1), Some(What::Entries(3)));
    assert_eq!(raw(Kind::Restrict, false, 0, "name", 1), Some(What::Named));
    assert_eq!(raw(Kind::TypeTag, true, 0, "any text", 1), None);
    assert_eq!(raw(Kind::Fwd, true, 0, "union_only_declared", 0), None);
    assert_eq!(raw(Kind::Fwd, true, 0, "name", 1), Some(What::NotZero));
    assert_eq!(raw(Kind::Fwd, true, 1, "name", 0), Some(What::Entries(1)));
    assert_eq!(raw(Kind::Float, false, 0, "f", 3), Some(What::Size(3)));
    assert_eq!(raw(Kind::Float, false, 0, "f", 12), None);
    assert_eq!(raw(Kind::Enum, false, 0, "e", 3), Some(What::Size(3)));
    assert_eq!(raw(Kind::Enum, true, 0, "", 8), None);
    assert_eq!(raw(Kind::Datasec, false, 0, ".bss", 0), Some(What::Size(0)));
    assert_eq!(raw(Kind::Typedef, false, 1 << 16, "t", 1), Some(What::UnusedInfoBits));
}

#[test]
fn members_come_in_order_and_fit() {
    let of = |members: &[(&str, u32, u32)]| {
        only(|blob, _| {
            blob.structure("s", 8, members);
        })
    };
    assert_eq!(of(&[("a", 1, 0), ("b", 1, 32)]), None);
    assert_eq!(of(&[("a", 1, 32), ("b", 1, 0)]), Some(entry(1, EntryProblem::Order)));
    assert_eq!(of(&[("a", 1, 48)]), Some(entry(0, EntryProblem::Misfit)));
    assert_eq!(of(&[("a", 1, 72)]), Some(entry(0, EntryProblem::Outside)));
    assert_eq!(of(&[("a", 0, 0)]), Some(entry(0, EntryProblem::Void)));
    assert_eq!(of(&[("1", 1, 0)]), Some(entry(0, EntryProblem::BadName)));
    let union = only(|blob, int| {
        blob.composite(Kind::Union, "u", 8, &[("a", int, 0), ("b", int, 32)]);
    });
    assert_eq!(union, Some(entry(1, EntryProblem::InUnion(32))));
    let empty_array_at_the_end = only(|blob, int| {
        let array = blob.array(int, int, 0);
        blob.structure("s", 4, &[("a", int, 0), ("tail", array, 32)]);
    });
    assert_eq!(empty_array_at_the_end, None);
}

#[test]
fn bit_fields_are_no_wider_than_their_type() {
    let field = |bits: u32, at: u32| {
        only(|blob, int| {
            let name = blob.btf.add_string(b"field").0;
            blob.raw(Kind::Struct, true, 1, "s", 8, &[name, int, bits << 24 | at]);
        })
    };
    assert_eq!(field(3, 29), None);
    assert_eq!(field(33, 0), Some(entry(0, EntryProblem::BitField)));
    assert_eq!(field(0, 4), Some(entry(0, EntryProblem::Unaligned)));
    assert_eq!(field(8, 60), Some(entry(0, EntryProblem::Misfit)));
    let pointer = only(|blob, int| {
        let ptr = blob.ptr(int);
        blob.raw(Kind::Struct, true, 1, "s", 8, &[0, ptr, 3 << 24]);
    });
    assert_eq!(pointer, Some(entry(0, EntryProblem::BitField)));
}

/// A distilled base of a 32-bit kernel may have no `long` that would say so.
#[test]
fn where_nothing_says_how_large_pointers_are_both_will_do() {
    let members = |size: u32, second: u32| {
        only(|blob, int| {
            let ptr = blob.ptr(int);
            blob.structure("s", size, &[("a", ptr, 0), ("b", ptr, second)]);
        })
    };
    assert_eq!((members(16, 64), members(8, 32)), (None, None));
    assert_eq!(members(8, 48), Some(entry(1, EntryProblem::Misfit)));
    let of_64_bits = only(|blob, int| {
        blob.int("long int", 8);
        let ptr = blob.ptr(int);
        blob.structure("s", 8, &[("a", ptr, 0), ("b", ptr, 32)]);
    });
    assert!(of_64_bits.is_some());
}

#[test]
fn arrays_have_elements_of_a_size_and_an_integer_for_index() {
    assert_eq!(
        only(|blob, int| {
            blob.array(0, int, 1);
        }),
        Some(What::Void)
    );
    let forward = only(|blob, int| {
        let forward = blob.forward("f");
        blob.array(forward, int, 1);
    });
    assert_eq!(forward, Some(What::Element(TypeId(2))));
    let float = only(|blob, int| {
        let float = blob.float("float", 4);
        blob.array(int, float, 1);
    });
    assert_eq!(float, Some(What::Index(TypeId(2))));
    assert_eq!(
        only(|blob, int| {
            blob.array(int, int, u32::MAX);
        }),
        Some(What::ArraySize)
    );
}

#[test]
fn functions_name_their_parameters_and_prototypes_need_not() {
    let pointer_to_nameless = only(|blob, int| {
        let prototype = blob.prototype(0, &[("", int), ("", 0)]);
        blob.ptr(prototype);
    });
    assert_eq!(pointer_to_nameless, None);
    let function = only(|blob, int| {
        let prototype = blob.prototype(int, &[("a", int), ("", int)]);
        blob.function("f", prototype);
    });
    assert_eq!(function, Some(entry(1, EntryProblem::Nameless)));
    let no_prototype = only(|blob, int| {
        blob.function("f", int);
    });
    assert_eq!(no_prototype, Some(What::Target(TypeId(1))));
    let void_in_the_middle = only(|blob, int| {
        blob.prototype(0, &[("a", 0), ("b", int)]);
    });
    assert_eq!(void_in_the_middle, Some(entry(0, EntryProblem::Type(TypeId::VOID))));
    let linkage = only(|blob, _| {
        let prototype = blob.prototype(0, &[]);
        blob.raw(Kind::Func, false, 2, "f", prototype, &[]);
    });
    assert_eq!(linkage, Some(What::Linkage(2)));
}

#[test]
fn sections_hold_variables_in_order() {
    let section = |size, entries: [(u32, u32, u32); 2]| {
        only(|blob, int| {
            blob.variable("a", int);
            blob.variable("b", int);
            blob.section(".data", size, &entries);
        })
    };
    assert_eq!(section(8, [(2, 0, 4), (3, 4, 4)]), None);
    assert_eq!(section(8, [(2, 4, 4), (3, 0, 4)]), Some(entry(1, EntryProblem::Order)));
    assert_eq!(section(8, [(2, 0, 5), (3, 4, 4)]), Some(entry(1, EntryProblem::Order)));
    assert_eq!(section(7, [(2, 0, 4), (3, 4, 4)]), Some(entry(1, EntryProblem::Outside)));
    assert_eq!(section(8, [(2, 0, 0), (3, 4, 4)]), Some(entry(0, EntryProblem::Size)));
    assert_eq!(section(8, [(2, 0, 3), (3, 4, 4)]), Some(entry(0, EntryProblem::Misfit)));
    assert_eq!(section(8, [(1, 0, 4), (3, 4, 4)]), Some(entry(0, EntryProblem::Type(TypeId(1)))));
}

#[test]
fn tags_name_a_component_that_there_is() {
    let tag = |component| {
        only(|blob, int| {
            let of = blob.structure("s", 4, &[("a", int, 0)]);
            blob.decl_tag("tag", of, component);
        })
    };
    assert_eq!(tag(-1), None);
    assert_eq!(tag(0), None);
    assert_eq!(tag(1), Some(What::Component(1)));
    assert_eq!(tag(-2), Some(What::Component(-2)));
    let of_an_int = only(|blob, int| {
        blob.decl_tag("tag", int, -1);
    });
    assert_eq!(of_an_int, Some(What::Target(TypeId(1))));
}

#[test]
fn type_tags_come_first() {
    let good = only(|blob, int| {
        let constant = blob.refer(Kind::Const, "", int);
        let tag = blob.refer(Kind::TypeTag, "rcu", constant);
        let tag = blob.refer(Kind::TypeTag, "user", tag);
        blob.ptr(tag);
    });
    assert_eq!(good, None);
    let bad = only(|blob, int| {
        let tag = blob.refer(Kind::TypeTag, "rcu", int);
        blob.refer(Kind::Const, "", tag);
    });
    assert_eq!(bad, Some(What::TagBehindModifier));
}

#[test]
fn chains_of_modifiers_end() {
    // From the far end: what was looked at before costs nothing.
    let up = only(|blob, int| {
        let mut last = int;
        for _ in 0..40 {
            last = blob.refer(Kind::Const, "", last);
        }
    });
    assert_eq!(up, None);
    let mut down = Blob::new();
    for id in 1..=33 {
        down.refer(Kind::Const, "", id + 1);
    }
    down.int("int", 4);
    let found = down.btf.verify();
    let of = |id| found.iter().find(|problem| problem.id.0 == id).map(|problem| problem.what);
    assert_eq!(of(1), Some(What::Chain));
    assert_eq!(of(2), None);

    let mut circle = Blob::new();
    circle.refer(Kind::Const, "", 2);
    circle.refer(Kind::Volatile, "", 1);
    assert!(whats(&circle).contains(&(1, What::Chain)));
}

#[test]
fn nothing_contains_itself() {
    let mut blob = Blob::new();
    blob.structure("a", 8, &[("b", 2, 0)]);
    blob.structure("b", 8, &[("a", 1, 0)]);
    assert_eq!(whats(&blob), [(2, What::Loop)]);

    let mut pointers = Blob::new();
    pointers.ptr(2);
    pointers.ptr(1);
    assert_eq!(whats(&pointers), [(2, What::Loop)]);

    let mut list = Blob::new();
    list.structure("list", 8, &[("next", 2, 0)]);
    list.ptr(1);
    assert_eq!(whats(&list), []);
}

#[test]
fn nesting_has_an_end() {
    let nested = |count: u32| {
        let mut blob = Blob::new();
        for id in 1..count {
            blob.structure("s", 4, &[("s", id + 1, 0)]);
        }
        blob.structure("s", 4, &[]);
        blob.btf.verify().len()
    };
    assert_eq!((nested(32), nested(33)), (0, 1));
}

#[test]
fn a_split_blob_counts_with_its_base() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    let constant = base.refer(Kind::Const, "", int);
    let array = base.array(constant, int, 3);
    let mut blob = Blob::behind(base.btf);
    blob.structure("fits", 12, &[("a", array, 0)]);
    let small = blob.structure("small", 8, &[("a", array, 0)]);
    assert_eq!(whats(&blob), [(small, entry(0, EntryProblem::Misfit))]);
}

#[test]
fn what_the_kernel_takes_on_trust_is_marked() {
    let mut blob = Blob::new();
    let int = blob.int("int", 4);
    blob.structure("s", 2, &[("a", int, 0)]);
    blob.structure("s", 2, &[("a", 0, 0)]);
    let asked: Vec<_> = blob.btf.verify().iter().map(|problem| problem.asked).collect();
    assert_eq!(asked, [Asked::WhenLoaded, Asked::Always]);
}

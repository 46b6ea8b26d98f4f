//! What pahole has later than 1.31, by feature: layouts, attributes as GCC says them, and the
//! signatures that the compiler has left. `DWARF_BTF_LATER` names such a pahole to compare with.
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use dwarf_btf::Features;
use dwarfgen::{Die, File, Unit, at, ate, tag};
use kmill_btf::{Btf, Kind};
use support::{encoded, encoded_later, of_kind, types};

fn one(dies: impl IntoIterator<Item = Die>) -> File {
    File::default().function("f", 0x1000).unit(Unit::new(5).children(dies))
}

mod layout {
    use super::*;

    #[test]
    fn it_is_a_longer_header_and_a_section_before_the_strings() {
        let file = one([Die::int(), Die::pointer("int")]);
        let with = Features { layout: true, ..Features::standard() };
        let blob = |features| match support::outcome(&file.to_bytes(), &support::options(features))
        {
            support::Outcome::Blob(blob) => blob,
            other => panic!("{other:?}"),
        };
        let (plain, long) = (blob(Features::standard()), blob(with.clone()));
        assert_eq!((plain[4], long[4]), (24, 32));
        assert_eq!(long.len(), plain.len() + 8 + 20 * 4);
        assert_eq!(types(&encoded_later(&file, with)), types(&encoded(&file)));
    }

    #[test]
    fn a_split_blob_has_none() {
        let base = encoded(&one([Die::int()]));
        let features = Features { layout: true, ..Features::standard() };
        let base = Some(std::sync::Arc::new(base));
        let base = base.map(|base| std::sync::Arc::new(kmill_btf::dedup::Index::new(base)));
        let options = dwarf_btf::Options { base, ..support::options(features) };
        let file = one([Die::int(), Die::pointer("int")]);
        let support::Outcome::Blob(blob) = support::outcome(&file.to_bytes(), &options) else {
            panic!("no blob")
        };
        assert_eq!(blob[4], 24);
    }
}

mod annotations {
    use super::*;

    fn features() -> Features {
        Features { gnu_annotation: true, ..Features::standard() }
    }

    /// An annotation somewhere in the unit; behind it another one, or nothing.
    fn gnu(label: &str, kind: &str, next: &str) -> Die {
        let mut die = Die::annotation(kind, label).label(label);
        die.tag = tag::GNU_ANNOTATION;
        if next.is_empty() { die } else { die.refer(at::GNU_ANNOTATION, next) }
    }

    fn tagged(die: Die, label: &str) -> Die {
        die.refer(at::GNU_ANNOTATION, label)
    }

    #[test]
    fn the_first_of_a_list_is_next_to_the_pointer_and_lists_share_their_ends() {
        let file = one([
            Die::int(),
            gnu("outer", "btf_type_tag", ""),
            gnu("inner", "btf_type_tag", "outer"),
            tagged(Die::pointer("int"), "inner"),
            tagged(Die::new(tag::POINTER_TYPE).size(8), "outer"),
        ]);
        let expected = [
            "int int size=4 enc=1",
            "int [outer] [inner]",
            "int [outer]",
            "int [outer] [inner] *",
            "void [outer]",
            "void [outer] *",
        ];
        assert_eq!(types(&encoded_later(&file, features())), expected);
        // Pahole 1.31 does not look at them.
        assert_eq!(types(&encoded(&file))[1..], ["int *", "void *"]);
        let without = Features { type_tag: false, ..features() };
        assert_eq!(types(&encoded_later(&file, without))[1..], ["int *", "void *"]);
    }

    #[test]
    fn a_list_of_type_tags_ends_at_another_kind_and_counts_only_without_entries_inside() {
        let inside = gnu("inside", "btf_type_tag", "");
        let file = one([
            Die::int(),
            gnu("last", "btf_type_tag", ""),
            gnu("other", "btf_decl_tag", "last"),
            gnu("first", "btf_type_tag", "other"),
            tagged(Die::pointer("int"), "first"),
            tagged(Die::pointer("int *").child(inside), "first"),
        ]);
        let expected =
            ["int [first]", "int [first] *", "int [first] * [inside]", "int [first] * [inside] *"];
        assert_eq!(types(&encoded_later(&file, features()))[1..], expected);
    }

    #[test]
    fn declarations_refer_to_theirs() {
        let member = |name, at| {
            Die::new(tag::MEMBER).name(name).ty("int").number(at::DATA_MEMBER_LOCATION, at)
        };
        let param = Die::new(tag::FORMAL_PARAMETER).name("x").ty("int");
        let file = one([
            Die::int(),
            gnu("two", "btf_decl_tag", ""),
            gnu("type", "btf_type_tag", "two"),
            gnu("one", "btf_decl_tag", "type"),
            tagged(Die::structure("s", 8), "one")
                .child(gnu("inside", "btf_decl_tag", ""))
                .child(member("a", 0))
                .child(tagged(member("b", 4), "two")),
            // Of a union and of a typedef the reference does not look at them.
            tagged(Die::union("u", 4), "one"),
            tagged(Die::typedef("t", "int"), "one"),
            tagged(Die::function("f", "int"), "one").child(tagged(param, "two")),
        ]);
        let expected = [
            "tag inside of s[-1]",
            "tag two of s[1]",
            "tag one of s[-1]",
            "tag two of s[-1]",
            "tag two of f[0]",
            "tag one of f[-1]",
            "tag two of f[-1]",
        ];
        assert_eq!(of_kind(&encoded_later(&file, features()), Kind::DeclTag), expected);
        assert_eq!(of_kind(&encoded(&file), Kind::DeclTag), [""; 0]);
    }

    #[test]
    fn a_list_in_a_circle_is_refused() {
        let file =
            one([Die::int(), gnu("a", "btf_type_tag", "a"), tagged(Die::pointer("int"), "a")]);
        let outcome = support::outcome(&file.to_bytes(), &support::options(features()));
        assert!(matches!(outcome, support::Outcome::Error(error) if error.contains("circle")));
    }

    #[test]
    fn units_that_share_annotated_types_have_them_once() {
        let dies = || {
            [
                Die::int(),
                gnu("user", "btf_type_tag", ""),
                tagged(Die::pointer("int"), "user"),
                Die::structure("s", 8).member("p", "int *", 0),
                Die::base("long", 8, ate::SIGNED),
            ]
        };
        let file = File::default()
            .function("f", 1)
            .unit(Unit::new(5).children(dies()))
            .unit(Unit::new(5).children(dies()));
        let found: Btf = encoded_later(&file, features());
        assert_eq!(types(&found).len(), 5);
    }
}

/// Random lists of both makes: the paths agree with each other, and with pahole where there is one.
mod random_annotations {
    use super::*;
    use modgen::rng::Rng;

    const LISTS: usize = 6;

    fn kind(rng: &mut Rng) -> &'static str {
        rng.pick(&["btf_type_tag", "btf_type_tag", "btf_decl_tag", "other"])
    }

    /// What an entry may have of attributes, said in both ways.
    fn decorated(rng: &mut Rng, die: Die) -> Die {
        let inside: Vec<Die> = (0..rng.pick(&[0, 0, 0, 1, 2]))
            .map(|index| {
                let mut die = Die::annotation(kind(rng), &format!("inside{index}"));
                die.tag = rng.pick(&[tag::LLVM_ANNOTATION, tag::GNU_ANNOTATION]);
                die
            })
            .collect();
        let die = match rng.chance(1, 2) {
            true => die.refer(at::GNU_ANNOTATION, &format!("list{}", rng.below(LISTS))),
            false => die,
        };
        die.children(inside)
    }

    fn unit(rng: &mut Rng) -> Unit {
        let mut dies = vec![Die::int()];
        let member = |rng: &mut Rng, name: &str, place| {
            let die = Die::new(tag::MEMBER).name(name).ty("int");
            decorated(rng, die.number(at::DATA_MEMBER_LOCATION, place))
        };
        let members = [member(rng, "a", 0), member(rng, "b", 4)];
        dies.push(decorated(rng, Die::structure("s", 8)).children(members));
        let member = Die::new(tag::MEMBER).name("x").ty("int");
        dies.push(decorated(rng, Die::union("u", 4)).child(decorated(rng, member)));
        dies.push(decorated(rng, Die::typedef("t", "int")));
        for target in ["int", "struct s", "t", "void"] {
            dies.push(decorated(rng, Die::pointer(target)));
        }
        let param = Die::new(tag::FORMAL_PARAMETER).name("x").ty("struct s *");
        dies.push(decorated(rng, Die::function("f", "int")).child(decorated(rng, param)));
        // Lists share their ends, and lie before and behind what refers to them.
        for index in 0..LISTS {
            let mut die = Die::annotation(kind(rng), &format!("value{}", rng.below(3)));
            die.tag = tag::GNU_ANNOTATION;
            if index > 0 && rng.chance(2, 3) {
                die = die.refer(at::GNU_ANNOTATION, &format!("list{}", rng.below(index)));
            }
            let place = rng.below(dies.len() + 1);
            dies.insert(place, die.label(&format!("list{index}")));
        }
        Unit::new(5).children(dies)
    }

    #[test]
    fn all_paths_agree_on_attributes_of_both_makes() {
        let features = Features { gnu_annotation: true, ..Features::standard() };
        for seed in 0..500 {
            let mut rng = Rng::new(seed);
            let file = File::default().function("f", 0x1000).function("zzz", 0x2000);
            let file = file.unit(unit(&mut rng)).unit(unit(&mut rng));
            let found = std::panic::catch_unwind(|| encoded_later(&file, features.clone()));
            assert!(found.is_ok(), "seed {seed}");
        }
    }
}

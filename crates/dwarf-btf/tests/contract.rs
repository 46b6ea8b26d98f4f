//! The encoding's rules, one by one: which types and functions there are, in which order, and how
//! each is said. Where a rule is the reference's own, the assertion is what pahole 1.31 gives;
//! `DWARF_BTF_REFERENCE` (see `support`) compares all of them with it byte for byte.
//!
//! Here: the format, types, order of ids and strings. Functions and variables have their own files.
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use dwarf_btf::{Features, Phases, Session, encode_timed};
use dwarfgen::{
    Compress, Die, File, NumberForm, RefForm, StringForm, Unit, Value, at, ate, lang, tag,
};
use kmill_btf::Kind;
use modgen::Arch;
use support::{Outcome, encoded, encoded_with, of_kind, options, outcome, refused, types};

/// A file of one unit with these entries.
fn one(dies: impl IntoIterator<Item = Die>) -> File {
    File::default().unit(Unit::new(5).children(dies))
}

/// Its types.
fn lines(dies: impl IntoIterator<Item = Die>) -> Vec<String> {
    types(&encoded(&one(dies)))
}

fn strings(file: &File) -> Vec<String> {
    let btf = encoded(file);
    let all = btf.strings.bytes().split(|byte| *byte == 0);
    let mut all: Vec<_> = all.map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    // The empty string in front, and what is behind the last NUL.
    all.pop();
    all.remove(0);
    all
}

mod format {
    use super::*;

    #[test]
    fn a_header_of_24_bytes_then_types_then_strings_and_nothing_behind() {
        let image = one([Die::int()]).to_bytes();
        let Outcome::Blob(blob) = outcome(&image, &options(Features::standard())) else { panic!() };
        let word = |at: usize| u32::from_le_bytes(blob[at..at + 4].try_into().unwrap());
        assert_eq!(blob[..4], [0x9f, 0xeb, 1, 0]);
        assert_eq!((word(4), word(8), word(12), word(16), word(20)), (24, 0, 16, 16, 5));
        assert_eq!(blob.len(), 24 + 16 + 5);
        assert_eq!(&blob[40..], b"\0int\0");
    }

    #[test]
    fn byte_order_is_the_files_and_class_changes_nothing() {
        for arch in [Arch::S390x, Arch::Aarch64, Arch::Mips, Arch::I386, Arch::Ppc64] {
            let unit = Unit::new(4).child(Die::int()).child(Die::pointer("int"));
            let btf = encoded(&File::new(arch).unit(unit));
            assert_eq!(types(&btf), ["int int size=4 enc=1", "int *"]);
            assert_eq!(btf.endian == kmill_btf::Endian::Big, arch.ident().1 == modgen::Endian::Big);
        }
    }

    #[test]
    fn every_form_of_the_same_says_the_same() {
        let dies = || {
            [
                Die::structure("s", 300).member("a", "e *", 0).member("b", "int", 0x112),
                Die::enumeration("e", 4).label("e").value("minus", -3).value("plus", 0x1234_5678),
                Die::pointer("e"),
                Die::int(),
                Die::structure("t", 8).member("x", "struct s *", 0),
                Die::pointer("struct s"),
            ]
        };
        let expected = encoded(&one(dies())).types;
        for version in 2..=5 {
            let unit = || Unit::new(version).children(dies());
            let mut units = vec![unit(), unit().with_siblings()];
            for refs in [RefForm::Ref2, RefForm::Ref8, RefForm::Udata] {
                units.push(unit().refs(refs));
            }
            for numbers in [NumberForm::Wide, NumberForm::Leb, NumberForm::SignedLeb] {
                units.push(unit().numbers(numbers));
            }
            units.push(unit().strings(StringForm::Inline));
            if version >= 3 {
                units.push(unit().in_dwarf64());
            }
            if version == 5 {
                units.push(unit().numbers(NumberForm::Implicit));
                units.push(unit().strings(StringForm::LineStrp));
                units.push(unit().strings(StringForm::Strx));
                units.push(unit().strings(StringForm::Strx).in_dwarf64());
            }
            for unit in units {
                let (numbers, strings) = (unit.numbers, unit.strings);
                let btf = encoded(&File::default().unit(unit));
                assert_eq!(btf.types, expected, "DWARF {version}, {numbers:?}, {strings:?}");
            }
        }
    }

    #[test]
    fn references_within_a_unit_may_be_said_as_those_across() {
        let dies = [Die::int(), Die::pointer("int"), Die::typedef("t", "int *")];
        let unit = Unit::new(5).children(dies).refs(RefForm::Addr);
        let btf = encoded(&File::default().unit(unit));
        assert_eq!(types(&btf), ["int int size=4 enc=1", "int *", "typedef int * t"]);
    }

    #[test]
    fn sections_may_be_compressed() {
        let file = || one([Die::int(), Die::typedef("number", "int")]);
        let expected = encoded(&file()).to_bytes();
        for compress in [Compress::Zlib, Compress::Zstd, Compress::Gnu] {
            let image = file().compressed(compress).to_bytes();
            let blob = outcome(&image, &options(Features::standard()));
            assert_eq!(blob, Outcome::Blob(expected.clone()), "{compress:?}");
        }
    }

    #[test]
    fn nothing_to_encode_is_no_error_and_no_symbols_are_one() {
        let standard = options(Features::standard());
        let nothing = |file: &File| outcome(&file.to_bytes(), &standard);
        assert_eq!(nothing(&File::default()), Outcome::Nothing);
        assert_eq!(nothing(&one([])), Outcome::Nothing);
        let rust = Unit::new(5).language(lang::RUST).child(Die::int());
        assert_eq!(nothing(&File::default().unit(rust)), Outcome::Nothing);
        let without = File { has_symtab: false, ..one([Die::int()]) };
        assert!(refused(&without).contains(".symtab"));
    }

    #[test]
    fn units_of_a_language_are_left_out() {
        let file = File::default()
            .unit(Unit::new(5).language(lang::RUST).child(Die::base("u8", 1, ate::UNSIGNED)))
            .unit(Unit::new(5).child(Die::int()));
        assert_eq!(types(&encoded(&file)), ["int int size=4 enc=1"]);
    }
}

mod kinds {
    use super::*;

    #[test]
    fn integers_are_signed_or_boolean_and_never_characters() {
        let found = lines([
            Die::base("char", 1, ate::SIGNED_CHAR),
            Die::base("unsigned char", 1, ate::UNSIGNED_CHAR),
            Die::base("_Bool", 1, ate::BOOLEAN),
            Die::base("long", 8, ate::SIGNED),
            Die::base("__int128", 16, ate::SIGNED),
        ]);
        let expected = [
            "int char size=1 enc=1",
            "int unsigned char size=1 enc=0",
            "int _Bool size=1 enc=4",
            "int long size=8 enc=1",
            "int __int128 size=16 enc=1",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn integers_of_a_size_that_btf_has_not_are_fake() {
        let found = lines([
            Die::base("DW_ATE_signed_24", 3, ate::SIGNED),
            Die::base("odd", 0, ate::UNSIGNED),
            Die::base("big", 32, ate::UNSIGNED),
        ]);
        let fake = |enc| format!("int __SANITIZED_FAKE_INT__ size=4 enc={enc}");
        assert_eq!(found, [fake(1), fake(0)]);
    }

    #[test]
    fn floats_are_integers_without_the_feature() {
        let file = one([Die::base("double", 8, ate::FLOAT), Die::base("x", 16, ate::FLOAT)]);
        assert_eq!(types(&encoded(&file)), ["float double size=8", "float x size=16"]);
        let without = Features { float: false, ..Features::standard() };
        let found = types(&encoded_with(&file, without.clone()));
        assert_eq!(found, ["int double size=8 enc=0", "int x size=16 enc=0"]);
        let complex = one([Die::base("complex", 16, ate::COMPLEX_FLOAT)]);
        assert!(refused(&complex).contains("complex"));
        assert_eq!(types(&encoded_with(&complex, without)), ["int complex size=16 enc=0"]);
    }

    #[test]
    fn modifiers_and_what_they_modify() {
        let found = lines([
            Die::int(),
            Die::pointer("int"),
            Die::constant("int"),
            Die::volatile("const int"),
            Die::new(tag::RESTRICT_TYPE).ty("int *"),
            Die::typedef("t", "volatile const int"),
            Die::pointer("void"),
        ]);
        let expected = [
            "int int size=4 enc=1",
            "int *",
            "const int",
            "volatile const int",
            "restrict int *",
            "typedef volatile const int t",
            "void *",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn structures_hold_members_in_their_order_and_no_inheritance() {
        let found = lines([
            Die::int(),
            Die::structure("s", 8)
                .child(Die::new(tag::INHERITANCE).ty("int").number(at::DATA_MEMBER_LOCATION, 0))
                .member("b", "int", 4)
                .member("a", "int", 0)
                .child(Die::new(tag::MEMBER).name("static").ty("int").flag(at::EXTERNAL)),
            Die::new(tag::CLASS_TYPE).name("c").size(4).member("x", "int", 0),
            Die::union("u", 4).child(Die::new(tag::MEMBER).name("x").ty("int")),
        ]);
        let expected = [
            "int int size=4 enc=1",
            "struct s size=8 {int b@32; int a@0; int static@0}",
            "struct c size=4 {int x@0}",
            "union u size=4 {int x@0}",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_union_whose_members_lie_behind_its_start_is_refused() {
        let file = one([Die::int(), Die::union("u", 8).member("x", "int", 4)]);
        assert!(refused(&file).contains("union"));
    }

    #[test]
    fn bit_fields_mark_the_structure() {
        let bits = |die: Die| [Die::int(), die.member("c", "int", 4)];
        let found =
            lines(bits(Die::structure("s", 8).bits("a", "int", 0, 3).bits("b", "int", 3, 9)));
        let expected = "struct s size=8 bits {int a@0:3; int b@3:9; int c@32}";
        assert_eq!(found[1], expected);
        // DWARF 2 and 3 count from the other end of the storage unit.
        let old = |name, offset, width| {
            Die::new(tag::MEMBER)
                .name(name)
                .ty("int")
                .size(4)
                .number(at::BIT_SIZE, width)
                .number(at::BIT_OFFSET, offset)
                .number(at::DATA_MEMBER_LOCATION, 0)
        };
        let die = Die::structure("s", 8).child(old("a", 29, 3)).child(old("b", 20, 9));
        let file = File::default().unit(Unit::new(3).children(bits(die)));
        assert_eq!(types(&encoded(&file))[1], expected);
    }

    #[test]
    fn a_bit_field_too_wide_or_too_far_is_refused() {
        let far = one([Die::int(), Die::structure("s", 4).bits("a", "int", 0x100_0000, 3)]);
        assert!(refused(&far).contains("bit field"));
        let odd = Die::new(tag::MEMBER).name("a").ty("int").number(at::DATA_BIT_OFFSET, 3);
        let odd = one([Die::int(), Die::structure("s", 4).child(odd)]);
        assert!(refused(&odd).contains("within a byte"));
    }

    #[test]
    fn declarations_of_structures_are_forward_and_of_enumerations_empty() {
        let found = lines([
            Die::declared(tag::STRUCTURE_TYPE, "s"),
            Die::declared(tag::UNION_TYPE, "u"),
            Die::declared(tag::ENUMERATION_TYPE, "e"),
        ]);
        assert_eq!(found, ["struct s;", "union u;", "enum e size=4 {}"]);
    }

    #[test]
    fn a_structures_name_may_be_its_declarations_one_step_away() {
        let found = lines([
            Die::declared(tag::STRUCTURE_TYPE, "s"),
            Die::structure("", 4).refer(at::SPECIFICATION, "struct s").label("one"),
            Die::structure("", 8).refer(at::SPECIFICATION, "one"),
        ]);
        // By then the first one has its name. With two definitions the declaration stays.
        assert_eq!(found, ["struct s;", "struct s size=4 {}", "struct s size=8 {}"]);
    }

    #[test]
    fn arrays_are_flat() {
        let array = |bound: Option<(u16, u64)>| {
            let range = Die::new(tag::SUBRANGE_TYPE);
            let range = bound.map_or(range.clone(), |(name, value)| range.number(name, value));
            Die::new(tag::ARRAY_TYPE).ty("int").child(range)
        };
        let expression = Die::new(tag::SUBRANGE_TYPE).expression(at::UPPER_BOUND, &[0x91, 0]);
        let found = lines([
            Die::int(),
            Die::array("int", &[3, 5]),
            array(Some((at::COUNT, 4))),
            array(None),
            Die::new(tag::ARRAY_TYPE).ty("int"),
            Die::new(tag::ARRAY_TYPE).ty("int").flag(at::GNU_VECTOR).child(expression),
            Die::array("int", &[1 << 20, 1 << 13]),
        ]);
        let lens = ["15", "4", "0", "1"].map(|len| format!("array int[{len}] by int"));
        // The last ones are the same as that without a bound: 2^33 does not fit.
        assert_eq!(found[1..], lens);
    }

    #[test]
    fn the_index_is_the_first_int_whatever_a_range_says() {
        let range = Die::new(tag::SUBRANGE_TYPE).ty("sizetype").number(at::UPPER_BOUND, 1);
        let found = lines([
            Die::base("sizetype", 8, ate::UNSIGNED),
            Die::new(tag::ARRAY_TYPE).ty("sizetype").child(range),
            Die::base("int", 2, ate::SIGNED).label("first"),
            Die::int(),
        ]);
        assert_eq!(found[1], "array sizetype[2] by int");
        let btf = encoded(&one([
            Die::base("long", 8, ate::SIGNED),
            Die::array("long", &[2]),
            Die::base("int", 2, ate::SIGNED).label("first"),
            Die::int(),
        ]));
        let (_, array) = btf.types.iter().find(|(_, ty)| ty.kind() == Kind::Array).unwrap();
        assert_eq!(btf.get(array.array().index).unwrap().size(), 2);
    }

    #[test]
    fn without_an_int_yet_there_is_one_of_our_own_behind_the_units_types() {
        let file = File::default()
            .unit(Unit::new(5).children([
                Die::base("long", 8, ate::SIGNED),
                Die::array("long", &[2]),
                Die::pointer("long"),
            ]))
            .unit(
                Unit::new(5).child(Die::base("int", 2, ate::SIGNED)).child(Die::array("int", &[7])),
            );
        let expected = [
            "int long size=8 enc=1",
            "array long[2] by int",
            "long *",
            "int int size=4 enc=1",
            "int int size=2 enc=1",
            "array int[7] by int",
        ];
        let btf = encoded(&file);
        assert_eq!(types(&btf), expected);
        let index = btf.get(kmill_btf::TypeId(6)).unwrap().array().index;
        assert_eq!(index, kmill_btf::TypeId(4));
    }

    #[test]
    fn enumerations_are_signed_by_their_values_and_wide_ones_by_their_type() {
        let wide =
            |name: &str, ty: &str| Die::enumeration(name, 8).ty(ty).value(&format!("{name}v"), -1);
        let found = lines([
            Die::enumeration("plus", 4).value("a", 1),
            Die::enumeration("minus", 4).value("b", -1),
            Die::enumeration("small", 1).value("c", 5),
            Die::enumeration("none", 0).value("d", 5),
            Die::base("long", 8, ate::SIGNED),
            Die::typedef("slong", "long"),
            wide("w", "long"),
            wide("x", "slong"),
            wide("y", "void"),
        ]);
        let most = u64::MAX;
        let expected = [
            "enum plus size=4 {a=1}".to_owned(),
            "enum minus size=4 signed {b=4294967295}".to_owned(),
            "enum small size=1 {c=5}".to_owned(),
            "enum none size=4 {d=5}".to_owned(),
            "int long size=8 enc=1".to_owned(),
            "typedef long slong".to_owned(),
            format!("enum64 w size=8 signed {{wv={most}}}"),
            format!("enum64 x size=8 {{xv={most}}}"),
            format!("enum64 y size=8 {{yv={most}}}"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn without_enum64_values_are_cut_and_nothing_is_signed() {
        let file = one([
            Die::enumeration("w", 8).value("a", 0x1_0000_0002),
            Die::enumeration("n", 4).value("b", -1),
        ]);
        let without = Features { enum64: false, ..Features::standard() };
        let found = types(&encoded_with(&file, without));
        assert_eq!(found, ["enum w size=8 {a=2}", "enum n size=4 {b=4294967295}"]);
    }

    #[test]
    fn an_enumeration_that_cannot_hold_its_value_is_refused() {
        let file = one([Die::enumeration("e", 4).value("a", 0x1_0000_0000)]);
        assert!(refused(&file).contains("value"));
        assert!(refused(&one([Die::enumeration("e", 3).value("a", 0)])).contains("odd size"));
    }

    #[test]
    fn prototypes_keep_names_and_end_with_nothing_for_varargs() {
        let named = Die::prototype("int", &[]).param("a", "int").varargs();
        let found = lines([Die::int(), Die::prototype("void", &["int"]), named]);
        assert_eq!(found[1..], ["void(int)", "int(int a, ...)"]);
    }

    #[test]
    fn type_tags_lie_between_a_pointer_and_its_target_the_first_next_to_that() {
        let tags = ["user", "rcu"].map(|value| Die::annotation("btf_type_tag", value));
        let file = one([
            Die::int(),
            Die::pointer("int").children(tags),
            Die::constant("int").child(Die::annotation("btf_type_tag", "lost")),
            Die::typedef("t", "int").child(Die::annotation("btf_type_tag", "lost")),
        ]);
        let expected =
            ["int int size=4 enc=1", "int [user]", "int [user] [rcu]", "int [user] [rcu] *"];
        assert_eq!(types(&encoded(&file))[..4], expected);
        let without = Features { type_tag: false, ..Features::standard() };
        assert_eq!(types(&encoded_with(&file, without))[1], "int *");
    }

    #[test]
    fn gnu_annotations_are_not_looked_at() {
        let mut tag = Die::annotation("btf_type_tag", "user");
        tag.tag = dwarfgen::tag::GNU_ANNOTATION;
        let found = lines([Die::int(), Die::pointer("int").child(tag)]);
        assert_eq!(found, ["int int size=4 enc=1", "int *"]);
    }

    #[test]
    fn decl_tags_of_types_come_behind_the_units_types() {
        let tag = |value| Die::annotation("btf_decl_tag", value);
        let member = |name, value| Die::new(tag::MEMBER).name(name).ty("int").child(tag(value));
        let file = one([
            Die::int(),
            Die::typedef("t", "int").child(tag("of t")),
            Die::structure("s", 8)
                .child(member("a", "of a").number(at::DATA_MEMBER_LOCATION, 0))
                .child(tag("of s"))
                .child(member("b", "of b").number(at::DATA_MEMBER_LOCATION, 4)),
            Die::pointer("int"),
        ]);
        let expected =
            ["tag of t of t[-1]", "tag of a of s[0]", "tag of s of s[-1]", "tag of b of s[1]"];
        assert_eq!(types(&encoded(&file))[4..], expected);
        let without = Features { decl_tag: false, ..Features::standard() };
        assert_eq!(types(&encoded_with(&file, without)).len(), 4);
    }

    #[test]
    fn unspecified_types_at_the_top_are_void() {
        let found = lines([
            Die::new(tag::UNSPECIFIED_TYPE).name("decltype(nullptr)").label("null"),
            Die::pointer("null"),
        ]);
        assert_eq!(found, ["void *"]);
    }

    #[test]
    fn what_btf_cannot_say_is_refused_by_name() {
        for (tag, what) in [
            (tag::ATOMIC_TYPE, "atomic"),
            (tag::REFERENCE_TYPE, "reference"),
            (tag::RVALUE_REFERENCE_TYPE, "reference"),
            (tag::PTR_TO_MEMBER_TYPE, "member"),
            (tag::STRING_TYPE, "string"),
            (tag::INTERFACE_TYPE, "interface"),
        ] {
            let error = refused(&one([Die::int(), Die::new(tag).ty("int")]));
            assert!(error.contains(what) && error.contains(".debug_info"), "{error}");
        }
    }

    #[test]
    fn nameless_typedefs_values_and_integers_are_refused() {
        for die in [
            Die::new(tag::TYPEDEF),
            Die::new(tag::BASE_TYPE).size(4).number(at::ENCODING, ate::SIGNED),
            Die::enumeration("e", 4).child(Die::new(tag::ENUMERATOR).number(at::CONST_VALUE, 1)),
            Die::new(tag::STRUCTURE_TYPE).flag(at::DECLARATION),
        ] {
            assert!(refused(&one([die])).contains("without a name"));
        }
    }

    #[test]
    fn imported_units_are_refused() {
        let file = one([Die::int(), Die::new(tag::IMPORTED_UNIT)]);
        let outcome = outcome(&file.to_bytes(), &options(Features::standard()));
        // The reference writes the units before it.
        assert!(matches!(outcome, Outcome::Error(error) if error.contains("imported unit")));
    }
}

mod order {
    use super::*;

    #[test]
    fn types_inside_a_structure_come_before_it() {
        let found = lines([
            Die::int(),
            Die::structure("outer", 4)
                .child(Die::union("inner", 4).child(Die::structure("innermost", 0)))
                .member("x", "union inner", 0),
        ]);
        let expected = [
            "struct innermost size=0 {}",
            "union inner size=4 {}",
            "struct outer size=4 {union inner x@0}",
        ];
        assert_eq!(found[1..], expected);
    }

    #[test]
    fn types_inside_functions_count_and_those_in_call_sites_do_not() {
        let call = Die::new(tag::CALL_SITE).child(Die::structure("call", 4));
        let inlined = Die::new(tag::INLINED_SUBROUTINE)
            .child(Die::new(tag::LEXICAL_BLOCK).child(Die::structure("inlined", 3)));
        let found = lines([
            Die::function("f", "void")
                .child(Die::structure("local", 1))
                .child(Die::new(tag::LEXICAL_BLOCK).child(Die::structure("block", 2)))
                .child(inlined)
                .child(call),
            Die::structure("behind", 5),
        ]);
        let name = |name: &str, size| format!("struct {name} size={size} {{}}");
        let expected = [name("local", 1), name("block", 2), name("inlined", 3), name("behind", 5)];
        assert_eq!(found, expected);
    }

    #[test]
    fn units_come_one_after_another_and_a_definition_replaces_a_declaration() {
        let file = File::default()
            .unit(
                Unit::new(5)
                    .child(Die::declared(tag::STRUCTURE_TYPE, "s"))
                    .child(Die::pointer("struct s")),
            )
            .unit(
                Unit::new(4).child(Die::int()).child(Die::structure("s", 4).member("a", "int", 0)),
            );
        let btf = encoded(&file);
        let expected = ["struct s *", "int int size=4 enc=1", "struct s size=4 {int a@0}"];
        assert_eq!(types(&btf), expected);
    }

    #[test]
    fn a_declaration_stays_where_there_are_two_definitions() {
        let define = |size| Unit::new(5).child(Die::structure("s", size));
        let file = File::default()
            .unit(Unit::new(5).child(Die::declared(tag::STRUCTURE_TYPE, "s")))
            .unit(define(4))
            .unit(define(8));
        let expected = ["struct s;", "struct s size=4 {}", "struct s size=8 {}"];
        assert_eq!(types(&encoded(&file)), expected);
    }

    #[test]
    fn of_equal_references_the_first_finished_stays_not_the_lowest() {
        // PTR(1) -> PTR(5), PTR(3) = PTR(5): 5 is finished first.
        let btf = encoded(&one([
            Die::pointer("inner").label("outer"),
            Die::int(),
            Die::pointer("int").label("other"),
            Die::typedef("t", "other"),
            Die::pointer("int").label("inner"),
        ]));
        let expected = ["int * *", "int int size=4 enc=1", "typedef int * t", "int *"];
        assert_eq!(types(&btf), expected);
    }

    #[test]
    fn a_declared_enumeration_becomes_the_first_definition() {
        let file = File::default()
            .unit(
                Unit::new(5)
                    .children([Die::declared(tag::ENUMERATION_TYPE, "e"), Die::pointer("enum e")]),
            )
            .unit(Unit::new(5).child(Die::enumeration("e", 4).value("a", 1)))
            .unit(Unit::new(5).child(Die::enumeration("e", 4).value("b", 2)));
        let expected = ["enum e *", "enum e size=4 {a=1}", "enum e size=4 {b=2}"];
        assert_eq!(types(&encoded(&file)), expected);
    }

    #[test]
    fn a_member_of_type_void_is_of_the_last_type_of_the_unit_before() {
        let file = File::default()
            .unit(Unit::new(5).child(Die::int()).child(Die::pointer("int")))
            .unit(Unit::new(5).child(Die::structure("s", 4).member("a", "void", 0)));
        assert_eq!(of_kind(&encoded(&file), Kind::Struct), ["struct s size=4 {int * a@0}"]);
        let first = lines([Die::structure("s", 4).member("a", "void", 0)]);
        assert_eq!(first, ["struct s size=4 {void a@0}"]);
    }

    #[test]
    fn an_unspecified_type_inside_a_function_shifts_what_refers_behind_it() {
        let found = lines([
            Die::int(),
            Die::function("f", "void").child(Die::new(tag::UNSPECIFIED_TYPE).name("x")),
            Die::base("long", 8, ate::SIGNED),
            Die::base("char", 1, ate::SIGNED),
            Die::pointer("int"),
            Die::pointer("long"),
        ]);
        let ints = ["int int size=4 enc=1", "int long size=8 enc=1", "int char size=1 enc=1"];
        assert_eq!(found[..3], ints);
        assert_eq!(
            found[3..],
            ["int *", "int char size=1 enc=1 *"].map(|line| match line {
                "int *" => "int *",
                _ => "char *",
            })
        );
    }

    #[test]
    fn strings_stand_in_the_order_in_which_they_were_first_said() {
        let file = File::default()
            .functions(&["kept", "lost"])
            .unit(Unit::new(5).children([
                Die::declared(tag::STRUCTURE_TYPE, "s"),
                Die::int(),
                Die::function("lost", "int").param("orphan", "int"),
                Die::function("kept", "int").param("p", "int"),
            ]))
            .unit(Unit::new(5).children([
                Die::int(),
                Die::structure("s", 4).member("m", "int", 0),
                Die::function("lost", "void").param("orphan", "int"),
            ]));
        // The parameter of a function that is not encoded stays; so does the declaration's name in
        // its place.
        let expected = ["s", "int", "orphan", "p", "m", "kept"];
        assert_eq!(strings(&file), expected);
    }

    #[test]
    fn names_with_a_prefix_become_it() {
        let file = one([Die::structure("__kabi_1", 4), Die::int()]);
        let mut options = options(Features::standard());
        options.kabi_prefix = Some(b"__kabi".to_vec());
        let Outcome::Blob(blob) = outcome(&file.to_bytes(), &options) else { panic!() };
        let btf = kmill_btf::Btf::read(&blob).unwrap();
        assert_eq!(types(&btf)[0], "struct __kabi size=4 {}");
    }

    #[test]
    fn units_that_refer_to_each_other_count_as_one() {
        let across =
            Die::new(tag::POINTER_TYPE).attr(at::TYPE, Value::RefOutside(1, "struct s".to_owned()));
        let tag = || Die::annotation("btf_decl_tag", "of t");
        let file = File::default()
            .unit(Unit::new(5).children([
                Die::int(),
                across,
                Die::typedef("t", "int").child(tag()),
            ]))
            .unit(Unit::new(5).children([Die::structure("s", 4)]));
        let expected = [
            "int int size=4 enc=1",
            "struct s *",
            "typedef int t",
            "struct s size=4 {}",
            "tag of t of t[-1]",
        ];
        assert_eq!(types(&encoded(&file)), expected);
    }
}

/// What `--time` shows: each run goes through the four phases, in their order.
#[test]
fn phases_are_plan_map_merge_emit() {
    let image = one([Die::int()]).to_bytes();
    let (pool, mut phases) = (padata::Pool::new(std::num::NonZeroUsize::MIN), Phases::default());
    encode_timed(
        &pool,
        image[..].into(),
        &options(Features::standard()),
        &Session::default(),
        &mut phases,
    )
    .unwrap();
    let mut words: Vec<_> = phases.iter().filter_map(|(name, _)| name.split('/').next()).collect();
    words.dedup();
    assert_eq!(words, ["plan", "map", "merge", "emit"]);
}

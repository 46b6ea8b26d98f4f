//! Which functions are encoded, from which of their states, and what prevents it; kfuncs.
//!
//! Where a rule is the reference's own, the assertion is what pahole 1.31 gives (see `support`).
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use dwarf_btf::Features;
use dwarfgen::{Die, File, Unit, Value, at, ate, op, tag};
use kmill_btf::{Btf, Kind};
use modgen::Arch;
use support::{encoded, encoded_with, refused, types};

/// Functions as C has them, in the order of the blob.
fn functions(btf: &Btf) -> Vec<String> {
    let all = btf.types.iter().filter(|(_, ty)| ty.kind() == Kind::Func);
    all.map(|(_, ty)| {
        let name = support::text(btf, ty.name());
        support::spell(btf, ty.target()).replacen('(', &format!(" {name}("), 1)
    })
    .collect()
}

/// A file with symbols, then units with these entries besides `int`.
fn file<const N: usize>(symbols: &[&str], units: [Vec<Die>; N]) -> File {
    let file = File::default().functions(symbols).function("zzz_last", 0x9000);
    units
        .into_iter()
        .fold(file, |file, dies| file.unit(Unit::new(5).child(Die::int()).children(dies)))
}

fn found<const N: usize>(symbols: &[&str], units: [Vec<Die>; N]) -> Vec<String> {
    functions(&encoded(&file(symbols, units)))
}

fn without_consistency() -> Features {
    Features { consistent_func: false, ..Features::standard() }
}

mod selection {
    use super::*;

    #[test]
    fn functions_with_a_symbol_by_name_and_static() {
        let dies = vec![
            Die::function("b", "int").flag(at::EXTERNAL),
            Die::function("a", "void").param("x", "int").varargs(),
            Die::function("unknown", "int"),
        ];
        let file = file(&["a", "b"], [dies]);
        assert_eq!(functions(&encoded(&file)), ["void a(int x, ...)", "int b()"]);
        let btf = encoded(&file);
        let linkage = |ty: kmill_btf::Type<'_>| ty.info().vlen();
        assert!(
            btf.types
                .iter()
                .filter(|(_, ty)| ty.kind() == Kind::Func)
                .all(|(_, ty)| linkage(ty) == 0)
        );
    }

    #[test]
    fn symbols_count_up_to_their_first_dot_and_parts_do_not() {
        let dies = || ["a", "b", "c", "d"].map(|name| Die::function(name, "int")).to_vec();
        let symbols = ["a.isra.0", "b.constprop.0.llvm.7", "c.cold", "d.part.0"];
        assert_eq!(found(&symbols, [dies()]), ["int a()", "int b()"]);
    }

    #[test]
    fn declarations_and_nameless_parameters_do_not_count() {
        let dies = vec![
            Die::function("a", "int").flag(at::DECLARATION),
            Die::function("b", "int").child(Die::new(tag::FORMAL_PARAMETER).ty("int")),
            Die::new(tag::SUBPROGRAM).attr(at::LINKAGE_NAME, Value::Text(b"c".to_vec())),
        ];
        assert_eq!(found(&["a", "b", "c"], [dies]), [""; 0]);
    }

    #[test]
    fn no_address_is_looked_at_and_the_first_state_wins() {
        // An abstract instance in the first unit, and the function itself in the second.
        let first = vec![Die::function("f", "int").param("first", "int")];
        let second = vec![
            Die::function("f", "int").attr(0x11, Value::Number(0x2000)).param("second", "int"),
        ];
        assert_eq!(found(&["f"], [first, second]), ["int f(int first)"]);
    }

    #[test]
    fn several_addresses_make_a_name_ambiguous() {
        let dies = || vec![Die::function("f", "int")];
        let with = |values: &[u64]| {
            let symbols = values.iter().fold(File::default(), |file, at| file.function("f", *at));
            let unit = Unit::new(5).child(Die::int()).children(dies());
            functions(&encoded(&symbols.function("zzz", 1).unit(unit))).len()
        };
        assert_eq!(with(&[0x1000, 0x1000]), 1);
        assert_eq!(with(&[0x1000, 0x2000]), 0);
        // Zeros in front do not count, and behind they do.
        assert_eq!(with(&[0, 0x10]), 1);
        assert_eq!(with(&[0, 0, 0x10, 0x10]), 1);
        assert_eq!(with(&[0x10, 0]), 0);
    }

    #[test]
    fn the_last_name_of_the_table_is_never_ambiguous() {
        let file = File::default().function("zz", 0x1000).function("zz", 0x2000);
        let file = file.unit(Unit::new(5).child(Die::int()).child(Die::function("zz", "int")));
        assert_eq!(functions(&encoded(&file)), ["int zz()"]);
    }

    #[test]
    fn without_consistent_func_nothing_is_left_out() {
        let file = File::default().function("f", 0x1000).function("f", 0x2000).function("z", 1);
        let unit = |ty| {
            let die = Die::function("f", ty).param_in("x", "int", 0);
            Unit::new(5).child(Die::int()).child(die)
        };
        let file = file.unit(unit("int")).unit(unit("void"));
        assert_eq!(functions(&encoded(&file)), [""; 0]);
        let all = encoded_with(&file, without_consistency());
        assert_eq!(functions(&all), ["int f(int x)"]);
    }
}

mod origins {
    use super::*;

    fn abstract_f() -> Vec<Die> {
        vec![
            Die::function("f", "int")
                .child(Die::new(tag::FORMAL_PARAMETER).name("x").ty("int").label("x")),
        ]
    }

    #[test]
    fn an_instance_takes_name_result_and_parameters_of_its_origin() {
        let mut dies = vec![
            Die::new(tag::SUBPROGRAM)
                .refer(at::ABSTRACT_ORIGIN, "f")
                .child(Die::new(tag::FORMAL_PARAMETER).refer(at::ABSTRACT_ORIGIN, "x")),
        ];
        dies.extend(abstract_f());
        assert_eq!(found(&["f"], [dies]), ["int f(int x)"]);
    }

    #[test]
    fn a_second_step_is_only_taken_to_what_came_before() {
        let hop = |label: &str, to: &str| {
            let param = Die::new(tag::FORMAL_PARAMETER).refer(at::ABSTRACT_ORIGIN, to);
            Die::new(tag::SUBPROGRAM).name("g").ty("int").child(param.label(label))
        };
        let mut dies = abstract_f();
        dies.extend([hop("one", "x"), hop("two", "one")]);
        assert_eq!(found(&["g"], [dies]), ["int g(int x)"]);
        // The other way round the name is not there yet: no state, but the later one's.
        let mut dies = vec![hop("two", "one"), hop("one", "x")];
        dies.extend(abstract_f());
        assert_eq!(found(&["g"], [dies]), ["int g(int x)"]);
        let mut dies = vec![hop("two", "one")];
        dies.push(
            Die::function("h", "int").child(
                Die::new(tag::FORMAL_PARAMETER).refer(at::ABSTRACT_ORIGIN, "x").label("one"),
            ),
        );
        dies.extend(abstract_f());
        assert_eq!(found(&["g"], [dies]), [""; 0]);
    }

    #[test]
    fn a_specification_gives_the_name_and_not_the_result() {
        let dies = vec![
            Die::function("f", "int").flag(at::DECLARATION),
            Die::new(tag::SUBPROGRAM).refer(at::SPECIFICATION, "f").param("x", "int"),
        ];
        assert_eq!(found(&["f"], [dies]), ["void f(int x)"]);
    }

    #[test]
    fn an_origin_that_is_not_there_is_refused() {
        let dies = vec![
            Die::new(tag::SUBPROGRAM).name("f").attr(at::ABSTRACT_ORIGIN, Value::Offset(0x7777)),
        ];
        let file = file(&["f"], [dies]);
        let outcome = support::outcome(&file.to_bytes(), &support::options(Features::standard()));
        assert!(matches!(outcome, support::Outcome::Error(error) if error.contains("origin")));
    }
}

mod consistency {
    use super::*;

    /// Whether a function with this parameter in two units is one function.
    fn agree(first: (&str, Vec<Die>), second: (&str, Vec<Die>)) -> bool {
        let unit = |(ty, mut dies): (&str, Vec<Die>)| {
            dies.push(Die::function("f", "void").param("x", ty));
            dies
        };
        !found(&["f"], [unit(first), unit(second)]).is_empty()
    }

    #[test]
    fn const_may_differ_and_volatile_may_not() {
        assert!(agree(("int", vec![]), ("const int", vec![Die::constant("int")])));
        assert!(!agree(("int", vec![]), ("volatile int", vec![Die::volatile("int")])));
        let pointer =
            |target: &str, dies: &[Die]| [dies, &[Die::pointer(target).label("p")]].concat();
        let constant = Die::constant("int");
        assert!(agree(("p", pointer("int", &[])), ("p", pointer("const int", &[constant]))));
        let constant = Die::constant("void");
        assert!(!agree(("p", pointer("void", &[])), ("p", pointer("const void", &[constant]))));
    }

    #[test]
    fn structures_agree_by_name_and_anonymous_ones_always() {
        let with = |die: Die| ("s", vec![die.label("s")]);
        assert!(agree(with(Die::structure("s", 4)), with(Die::structure("s", 8))));
        assert!(agree(with(Die::structure("s", 4)), with(Die::declared(tag::STRUCTURE_TYPE, "s"))));
        assert!(!agree(with(Die::structure("s", 4)), with(Die::structure("t", 4))));
        assert!(!agree(with(Die::structure("s", 4)), with(Die::union("s", 4))));
        assert!(agree(with(Die::structure("", 4)), with(Die::structure("", 8))));
        assert!(!agree(with(Die::structure("", 4)), with(Die::structure("s", 4))));
        let enumeration = |name: &str, value| Die::enumeration(name, 4).value(value, 1);
        assert!(agree(with(enumeration("e", "a")), with(enumeration("e", "b"))));
        assert!(!agree(with(enumeration("e", "a")), with(enumeration("f", "a"))));
    }

    #[test]
    fn integers_agree_by_size_encoding_and_name() {
        let with =
            |name: &str, size, encoding| ("i", vec![Die::base(name, size, encoding).label("i")]);
        assert!(agree(with("u", 4, ate::UNSIGNED), with("u", 4, ate::UNSIGNED)));
        assert!(!agree(with("u", 4, ate::UNSIGNED), with("u", 8, ate::UNSIGNED)));
        assert!(!agree(with("u", 4, ate::UNSIGNED), with("u", 4, ate::SIGNED)));
        assert!(!agree(with("u", 4, ate::UNSIGNED), with("v", 4, ate::UNSIGNED)));
    }

    #[test]
    fn arrays_agree_by_length_and_elements() {
        let with = |ty: &'static str, len| {
            ("a", vec![Die::array(ty, &[len]).label("a"), Die::pointer("int")])
        };
        assert!(agree(with("int", 2), with("int", 2)));
        assert!(!agree(with("int", 2), with("int", 3)));
        assert!(!agree(with("int", 2), with("int *", 2)));
    }

    #[test]
    fn numbers_of_parameters_count_and_names_do_not() {
        let f = || Die::function("f", "int");
        let one = vec![f().param("a", "int")];
        assert_eq!(found(&["f"], [one.clone(), vec![f().param("b", "int")]]), ["int f(int a)"]);
        assert_eq!(found(&["f"], [one.clone(), vec![f()]]), [""; 0]);
        assert_eq!(found(&["f"], [one, vec![f().param("a", "int").varargs()]]), [""; 0]);
    }

    #[test]
    fn callbacks_differ_in_their_result_and_not_in_their_parameters() {
        let with = |result: &str, param: &str| {
            let proto = Die::prototype(result, &[param]).label("proto");
            (
                "cb",
                vec![proto, Die::pointer("proto").label("cb"), Die::base("long", 8, ate::SIGNED)],
            )
        };
        assert!(agree(with("int", "int"), with("int", "long")));
        assert!(!agree(with("int", "int"), with("long", "int")));
    }

    #[test]
    fn every_state_is_compared_with_the_first() {
        let unit = |ty: &str| vec![Die::constant("int"), Die::function("f", "void").param("x", ty)];
        let three = [unit("int"), unit("const int"), unit("int")];
        assert_eq!(found(&["f"], three), ["void f(int x)"]);
    }

    #[test]
    fn two_states_within_a_unit_count_as_in_two() {
        let dies = vec![Die::function("f", "void"), Die::function("f", "int").label("again")];
        assert_eq!(found(&["f"], [dies]), [""; 0]);
    }
}

mod registers {
    use super::*;

    fn with(params: Vec<Die>) -> usize {
        let mut dies = vec![
            Die::base("double", 8, ate::FLOAT),
            Die::structure("s", 4).member("a", "int", 0),
            Die::union("u", 4).child(Die::new(tag::MEMBER).name("x").ty("int")),
            Die::typedef("ts", "struct s"),
            Die::constant("ts"),
            Die::volatile("struct s"),
        ];
        dies.push(Die::function("f", "void").children(params));
        found(&["f"], [dies]).len()
    }

    fn param(ty: &str, location: &[u8]) -> Die {
        Die::new(tag::FORMAL_PARAMETER).name("x").ty(ty).expression(at::LOCATION, location)
    }

    fn list(entries: &[&[u8]]) -> Die {
        let entries = entries.iter().map(|entry| entry.to_vec()).collect();
        Die::new(tag::FORMAL_PARAMETER).name("x").ty("int").attr(at::LOCATION, Value::List(entries))
    }

    const RDI: u8 = op::REG0 + 5;
    const RAX: u8 = op::REG0;

    #[test]
    fn another_register_leaves_a_function_out() {
        assert_eq!(with(vec![param("int", &[RDI])]), 1);
        assert_eq!(with(vec![param("int", &[RAX])]), 0);
        // Neither memory nor a constant is another register.
        assert_eq!(with(vec![param("int", &[op::FBREG, 0])]), 1);
        let constant = Die::new(tag::FORMAL_PARAMETER).name("x").ty("int");
        assert_eq!(with(vec![constant.number(at::CONST_VALUE, 5)]), 1);
        assert_eq!(with(vec![param("double", &[0x61])]), 0);
    }

    #[test]
    fn a_structure_by_value_excuses_it_and_a_union_does_not() {
        let wrong = || param("int", &[RAX]);
        assert_eq!(with(vec![wrong(), param("struct s", &[op::FBREG, 0])]), 1);
        assert_eq!(with(vec![wrong(), param("const ts", &[op::FBREG, 0])]), 1);
        assert_eq!(with(vec![wrong(), param("union u", &[op::FBREG, 0])]), 0);
        assert_eq!(with(vec![wrong(), param("volatile struct s", &[op::FBREG, 0])]), 0);
    }

    #[test]
    fn a_register_counts_at_the_start_of_a_list_and_an_entry_value_anywhere() {
        assert_eq!(with(vec![list(&[&[RDI], &[RAX]])]), 1);
        assert_eq!(with(vec![list(&[&[RAX], &[RDI]])]), 0);
        assert_eq!(with(vec![list(&[&[op::FBREG, 0], &[RAX]])]), 1);
        let entry = |register| [op::ENTRY_VALUE, 1, register, op::STACK_VALUE];
        assert_eq!(with(vec![list(&[&[RAX], &entry(RDI)])]), 1);
        assert_eq!(with(vec![list(&[&[op::FBREG, 0], &entry(RAX)])]), 0);
        assert_eq!(with(vec![list(&[&[RDI], &entry(RAX)])]), 1);
        assert_eq!(with(vec![param("int", &[RAX, op::STACK_VALUE])]), 0);
        assert_eq!(with(vec![param("int", &[RAX, 0x93, 4])]), 1);
    }

    #[test]
    fn lists_are_found_in_every_version_and_form() {
        for version in 2..=5 {
            for (dwarf64, list_index) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                if (dwarf64 && version == 2) || (list_index && version < 5) {
                    continue;
                }
                for (first, expected) in [(RDI, 1), (RAX, 0)] {
                    let die = Die::function("f", "void").child(list(&[&[first], &[op::FBREG, 0]]));
                    let mut unit = Unit::new(version).child(Die::int()).child(die);
                    (unit.dwarf64, unit.list_index) = (dwarf64, list_index);
                    let file = File::default().functions(&["f"]).unit(unit);
                    let count = functions(&encoded(&file)).len();
                    assert_eq!(count, expected, "DWARF {version}, {dwarf64}, {list_index}");
                }
            }
        }
    }

    #[test]
    fn only_as_many_parameters_are_looked_at_as_registers_hold() {
        let right = [5, 4, 1, 2, 8, 9].map(|register| param("int", &[op::REG0 + register]));
        let seven = |last| [right.to_vec(), vec![param("int", &[last])]].concat();
        assert_eq!(with(seven(RAX)), 1);
        assert_eq!(with(right[..5].iter().cloned().chain([param("int", &[RAX])]).collect()), 0);
    }

    #[test]
    fn machines_have_their_own_registers_or_none_that_is_known() {
        let count = |arch: Arch, register| {
            let die = Die::function("f", "void").param_in("x", "int", register);
            let unit = Unit::new(5).child(Die::int()).child(die);
            functions(&encoded(&File::new(arch).functions(&["f"]).unit(unit))).len()
        };
        assert_eq!((count(Arch::Aarch64, 0), count(Arch::Aarch64, 5)), (1, 0));
        assert_eq!((count(Arch::S390x, 2), count(Arch::S390x, 0)), (1, 0));
        assert_eq!((count(Arch::Arm, 0), count(Arch::Arm, 1)), (1, 0));
        // Any register is right where nobody knows the convention.
        assert_eq!((count(Arch::I386, 0), count(Arch::I386, 7)), (1, 1));
        assert_eq!((count(Arch::Riscv64, 0), count(Arch::Riscv64, 7)), (1, 1));
    }

    #[test]
    fn a_packed_structure_behind_the_registers_is_uncertain() {
        let count = |ty: &str, before: usize| {
            let dies = vec![
                Die::base("char", 1, ate::SIGNED),
                Die::structure("packed", 5).member("a", "char", 0).member("b", "int", 1),
                Die::structure("plain", 8).member("a", "char", 0).member("b", "int", 4),
                Die::structure("", 5)
                    .member("a", "char", 0)
                    .member("b", "int", 1)
                    .label("nameless"),
                Die::typedef("t", "struct packed"),
                Die::function("f", "void")
                    .children((0..before).map(|_| param("int", &[op::FBREG, 0])))
                    .param("x", ty),
            ];
            found(&["f"], [dies]).len()
        };
        assert_eq!(count("struct packed", 6), 0);
        assert_eq!(count("struct packed", 5), 1);
        assert_eq!(count("struct plain", 6), 1);
        assert_eq!(count("nameless", 6), 1);
        assert_eq!(count("t", 6), 1);
    }
}

mod kfuncs {
    use super::*;

    fn kfuncs(set_flags: u32, flags: u32) -> File {
        let f = Die::function("f", "p").param("a", "p").param("b", "int").param("c", "p");
        let tagged = f.child(Die::annotation("btf_decl_tag", "mine"));
        let dies = vec![Die::pointer("int").label("p"), tagged];
        file(&["f"], [dies]).kfuncs(set_flags, &[("f", flags)])
    }

    fn behind(btf: &Btf) -> Vec<String> {
        types(btf)[2..].to_vec()
    }

    #[test]
    fn tags_of_kfuncs_come_before_those_of_the_function() {
        let func = "func f: int *(int * a, int b, int * c)";
        let proto = "int *(int * a, int b, int * c)";
        let plain = [proto, func, "tag bpf_kfunc of f[-1]", "tag mine of f[-1]"];
        assert_eq!(behind(&encoded(&kfuncs(1, 0))), plain);
        let fast = [
            proto,
            func,
            "tag bpf_kfunc of f[-1]",
            "tag bpf_fastcall of f[-1]",
            "tag mine of f[-1]",
        ];
        assert_eq!(behind(&encoded(&kfuncs(1, 1 << 12))), fast);
        // A set of other functions.
        assert_eq!(behind(&encoded(&kfuncs(0, 1 << 12))), [proto, func, "tag mine of f[-1]"]);
        let without = Features { decl_tag_kfuncs: false, ..Features::standard() };
        assert_eq!(
            behind(&encoded_with(&kfuncs(1, 0), without)),
            [proto, func, "tag mine of f[-1]"]
        );
    }

    #[test]
    fn pointers_into_arenas_are_tagged() {
        let attributes = Features { attributes: true, ..Features::standard() };
        let arena = (1 << 13) | (1 << 14);
        let btf = encoded_with(&kfuncs(1, arena), attributes.clone());
        let space = "int [address_space(1)] *";
        let proto = format!("{space}({space} a, int b, int * c)");
        assert_eq!(support::of_kind(&btf, Kind::FuncProto), [proto]);
        assert_eq!(functions(&encoded(&kfuncs(1, arena))), ["int * f(int * a, int b, int * c)"]);
        // The second parameter is no pointer.
        let wrong = kfuncs(1, 1 << 15);
        let outcome = support::outcome(&wrong.to_bytes(), &support::options(attributes));
        assert!(matches!(outcome, support::Outcome::Error(error) if error.contains("kfunc f")));
    }

    #[test]
    fn attributes_of_parameters_have_their_number() {
        let param = Die::new(tag::FORMAL_PARAMETER).name("x").ty("int");
        let tagged = param.child(Die::annotation("btf_decl_tag", "of x"));
        let dies = vec![Die::function("f", "void").param("w", "int").child(tagged)];
        let btf = encoded(&file(&["f"], [dies]));
        assert_eq!(support::of_kind(&btf, Kind::DeclTag), ["tag of x of f[1]"]);
    }
}

#[test]
fn a_prototype_that_btf_cannot_say_is_refused() {
    let dies = vec![Die::new(tag::REFERENCE_TYPE).ty("int").label("r"), Die::function("f", "r")];
    assert!(refused(&file(&["f"], [dies])).contains("reference"));
}

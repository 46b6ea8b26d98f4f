//! `true_signature`: functions as the compiler has left them. `DWARF_BTF_LATER` names a pahole
//! later than 1.31 to compare with; `DWARF_BTF_SEEDS=FROM..TO` runs other seeds.
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use dwarf_btf::Features;
use dwarfgen::{Die, File, RefForm, Unit, Value, at, op, tag};
use kmill_btf::Kind;
use modgen::rng::Rng;
use modgen::{Arch, Class, Endian};
use support::{encoded, encoded_later};

const RDI: u8 = op::REG0 + 5;
const RSI: u8 = op::REG0 + 4;
const RDX: u8 = op::REG0 + 1;
const RAX: u8 = op::REG0;
/// Not in the standard's table that the generator has.
const PIECE: u8 = 0x93;
const LIT0: u8 = 0x30;
const NOCALL: u64 = 3;

fn features() -> Features {
    Features { true_signature: true, ..Features::standard() }
}

/// The functions of a file as C has them.
fn functions(file: &File) -> Vec<String> {
    of(&encoded_later(file, features()))
}

fn of(btf: &kmill_btf::Btf) -> Vec<String> {
    let all = btf.types.iter().filter(|(_, ty)| ty.kind() == Kind::Func);
    all.map(|(_, ty)| {
        let name = support::text(btf, ty.name());
        support::spell(btf, ty.target()).replacen('(', &format!(" {name}("), 1)
    })
    .collect()
}

fn long() -> Die {
    Die::base("long", 8, dwarfgen::ate::SIGNED)
}

/// `struct pair { long a; long b; }`.
fn pair() -> Die {
    Die::structure("pair", 16).member("a", "long", 0).member("b", "long", 8)
}

/// A unit of GCC's with these entries.
fn gcc(dies: impl IntoIterator<Item = Die>) -> Unit {
    Unit::new(5).children([Die::int(), long(), pair()]).children(dies)
}

/// One of LLVM's, which says what it changes.
fn clang(dies: impl IntoIterator<Item = Die>) -> Unit {
    let mut unit = gcc(dies);
    let producer = Value::Text(b"clang version 22.0.0".to_vec());
    unit.die.attrs.push((at::PRODUCER, producer));
    unit
}

fn at_address(die: Die, address: u64) -> Die {
    die.attr(at::LOW_PC, Value::Raw(dwarfgen::form::ADDR, address.to_le_bytes().to_vec()))
}

/// A function that the compiler has changed, at the address of `f.suffix`.
fn changed(params: impl IntoIterator<Item = Die>) -> Die {
    let die = Die::function("f", "int").number(at::CALLING_CONVENTION, NOCALL);
    at_address(die, 0x1000).children(params)
}

fn param(name: &str, ty: &str) -> Die {
    Die::new(tag::FORMAL_PARAMETER).name(name).ty(ty)
}

fn located(name: &str, ty: &str, location: &[u8]) -> Die {
    param(name, ty).expression(at::LOCATION, location)
}

fn with(symbols: &[(&str, u64)], units: impl IntoIterator<Item = Unit>) -> File {
    with_on(Arch::X86_64, symbols, units)
}

fn with_on(arch: Arch, symbols: &[(&str, u64)], units: impl IntoIterator<Item = Unit>) -> File {
    let file = symbols.iter().fold(File::new(arch), |file, (name, at)| file.function(name, *at));
    units.into_iter().fold(file.function("zzz_last", 0x9000), File::unit)
}

mod names {
    use super::*;

    #[test]
    fn code_of_a_suffixed_symbol_is_called_by_it() {
        let f = || at_address(Die::function("f", "int"), 0x1000);
        let file = with(&[("f.isra.0", 0x1000)], [gcc([f()])]);
        assert_eq!(functions(&file), ["int f.isra.0()"]);
        assert_eq!(of(&encoded(&file)), ["int f()"]);
        // Without an address, or at another one, it has its own name.
        assert_eq!(
            functions(&with(&[("f.isra.0", 0x1000)], [gcc([Die::function("f", "int")])])),
            ["int f()"]
        );
        assert_eq!(functions(&with(&[("f.isra.0", 0x2000)], [gcc([f()])])), ["int f()"]);
        // Parts of functions are none.
        assert_eq!(functions(&with(&[("f.part.0", 0x1000)], [gcc([f()])])), [""; 0]);
        assert_eq!(
            functions(&with(&[("f", 0x2000), ("f.part.0", 0x1000)], [gcc([f()])])),
            ["int f()"]
        );
    }

    #[test]
    fn a_suffixed_one_is_taken_before_others_even_if_these_differ() {
        let plain = at_address(Die::function("f", "int").param("x", "int"), 0x2000);
        let suffixed = at_address(Die::function("f", "long"), 0x1000);
        let symbols = [("f", 0x2000), ("f.constprop.0", 0x1000)];
        let file = with(&symbols, [gcc([plain]), gcc([suffixed])]);
        assert_eq!(functions(&file), ["long f.constprop.0()"]);
        assert_eq!(of(&encoded(&file)), [""; 0]);
    }

    #[test]
    fn the_first_state_is_doubted_for_all_and_its_copy_is_not() {
        // Of one and the same unit, for the workers that drop what was said before.
        let f = |label: &str| at_address(Die::function("f", "int").label(label), 0x1000);
        let odd = at_address(Die::function("f", "int").label("odd"), 0x2000);
        let odd = odd.param_in("x", "int", 0);
        let file = with(&[("f.isra.0", 0x1000)], [gcc([f("a"), f("b"), odd.clone()])]);
        assert_eq!(functions(&file), ["int f.isra.0()"]);
        assert_eq!(functions(&with(&[("f.isra.0", 0x1000)], [gcc([f("a"), odd])])), [""; 0]);
    }

    #[test]
    fn what_has_a_symbol_is_taken_before_what_is_first() {
        let at = |address, name: &str| {
            gcc([at_address(Die::function("f", "int").param(name, "int"), address)])
        };
        let file = with(&[("f", 0x2000)], [at(0x1000, "weak"), at(0x2000, "strong")]);
        assert_eq!(functions(&file), ["int f(int strong)"]);
        assert_eq!(of(&encoded(&file)), ["int f(int weak)"]);
    }

    #[test]
    fn the_attributes_of_a_kfunc_go_with_its_own_name() {
        let tags = |symbol| {
            let f = at_address(Die::function("f", "int"), 0x1000);
            let file = with(&[(symbol, 0x1000)], [gcc([f])]).kfuncs(1, &[("f", 0)]);
            support::of_kind(&encoded_later(&file, features()), Kind::DeclTag)
        };
        assert_eq!(tags("f"), ["tag bpf_kfunc of f[-1]"]);
        assert_eq!(tags("f.isra.0"), [""; 0]);
    }
}

mod parameters {
    use super::*;

    fn one(unit: Unit) -> Vec<String> {
        functions(&with(&[("f.suffix", 0x1000)], [unit]))
    }

    /// A function in the source, and an instance of it with its parameters in another order. That
    /// `b` is in the first register is excused by the structure.
    fn reordered(second: Die) -> Vec<Die> {
        let origin = |label| Die::new(tag::FORMAL_PARAMETER).refer(at::ABSTRACT_ORIGIN, label);
        let both = [RSI, PIECE, 8, RDX, PIECE, 8];
        let source = Die::function("f", "int")
            .number(at::INLINE, 1)
            .child(param("a", "int").label("a"))
            .child(param("b", "int").label("b"))
            .child(param("p", "struct pair").label("p"));
        let instance = Die::new(tag::SUBPROGRAM)
            .refer(at::ABSTRACT_ORIGIN, "f")
            .child(origin("b").expression(at::LOCATION, &[RDI]))
            .child(origin("p").expression(at::LOCATION, &both))
            .child(second.refer(at::ABSTRACT_ORIGIN, "a"));
        vec![source, at_address(instance, 0x1000)]
    }

    #[test]
    fn reordered_ones_without_a_location_are_gone() {
        let expected = ["int f.suffix(int b, struct pair p)"];
        let gone = Die::new(tag::FORMAL_PARAMETER);
        assert_eq!(one(gcc(reordered(gone.clone()))), expected);
        // Under its own name nobody can tell how to call it.
        let file = with(&[("f", 0x1000)], [gcc(reordered(gone))]);
        assert_eq!(functions(&file), [""; 0]);
        let known = Die::new(tag::FORMAL_PARAMETER).number(at::CONST_VALUE, 7);
        assert_eq!(one(gcc(reordered(known))), expected);
    }

    #[test]
    fn a_changed_function_loses_those_without_a_location_or_with_a_known_value() {
        let params = || {
            [
                param("gone", "int"),
                located("x", "int", &[RDI]),
                located("seven", "int", &[LIT0 + 7, op::STACK_VALUE]),
                located("y", "int", &[RSI]),
            ]
        };
        assert_eq!(one(clang([changed(params())])), ["int f.suffix(int x, int y)"]);
        // GCC does not say so: x is not in the second register.
        assert_eq!(one(gcc([changed(params())])), [""; 0]);
    }

    #[test]
    fn a_function_that_llvm_left_as_it_was_keeps_all() {
        let f = at_address(Die::function("f", "int"), 0x1000);
        let unit = clang([f.children([param("gone", "int"), located("x", "int", &[RSI])])]);
        assert_eq!(one(unit), ["int f.suffix(int gone, int x)"]);
    }

    #[test]
    fn a_member_that_is_passed_instead_of_its_structure_takes_its_place() {
        let second = located("p", "struct pair", &[PIECE, 8, RDI, PIECE, 8]);
        let unit = clang([changed([second.clone(), located("k", "int", &[RSI])])]);
        assert_eq!(one(unit), ["int f.suffix(long p__b, int k)"]);
        // Where the next parameter is where it would be, both halves are passed.
        let unit = clang([changed([second, located("k", "int", &[RDX])])]);
        assert_eq!(one(unit), ["int f.suffix(struct pair p, int k)"]);
        let both = located("p", "struct pair", &[RDI, PIECE, 8, RSI, PIECE, 8]);
        assert_eq!(one(clang([changed([both])])), ["int f.suffix(struct pair p)"]);
    }

    #[test]
    fn another_register_and_the_stack_leave_it_out() {
        for location in [&[RAX][..], &[op::FBREG, 0]] {
            let unit = clang([changed([located("x", "int", location)])]);
            assert_eq!(one(unit), [""; 0], "{location:?}");
        }
    }

    #[test]
    fn structures_take_as_many_registers_as_they_have_words() {
        let f = |location| {
            let f = at_address(Die::function("f", "int"), 0x1000);
            gcc([f.children([param("p", "struct pair"), located("k", "int", &[location])])])
        };
        // A structure by value excuses the rest, so there is none in the second.
        assert_eq!(one(f(RDX)), ["int f.suffix(struct pair p, int k)"]);
        let wide = || Die::base("wide", 16, dwarfgen::ate::SIGNED);
        let g = |location| {
            let f = at_address(Die::function("f", "int"), 0x1000);
            let params = [param("p", "wide"), located("k", "int", &[location])];
            gcc([wide(), f.children(params)])
        };
        assert_eq!(one(g(RDX)), ["int f.suffix(wide p, int k)"]);
        assert_eq!(one(g(RSI)), [""; 0]);
    }

    #[test]
    fn parameters_of_callbacks_count() {
        let unit = |of: &str| {
            let proto = Die::prototype("int", &[of]).label("proto");
            let f = Die::function("f", "int").param("x", "proto *");
            gcc([proto, Die::pointer("proto"), f])
        };
        let file = with(&[("f", 0x1000)], [unit("int"), unit("long")]);
        assert_eq!(functions(&file), [""; 0]);
        assert_eq!(of(&encoded(&file)).len(), 1);
    }
}

/// Random functions: the paths agree with each other, and with pahole where there is one.
mod random {
    use super::*;

    /// The registers of the first parameters, and one that is none's.
    fn registers(arch: Arch) -> [u8; 7] {
        match arch {
            Arch::X86_64 => [5, 4, 1, 2, 8, 9, 0],
            Arch::S390x => [2, 3, 4, 5, 6, 7, 8],
            _ => [0, 1, 2, 3, 4, 5, 8],
        }
        .map(|number| op::REG0 + number)
    }

    /// At an address, as the machine has it.
    fn placed(die: Die, address: u64, arch: Arch) -> Die {
        let bytes = match arch.ident() {
            (Class::Elf64, Endian::Little, _) => address.to_le_bytes().to_vec(),
            (Class::Elf64, Endian::Big, _) => address.to_be_bytes().to_vec(),
            (_, Endian::Little, _) => (address as u32).to_le_bytes().to_vec(),
            (_, Endian::Big, _) => (address as u32).to_be_bytes().to_vec(),
        };
        die.attr(at::LOW_PC, Value::Raw(dwarfgen::form::ADDR, bytes))
    }
    const TYPES: [&str; 8] =
        ["int", "long", "struct pair", "struct big", "struct mixed", "t", "union u", "int *"];

    fn types() -> [Die; 6] {
        [
            Die::structure("big", 24).member("a", "long", 0).member("c", "long", 16),
            Die::structure("mixed", 16)
                .member("n", "int", 0)
                .member("", "union u", 4)
                .bits("low", "int", 64, 5)
                .member("m", "int", 12),
            Die::union("u", 16).child(Die::new(tag::MEMBER).name("x").ty("long")),
            Die::typedef("t", "const struct pair"),
            Die::constant("struct pair"),
            Die::pointer("int"),
        ]
    }

    fn expression(rng: &mut Rng, place: usize, arch: Arch) -> Vec<u8> {
        let registers = registers(arch);
        let next = registers[place.min(6)];
        let register = if rng.chance(2, 3) { next } else { rng.pick(&registers) };
        let other = rng.pick(&registers);
        let base = register - op::REG0 + 0x70;
        let len = rng.pick(&[1, 4, 8, 12]);
        match rng.below(16) {
            0..=4 => vec![register],
            5 => vec![base, 0, op::STACK_VALUE],
            6 => vec![base, 4],
            7 => vec![op::FBREG, 0],
            8 => vec![LIT0 + 3, op::STACK_VALUE],
            9 => vec![0x10, 9],
            10 => vec![op::ENTRY_VALUE, 1, register, op::STACK_VALUE],
            11 => vec![register, PIECE, 8, other, PIECE, 8],
            12 => vec![PIECE, len, register, PIECE, 4],
            13 => vec![register, PIECE, len],
            14 => vec![register, PIECE, 4, other, PIECE, 4, PIECE, 8],
            _ => vec![base, 0, 0x06, op::STACK_VALUE],
        }
    }

    fn location(rng: &mut Rng, die: Die, place: usize, arch: Arch) -> Die {
        match rng.below(8) {
            0 => die,
            1 => die.number(at::CONST_VALUE, 5),
            2 => {
                let entries =
                    (0..rng.between(1, 3)).map(|_| expression(rng, place, arch)).collect();
                die.attr(at::LOCATION, Value::List(entries))
            }
            _ => die.expression(at::LOCATION, &expression(rng, place, arch)),
        }
    }

    /// A function and perhaps its source, as another entry.
    fn function(rng: &mut Rng, name: &str, number: usize, arch: Arch) -> Vec<Die> {
        let address = rng.pick(&[0, 0x1000, 0x2000, 0x3000]);
        let odd = rng.chance(1, 2);
        let marked = |die: Die| if odd { die.number(at::CALLING_CONVENTION, NOCALL) } else { die };
        let mut names: Vec<usize> = (0..rng.between(0, 4)).collect();
        let ty = |index: usize| TYPES[(index * 3 + number) % TYPES.len()];
        if rng.chance(1, 2) {
            let die = Die::new(tag::SUBPROGRAM).name(name).ty("int");
            let params = names.iter().map(|index| {
                let ty = if rng.chance(1, 4) { rng.pick(&TYPES) } else { ty(*index) };
                location(rng, param(&format!("p{index}"), ty), *index, arch)
            });
            let params: Vec<Die> = params.collect();
            return vec![placed(marked(die), address, arch).children(params)];
        }
        let label = |index: usize| format!("{name}{number}p{index}");
        let mut source = Die::new(tag::SUBPROGRAM).name(name).ty("int").label(&label(9));
        if rng.chance(3, 4) {
            source = source.number(at::INLINE, 1);
        }
        let params =
            names.iter().map(|index| param(&format!("p{index}"), ty(*index)).label(&label(*index)));
        let source = marked(source.children(params));
        if rng.chance(1, 3) {
            rng.shuffle(&mut names);
        }
        let instance = Die::new(tag::SUBPROGRAM).refer(at::ABSTRACT_ORIGIN, &label(9));
        let params: Vec<Die> = (0..)
            .zip(&names)
            .map(|(place, index)| {
                let die =
                    Die::new(tag::FORMAL_PARAMETER).refer(at::ABSTRACT_ORIGIN, &label(*index));
                location(rng, die, place, arch)
            })
            .collect();
        let mut both = vec![source, placed(instance, address, arch).children(params)];
        if rng.chance(1, 2) {
            both.reverse();
        }
        both
    }

    fn file(seed: u64) -> File {
        let mut rng = Rng::new(seed);
        let arch = match rng.chance(3, 4) {
            true => Arch::X86_64,
            false => rng.pick(&Arch::ALL),
        };
        let mut symbols = Vec::new();
        for name in ["f", "g", "h"] {
            for suffix in ["", ".isra.0", ".constprop.0", ".part.0", ".llvm.5"] {
                if rng.chance(1, 2) {
                    symbols.push((format!("{name}{suffix}"), rng.pick(&[0x1000, 0x2000, 0x3000])));
                }
            }
        }
        let symbols: Vec<(&str, u64)> =
            symbols.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        let mut units = Vec::new();
        // References across units, or their form, make all units one.
        let merged = rng.chance(1, 5);
        for _ in 0..rng.between(1, 3) {
            let mut dies = Vec::from(types());
            for number in 0..rng.between(1, 5) {
                let name = rng.pick(&["f", "g", "h"]);
                dies.extend(function(&mut rng, name, number, arch));
            }
            let unit = if rng.chance(2, 3) { clang(dies) } else { gcc(dies) };
            units.push(if merged { unit.refs(RefForm::Addr) } else { unit });
        }
        with_on(arch, &symbols, units)
    }

    fn seeds() -> std::ops::Range<u64> {
        let text = std::env::var("DWARF_BTF_SEEDS").unwrap_or_else(|_| "0..1500".to_owned());
        let (from, to) = text.split_once("..").unwrap();
        from.parse().unwrap()..to.parse().unwrap()
    }

    #[test]
    fn all_paths_agree_on_functions_of_every_make() {
        let (mut renamed, mut named, mut failed) = (0, 0, Vec::new());
        for seed in seeds() {
            let found = std::panic::catch_unwind(|| functions(&file(seed)));
            let Ok(found) = found else {
                failed.push(seed);
                continue;
            };
            renamed += usize::from(found.iter().any(|function| function.contains("__")));
            named += usize::from(found.iter().any(|function| function.contains('.')));
        }
        assert_eq!(failed, [0; 0]);
        // Members and suffixes are not rare.
        assert!(renamed > 20 && named > 100, "{renamed} {named}");
    }
}

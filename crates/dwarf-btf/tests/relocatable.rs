//! Relocatable files, which refer from section to section by relocations: one says what the executable
//! of the same program says, to the byte.
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use dwarf_btf::Features;
use dwarfgen::random::random_file;
use dwarfgen::{Compress, Die, File, StringForm, Unit, Value, at, op, tag};
use kmill_btf::{Btf, Kind};
use modgen::Arch;
use support::{Outcome, all_ways, encoded, of_kind, options};

/// What has an offset or an address: names in every form, lists of locations, variables.
fn unit(version: u16, strings: StringForm) -> Unit {
    let list = vec![vec![op::REG0 + 5], vec![op::ENTRY_VALUE, 1, op::REG0 + 5]];
    let param = Die::new(tag::FORMAL_PARAMETER).name("parameter").ty("struct device *");
    Unit::new(version)
        .strings(strings)
        .child(Die::int())
        .child(Die::structure("device", 16).member("first", "int", 0).member("x", "int", 8))
        .child(Die::pointer("struct device"))
        .child(Die::function("probe", "int").child(param.attr(at::LOCATION, Value::List(list))))
}

fn program(arch: Arch) -> File {
    let variable = Die::variable("per_cpu_device", "struct device", 0x10_0010).flag(at::EXTERNAL);
    File::new(arch)
        .functions(&["probe", "zzz"])
        .section(".data", 0x8_0000, vec![0; 0x40])
        .percpu(0x10_0000, 0x100)
        .object("per_cpu_device", ".data..percpu", 0x10_0010, 16)
        .kfuncs(1, &[("probe", 0)])
        .unit(unit(5, StringForm::Strx))
        .unit(unit(5, StringForm::Strp))
        .unit(unit(5, StringForm::LineStrp).child(variable))
        .unit(unit(4, StringForm::Strp).in_dwarf64())
        .unit(unit(2, StringForm::Inline))
}

fn assert_equal(ours: &Btf, theirs: &Btf) {
    assert_eq!(support::types(ours), support::types(theirs));
    assert_eq!((&ours.types, ours.strings.bytes()), (&theirs.types, theirs.strings.bytes()));
}

#[test]
fn it_says_what_the_executable_does() {
    for arch in [
        Arch::X86_64,
        Arch::S390x,
        Arch::I386,
        Arch::Arm,
        Arch::Aarch64,
        Arch::Riscv64,
        Arch::Ppc64,
        Arch::Ppc64le,
    ] {
        let executable = encoded(&program(arch));
        let variable = "var global struct device per_cpu_device";
        assert_eq!(of_kind(&executable, Kind::Var), [variable], "{arch:?}");
        let section = "datasec .data..percpu size=32 {per_cpu_device@16+16}";
        assert_eq!(of_kind(&executable, Kind::Datasec), [section], "{arch:?}");
        assert_equal(&encoded(&program(arch).relocatable()), &executable);
        // Every unit has its own copy of a name, or every use does.
        let by_unit = File { strings_by_unit: true, ..program(arch).relocatable() };
        assert_equal(&encoded(&by_unit), &executable);
        let by_use = File { merge_strings: false, ..program(arch).relocatable() };
        assert_equal(&encoded(&by_use), &executable);
    }
}

#[test]
fn without_its_relocations_it_says_something_else() {
    // So the test above is one of them: what the places hold is not what is meant.
    let mut written = program(Arch::X86_64).relocatable().write();
    let table = written.section(".rela.debug_info").unwrap();
    assert!(table.len() > 24 * 30, "{table:?}");
    // R_X86_64_NONE.
    for at in table.step_by(24) {
        written.bytes[at + 8] = 0;
    }
    let options = options(Features::standard());
    let [serial, one, three] = all_ways(&written.bytes, &options);
    assert_eq!((&one, &three), (&serial, &serial));
    assert_ne!(serial, all_ways(&program(Arch::X86_64).to_bytes(), &options)[0]);
}

#[test]
fn compressed_debug_info_is_relocated_as_it_was() {
    let options = options(Features::standard());
    let executable = all_ways(&program(Arch::S390x).to_bytes(), &options);
    for compress in [Compress::Zlib, Compress::Zstd, Compress::Gnu] {
        let file = program(Arch::S390x).relocatable().compressed(compress);
        assert!(all_ways(&file.to_bytes(), &options) == executable, "{compress:?}");
    }
}

#[test]
fn a_table_may_be_in_any_order() {
    let written = program(Arch::X86_64).relocatable().write();
    let mut other = written.bytes.clone();
    for (name, range) in &written.sections {
        if name.starts_with(".rela") {
            let rows: Vec<u8> =
                written.bytes[range.clone()].rchunks(24).flatten().copied().collect();
            other[range.clone()].copy_from_slice(&rows);
        }
    }
    assert_ne!(other, written.bytes);
    let options = options(Features::standard());
    assert_eq!(all_ways(&other, &options), all_ways(&written.bytes, &options));
}

#[test]
fn references_across_units_are_relocated() {
    let file = File::default().functions(&["f"]).unit(unit(5, StringForm::Strp)).unit(
        Unit::new(4).child(
            Die::function("f", "void").child(
                Die::new(tag::FORMAL_PARAMETER)
                    .name("x")
                    .attr(at::TYPE, Value::RefOutside(0, "struct device *".to_owned())),
            ),
        ),
    );
    assert_equal(&encoded(&file.clone().relocatable()), &encoded(&file));
}

/// The error of a file, on every path.
fn error(bytes: &[u8]) -> String {
    let [serial, one, three] = all_ways(bytes, &options(Features::standard()));
    let Outcome::Error(error) = serial else { panic!("no error: {serial:?}") };
    for other in [one, three] {
        assert!(matches!(other, Outcome::Error(_)), "{other:?}");
    }
    error
}

#[test]
fn tables_that_cannot_be_read_are_errors() {
    let written = program(Arch::X86_64).relocatable().write();
    let header = |name: &str| {
        let index = written.sections.iter().position(|section| section.0 == name).unwrap();
        written.headers + (1 + index) * written.header_size
    };
    let put = |at: usize, value: u64, width: usize| {
        let mut bytes = written.bytes.clone();
        bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        bytes
    };
    let (table, other) = (header(".rela.debug_info"), header(".rela.debug_str_offsets"));
    let size = written.section(".rela.debug_info").unwrap().len() as u64;
    let cut = "relocations of .debug_info: the table is cut off";
    for wrong in [size - 1, size + 8, u64::MAX / 24 * 24] {
        assert!(error(&put(table + 32, wrong, 8)).contains(cut), "{wrong}");
    }
    // Both are for `.debug_info`.
    let info = u64::from(written.bytes[table + 44]);
    let two = error(&put(other + 44, info, 4));
    assert!(two.contains("there are two tables of them"), "{two}");
    // The first row is for an abbreviation's offset: of an unknown type, of a symbol that there is not.
    let row = written.section(".rela.debug_info").unwrap().start;
    let place = u64::from(written.bytes[row]);
    let at = format!("relocation of .debug_info at {place:#x}: ");
    let kind = error(&put(row + 8, 4, 4));
    assert!(kind.contains(&format!("{at}of an unknown type")), "{kind}");
    let symbol = error(&put(row + 12, 0x7fff_ffff, 4));
    assert!(symbol.contains(&format!("{at}of a symbol that there is not")), "{symbol}");
    // Another section's errors say which.
    let row = written.section(".rela.debug_str_offsets").unwrap().start;
    let offsets = error(&put(row + 8, 4, 4));
    assert!(offsets.contains("relocation of .debug_str_offsets at 0x8"), "{offsets}");
}

#[test]
fn random_files_say_what_their_executables_do() {
    let options = options(Features::standard());
    let mut blobs = 0;
    for seed in 0..1000 {
        let mut file = random_file(seed);
        if file.arch == Arch::Mips {
            file.arch = Arch::Riscv64;
        }
        let executable = all_ways(&file.to_bytes(), &options);
        file.strings_by_unit = seed % 2 == 0;
        let relocatable = all_ways(&file.relocatable().to_bytes(), &options);
        let both_fail =
            matches!((&executable[0], &relocatable[0]), (Outcome::Error(_), Outcome::Error(_)));
        assert!(both_fail || executable == relocatable, "seed {seed}");
        blobs += usize::from(matches!(executable[0], Outcome::Blob(_)));
    }
    assert!(blobs > 500, "{blobs}");
}

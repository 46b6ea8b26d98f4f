//! What is read of a module, for modules that are written next to the assertion.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::io::Write;
use std::os::fd::AsFd;

use kernel_elf::module::NoExports;
use kernel_elf::{Class, Crc, ModuleElf, ModuleReader, ReadError, SymbolScan};
use modgen::{Arch, Compression, CrcStyle, Damage, Module, Section};

/// Reads bytes as a file, and gives the view to `f`.
fn read<R>(bytes: &[u8], f: impl FnOnce(Result<ModuleElf<'_>, ReadError>) -> R) -> R {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut reader = ModuleReader::new();
    f(reader.read(file.as_fd()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Undefined symbols, each with whether it is weak.
type Undefined = Vec<(String, bool)>;
/// Exported symbols, each with its CRC.
type Exported = Vec<(String, u64)>;

fn symbols(elf: &ModuleElf<'_>) -> (Undefined, Exported) {
    let mut scan = SymbolScan::default();
    elf.scan_symbols(&mut scan).unwrap();
    let undefined = scan.undefined.iter().map(|symbol| (text(elf.name(symbol.name)), symbol.weak));
    let mut word = Vec::new();
    let exports = scan
        .crcs
        .iter()
        .map(|symbol| (text(elf.name(symbol.name)), elf.crc(symbol, &mut word).unwrap().0));
    (undefined.collect(), exports.collect())
}

fn owned(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter().map(|(name, crc)| (name.to_string(), *crc)).collect()
}

#[test]
fn symbols_modinfo_and_versions_of_every_architecture_and_codec() {
    let architectures = [Arch::X86_64, Arch::I386, Arch::S390x, Arch::Aarch64, Arch::Ppc];
    for arch in architectures {
        for codec in Compression::ALL {
            let module = Module::new("m")
                .arch(arch)
                .alias("pci:v1*")
                .softdep("pre: a")
                .export_crc("x", 0x1234_5678)
                .crc_style(CrcStyle::Section)
                .import_crc("kfree", 7)
                .import_weak("maybe")
                .version_entry("module_layout", 9)
                .padding(20_000)
                .signed(600);
            let bytes = codec.encode(&module.to_bytes()).unwrap();
            read(&bytes, |elf| {
                let elf = elf.unwrap();
                let (undefined, exports) = symbols(&elf);
                assert_eq!(undefined, [("kfree".into(), false), ("maybe".into(), true)]);
                assert_eq!(exports, owned(&[("x", 0x1234_5678)]), "{arch:?} {codec:?}");
                let aliases: Vec<_> = elf
                    .modinfo()
                    .unwrap()
                    .filter(|(key, _)| *key == b"alias")
                    .map(|(_, value)| text(value))
                    .collect();
                assert_eq!(aliases, ["pci:v1*"]);
                let versions: Vec<_> = elf
                    .versions()
                    .map(|version| (text(version.name.unwrap()), version.crc.0))
                    .collect();
                assert_eq!(versions, owned(&[("module_layout", 9), ("kfree", 7)]));
            });
        }
    }
}

#[test]
fn class_and_byte_order_come_from_the_file() {
    read(&Module::new("m").arch(Arch::Ppc).to_bytes(), |elf| {
        let elf = elf.unwrap();
        assert_eq!(elf.class(), Class::Elf32);
        assert!(matches!(elf.endian(), object::Endianness::Big));
    });
}

#[test]
fn crcs_may_be_absolute_or_point_nowhere() {
    let module = Module::new("m").export_crc("x", 0xdead_beef).crc_style(CrcStyle::Absolute);
    read(&module.to_bytes(), |elf| {
        assert_eq!(symbols(&elf.unwrap()).1, owned(&[("x", 0xdead_beef)]));
    });
    let module = Module::new("m")
        .export_crc("x", 1)
        .crc_style(CrcStyle::Section)
        .damage(Damage::Outside(Section::Kcrctab));
    read(&module.to_bytes(), |elf| {
        assert_eq!(symbols(&elf.unwrap()).1, owned(&[("x", Crc::UNREADABLE.0)]));
    });
}

#[test]
fn without_crcs_the_exported_names_are_those_of_ksymtab_strings() {
    let module = Module::new("m").export("x").export_ns("y", "NS").crc_style(CrcStyle::None);
    read(&module.to_bytes(), |elf| {
        let elf = elf.unwrap();
        assert_eq!(symbols(&elf).1, []);
        // The namespace stands among the names, and kmod takes it for one.
        let names: Vec<_> = elf.ksymtab_strings().unwrap().map(text).collect();
        assert_eq!(names, ["x", "y", "NS"]);
    });
    read(&Module::new("m").to_bytes(), |elf| {
        assert_eq!(elf.unwrap().ksymtab_strings().err(), Some(NoExports::NoData));
    });
    let unterminated = module.damage(Damage::Unterminated(Section::KsymtabStrings));
    read(&unterminated.to_bytes(), |elf| {
        assert_eq!(elf.unwrap().ksymtab_strings().err(), Some(NoExports::Malformed));
    });
}

#[test]
fn sparc_registers_are_not_needed_symbols() {
    let module = Module::new("m").arch(Arch::Sparc64).import("kfree").register_symbol("g2");
    read(&module.to_bytes(), |elf| {
        assert_eq!(symbols(&elf.unwrap()).0, [("kfree".into(), false)]);
    });
}

#[test]
fn a_name_may_run_on_behind_strtab() {
    let module = Module::new("m").import("kfree").damage(Damage::Unterminated(Section::Strtab));
    let bytes = module.to_bytes();
    let plain = read(&bytes, |elf| symbols(&elf.unwrap()));
    let packed = Compression::Zstd.encode(&bytes).unwrap();
    // Read sparsely or as a whole, the names are the same.
    assert_eq!(plain, read(&packed, |elf| symbols(&elf.unwrap())));
    assert!(plain.0[0].0.starts_with("kfre"), "{plain:?}");
}

#[test]
fn damage_is_told_by_its_errno() {
    use rustix::io::Errno;
    let errno = |damage| {
        read(&Module::new("m").damage(damage).to_bytes(), |elf| elf.err().map(|e| e.errno()))
    };
    assert_eq!(errno(Damage::Empty), Some(Errno::INVAL));
    assert_eq!(errno(Damage::Truncated(5)), Some(Errno::INVAL));
    assert_eq!(errno(Damage::Truncated(16)), Some(Errno::NOEXEC));
    assert_eq!(errno(Damage::Truncated(60)), Some(Errno::INVAL));
    assert_eq!(errno(Damage::Garbage), Some(Errno::NOEXEC));
    for damage in [
        Damage::BadClass,
        Damage::BadData,
        Damage::HeadersOutside,
        Damage::HeadersOverflow,
        Damage::WrongEntrySize,
        Damage::NoSections,
        Damage::NameTableIndexTooLarge,
        Damage::NameTableIndexZero,
        Damage::Unterminated(Section::Shstrtab),
        Damage::Outside(Section::Shstrtab),
    ] {
        assert_eq!(errno(damage), Some(Errno::INVAL), "{damage:?}");
    }
    assert_eq!(errno(Damage::Outside(Section::Modinfo)), None);
}

#[test]
fn a_section_outside_the_file_counts_as_missing() {
    let module = Module::new("m").alias("a").damage(Damage::Outside(Section::Modinfo));
    read(&module.to_bytes(), |elf| assert!(elf.unwrap().modinfo().is_none()));
}

#[test]
fn the_first_section_of_a_name_counts() {
    let module = Module::new("m").alias("a").damage(Damage::Duplicate(Section::Modinfo));
    read(&module.to_bytes(), |elf| {
        let elf = elf.unwrap();
        let aliases = elf.modinfo().unwrap().filter(|(key, _)| *key == b"alias");
        assert_eq!(aliases.map(|(_, value)| text(value)).collect::<Vec<_>>(), ["a"]);
    });
}

/// A file of more sections than 16 bits can count: section header 0 says how many.
#[test]
fn extended_section_numbering() {
    let mut bytes = Module::new("m").alias("a").to_bytes();
    let shoff = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    let count = std::mem::take(&mut bytes[60]); // e_shnum: fewer than 256 here
    let names = bytes[62];
    bytes[62..64].copy_from_slice(&[0xff, 0xff]); // e_shstrndx: SHN_XINDEX
    bytes[shoff + 32] = count; // sh_size of section header 0
    bytes[shoff + 40] = names; // its sh_link
    read(&bytes, |elf| assert!(elf.unwrap().modinfo().unwrap().count() > 0));
}

#[test]
fn a_reader_is_as_good_as_new_after_a_bad_file() {
    let good = Module::new("m").import("kfree").to_bytes();
    let mut reader = ModuleReader::new();
    let file = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    };
    for damage in Damage::catalogue() {
        let bad = file(&Module::new("m").import("kfree").damage(damage).to_bytes());
        let _ = reader.read(bad.as_fd());
        let good = file(&good);
        let elf = reader.read(good.as_fd()).unwrap();
        assert_eq!(symbols(&elf).0, [("kfree".into(), false)], "after {damage:?}");
    }
}

mod any_bytes {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::FileFailurePersistence;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2000,
            failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
            ..ProptestConfig::default()
        })]

        /// Bytes of a module are overwritten: it is read, or refused, and both ways of reading
        /// agree.
        #[test]
        fn are_read_or_refused_alike_whole_or_sparsely(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<Option<prop::sample::Index>>(),
        ) {
            let module = Module::new("m").alias("a").export("x").import("kfree").modversions();
            let mut bytes = module.to_bytes();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            prop_assume!(kernel_elf::Codec::of(&bytes) == kernel_elf::Codec::None);
            let all = |elf: Result<ModuleElf<'_>, ReadError>| {
                let elf = elf.map_err(|error| error.errno())?;
                let mut scan = SymbolScan::default();
                let found = elf.scan_symbols(&mut scan);
                let mut word = Vec::new();
                Ok::<_, rustix::io::Errno>((
                    found,
                    scan.undefined.iter().map(|s| elf.name(s.name).to_vec()).collect::<Vec<_>>(),
                    scan.crcs.iter().map(|s| elf.crc(s, &mut word).unwrap().0).collect::<Vec<_>>(),
                    (scan.bad_name, scan.bad_undefined),
                    elf.modinfo().map(|info| info.map(|(k, v)| (k.to_vec(), v.to_vec())).collect::<Vec<_>>()),
                    elf.versions().map(|v| (v.name.map(<[u8]>::to_vec), v.crc.0)).collect::<Vec<_>>(),
                    elf.ksymtab_strings().map(|n| n.map(<[u8]>::to_vec).collect::<Vec<_>>()),
                ))
            };
            let sparse = read(&bytes, all);
            let packed = Compression::Zstd.encode(&bytes).unwrap();
            let whole = read(&packed, all);
            // A file too short for a magic is refused before its codec is known.
            if bytes.len() >= kernel_elf::Codec::MAGIC_LEN {
                prop_assert_eq!(sparse, whole);
            }
        }
    }
}

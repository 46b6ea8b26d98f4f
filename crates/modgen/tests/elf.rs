//! Reads generated modules back with a reader of its own, as small as the checks need, and
//! compares them with what was asked for.

#![expect(
    clippy::unwrap_used,
    reason = "the reader serves tests only, where a panic is the report"
)]

use modgen::elf::{module_name, symbol_crc};
use modgen::{Arch, Class, CrcStyle, Damage, Endian, Module, Section};

struct Elf {
    bytes: Vec<u8>,
    class: Class,
    endian: Endian,
}

#[derive(Debug, PartialEq, Eq)]
struct Header {
    name: String,
    offset: usize,
    size: usize,
    link: u64,
    info: u64,
    align: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Symbol {
    name: String,
    bind: u8,
    kind: u8,
    shndx: u64,
    value: u64,
}

impl Elf {
    fn new(module: &Module) -> Self {
        let bytes = module.to_bytes();
        assert_eq!(bytes[..4], *b"\x7fELF");
        let class = if bytes[4] == 1 { Class::Elf32 } else { Class::Elf64 };
        let endian = if bytes[5] == 1 { Endian::Little } else { Endian::Big };
        Self { bytes, class, endian }
    }

    fn wide(&self) -> bool {
        self.class == Class::Elf64
    }

    fn number(&self, offset: usize, width: usize) -> u64 {
        let bytes = &self.bytes[offset..offset + width];
        let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        match self.endian {
            Endian::Little => bytes.iter().rev().fold(0, join),
            Endian::Big => bytes.iter().fold(0, join),
        }
    }

    /// A number whose place and width depend on the class: (offset, width) for 32 and 64 bits.
    fn field(&self, base: usize, narrow: (usize, usize), wide: (usize, usize)) -> u64 {
        let (offset, width) = if self.wide() { wide } else { narrow };
        self.number(base + offset, width)
    }

    fn text(&self, offset: usize) -> String {
        let end = self.bytes[offset..].iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(self.bytes[offset..offset + end].to_vec()).unwrap()
    }

    fn header(&self, index: usize) -> Header {
        let table = self.field(0, (32, 4), (40, 8)) as usize;
        let entry = self.field(0, (46, 2), (58, 2)) as usize;
        let at = table + index * entry;
        let names = self.field(0, (50, 2), (62, 2)) as usize;
        let names = self.field(table + names * entry, (16, 4), (24, 8)) as usize;
        Header {
            name: self.text(names + self.number(at, 4) as usize),
            offset: self.field(at, (16, 4), (24, 8)) as usize,
            size: self.field(at, (20, 4), (32, 8)) as usize,
            link: self.field(at, (24, 4), (40, 4)),
            info: self.field(at, (28, 4), (44, 4)),
            align: self.field(at, (32, 4), (48, 8)) as usize,
        }
    }

    fn headers(&self) -> Vec<Header> {
        let count = self.field(0, (48, 2), (60, 2)) as usize;
        (0..count).map(|index| self.header(index)).collect()
    }

    fn section(&self, name: &str) -> &[u8] {
        let headers = self.headers();
        let header = headers.iter().find(|header| header.name == name).unwrap();
        &self.bytes[header.offset..header.offset + header.size]
    }

    fn strings(&self, section: &str) -> Vec<String> {
        let data = self.section(section);
        data.split(|byte| *byte == 0)
            .filter(|text| !text.is_empty())
            .map(|text| String::from_utf8(text.to_vec()).unwrap())
            .collect()
    }

    fn symbols(&self) -> Vec<Symbol> {
        let headers = self.headers();
        let table = headers.iter().find(|header| header.name == ".symtab").unwrap();
        let names = headers[table.link as usize].offset;
        assert_eq!(headers[table.link as usize].name, ".strtab");
        let entry = if self.wide() { 24 } else { 16 };
        assert_eq!(table.size % entry, 0);
        (0..table.size / entry)
            .map(|index| {
                let at = table.offset + index * entry;
                let info = self.field(at, (12, 1), (4, 1)) as u8;
                Symbol {
                    name: self.text(names + self.number(at, 4) as usize),
                    bind: info >> 4,
                    kind: info & 15,
                    shndx: self.field(at, (14, 2), (6, 2)),
                    value: self.field(at, (4, 4), (8, 8)),
                }
            })
            .collect()
    }

    fn symbol(&self, name: &str) -> Symbol {
        self.symbols().into_iter().find(|symbol| symbol.name == name).unwrap()
    }

    fn versions(&self) -> Vec<(String, u64)> {
        let data = self.headers().into_iter().find(|header| header.name == "__versions").unwrap();
        let word = if self.wide() { 8 } else { 4 };
        (data.offset..data.offset + data.size)
            .step_by(64)
            .map(|at| (self.text(at + word), self.number(at, word)))
            .collect()
    }
}

fn full(arch: Arch) -> Module {
    Module::new("e1000-e.v2")
        .arch(arch)
        .alias("pci:v00008086d*")
        .softdep("pre: ptp")
        .export("first")
        .export_crc("second", 0x1234_5678)
        .export_ns("third", "E1000")
        .import("ptp_clock_register")
        .import_weak("maybe")
        .import_crc("kfree", 7)
        .modversions()
        .padding(1000)
}

#[test]
fn every_machine_gets_a_well_formed_file() {
    for arch in Arch::ALL {
        let (class, endian, machine) = arch.ident();
        let elf = Elf::new(&full(arch));
        assert_eq!((elf.class, elf.endian), (class, endian), "{arch:?}");
        assert_eq!(elf.number(16, 2), 1, "ET_REL");
        assert_eq!(elf.number(18, 2), u64::from(machine));

        let headers = elf.headers();
        let names: Vec<_> = headers.iter().map(|header| header.name.as_str()).collect();
        let expected = [
            "",
            ".text",
            ".modinfo",
            "__ksymtab_strings",
            "__kcrctab",
            "__versions",
            ".rodata",
            ".symtab",
            ".strtab",
            ".shstrtab",
        ];
        assert_eq!(names, expected, "{arch:?}");
        let table = elf.field(0, (32, 4), (40, 8)) as usize;
        let mut end = if class == Class::Elf64 { 64 } else { 52 };
        for header in &headers[1..] {
            assert!(header.offset >= end, "sections do not overlap");
            assert_eq!(header.offset % header.align, 0);
            end = header.offset + header.size;
        }
        assert!(table >= end, "the section header table comes last");
        let entry = if class == Class::Elf64 { 64 } else { 40 };
        assert_eq!(elf.bytes.len(), table + headers.len() * entry);
    }
}

#[test]
fn modinfo_keeps_the_order_of_the_calls() {
    let elf = Elf::new(&full(Arch::X86_64).modinfo_entry("odd").pad_modinfo(3));
    assert!(elf.section(".modinfo").starts_with(b"\0\0\0alias="));
    assert_eq!(
        elf.strings(".modinfo"),
        [
            "alias=pci:v00008086d*",
            "softdep=pre: ptp",
            "odd",
            "license=GPL",
            "depends=",
            "intree=Y",
            "name=e1000_e",
            "vermagic=6.6.0 SMP preempt mod_unload modversions ",
        ]
    );
    let bare = Elf::new(&Module::new("x").alias("only").bare_modinfo());
    assert_eq!(bare.section(".modinfo"), b"alias=only\0");
}

#[test]
fn symbols_say_what_is_needed_and_what_is_offered() {
    for arch in [Arch::X86_64, Arch::I386, Arch::S390x, Arch::Sparc] {
        let elf = Elf::new(&full(arch).register_symbol("g2"));
        let symbols = elf.symbols();
        let undefined: Vec<_> = symbols[1..]
            .iter()
            .filter(|symbol| symbol.shndx == 0)
            .map(|symbol| (symbol.name.as_str(), symbol.bind, symbol.kind))
            .collect();
        let expected =
            [("ptp_clock_register", 1, 0), ("maybe", 2, 0), ("kfree", 1, 0), ("g2", 1, 13)];
        assert_eq!(undefined, expected, "{arch:?}");
        assert_eq!(elf.strings("__ksymtab_strings"), ["first", "second", "third", "E1000"]);

        // Locals come before globals, as `sh_info` promises.
        let info = elf.headers().into_iter().find(|header| header.name == ".symtab").unwrap().info;
        let locals = symbols.iter().take_while(|symbol| symbol.bind == 0).count();
        assert_eq!(info, locals as u64);
        assert!(symbols[locals..].iter().all(|symbol| symbol.bind != 0));
    }
}

#[test]
fn crcs_are_where_the_style_says() {
    let module = full(Arch::S390x);
    let elf = Elf::new(&module);
    let section = elf.symbol("__crc_second");
    let header = elf.header(section.shndx as usize);
    assert_eq!(header.name, "__kcrctab");
    assert_eq!(elf.number(header.offset + section.value as usize, 4), 0x1234_5678);

    let elf = Elf::new(&module.clone().crc_style(CrcStyle::Absolute));
    let absolute = elf.symbol("__crc_first");
    assert_eq!((absolute.shndx, absolute.value), (0xfff1, u64::from(symbol_crc("first"))));

    let elf = Elf::new(&module.crc_style(CrcStyle::None));
    assert!(elf.symbols().iter().all(|symbol| !symbol.name.starts_with("__crc_")));
    assert!(elf.headers().iter().all(|header| header.name != "__kcrctab"));
}

#[test]
fn versions_hold_64_byte_entries_in_either_class() {
    for arch in [Arch::X86_64, Arch::Arm, Arch::Ppc64] {
        let module = full(arch).version_entry("struct_module", 9).import(&"long".repeat(20));
        let crc = |name: &str| (name.to_owned(), u64::from(symbol_crc(name)));
        assert_eq!(
            Elf::new(&module).versions(),
            [
                crc("module_layout"),
                ("struct_module".to_owned(), 9),
                crc("ptp_clock_register"),
                crc("maybe"),
                ("kfree".to_owned(), 7),
            ],
            "{arch:?}"
        );
    }
}

#[test]
fn a_signature_ends_the_file() {
    let plain = full(Arch::X86_64).to_bytes();
    let signed = full(Arch::X86_64).signed(300).to_bytes();
    assert!(signed.starts_with(&plain));
    assert!(signed.ends_with(b"~Module signature appended~\n"));
    assert_eq!(signed.len(), plain.len() + 300 + 12 + 28);
    let length = signed.len() - 28 - 4;
    assert_eq!(signed[length..length + 4], 300_u32.to_be_bytes());
}

#[test]
fn every_damage_changes_the_file_and_only_as_said() {
    let sound = full(Arch::X86_64);
    let bytes = sound.to_bytes();
    let damaged: Vec<_> = Damage::catalogue()
        .into_iter()
        .map(|damage| (damage, sound.clone().damage(damage).to_bytes()))
        .collect();
    for (number, (damage, broken)) in damaged.iter().enumerate() {
        assert_ne!(*broken, bytes, "{damage:?}");
        for (other, file) in &damaged[..number] {
            assert_ne!(broken, file, "{damage:?} and {other:?} are the same");
        }
    }

    let of = |damage| sound.clone().damage(damage);
    assert!(of(Damage::Empty).to_bytes().is_empty());
    assert_eq!(of(Damage::Truncated(60)).to_bytes(), bytes[..60]);
    assert_eq!(of(Damage::Garbage).to_bytes().len(), bytes.len());
    assert_eq!(of(Damage::BadClass).to_bytes()[4], 3);
    assert_eq!(of(Damage::BadData).to_bytes()[5], 0);

    let missing = Elf::new(&of(Damage::Missing(Section::Modinfo)));
    assert!(missing.headers().iter().all(|header| header.name != ".modinfo"));
    assert_eq!(missing.symbol("__crc_second").value, 4, "the others keep their links");
    let twice = Elf::new(&of(Damage::Duplicate(Section::Modinfo)));
    let copies: Vec<_> =
        twice.headers().into_iter().filter(|header| header.name == ".modinfo").collect();
    assert_eq!(copies.len(), 2);
    assert_eq!(twice.text(copies[1].offset), "alias=modgen:duplicate-section");
    assert!(twice.section(".modinfo").starts_with(b"alias=pci"));
    let outside = Elf::new(&of(Damage::Outside(Section::Symtab)));
    let symtab = outside.headers().into_iter().find(|header| header.name == ".symtab").unwrap();
    assert_eq!(symtab.offset, outside.bytes.len());
    let open = Elf::new(&of(Damage::Unterminated(Section::KsymtabStrings)));
    assert!(open.section("__ksymtab_strings").ends_with(b"E1000X"));
    let partial = Elf::new(&of(Damage::Partial(Section::Versions)));
    assert_eq!(partial.section("__versions").len() % 64, 1);
}

#[test]
fn small_helpers_agree_with_their_definitions() {
    // The check value of CRC-32.
    assert_eq!(symbol_crc("123456789"), 0xcbf4_3926);
    assert_eq!(module_name("snd-hda_intel.ko.xz"), "snd_hda_intel");
    assert_eq!(module_name("a.b.ko"), "a");
}

//! Files that are damaged: an error that says where, never a panic, never a file that is worse.

use kernel_elf::write::{check, plan_sections};
use modgen::{Class, Endian};
use proptest::prelude::*;

use super::image::{Image, SHAPES, content};
use super::{done, list};

fn fails(bytes: &[u8]) -> String {
    plan_sections(bytes, &list(&[(".BTF", b"types")])).unwrap_err().to_string()
}

/// A file whose numbers are changed: place and bytes.
fn changed(old: &[u8], changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut file = old.to_vec();
    for (at, bytes) in changes {
        file[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    file
}

#[test]
fn damage_is_told_in_words() {
    let old = Image::small(Class::Elf64, Endian::Little).to_bytes();
    let table = u64::from_le_bytes(old[0x28..0x30].try_into().unwrap()) as usize;
    let all = u64::MAX.to_le_bytes();
    let beyond = "malformed ELF file: the section headers reach beyond the end of the file";
    for (changes, words) in [
        (vec![(0, &b"\x7fELG"[..])], "not an ELF file"),
        (vec![(4, &[3])], "malformed ELF file: unknown class"),
        (vec![(5, &[0])], "malformed ELF file: unknown data encoding"),
        (vec![(0x28, &all[..])], beyond),
        (vec![(0x28, &(old.len() as u64 - 64).to_le_bytes())], beyond),
        (
            vec![(0x28, &[0; 8])],
            "the ELF file has no section headers, so a section cannot be found or named",
        ),
        (vec![(0x3a, &[63])], "malformed ELF file: unexpected section header size"),
        (vec![(0x3c, &[0xff, 0xfe])], beyond),
        // The number is in section 0, and is one that no machine has memory for.
        (
            vec![(0x3c, &[0, 0]), (table + 32, &all)],
            "malformed ELF file: more sections than any file has",
        ),
        (vec![(0x3c, &[0, 0]), (table + 32, &[0, 0, 8])], beyond),
        (
            vec![(0x3e, &[0, 0])],
            "the ELF file has no table of section names, so a section cannot be found or named",
        ),
        (vec![(0x3e, &[9, 0])], "malformed ELF file: no section has the index of the names"),
        (
            vec![(table + 64 + 32, &all)],
            "malformed ELF file: section 1 reaches beyond the end of the file",
        ),
        (
            vec![(table + 128 + 24, &all)],
            "malformed ELF file: section 2 reaches beyond the end of the file",
        ),
        (
            vec![(table + 3 * 64 + 4, &[8])],
            "malformed ELF file: the table of section names is none",
        ),
        (
            vec![(0x20, &all)],
            "malformed ELF file: the program headers reach beyond the end of the file",
        ),
        (vec![(0x36, &[57])], "malformed ELF file: unexpected program header size"),
    ] {
        assert_eq!(fails(&changed(&old, &changes)), words);
    }
    assert_eq!(fails(b""), "not an ELF file");
    assert_eq!(fails(&old[..63]), "malformed ELF file: no room for an ELF header");
}

/// A longer table of names would make names of what is none.
#[test]
fn a_name_outside_the_table_is_damage_when_the_table_grows() {
    let small = Image::small(Class::Elf64, Endian::Little);
    let damaged = |image: Image| {
        let old = image.to_bytes();
        let table = u64::from_le_bytes(old[0x28..0x30].try_into().unwrap()) as usize;
        changed(&old, &[(table + 64, &[255; 4])])
    };
    let words = "malformed ELF file: section 1 has a name that is not in the table of names";
    assert_eq!(fails(&damaged(small.clone())), words);
    let old = damaged(small.part(".BTF", b"old"));
    let contents = list(&[(".BTF", b"types")]);
    let new = done(&old, &plan_sections(&old, &contents).unwrap());
    check(&old, &new, &contents).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any damage: an error, or a file in which nothing else differs.
    #[test]
    fn any_damage_is_an_error_or_harmless(
        shape in 0..4usize,
        damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4),
        cut in proptest::option::weighted(0.2, any::<u16>()),
    ) {
        let (class, endian) = SHAPES[shape];
        let mut old = Image::small(class, endian).part(".BTF", b"old types").to_bytes();
        for (at, byte) in damage {
            let at = usize::from(at) % old.len();
            old[at] = byte;
        }
        if let Some(cut) = cut {
            old.truncate(usize::from(cut) % (old.len() + 1));
        }
        let contents = list(&[(".BTF", b"types")]);
        if let Ok(patch) = plan_sections(&old, &contents) {
            let new = done(&old, &patch);
            check(&old, &new, &contents).unwrap();
            if let Some(seen) = content(&new, ".BTF") {
                prop_assert_eq!(seen, b"types");
            }
        }
    }
}

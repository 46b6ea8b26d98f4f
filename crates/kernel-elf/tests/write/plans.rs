//! What a plan makes of files of every shape.

use kernel_elf::write::{Difference, WriteError, check, plan_sections};
use modgen::{Class, Endian};
use proptest::prelude::*;

use super::image::{ALLOC, Image, NOBITS, Order, SHAPES, content, reading};
use super::{list, write};

pub(crate) const ORDERS: [Order; 4] =
    [Order::Linker, Order::NamesLast, Order::HeadersFirst, Order::HeadersBetween];

#[test]
fn sections_are_appended_in_every_class_byte_order_and_layout() {
    for (class, endian) in SHAPES {
        for order in ORDERS {
            let old = Image::small(class, endian).order(order).to_bytes();
            let contents: [(&str, &[u8]); 2] = [(".BTF", b"types!"), (".BTF.base", b"base")];
            let new = write(&old, &contents);
            check(&old, &new, &list(&contents)).unwrap();
            let (was, is) = (reading(&old).unwrap(), reading(&new).unwrap());
            let others = is.iter().filter(|section| section.0 != b".shstrtab").collect::<Vec<_>>();
            assert_eq!(others[..2], was[..2].iter().collect::<Vec<_>>());
            assert_eq!((&others[2].0[..], &others[2].1[..]), (&b".BTF"[..], &b"types!"[..]));
            assert_eq!((&others[3].0[..], &others[3].1[..]), (&b".BTF.base"[..], &b"base"[..]));
            assert_eq!(others[3].2, "Elf { sh_type: 1, sh_flags: 0 } 0");
        }
    }
}

/// The section's place, and all that a reader does not look at, on bytes.
#[test]
fn a_new_section_has_the_header_that_objcopy_gives_it() {
    let old = Image::small(Class::Elf64, Endian::Little).to_bytes();
    let new = write(&old, &[(".BTF", b"types!")]);
    let table = u64::from_le_bytes(new[0x28..0x30].try_into().unwrap()) as usize;
    let header = &new[table + 4 * 64..];
    assert_eq!(header.len(), 64, "the last one, at the end of the file");
    let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
    assert_eq!(header[4..8], 1u32.to_le_bytes());
    let offset = number(0x18);
    // Flags, address, size, link and info, alignment, size of an entry.
    let others = [8, 0x10, 0x20, 0x28, 0x30, 0x38].map(number);
    assert_eq!((others, offset % 8), ([0, 0, 6, 0, 1, 0], 0));
    assert_eq!(new[offset as usize..][..6], *b"types!");
}

#[test]
fn what_is_as_it_should_be_is_not_written() {
    for order in ORDERS {
        let old = Image::small(Class::Elf64, Endian::Little).order(order);
        let old = old.part(".BTF", b"types").to_bytes();
        let contents = list(&[(".BTF", b"types")]);
        let patch = plan_sections(&old, &contents).unwrap();
        assert!(patch.steps().is_empty());
        assert_eq!((patch.old_len(), patch.new_len()), (old.len() as u64, old.len() as u64));
        check(&old, &old, &contents).unwrap();
    }
}

/// It keeps its index and the rest of its header; what is behind it keeps its place.
#[test]
fn a_section_that_is_there_is_replaced() {
    for (class, endian) in SHAPES {
        for bytes in [&b"x"[..], b"as long", b"very much longer than it was", b""] {
            let mut old = Image::small(class, endian).part(".BTF", b"1234567").part(".tail", b"t");
            old.parts[2].align = 16;
            let old = old.to_bytes();
            let new = write(&old, &[(".BTF", bytes)]);
            check(&old, &new, &list(&[(".BTF", bytes)])).unwrap();
            let (mut was, is) = (reading(&old).unwrap(), reading(&new).unwrap());
            was[2].1 = bytes.to_vec();
            assert_eq!(was, is);
            let file = object::File::parse(&*new).unwrap();
            let section = object::Object::section_by_name(&file, ".BTF").unwrap();
            assert_eq!(object::ObjectSection::align(&section), 16);
            let (at, _) = object::ObjectSection::file_range(&section).unwrap();
            assert_eq!(at % 16, 0);
        }
    }
}

/// A linker leaves an empty `.BTF` in a vmlinux without BTF, sometimes without bytes by its type.
#[test]
fn an_empty_section_of_a_linker_is_filled() {
    for kind in [NOBITS, 1] {
        let mut old = Image::small(Class::Elf64, Endian::Little).part(".BTF", b"");
        (old.parts[2].kind, old.parts[2].flags, old.parts[2].addr) = (kind, ALLOC, 0x2000);
        let old = old.to_bytes();
        let new = write(&old, &[(".BTF", b"types")]);
        check(&old, &new, &list(&[(".BTF", b"types")])).unwrap();
        assert_eq!(content(&new, ".BTF").unwrap(), b"types");
    }
}

/// A kernel's own `.BTF` is mapped: its bytes stay what they were, the section moves out of there.
#[test]
fn what_is_loaded_stays() {
    for bytes in [&b"other types"[..], b"TYPES", b"t"] {
        let mut old = Image::small(Class::Elf64, Endian::Little).part(".BTF", b"types");
        (old.parts[1].flags, old.parts[2].flags, old.parts[2].addr) = (ALLOC, ALLOC | 1, 0x2000);
        old.loads = Some(0..3);
        let old = old.to_bytes();
        let new = write(&old, &[(".BTF", bytes)]);
        check(&old, &new, &list(&[(".BTF", bytes)])).unwrap();
        let at = old.windows(5).position(|window| window == b"types").unwrap();
        assert_eq!(new[at..at + 5], *b"types");
        let (_, is, flags) = reading(&new).unwrap().swap_remove(2);
        assert_eq!(is, bytes);
        // With its address: there is something else at 0, a kernel's per-CPU variables.
        assert!(flags.ends_with("sh_flags: 0 } 2000"), "{flags}");
    }
}

/// However often a file is written to, it is as if that had been done once.
#[test]
fn a_file_does_not_grow_with_every_run() {
    for (class, endian) in SHAPES {
        for order in ORDERS {
            let old = Image::small(class, endian).order(order).to_bytes();
            let contents: [&[u8]; 5] = [b"1", &[2; 300], b"three", &[4; 4000], b"last"];
            let mut file = old.clone();
            for bytes in contents {
                file = write(&file, &[(".BTF", bytes), (".BTF.base", bytes)]);
                assert_eq!(file, write(&old, &[(".BTF", bytes), (".BTF.base", bytes)]));
            }
            // Behind what was there: names, content, headers.
            let most = if order == Order::Linker { 2 * 64 + 40 } else { 8 * 64 + 60 };
            assert!(file.len() <= old.len() + most, "{order:?} {} {}", old.len(), file.len());
        }
    }
}

/// Somebody's bytes behind everything are no padding, though no header leads to them.
#[test]
fn what_nothing_leads_to_stays() {
    let mut old = Image::small(Class::Elf64, Endian::Little);
    old.trailer = b"appended by somebody".to_vec();
    let old = old.to_bytes();
    let new = write(&old, &[(".BTF", b"types")]);
    check(&old, &new, &list(&[(".BTF", b"types")])).unwrap();
    assert_eq!(new[64..old.len()], old[64..]);
    // A few zeros are.
    let mut padded = Image::small(Class::Elf64, Endian::Little);
    padded.trailer = vec![0; 5];
    let padded = padded.to_bytes();
    let plain = Image::small(Class::Elf64, Endian::Little).to_bytes();
    assert_eq!(write(&padded, &[(".BTF", b"types")]), write(&plain, &[(".BTF", b"types")]));
}

#[test]
fn a_name_that_ends_another_one_is_used() {
    let old = Image::small(Class::Elf64, Endian::Little).part(".rela.BTF", b"").to_bytes();
    let new = write(&old, &[(".BTF", b"types")]);
    let names = |file: &[u8]| content(file, ".shstrtab").unwrap();
    assert_eq!(names(&old), names(&new));
    assert_eq!(content(&new, ".BTF").unwrap(), b"types");
    check(&old, &new, &list(&[(".BTF", b"types")])).unwrap();
}

#[test]
fn names_without_an_end_get_one() {
    let mut old = Image::small(Class::Elf64, Endian::Little);
    old.names_end = false;
    let new = write(&old.to_bytes(), &[(".BTF", b"types")]);
    assert_eq!(content(&new, ".BTF").unwrap(), b"types");
    assert!(content(&new, ".shstrtab").is_some());
}

/// From 65,280 sections on, the header has no room for their number.
#[test]
fn counts_that_need_section_0() {
    for (class, endian) in SHAPES {
        for empty in [0xff00 - 5, 0xff00 - 4, 0xff00 - 3, 70_000] {
            let mut old = Image::small(class, endian);
            old.empty = empty;
            let old = old.to_bytes();
            let contents: [(&str, &[u8]); 1] = [(".BTF", b"types")];
            let new = write(&old, &contents);
            check(&old, &new, &list(&contents)).unwrap();
            let file = object::File::parse(&*new).unwrap();
            // Without the first one, which is none.
            let count = object::Object::sections(&file).count();
            assert_eq!(count, empty + 4);
            let last =
                object::Object::section_by_index(&file, object::SectionIndex(count)).unwrap();
            assert_eq!(object::ObjectSection::name(&last).unwrap(), ".BTF");
            assert_eq!(object::ObjectSection::data(&last).unwrap(), b"types");
            let end = if class == Class::Elf64 { 0x3c } else { 0x30 };
            assert_eq!(new[end..end + 2] == [0, 0], empty + 5 >= 0xff00, "{empty}");
        }
    }
}

#[test]
fn what_would_be_wrong_afterwards_is_refused() {
    let small = || Image::small(Class::Elf64, Endian::Little);
    let fails = |old: &Image, contents: &[(&str, &[u8])]| {
        plan_sections(&old.to_bytes(), &list(contents)).unwrap_err().to_string()
    };
    let mut relocated = small().part(".BTF", b"types").part(".rela.BTF", b"r");
    (relocated.parts[3].kind, relocated.parts[3].info) = (4, 3);
    let words = "section 3 has relocations, which fit its old content only";
    assert_eq!(fails(&relocated, &[(".BTF", b"t")]), words);
    let twice = fails(&small(), &[(".BTF", b"t"), (".BTF", b"u")]);
    assert_eq!(twice, "two contents for one section");
    let names = fails(&small(), &[(".shstrtab", b"t")]);
    assert!(
        names.ends_with("has the names of sections, and cannot have another content"),
        "{names}"
    );
}

/// Four gibibytes are not written to memory for that: the file is said to have them.
#[test]
fn a_32_bit_file_ends_at_4_gib() {
    let old = Image::small(Class::Elf32, Endian::Little).to_bytes();
    let huge = vec![0; 1 << 20];
    let names: Vec<String> = (0..4096).map(|n| format!(".s{n}")).collect();
    let contents: Vec<_> = names.iter().map(|name| (&name[..], &huge[..])).collect();
    let error = plan_sections(&old, &list(&contents)).unwrap_err();
    assert!(matches!(error, WriteError::TooLarge("file")), "{error}");
    assert!(plan_sections(&old, &list(&contents[..4080])).is_ok());
}

/// The checker must see what it is there for: every byte of the old file, changed, is a difference,
/// but for those that became unused.
#[test]
fn the_checker_sees_every_byte() {
    let mut old =
        Image::small(Class::Elf64, Endian::Little).part(".BTF", b"old").part(".z", b"end");
    old.trailer = b"more".to_vec();
    let old = old.to_bytes();
    let contents = list(&[(".BTF", b"types")]);
    let new = write(&old, &[(".BTF", b"types")]);
    check(&old, &new, &contents).unwrap();
    let table = u64::from_le_bytes(old[0x28..0x30].try_into().unwrap()) as usize;
    let was = old.windows(3).position(|window| window == b"old").unwrap();
    let mut passed = Vec::new();
    for at in 0..new.len() {
        let mut bad = new.clone();
        bad[at] ^= 0x10;
        if check(&old, &bad, &contents).is_ok() {
            passed.push(at);
        }
    }
    let unused: Vec<usize> = (was..was + 3).chain(table..table + 6 * 64).collect();
    assert_eq!(
        passed.iter().filter(|at| !unused.contains(at)).collect::<Vec<_>>(),
        Vec::<&usize>::new()
    );
    assert!(passed.contains(&was) && passed.contains(&table));

    let stray = [&new[..], b"x"].concat();
    assert!(matches!(check(&old, &stray, &contents), Err(Difference::Stray(_))));
    assert!(matches!(check(&old, &old, &contents), Err(Difference::Content(_))));
    assert!(matches!(check(&old, &new[..40], &contents), Err(Difference::New(_))));
    let other = write(&old, &[(".BTF", b"types"), (".other", b"")]);
    let counts = Difference::Count { old: 6, new: 7 }.to_string();
    assert_eq!(check(&old, &other, &contents).unwrap_err().to_string(), counts);
}

fn image() -> impl Strategy<Value = Image> {
    let part = (0..6usize, 0..40usize, 0..4u32, any::<bool>(), 0..3usize);
    let parts = proptest::collection::vec(part, 1..8);
    let trailer = proptest::collection::vec(any::<u8>(), 0..4);
    (0..4usize, 0..4usize, parts, trailer, any::<bool>()).prop_map(
        |(shape, order, parts, trailer, loads)| {
            let (class, endian) = SHAPES[shape];
            let mut image = Image::new(class, endian).order(ORDERS[order]);
            for (name, len, align, alloc, kind) in parts {
                let name = [".text", ".BTF", ".BTF.base", ".rela.BTF", "", ".data"][name];
                image = image.part(name, &vec![len as u8 + 1; len]);
                let part = image.parts.last_mut().unwrap();
                part.align = 1 << align;
                part.flags = if alloc { ALLOC } else { 0 };
                part.kind = if kind == 0 { NOBITS } else { 1 };
            }
            image.loads = loads.then_some(0..1).filter(|_| image.parts[0].kind != NOBITS);
            image.trailer = trailer;
            image
        },
    )
}

proptest! {
    #[test]
    fn any_file_keeps_the_rest(
        image in image(),
        btf in proptest::collection::vec(any::<u8>(), 0..200),
        base in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
    ) {
        let old = image.to_bytes();
        let mut contents: Vec<(&str, &[u8])> = vec![(".BTF", &btf)];
        contents.extend(base.as_ref().map(|base| (".BTF.base", &base[..])));
        let new = write(&old, &contents);
        check(&old, &new, &list(&contents)).unwrap();
        // Written again: nothing to do. Written after something else: the same file.
        prop_assert!(plan_sections(&new, &list(&contents)).unwrap().steps().is_empty());
        for (name, bytes) in &contents {
            prop_assert_eq!(&content(&new, name).unwrap(), bytes);
        }
        super::kills::every_prefix_is_old_or_new(&old, &contents);
    }
}

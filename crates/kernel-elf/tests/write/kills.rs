//! A run that ends at any moment leaves the old file or the new one.

use kernel_elf::write::{Step, plan_sections};

use super::image::{Image, Order, SHAPES, reading};
use super::plans::ORDERS;
use super::{list, perform, put};

/// Does the steps one by one, appended bytes one by one, and reads the file after each.
pub(crate) fn every_prefix_is_old_or_new(old: &[u8], contents: &[(&str, &[u8])]) {
    let contents = list(contents);
    let patch = plan_sections(old, &contents).unwrap();
    let was = reading(old).unwrap();
    let mut file = old.to_vec();
    patch.steps().iter().for_each(|step| perform(&mut file, step));
    let will_be = reading(&file).unwrap();

    let mut file = old.to_vec();
    let mut is_new = false;
    for step in patch.steps() {
        if let Step::Write { at, bytes } = step {
            for len in 0..bytes.len() {
                put(&mut file, *at, &bytes[..len]);
                let expected = if is_new { &will_be } else { &was };
                assert_eq!(reading(&file).as_ref(), Some(expected), "{len} bytes at {at}");
            }
        }
        is_new |= matches!(step, Step::Switch { .. });
        perform(&mut file, step);
        let expected = if is_new { &will_be } else { &was };
        assert_eq!(reading(&file).as_ref(), Some(expected), "{step:?}");
    }
}

/// What the disk has when the power goes: all from before the last flush, anything of what came after.
fn every_power_cut_is_old_or_new(old: &[u8], contents: &[(&str, &[u8])]) {
    let contents = list(contents);
    let patch = plan_sections(old, &contents).unwrap();
    let was = reading(old).unwrap();
    let mut end = old.to_vec();
    patch.steps().iter().for_each(|step| perform(&mut end, step));
    let will_be = reading(&end).unwrap();
    let mut file = old.to_vec();
    for group in patch.steps().split(|step| *step == Step::Flush) {
        for subset in 0..1u32 << group.len() {
            let mut cut = file.clone();
            for (index, step) in group.iter().enumerate() {
                if subset & 1 << index != 0 {
                    perform(&mut cut, step);
                }
            }
            let reading = reading(&cut).unwrap();
            assert!(reading == was || reading == will_be, "{subset:b} of {group:?}");
        }
        group.iter().for_each(|step| perform(&mut file, step));
    }
}

#[test]
fn a_kill_leaves_the_old_or_the_new_reading() {
    for (class, endian) in SHAPES {
        for order in ORDERS {
            let plain = Image::small(class, endian).order(order);
            let there = plain.clone().part(".BTF", b"old types").part(".BTF.base", b"old base");
            for old in [plain.to_bytes(), there.to_bytes()] {
                for bytes in [&b"types"[..], &[7; 700]] {
                    let contents = [(".BTF", bytes), (".BTF.base", b"base")];
                    every_prefix_is_old_or_new(&old, &contents);
                    every_power_cut_is_old_or_new(&old, &contents);
                    // And over what such a run has written.
                    let old = super::write(&old, &[(".BTF", b"older"), (".BTF.base", &[3; 90])]);
                    every_prefix_is_old_or_new(&old, &contents);
                    every_power_cut_is_old_or_new(&old, &contents);
                }
            }
        }
    }
}

/// It is one write, it is the last one that matters, and it is short.
#[test]
fn one_short_write_switches() {
    for (class, endian) in SHAPES {
        let old = Image::small(class, endian).order(Order::HeadersFirst).to_bytes();
        let contents = list(&[(".BTF", b"types")]);
        let patch = plan_sections(&old, &contents).unwrap();
        let [.., Step::Flush, Step::Switch { at, bytes }] = patch.steps() else {
            panic!("{patch:?}");
        };
        assert!(*at >= 0x20 && bytes.len() <= 24 && *at + bytes.len() as u64 <= 64);
        let beyond = |step: &Step<'_>| match step {
            Step::Write { at, .. } => *at >= old.len() as u64,
            _ => true,
        };
        assert!(patch.steps().iter().all(beyond));
    }
}

/// After a kill the next run makes the file that the killed one would have made, but for what that
/// one left behind.
#[test]
fn the_next_run_takes_over() {
    let (class, endian) = SHAPES[0];
    let old = Image::small(class, endian).to_bytes();
    let contents = list(&[(".BTF", b"types")]);
    let patch = plan_sections(&old, &contents).unwrap();
    for count in 0..patch.steps().len() {
        let mut file = old.clone();
        patch.steps()[..count].iter().for_each(|step| perform(&mut file, step));
        let next = super::write(&file, &[(".BTF", b"types")]);
        kernel_elf::write::check(&file, &next, &contents).unwrap();
        assert_eq!(super::image::content(&next, ".BTF").unwrap(), b"types");
    }
}

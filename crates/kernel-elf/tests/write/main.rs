//! Sections written into ELF files: what is planned, what a killed run leaves, what becomes of real files.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod damage;
mod files;
mod image;
mod kills;
mod plans;

use kernel_elf::write::{Content, Patch, Step, plan_sections};

/// One step of a plan, done to bytes.
fn perform(file: &mut Vec<u8>, step: &Step<'_>) {
    match step {
        Step::Write { at, bytes } => put(file, *at, bytes),
        Step::Switch { at, bytes } => put(file, *at, bytes),
        Step::Cut { len } => file.resize(*len as usize, 0),
        Step::Flush => {}
    }
}

/// A write as the system does it: what is between the end and its start is zeros.
fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = at as usize;
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The file that a plan makes.
fn done(old: &[u8], patch: &Patch<'_>) -> Vec<u8> {
    let mut file = old.to_vec();
    patch.steps().iter().for_each(|step| perform(&mut file, step));
    assert_eq!(file.len() as u64, patch.new_len());
    file
}

/// A file with sections written into it.
fn write(old: &[u8], contents: &[(&str, &[u8])]) -> Vec<u8> {
    done(old, &plan_sections(old, &list(contents)).unwrap())
}

fn list<'c>(contents: &[(&'c str, &'c [u8])]) -> Vec<Content<'c>> {
    contents.iter().map(|(name, bytes)| Content { name, bytes }).collect()
}

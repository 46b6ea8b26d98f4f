//! Deferred page initialisation: fill a large table of descriptors, each piece of it first touched
//! by the thread that writes it.
//!
//! `cargo run -p padata --release --example page_init`
#![expect(clippy::print_stdout, reason = "it is a program")]

use padata::{Pool, memory};

/// What a kernel keeps about a page: one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Page {
    frame: u64,
    references: u32,
}

fn main() {
    let pool = Pool::auto();
    let count = 1 << 20;
    let mut table: Vec<Page> = Vec::with_capacity(count);
    let pages = memory::on(&pool).init_slice(&mut table.spare_capacity_mut()[..count], |frame| {
        Page { frame: frame as u64, references: 0 }
    });
    let free = pages.iter().filter(|page| page.references == 0).count();
    println!("{free} free pages, the last one is {:?}", pages[count - 1].frame);
}

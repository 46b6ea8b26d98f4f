//! Clearing a gigantic page: 1 GiB of zeros, on at most four threads.
//!
//! `cargo run -p padata --release --example clear`
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::time::Instant;

use padata::{Pool, memory};

fn main() {
    let pool = Pool::auto();
    let mut page = vec![0xff_u8; 1 << 30];
    let start = Instant::now();
    let report = memory::on(&pool).max_threads(4).clear(&mut page);
    println!("{} chunks on {} threads in {:?}", report.chunks, report.threads, start.elapsed());
    assert!(page.iter().all(|&byte| byte == 0));
}

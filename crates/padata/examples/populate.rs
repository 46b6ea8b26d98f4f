//! Giving a guest its memory before it starts: populate a buffer, so that no access faults later.
//!
//! `cargo run -p padata --release --example populate`
#![expect(clippy::print_stdout, reason = "it is a program")]

use padata::memory::MemoryError;
use padata::{Pool, memory};

fn main() -> Result<(), MemoryError> {
    let pool = Pool::auto();
    // Zeros that the kernel has not given any pages yet.
    let mut guest = vec![0_u8; 256 << 20];
    let report = memory::on(&pool).populate(&mut guest)?;
    println!("{} MiB on {} threads", report.units >> 20, report.threads);
    Ok(())
}

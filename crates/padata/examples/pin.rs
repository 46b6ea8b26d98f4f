//! Pinning a guest's memory, as VFIO does for devices: all of it is locked, or none.
//!
//! `cargo run -p padata --release --example pin -- 64` (MiB)
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;

use padata::{Pool, memory};

fn main() -> Result<(), Box<dyn Error>> {
    let mib: usize = std::env::args().nth(1).map_or(Ok(64), |arg| arg.parse())?;
    let pool = Pool::auto();
    let guest = vec![0_u8; mib << 20];
    match memory::on(&pool).lock(&guest) {
        Ok(report) => {
            println!("locked {mib} MiB in {} chunks", report.chunks);
            memory::unlock(&guest)?;
        }
        // `ulimit -l` says how much may be locked.
        Err(error) => println!("{error}; {} KiB were unlocked again", error.undone >> 10),
    }
    Ok(())
}

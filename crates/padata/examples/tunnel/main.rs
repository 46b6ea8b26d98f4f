//! An ordered tunnel between two UDP sockets: packets are sealed (AES-256-GCM) on all threads and
//! sent in order, opened on all threads and delivered in order. One is damaged on the wire: it is
//! dropped, and those behind it do not wait. The kernel's padata was made for this (`pcrypt`).
//!
//! `cargo run -p padata --release --example tunnel -- [PACKETS [THREADS]]`
#![expect(clippy::print_stdout, reason = "it is a program")]

mod tunnel;

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Instant;

use padata::{Pool, StreamStats};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let packets = args.next().map_or(Ok(200_000), |packets| packets.parse::<usize>())?;
    let threads = match args.next() {
        Some(threads) => threads.parse::<NonZeroUsize>()?,
        None => padata::available_threads(),
    };
    let pool = Pool::new(threads);
    let data = [0x5a; tunnel::PAYLOAD_MAX];
    // Of all lengths, as packets are.
    let source = (0..packets).map(|number| &data[..number * 7919 % (data.len() + 1)]);
    let damage = |number: u64, datagram: &mut Vec<u8>| {
        if number == packets as u64 / 2 {
            datagram[0] ^= 1;
        }
    };

    let begin = Instant::now();
    let mut received = 0;
    let report = tunnel::run(&pool, source, damage, |payload| received += payload.len())?;
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{threads} threads, {} buffers: {} packets delivered, {} dropped, {received} bytes",
        report.buffers, report.delivered, report.dropped
    );
    println!(
        "{:.0} packets/s, {:.1} MB/s",
        report.delivered as f64 / seconds,
        report.bytes as f64 / seconds / 1e6
    );
    print_latency("from submission to sending", &report.sealing);
    print_latency("from arrival to delivery", &report.opening);
    Ok(())
}

fn print_latency(what: &str, stats: &StreamStats) {
    let Some(latency) = &stats.latency else { return };
    let at = |q| latency.quantile(q).unwrap_or_default();
    println!(
        "{what}: half within {:?}, 99 % within {:?}, all within {:?}; {} batches, {} calls",
        at(0.5),
        at(0.99),
        latency.max().unwrap_or_default(),
        stats.batches,
        stats.calls
    );
}

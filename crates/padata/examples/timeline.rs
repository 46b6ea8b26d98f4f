//! Where the time goes: what each thread did, and a timeline for <https://ui.perfetto.dev>.
//!
//! `cargo run -p padata --release --example timeline > timeline.json`
#![expect(clippy::print_stderr, reason = "it is a program whose output is the timeline")]

use std::convert::Infallible;
use std::io;

use padata::{Job, Pool, Trace};

fn main() -> io::Result<()> {
    let trace = Trace::new();
    let report = Job::over(0_u64, 20_000)
        .name("squares")
        .stats(true)
        .trace(&trace)
        .run(&Pool::auto(), |chunk| {
            // The later ones take longer: see how the chunks get smaller.
            for number in chunk.range() {
                std::hint::black_box((0..number).map(|n| n * n).fold(0, u64::wrapping_add));
            }
            Ok::<_, Infallible>(())
        })
        .expect("nothing fails here");
    for worker in &report.workers {
        eprintln!("thread {}: {} chunks, {:?}", worker.worker, worker.chunks, worker.busy);
    }
    eprintln!("busiest over mean: {:.3}", report.imbalance().unwrap_or(1.0));
    trace.write_json(&mut io::stdout().lock())
}

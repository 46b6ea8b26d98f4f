//! Work that keeps out of others' way: helpers at the lowest priority, raised one by one when the
//! caller has nothing left to do; with a deadline, and a button to stop it.
//!
//! `cargo run -p padata --release --example background`
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::convert::Infallible;
use std::thread;
use std::time::{Duration, Instant};

use padata::{CancelToken, Failure, Job, Nice, Pool};

fn main() {
    let pool = Pool::auto();
    println!("helpers can be raised: {}", pool.raise_supported());
    let button = CancelToken::new();
    let press = button.clone();
    let finger = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        press.cancel();
    });

    let outcome = Job::over(0_u64, u64::MAX)
        .min_chunk(1 << 20)
        .nice(Nice::Max)
        .cancel(&button)
        .deadline(Instant::now() + Duration::from_secs(5))
        .run(&pool, |chunk| {
            for (done, number) in (1..).zip(chunk.range()) {
                std::hint::black_box(number);
                // Now and then, for the chunks are long.
                if done % (1 << 16) == 0 && (chunk.is_stopping() || chunk.is_wanted_back()) {
                    chunk.give_back(done);
                    break;
                }
            }
            Ok::<_, Infallible>(())
        });
    match outcome.map_err(|error| error.first) {
        Ok(report) => println!("done: {} units", report.units),
        Err(Failure::Cancelled) => println!("cancelled, as it should be"),
        Err(other) => println!("stopped: {other}"),
    }
    finger.join().expect("it only sleeps");
}

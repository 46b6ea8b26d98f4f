//! Ordered streams as users see them.

use std::sync::atomic::{AtomicUsize, Ordering};

use padata::{Outcome, Pool, Refused, Seq, Window};

fn pool(threads: usize) -> Pool {
    Pool::new(threads.try_into().unwrap())
}

#[test]
fn results_come_in_order_whatever_the_threads() {
    for threads in 1..=4 {
        let pool = pool(threads);
        let results = pool.scope(|scope| {
            let stream = scope.stream(
                Window::jobs(8),
                || (),
                |n: u64, ()| n * n,
                Vec::new(),
                |results, Seq(seq), outcome| results.push((seq, outcome.done().unwrap())),
            );
            for n in 0..1000 {
                stream.submit(n, 1).unwrap();
            }
            stream.finish()
        });
        assert_eq!(results, (0..1000).map(|n| (n, n * n)).collect::<Vec<_>>());
    }
}

/// The sketch of the design: everything borrowed.
#[test]
fn a_scoped_stream_borrows() {
    let units = vec![String::from("a"), String::from("bb")];
    let mut warnings = Vec::new();
    let calls = AtomicUsize::new(0);
    let total = pool(2).scope(|scope| {
        let stream = scope.stream(
            Window::jobs(256),
            String::new,
            |unit: &String, scratch| {
                scratch.push_str(unit);
                calls.fetch_add(1, Ordering::Relaxed);
                unit.len()
            },
            0,
            |total, seq, out: Outcome<_>| {
                *total += out.done().unwrap();
                warnings.push(seq);
            },
        );
        for unit in &units {
            stream.submit(unit, unit.len() as u64)?;
        }
        Ok::<_, Refused<&String>>(stream.finish())
    });
    assert_eq!((total.unwrap(), calls.into_inner()), (3, 2));
    assert_eq!(warnings, [Seq(0), Seq(1)]);
}

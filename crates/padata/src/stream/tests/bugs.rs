//! Bugs of the kernel's padata that need a look inside to be replayed: delays between two steps, and
//! counters that begin where they wrap. The others are in `tests/stream_bugs.rs`; `loom_models` has
//! 1, 2 and 5 under the memory model.

use std::thread;

use crate::pool::Pool;
use crate::ring::Ticket;
use crate::stream::{StreamOptions, Wake, Window};
use crate::sync::delays;

use super::watchdog::in_time;

/// Runs so many no-op jobs that begin with the ticket `first`, and says whether they came in order.
fn in_order(threads: usize, window: usize, jobs: u64, first: Ticket) -> bool {
    let pool = Pool::new(threads.try_into().expect("at least one"));
    let options = StreamOptions::new(Window::jobs(window))
        .wake(Wake::AtOnce)
        .max_batch(2)
        .beginning_at(first);
    let order = pool.scope(|scope| {
        let stream = scope.stream(
            options,
            || (),
            |job: u64, ()| job,
            Vec::new(),
            |order, _, out| order.push(out.done()),
        );
        for job in 0..jobs {
            stream.submit(job, 1).expect("there is nothing to refuse it for");
        }
        stream.finish()
    });
    order.into_iter().eq((0..jobs).map(Some))
}

/// cf144f81a99d (v5.3): who finished a job found the lock taken, just after its holder had looked
/// for the last time; the job stayed where it was, for ever. Here with a pause between any two
/// steps of both. e04ec0de61c1 (v5.8) is the same with a weaker barrier: `loom_bugs_1_and_2`.
#[test]
fn bug_1_a_job_that_ends_while_another_thread_looks_for_it_is_not_lost() {
    in_time(|| {
        delays::during(1, || {
            for threads in [2, 3] {
                for window in [2, 3] {
                    assert!(in_order(threads, window, 2000, Ticket::before_wrap(0)));
                }
            }
        });
    });
}

/// CVE-2024-47739 (9a22b2812393): sequence numbers were compared as numbers, so that those behind
/// the wrap sorted before those in front of it.
#[test]
fn bug_3_numbers_wrap() {
    in_time(|| {
        for before_wrap in 0..40 {
            assert!(in_order(3, 16, 60, Ticket::before_wrap(before_wrap)), "{before_wrap}");
        }
    });
}

/// 501302d5cee0: with a number of CPUs that is no power of two, the slot of a job was another one
/// on each side of the wrap.
#[test]
fn bug_4_slots_go_on_where_numbers_wrap_whatever_the_sizes() {
    in_time(|| {
        for threads in 1..=7 {
            for window in 1..=7 {
                let jobs = 3 * window as u64 + 2;
                for before_wrap in [0, 1, window as u64, jobs - 1] {
                    let first = Ticket::before_wrap(before_wrap);
                    assert!(in_order(threads, window, jobs, first), "{threads} threads, {window}");
                }
            }
        }
    });
}

/// Several at once, so that the threads of one are in the way of the others.
#[test]
fn bug_1_under_load() {
    in_time(|| {
        delays::during(7, || {
            thread::scope(|scope| {
                let runs: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| in_order(2, 2, 1000, Ticket::before_wrap(500))))
                    .collect();
                for run in runs {
                    assert!(run.join().expect("no panic"));
                }
            });
        });
    });
}

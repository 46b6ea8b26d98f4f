//! Streams in situations in which an earlier version hung, lost something, or kept somebody for
//! ever; one test for each, named for it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use padata::topology::{CpuId, CpuSet};
use padata::{
    CancelToken, Completion, Job, Nice, Outcome, Pool, Refused, Stream, StreamOptions, Wake,
    Weight, Window,
};

mod watchdog;
use watchdog::in_time;

fn pool(threads: usize) -> Pool {
    Pool::new(threads.try_into().expect("at least one thread"))
}

fn at_once(jobs: usize) -> StreamOptions {
    StreamOptions::new(Window::jobs(jobs)).wake(Wake::AtOnce)
}

/// With CPUs for the serial part, so that it is a helper's.
fn with_serial_helper(jobs: usize) -> StreamOptions {
    at_once(jobs).serial_cpus([CpuId(0), CpuId(1)].into_iter().collect::<CpuSet>())
}

fn count(delivered: &mut u32, _: padata::Seq, _: Outcome<u32>) {
    *delivered += 1;
}

fn spin(micros: u64) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
}

/// A completion that goes in a panic which its own callback catches has no result.
#[test]
fn a_completion_dropped_in_a_panic_that_was_caught() {
    in_time(|| {
        let stream = pool(1).stream_later(
            Window::jobs(4),
            || (),
            |_: u32, (), done: Completion<u32>| {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    let _done = done;
                    resume_unwind(Box::new(()));
                }));
                assert!(caught.is_err());
            },
            Vec::new(),
            |all: &mut Vec<bool>, _, out| all.push(matches!(out, Outcome::Dropped)),
        );
        stream.submit(1, 1).unwrap();
        assert_eq!(stream.finish(), [true]);
    });
}

/// Completions that are dropped by jobs which run because a thread unwinds.
#[test]
fn a_completion_dropped_while_the_scope_unwinds() {
    in_time(|| {
        let delivered = AtomicUsize::new(0);
        let scoped = catch_unwind(AssertUnwindSafe(|| {
            pool(1).scope(|scope| {
                let stream = scope.stream_later(
                    Window::jobs(64),
                    || (),
                    |_: u32, (), done: Completion<u32>| drop(done),
                    (),
                    |(), _, _| {
                        delivered.fetch_add(1, SeqCst);
                    },
                );
                struct SubmitsWhenDropped<'s>(Option<Stream<'s, u32, ()>>);
                impl Drop for SubmitsWhenDropped<'_> {
                    fn drop(&mut self) {
                        let stream = self.0.take().expect("dropped once");
                        stream.submit(1, 1).expect("it is open");
                        stream.finish();
                    }
                }
                let _late = SubmitsWhenDropped(Some(stream));
                resume_unwind(Box::new("body"));
            });
        }));
        assert_eq!(scoped.unwrap_err().downcast_ref(), Some(&"body"));
        assert_eq!(delivered.into_inner(), 1);
    });
}

/// A serial part that panics with another job's completion in hand.
#[test]
fn a_completion_dropped_by_a_serial_part_that_panics() {
    in_time(|| {
        let (give, given) = mpsc::channel();
        let (keep, kept) = mpsc::channel::<Completion<u32>>();
        let kept = Mutex::new(kept);
        let stream = pool(1).stream_later(
            Window::jobs(4),
            || (),
            move |n: u32, (), done| if n == 0 { give.send(done) } else { keep.send(done) }.unwrap(),
            (),
            move |(), _, _| {
                let _done = kept.lock().unwrap().try_recv();
                resume_unwind(Box::new("serial"));
            },
        );
        stream.submit(0, 1).unwrap();
        stream.submit(1, 1).unwrap();
        given.recv().unwrap().complete(0);
        let finished = catch_unwind(AssertUnwindSafe(|| stream.finish()));
        assert_eq!(finished.unwrap_err().downcast_ref(), Some(&"serial"));
    });
}

/// The only helper waits for a stream whose serial part is for a helper: itself.
#[test]
fn a_helper_that_waits_for_the_serial_helper() {
    in_time(|| {
        let pool = pool(2);
        let begun = AtomicBool::new(false);
        let told = &begun;
        pool.scope(|scope| {
            scope.spawn(move |scope| {
                told.store(true, SeqCst);
                let stream = scope.stream(with_serial_helper(4), || (), |n: u32, ()| n, 0, count);
                stream.submit(1, 1).unwrap();
                assert_eq!(stream.finish(), 1);
            });
            while !told.load(SeqCst) {
                thread::yield_now();
            }
        });
    });
}

/// Caller and helper of a map both wait for room in such a stream.
#[test]
fn a_map_that_submits_to_a_stream_with_a_serial_helper() {
    in_time(|| {
        let pool = pool(2);
        pool.scope(|scope| {
            let stream = scope.stream(with_serial_helper(4), || (), |n: u32, ()| n, 0, count);
            let items: Vec<u32> = (0..2000).collect();
            let submit = |n: &u32, (): &mut ()| stream.submit(*n, 1).is_ok();
            let accepted = pool.map(&items, |_| 1, Weight::UNLIMITED, || (), submit);
            assert!(accepted.into_iter().all(|is| is));
            assert_eq!(stream.finish(), 2000);
        });
    });
}

/// A stream keeps the only helper; another one, with or without CPUs for its serial part, goes on.
#[test]
fn bug_6_a_stream_with_all_helpers_holds_up_no_other() {
    in_time(|| {
        let pool = pool(2);
        let (begin, begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let slow = pool.stream(
            at_once(4),
            || (),
            move |_: u32, ()| {
                begin.send(()).unwrap();
                let _ = released.lock().unwrap().recv();
            },
            (),
            |(), _, _| (),
        );
        slow.submit(0, 1).unwrap();
        begun.recv().unwrap();
        for options in [with_serial_helper(4), at_once(4), at_once(64)] {
            let (deliver, delivered) = mpsc::channel();
            let tell =
                move |(): &mut (), _: padata::Seq, _: Outcome<u32>| deliver.send(()).unwrap();
            let stream = pool.stream(options, || (), |n: u32, ()| n, (), tell);
            // Nobody waits for this stream in this stream.
            for n in 0..4 {
                stream.submit(n, 1).unwrap();
                delivered.recv().unwrap();
            }
        }
        drop(release);
        slow.finish();
    });
}

/// A submitter that waits is refused when the token is cancelled, and is not let in first.
#[test]
fn a_submitter_that_waits_when_the_stream_is_cancelled() {
    in_time(|| {
        let token = CancelToken::new();
        let (begin, begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let stream = pool(2).stream(
            at_once(1).cancel(&token),
            || (),
            move |_: u32, ()| {
                begin.send(()).unwrap();
                let _ = released.lock().unwrap().recv();
            },
            (),
            |(), _, _| (),
        );
        thread::scope(|scope| {
            let first = scope.spawn(|| stream.submit(0, 1).map(drop));
            begun.recv().unwrap();
            let waits = scope.spawn(|| stream.submit(1, 1));
            while !format!("{stream:?}").contains("submitters_waiting: 1") {
                thread::yield_now();
            }
            token.cancel();
            drop(release);
            assert!(matches!(waits.join().unwrap(), Err(Refused::Closed(1))));
            first.join().unwrap().unwrap();
        });
    });
}

/// An iterator that waits for its next item does not hold back those before it.
#[test]
fn submit_all_submits_what_is_there() {
    in_time(|| {
        let (send, items) = mpsc::channel::<u32>();
        let (deliver, delivered) = mpsc::channel();
        let tell = move |(): &mut (), _: padata::Seq, _: Outcome<u32>| deliver.send(()).unwrap();
        let stream = pool(1).stream(Window::jobs(64), || (), |n: u32, ()| n, (), tell);
        let submitter = thread::spawn(move || {
            stream.submit_all(items.iter().map(|n| (n, 1))).map_err(|refused| refused.to_string())
        });
        for n in 0..20 {
            send.send(n).unwrap();
            delivered.recv().unwrap();
        }
        drop(send);
        assert_eq!(submitter.join().unwrap(), Ok(20));
    });
}

/// The first result does not wait for a whole window of jobs.
#[test]
fn an_iterator_on_one_thread_runs_what_it_needs() {
    let pool = pool(1);
    let calls = AtomicUsize::new(0);
    let work = |n: u32, (): &mut ()| {
        calls.fetch_add(1, SeqCst);
        n
    };
    pool.scope(|scope| {
        let mut results = scope.map_ordered(0.., Window::jobs(256), || (), work);
        for n in 0..100 {
            assert_eq!(results.next(), Some(n));
            assert!(calls.load(SeqCst) <= n as usize + 2);
        }
    });
}

/// A source that panics takes no result with it.
#[test]
fn an_iterator_whose_source_panics_goes_on() {
    let mut n = 0;
    let source = std::iter::from_fn(move || {
        n += 1;
        if n == 6 {
            resume_unwind(Box::new(()));
        }
        (n < 10).then_some(n)
    });
    let mut results = pool(1).map_ordered(source, Window::jobs(4), || (), |n: u32, ()| n);
    let mut seen = Vec::new();
    let mut ended = false;
    while !ended {
        match catch_unwind(AssertUnwindSafe(|| results.next())) {
            Ok(Some(result)) => seen.push(result),
            Ok(None) => ended = true,
            Err(_) => {}
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 7, 8, 9]);
}

/// Two submitters, and serial parts that take all the time: neither retires for the other for ever.
#[test]
fn a_submitter_retires_for_others_for_a_while() {
    in_time(|| {
        let pool = pool(1);
        let over = AtomicBool::new(false);
        let delivered = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&delivered);
        let stream = pool.stream(
            Window::jobs(4),
            || (),
            |n: u32, ()| n,
            (),
            move |(), _, _| {
                told.fetch_add(1, SeqCst);
                spin(20);
            },
        );
        // The most that was delivered in the course of one submission.
        let worst = thread::scope(|scope| {
            let submitters: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut worst = 0;
                        while !over.load(SeqCst) {
                            let before = delivered.load(SeqCst);
                            stream.submit(0, 1).unwrap();
                            worst = worst.max(delivered.load(SeqCst) - before);
                        }
                        worst
                    })
                })
                .collect();
            while delivered.load(SeqCst) < 20_000 {
                thread::yield_now();
            }
            over.store(true, SeqCst);
            submitters.into_iter().map(|it| it.join().unwrap()).max().unwrap()
        });
        assert!(worst < 10_000, "{worst} serial parts within one submission");
    });
}

/// The pool goes while its helper runs the serial part for a submitter that does not stop.
#[test]
fn a_pool_dropped_while_the_serial_helper_has_work() {
    in_time(|| {
        let pool = pool(2);
        let over = AtomicBool::new(false);
        let work = |n: u32, (): &mut ()| {
            spin(3);
            n
        };
        let stream = pool.stream(with_serial_helper(64), || (), work, 0, count);
        thread::scope(|scope| {
            let feeder = scope.spawn(|| {
                while !over.load(SeqCst) {
                    stream.submit(0, 1).unwrap();
                }
            });
            while stream.stats().delivered < 1000 {
                thread::yield_now();
            }
            // Hangs as long as it is fed, or comes back.
            drop(pool);
            over.store(true, SeqCst);
            feeder.join().unwrap();
        });
        assert!(stream.finish() >= 1000);
    });
}

/// A job that owns its stream, and is dropped because that was cancelled.
struct Node {
    _owner: Option<Arc<Stream<'static, Node, ()>>>,
    waits: bool,
}

#[test]
fn a_dropped_job_that_owns_its_stream() {
    in_time(|| {
        let pool = pool(2);
        let token = CancelToken::new();
        let (begin, begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let stream = Arc::new(pool.stream(
            at_once(4).cancel(&token),
            || (),
            move |node: Node, ()| {
                if node.waits {
                    begin.send(()).unwrap();
                    let _ = released.lock().unwrap().recv();
                }
            },
            (),
            |(), _, _| (),
        ));
        let submit = |owner, waits| stream.submit(Node { _owner: owner, waits }, 1).is_ok();
        assert!(submit(None, true));
        begun.recv().unwrap();
        assert!(submit(Some(Arc::clone(&stream)), false));
        token.cancel();
        drop(stream);
        drop(release);
        drop(pool);
    });
}

/// Where the callbacks of a stream find it.
type Own<A> = Arc<Mutex<Option<Stream<'static, u32, A>>>>;

/// Finished within its own callback: that panics, and the stream goes all the same.
#[test]
fn a_stream_that_is_finished_in_its_own_callback() {
    in_time(|| {
        let alive = Arc::new(());
        let pool = pool(2);
        let own: Own<Arc<()>> = Arc::default();
        let inside = Arc::clone(&own);
        let (told, tells) = mpsc::channel();
        let stream = pool.stream(
            at_once(4),
            || (),
            |n: u32, ()| n,
            Arc::clone(&alive),
            move |_, _, _| {
                let own = inside.lock().unwrap().take().unwrap();
                let finished = catch_unwind(AssertUnwindSafe(|| own.finish()));
                told.send(finished.is_err()).unwrap();
            },
        );
        let mut place = own.lock().unwrap();
        stream.submit(0, 1).unwrap();
        *place = Some(stream);
        drop(place);
        assert!(tells.recv().unwrap());
        drop(pool);
        while Arc::strong_count(&alive) > 1 {
            thread::yield_now();
        }
    });
}

/// Far more indexes than a ring can tell apart, until the serial part has enough.
#[test]
fn for_each_over_a_range_without_end() {
    in_time(|| {
        let mut next = 0;
        let outcome = pool(2).for_each_ordered(
            0..usize::MAX,
            Window::jobs(64),
            || (),
            |i, ()| {
                spin(2);
                i
            },
            |i, out| {
                assert_eq!((i, out), (next, next));
                next += 1;
                if i == 20_000 { Err(i) } else { Ok(()) }
            },
        );
        assert_eq!(outcome, Err(20_000));
    });
}

/// A helper of low priority starts no helpers, so nobody hears its call: it runs what it submits.
#[test]
fn a_call_that_nobody_hears() {
    in_time(|| {
        let pool = pool(2);
        let stream = pool.stream(at_once(4), || (), |n: u32, ()| n, 0, count);
        let submitted = AtomicBool::new(false);
        let outcome = Job::over(0_u32, 100).min_chunk(1).nice(Nice::Max).run(&pool, |chunk| {
            if chunk.worker() != 0 && !submitted.load(SeqCst) {
                stream.submit(1, 1).unwrap();
                let delivered = stream.stats().delivered;
                submitted.store(true, SeqCst);
                return if delivered == 1 { Ok(()) } else { Err(delivered) };
            }
            while !submitted.load(SeqCst) {
                thread::yield_now();
            }
            Ok(())
        });
        assert!(outcome.is_ok(), "{outcome:?}");
    });
}

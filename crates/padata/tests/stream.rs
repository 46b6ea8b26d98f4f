//! Ordered streams as users see them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use padata::topology::{CpuId, CpuSet};
use padata::{
    Backpressure, CancelToken, Completion, Outcome, Pool, Refused, Seq, Stream, StreamOptions,
    Trace, Wake, Weight, Window,
};

mod watchdog;
use watchdog::in_time;

fn pool(threads: usize) -> Pool {
    Pool::new(threads.try_into().expect("at least one thread"))
}

fn at_once(jobs: usize) -> StreamOptions {
    StreamOptions::new(Window::jobs(jobs)).wake(Wake::AtOnce)
}

/// Collects what was done, with the numbers.
fn collect<T>(all: &mut Vec<(u64, Option<T>)>, Seq(seq): Seq, outcome: Outcome<T>) {
    all.push((seq, outcome.done()));
}

fn done<T: Clone>(all: &[T]) -> Vec<(u64, Option<T>)> {
    (0..).zip(all.iter().cloned().map(Some)).collect()
}

#[test]
fn results_come_in_order_whatever_the_threads() {
    in_time(|| {
        for threads in 1..=4 {
            for options in [at_once(8), StreamOptions::new(Window::jobs(8)), at_once(1)] {
                let results = pool(threads).scope(|scope| {
                    let stream =
                        scope.stream(options, || (), |n: u64, ()| n * n, Vec::new(), collect);
                    for n in 0..1000 {
                        assert_eq!(stream.submit(n, 1).unwrap(), Seq(n));
                    }
                    stream.finish()
                });
                assert_eq!(results, done(&(0..1000).map(|n| n * n).collect::<Vec<_>>()));
            }
        }
    });
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
                calls.fetch_add(1, SeqCst);
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

#[test]
fn all_at_once_is_the_same_as_one_by_one() {
    in_time(|| {
        let results = pool(2).scope(|scope| {
            let stream = scope.stream(at_once(5), || (), |n: u32, ()| n, Vec::new(), collect);
            assert_eq!(stream.submit_all((0..100).map(|n| (n, 1))).unwrap(), 100);
            assert_eq!(stream.submit_all([]).unwrap(), 0);
            stream.finish()
        });
        assert_eq!(results, done(&(0..100).collect::<Vec<_>>()));
    });
}

type HeldStream = Stream<'static, u32, Vec<(u64, Option<u32>)>>;

/// A stream whose jobs wait until they are let go, and the way to let them go.
fn held_stream(
    pool: &Pool,
    options: impl Into<StreamOptions>,
) -> (HeldStream, mpsc::Receiver<Completion<u32>>) {
    let (held, completions) = mpsc::channel();
    let hold = move |_: u32, (): &mut (), done| held.send(done).expect("the test listens");
    (pool.stream_later(options, || (), hold, Vec::new(), collect), completions)
}

#[test]
fn what_is_refused_comes_back_and_has_no_number() {
    let window = Window::jobs(2).when_full(Backpressure::Refuse);
    let (stream, completions) = held_stream(&pool(1), window);
    assert_eq!(stream.submit(10, 1).unwrap(), Seq(0));
    let refused = stream.submit_all((11..20).map(|n| (n, 1))).unwrap_err();
    assert_eq!(refused.accepted, 1);
    assert!(matches!(refused.refused, Refused::Full(12)));
    assert_eq!(refused.rest.map(|(n, _)| n).collect::<Vec<_>>(), (13..20).collect::<Vec<_>>());
    completions.recv().unwrap().complete(0);
    assert_eq!(stream.submit(30, 1).unwrap(), Seq(2));
    stream.close();
    assert!(matches!(stream.submit(40, 1), Err(Refused::Closed(40))));
    completions.try_iter().for_each(|done| done.complete(1));
    assert_eq!(stream.stats().refused, 2);
    assert_eq!(stream.finish(), done(&[0, 1, 1]));
}

#[test]
fn weight_is_a_window_as_well_and_a_heavy_job_runs_alone() {
    let window = Window::jobs(9).weight(Weight(10)).when_full(Backpressure::Refuse);
    let (stream, completions) = held_stream(&pool(1), window);
    let fits = |weight| stream.submit(0, weight).is_ok();
    let finish_one = || completions.recv().unwrap().complete(0);
    assert!(fits(6) && fits(4) && !fits(1) && fits(0));
    finish_one();
    assert!(!fits(7) && fits(6));
    (0..3).for_each(|_| finish_one());
    assert!(fits(u64::MAX), "nothing else is in flight");
    assert!(!fits(0), "nothing beside it");
    finish_one();
    assert!(fits(10) && !fits(u64::MAX));
    finish_one();
    assert_eq!(stream.finish().len(), 6);
}

/// Submitters that wait get in one after the other, in the order in which they came, also a heavy
/// one among light ones that would fit.
#[test]
fn who_waits_is_served_in_order() {
    in_time(|| {
        let window = Window::jobs(4).weight(Weight(10));
        let (stream, completions) = held_stream(&pool(1), window);
        stream.submit(0, 8).unwrap();
        let accepted = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (place, weight) in [9, 1].into_iter().enumerate() {
                let (stream, accepted) = (&stream, &accepted);
                scope.spawn(move || {
                    let seq = stream.submit(weight, u64::from(weight)).unwrap();
                    accepted.lock().unwrap().push((weight, seq));
                });
                // The next one when this one waits.
                while format!("{stream:?}").contains(&format!("submitters_waiting: {place},")) {
                    thread::yield_now();
                }
            }
            for _ in 0..3 {
                completions.recv().unwrap().complete(0);
            }
        });
        let mut accepted = accepted.into_inner().unwrap();
        accepted.sort_unstable_by_key(|&(_, seq)| seq);
        assert_eq!(accepted, [(9, Seq(1)), (1, Seq(2))]);
        drop(stream);
    });
}

/// The job is run at once by who has no room for it, and keeps its place.
#[test]
fn inline_runs_the_job_in_the_thread_that_submits() {
    in_time(|| {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let both_ran = {
            let ran = Arc::clone(&ran);
            move || ran.lock().unwrap().len() == 2
        };
        let log = Arc::clone(&ran);
        let pool = pool(2);
        let stream = pool.stream(
            StreamOptions::new(Window::jobs(1).when_full(Backpressure::Inline)).wake(Wake::AtOnce),
            || (),
            move |n: u32, ()| {
                log.lock().unwrap().push((n, thread::current().id()));
                // Job 0 ends only when job 1, for which there is no room, has run.
                while n == 0 && !both_ran() {
                    thread::yield_now();
                }
                n
            },
            Vec::new(),
            collect,
        );
        stream.submit(0, 1).unwrap();
        while ran.lock().unwrap().is_empty() {
            thread::yield_now();
        }
        stream.submit(1, 1).unwrap();
        assert_eq!(stream.finish(), done(&[0, 1]));
        assert_eq!(ran.lock().unwrap()[1], (1, thread::current().id()));
    });
}

/// In a serial part nothing waits; in a parallel part a submitter runs what is queued, and waits
/// for nothing else.
#[test]
fn callbacks_never_wait_for_room() {
    in_time(|| {
        // Jobs of the full stream wait for its completions, so it stays full.
        let (full, completions) = held_stream(&pool(1), Window::jobs(1));
        full.submit(0, 1).unwrap();
        let full = Arc::new(full);
        for in_serial in [false, true] {
            let told = Arc::new(Mutex::new(Vec::new()));
            let tell = {
                let (full, told) = (Arc::clone(&full), Arc::clone(&told));
                move || {
                    let refused = matches!(full.submit(7, 1), Err(Refused::WouldDeadlock(7)));
                    told.lock().unwrap().push(refused);
                }
            };
            let in_parallel = tell.clone();
            let stream = pool(2).stream(
                at_once(4),
                || (),
                move |(), ()| {
                    if !in_serial {
                        in_parallel()
                    }
                },
                (),
                move |(), _, _| {
                    if in_serial {
                        tell()
                    }
                },
            );
            stream.submit((), 1).unwrap();
            let () = stream.finish();
            assert_eq!(*told.lock().unwrap(), [true]);
        }
        completions.recv().unwrap().complete(0);
        drop(Arc::into_inner(full).unwrap().finish());
    });
}

/// A parallel part that finds no room runs the queued jobs of that stream.
#[test]
fn a_parallel_part_helps_the_stream_it_waits_for() {
    in_time(|| {
        let pool = pool(2);
        // One helper, and it is kept: so what is queued stays queued.
        let gate = Arc::new(Barrier::new(2));
        let kept = Arc::clone(&gate);
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let busy = Arc::new(pool.stream(
            at_once(3),
            || (),
            move |n: u32, ()| {
                count.fetch_add(1, SeqCst);
                if n == 0 {
                    kept.wait();
                    kept.wait();
                }
                thread::current().id()
            },
            Vec::new(),
            collect,
        ));
        busy.submit(0, 1).unwrap();
        gate.wait();
        busy.submit(1, 1).unwrap();
        busy.submit(2, 1).unwrap();
        let alone = self::pool(1);
        let inner = Arc::clone(&busy);
        let outer = alone.stream(
            at_once(1),
            || (),
            move |(), ()| {
                // No room: 1 and 2 are run here, but their places come after that of 0.
                assert!(matches!(inner.submit(3, 1), Err(Refused::WouldDeadlock(3))));
            },
            (),
            |(), _, out| out.done().unwrap(),
        );
        outer.submit((), 1).unwrap();
        let () = outer.finish();
        assert_eq!(begun.load(SeqCst), 3, "1 and 2 as well");
        gate.wait();
        let ran = Arc::into_inner(busy).unwrap().finish();
        let here = Some(thread::current().id());
        assert_eq!(ran.iter().map(|(_, on)| *on == here).collect::<Vec<_>>(), [false, true, true]);
    });
}

/// A stream made within a callback may make it wait: nobody else waits for it.
#[test]
fn a_callback_can_wait_for_a_stream_of_its_own() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let inner = Arc::clone(&pool);
        let sums = pool.stream(
            at_once(4),
            || (),
            move |n: u64, ()| {
                inner.scope(|scope| {
                    let add = |sum: &mut u64, _, out: Outcome<u64>| *sum += out.done().unwrap();
                    let stream = scope.stream(at_once(1), || (), |n: u64, ()| n, 0, add);
                    for n in 0..n {
                        stream.submit(n, 1).unwrap();
                    }
                    stream.finish()
                })
            },
            Vec::new(),
            collect,
        );
        for n in 0..20 {
            sums.submit(n, 1).unwrap();
        }
        let expected: Vec<u64> = (0..20_u64).map(|n| (0..n).sum()).collect();
        assert_eq!(sums.finish(), done(&expected));
    });
}

/// Where the callbacks of a stream find it.
type Own = Arc<Mutex<Option<Arc<Stream<'static, u32, u32>>>>>;

/// Jobs that submit jobs to their own stream, far more of them than the stack has room for.
#[test]
fn jobs_that_submit_jobs_do_not_fill_the_stack() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = pool(threads);
            let own = Own::default();
            let inside = Arc::clone(&own);
            let stream = pool.stream(
                Window::jobs(100_000),
                || (),
                move |left: u32, ()| {
                    let own = inside.lock().unwrap().clone();
                    if left > 0 {
                        own.unwrap().submit(left - 1, 1).unwrap();
                    }
                },
                0,
                |ended, _, _| *ended += 1,
            );
            let stream = Arc::new(stream);
            *own.lock().unwrap() = Some(Arc::clone(&stream));
            stream.submit(50_000, 1).unwrap();
            while stream.stats().delivered <= 50_000 {
                thread::yield_now();
            }
            own.lock().unwrap().take();
            // A job drops its handle before it ends.
            assert_eq!(Arc::into_inner(stream).unwrap().finish(), 50_001);
        }
    });
}

#[test]
fn a_panic_is_the_outcome_of_its_job_and_scratch_is_made_anew() {
    in_time(|| {
        for threads in [1, 2] {
            let scratches = AtomicUsize::new(0);
            let outcomes = pool(threads).scope(|scope| {
                let stream = scope.stream(
                    at_once(3),
                    || scratches.fetch_add(1, SeqCst),
                    |n: u32, _| {
                        if n % 3 == 1 {
                            std::panic::resume_unwind(Box::new(format!("job {n}")));
                        }
                        n
                    },
                    Vec::new(),
                    |all: &mut Vec<String>, _, outcome| {
                        all.push(match outcome {
                            Outcome::Done(n) => n.to_string(),
                            Outcome::Panicked(panic) => panic.message().to_owned(),
                            Outcome::Dropped => unreachable!("nothing was dropped"),
                        });
                    },
                );
                stream.submit_all((0..6).map(|n| (n, 1))).unwrap();
                stream.finish()
            });
            assert_eq!(outcomes, ["0", "job 1", "2", "3", "job 4", "5"]);
            // One for each thread, and one after each panic if a job follows.
            let made = scratches.into_inner();
            assert!((3..=threads + 2).contains(&made), "{made}");
        }
    });
}

/// A serial part that panics: the stream takes no more jobs, drops what has not begun, and the
/// panic goes on in who asks for the state.
#[test]
fn a_panic_in_a_serial_part_ends_the_stream() {
    in_time(|| {
        for threads in [1, 3] {
            let delivered = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&delivered);
            let pool = pool(threads);
            let stream = pool.stream(
                at_once(4),
                || (),
                |n: u32, ()| n,
                (),
                move |(), Seq(seq), _| {
                    if seq == 5 {
                        std::panic::resume_unwind(Box::new("no more"));
                    }
                    count.fetch_add(1, SeqCst);
                },
            );
            let refused = stream.submit_all((0..1000).map(|n| (n, 1))).unwrap_err();
            assert!(matches!(refused.refused, Refused::Closed(_)));
            let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                stream.finish();
            }));
            assert_eq!(finished.unwrap_err().downcast_ref(), Some(&"no more"));
            assert_eq!(delivered.load(SeqCst), 5);
        }
    });
}

/// The same for a stream that nobody finishes: the scope tells, also if it was leaked.
#[test]
fn a_scope_tells_of_panics_in_streams_that_were_dropped_or_leaked() {
    in_time(|| {
        for is_leaked in [false, true] {
            let scoped = std::panic::catch_unwind(|| {
                pool(2).scope(|scope| {
                    let stream = scope.stream(
                        at_once(4),
                        || (),
                        |(), ()| (),
                        (),
                        |(), _, _| std::panic::resume_unwind(Box::new("unseen")),
                    );
                    stream.submit((), 1).unwrap();
                    if is_leaked {
                        std::mem::forget(stream);
                    }
                });
            });
            assert_eq!(scoped.unwrap_err().downcast_ref(), Some(&"unseen"));
        }
    });
}

/// All jobs have ended when the scope returns, also those of a leaked stream.
#[test]
fn a_leaked_stream_comes_to_its_end_with_the_scope() {
    in_time(|| {
        let delivered = AtomicUsize::new(0);
        let pool = pool(2);
        pool.scope(|scope| {
            let count = |(): &mut (), _, _: Outcome<()>| {
                delivered.fetch_add(1, SeqCst);
            };
            let work = |(), (): &mut ()| thread::sleep(Duration::from_millis(1));
            let stream = scope.stream(at_once(16), || (), work, (), count);
            stream.submit_all([((), 1); 10]).unwrap();
            std::mem::forget(stream);
        });
        assert_eq!(delivered.into_inner(), 10);
    });
}

#[test]
fn a_dropped_completion_yields_its_place() {
    in_time(|| {
        let (stream, completions) = held_stream(&pool(2), at_once(8));
        for n in 0..4 {
            stream.submit(n, 1).unwrap();
        }
        let mut held: Vec<_> = (0..4).map(|_| completions.recv().unwrap()).collect();
        // Last first, and one of them dropped.
        held.pop().unwrap().complete(13);
        drop(held.pop());
        held.drain(..).for_each(|done| done.complete(10));
        assert_eq!(stream.finish(), [(0, Some(10)), (1, Some(10)), (2, None), (3, Some(13))]);
    });
}

/// A panic before the completion was given away is the outcome; after that it is up to who has it.
#[test]
fn a_panic_with_the_completion_in_hand_is_the_outcome() {
    in_time(|| {
        let (given, completions) = mpsc::channel();
        let outcomes = pool(2).scope(|scope| {
            let stream = scope.stream_later(
                at_once(4),
                || (),
                move |n: u32, (), done: Completion<u32>| {
                    match n {
                        0 => done.complete(0),
                        1 => std::panic::resume_unwind(Box::new("in hand")),
                        _ => given.send(done).unwrap(),
                    }
                    std::panic::resume_unwind(Box::new("too late to matter"));
                },
                Vec::new(),
                |all: &mut Vec<String>, _, outcome| all.push(format!("{outcome:?}")),
            );
            for n in 0..3 {
                stream.submit(n, 1).unwrap();
            }
            completions.recv().unwrap().complete(2);
            stream.finish()
        });
        assert_eq!(outcomes, ["Done(0)", "Panicked(CaughtPanic(\"in hand\"))", "Done(2)"]);
    });
}

/// Callbacks of the serial side run on the CPUs for it, whoever ends a job, where a helper comes in
/// time: a busy machine has to be asked more than once.
#[test]
fn the_serial_part_has_cpus_of_its_own() {
    in_time(|| {
        let only: CpuSet = [CpuId(0)].into_iter().collect();
        let pool = pool(3);
        let as_wished = || {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let note = Arc::clone(&seen);
            let options = at_once(8).serial_cpus(only.clone());
            let stream = pool.stream(
                options,
                || (),
                |n: u32, ()| n,
                Vec::new(),
                move |all: &mut Vec<u32>, _, out| {
                    let may = rustix::thread::sched_getaffinity(None).unwrap();
                    note.lock().unwrap().push((may.count(), may.is_set(0)));
                    all.push(out.done().unwrap());
                },
            );
            for n in 0..200 {
                stream.submit(n, 1).unwrap();
            }
            assert_eq!(stream.finish(), (0..200).collect::<Vec<_>>());
            seen.lock().unwrap().iter().all(|&on| on == (1, true))
        };
        assert!((0..1000).any(|_| as_wished()), "never once in a thousand streams");
        // Nobody to be sent there: it runs where it is.
        let alone = self::pool(1);
        let options = at_once(8).serial_cpus(only);
        let stream = alone.stream(options, || (), |n: u32, ()| n, Vec::new(), collect);
        stream.submit(1, 1).unwrap();
        assert_eq!(stream.finish(), done(&[1]));
    });
}

/// A serial part that has failed ends the stream: what has not begun is dropped, in its place.
#[test]
fn a_cancelled_stream_drops_what_has_not_begun() {
    in_time(|| {
        for threads in [1, 3] {
            let token = CancelToken::new();
            let fail = token.clone();
            let ran = AtomicUsize::new(0);
            let (outcomes, stats, refused) = pool(threads).scope(|scope| {
                let stream = scope.stream(
                    at_once(64).cancel(&token),
                    || (),
                    |(), ()| ran.fetch_add(1, SeqCst),
                    Vec::new(),
                    move |all: &mut Vec<bool>, Seq(seq), outcome| {
                        if seq == 5 {
                            fail.cancel();
                        }
                        all.push(matches!(outcome, Outcome::Done(_)));
                    },
                );
                let refused = stream.submit_all((0..1000).map(|_| ((), 1))).unwrap_err();
                let (outcomes, stats) = stream.finish_with_stats();
                (outcomes, stats, refused.refused)
            });
            assert!(matches!(refused, Refused::Closed(())));
            assert_eq!(outcomes.iter().filter(|&&done| done).count(), ran.into_inner());
            assert!(outcomes[..6].iter().all(|&done| done), "{outcomes:?}");
            assert_eq!(
                (outcomes.len() as u64, stats.delivered),
                (stats.submitted, stats.submitted)
            );
        }
    });
}

#[test]
fn latencies_and_counts_are_kept() {
    let pool = pool(1);
    let options = StreamOptions::new(Window::jobs(8)).latency(true);
    let stream = pool.stream(
        options,
        || (),
        |(), ()| thread::sleep(Duration::from_millis(2)),
        (),
        |(), _, _| (),
    );
    stream.submit_all([((), 1); 4]).unwrap();
    let stats = stream.stats();
    let latency = stats.latency.clone().unwrap();
    assert_eq!((stats.submitted, stats.delivered, latency.count()), (4, 4, 4));
    assert!(latency.max().unwrap() >= Duration::from_millis(2));
    assert!(stats.throughput() > 0.0 && stats.age >= Duration::from_millis(8));
    assert_eq!(stats.ran_in_submit, 4);
    let silent = pool.stream(Window::jobs(8), || (), |(), ()| (), (), |(), _, _| ());
    assert_eq!(silent.stats().latency, None);
}

#[test]
fn batches_are_on_the_timeline() {
    let trace = Arc::new(Trace::new());
    let options = StreamOptions::new(Window::jobs(8)).name("seal").trace(Arc::clone(&trace));
    let stream = pool(1).stream(options, || (), |(), ()| (), (), |(), _, _| ());
    stream.submit_all([((), 1); 4]).unwrap();
    drop(stream);
    let mut json = Vec::new();
    trace.write_json(&mut json).unwrap();
    let json = String::from_utf8(json).unwrap();
    let units = |name: &str| -> u32 {
        let lines = json.lines().filter(|line| line.contains(&format!("\"name\":\"{name}\"")));
        let units = |line: &str| line.split("\"units\":").nth(1)?.split(',').next()?.parse().ok();
        lines.map(|line| units(line).unwrap_or(0)).sum()
    };
    assert_eq!((units("seal"), units("serial")), (4, 4), "{json}");
}

/// While nobody is awake, and no submitter was busy so far, nobody is woken.
#[test]
fn the_first_job_wakes_nobody() {
    let pool = pool(4);
    let stream = pool.stream(Window::jobs(64), || (), |n: u32, ()| n, Vec::new(), collect);
    stream.submit(7, 1).unwrap();
    let stats = stream.stats();
    assert_eq!((stats.calls, stats.ran_in_submit, stats.delivered), (0, 1, 1));
    assert!(format!("{pool:?}").contains("helpers_started: 0"), "{pool:?}");
    assert_eq!(stream.finish(), done(&[7]));
}

/// Jobs that keep their submitter busy bring a helper.
#[test]
fn busy_submitters_get_help() {
    in_time(|| {
        let pool = pool(2);
        let helped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&helped);
        let here = thread::current().id();
        let work = move |(), (): &mut ()| {
            told.fetch_or(thread::current().id() != here, SeqCst);
            let begin = std::time::Instant::now();
            while begin.elapsed() < Duration::from_micros(100) {
                std::hint::spin_loop();
            }
        };
        let stream = pool.stream(Window::jobs(64), || (), work, (), |(), _, _| ());
        while !helped.load(SeqCst) {
            stream.submit((), 1).unwrap();
        }
        assert!(stream.stats().calls > 0);
    });
}

#[test]
fn iterators_are_lazy_ordered_and_bounded() {
    in_time(|| {
        for threads in 1..=3 {
            let pool = pool(threads);
            let taken = AtomicUsize::new(0);
            let items = (0_usize..).inspect(|_| {
                taken.fetch_add(1, SeqCst);
            });
            pool.scope(|scope| {
                let mut squares = scope.map_ordered(items, at_once(8), || (), |n, ()| n * n);
                assert_eq!(taken.load(SeqCst), 0, "nothing before it is asked for");
                for n in 0..500 {
                    assert_eq!(squares.next(), Some(n * n));
                    let ahead = taken.load(SeqCst) - n;
                    assert!(ahead <= 8 + 8, "{ahead} taken ahead");
                }
            });
        }
    });
}

#[test]
fn an_iterator_goes_on_with_a_panic_in_its_place() {
    in_time(|| {
        let pool = pool(2);
        let mut results = pool.map_ordered(
            0..10,
            at_once(4),
            || (),
            |n: u32, ()| {
                if n >= 3 {
                    std::panic::resume_unwind(Box::new(n));
                }
                n
            },
        );
        assert_eq!(results.by_ref().take(3).collect::<Vec<_>>(), [0, 1, 2]);
        let next = std::panic::AssertUnwindSafe(|| results.next());
        assert_eq!(std::panic::catch_unwind(next).unwrap_err().downcast_ref(), Some(&3_u32));
        assert_eq!(results.next(), None);
    });
}

/// Dropped or leaked in the middle: what runs comes to its end within the scope.
#[test]
fn an_iterator_can_be_dropped_or_leaked() {
    in_time(|| {
        for is_leaked in [false, true] {
            let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
            pool(3).scope(|scope| {
                let work = |_: u32, (): &mut ()| {
                    begun.fetch_add(1, SeqCst);
                    thread::yield_now();
                    ended.fetch_add(1, SeqCst);
                };
                let mut results = scope.map_ordered(0.., at_once(8), || (), work);
                results.next();
                if is_leaked {
                    std::mem::forget(results);
                }
            });
            assert_eq!(begun.into_inner(), ended.into_inner());
        }
    });
}

#[test]
fn for_each_is_in_order_and_stops_at_the_first_error() {
    in_time(|| {
        for threads in 1..=4 {
            let mut seen = Vec::new();
            let outcome = pool(threads).for_each_ordered(
                3..5000,
                Window::jobs(16),
                || (),
                |i, ()| {
                    // Long enough for helpers to be called.
                    (0..50).for_each(|_| std::hint::spin_loop());
                    i
                },
                |i, out| {
                    assert_eq!(i, out);
                    seen.push(i);
                    if i == 4000 { Err("enough") } else { Ok(()) }
                },
            );
            assert_eq!((outcome, seen), (Err("enough"), (3..=4000).collect()));
        }
        let nothing: Result<(), ()> =
            pool(2).for_each_ordered(5..5, Window::jobs(1), || (), |_, ()| (), |_, ()| Err(()));
        assert_eq!(nothing, Ok(()));
    });
}

#[test]
fn for_each_goes_on_with_the_first_panic() {
    in_time(|| {
        for (threads, in_serial) in [(1, false), (2, false), (4, false), (1, true), (4, true)] {
            let mut seen = 0;
            let run = std::panic::AssertUnwindSafe(|| {
                pool(threads).for_each_ordered(
                    0..4000,
                    Window::jobs(64),
                    || (),
                    |i, ()| {
                        (0..50).for_each(|_| std::hint::spin_loop());
                        if !in_serial && i >= 3000 {
                            std::panic::resume_unwind(Box::new(i));
                        }
                    },
                    |i, ()| {
                        if in_serial && i == 3000 {
                            std::panic::resume_unwind(Box::new(i));
                        }
                        seen += 1;
                        Ok::<_, ()>(())
                    },
                )
            });
            let payload = std::panic::catch_unwind(run).unwrap_err();
            assert_eq!((payload.downcast_ref(), seen), (Some(&3000_usize), 3000));
        }
    });
}

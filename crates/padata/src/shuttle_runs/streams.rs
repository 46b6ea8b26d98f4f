//! Whole streams on whole pools, under random schedules.

use std::panic::{self, AssertUnwindSafe};

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::sync::{Arc, Condvar, Mutex, mpsc};
use shuttle::thread;

use crate::claim::Weight;
use crate::pool::Pool;
use crate::ring::Ticket;
use crate::stream::{
    Backpressure, Completion, Outcome, Refused, Seq, Stream, StreamOptions, Wake, Window,
};
use crate::topology::{CpuId, CpuSet};

use super::{check, some_pool};

fn roll(below: usize) -> usize {
    thread_rng().gen_range(0..below)
}

fn some_options() -> StreamOptions {
    let window = Window::jobs(roll(4) + 1).weight(Weight([3, 5, u64::MAX][roll(3)]));
    let window = window.when_full([Backpressure::Block, Backpressure::Inline][roll(2)]);
    let options = StreamOptions::new(window)
        .wake([Wake::AtOnce, Wake::Late][roll(2)])
        .max_batch(roll(3) + 1)
        .beginning_at(Ticket::before_wrap(roll(4) as u64));
    match roll(4) {
        0 => options.serial_cpus([CpuId(0)].into_iter().collect::<CpuSet>()),
        _ => options,
    }
}

/// Counts, and wakes who waits for a number.
#[derive(Default)]
struct Counter(Mutex<usize>, Condvar);

impl Counter {
    fn add_one(&self) {
        *self.0.lock().unwrap() += 1;
        self.1.notify_all();
    }

    fn wait_for(&self, number: usize) {
        let mut count = self.0.lock().unwrap();
        while *count < number {
            count = self.1.wait(count).unwrap();
        }
        assert_eq!(*count, number);
    }
}

/// shuttle's second scheduler refuses tests of one thread.
fn another_thread() -> thread::JoinHandle<()> {
    thread::spawn(thread::yield_now)
}

fn resize(pool: &Pool) {
    pool.set_threads((roll(4) + 1).try_into().expect("at least one"));
}

/// Each job once, in order, whatever the pool does meanwhile.
#[test]
fn streams_while_the_pool_changes() {
    check(|| {
        let pool = Arc::new(some_pool());
        let others = Arc::clone(&pool);
        let other = thread::spawn(move || (0..3).for_each(|_| resize(&others)));
        let in_flight = AtomicUsize::new(0);
        let jobs = roll(8) + 2;
        let order = pool.scope(|scope| {
            let stream = scope.stream(
                some_options(),
                || (),
                |job: usize, ()| {
                    assert!(in_flight.fetch_add(1, SeqCst) < 5, "more threads than there are");
                    thread::yield_now();
                    in_flight.fetch_sub(1, SeqCst);
                    job
                },
                Vec::new(),
                |order, seq, out| order.push((seq, out.done().unwrap())),
            );
            for job in 0..jobs {
                stream.submit(job, job as u64).unwrap();
            }
            stream.finish()
        });
        let expected: Vec<_> = (0..jobs).map(|job| (Seq(job as u64), job)).collect();
        assert_eq!(order, expected);
        other.join().unwrap();
    });
}

/// Submitters on several threads, and jobs that a device completes or drops, or that are done
/// when they return.
#[test]
fn streams_of_several_submitters_and_a_device() {
    check(|| {
        let pool = some_pool();
        let (jobs, queue) = mpsc::channel::<(usize, Completion<usize>)>();
        let device = thread::spawn(move || {
            for (job, done) in queue {
                if job % 2 == 0 { done.complete(job) } else { drop(done) }
            }
        });
        let jobs = Mutex::new(jobs);
        let stream = Arc::new(pool.stream_later(
            some_options(),
            || (),
            move |job: usize, (), done| match job % 3 {
                // No panics here: to shuttle, all threads panic while one does.
                0 => drop(done),
                1 => done.complete(job),
                _ => jobs.lock().unwrap().send((job, done)).unwrap(),
            },
            [0; 2],
            |counts: &mut [usize; 2], _, out| match out {
                Outcome::Done(_) => counts[0] += 1,
                Outcome::Panicked(_) => unreachable!("nobody panics"),
                Outcome::Dropped => counts[1] += 1,
            },
        ));
        let others = Arc::clone(&stream);
        let submit = |stream: &Stream<'static, usize, [usize; 2]>| {
            for job in 0..6 {
                stream.submit(job, 1).unwrap();
            }
        };
        let other = thread::spawn(move || submit(&others));
        submit(&stream);
        other.join().unwrap();
        let stream = Arc::try_unwrap(stream).expect("the other one is gone");
        // Of 0 to 5: 1, 4 and 2 are done.
        assert_eq!(stream.finish(), [6, 6]);
        device.join().unwrap();
    });
}

/// Jobs that submit to another stream, and take what is refused for done.
#[test]
fn streams_that_submit_to_streams() {
    check(|| {
        let other = another_thread();
        let pool = some_pool();
        let ended = Arc::new(Counter::default());
        let count = |ended: &Arc<Counter>| {
            let ended = Arc::clone(ended);
            move |(): &mut (), _: Seq, _: Outcome<()>| ended.add_one()
        };
        let work = |_: usize, (): &mut ()| thread::yield_now();
        let inner = pool.stream(some_options(), || (), work, (), count(&ended));
        let parallel = {
            let ended = Arc::clone(&ended);
            move |job: usize, (): &mut ()| match inner.submit(job, 1) {
                Ok(_) => {}
                Err(Refused::WouldDeadlock(_)) => ended.add_one(),
                Err(other) => panic!("{other}"),
            }
        };
        let outer = pool.stream(some_options(), || (), parallel, (), count(&ended));
        for job in 0..4 {
            outer.submit(job, 1).unwrap();
        }
        // With it goes the inner one, which has to come to its end all the same.
        drop(outer);
        ended.wait_for(8);
        other.join().unwrap();
    });
}

/// Several submit, and then nobody does anything for the stream any more: what was submitted is
/// run all the same, whatever becomes of the pool meanwhile.
#[test]
fn streams_that_nobody_waits_for() {
    check(|| {
        let pool = Arc::new(some_pool());
        let ended = Arc::new(Counter::default());
        let count = Arc::clone(&ended);
        let stream = Arc::new(pool.stream(
            some_options(),
            || (),
            |_: usize, ()| thread::yield_now(),
            (),
            move |(), _, _| count.add_one(),
        ));
        let submitters: Vec<_> = (0..2)
            .map(|_| {
                let (pool, stream) = (Arc::clone(&pool), Arc::clone(&stream));
                thread::spawn(move || {
                    for job in 0..3 {
                        resize(&pool);
                        stream.submit(job, 1).unwrap();
                    }
                    // Neither the last stream nor the last pool: that would wait.
                    (pool, stream)
                })
            })
            .collect();
        let ends: Vec<_> = submitters.into_iter().map(|it| it.join().unwrap()).collect();
        ended.wait_for(6);
        drop((ends, stream));
    });
}

/// A stream that is dropped within its own callback, and whose pool is dropped at any time.
#[test]
fn streams_dropped_anywhere() {
    check(|| {
        let other = another_thread();
        let pool = some_pool();
        let (submitted, delivered) = (roll(4) + 1, Arc::new(Counter::default()));
        let own: Arc<Mutex<Option<Stream<'static, usize, ()>>>> = Arc::default();
        let (inside, told) = (Arc::clone(&own), Arc::clone(&delivered));
        let stream = pool.stream(
            some_options(),
            || (),
            |_: usize, ()| (),
            (),
            move |(), _, _| {
                let own = inside.lock().unwrap().take();
                drop(own);
                told.add_one();
            },
        );
        for job in 0..submitted {
            stream.submit(job, 1).unwrap();
        }
        *own.lock().unwrap() = Some(stream);
        if roll(2) == 0 {
            drop(pool);
        }
        // If no callback came by any more it is dropped here.
        let left = own.lock().unwrap().take();
        drop(left);
        delivered.wait_for(submitted);
        other.join().unwrap();
    });
}

/// Iterators, to their end or not.
#[test]
fn iterators() {
    check(|| {
        let pool = Arc::new(some_pool());
        let others = Arc::clone(&pool);
        let other = thread::spawn(move || resize(&others));
        let (items, asked) = (roll(8), roll(10));
        let results: Vec<usize> = pool.scope(|scope| {
            let double = |n: usize, (): &mut ()| {
                thread::yield_now();
                n * 2
            };
            scope.map_ordered(0..items, some_options(), || (), double).take(asked).collect()
        });
        assert_eq!(results, (0..items.min(asked)).map(|n| n * 2).collect::<Vec<_>>());
        other.join().unwrap();
    });
}

/// A for-each that ends, fails, or panics, at a given index: what was seen is the same each time.
#[test]
fn for_each_ordered() {
    check(|| {
        let pool = Arc::new(some_pool());
        let others = Arc::clone(&pool);
        let other = thread::spawn(move || resize(&others));
        let (jobs, at, window) = (roll(8), roll(10), Window::jobs(roll(4) + 1));
        let panics = roll(2) == 0;
        let mut seen = Vec::new();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            pool.for_each_ordered(
                0..jobs,
                window,
                || (),
                |i, ()| {
                    thread::yield_now();
                    if panics && i >= at {
                        panic::resume_unwind(Box::new(i));
                    }
                    i
                },
                |i, out| {
                    assert_eq!(i, out);
                    if i == at {
                        return Err(i);
                    }
                    seen.push(i);
                    Ok(())
                },
            )
        }));
        assert_eq!(seen, (0..jobs.min(at)).collect::<Vec<_>>());
        match outcome {
            Ok(outcome) if at < jobs => assert_eq!(outcome, Err(at)),
            Ok(outcome) => assert_eq!(outcome, Ok(())),
            Err(payload) => assert_eq!(payload.downcast_ref(), Some(&at)),
        }
        other.join().unwrap();
    });
}

/// Two wait for room, and the stream is closed: each gets in or is told.
#[test]
fn close_while_submitters_wait() {
    check(|| {
        let pool = Pool::new(std::num::NonZeroUsize::MIN);
        let held: Arc<Mutex<Vec<Completion<usize>>>> = Arc::default();
        let hold = Arc::clone(&held);
        let work = move |job: usize, (): &mut (), done: Completion<usize>| match job {
            0 => hold.lock().unwrap().push(done),
            _ => done.complete(job),
        };
        let stream = Arc::new(pool.stream_later(Window::jobs(1), || (), work, (), |(), _, _| ()));
        stream.submit(0, 1).unwrap();
        let submitters = [(); 2].map(|()| {
            let stream = Arc::clone(&stream);
            thread::spawn(move || drop(stream.submit(1, 1)))
        });
        let others = Arc::clone(&stream);
        let closer = thread::spawn(move || others.close());
        let done = held.lock().unwrap().pop().unwrap();
        done.complete(0);
        for submitter in submitters {
            submitter.join().unwrap();
        }
        closer.join().unwrap();
    });
}

/// Two wait, there is room for both, and each is needed for the other to be done: the second one
/// does not sleep beside free room.
#[test]
fn the_next_in_the_queue_notices_room() {
    check(|| {
        let pool = Pool::new(std::num::NonZeroUsize::MIN);
        let held: Arc<Mutex<Vec<Completion<usize>>>> = Arc::default();
        let pairs: Arc<Mutex<Vec<Completion<usize>>>> = Arc::default();
        let (hold, pair) = (Arc::clone(&held), Arc::clone(&pairs));
        // A device that answers two requests at a time.
        let work = move |job: usize, (): &mut (), done| {
            if job == 0 {
                return hold.lock().unwrap().push(done);
            }
            let mut pair = pair.lock().unwrap();
            pair.push(done);
            if pair.len() == 2 {
                let both = std::mem::take(&mut *pair);
                drop(pair);
                both.into_iter().for_each(|done| done.complete(1));
            }
        };
        let stream = Arc::new(pool.stream_later(Window::jobs(2), || (), work, (), |(), _, _| ()));
        stream.submit(0, 1).unwrap();
        stream.submit(0, 1).unwrap();
        let submitters = [(); 2].map(|()| {
            let stream = Arc::clone(&stream);
            thread::spawn(move || assert!(stream.submit(1, 1).is_ok()))
        });
        let both = std::mem::take(&mut *held.lock().unwrap());
        both.into_iter().for_each(|done| done.complete(0));
        for submitter in submitters {
            submitter.join().unwrap();
        }
    });
}

/// The helper that lets jobs in leaves before it runs any: the caller learns of them.
#[test]
fn for_each_when_the_helper_leaves() {
    check(|| {
        let pool = Arc::new(Pool::new(2.try_into().unwrap()));
        let others = Arc::clone(&pool);
        let other = thread::spawn(move || others.set_threads(1.try_into().unwrap()));
        let window = Window::jobs(1 + roll(2));
        let ok = |_, _| Ok::<(), ()>(());
        pool.for_each_ordered(0..6, window, || (), |i, ()| i, ok).unwrap();
        other.join().unwrap();
    });
}

//! Models of the ring, and of whole streams on it. Tickets begin just before they wrap.

use loom::sync::Arc;
use loom::thread;

use crate::pool::Pool;
use crate::ring::{Producer, Ring, Stepped, Ticket};
use crate::stream::{Backpressure, Completion, Outcome, Refused, StreamOptions, Wake, Window};
use crate::sync::{self, AtomicUsize, Mutex, Ordering};

use super::{check, threads};

/// A ring of the jobs 0, 1, 2 and so on, whose serial side notes what it gets.
type Noting = Ring<u32, u32, (), Vec<u32>>;

fn noting(window: usize, before_wrap: u64) -> (Noting, Producer) {
    Ring::new(window, Ticket::before_wrap(before_wrap), Vec::new())
}

/// Claims a run and finishes it; retires what is due. Says whether there was a run.
fn work(ring: &Noting, most: usize) -> bool {
    let Some(mut run) = ring.claim(|_| most) else { return false };
    while let Some((_, stepped)) = ring.step(&mut run) {
        if let Stepped::Job(job) = stepped {
            ring.fill(&mut run, job + 10);
        }
    }
    let mut turn = ring.finish(run);
    while let Some(mut due) = turn {
        ring.with_turn(&mut due, |noted, outcomes| {
            while let Some(((), outcome)) = outcomes.next() {
                noted.push(outcome.expect("an outcome"));
            }
        });
        let (baton, _) = ring.end(due);
        turn = ring.next_turn(baton);
    }
    true
}

/// What was noted, once everybody has left.
fn noted(ring: &Noting, producer: &Producer) -> Vec<u32> {
    let mut baton = ring.take_idle_baton(producer).expect("all is retired");
    ring.with_serial(&mut baton, |noted| noted.clone())
}

/// The kernel's cf144f81a99d and e04ec0de61c1: two threads finish at the same time, and the one
/// that retires must not miss what the other one has finished. Loom finds the race on the slots
/// when a swap is weaker than it is, and the job that nobody retires when one is not a swap.
#[test]
fn bugs_1_and_2_two_finishers() {
    for before_wrap in [0, 1] {
        check(move || {
            let (ring, mut producer) = noting(2, before_wrap);
            for job in 0..2 {
                ring.put(&mut producer, job, ());
            }
            ring.publish(&producer);
            let ring = Arc::new(ring);
            let other = Arc::clone(&ring);
            let other = thread::spawn(move || work(&other, 1));
            work(&ring, 1);
            other.join().unwrap();
            assert_eq!(noted(&ring, &producer), [10, 11]);
        });
    }
}

/// Slots are used again as soon as they are free, over the wrap: three jobs in two slots, put by
/// one thread while two run and retire.
#[test]
fn ring_reuses_slots_over_the_wrap() {
    check(|| {
        let (ring, mut producer) = noting(2, 1);
        let ring = Arc::new(ring);
        for job in 0..2 {
            ring.put(&mut producer, job, ());
        }
        ring.publish(&producer);
        let worker = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || while work(&ring, 1) {})
        };
        let mut is_put = ring.has_room(&mut producer, 2);
        if is_put {
            ring.put(&mut producer, 2, ());
            ring.publish(&producer);
        }
        while work(&ring, 1) {}
        worker.join().unwrap();
        if !is_put {
            assert!(ring.has_room(&mut producer, 2), "both are retired");
            is_put = true;
            ring.put(&mut producer, 2, ());
            ring.publish(&producer);
            work(&ring, 1);
        }
        assert!(is_put);
        assert_eq!(noted(&ring, &producer), [10, 11, 12]);
    });
}

/// Runs of several jobs: only their first slots are spoken for.
#[test]
fn ring_batches() {
    check(|| {
        let (ring, mut producer) = noting(4, 1);
        for job in 0..4 {
            ring.put(&mut producer, job, ());
        }
        ring.publish(&producer);
        let ring = Arc::new(ring);
        let worker = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || while work(&ring, 2) {})
        };
        while work(&ring, 1) {}
        worker.join().unwrap();
        assert_eq!(noted(&ring, &producer), [10, 11, 12, 13]);
    });
}

/// Who asks to be told of the next change is told, or sees the change.
#[test]
fn ring_asking_is_answered() {
    check(|| {
        let (ring, mut producer) = noting(1, 0);
        ring.put(&mut producer, 0, ());
        ring.publish(&producer);
        let ring = Arc::new(ring);
        let told = Arc::new(AtomicUsize::new(0));
        let retirer = {
            let (ring, told) = (Arc::clone(&ring), Arc::clone(&told));
            thread::spawn(move || {
                let mut run = ring.claim(|_| 1).expect("a job");
                ring.step(&mut run);
                ring.fill(&mut run, 0);
                let turn = ring.finish(run).expect("the first");
                let (baton, is_asked) = ring.end(turn);
                told.fetch_add(usize::from(is_asked), Ordering::Relaxed);
                assert!(ring.next_turn(baton).is_none());
            })
        };
        let seen = ring.retired();
        let asked = seen != producer.tail() && ring.ask(seen);
        retirer.join().unwrap();
        assert_eq!(told.load(Ordering::Relaxed) == 1, asked);
    });
}

fn at_once(jobs: usize) -> StreamOptions {
    StreamOptions::new(Window::jobs(jobs)).wake(Wake::AtOnce).beginning_at(Ticket::before_wrap(1))
}

/// A whole stream: a submitter that has to wait for room, a helper, the end.
#[test]
fn stream_in_a_window_of_one() {
    check(|| {
        let pool = Pool::new(threads(2));
        let order = pool.scope(|scope| {
            let stream = scope.stream(
                at_once(1),
                || (),
                |job: u32, ()| job,
                Vec::new(),
                |order, seq, out| order.push((seq.0, out.done().unwrap())),
            );
            for job in 0..2 {
                stream.submit(job, 1).unwrap();
            }
            stream.finish()
        });
        assert_eq!(order, [(0, 0), (1, 1)]);
    });
}

/// A job is done on another thread, while its stream is coming to its end.
#[test]
fn stream_completed_elsewhere() {
    check(|| {
        let pool = Pool::new(threads(1));
        let held: Mutex<Option<Completion<u32>>> = Mutex::new(None);
        let order = pool.scope(|scope| {
            let stream = scope.stream_later(
                at_once(2),
                || (),
                |job: u32, (), done: Completion<u32>| match job {
                    0 => *sync::lock(&held) = Some(done),
                    _ => drop(done),
                },
                Vec::new(),
                |order, seq, out: Outcome<u32>| order.push((seq.0, out.done())),
            );
            stream.submit(0, 1).unwrap();
            let done = sync::lock(&held).take().expect("run within submit");
            let other = thread::spawn(move || done.complete(7));
            stream.submit(1, 1).unwrap();
            let order = stream.finish();
            other.join().unwrap();
            order
        });
        assert_eq!(order, [(0, Some(7)), (1, None)]);
    });
}

/// The kernel's CVE-2023-52854 and its relatives: a stream is dropped in the last of its own
/// callbacks, while a helper is still on its way out.
#[test]
fn bug_5_stream_dropped_in_its_own_callback() {
    check(|| {
        let pool = Pool::new(threads(2));
        let own: Arc<Mutex<Option<crate::Stream<'static, u32, ()>>>> = Arc::new(Mutex::new(None));
        let (inside, ended) = (Arc::clone(&own), Arc::new(AtomicUsize::new(0)));
        let told = Arc::clone(&ended);
        let stream = pool.stream(
            at_once(2),
            || (),
            |_: u32, ()| (),
            (),
            move |(), _, _| {
                let stream = sync::lock(&inside).take();
                drop(stream);
                told.fetch_add(1, Ordering::Relaxed);
            },
        );
        // Submitted before the callback can take it.
        let mut place = sync::lock(&own);
        stream.submit(0, 1).unwrap();
        *place = Some(stream);
        drop(place);
        drop(pool);
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    });
}

/// The pool gets smaller and larger under a stream: nothing is refused, and nothing stays behind.
#[test]
fn stream_while_the_pool_changes() {
    check(|| {
        let pool = Arc::new(Pool::new(threads(2)));
        let others = Arc::clone(&pool);
        let other = thread::spawn(move || others.set_threads(threads(1)));
        let order = pool.scope(|scope| {
            let stream = scope.stream(
                at_once(2),
                || (),
                |job: u32, ()| job,
                Vec::new(),
                |order, _, out| order.push(out.done().unwrap()),
            );
            stream.submit(0, 1).unwrap();
            stream.finish()
        });
        assert_eq!(order, [0]);
        other.join().unwrap();
    });
}

/// Two threads submit to a window of one that refuses: each job is accepted once or comes back.
#[test]
fn stream_refuses_or_takes() {
    check(|| {
        let pool = Arc::new(Pool::new(threads(1)));
        let stream = pool.stream(
            Window::jobs(1).when_full(Backpressure::Refuse),
            || (),
            |job: u32, ()| job,
            0,
            |sum: &mut u32, _, out| *sum += out.done().unwrap(),
        );
        let stream = Arc::new(stream);
        let others = Arc::clone(&stream);
        let other = thread::spawn(move || submitted(others.submit(1, 1)));
        let mine = submitted(stream.submit(1, 1));
        let accepted = mine + other.join().unwrap();
        let stream = Arc::try_unwrap(stream).expect("the other one is gone");
        assert_eq!(stream.finish(), accepted);
        assert!(accepted > 0);
    });
}

fn submitted(outcome: Result<crate::Seq, Refused<u32>>) -> u32 {
    match outcome {
        Ok(_) => 1,
        Err(Refused::Full(1)) => 0,
        Err(other) => panic!("{other}"),
    }
}

/// An iterator whose consumer waits for what a helper runs.
#[test]
fn iterator() {
    check(|| {
        let pool = Pool::new(threads(2));
        let results: Vec<u32> = pool.scope(|scope| {
            scope.map_ordered([1, 2], at_once(2), || (), |n: u32, ()| n * 2).collect()
        });
        assert_eq!(results, [2, 4]);
    });
}

/// Jobs without anything to submit: who retires lets the next ones in.
#[test]
fn for_each_ordered() {
    check(|| {
        let pool = Pool::new(threads(2));
        let mut order = Vec::new();
        pool.for_each_ordered(
            0..3,
            Window::jobs(2),
            || (),
            |i, ()| i,
            |i, out| {
                order.push((i, out));
                Ok::<_, ()>(())
            },
        )
        .unwrap();
        assert_eq!(order, [(0, 0), (1, 1), (2, 2)]);
    });
}

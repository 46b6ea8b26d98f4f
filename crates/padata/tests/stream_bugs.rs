//! The bugs of the kernel's padata, and of its relatives, replayed on streams. Numbers are those of
//! the list in the contract; 8 and 10 to 12 are in `tests/job.rs` as well, 1, 3 and 4, which need a
//! look inside, in `src/stream/tests/bugs.rs`, and 2 in `src/loom_models`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use padata::topology::CpuId;
use padata::{Backpressure, Outcome, Pool, Refused, Seq, Stream, StreamOptions, Wake, Window};

mod watchdog;
use watchdog::in_time;

fn pool(threads: usize) -> Pool {
    Pool::new(threads.try_into().expect("at least one thread"))
}

fn at_once(jobs: usize) -> StreamOptions {
    StreamOptions::new(Window::jobs(jobs)).wake(Wake::AtOnce)
}

/// Counts values that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Alive(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A stream that is dropped by `serial` when it is called for the last job, or by whoever gets it.
type Slot = Arc<Mutex<Option<Stream<'static, Alive, Alive>>>>;

/// CVE-2023-52854 (7ddc21e317b3), e01780ea4661, dd7d37ccf6b1, 71203f68c774: the user frees the
/// stream in or after its own last callback, while a worker is still in it; or nobody frees it. Here
/// it is dropped in its last callback, by another thread at the same moment, or at once after the
/// last submission, and the pool before or after it; everything is dropped once.
#[test]
fn bug_5_a_stream_may_go_in_its_own_callback_or_at_any_time() {
    in_time(|| {
        for round in 0..200 {
            let alive = Arc::new(AtomicUsize::new(0));
            let pool = pool(1 + round % 3);
            let slot: Slot = Arc::default();
            let (last, told) = mpsc::channel();
            let captured = Alive::new(&alive);
            let own = Arc::clone(&slot);
            let in_callback = round % 4 == 0;
            let stream = pool.stream(
                at_once(4),
                || (),
                |job: Alive, ()| job,
                Alive::new(&alive),
                move |_, Seq(seq), _| {
                    let _ = &captured;
                    if seq == 9 {
                        if in_callback {
                            let stream = own.lock().unwrap().take();
                            drop(stream);
                        }
                        last.send(()).unwrap();
                    }
                },
            );
            for _ in 0..9 {
                stream.submit(Alive::new(&alive), 1).unwrap();
            }
            // The last one while the callback cannot have the stream yet.
            let mut place = slot.lock().unwrap();
            if pool.threads().get() > 1 {
                stream.submit(Alive::new(&alive), 1).unwrap();
                *place = Some(stream);
                drop(place);
            } else {
                // Its callback runs within `submit`, so the stream cannot be there.
                drop(place);
                stream.submit(Alive::new(&alive), 1).unwrap();
                *slot.lock().unwrap() = Some(stream);
            }
            match round % 4 {
                // So that it is dropped there and not here, while the helper is still inside.
                0 if pool.threads().get() > 1 => told.recv().unwrap(),
                1 => drop(pool),
                2 => {
                    let slot = Arc::clone(&slot);
                    let dropper = thread::spawn(move || {
                        told.recv().unwrap();
                        let stream = slot.lock().unwrap().take();
                        drop(stream);
                    });
                    dropper.join().unwrap();
                }
                _ => {}
            }
            let left = slot.lock().unwrap().take();
            drop(left);
            // A helper may be late with its hold on the stream.
            while alive.load(SeqCst) > 0 {
                thread::yield_now();
            }
        }
    });
}

/// bbefa1dd6a6d: two streams on one queue that submit to each other; and one that is slow must not
/// hold up another. Here a stream submits to another one from both of its parts, and to itself.
#[test]
fn bug_6_streams_that_submit_to_streams_go_on() {
    in_time(|| {
        for threads in [1, 2, 4] {
            let pool = pool(threads);
            let delivered = Arc::new(AtomicUsize::new(0));
            let refused = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&delivered);
            let inner = Arc::new(pool.stream(
                at_once(2),
                || (),
                |n: usize, ()| n,
                (),
                move |(), _, _| {
                    count.fetch_add(1, SeqCst);
                },
            ));
            let submit = {
                let (inner, refused) = (Arc::clone(&inner), Arc::clone(&refused));
                move |n| match inner.submit(n, 1) {
                    Ok(_) => {}
                    Err(Refused::WouldDeadlock(_)) => {
                        refused.fetch_add(1, SeqCst);
                    }
                    Err(other) => panic!("{other}"),
                }
            };
            let in_parallel = submit.clone();
            let outer = pool.stream(
                at_once(2),
                || (),
                move |n: usize, ()| {
                    in_parallel(n);
                    n
                },
                (),
                move |(), _, out| submit(out.done().unwrap()),
            );
            for n in 0..500 {
                outer.submit(n, 1).unwrap();
            }
            outer.finish();
            while delivered.load(SeqCst) + refused.load(SeqCst) < 1000 {
                thread::yield_now();
            }
            assert!(delivered.load(SeqCst) > 0);
        }
    });
}

/// The other half of bug 6: a stream with a job that never ends, as far as others know, has all the
/// helpers; another stream of the same pool goes on.
#[test]
fn bug_6_a_slow_stream_holds_up_no_other() {
    in_time(|| {
        let pool = pool(2);
        let (begun, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let slow = pool.stream(
            at_once(4),
            || (),
            move |(), ()| {
                begun.send(()).unwrap();
                released.lock().unwrap().recv().unwrap();
            },
            (),
            |(), _, _| (),
        );
        slow.submit((), 1).unwrap();
        begins.recv().unwrap();
        let fast = pool.stream(
            at_once(4),
            || (),
            |n: u32, ()| n,
            0,
            |sum: &mut u32, _, out| {
                *sum += out.done().unwrap();
            },
        );
        for n in 0..100 {
            fast.submit(n, 1).unwrap();
        }
        assert_eq!(fast.finish(), 4950);
        release.send(()).unwrap();
        slow.finish();
    });
}

/// CVE-2024-56690 (8f4f68e788c3): -EBUSY while the masks changed was taken for "queued", and the
/// caller waited for ever. Here changes refuse nothing; what a full window refuses comes back.
#[test]
fn bug_7_every_job_once_or_given_back_while_the_pool_changes() {
    in_time(|| {
        let pool = pool(3);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let first = CpuId(0);
                for round in 0.. {
                    pool.set_threads((1 + round % 4).try_into().unwrap());
                    let cpus = (round % 2 == 0).then(|| [first].into_iter().collect());
                    pool.set_cpus(cpus).unwrap();
                    if over.load(SeqCst) {
                        return;
                    }
                }
            });
            for when_full in [Backpressure::Refuse, Backpressure::Block, Backpressure::Inline] {
                let options = StreamOptions::new(Window::jobs(3).when_full(when_full));
                let stream = pool.stream(
                    options.wake(Wake::AtOnce),
                    || (),
                    |job: u32, ()| job,
                    Vec::new(),
                    |all: &mut Vec<u32>, _, out| all.push(out.done().unwrap()),
                );
                let mut accepted = Vec::new();
                for job in 0..2000 {
                    match stream.submit(job, 1) {
                        Ok(_) => accepted.push(job),
                        Err(Refused::Full(same)) if when_full == Backpressure::Refuse => {
                            assert_eq!(same, job);
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                assert_eq!(stream.finish(), accepted);
            }
            over.store(true, SeqCst);
        });
    });
}

/// 38228e8848cd, 1b0df11fde0f, 34c3a47d20ae, c8c4a2972f83, 57ddfecc72a6, 3c2214b6027f: the order of
/// locks between changes of the masks, submission and the end. Streams come and go on several
/// threads while the pool changes, until it is dropped.
#[test]
fn bug_8_streams_come_and_go_while_the_pool_changes() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let makers: Vec<_> = (0..3)
            .map(|maker| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    for round in 0..150_usize {
                        pool.set_threads((1 + (round + maker) % 3).try_into().unwrap());
                        let stream = pool.stream(
                            at_once(2),
                            || (),
                            |n: usize, ()| n,
                            0,
                            |sum: &mut usize, _, out| *sum += out.done().unwrap(),
                        );
                        for n in 0..5 {
                            stream.submit(n, 1).unwrap();
                        }
                        if round % 2 == 0 {
                            assert_eq!(stream.finish(), 10);
                        }
                    }
                })
            })
            .collect();
        drop(pool);
        makers.into_iter().for_each(|maker| maker.join().unwrap());
    });
}

/// Where the callbacks of a stream find it.
type Own = Arc<Mutex<Option<Arc<Stream<'static, u32, u32>>>>>;

/// syzbot bd936ccd4339cea66e6b: a lock that is held while the user's code runs. Here each part calls
/// all that there is to call, on its own stream and on its pool.
#[test]
fn bug_9_nothing_is_locked_while_callbacks_run() {
    in_time(|| {
        for threads in [1, 3] {
            let pool = Arc::new(pool(threads));
            let own = Own::default();
            let everything = {
                let (pool, own) = (Arc::clone(&pool), Arc::clone(&own));
                move |n: u32| {
                    let stream = own.lock().unwrap().clone().unwrap();
                    assert!(stream.stats().submitted > 0);
                    assert!(!format!("{stream:?}").is_empty());
                    if n > 0 {
                        stream.submit(n - 1, 1).unwrap();
                    }
                    pool.set_threads(pool.threads());
                    assert_eq!(
                        pool.map(&[1, 2], |_| 1, padata::Weight(9), || (), |n, ()| *n),
                        [1, 2]
                    );
                    pool.scope(|scope| scope.spawn(|_| ()));
                }
            };
            let (in_parallel, in_serial) = (everything.clone(), everything);
            let stream = Arc::new(pool.stream(
                at_once(64),
                || (),
                move |n: u32, ()| in_parallel(n),
                0,
                move |calls, _, out: Outcome<()>| {
                    out.done().unwrap();
                    *calls += 1;
                    in_serial(0);
                },
            ));
            *own.lock().unwrap() = Some(Arc::clone(&stream));
            stream.submit(20, 1).unwrap();
            while stream.stats().delivered < 21 {
                thread::yield_now();
            }
            own.lock().unwrap().take();
            let stream = loop {
                match Arc::strong_count(&stream) {
                    1 => break Arc::into_inner(stream).unwrap(),
                    _ => thread::yield_now(),
                }
            };
            assert_eq!(stream.finish(), 21);
        }
    });
}

/// oneTBB #2056: no workers at all, because of a quota, and what was submitted waited for ever.
#[test]
fn bug_11_streams_go_on_without_helpers() {
    in_time(|| {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        file("proc/self/cgroup", "0::/box\n");
        for quota in ["100000 100000", "20000 100000"] {
            file("sys/fs/cgroup/box/cpu.max", quota);
            file("sys/fs/cgroup/box/cgroup.controllers", "cpu\n");
            let pool = Pool::auto_below(root.path());
            assert_eq!(pool.threads().get(), 1, "{quota}");
            for wake in [Wake::Late, Wake::AtOnce] {
                let delivered = Arc::new(AtomicUsize::new(0));
                let count = Arc::clone(&delivered);
                let stream = pool.stream(
                    StreamOptions::new(Window::jobs(2)).wake(wake),
                    || (),
                    |(), ()| (),
                    (),
                    move |(), _, _| {
                        count.fetch_add(1, SeqCst);
                    },
                );
                for submitted in 1..=100 {
                    stream.submit((), 1).unwrap();
                    assert_eq!(delivered.load(SeqCst), submitted, "within the submission");
                }
            }
        }
    });
}

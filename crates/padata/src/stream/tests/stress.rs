//! Random streams under seeded delays at every transition, while threads and CPUs of the pool
//! change: each history is checked.
//!
//! `KMILL_STRESS_SECONDS` says for how long; `KMILL_STRESS_SEED` repeats one stream, as far as the
//! scheduler lets it.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::claim::Weight;
use crate::pool::Pool;
use crate::ring::Ticket;
use crate::stream::{
    Backpressure, Completion, Outcome, Refused, Seq, Stream, StreamOptions, Wake, Window,
};
use crate::sync::delays;
use crate::topology::{CpuId, CpuSet};

use super::history::{Delivered, History, Promise};

type Log = Vec<Delivered>;

/// Random numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ x >> 31) % below
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len() as u64) as usize]
    }
}

/// What a stream under stress is like.
#[derive(Clone, Debug)]
struct Plan {
    #[expect(dead_code, reason = "printed")]
    seed: u64,
    threads: usize,
    submitters: usize,
    jobs: usize,
    promise: Promise,
    when_full: Backpressure,
    wake: Wake,
    max_batch: usize,
    first: Ticket,
    serial_cpu: bool,
    /// Jobs are done on another thread.
    later: bool,
    /// Of so many jobs one panics; of later ones, one is dropped.
    panics: u64,
    churn: bool,
    /// Jobs take longer than nothing.
    work: u64,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        Plan {
            seed,
            threads: dice.of(&[1, 2, 2, 3, 4, 8]),
            submitters: dice.of(&[1, 1, 2, 3]),
            jobs: dice.of(&[1, 3, 50, 400]),
            promise: Promise {
                window: dice.of(&[1, 2, 3, 4, 7, 16, 64]),
                weight: dice.of(&[u64::MAX, u64::MAX, 3, 10, 40]),
            },
            when_full: dice.of(&[
                Backpressure::Block,
                Backpressure::Block,
                Backpressure::Refuse,
                Backpressure::Inline,
            ]),
            wake: dice.of(&[Wake::Late, Wake::AtOnce, Wake::AtOnce]),
            max_batch: dice.of(&[1, 2, 64]),
            first: Ticket::before_wrap(dice.of(&[0, 1, 2, 5, 30])),
            serial_cpu: dice.roll(4) == 0,
            later: dice.roll(3) == 0,
            panics: dice.of(&[0, 0, 7, 1]),
            churn: dice.roll(3) == 0,
            work: dice.of(&[0, 0, 200, 2000]),
        }
    }

    fn options(&self) -> StreamOptions {
        let window = Window::jobs(self.promise.window)
            .weight(Weight(self.promise.weight))
            .when_full(self.when_full);
        let mut options = StreamOptions::new(window)
            .wake(self.wake)
            .max_batch(self.max_batch)
            .latency(true)
            .beginning_at(self.first);
        if self.serial_cpu {
            options = options.serial_cpus([CpuId(0)].into_iter().collect::<CpuSet>());
        }
        options
    }

    fn fails(&self, job: usize) -> bool {
        self.panics > 0 && (job as u64).is_multiple_of(self.panics)
    }

    fn weight(&self, job: usize) -> u64 {
        (job as u64).wrapping_mul(7) % 12
    }
}

/// Jobs that are done by a thread of their own, some of them later than others.
struct Device {
    jobs: mpsc::Sender<(usize, Completion<usize>)>,
    thread: thread::JoinHandle<()>,
}

impl Device {
    fn start(history: Arc<History>, plan: Plan) -> Device {
        let (jobs, queue) = mpsc::channel::<(usize, Completion<usize>)>();
        let thread = thread::spawn(move || {
            let finish = |(job, done): (usize, Completion<usize>)| {
                history.parallel_ends(job);
                if plan.fails(job) { drop(done) } else { done.complete(job) }
            };
            let mut late = Vec::new();
            loop {
                match queue.try_recv() {
                    Ok(next) => late.push(next),
                    Err(mpsc::TryRecvError::Disconnected) => break,
                    Err(mpsc::TryRecvError::Empty) => {
                        // Last in, first out; and all of them, for the window may wait for any.
                        late.drain(..).rev().for_each(&finish);
                        match queue.recv() {
                            Ok(next) => late.push(next),
                            Err(mpsc::RecvError) => break,
                        }
                    }
                }
            }
        });
        Device { jobs, thread }
    }
}

/// Runs a stream as planned, and checks what happened.
fn run(plan: &Plan) -> Result<(), String> {
    let history = Arc::new(History::of(plan.jobs * plan.submitters));
    let pool = Pool::new(plan.threads.try_into().expect("at least one"));
    let over = AtomicBool::new(false);
    let log = thread::scope(|scope| {
        if plan.churn {
            scope.spawn(|| churn(&pool, plan.threads, &over));
        }
        let log = if plan.later {
            run_later(plan, &pool, &history)
        } else {
            run_now(plan, &pool, &history)
        };
        over.store(true, SeqCst);
        log
    });
    history.check(&log, plan.promise)
}

fn churn(pool: &Pool, threads: usize, over: &AtomicBool) {
    let mut dice = Dice(threads as u64);
    while !over.load(SeqCst) {
        let threads = dice.roll(threads as u64 + 1) as usize + 1;
        pool.set_threads(threads.try_into().expect("at least one"));
        let cpu = [CpuId(dice.roll(2) as u32)].into_iter().collect();
        pool.set_cpus((dice.roll(2) == 0).then_some(cpu)).expect("one CPU");
        thread::yield_now();
    }
}

fn run_now(plan: &Plan, pool: &Pool, history: &History) -> Log {
    let work = |job: usize, scratch: &mut u64| {
        history.parallel_begins(job);
        *scratch += 1;
        (0..plan.work).for_each(|_| std::hint::spin_loop());
        history.parallel_ends(job);
        if plan.fails(job) {
            panic::resume_unwind(Box::new(job));
        }
        job
    };
    pool.scope(|scope| {
        let stream = scope.stream(
            plan.options(),
            || 0,
            work,
            Vec::new(),
            |all: &mut Log, seq, out| {
                all.push(deliver(history, seq, out));
            },
        );
        submit_all(plan, history, &stream);
        stream.finish()
    })
}

fn run_later(plan: &Plan, pool: &Pool, history: &Arc<History>) -> Log {
    let device = Device::start(Arc::clone(history), plan.clone());
    let jobs = Mutex::new(device.jobs);
    let log = pool.scope(|scope| {
        let stream = scope.stream_later(
            plan.options(),
            || (),
            |job: usize, (), done| {
                history.parallel_begins(job);
                let given = jobs.lock().expect("no panic").send((job, done));
                given.expect("the device is there");
            },
            Vec::new(),
            |all: &mut Log, seq, out| all.push(deliver(history, seq, out)),
        );
        submit_all(plan, history, &stream);
        stream.finish()
    });
    drop(jobs);
    device.thread.join().expect("the device is well");
    log
}

/// The serial part. What has no result is known by its place alone.
fn deliver(history: &History, seq: Seq, out: Outcome<usize>) -> Delivered {
    let job = match out {
        Outcome::Done(job) => Some(job),
        Outcome::Panicked(panic) => panic.into_payload().downcast().ok().map(|job| *job),
        Outcome::Dropped => None,
    };
    history.serial(seq.0, job, crate::sync::transition)
}

fn submit_all(plan: &Plan, history: &History, stream: &Stream<'_, usize, Log>) {
    thread::scope(|scope| {
        for submitter in 0..plan.submitters {
            scope.spawn(move || {
                for job in submitter * plan.jobs..(submitter + 1) * plan.jobs {
                    submit(plan, history, stream, job);
                }
            });
        }
    });
}

fn submit(plan: &Plan, history: &History, stream: &Stream<'_, usize, Log>, mut job: usize) {
    let weight = plan.weight(job);
    let begin = Instant::now();
    loop {
        history.submit_begins(job, weight);
        match stream.submit(job, weight) {
            Ok(seq) => return history.accepted(job, seq.0),
            Err(Refused::Full(again)) if plan.when_full == Backpressure::Refuse => job = again,
            Err(refused) => panic!("{refused}"),
        }
        if begin.elapsed() > PATIENCE / 2 {
            panic!("job {job} is refused all the time: {stream:#?}");
        }
        thread::yield_now();
    }
}

/// How long a stream may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn histories_are_as_promised() {
    let seed = std::env::var("KMILL_STRESS_SEED").ok();
    if let Some(seed) = seed {
        return check(seed.parse().expect("KMILL_STRESS_SEED is a number"));
    }
    let seconds = std::env::var("KMILL_STRESS_SECONDS").ok();
    let seconds = seconds.map_or(5, |text| text.parse().expect("KMILL_STRESS_SECONDS is a number"));
    let begin = Instant::now();
    let mut seeds = 1..;
    while begin.elapsed() < Duration::from_secs(seconds) {
        seeds.by_ref().take(8).for_each(check);
    }
    // So that a short run has shown something as well.
    assert!(seeds.start > 20, "only {} streams in {seconds} s", seeds.start);
    println!("{} streams", seeds.start - 1);
}

fn check(seed: u64) {
    let plan = Plan::new(seed);
    let (told, outcome) = mpsc::channel();
    let ours = plan.clone();
    let runner = thread::spawn(move || told.send(delays::during(seed, || run(&ours))));
    let result = outcome.recv_timeout(PATIENCE);
    match result {
        Ok(Ok(())) => runner.join().expect("it has told").expect("we listen"),
        Ok(Err(wrong)) => panic!("{wrong}: {plan:#?}"),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("stuck: {plan:#?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match runner.join() {
            Err(payload) => panic::resume_unwind(payload),
            Ok(_) => unreachable!("it would have told"),
        },
    }
}

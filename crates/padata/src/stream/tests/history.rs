//! What happened to each job of a stream, by one clock, and the check that it is what a stream
//! promises. The check takes one pass over the jobs in their order: there is nothing to search, for
//! the stream itself says which order it took.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

/// Moments in a job's life. 0 for never.
#[derive(Default)]
pub(super) struct Life {
    submit_begin: AtomicU64,
    submit_end: AtomicU64,
    seq: AtomicU64,
    parallel_begin: AtomicU64,
    parallel_end: AtomicU64,
    parallel_calls: AtomicU32,
    weight: AtomicU64,
    accepted: AtomicU32,
}

/// A serial part, as it ran.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    /// The number that the stream gave it.
    seq: u64,
    /// Which job it was, if the outcome says.
    job: Option<usize>,
    begin: u64,
    end: u64,
}

/// What happened. Jobs are known by numbers of the test's own.
pub(super) struct History {
    clock: AtomicU64,
    jobs: Vec<Life>,
}

/// What was promised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) window: usize,
    pub(super) weight: u64,
}

impl History {
    pub(super) fn of(jobs: usize) -> Self {
        let jobs = (0..jobs).map(|_| Life::default()).collect();
        History { clock: AtomicU64::new(1), jobs }
    }

    fn now(&self, moment: &AtomicU64) {
        moment.store(self.clock.fetch_add(1, SeqCst), SeqCst);
    }

    pub(super) fn submit_begins(&self, job: usize, weight: u64) {
        self.jobs[job].weight.store(weight, SeqCst);
        self.now(&self.jobs[job].submit_begin);
    }

    pub(super) fn accepted(&self, job: usize, seq: u64) {
        let life = &self.jobs[job];
        self.now(&life.submit_end);
        life.seq.store(seq, SeqCst);
        life.accepted.fetch_add(1, SeqCst);
    }

    pub(super) fn parallel_begins(&self, job: usize) {
        self.jobs[job].parallel_calls.fetch_add(1, SeqCst);
        self.now(&self.jobs[job].parallel_begin);
    }

    pub(super) fn parallel_ends(&self, job: usize) {
        self.now(&self.jobs[job].parallel_end);
    }

    /// A serial part, which takes as long as `during`.
    pub(super) fn serial(&self, seq: u64, job: Option<usize>, during: impl FnOnce()) -> Delivered {
        let begin = self.clock.fetch_add(1, SeqCst);
        during();
        Delivered { seq, job, begin, end: self.clock.fetch_add(1, SeqCst) }
    }

    /// Whether all is as promised, where `delivered` is what the serial side saw.
    pub(super) fn check(&self, delivered: &[Delivered], promise: Promise) -> Result<(), String> {
        let at = |moment: &AtomicU64| moment.load(SeqCst);
        let accepted = self.jobs.iter().filter(|life| life.accepted.load(SeqCst) > 0).count();
        if delivered.len() != accepted {
            return Err(format!("{} jobs delivered of {accepted} accepted", delivered.len()));
        }
        // Which job is where.
        let mut order = vec![None; accepted];
        for (job, life) in self.jobs.iter().enumerate() {
            if life.accepted.load(SeqCst) > 0 {
                match order.get_mut(at(&life.seq) as usize) {
                    Some(place @ None) => *place = Some(job),
                    _ => return Err(format!("job {job}: two have its number, or it is too high")),
                }
            }
        }
        // In the order of the stream, one pass.
        let (mut latest_submit, mut last_serial_end) = (0, 0);
        for (place, (job, serial)) in order.iter().flatten().zip(delivered).enumerate() {
            let life = &self.jobs[*job];
            let fail = |what: &str| Err(format!("job {job} at {place}: {what}"));
            if serial.seq != place as u64 || serial.job.is_some_and(|told| told != *job) {
                return fail(&format!("in its place was {serial:?}"));
            }
            if life.accepted.load(SeqCst) != 1 || life.parallel_calls.load(SeqCst) != 1 {
                return fail("not accepted once, or not run once");
            }
            if at(&life.parallel_begin) < at(&life.submit_begin) {
                return fail("ran before it was submitted");
            }
            if at(&life.parallel_end) > serial.begin {
                return fail("its serial part began before its parallel part had ended");
            }
            if serial.begin < last_serial_end || serial.end < serial.begin {
                return fail("its serial part overlaps the one before");
            }
            last_serial_end = serial.end;
            if at(&life.submit_end) < latest_submit {
                return fail("was accepted before the submission of a job before it began");
            }
            latest_submit = latest_submit.max(at(&life.submit_begin));
        }
        self.check_window(&order, delivered, promise)
    }

    /// A job is in flight at least from the return of its submission to the end of its serial part.
    fn check_window(
        &self,
        order: &[Option<usize>],
        delivered: &[Delivered],
        promise: Promise,
    ) -> Result<(), String> {
        let mut changes: Vec<(u64, bool, usize)> = Vec::new();
        for (&job, serial) in order.iter().flatten().zip(delivered) {
            let (from, to) = (self.jobs[job].submit_end.load(SeqCst), serial.end);
            if from < to {
                changes.extend([(from, true, job), (to, false, job)]);
            }
        }
        changes.sort_unstable();
        let (mut jobs, mut weight) = (0_usize, 0_u64);
        for (moment, comes, job) in changes {
            let own = self.jobs[job].weight.load(SeqCst);
            if comes {
                jobs += 1;
                weight += own;
            } else {
                jobs -= 1;
                weight -= own;
            }
            if jobs > promise.window || (jobs > 1 && weight > promise.weight) {
                return Err(format!("{jobs} jobs that weigh {weight} in flight at {moment}"));
            }
        }
        Ok(())
    }
}

/// The check itself can fail: histories with one thing wrong each.
#[test]
fn a_wrong_history_is_found() {
    let promise = Promise { window: 2, weight: 100 };
    // Two jobs that were submitted, run and delivered one after the other, but for `change`, which
    // is told before each step.
    let history = |change: &dyn Fn(&History, &str)| {
        let history = History::of(2);
        for job in 0..2 {
            change(&history, "submit");
            history.submit_begins(job, 1);
            history.accepted(job, job as u64);
        }
        for job in [1, 0] {
            change(&history, "run");
            history.parallel_begins(job);
            history.parallel_ends(job);
        }
        change(&history, "deliver");
        let delivered: Vec<_> =
            (0..2).map(|job| history.serial(job as u64, Some(job), || ())).collect();
        change(&history, "end");
        (history, delivered)
    };
    let nothing = |_: &History, _: &str| ();
    let (right, delivered) = history(&nothing);
    assert_eq!(right.check(&delivered, promise), Ok(()));
    let fails = |history: &History, delivered: &[Delivered], promise, words: &str| {
        let error = history.check(delivered, promise).expect_err(words);
        assert!(error.contains(words), "{error}");
    };
    let [first, second] = [delivered[0], delivered[1]];
    fails(&right, &[second, first], promise, "in its place was");
    fails(&right, &[first], promise, "1 jobs delivered of 2");
    fails(&right, &[first, Delivered { job: Some(0), ..second }], promise, "in its place was");
    fails(&right, &[first, Delivered { begin: first.begin, ..second }], promise, "overlaps");
    fails(&right, &delivered, Promise { window: 1, ..promise }, "2 jobs that weigh");
    fails(&right, &delivered, Promise { weight: 1, ..promise }, "2 jobs that weigh 2");
    let wrong = |change: &dyn Fn(&History, &str), words: &str| {
        let (history, delivered) = history(change);
        fails(&history, &delivered, promise, words);
    };
    wrong(
        &|h, step| {
            if step == "end" {
                h.parallel_begins(0)
            }
        },
        "not run once",
    );
    wrong(
        &|h, step| {
            if step == "end" {
                h.parallel_ends(0)
            }
        },
        "before its parallel part",
    );
    wrong(
        &|h, step| {
            if step == "end" {
                h.submit_begins(0, 1)
            }
        },
        "ran before",
    );
    wrong(
        &|h, step| {
            if step == "end" {
                h.accepted(0, 1)
            }
        },
        "two have its number",
    );
    // Job 1 had been accepted when the submission of job 0 began.
    let late = |h: &History, step: &str| {
        if step == "run" && h.jobs[1].parallel_calls.load(SeqCst) == 0 {
            h.submit_begins(0, 1);
        }
    };
    wrong(&late, "before the submission of a job before it");
}

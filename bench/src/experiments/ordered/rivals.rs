//! What is compared: ours, what others offer, and what people write by hand. All get the same jobs, the
//! same window and the same fold; threads that are started for the purpose are part of the time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hint;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use padata::{Outcome, Pool, Window};
use pariter::IteratorExt as _;
use plmap::PipelineMap as _;
use rayon::prelude::*;

use crate::error::{Context, Result};
use crate::settings;

use super::load::{Load, Ran, WINDOW, fold};
use super::tbb::Tbb;

type Run<'a> = Box<dyn Fn(Load, u64) -> Result<Ran> + 'a>;

/// One way to do it, with a number of threads.
pub(super) struct Rival<'a> {
    pub(super) name: &'static str,
    /// Those that were allowed.
    pub(super) threads: usize,
    /// Of a rival whose consumer works beside the workers.
    pub(super) workers: Option<usize>,
    pub(super) run: Run<'a>,
}

/// Streams of others: what a no-op costs is compared with these.
pub(super) const STREAMING: [&str; 4] = ["pariter", "plmap", "channel-btreemap", "tbb"];

/// How the same jobs do on plain threads, without any order: what there is to be had.
pub(super) const UNORDERED: &str = "unordered";

/// All ways with so many threads.
pub(super) fn rivals(threads: usize, tbb: Option<&Tbb>) -> Result<Vec<Rival<'_>>> {
    let mut rivals = Vec::new();
    let mut add = |name, workers, run| rivals.push(Rival { name, threads, workers, run });
    add(UNORDERED, None, Box::new(move |load, jobs| Ok(unordered(threads, load, jobs))) as Run<'_>);

    let pool = || settings::pool(threads);
    let (each, all, one) = (pool(), pool(), pool());
    add("padata", None, timed(move |load, jobs| for_each(&each, load, jobs)));
    add("padata-submit", None, timed(move |load, jobs| submit_all(&all, load, jobs)));
    add("padata-submit-one", None, timed(move |load, jobs| submit_one(&one, load, jobs)));

    for workers in worker_counts(threads) {
        add("pariter", Some(workers), timed(move |load, jobs| Ok(pariter(workers, load, jobs))));
        add("plmap", Some(workers), timed(move |load, jobs| Ok(plmap(workers, load, jobs))));
        let by_hand = timed(move |load, jobs| by_hand(workers, load, jobs));
        add("channel-btreemap", Some(workers), by_hand);
    }
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let rayon = rayon.context(|| "starting the threads of rayon".to_owned())?;
    add("rayon-batches", None, timed(move |load, jobs| Ok(rayon_batches(&rayon, load, jobs))));
    if let Some(tbb) = tbb {
        add("tbb", None, Box::new(move |load, jobs| tbb.run(threads, load, jobs)));
    }
    Ok(rivals)
}

/// Workers of a rival that has a consumer beside them. One less than the threads, for the consumer
/// burns CPU; and as many as the threads as well, for with long jobs it sleeps. The better one counts.
fn worker_counts(threads: usize) -> Vec<usize> {
    let mut counts = vec![threads.saturating_sub(1).max(1)];
    if threads > 1 {
        counts.push(threads);
    }
    counts
}

fn timed<'a>(run: impl Fn(Load, u64) -> Result<u64> + 'a) -> Run<'a> {
    Box::new(move |load, jobs| {
        let begin = Instant::now();
        let fold = run(load, jobs)?;
        Ok(Ran { seconds: begin.elapsed().as_secs_f64(), fold: Some(fold) })
    })
}

fn for_each(pool: &Pool, load: Load, jobs: u64) -> Result<u64> {
    let mut state = 0;
    pool.for_each_ordered(
        0..usize::try_from(jobs)?,
        Window::jobs(WINDOW),
        || (),
        |index, ()| load.job(index as u64),
        |_, result| {
            state = fold(state, result);
            Ok::<_, Infallible>(())
        },
    )?;
    Ok(state)
}

/// Owned jobs, all in one call.
fn submit_all(pool: &Pool, load: Load, jobs: u64) -> Result<u64> {
    let job = |index: u64, (): &mut ()| load.job(index);
    let state = pool.scope(|scope| {
        let stream = scope.stream(Window::jobs(WINDOW), || (), job, Some(0), deliver);
        stream
            .submit_all((0..jobs).map(|index| (index, 1)))
            .map_err(|refused| refused.to_string())?;
        Ok::<_, String>(stream.finish())
    });
    state?.ok_or_else(lost)
}

/// Owned jobs, one call each.
fn submit_one(pool: &Pool, load: Load, jobs: u64) -> Result<u64> {
    let job = |index: u64, (): &mut ()| load.job(index);
    let state = pool.scope(|scope| {
        let stream = scope.stream(Window::jobs(WINDOW), || (), job, Some(0), deliver);
        for index in 0..jobs {
            stream.submit(index, 1).map_err(|refused| refused.to_string())?;
        }
        Ok::<_, String>(stream.finish())
    });
    state?.ok_or_else(lost)
}

/// The serial part: nothing is left once a job has no result.
fn deliver(state: &mut Option<u64>, _: padata::Seq, outcome: Outcome<u64>) {
    *state = state.zip(outcome.done()).map(|(state, result)| fold(state, result));
}

fn lost() -> crate::error::Error {
    "a job of a stream has no result".into()
}

fn pariter(workers: usize, load: Load, jobs: u64) -> u64 {
    (0..jobs)
        .parallel_map_custom(
            |options| options.threads(workers).buffer_size(WINDOW),
            move |index| load.job(index),
        )
        .fold(0, fold)
}

/// It has no option for the window: one job more than there are workers.
fn plmap(workers: usize, load: Load, jobs: u64) -> u64 {
    (0..jobs).plmap(workers, move |index| load.job(index)).fold(0, fold)
}

/// What people write: jobs through one channel, results through another, and a map for those that
/// come too early.
fn by_hand(workers: usize, load: Load, jobs: u64) -> Result<u64> {
    let (job_sender, job_receiver) = crossbeam_channel::bounded::<u64>(WINDOW);
    let (result_sender, results) = crossbeam_channel::bounded::<(u64, u64)>(WINDOW);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (receiver, sender) = (job_receiver.clone(), result_sender.clone());
            scope.spawn(move || {
                for index in receiver {
                    if sender.send((index, load.job(index))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((job_receiver, result_sender));
        let mut early = BTreeMap::new();
        let (mut state, mut sent, mut next) = (0, 0, 0);
        while next < jobs {
            while sent < jobs && sent - next < WINDOW as u64 {
                job_sender.send(sent).context(|| "a worker ended early".to_owned())?;
                sent += 1;
            }
            let (index, result) = results.recv().context(|| "all workers ended".to_owned())?;
            if index != next {
                early.insert(index, result);
                continue;
            }
            state = fold(state, result);
            next += 1;
            while let Some(result) = early.remove(&next) {
                state = fold(state, result);
                next += 1;
            }
        }
        drop(job_sender);
        Ok(state)
    })
}

/// Within the pool, so that its threads are all there are.
fn rayon_batches(pool: &rayon::ThreadPool, load: Load, jobs: u64) -> u64 {
    pool.install(|| {
        let mut results = Vec::with_capacity(WINDOW);
        let mut state = 0;
        let jobs = jobs as usize;
        for begin in (0..jobs).step_by(WINDOW) {
            let batch = begin..jobs.min(begin + WINDOW);
            batch
                .into_par_iter()
                .map(|index| load.job(index as u64))
                .collect_into_vec(&mut results);
            state = results.iter().copied().fold(state, fold);
        }
        state
    })
}

/// Chunks from a common counter: a thread that comes late does less. The clock begins when all are
/// there, as in `calibrate`.
fn unordered(threads: usize, load: Load, jobs: u64) -> Ran {
    let chunk = (jobs / (64 * threads as u64)).max(1);
    let next = AtomicU64::new(0);
    let work = || {
        let mut state = 0;
        loop {
            let from = next.fetch_add(chunk, Ordering::Relaxed);
            if from >= jobs {
                return state;
            }
            let chunk = from..jobs.min(from + chunk);
            state = chunk.fold(state, |state, index| fold(state, load.job(index)));
        }
    };
    let start = Barrier::new(threads);
    let begin = thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| {
                start.wait();
                hint::black_box(work());
            });
        }
        start.wait();
        let begin = Instant::now();
        hint::black_box(work());
        // The scope waits for the others.
        begin
    });
    Ran { seconds: begin.elapsed().as_secs_f64(), fold: None }
}

#[cfg(test)]
mod tests {
    use super::super::load::check;
    use super::*;
    use crate::work::Pace;

    #[test]
    fn all_give_what_the_loop_gives() {
        let load = Load::calibrate(Pace::measure(), 50);
        let jobs = WINDOW as u64 * 2 + 3;
        for threads in [1, 2, 3] {
            for rival in rivals(threads, None).unwrap() {
                let ran = (rival.run)(load, jobs).unwrap();
                if let Some(fold) = ran.fold {
                    check(rival.name, jobs, fold, load.serial(jobs)).unwrap();
                }
                assert!(ran.seconds > 0.0);
            }
        }
    }

    #[test]
    fn consumers_count_but_may_sleep() {
        assert_eq!(worker_counts(1), [1]);
        assert_eq!(worker_counts(2), [1, 2]);
        assert_eq!(worker_counts(8), [7, 8]);
    }
}

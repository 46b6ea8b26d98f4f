//! Ways to encrypt requests: one after the other, on a stream, and as the kernel's padata did it.

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use padata::{Histogram, Outcome, Pool, StreamOptions, Window};
use rustix::thread::CpuSet;

use crate::error::{Context, Result};

use super::seal::{Sealer, fold};

/// What so many requests have shown.
pub(super) struct Ran {
    pub(super) seconds: f64,
    pub(super) fold: Option<u64>,
    /// From submission to callback, where that was measured.
    pub(super) latency: Option<Histogram>,
    /// How often a stream has called a helper.
    pub(super) calls: u64,
}

/// In the submitting thread.
pub(super) fn serial(sealer: &Sealer, requests: u64) -> Ran {
    let begin = Instant::now();
    let state = (0..requests).try_fold(0, |state, number| fold(Some(state), sealer.seal(number)));
    Ran { seconds: begin.elapsed().as_secs_f64(), fold: state, latency: None, calls: 0 }
}

/// A stream. Who submits waits for room: with one in flight, for the callback of the request before.
pub(super) fn free(sealer: &Sealer, pool: &Pool, requests: u64, latency: bool) -> Result<Ran> {
    let options = StreamOptions::new(Window::jobs(sealer.in_flight())).latency(latency);
    let seal = |number: u64, (): &mut ()| sealer.seal(number);
    let callback = |state: &mut Option<u64>, _, sealed: Outcome<Option<u64>>| {
        *state = fold(*state, sealed.done().flatten());
    };
    let ran = pool.scope(|scope| {
        let stream = scope.stream(options, || (), seal, Some(0), callback);
        let begin = Instant::now();
        for number in 0..requests {
            stream.submit(number, 1).map_err(|refused| refused.to_string())?;
        }
        // All but what is still in flight: there is no looking at a stream that has ended.
        let stats = latency.then(|| stream.stats());
        let fold = stream.finish();
        let seconds = begin.elapsed().as_secs_f64();
        let calls = stats.as_ref().map_or(0, |stats| stats.calls);
        Ok::<_, String>(Ran {
            seconds,
            fold,
            latency: stats.and_then(|stats| stats.latency),
            calls,
        })
    });
    Ok(ran?)
}

/// The kernel's way until 5.3: a queue and a worker for each CPU, pinned to it; requests go to the
/// queues in turn, by number, however busy that CPU is; what has ended is kept until all before it
/// have.
///
/// Callbacks run on the thread that submits, which spares a hand-over that the kernel had.
pub(super) fn pinned(sealer: &Sealer, cpus: &[usize], requests: u64) -> Result<Ran> {
    let window = sealer.in_flight() as u64;
    let slot = |number: u64| (number % window) as usize;
    thread::scope(|scope| {
        let (result_sender, results) = mpsc::channel();
        let (ready_sender, ready) = mpsc::channel();
        let mut queues = Vec::new();
        for &cpu in cpus {
            let (sender, queue) = mpsc::channel::<u64>();
            let (results, ready) = (result_sender.clone(), ready_sender.clone());
            queues.push(sender);
            scope.spawn(move || {
                // Whoever does not listen any more has given up.
                let _ = ready.send(pin(cpu));
                for number in queue {
                    if results.send((number, sealer.seal(number))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((result_sender, ready_sender));
        for _ in cpus {
            ready.recv().context(|| "a worker".to_owned())??;
        }

        let mut latency = Histogram::new();
        let mut begins = vec![Instant::now(); sealer.in_flight()];
        let mut ended = vec![None; sealer.in_flight()];
        let (mut submitted, mut retired, mut state) = (0, 0, Some(0));
        let begin = Instant::now();
        while retired < requests {
            while submitted < requests && submitted - retired < window {
                begins[slot(submitted)] = Instant::now();
                let queue = &queues[(submitted % queues.len() as u64) as usize];
                queue.send(submitted).context(|| "a worker ended early".to_owned())?;
                submitted += 1;
            }
            let (number, result) = results.recv().context(|| "all workers ended".to_owned())?;
            ended[slot(number)] = Some(result);
            while let Some(result) = ended[slot(retired)].take() {
                latency.record(begins[slot(retired)].elapsed());
                state = fold(state, result);
                retired += 1;
            }
        }
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Ran { seconds, fold: state, latency: Some(latency), calls: 0 })
    })
}

fn pin(cpu: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set)
        .map_err(|error| format!("pinning a worker to CPU {cpu}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machine, settings};

    #[test]
    fn all_ways_give_the_same() {
        let cpus = machine::cpus().unwrap();
        let pool = settings::pool(2);
        for in_flight in [1, 3] {
            let sealer = Sealer::new(100, in_flight).unwrap();
            let requests = 200;
            let expected = sealer.expected(&[requests])[0];
            sealer.reset();
            assert_eq!(serial(&sealer, requests).fold, expected);
            sealer.reset();
            let ran = pinned(&sealer, &cpus, requests).unwrap();
            assert_eq!(ran.fold, expected);
            assert_eq!(ran.latency.unwrap().count(), requests);
            sealer.reset();
            let ran = free(&sealer, &pool, requests, true).unwrap();
            assert_eq!(ran.fold, expected);
            let missing = requests - ran.latency.unwrap().count();
            assert!(missing <= in_flight as u64, "{missing} were not seen");
        }
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error() {
        let sealer = Sealer::new(16, 1).unwrap();
        assert!(pinned(&sealer, &[1023], 1).is_err());
    }
}

//! Busy threads: what a machine looks like that others use as well.
//!
//! They belong to this process, so that neither autogroup nor control groups stand between them
//! and the threads that are measured: only nice values do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use crate::error::{Context, Result};
use crate::work;

/// Iterations between two looks at whether to stop: some 10 us.
const BURST: u64 = 5_000;

/// Busy threads, one pinned to each of some CPUs, until [`Hogs::stop`] or the drop.
pub(crate) struct Hogs {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    counters: Vec<Counter>,
}

/// Bursts of one hog, on cache lines that nobody else writes to.
#[derive(Default)]
#[repr(align(128))]
struct Counter(AtomicU64);

impl Hogs {
    /// Starts them, and returns when all are at work.
    pub(crate) fn start(cpus: &[usize]) -> Result<Hogs> {
        let counters = cpus.iter().map(|_| Counter::default()).collect();
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), counters });
        let mut hogs = Hogs { shared, threads: Vec::new() };
        let (sender, pinned) = mpsc::channel();
        for (index, &cpu) in cpus.iter().enumerate() {
            let (shared, sender) = (Arc::clone(&hogs.shared), sender.clone());
            let body = move || {
                let mut set = rustix::thread::CpuSet::new();
                set.set(cpu);
                // A caller that has given up does not listen any more.
                let _ = sender.send(rustix::thread::sched_setaffinity(None, &set));
                shared.burn(index);
            };
            let thread = thread::Builder::new().name(format!("hog-{cpu}")).spawn(body);
            hogs.threads.push(thread.context(|| "starting a busy thread".to_owned())?);
        }
        for cpu in cpus {
            let result = pinned.recv().context(|| "a busy thread".to_owned())?;
            result
                .context(|| format!("pinning a busy thread to one CPU (of which {cpu} is one)"))?;
        }
        Ok(hogs)
    }

    /// Ends them.
    ///
    /// # Errors
    /// If one of them never ran: then nothing was measured beside it.
    pub(crate) fn stop(self) -> Result<()> {
        let idle =
            self.shared.counters.iter().position(|Counter(n)| n.load(Ordering::Relaxed) == 0);
        match idle {
            None => Ok(()),
            Some(index) => Err(format!("busy thread {index} never ran").into()),
        }
    }
}

impl Shared {
    fn burn(&self, index: usize) {
        let mut state = index as u64 + 1;
        while !self.stop.load(Ordering::Relaxed) {
            state = work::spin(state, BURST);
            self.counters[index].0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // They do not panic.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hogs_run_and_end() {
        let cpus = crate::machine::cpus().unwrap();
        let hogs = Hogs::start(&cpus).unwrap();
        thread::sleep(std::time::Duration::from_millis(50));
        hogs.stop().unwrap();
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error() {
        assert!(Hogs::start(&[1023]).is_err());
    }
}

//! How a stream is set up: how much may be in flight, and what happens beyond.

use crate::claim::Weight;
use crate::job::CancelToken;
use crate::ring::Ticket;
use crate::sync::Arc;
use crate::topology::CpuSet;
use crate::trace::Trace;

/// How much of a stream may be in flight, from the submission of a job to the end of its serial
/// part; and what becomes of a job that does not fit.
///
/// ```
/// use padata::{Backpressure, Weight, Window};
/// let packets = Window::jobs(256).weight(Weight(4 << 20)).when_full(Backpressure::Refuse);
/// # let _ = packets;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Window {
    pub(super) jobs: usize,
    pub(super) weight: Weight,
    pub(super) when_full: Backpressure,
}

/// The most jobs of a window; more is taken for this many.
pub(super) const WINDOW_MAX: usize = 1 << 24;

impl Window {
    /// At most `jobs` jobs, at least one. Memory for all of them is taken when the stream is made;
    /// nothing is allocated per job.
    ///
    /// A large window evens out jobs of different length; 16 times the number of threads is
    /// enough as a rule, some thousands for jobs of less than a microsecond.
    pub fn jobs(jobs: usize) -> Window {
        Window {
            jobs: jobs.clamp(1, WINDOW_MAX),
            weight: Weight::UNLIMITED,
            when_full: Backpressure::Block,
        }
    }

    /// The weights of the jobs in flight sum up to at most this. A job that is heavier is
    /// admitted when nothing else is in flight.
    pub fn weight(mut self, limit: Weight) -> Window {
        self.weight = limit;
        self
    }

    /// The most jobs in flight, if each weighs 1.
    pub(crate) fn most_jobs(self) -> usize {
        let Weight(weight) = self.weight;
        self.jobs.min(usize::try_from(weight.max(1)).unwrap_or(usize::MAX))
    }

    /// What becomes of a job that does not fit; [`Backpressure::Block`] unless set.
    pub fn when_full(mut self, backpressure: Backpressure) -> Window {
        self.when_full = backpressure;
        self
    }
}

/// What becomes of a job for which there is no room in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backpressure {
    /// `submit` waits. Meanwhile it runs jobs of the stream; it sleeps when there are none that
    /// nobody runs. Who came first is admitted first.
    #[default]
    Block,
    /// `submit` returns [`Refused::Full`](crate::Refused::Full) with the job in it.
    Refuse,
    /// `submit` runs the parallel part of the job at once, then waits for its place, as `Block`
    /// does: better than `Block` if the job's data is in the cache of the thread that submits.
    Inline,
}

/// When a stream wakes helpers that sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wake {
    /// When that is worth it. While no helper is awake, `submit` runs the job itself. Once jobs
    /// that are worth a hand-over have kept it busy for 50 microseconds in a row, it calls a
    /// helper, and from then on leaves the jobs to it; more helpers come when there is work for
    /// them. Helpers that find nothing to do for some 20 microseconds go to sleep; where they are
    /// called again at once, they stay awake for up to 2 milliseconds.
    ///
    /// Worth a hand-over are jobs of which a quarter of the window, or a batch, takes 700 ns, and
    /// whose parallel part takes at least a quarter of the time of their serial part.
    #[default]
    Late,
    /// As soon as there are more jobs than helpers at work. `submit` runs jobs only if there are
    /// no helpers at all, or if it has to wait for room.
    AtOnce,
}

/// How a stream is set up. A [`Window`] alone will do: it converts.
///
/// ```
/// use padata::{StreamOptions, Wake, Window};
/// let options = StreamOptions::new(Window::jobs(64)).wake(Wake::AtOnce).latency(true);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct StreamOptions {
    pub(super) window: Window,
    pub(super) wake: Wake,
    pub(super) max_batch: usize,
    pub(super) serial_cpus: Option<CpuSet>,
    pub(super) latency: bool,
    pub(super) cancel: Option<CancelToken>,
    pub(super) name: &'static str,
    pub(super) trace: Option<Arc<Trace>>,
    /// The first job's ticket: 0, but in tests of the wrap.
    pub(super) first: Ticket,
}

/// Jobs that a thread claims at once, at most.
const MAX_BATCH: usize = 64;

impl StreamOptions {
    /// As said by `window`, with everything else as usual.
    pub fn new(window: Window) -> StreamOptions {
        StreamOptions {
            window,
            wake: Wake::default(),
            max_batch: MAX_BATCH,
            serial_cpus: None,
            latency: false,
            cancel: None,
            name: "stream",
            trace: None,
            first: Ticket::before_wrap(0),
        }
    }

    /// When helpers are woken.
    pub fn wake(mut self, wake: Wake) -> StreamOptions {
        self.wake = wake;
        self
    }

    /// Tiny jobs are run in batches, about 10 microseconds of them at a time, no more than a
    /// thread's share of what waits, and no more than `jobs`, 64 unless set. The serial parts of
    /// a batch are due when all of it has run. 1 for no batches.
    pub fn max_batch(mut self, jobs: usize) -> StreamOptions {
        self.max_batch = jobs.max(1);
        self
    }

    /// The serial part runs on these CPUs, by a helper that does nothing else meanwhile, as far as
    /// helpers may run there and there is one; otherwise where it can. The kernel's `cb_cpu`. An
    /// empty set is none.
    ///
    /// It costs a hand-over from thread to thread for each batch that ends. Without it the serial
    /// part runs on whichever thread has ended the batch that is next.
    pub fn serial_cpus(mut self, cpus: CpuSet) -> StreamOptions {
        self.serial_cpus = Some(cpus).filter(|cpus| !cpus.is_empty());
        self
    }

    /// Whether the time from the submission of each job to its serial part is measured; see
    /// [`StreamStats::latency`](crate::StreamStats::latency). It costs a look at the clock
    /// per job and two per batch, about 25 ns each.
    pub fn latency(mut self, measured: bool) -> StreamOptions {
        self.latency = measured;
        self
    }

    /// Once `token` is cancelled, the stream takes no more jobs, and those that have not begun are
    /// dropped: their serial part gets [`Outcome::Dropped`](crate::Outcome::Dropped). So a serial
    /// part that has failed can end the stream, with a clone of the token; so can anybody else.
    ///
    /// Who waits for room notices when something is retired.
    pub fn cancel(mut self, token: &CancelToken) -> StreamOptions {
        self.cancel = Some(token.clone());
        self
    }

    /// What the stream is called on timelines.
    pub fn name(mut self, name: &'static str) -> StreamOptions {
        self.name = name;
        self
    }

    /// Begins to count elsewhere than at 0.
    #[cfg(test)]
    pub(crate) fn beginning_at(mut self, first: Ticket) -> StreamOptions {
        self.first = first;
        self
    }

    /// Adds each batch to the timeline, its parallel and its serial part.
    pub fn trace(mut self, trace: Arc<Trace>) -> StreamOptions {
        self.trace = Some(trace);
        self
    }
}

impl From<Window> for StreamOptions {
    fn from(window: Window) -> Self {
        StreamOptions::new(window)
    }
}

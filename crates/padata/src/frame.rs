//! Which callbacks of which streams the calling thread is inside: what decides whether it may
//! wait.
//!
//! A thread that waits for room within a callback keeps something from going on: within a serial
//! part the baton of that stream, within a parallel part a place in its window. Others may wait for
//! just that. So it must not wait, with one exception: for a stream that this very callback has
//! made, for nobody but the callback waits for that one, and its jobs wait for nobody.

use std::cell::{Cell, RefCell};

use crate::sync;

/// Which part of a job a callback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Parallel,
    Serial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    stream: u64,
    part: Part,
    number: u64,
    /// The job whose callback it is, where that matters.
    job: Option<u64>,
}

struct Frames {
    stack: RefCell<Vec<Frame>>,
    /// Callbacks that began on this thread.
    number: Cell<u64>,
    /// Names the thread.
    thread: u64,
}

impl Frames {
    fn new() -> Self {
        Frames { stack: RefCell::default(), number: Cell::new(0), thread: sync::fresh_id() }
    }
}

sync::thread_local! {
    static FRAMES: Frames = Frames::new();
}

/// Where a stream was made: in which callback of which thread; nothing for outside of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(Option<(u64, u64)>);

/// What a thread may do that finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Sleep.
    Sleep,
    /// Run jobs of the stream as long as there are some, but not sleep.
    Help,
    /// Not even that.
    None,
}

/// Jobs that are run within jobs, at most: each level is on the stack of its thread.
const DEPTH_MAX: usize = 64;

/// Marks a callback until it is dropped.
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        // While a thread ends there may be nothing left to take down.
        let _ = FRAMES.try_with(|frames| frames.stack.borrow_mut().pop());
    }
}

/// The thread enters a callback, or a number of them, one after the other.
pub(crate) fn enter(stream: u64, part: Part) -> Entered {
    let _ = FRAMES.try_with(|frames| {
        let number = frames.number.get() + 1;
        frames.number.set(number);
        frames.stack.borrow_mut().push(Frame { stream, part, number, job: None });
    });
    Entered(())
}

/// The thread drops values of users that it knows nothing of: streams among them are left to
/// themselves.
pub(crate) fn enter_drop() -> Entered {
    enter(0, Part::Serial)
}

/// The callback that the thread is in goes on to this job.
pub(crate) fn begin_job(job: u64) {
    let _ = FRAMES.try_with(|frames| {
        if let Some(innermost) = frames.stack.borrow_mut().last_mut() {
            innermost.job = Some(job);
        }
    });
}

/// Whether the thread is in the callback of this job of `stream`.
pub(crate) fn runs(stream: u64, job: u64) -> bool {
    let runs = FRAMES.try_with(|frames| {
        let stack = frames.stack.borrow();
        stack.iter().any(|frame| frame.stream == stream && frame.job == Some(job))
    });
    runs.unwrap_or(false)
}

/// Where the thread is.
pub(crate) fn here() -> Origin {
    let here = FRAMES.try_with(|frames| {
        let innermost = frames.stack.borrow().last().copied();
        innermost.map(|frame| (frames.thread, frame.number))
    });
    Origin(here.ok().flatten())
}

/// Whether the thread is inside a callback of `stream`.
pub(crate) fn is_inside(stream: u64) -> bool {
    let inside =
        FRAMES.try_with(|frames| frames.stack.borrow().iter().any(|frame| frame.stream == stream));
    inside.unwrap_or(false)
}

/// A number that names the thread.
pub(crate) fn thread_number() -> u64 {
    FRAMES.try_with(|frames| frames.thread).unwrap_or(0)
}

/// What the thread may do that finds no room in a stream that was made at `origin`.
pub(crate) fn patience(origin: Origin) -> Patience {
    let frames = FRAMES.try_with(|frames| {
        let stack = frames.stack.borrow();
        (stack.last().copied(), stack.len())
    });
    match frames {
        Ok((Some(innermost), depth)) => {
            if here() == origin {
                Patience::Sleep
            } else if innermost.part == Part::Parallel && depth < DEPTH_MAX {
                Patience::Help
            } else {
                Patience::None
            }
        }
        Ok((None, _)) | Err(_) => Patience::Sleep,
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn callbacks_must_not_wait_but_for_what_they_made() {
        let outside = here();
        assert_eq!(patience(outside), Patience::Sleep);
        let parallel = enter(1, Part::Parallel);
        assert_eq!(patience(outside), Patience::Help);
        let made_inside = here();
        assert_eq!(patience(made_inside), Patience::Sleep);
        let serial = enter(2, Part::Serial);
        assert_eq!(patience(outside), Patience::None);
        assert_eq!(patience(made_inside), Patience::None);
        assert!(is_inside(1) && is_inside(2) && !is_inside(3));
        drop(serial);
        assert_eq!(patience(made_inside), Patience::Sleep);
        drop(parallel);
        assert_eq!(patience(made_inside), Patience::Sleep, "the callback is over");
        let again = enter(1, Part::Parallel);
        assert_eq!(patience(made_inside), Patience::Help, "this is another callback");
        drop(again);
        assert_eq!(here(), outside);
    }

    #[test]
    fn jobs_within_jobs_end_somewhere() {
        let origin = here();
        let mut entered = Vec::new();
        while entered.is_empty() || patience(origin) == Patience::Help {
            entered.push(enter(7, Part::Parallel));
        }
        assert_eq!(entered.len(), DEPTH_MAX);
    }
}

//! Signals that ask a run to end. While it publishes, it removes what it has not published; while it
//! has something that is somebody else's, it gives that back. Then it dies of the signal, so that
//! its caller sees that.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

pub(crate) use signal_hook::consts::SIGPIPE;

/// Catches signals for as long as it lives.
#[derive(Debug)]
pub(crate) struct Interrupts {
    /// The last signal caught, or 0.
    last: Arc<AtomicUsize>,
    handlers: Vec<SigId>,
}

impl Interrupts {
    pub(crate) fn catch() -> Self {
        let last = Arc::new(AtomicUsize::new(0));
        let handlers = heeded()
            .iter()
            .copied()
            // Without a handler the signal kills us, and the next run cleans up.
            .filter_map(|signal| {
                signal_hook::flag::register_usize(signal, Arc::clone(&last), signal as usize).ok()
            })
            .collect();
        deadly(false);
        Interrupts { last, handlers }
    }

    /// The signal that was caught, if one was.
    pub(crate) fn caught(&self) -> Option<i32> {
        // Relaxed: the handler runs on a thread of this process, and only the number matters.
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            signal => i32::try_from(signal).ok(),
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        deadly(true);
        for handler in self.handlers.drain(..) {
            signal_hook::low_level::unregister(handler);
        }
    }
}

/// Does something before the process dies of a signal, for as long as this lives. It costs a thread:
/// what may be done in a handler itself is not much, and safe code can say none of it.
#[derive(Debug)]
pub(crate) struct Farewell {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Farewell {
    /// None where there can be no thread; then a signal ends the process at once.
    pub(crate) fn say(farewell: impl FnOnce() + Send + 'static) -> Option<Farewell> {
        let mut signals = Signals::new(heeded()).ok()?;
        let handle = signals.handle();
        let wait = move || {
            if let Some(signal) = signals.forever().next() {
                farewell();
                die_of(signal);
            }
        };
        let thread = thread::Builder::new().name("farewell".to_owned()).spawn(wait).ok()?;
        deadly(false);
        Some(Farewell { handle, thread: Some(thread) })
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        deadly(true);
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It ended, or it is about to end us.
            let _ = thread.join();
        }
    }
}

/// The signals that are not ignored.
fn heeded() -> &'static [i32] {
    static HEEDED: OnceLock<Vec<i32>> = OnceLock::new();
    HEEDED.get_or_init(|| {
        let ignored = ignored();
        let all = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter();
        all.filter(|signal| ignored & (1 << (signal - 1)) == 0).collect()
    })
}

/// Whether signals end the process as they do by default. A handler that was once there never goes
/// away, and without this, what nobody waits for any more would be lost.
fn deadly(yes: bool) {
    static DEADLY: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let deadly = DEADLY.get_or_init(|| {
        let deadly = Arc::new(AtomicBool::new(yes));
        for &signal in heeded() {
            let deadly = Arc::clone(&deadly);
            // Where that cannot be, there was no other handler either.
            let _ = signal_hook::flag::register_conditional_default(signal, deadly);
        }
        deadly
    });
    // SeqCst: it is for handlers, which may run on this thread at any point.
    deadly.store(yes, Ordering::SeqCst);
}

/// Signals that whoever started us wants ignored (nohup), as a mask. There is no
/// safe call for it; without /proc, none are.
fn ignored() -> u64 {
    // It is about 1,400 bytes; read_to_string would ask for it in eight pieces.
    let mut status = Vec::with_capacity(8192);
    let read = File::open("/proc/self/status").and_then(|mut file| file.read_to_end(&mut status));
    if read.is_err() {
        return 0;
    }
    let status = String::from_utf8_lossy(&status);
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Does what the signal does by default; returns only where that is nothing.
pub(crate) fn die_of(signal: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

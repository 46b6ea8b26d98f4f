//! Signals that ask a run to end while it publishes: it removes what it has not
//! published, and then dies of the signal, so that its caller sees that.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

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
        let ignored = ignored();
        let handlers = [SIGHUP, SIGINT, SIGQUIT, SIGTERM]
            .into_iter()
            .filter(|signal| ignored & (1 << (signal - 1)) == 0)
            // Without a handler the signal kills us, and the next run cleans up.
            .filter_map(|signal| {
                signal_hook::flag::register_usize(signal, Arc::clone(&last), signal as usize).ok()
            })
            .collect();
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
        for handler in self.handlers.drain(..) {
            signal_hook::low_level::unregister(handler);
        }
    }
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

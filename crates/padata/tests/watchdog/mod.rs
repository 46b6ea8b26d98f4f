//! Turns a test that hangs into one that fails.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Runs `test` on a thread of its own; its panic goes on here.
///
/// # Panics
/// When `test` panics, or takes longer than any of these tests does on a busy machine.
pub(crate) fn in_time(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel::<()>();
    let runner = thread::spawn(move || {
        let _done = done; // hangs up when the test returns or panics
        test();
    });
    match ended.recv_timeout(Duration::from_secs(30)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test hangs"),
        _ => {
            if let Err(payload) = runner.join() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}

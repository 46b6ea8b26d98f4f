//! The panics of a job: of those that happened, the one that the caller sees.

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use crate::sync::{self, Mutex};

pub(crate) type Payload = Box<dyn Any + Send>;

/// A panic that was caught: what it said, and its payload.
pub struct CaughtPanic {
    message: String,
    /// Behind a lock only so that errors that hold it can be shared between threads.
    payload: Mutex<Payload>,
}

impl CaughtPanic {
    pub(crate) fn new(payload: Payload) -> Self {
        let words = payload.downcast_ref::<&str>().copied();
        let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = words.unwrap_or("(no message)").to_owned();
        CaughtPanic { message, payload: Mutex::new(payload) }
    }

    /// What the panic said, if that was text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What [`std::panic::resume_unwind`] takes.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        sync::into_inner(self.payload)
    }
}

impl fmt::Debug for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CaughtPanic").field(&self.message).finish()
    }
}

/// The panic with the lowest position so far.
pub(crate) struct FirstPanic(Mutex<Option<(usize, Payload)>>);

impl FirstPanic {
    pub(crate) fn new() -> Self {
        FirstPanic(Mutex::new(None))
    }

    /// Keeps `payload` if it happened at a lower position than those before it, else drops it.
    pub(crate) fn record(&self, position: usize, payload: Payload) {
        let mut first = sync::lock(&self.0);
        let loser = match &*first {
            Some((lowest, _)) if *lowest <= position => Some(payload),
            _ => first.replace((position, payload)).map(|(_, higher)| higher),
        };
        // A payload is a user's value: its drop must not run under the lock.
        drop(first);
        if let Some(payload) = loser {
            discard(payload);
        }
    }

    pub(crate) fn into_payload(self) -> Option<Payload> {
        sync::into_inner(self.0).map(|(_, payload)| payload)
    }
}

/// Drops a payload that nobody will see. A payload that panics when dropped has a payload of its
/// own; that one is leaked, for it could go on for ever.
pub(crate) fn discard(payload: Payload) {
    discard_value(payload);
}

/// Drops a user's value that nobody will see, before a panic goes on: a second one while it
/// unwinds would abort the process.
pub(crate) fn discard_value<T>(value: T) {
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(again);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_stays() {
        for order in [[3, 1, 2], [1, 2, 3], [3, 2, 1]] {
            let first = FirstPanic::new();
            for position in order {
                first.record(position, Box::new(position));
            }
            assert_eq!(*first.into_payload().unwrap().downcast::<usize>().unwrap(), 1);
        }
        assert!(FirstPanic::new().into_payload().is_none());
    }
}

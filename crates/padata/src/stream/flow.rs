//! What a stream's lock guards: who may submit, how many helpers are about, whose turn waits for
//! whom. Plain data; nothing here blocks or calls anybody.

use crate::ring::{Producer, Turn};

pub(super) struct Flow {
    pub(super) producer: Producer,
    /// Jobs that were accepted.
    pub(super) submitted: u64,
    /// Their weights, modulo 2^64.
    pub(super) weight: u64,
    pub(super) queue: Queue,
    /// Threads that sleep until something changes.
    pub(super) sleepers: usize,
    /// Threads that wait, for room or for the end; asleep, or at work meanwhile.
    pub(super) waiters: usize,
    pub(super) helpers: Helpers,
    /// A turn that waits for who shall take it.
    pub(super) parked: Option<Turn>,
    /// Somebody runs the serial part on the CPUs for it, or was called to.
    pub(super) serial: SerialHelper,
    /// Until when, by the clock of the stream, a turn waits for who was called.
    pub(super) serial_until: u64,
    /// No more jobs are accepted.
    pub(super) closed: bool,
    /// Nobody waits for the end: whoever brings it about cleans up.
    pub(super) detached: bool,
    pub(super) refused: u64,
    pub(super) ran_in_submit: u64,
    pub(super) calls: u64,
}

/// The helpers of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Helpers {
    /// At work, or called.
    pub(super) awake: usize,
    /// Of these: at work.
    pub(super) inside: usize,
    /// If there is none at work: until when, by the clock of the stream, the one that was called
    /// is waited for.
    pub(super) expected_until: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SerialHelper {
    Absent,
    Called,
    There,
}

/// Submitters that wait for room, first come, first served.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    next: u64,
    served: u64,
}

/// A submitter's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Queue {
    pub(super) fn is_empty(self) -> bool {
        self.next == self.served
    }

    pub(super) fn len(self) -> u64 {
        self.next - self.served
    }

    pub(super) fn line_up(&mut self) -> Place {
        self.next += 1;
        Place(self.next - 1)
    }

    pub(super) fn is_first(self, place: Place) -> bool {
        place.0 == self.served
    }

    /// The first one leaves.
    pub(super) fn serve(&mut self) {
        self.served += 1;
    }
}

impl Flow {
    /// Whether somebody has to become the serial helper.
    pub(super) fn needs_serial_helper(&self) -> bool {
        match self.serial {
            SerialHelper::There => false,
            SerialHelper::Called => true,
            SerialHelper::Absent => self.parked.is_some(),
        }
    }

    pub(super) fn new(producer: Producer) -> Self {
        Flow {
            producer,
            submitted: 0,
            weight: 0,
            queue: Queue::default(),
            sleepers: 0,
            waiters: 0,
            helpers: Helpers::default(),
            parked: None,
            serial_until: 0,
            serial: SerialHelper::Absent,
            closed: false,
            detached: false,
            refused: 0,
            ran_in_submit: 0,
            calls: 0,
        }
    }
}

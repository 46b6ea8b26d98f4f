//! Slots that several threads fill: those of a map, by index, and the ring of ordered jobs.

mod order;
mod slots;

pub(crate) use order::{Baton, Producer, Ring, Run, Stepped, Ticket, Turn};
pub(crate) use slots::Slots;

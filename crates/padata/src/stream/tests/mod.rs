//! Streams under stress: seeded delays at every transition, and a check of the whole history.

mod bugs;
mod history;
mod stress;

#[path = "../../../tests/watchdog/mod.rs"]
mod watchdog;

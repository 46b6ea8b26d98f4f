//! Fresh memory for the experiments about it, and how much of it may be used.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use memmap2::MmapMut;
use padata::{Pool, memory as parallel};

use crate::error::{Context, Result};
use crate::machine;
use crate::report;

/// What stays free for the rest of the machine.
const SPARE: u64 = 1 << 30;

/// The kernel's page size here is at least this; touching more often than needed costs little.
const PAGE: usize = 4096;

/// The size that was wanted, or less if so much memory is not there; it says so.
pub(crate) fn affordable(wanted: usize) -> Result<usize> {
    let Some(available) = machine::mem_available() else { return Ok(wanted) };
    let size = fitting(wanted, available).ok_or_else(|| {
        format!("{} MiB of memory are too little for this experiment", available >> 20)
    })?;
    if size < wanted {
        let (size, wanted) = (size >> 20, wanted >> 20);
        report::say(&format!("memory is short: {size} MiB instead of {wanted} MiB"));
    }
    Ok(size)
}

/// The largest half, quarter, ... of `wanted` that leaves something free.
fn fitting(wanted: usize, available: u64) -> Option<usize> {
    let sizes = std::iter::successors(Some(wanted), |size| Some(size / 2));
    let mut sizes = sizes.take_while(|&size| size >= 1 << 20);
    sizes.find(|&size| size as u64 + SPARE.min(available / 4) <= available)
}

/// Memory that nobody has touched.
pub(crate) fn fresh(bytes: usize) -> Result<MmapMut> {
    MmapMut::map_anon(bytes).context(|| format!("cannot map {} MiB", bytes >> 20))
}

/// A kernel in a virtual machine may report free memory to the host 2 seconds after it was freed
/// (mm/page_reporting.c, `PAGE_REPORTING_DELAY`); then the host takes it.
const REPORT_DELAY: Duration = Duration::from_millis(2300);

/// Keeps the host out of first-touch samples: that it has to find memory again takes longer than
/// what is measured, and does not depend on the engine.
///
/// Before each sample the memory is touched, held until nothing is left to report, and freed:
/// the sample gets it before the next report.
#[derive(Debug)]
pub(crate) struct Primer {
    pool: Pool,
    bytes: usize,
    reports: bool,
    freed: Cell<Instant>,
}

impl Primer {
    pub(crate) fn new(bytes: usize) -> Self {
        Primer {
            pool: Pool::auto(),
            bytes,
            reports: machine::reports_free_pages(),
            freed: Cell::new(Instant::now()),
        }
    }

    /// Before a sample.
    pub(crate) fn prime(&self) -> Result<()> {
        if !self.reports {
            return Ok(());
        }
        let mut memory = fresh(self.bytes)?;
        parallel::on(&self.pool).populate(&mut memory)?;
        thread::sleep(REPORT_DELAY.saturating_sub(self.freed.get().elapsed()));
        Ok(())
    }

    /// After a sample, when its memory has been freed.
    pub(crate) fn freed(&self) {
        self.freed.set(Instant::now());
    }

    /// For a footnote.
    pub(crate) fn says(&self) -> &'static str {
        if self.reports {
            "; memory held before each sample, as the host takes what is free"
        } else {
            ""
        }
    }
}

/// Writes one byte to each page.
pub(crate) fn touch(bytes: &mut [u8]) {
    for page in bytes.chunks_mut(PAGE) {
        page[0] = std::hint::black_box(1);
    }
}

pub(crate) fn gib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_shrink_to_what_is_there() {
        assert_eq!(fitting(4 << 30, 16 << 30), Some(4 << 30));
        assert_eq!(fitting(4 << 30, 4 << 30), Some(2 << 30));
        assert_eq!(fitting(4 << 30, 1 << 20), None);
        assert_eq!(fitting(2 << 20, 4 << 20), Some(2 << 20));
    }

    #[test]
    fn touching_reaches_the_last_page() {
        let mut bytes = vec![0; 2 * PAGE + 1];
        touch(&mut bytes);
        assert_eq!((bytes[0], bytes[1], bytes[2 * PAGE]), (1, 0, 1));
    }
}

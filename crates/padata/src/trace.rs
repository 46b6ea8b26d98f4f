//! A timeline of what ran where, for viewers such as Perfetto.
//!
//! Threads collect their events on their own and hand them in when they leave a job, or have some
//! thousands, so that tracing takes no lock between two chunks. What is written is the JSON of the "Trace Event
//! Format" (the Chromium project): one complete event (`ph: "X"`) per chunk, times in
//! microseconds since the trace was made.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::sync::{self, Mutex};

/// The most events of a trace, about 90 MiB: a timeline with more of them cannot be looked at.
const EVENTS_MAX: usize = 1 << 20;

/// Collects a timeline. Jobs that are given one ([`Job::trace`](crate::Job::trace)) add their
/// chunks to it.
///
/// ```
/// use padata::{Job, Pool, Trace};
/// let pool = Pool::new(padata::available_threads());
/// let trace = Trace::new();
/// Job::over(0_u32, 1000)
///     .name("sum")
///     .trace(&trace)
///     .run(&pool, |chunk| {
///         std::hint::black_box(chunk.range().map(u64::from).sum::<u64>());
///         Ok::<_, std::convert::Infallible>(())
///     })
///     .unwrap();
/// let mut json = Vec::new();
/// trace.write_json(&mut json).unwrap();
/// assert!(String::from_utf8(json).unwrap().contains(r#""name":"sum""#));
/// ```
pub struct Trace {
    begin: Instant,
    events: Mutex<Events>,
}

#[derive(Default)]
struct Events {
    list: Vec<Event>,
    /// Events that there was no room for.
    dropped: u64,
    /// Jobs that were traced.
    jobs: u32,
}

/// The number of a job in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobNumber(u32);

/// One chunk on the timeline.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) job: JobNumber,
    pub(crate) worker: u64,
    pub(crate) begin: Instant,
    pub(crate) length: Duration,
    pub(crate) part: usize,
    pub(crate) offset: u64,
    pub(crate) units: u64,
    pub(crate) failed: bool,
}

impl Trace {
    /// An empty timeline that begins now.
    #[must_use]
    pub fn new() -> Self {
        Trace { begin: Instant::now(), events: Mutex::new(Events::default()) }
    }

    pub(crate) fn number_job(&self) -> JobNumber {
        let mut events = sync::lock(&self.events);
        events.jobs += 1;
        JobNumber(events.jobs)
    }

    pub(crate) fn add(&self, new: &mut Vec<Event>) {
        let mut events = sync::lock(&self.events);
        let kept = new.len().min(EVENTS_MAX - events.list.len());
        events.dropped += (new.len() - kept) as u64;
        events.list.extend(new.drain(..kept));
        new.clear();
    }

    pub(crate) fn add_one(&self, event: Event) {
        let mut events = sync::lock(&self.events);
        if events.list.len() < EVENTS_MAX {
            events.list.push(event);
        } else {
            events.dropped += 1;
        }
    }

    /// Writes the events so far, in the order in which they began. A job is a process on the
    /// timeline and each of its threads a thread of it; thread 0 is the caller.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let (mut list, dropped) = {
            let events = sync::lock(&self.events);
            (events.list.clone(), events.dropped)
        };
        list.sort_by_key(|event| (event.begin, event.job.0, event.worker));
        write!(out, "{{\"displayTimeUnit\":\"ms\",\"droppedEvents\":{dropped},\"traceEvents\":[")?;
        for (index, event) in list.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let micros = |duration: Duration| duration.as_nanos() as f64 / 1000.0;
            write!(out, "{comma}\n{{\"name\":")?;
            write_json_string(out, event.name)?;
            write!(
                out,
                ",\"ph\":\"X\",\"ts\":{:.3},\"dur\":{:.3},\"pid\":{},\"tid\":{},\"args\":\
                 {{\"part\":{},\"offset\":{},\"units\":{},\"failed\":{}}}}}",
                micros(event.begin.saturating_duration_since(self.begin)),
                micros(event.length),
                event.job.0,
                event.worker,
                event.part,
                event.offset,
                event.units,
                event.failed,
            )?;
        }
        out.write_all(b"\n]}\n")
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = sync::lock(&self.events).list.len();
        f.debug_struct("Trace").field("events", &events).finish_non_exhaustive()
    }
}

fn write_json_string(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            c if u32::from(c) < 0x20 => write!(out, "\\u{:04x}", u32::from(c))?,
            c => write!(out, "{c}")?,
        }
    }
    out.write_all(b"\"")
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn event(trace: &Trace, name: &'static str, micros: u64) -> Event {
        Event {
            name,
            job: JobNumber(1),
            worker: 2,
            begin: trace.begin + Duration::from_micros(micros),
            length: Duration::from_nanos(1500),
            part: 0,
            offset: 7,
            units: 3,
            failed: false,
        }
    }

    fn json(trace: &Trace) -> String {
        let mut out = Vec::new();
        trace.write_json(&mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn events_are_written_in_time_order() {
        let trace = Trace::new();
        trace.add(&mut vec![event(&trace, "late", 9), event(&trace, "a \"name\"\n", 4)]);
        assert_eq!(
            json(&trace),
            "{\"displayTimeUnit\":\"ms\",\"droppedEvents\":0,\"traceEvents\":[\n\
             {\"name\":\"a \\\"name\\\"\\u000a\",\"ph\":\"X\",\"ts\":4.000,\"dur\":1.500,\"pid\":1,\"tid\":2,\
             \"args\":{\"part\":0,\"offset\":7,\"units\":3,\"failed\":false}},\n\
             {\"name\":\"late\",\"ph\":\"X\",\"ts\":9.000,\"dur\":1.500,\"pid\":1,\"tid\":2,\
             \"args\":{\"part\":0,\"offset\":7,\"units\":3,\"failed\":false}}\n]}\n"
        );
    }

    #[test]
    fn an_empty_trace_is_valid_json() {
        let text = json(&Trace::new());
        assert!(text.ends_with("\"traceEvents\":[\n]}\n"), "{text}");
    }

    #[test]
    fn events_beyond_the_bound_are_counted() {
        let trace = Trace::new();
        let mut many = vec![event(&trace, "x", 0); EVENTS_MAX];
        trace.add(&mut many);
        trace.add(&mut vec![event(&trace, "x", 0); 5]);
        assert!(json(&trace).starts_with("{\"displayTimeUnit\":\"ms\",\"droppedEvents\":5,"));
    }
}

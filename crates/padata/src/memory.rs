//! Large stretches of memory, on many threads: clear, populate, lock, initialise. The userspace
//! counterparts of ktask's users: clearing gigantic pages, allocating huge pages, pinning a
//! guest's memory, initialising page structures.
//!
//! Chunks end where huge pages end (2 MiB), so that no two threads fault in the same one, and
//! have 4 MiB or more: 1.5 ms of work at the first touch, though only 60 µs, no more than the
//! break-even of a second thread, when warm memory is cleared.
//!
//! ```
//! use padata::{Pool, memory};
//! let pool = Pool::new(padata::available_threads());
//! let mut guest = vec![1_u8; 16 << 20];
//! memory::on(&pool).clear(&mut guest);
//! assert!(guest.iter().all(|&byte| byte == 0));
//! ```
#![expect(unsafe_code, reason = "threads write to disjoint pieces of one borrowed slice")]

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ops::Range;
use std::ptr;

use crate::job::{Chunk, ChunkRule, Failure, Job, JobError, Nice, Part, Position, Raise};
use crate::pool::Pool;
use crate::stats::Report;
use crate::sys;
use crate::topology::NodeId;
use crate::trace::Trace;

/// The size of a huge page on most machines: chunks end at multiples of it.
const GRAIN: usize = 2 << 20;

/// The least that is worth a thread.
const MIN_CHUNK: usize = 2 * GRAIN;

/// How to work on memory; see [`on`].
#[derive(Clone, Debug)]
pub struct Memory<'a> {
    pool: &'a Pool,
    max_threads: usize,
    nice: Nice,
    raise: Raise,
    rule: ChunkRule,
    stats: bool,
    trace: Option<&'a Trace>,
    nodes: Vec<(usize, NodeId)>,
}

/// An operation that the kernel refused for a part of the range.
#[derive(Debug)]
pub struct MemoryError {
    operation: &'static str,
    /// Bytes from the start of the range: the piece that was refused.
    pub at: Range<usize>,
    /// Bytes that had been done elsewhere in the range, and were undone.
    pub undone: usize,
    source: io::Error,
}

impl MemoryError {
    /// What the kernel said.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        &self.source
    }
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.at;
        write!(f, "cannot {} bytes {start} to {end} of the range: {}", self.operation, self.source)
    }
}

impl Error for MemoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Work on memory with the threads of `pool`.
#[must_use]
pub fn on(pool: &Pool) -> Memory<'_> {
    Memory {
        pool,
        max_threads: usize::MAX,
        nice: Nice::default(),
        raise: Raise::default(),
        rule: ChunkRule::default(),
        stats: false,
        trace: None,
        nodes: Vec::new(),
    }
}

impl<'a> Memory<'a> {
    /// At most `threads` threads, the caller included.
    #[must_use]
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = threads;
        self
    }

    /// The priority of the helpers, as for [`Job::nice`].
    #[must_use]
    pub fn nice(mut self, nice: Nice) -> Self {
        self.nice = nice;
        self
    }

    /// What happens to helpers of low priority at the end, as for [`Job::raise`].
    #[must_use]
    pub fn raise(mut self, raise: Raise) -> Self {
        self.raise = raise;
        self
    }

    /// How the range is cut up, as for [`Job::chunk_rule`].
    #[must_use]
    pub fn chunk_rule(mut self, rule: ChunkRule) -> Self {
        self.rule = rule;
        self
    }

    /// Measures what each thread did, as for [`Job::stats`].
    #[must_use]
    pub fn stats(mut self, stats: bool) -> Self {
        self.stats = stats;
        self
    }

    /// Adds each chunk to a timeline, as for [`Job::trace`].
    #[must_use]
    pub fn trace(mut self, trace: &'a Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Says where the range should be: the first so many bytes on one node, the next on another;
    /// what is left over, anywhere. Each part is worked at near its node. Before
    /// [`clear`](Memory::clear), [`populate`](Memory::populate) and
    /// [`init_slice`](Memory::init_slice), its pages that nobody has touched yet are made to
    /// come from that node if it has memory left (`mbind(2)`, preferred).
    #[must_use]
    pub fn nodes(mut self, nodes: impl IntoIterator<Item = (usize, NodeId)>) -> Self {
        self.nodes = nodes.into_iter().collect();
        self
    }

    /// Sets all of `bytes` to zero.
    pub fn clear(&self, bytes: &mut [u8]) -> Report {
        self.bind(as_uninit(bytes));
        let pieces = Pieces::of(as_uninit(bytes));
        let result = self.job(&pieces).run(self.pool, |chunk| {
            let piece = pieces.piece(&chunk);
            piece.fill(MaybeUninit::new(0));
            Ok::<_, Infallible>(())
        });
        result.unwrap_or_else(|error| unstoppable(&error))
    }

    /// Makes the kernel give pages to all of `bytes`, so that no later access to it faults. What
    /// is there stays. By `MADV_POPULATE_WRITE`, or by touching each page where the kernel is
    /// older than 5.14.
    ///
    /// # Errors
    /// When there is no memory. Pages that were populated stay; that does no harm.
    pub fn populate(&self, bytes: &mut [u8]) -> Result<Report, MemoryError> {
        self.populate_by(bytes, |piece| match sys::populate(piece) {
            Err(error) if is_unknown(&error) => {
                touch(piece);
                Ok(())
            }
            result => result,
        })
    }

    fn populate_by(
        &self,
        bytes: &mut [u8],
        populate: impl Fn(&mut [u8]) -> io::Result<()> + Sync,
    ) -> Result<Report, MemoryError> {
        self.bind(as_uninit(bytes));
        let pieces = Pieces::of(as_uninit(bytes));
        let result = self.job(&pieces).run(self.pool, |chunk| {
            let piece = pieces.piece(&chunk);
            // SAFETY: the bytes were initialised when they were borrowed, and nobody has written
            // to them but `populate`, as initialised bytes.
            let piece = unsafe { &mut *(ptr::from_mut(piece) as *mut [u8]) };
            populate(piece)
        });
        result.map_err(|error| refused("populate", error))
    }

    /// Keeps all pages that `bytes` touches in memory (`mlock(2)`), and populates them first. If the
    /// kernel stops halfway, the pages that were locked are unlocked again, all or nothing.
    ///
    /// The kernel holds the lock of the address space while it locks pages, so more threads do not
    /// help: where the memory may be written to, [`populate`](Memory::populate) it first, which
    /// they do speed up.
    ///
    /// Locks do not nest: the undo also unlocks pages of `bytes` that were locked before.
    /// [`unlock`] undoes it; so does unmapping.
    ///
    /// # Errors
    /// When `RLIMIT_MEMLOCK` is reached, or there is no memory.
    ///
    /// ```
    /// # use padata::{Pool, memory};
    /// # let pool = Pool::new(padata::available_threads());
    /// let key = vec![0_u8; 4096];
    /// match memory::on(&pool).lock(&key) {
    ///     Ok(_) => memory::unlock(&key)?,
    ///     Err(error) => eprintln!("{error}"), // no byte of it is locked
    /// }
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn lock(&self, bytes: &[u8]) -> Result<Report, MemoryError> {
        let start = Element::first_of(bytes.as_ptr());
        let range = |range: &Range<Element>| &bytes[range.start.index..range.end.index];
        let result = self
            .over(start, bytes.len(), 1)
            // A page that cannot be unlocked was not locked.
            .undo(|done| drop(sys::unlock(range(&done))))
            .run(self.pool, |chunk| {
                let piece = range(&chunk.range());
                // A call that fails may have locked a part: the chunk cleans up after itself.
                sys::lock(piece).inspect_err(|_| drop(sys::unlock(piece)))
            });
        result.map_err(|error| refused("lock", error))
    }

    /// Fills all of `slice` with `init` of each index, and returns it as initialised: the first
    /// touch of a large slice of descriptors, each on the thread that writes it.
    ///
    /// # Panics
    /// With a panic of `init`. Elements that were initialised before are dropped.
    ///
    /// ```
    /// # use padata::{Pool, memory};
    /// # let pool = Pool::new(padata::available_threads());
    /// let mut pages: Vec<[u64; 8]> = Vec::with_capacity(100_000);
    /// let room = &mut pages.spare_capacity_mut()[..100_000];
    /// let pages = memory::on(&pool).init_slice(room, |frame| [frame as u64; 8]);
    /// assert_eq!(pages[99_999][0], 99_999);
    /// ```
    pub fn init_slice<'s, T: Send>(
        &self,
        slice: &'s mut [MaybeUninit<T>],
        init: impl Fn(usize) -> T + Sync,
    ) -> &'s mut [T] {
        /// Says how far a chunk has come, when `init` panics.
        struct Done<'d, 'c>(&'d Chunk<'c, Element>, u64);
        impl Drop for Done<'_, '_> {
            fn drop(&mut self) {
                self.0.done_units(self.1);
            }
        }

        self.bind(bytes_of(slice));
        let pieces = Pieces::of(slice);
        let mut job = self.job(&pieces);
        if mem::needs_drop::<T>() {
            job = job.undo(|done| {
                // SAFETY: each element of `done` is initialised: it belongs to a chunk that
                // completed, or to the finished prefix of one that panicked. All chunks have
                // stopped, and each element is undone once.
                unsafe {
                    let elements: *mut [MaybeUninit<T>] = pieces.elements(&done);
                    (elements as *mut [T]).drop_in_place();
                }
            });
        }
        let result = job.run(self.pool, |chunk| {
            let mut done = Done(&chunk, 0);
            for (element, index) in pieces.piece(&chunk).iter_mut().zip(chunk.start().index..) {
                element.write(init(index));
                done.1 += 1;
            }
            Ok::<_, Infallible>(())
        });
        if let Err(error) = result {
            unstoppable(&error);
        }
        // SAFETY: the job has completed, so each element was written.
        unsafe { &mut *(ptr::from_mut(slice) as *mut [T]) }
    }

    fn job<'j, T>(&self, pieces: &Pieces<T>) -> Job<'j, Element>
    where
        'a: 'j,
    {
        self.over(Element::first_of(pieces.first), pieces.len, size_of::<T>())
    }

    /// A job over `len` elements of `size` bytes.
    fn over<'j>(&self, start: Element, len: usize, size: usize) -> Job<'j, Element>
    where
        'a: 'j,
    {
        let elements = |bytes: usize| (bytes / size.max(1)).max(1);
        let mut parts = Vec::new();
        let mut begin = 0;
        for &(bytes, node) in &self.nodes {
            let units = (bytes / size.max(1)).min(len - begin);
            parts.push(Part { start: start.at(begin), units: units as u64, node: Some(node) });
            begin += units;
        }
        let rest = (len - begin) as u64;
        parts.push(Part { start: start.at(begin), units: rest, node: None });
        let align = if size > 0 && GRAIN.is_multiple_of(size) { elements(GRAIN) } else { 1 };
        let mut job = Job::parts(parts);
        if let Some(trace) = self.trace {
            job = job.trace(trace);
        }
        job.name("memory")
            .stats(self.stats)
            .align(align as u64)
            .min_chunk(elements(MIN_CHUNK) as u64)
            .max_threads(self.max_threads)
            .chunk_rule(self.rule)
            .nice(self.nice)
            .raise(self.raise)
    }

    /// Makes untouched pages come from the nodes that were named.
    fn bind(&self, mut bytes: &mut [MaybeUninit<u8>]) {
        for &(len, node) in &self.nodes {
            let (part, rest) = bytes.split_at_mut(len.min(bytes.len()));
            // A wish: on a machine without that node, memory comes from where there is some.
            let _ = sys::prefer_node(part, node);
            bytes = rest;
        }
    }
}

/// Undoes [`Memory::lock`]: the pages that `bytes` touches may leave memory again.
///
/// # Errors
/// Those of `munlock(2)`.
pub fn unlock(bytes: &[u8]) -> io::Result<()> {
    sys::unlock(bytes)
}

/// An element of a slice, by index; where it is in its huge page decides where chunks end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Element {
    index: usize,
    /// Elements from the start of a huge page to the slice.
    before: usize,
}

impl Element {
    fn first_of<T>(first: *const T) -> Self {
        let before = first.addr() % GRAIN / size_of::<T>().max(1);
        Element { index: 0, before }
    }

    fn at(self, index: usize) -> Self {
        Element { index, ..self }
    }
}

impl Position for Element {
    fn advance(&self, units: u64) -> Option<Self> {
        let index = self.index.checked_add(usize::try_from(units).ok()?)?;
        Some(self.at(index))
    }

    fn past_multiple(&self, align: u64) -> u64 {
        (self.before as u64 + self.index as u64) % align
    }
}

/// A slice that is lent to many threads, a piece to each.
struct Pieces<T> {
    first: *mut MaybeUninit<T>,
    len: usize,
}

// SAFETY: threads get disjoint pieces of the slice (see `piece`), and may move elements in and,
// by `elements`, drop them: `T: Send`.
unsafe impl<T: Send> Sync for Pieces<T> {}

impl<T> Pieces<T> {
    /// The slice must stay borrowed for as long as pieces are used, which the functions above
    /// see to: each ends, with its job, before the borrow does.
    fn of(slice: &mut [MaybeUninit<T>]) -> Self {
        Pieces { first: slice.as_mut_ptr(), len: slice.len() }
    }

    /// The elements of a chunk of the job over this slice.
    #[expect(clippy::mut_from_ref, reason = "no two chunks of a job have an element in common")]
    fn piece(&self, chunk: &Chunk<'_, Element>) -> &mut [MaybeUninit<T>] {
        // SAFETY: the engine gives each position to one chunk, once (deal.rs: one successful
        // compare-and-swap per offset), and the functions above look at a chunk once.
        unsafe { self.elements(&chunk.range()) }
    }

    /// # Safety
    /// Nobody else uses these elements.
    #[expect(clippy::mut_from_ref, reason = "the caller's promise")]
    unsafe fn elements(&self, range: &Range<Element>) -> &mut [MaybeUninit<T>] {
        let Range { start, end } = range;
        assert!(start.index <= end.index && end.index <= self.len, "a position of another slice");
        // SAFETY: within the slice, by the assertion; not shared, by the caller's promise.
        unsafe {
            std::slice::from_raw_parts_mut(self.first.add(start.index), end.index - start.index)
        }
    }
}

/// Initialised bytes as bytes that need not be; only zeros, or what was there, is written to them.
fn as_uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the same layout. This file writes only initialised bytes through it.
    unsafe { &mut *(ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) }
}

/// The bytes of a slice, none of which need be initialised.
fn bytes_of<T>(slice: &mut [MaybeUninit<T>]) -> &mut [MaybeUninit<u8>] {
    let len = size_of_val(slice);
    // SAFETY: the same memory; bytes need no alignment and, being MaybeUninit, no value.
    unsafe { std::slice::from_raw_parts_mut(slice.as_mut_ptr().cast(), len) }
}

/// Writes to each page of `bytes` what is there.
fn touch(bytes: &mut [u8]) {
    let page = sys::page_size();
    let until_next_page = page - bytes.as_ptr().addr() % page;
    let firsts = std::iter::once(0).chain((until_next_page..bytes.len()).step_by(page));
    for index in firsts {
        let Some(byte) = bytes.get_mut(index) else { return };
        // SAFETY: a reference is valid for reads and writes. Volatile, so that neither is left out.
        unsafe { ptr::from_mut(byte).write_volatile(ptr::from_mut(byte).read_volatile()) };
    }
}

/// Whether the system does not know the call.
fn is_unknown(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, Unsupported};
    matches!(error.kind(), InvalidInput | Unsupported)
}

/// For jobs whose function cannot fail and that nobody can stop.
fn unstoppable(error: &JobError<Infallible, Element>) -> ! {
    unreachable!("nothing can stop this job: {error}")
}

fn refused(operation: &'static str, error: JobError<io::Error, Element>) -> MemoryError {
    let indexes = |range: &Range<Element>| range.start.index..range.end.index;
    match error.first {
        Failure::Error(source) => MemoryError {
            operation,
            at: error.at.as_ref().map_or(0..0, indexes),
            undone: error.undone.iter().map(|range| indexes(range).len()).sum(),
            source,
        },
        other => unreachable!("nothing else can stop this job: {other}"),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    /// As on kernels that do not know `MADV_POPULATE_WRITE`.
    #[test]
    fn touching_keeps_contents() {
        let pool = Pool::new(NonZeroUsize::new(2).unwrap());
        for (begin, len) in [(0, 0), (0, 1), (4095, 2), (100, 20 << 20)] {
            let mut bytes: Vec<u8> = (0..begin + len).map(|index| index as u8).collect();
            let touched = Memory::populate_by(&on(&pool), &mut bytes[begin..], |piece| {
                touch(piece);
                Ok(())
            });
            assert_eq!(touched.unwrap().units, len as u64);
            assert!(bytes.iter().enumerate().all(|(index, &byte)| byte == index as u8));
        }
    }

    #[test]
    fn a_refusal_names_the_piece() {
        let pool = Pool::new(NonZeroUsize::new(2).unwrap());
        let mut bytes = vec![0; 9];
        let full = |_: &mut [u8]| Err(io::ErrorKind::OutOfMemory.into());
        let error = on(&pool).populate_by(&mut bytes, full).unwrap_err();
        assert_eq!(error.to_string(), "cannot populate bytes 0 to 9 of the range: out of memory");
        assert_eq!((error.at, error.undone), (0..9, 0));
    }
}

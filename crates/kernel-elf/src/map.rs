//! A file in memory by a map instead of a copy, where a file that shrinks meanwhile is an error and
//! not the end of the process.
//!
//! Touching a page of a map that the file does not reach any more raises SIGBUS. The handler here
//! puts zeros where the pages were and remembers that it did; whoever works on the bytes goes on, with
//! zeros, and afterwards asks [`GuardedMap::check`] whether what was read was the file. The protocol
//! between maps and the handler is in `MAP.md` beside this file.
//!
//! Not guarded: a file that somebody writes to while it is mapped, without a change of its size. Its
//! bytes may differ between two looks at them, which Rust does not expect of a `&[u8]`; as with every
//! linker that maps its inputs, results are worthless then. Nor a handler for SIGBUS that is installed
//! later and does not call the one before it.
#![expect(unsafe_code, reason = "maps, and a handler for the signal that a shrunk file raises")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use libc::{c_int, siginfo_t};

/// So many files can be mapped at a time.
pub const MAPS_MAX: usize = 1024;

/// `si_code` of a touch beyond the end of a file, or of a page that could not be read: Linux's
/// `BUS_ADRERR`.
const BUS_ADRERR: c_int = 2;

/// How a map is going to be read: a wish, which changes no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Advice {
    /// Nothing is known.
    #[default]
    None,
    /// From the start to the end, once (`MADV_SEQUENTIAL`).
    Sequential,
    /// All of it, soon (`MADV_WILLNEED`): what is not in memory is read ahead.
    WillNeed,
    /// All of it: page tables are filled before the map is handed out (`MAP_POPULATE`).
    Populate,
}

/// A file's bytes, mapped for reading.
#[derive(Debug)]
pub struct GuardedMap {
    start: NonNull<u8>,
    len: usize,
    slot: &'static Slot,
    /// Asked for its size in the end.
    file: File,
}

// SAFETY: the map is owned memory that is only read; the slot is made of atomics.
unsafe impl Send for GuardedMap {}
// SAFETY: as above.
unsafe impl Sync for GuardedMap {}

impl GuardedMap {
    /// Maps a regular file as it is now.
    ///
    /// # Errors
    /// For what cannot be mapped: `InvalidInput` when it is empty, as many files below /proc claim to
    /// be, or no regular file; `OutOfMemory` with [`MAPS_MAX`] maps; and what the system says. Reading
    /// may do.
    pub fn open(file: &File) -> io::Result<GuardedMap> {
        GuardedMap::open_with(file, Advice::None)
    }

    /// The same, with a word on how it is going to be read.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(file: &File, advice: Advice) -> io::Result<GuardedMap> {
        let metadata = file.metadata()?;
        let len = usize::try_from(metadata.len()).ok().filter(|len| *len <= isize::MAX as usize);
        let len = len.ok_or(io::ErrorKind::FileTooLarge)?;
        if !metadata.is_file() || len == 0 {
            let words = "only a regular file with something in it can be mapped";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        let file = file.try_clone()?;
        let page = guard()?;
        let slot = Slot::claim().ok_or_else(|| {
            io::Error::new(io::ErrorKind::OutOfMemory, "too many files are mapped")
        })?;
        let start = match map(&file, len, advice) {
            Ok(start) => start,
            Err(error) => {
                slot.release();
                return Err(error);
            }
        };
        // Before anybody can touch it.
        let first = start.as_ptr().addr();
        slot.publish(first, first + len.next_multiple_of(page));
        Ok(GuardedMap { start, len, slot, file })
    }

    /// All bytes of the file; zeros where it ends earlier than it did.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the map is `len` readable bytes until it is dropped. Where the file has become
        // shorter, the handler makes them readable.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Gives back the memory of whole pages within `part`, which is of this map: nobody is going to
    /// read them soon. Who does all the same reads the file once more. What is not of this map stays
    /// as it is.
    pub fn release(&self, part: &[u8]) {
        let Some(installed) = INSTALLED.get() else { return };
        let (first, map) = (part.as_ptr().addr(), self.start.as_ptr().addr());
        let start = first.next_multiple_of(installed.page);
        let end = (first + part.len()) & !(installed.page - 1);
        if first < map || end > map + self.len || start >= end {
            return;
        }
        // SAFETY: whole pages of a private map that is only read: their bytes are the file's again
        // when they are touched, and zeros where the handler put zeros. A wish may fail.
        unsafe {
            let place = self.start.as_ptr().add(start - map);
            libc::madvise(place.cast(), end - start, libc::MADV_DONTNEED);
        }
    }

    /// Whether the bytes that were read were the file's.
    ///
    /// # Errors
    /// When the file has another size than before, or a part of it was not there when it was touched.
    pub fn check(&self) -> io::Result<()> {
        // What another thread touched happened before it told us so.
        if self.slot.zeros.load(Ordering::Relaxed) {
            let words = "a part of the file vanished, or could not be read, while it was mapped";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, words));
        }
        let now = self.file.metadata()?.len();
        if now != self.len as u64 {
            let words = format!("it had {} bytes, and {now} when it was read", self.len);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, words));
        }
        Ok(())
    }
}

impl Drop for GuardedMap {
    fn drop(&mut self) {
        // First: the addresses may be somebody else's as soon as they are free.
        self.slot.withdraw();
        // SAFETY: the map is ours, and no borrow of it is left. Zeros that the handler put there are
        // in the same range.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        self.slot.release();
    }
}

fn map(file: &File, len: usize, advice: Advice) -> io::Result<NonNull<u8>> {
    let populate = if advice == Advice::Populate { libc::MAP_POPULATE } else { 0 };
    let fd = std::os::fd::AsRawFd::as_raw_fd(file);
    // SAFETY: a new map at an address that the system chooses touches no memory that there is.
    let start = unsafe {
        let flags = libc::MAP_PRIVATE | populate;
        libc::mmap(ptr::null_mut(), len, libc::PROT_READ, flags, fd, 0)
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let word = match advice {
        Advice::Sequential => Some(libc::MADV_SEQUENTIAL),
        Advice::WillNeed => Some(libc::MADV_WILLNEED),
        Advice::None | Advice::Populate => None,
    };
    if let Some(word) = word {
        // SAFETY: these two change no byte of the map, which is ours. A wish may fail.
        unsafe { libc::madvise(start, len, word) };
    }
    NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// What the handler knows of one map. See `MAP.md`.
#[derive(Debug)]
struct Slot {
    /// Whether a map has it.
    taken: AtomicBool,
    /// Odd while the range changes.
    version: AtomicUsize,
    /// Addresses, whole pages; none when both are 0.
    start: AtomicUsize,
    end: AtomicUsize,
    /// Whether zeros were put into the map.
    zeros: AtomicBool,
}

static SLOTS: [Slot; MAPS_MAX] = [const { Slot::new() }; MAPS_MAX];

impl Slot {
    const fn new() -> Slot {
        Slot {
            taken: AtomicBool::new(false),
            version: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            zeros: AtomicBool::new(false),
        }
    }

    /// A slot that no map has. Acquire: what the map before did to it comes first.
    fn claim() -> Option<&'static Slot> {
        let take = |slot: &&Slot| {
            !slot.taken.load(Ordering::Relaxed) && !slot.taken.swap(true, Ordering::Acquire)
        };
        SLOTS.iter().find(take)
    }

    fn release(&self) {
        self.taken.store(false, Ordering::Release);
    }

    fn publish(&self, start: usize, end: usize) {
        self.zeros.store(false, Ordering::Relaxed);
        self.set_range(start, end);
    }

    fn withdraw(&self) {
        self.set_range(0, 0);
    }

    /// Only by the map that has the slot.
    fn set_range(&self, start: usize, end: usize) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.start.store(start, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The range, unless it is changing: then no thread is inside the map.
    fn range(&self) -> Option<(usize, usize)> {
        let before = self.version.load(Ordering::Acquire);
        let range = (self.start.load(Ordering::Relaxed), self.end.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let after = self.version.load(Ordering::Relaxed);
        (before == after && before.is_multiple_of(2)).then_some(range)
    }
}

/// What a handler that was there before ours is, and the size of a page.
struct Installed {
    previous: libc::sigaction,
    page: usize,
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Installs the handler if it is not; returns the size of a page.
fn guard() -> io::Result<usize> {
    static DONE: OnceLock<Result<usize, i32>> = OnceLock::new();
    let errno = || Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL));
    let done = DONE.get_or_init(|| {
        // SAFETY: takes a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).unwrap_or(4096);
        // SAFETY: all zero is a value of the struct.
        let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: only asks; the struct is ours.
        if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut previous) } != 0 {
            return errno();
        }
        // Before the handler can run, which needs it.
        let Installed { previous, .. } = INSTALLED.get_or_init(|| Installed { previous, page });
        let mut ours = *previous;
        ours.sa_sigaction = on_sigbus as Handler as usize;
        // Where a thread has a stack of its own for signals, the one before may count on that.
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler does only what a handler may; see there.
        if unsafe { libc::sigaction(libc::SIGBUS, &raw const ours, ptr::null_mut()) } != 0 {
            return errno();
        }
        Ok(page)
    });
    done.map_err(io::Error::from_raw_os_error)
}

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// Runs on a thread that touched what is not there, at any instruction: atomics and system calls only,
/// nothing that allocates, locks or panics.
extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid pointer.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    let Some(installed) = INSTALLED.get() else { return };
    if code == BUS_ADRERR && fill(address, installed.page) {
        // The instruction is tried again.
        return;
    }
    pass_on(&installed.previous, signal, info, context);
}

/// Puts zeros in the place of the page of an address, and of all behind it, if it is in one of our
/// maps. The file does not reach those behind it either; one call for all of them keeps the number
/// of maps small, however they are touched.
fn fill(address: usize, page: usize) -> bool {
    let of_address = |slot: &'static Slot| {
        let (start, end) = slot.range()?;
        (start..end).contains(&address).then_some((slot, end))
    };
    let Some((slot, end)) = SLOTS.iter().find_map(of_address) else { return false };
    let from = address & !(page - 1);
    slot.zeros.store(true, Ordering::Relaxed);
    // SAFETY: the range is a part of a map of ours, in which this thread is at this moment: it is not
    // dropped meanwhile. Its bytes stay readable. errno is the interrupted code's, and is put back.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let place = ptr::without_provenance_mut(from);
        let filled = libc::mmap(place, end - from, libc::PROT_READ, flags, -1, 0);
        *errno = before;
        filled != libc::MAP_FAILED
    }
}

/// Does what would have been done without us.
fn pass_on(previous: &libc::sigaction, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid pointer.
    let sent = unsafe { (*info).si_code } <= 0;
    match previous.sa_sigaction {
        // Nobody can ignore a touch of what is not there.
        libc::SIG_IGN if sent => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: all zero is a value of the struct: the default, no flags. Both calls are allowed
            // in handlers.
            unsafe {
                let default: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, &raw const default, ptr::null_mut());
                // A touch is tried again, and raises the signal by itself.
                if sent {
                    libc::raise(signal);
                }
            }
        }
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with this flag, whoever installed it said that it is such a function.
            let handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: without the flag, it is one that takes the number only.
            let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
            handler(signal);
        }
    }
}

#[cfg(test)]
mod tests;

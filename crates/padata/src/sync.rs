//! The synchronisation types of this crate: the standard ones, loom's under `cfg(loom)`,
//! shuttle's under `cfg(shuttle)`.
//!
//! No other file imports `std::sync` or `std::thread`, so the code that ships is the code that
//! the two model checkers run. The few places where the three differ (spinning, poisoning, a
//! checked cell) are hidden here.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{LockResult, PoisonError};
use std::time::Instant;

#[cfg(loom)]
use loom as imp;
#[cfg(shuttle)]
use shuttle as imp;
#[cfg(not(any(loom, shuttle)))]
use std as imp;

pub(crate) use imp::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use imp::sync::{Arc, Condvar, Mutex, MutexGuard};
pub(crate) use imp::thread::JoinHandle;
pub(crate) use imp::thread_local;

/// The number of CPUs by the standard library, where ours does not know: a fact about the machine,
/// which no model checker replaces.
pub(crate) fn fallback_parallelism() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Keeps its content on cache lines of its own, two of them, for they are fetched in pairs: for a
/// word that one thread writes while others read what would stand beside it.
#[repr(align(128))]
pub(crate) struct OwnLines<T>(pub(crate) T);

/// Looks for `done` a few times and says whether it came true.
///
/// For waits on units that are already running: a sleep and a wake-up cost tens of microseconds.
/// Under a model checker each look is one more state and proves nothing, so there is only one.
pub(crate) fn spin_until(done: impl Fn() -> bool) -> bool {
    let looks = if cfg!(any(loom, shuttle)) { 1 } else { 256 };
    (0..looks).any(|_| {
        std::hint::spin_loop();
        done()
    })
}

/// How long somebody looks for work before it goes to sleep, in looks: about 20 microseconds.
const IDLE_LOOKS: usize = if cfg!(any(loom, shuttle)) { 1 } else { 1000 };

/// As [`spin_until`], for longer: for threads that soon have something to do, as a rule.
pub(crate) fn idle_until(done: impl Fn() -> bool) -> bool {
    (0..IDLE_LOOKS).any(|_| {
        std::hint::spin_loop();
        done()
    })
}

/// Goes on looking for `done` until `nanos` have passed, and lets others run between the looks: who
/// will make it true may be waiting for this CPU.
pub(crate) fn linger_until(clock: Clock, nanos: u64, done: impl Fn() -> bool) -> bool {
    if cfg!(any(loom, shuttle)) || nanos == 0 {
        return false;
    }
    let end = clock.now() + nanos;
    while clock.now() < end {
        yield_now();
        if spin_until(&done) {
            return true;
        }
    }
    false
}

/// A transition at which another thread may come in between. Tests under stress wait here for a
/// while, now and then; otherwise nothing happens.
#[inline]
pub(crate) fn transition() {
    #[cfg(all(test, not(any(loom, shuttle))))]
    delays::pause();
}

/// Delays at transitions, for tests.
#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) mod delays {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// 0 for none.
    static SEED: AtomicU64 = AtomicU64::new(0);

    std::thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }

    /// Delays threads, by what follows from `seed`, while `body` runs: all of the process.
    pub(crate) fn during<R>(seed: u64, body: impl FnOnce() -> R) -> R {
        struct Over(u64);
        impl Drop for Over {
            fn drop(&mut self) {
                SEED.store(self.0, Ordering::Relaxed);
            }
        }

        let _over = Over(SEED.swap(seed, Ordering::Relaxed));
        body()
    }

    /// None mostly, a spin, a yield, or a sleep of 50 microseconds.
    pub(super) fn pause() {
        let seed = SEED.load(Ordering::Relaxed);
        if seed == 0 {
            return;
        }
        let _ = STATE.try_with(|state| {
            // Each thread begins elsewhere; xorshift.
            let address = std::ptr::from_ref(state) as u64;
            let mut x = if state.get() == 0 { seed ^ address | 1 } else { state.get() };
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            state.set(x);
            match x % 64 {
                0 => std::thread::sleep(Duration::from_micros(50)),
                1..=4 => std::thread::yield_now(),
                5..=16 => (0..x >> 54).for_each(|_| std::hint::spin_loop()),
                _ => {}
            }
        });
    }
}

/// A number that nothing else in this process has. Not a modelled atomic: it orders nothing.
pub(crate) fn fresh_id() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Measures time from when it was made. In the models, which must be repeatable, no time passes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Clock(Instant::now())
    }

    /// Whether it is later than `nanos`. In the models, whatever it is, it is too late.
    pub(crate) fn is_past(self, nanos: u64) -> bool {
        cfg!(any(loom, shuttle)) || self.now() >= nanos
    }

    /// The moment at which this many nanoseconds had passed.
    pub(crate) fn instant(self, nanos: u64) -> Instant {
        self.0 + std::time::Duration::from_nanos(nanos)
    }

    /// Nanoseconds.
    pub(crate) fn now(self) -> u64 {
        if cfg!(any(loom, shuttle)) { 0 } else { self.0.elapsed().as_nanos() as u64 }
    }
}

/// Starts a thread with the given name.
pub(crate) fn spawn(
    name: String,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    imp::thread::Builder::new().name(name).spawn(body)
}

/// Lets other threads run.
pub(crate) fn yield_now() {
    imp::thread::yield_now();
}

/// Runs `body` on a thread that ends afterwards; nothing if there is no thread to be had.
pub(crate) fn call_apart<R: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> R + Send + 'static,
) -> Option<R> {
    imp::thread::Builder::new().name(name.to_owned()).spawn(body).ok()?.join().ok()
}

/// Whether the calling thread unwinds.
pub(crate) fn is_panicking() -> bool {
    std::thread::panicking()
}

/// Whether a thread has ended, so that there is nothing to wait for. The models, which want every
/// thread joined, never say so.
pub(crate) fn has_ended(handle: &JoinHandle<()>) -> bool {
    #[cfg(any(loom, shuttle))]
    {
        let _ = handle;
        false
    }
    #[cfg(not(any(loom, shuttle)))]
    handle.is_finished()
}

/// Whether `handle` is that of the calling thread, which cannot wait for itself.
pub(crate) fn is_this_thread(handle: &JoinHandle<()>) -> bool {
    handle.thread().id() == imp::thread::current().id()
}

/// Locks, whether or not a thread panicked while it held the lock: no user code runs under a
/// lock of this crate, so what it guards is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    even_if_poisoned(mutex.lock())
}

/// Waits on `condvar`; as with [`lock`], poisoning means nothing here.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    even_if_poisoned(condvar.wait(guard))
}

/// As [`wait`], for no longer than `nanos`. The models, in which no time passes, never come here.
pub(crate) fn wait_for<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    nanos: u64,
) -> MutexGuard<'a, T> {
    #[cfg(any(loom, shuttle))]
    {
        let _ = nanos;
        wait(condvar, guard)
    }
    #[cfg(not(any(loom, shuttle)))]
    even_if_poisoned(condvar.wait_timeout(guard, std::time::Duration::from_nanos(nanos))).0
}

/// Takes the value out of a mutex that nobody shares any more.
pub(crate) fn into_inner<T>(mutex: Mutex<T>) -> T {
    even_if_poisoned(mutex.into_inner())
}

fn even_if_poisoned<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// A cell in the shape that loom can check: every access is a closure over a raw pointer.
pub(crate) struct UnsafeCell<T>(
    #[cfg(loom)] loom::cell::UnsafeCell<T>,
    #[cfg(not(loom))] std::cell::UnsafeCell<T>,
);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell(imp_cell(value))
    }

    /// Runs `access` with a pointer that it may write through, if nobody else uses the cell.
    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(loom)]
        return self.0.with_mut(access);
        #[cfg(not(loom))]
        return access(self.0.get());
    }

    pub(crate) fn into_inner(self) -> T {
        // Ownership alone proves nothing to loom: this is the access that it checks.
        #[cfg(loom)]
        self.0.with_mut(|_| ());
        self.0.into_inner()
    }
}

#[cfg(loom)]
fn imp_cell<T>(value: T) -> loom::cell::UnsafeCell<T> {
    loom::cell::UnsafeCell::new(value)
}

#[cfg(not(loom))]
fn imp_cell<T>(value: T) -> std::cell::UnsafeCell<T> {
    std::cell::UnsafeCell::new(value)
}

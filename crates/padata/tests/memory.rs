//! Large memory on many threads: contents, undo, and what the kernel says of the pages.
#![cfg(all(target_os = "linux", not(any(loom, shuttle))))]
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use padata::topology::NodeId;
use padata::{ChunkRule, Nice, Pool, memory};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

const MIB: usize = 1 << 20;

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).unwrap())
}

/// A number of KiB from this process's status.
fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn clear_clears_all_and_nothing_else() {
    for threads in [1, 2, 5] {
        for (begin, end) in [(0, 0), (5, 6), (1, 30 * MIB - 7), (2 * MIB, 12 * MIB + 1)] {
            for nice in [Nice::Inherit, Nice::Max] {
                let mut bytes = vec![7_u8; 30 * MIB];
                let work = pool(threads);
                let report = memory::on(&work).nice(nice).clear(&mut bytes[begin..end]);
                assert_eq!(report.units, (end - begin) as u64);
                assert!(report.threads <= threads);
                assert!(bytes[..begin].iter().chain(&bytes[end..]).all(|&byte| byte == 7));
                assert!(bytes[begin..end].iter().all(|&byte| byte == 0));
            }
        }
    }
}

#[test]
fn parts_on_nodes_are_cleared_too() {
    let mut bytes = vec![7_u8; 30 * MIB];
    // A node that is there, one that is not, and more bytes than there are.
    let nodes = [(10 * MIB + 3, NodeId(0)), (5 * MIB, NodeId(900)), (99 * MIB, NodeId(0))];
    memory::on(&pool(2)).nodes(nodes).clear(&mut bytes);
    assert!(bytes.iter().all(|&byte| byte == 0));
    memory::on(&pool(2)).nodes([(MIB, NodeId(0))]).clear(&mut bytes[..4096]);
}

#[test]
fn populate_leaves_contents_and_makes_pages() {
    let mut bytes = vec![0_u8; 64 * MIB];
    bytes[5] = 9;
    bytes[64 * MIB - 1] = 8;
    let before = status_kib("RssAnon:");
    memory::on(&pool(2)).populate(&mut bytes[1..]).unwrap();
    let grown = status_kib("RssAnon:").saturating_sub(before);
    assert!(grown > 60 * 1024, "{grown} KiB more");
    assert_eq!((bytes[5], bytes[64 * MIB - 1]), (9, 8));
    assert_eq!(bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 17);
}

/// The kernel counts locked memory for the process: one test at a time.
static LOCKS: Mutex<()> = Mutex::new(());

#[test]
fn lock_and_unlock() {
    let _alone = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = vec![1_u8; 32 * 1024];
    memory::on(&pool(2)).lock(&bytes).unwrap();
    assert!(status_kib("VmLck:") >= 32);
    memory::unlock(&bytes).unwrap();
    assert_eq!(status_kib("VmLck:"), 0);
}

/// All or nothing, when `RLIMIT_MEMLOCK` stops it halfway; what was populated meanwhile stays.
#[test]
fn lock_beyond_the_limit_is_undone() {
    let _alone = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    // Two chunks of 4 MiB or more fit, at most; on systems that allow less, not even one.
    let maximum = getrlimit(Resource::Memlock).maximum;
    let limit = maximum.map_or(8 * MIB as u64, |maximum| maximum.min(8 * MIB as u64));
    setrlimit(Resource::Memlock, Rlimit { current: Some(limit), maximum }).unwrap();
    for threads in [1, 2, 4] {
        // Threads inherit what this one may do, so that it is not the test's thread.
        let limited = thread::spawn(move || {
            let mut may = capabilities(None).unwrap();
            may.effective.remove(CapabilitySet::IPC_LOCK);
            set_capabilities(None, may).unwrap();
            let bytes = vec![1_u8; 14 * MIB];
            let pool = pool(threads);
            let error = memory::on(&pool).lock(&bytes).unwrap_err();
            assert_eq!(error.io_error().kind(), std::io::ErrorKind::OutOfMemory);
            let words = error.to_string();
            assert!(words.starts_with("cannot lock bytes "), "{words}");
            assert!(error.undone <= limit as usize && error.at.len() <= 14 * MIB);
            assert!(threads == 1 || limit < 8 * MIB as u64 || error.undone >= 4 * MIB - 4096);
            assert_eq!(status_kib("VmLck:"), 0, "{threads} threads");
            // Below the limit it works.
            let little = &bytes[..limit as usize / 2];
            memory::on(&pool).lock(little).unwrap();
            memory::unlock(little).unwrap();
        });
        limited.join().unwrap();
    }
}

#[test]
fn init_slice_gives_each_element_its_index() {
    for rule in [ChunkRule::Kernel, ChunkRule::Guided] {
        for len in [0, 1, 1000, 3_000_000] {
            let mut elements: Vec<u32> = Vec::with_capacity(len);
            let room = &mut elements.spare_capacity_mut()[..len];
            let done = memory::on(&pool(3)).chunk_rule(rule).init_slice(room, |index| index as u32);
            assert!(done.iter().copied().eq(0..len as u32));
        }
    }
}

#[test]
fn init_slice_of_nothing_to_store() {
    let mut units: Vec<()> = Vec::with_capacity(1);
    let calls = AtomicUsize::new(0);
    let room = &mut units.spare_capacity_mut()[..5000];
    memory::on(&pool(2)).init_slice(room, |_| {
        calls.fetch_add(1, SeqCst);
    });
    assert_eq!(calls.into_inner(), 5000);
}

/// Elements of an odd size that count themselves. A panic drops each that was made, once.
#[test]
fn init_slice_drops_what_it_made_when_it_panics() {
    struct Counted(Arc<AtomicUsize>, #[expect(dead_code, reason = "its size")] [u8; 41]);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let len = 500_000;
    for panics_at in [0, 1, 77_777, len - 1] {
        let alive = Arc::new(AtomicUsize::new(0));
        let mut elements: Vec<Counted> = Vec::with_capacity(len);
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            let room = &mut elements.spare_capacity_mut()[..len];
            memory::on(&pool(3)).init_slice(room, |index| {
                if index == panics_at {
                    panic::resume_unwind(Box::new(index));
                }
                alive.fetch_add(1, SeqCst);
                Counted(Arc::clone(&alive), [0; 41])
            });
        }));
        assert_eq!(*outcome.unwrap_err().downcast::<usize>().unwrap(), panics_at);
        assert_eq!(alive.load(SeqCst), 0);
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}

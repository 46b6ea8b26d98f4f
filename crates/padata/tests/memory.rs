//! Large memory on many threads: contents, undo, and what the kernel says of the pages.
#![cfg(all(target_os = "linux", not(any(loom, shuttle))))]
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use padata::topology::NodeId;
use padata::{ChunkRule, Nice, Pool, memory};

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

#[test]
fn lock_and_unlock() {
    // Other tests lock nothing, so the process's count is this test's; `RLIMIT_MEMLOCK` is 64 KiB
    // on old systems.
    let bytes = vec![1_u8; 32 * 1024];
    memory::on(&pool(2)).lock(&bytes).unwrap();
    assert!(status_kib("VmLck:") >= 32);
    memory::unlock(&bytes).unwrap();
    assert_eq!(status_kib("VmLck:"), 0);
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

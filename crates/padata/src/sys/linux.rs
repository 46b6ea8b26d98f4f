//! The system calls, on Linux.
//!
//! Each function is safe to call: it passes the kernel a number, a buffer of its own, or a range
//! of memory that it borrows for as long as the call lasts.
#![expect(unsafe_code, reason = "system calls that std does not have")]

use std::io;
use std::mem::MaybeUninit;

use libc::{c_int, c_long, c_ulong};

use super::{MemoryPolicy, NODES_MAX, Priority};
use crate::topology::{CpuId, CpuSet, NodeId};

/// A thread, as the kernel numbers it. The number is the thread's only while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tid(libc::id_t);

impl Tid {
    /// For an atomic word.
    pub(crate) fn to_word(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn from_word(word: usize) -> Self {
        Tid(word as libc::id_t)
    }
}

/// The calling thread.
pub(crate) fn this_thread() -> Tid {
    // SAFETY: takes nothing and cannot fail.
    Tid(unsafe { libc::syscall(libc::SYS_gettid) } as libc::id_t)
}

/// The CPU that the calling thread runs on, at the moment.
pub(crate) fn this_cpu() -> Option<CpuId> {
    // SAFETY: takes nothing.
    u32::try_from(unsafe { libc::sched_getcpu() }).ok().map(CpuId)
}

/// Room for 8,192 CPUs, the most that the kernel can be built for.
const CPU_WORDS: usize = 128;

/// The CPUs that the calling thread may run on.
pub(crate) fn affinity() -> io::Result<CpuSet> {
    let mut words = [0_u64; CPU_WORDS];
    // The system call, not libc's function: that one has a set of fixed size.
    // SAFETY: the buffer is ours and as long as we say; thread 0 is the calling one.
    let bytes = checked(unsafe {
        libc::syscall(libc::SYS_sched_getaffinity, 0, size_of_val(&words), words.as_mut_ptr())
    })?;
    Ok(CpuSet::from_words(&words[..(bytes as usize).div_ceil(8).min(CPU_WORDS)]))
}

/// Restricts the calling thread to `cpus`.
pub(crate) fn set_affinity(cpus: &CpuSet) -> io::Result<()> {
    let words = cpus.words();
    // SAFETY: the kernel only reads the words, as many bytes as we say.
    checked(unsafe {
        libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(words), words.as_ptr())
    })?;
    Ok(())
}

/// Where the calling thread's new memory comes from.
pub(crate) fn memory_policy() -> io::Result<MemoryPolicy> {
    let mut mode: c_int = 0;
    let mut nodes = [0_u64; NODES_MAX / 64];
    // SAFETY: both buffers are ours; the mask has as many bits as we say. No address is asked for.
    checked(unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut mode,
            nodes.as_mut_ptr(),
            NODES_MAX as c_ulong,
            0 as c_ulong,
            0 as c_ulong,
        )
    })?;
    let words = nodes.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1);
    Ok(MemoryPolicy { mode, nodes: nodes[..words].to_vec() })
}

/// Gives the calling thread a memory policy, one that [`memory_policy`] returned.
pub(crate) fn set_memory_policy(policy: &MemoryPolicy) -> io::Result<()> {
    let (mask, bits) = mask_of(&policy.nodes);
    // SAFETY: the kernel only reads the mask, which has as many bits as we say.
    checked(unsafe { libc::syscall(libc::SYS_set_mempolicy, policy.mode, mask, bits) })?;
    Ok(())
}

/// A node mask as the kernel wants it: a pointer, null for none, and a number of bits. The kernel
/// looks at one bit less than that number.
fn mask_of(nodes: &[u64]) -> (*const u64, c_ulong) {
    match nodes {
        [] => (std::ptr::null(), 0),
        nodes => (nodes.as_ptr(), (nodes.len() * 64 + 1) as c_ulong),
    }
}

/// The priority of the calling thread.
pub(crate) fn priority() -> Priority {
    // SAFETY: takes numbers. 0 is the calling thread. An error is impossible for it, and would
    // be taken for the default.
    unsafe {
        Priority {
            policy: (libc::syscall(libc::SYS_sched_getscheduler, 0) as c_int).max(0),
            // The system call returns 20 minus the nice value, 1 to 40.
            nice: 20 - libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) as i32,
        }
    }
}

/// Lowers the calling thread: to `SCHED_IDLE`, or to nice 19.
pub(crate) fn lower(to_idle: bool) -> io::Result<()> {
    let Tid(tid) = this_thread();
    if to_idle {
        return set_policy(tid, libc::SCHED_IDLE);
    }
    // Nice values mean nothing to real-time policies, which a thread inherits.
    if !matches!(priority().policy, libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE) {
        set_policy(tid, libc::SCHED_OTHER)?;
    }
    set_nice(tid, 19)
}

/// Gives a thread a priority. `thread` must be alive: numbers of dead threads are used again.
///
/// Real-time policies are not handed on: the thread gets the nice value, and the default policy.
///
/// # Errors
/// Without `CAP_SYS_NICE` and a sufficient `RLIMIT_NICE` a thread cannot be raised (EACCES,
/// EPERM).
pub(crate) fn raise(thread: Tid, to: Priority) -> io::Result<()> {
    let Tid(tid) = thread;
    let policy = match to.policy {
        libc::SCHED_BATCH | libc::SCHED_IDLE => to.policy,
        _ => libc::SCHED_OTHER,
    };
    set_policy(tid, policy)?;
    set_nice(tid, to.nice)
}

fn set_policy(tid: libc::id_t, policy: c_int) -> io::Result<()> {
    // SAFETY: all zero is a value of the struct, on every libc; the only field that counts is
    // the priority, and it has to be 0 for these policies.
    let param: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
    // The system call, for musl's function refuses.
    // SAFETY: the kernel only reads the struct.
    checked(unsafe { libc::syscall(libc::SYS_sched_setscheduler, tid, policy, &raw const param) })?;
    Ok(())
}

fn set_nice(tid: libc::id_t, nice: i32) -> io::Result<()> {
    // The type of the first argument differs between C libraries.
    // SAFETY: takes numbers. On Linux this is about one thread, whatever its name says.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS as _, tid, nice) };
    checked(c_long::from(result))?;
    Ok(())
}

/// The size of a page, in bytes, a power of two.
pub(crate) fn page_size() -> usize {
    // SAFETY: takes a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// Makes the kernel give pages to all pages that `range` touches. Contents stay.
///
/// # Errors
/// EINVAL before Linux 5.14; otherwise ENOMEM, EFAULT or EHWPOISON, with a part of it done.
pub(crate) fn populate(range: &mut [u8]) -> io::Result<()> {
    let before = range.as_ptr().addr() % page_size();
    // SAFETY: from the start of the page where the range, which is borrowed for writing, begins;
    // the call changes no byte.
    let result = unsafe {
        libc::madvise(
            range.as_mut_ptr().wrapping_sub(before).cast(),
            before + range.len(),
            libc::MADV_POPULATE_WRITE,
        )
    };
    checked(c_long::from(result))?;
    Ok(())
}

/// Keeps the pages that `range` touches in memory.
///
/// # Errors
/// ENOMEM beyond `RLIMIT_MEMLOCK`, EPERM if that is 0, EAGAIN if some pages could not be had.
pub(crate) fn lock(range: &[u8]) -> io::Result<()> {
    // SAFETY: the range is borrowed; the call changes no byte of it.
    let result = unsafe { libc::mlock(range.as_ptr().cast(), range.len()) };
    checked(c_long::from(result))?;
    Ok(())
}

/// Undoes [`lock`], for all pages that `range` touches, however often they were locked.
pub(crate) fn unlock(range: &[u8]) -> io::Result<()> {
    // SAFETY: as above.
    let result = unsafe { libc::munlock(range.as_ptr().cast(), range.len()) };
    checked(c_long::from(result))?;
    Ok(())
}

/// Says that the whole pages in `range` should come from `node` when they are touched, if it has
/// memory left.
pub(crate) fn prefer_node(range: &mut [MaybeUninit<u8>], node: NodeId) -> io::Result<()> {
    let node = node.0 as usize;
    if node >= NODES_MAX {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut nodes = [0_u64; NODES_MAX / 64];
    nodes[node / 64] = 1 << (node % 64);
    let (mask, bits) = mask_of(&nodes[..=node / 64]);
    let page = page_size();
    let skipped = range.as_ptr().addr().wrapping_neg() % page;
    let Some(pages) = range.get_mut(skipped..).filter(|rest| rest.len() >= page) else {
        return Ok(());
    };
    // SAFETY: the range is borrowed for writing, the call changes no byte of it; the kernel only
    // reads the mask, which has as many bits as we say.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mbind,
            pages.as_mut_ptr(),
            pages.len() / page * page,
            libc::MPOL_PREFERRED,
            mask,
            bits,
            0 as c_ulong,
        )
    })?;
    Ok(())
}

/// The result of a system call, or the error it left.
fn checked(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `body` on a thread of its own, for what it changes cannot always be changed back.
    fn apart<R: Send>(body: impl FnOnce() -> R + Send) -> R {
        std::thread::scope(|scope| scope.spawn(body).join().unwrap())
    }

    #[test]
    fn affinity_of_one_cpu() {
        apart(|| {
            let all = affinity().unwrap();
            let first: CpuSet = all.iter().take(1).collect();
            set_affinity(&first).unwrap();
            assert_eq!(affinity().unwrap(), first);
            assert_eq!(this_cpu(), first.iter().next());
            set_affinity(&all).unwrap();
            assert_eq!(affinity().unwrap(), all);
            assert!(set_affinity(&CpuSet::new()).is_err());
        });
    }

    #[test]
    fn a_lowered_thread_says_so() {
        let before = priority();
        let (nice, idle) = apart(|| {
            lower(false).unwrap();
            let nice = priority();
            lower(true).unwrap();
            (nice, priority())
        });
        assert_eq!(nice, Priority { nice: 19, ..before });
        assert_eq!(idle.policy, libc::SCHED_IDLE);
        assert_eq!(priority(), before, "the other thread's priority is its own");
    }

    #[test]
    fn memory_policy_is_a_threads_own() {
        // Where the sandbox forbids the call, there is nothing to hand on.
        let Ok(before) = memory_policy() else { return };
        let node_0 = MemoryPolicy::preferring_node_0();
        apart(|| {
            set_memory_policy(&node_0).unwrap();
            assert_eq!(memory_policy().unwrap(), node_0);
        });
        assert_eq!(memory_policy().unwrap(), before);
    }

    #[test]
    fn nodes_beyond_the_mask_are_refused() {
        let mut page = [MaybeUninit::uninit(); 1];
        assert!(prefer_node(&mut page, NodeId(u32::MAX)).is_err());
    }
}

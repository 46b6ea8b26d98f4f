//! Where helpers run and at which priority: what the kernel says of each thread.
#![cfg(all(target_os = "linux", not(any(loom, shuttle))))]
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod watchdog;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Barrier, Mutex};
use std::thread;

use padata::topology::{CpuSet, NodeId};
use padata::{CancelToken, Job, Nice, Part, Pool, Raise};
use rustix::thread::{
    CapabilitySet, CpuSet as RawSet, capabilities, sched_setaffinity, set_capabilities,
};
use watchdog::in_time;

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).unwrap())
}

/// Where the calling thread may run.
fn allowed() -> CpuSet {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
    line.split_once(':').unwrap().1.parse().unwrap()
}

/// Lets the calling thread run on these CPUs only.
fn pin(cpus: &CpuSet) {
    let mut raw = RawSet::new();
    cpus.iter().for_each(|cpu| raw.set(cpu.0 as usize));
    sched_setaffinity(None, &raw).unwrap();
}

/// The nice value of a thread that is alive.
fn nice_if_alive(thread: &str) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{thread}/stat")).ok()?;
    // The name may have spaces, so from behind it; nice is field 19.
    let nice = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap();
    Some(nice.parse().unwrap())
}

fn nice_of(thread: &str) -> i32 {
    nice_if_alive(thread).unwrap()
}

fn this_thread() -> String {
    let path = fs::read_link("/proc/thread-self").unwrap();
    path.to_str().unwrap().to_owned()
}

/// A machine with the given nodes, below `root`: the CPUs of each, empty for none.
fn machine(root: &Path, nodes: &[CpuSet]) {
    let file = |path: &str, text: String| {
        let path = root.join("sys/devices/system").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let all = nodes.iter().fold(CpuSet::new(), |all, cpus| all.union(cpus));
    file("cpu/online", format!("{all}\n"));
    file("node/online", format!("0-{}\n", nodes.len() - 1));
    for (id, cpus) in nodes.iter().enumerate() {
        file(&format!("node/node{id}/cpulist"), format!("{cpus}\n"));
        // All nodes are equally far from each other.
        let distances = (0..nodes.len()).map(|other| if other == id { "10" } else { "20" });
        let distances = distances.collect::<Vec<_>>().join(" ");
        file(&format!("node/node{id}/distance"), format!("{distances}\n"));
    }
}

/// On machines of 1 to 8 nodes, whose CPUs are those that there are here, and with nodes that have
/// no CPUs: helpers run near the part whose chunk they run. The caller is not moved.
#[test]
fn helpers_run_on_the_node_of_their_part() {
    in_time(|| {
        let here = allowed();
        for count in 1..=8 {
            let root = tempfile::tempdir().unwrap();
            let cpus: Vec<_> = here.iter().collect();
            // Node 2 of 3 has memory only.
            let mut nodes = vec![CpuSet::new(); count];
            let with_cpus: Vec<usize> = (0..count).filter(|node| node % 3 != 2).collect();
            for (index, cpu) in cpus.iter().enumerate() {
                nodes[with_cpus[index % with_cpus.len()]].insert(*cpu);
            }
            machine(root.path(), &nodes);
            let pool = Pool::auto_below(root.path());
            pool.set_threads(NonZeroUsize::new(3).unwrap());

            let parts = (0..count).map(|node| Part {
                start: node as u64 * 1000,
                units: if node % 4 == 3 { 0 } else { 40 },
                node: Some(NodeId(node as u32)),
            });
            let seen = Mutex::new(BTreeMap::new());
            Job::parts(parts)
                .max_threads(3)
                .run(&pool, |chunk| {
                    let worker = (chunk.worker() == 0, chunk.node().unwrap());
                    seen.lock().unwrap().entry(worker).or_insert_with(Vec::new).push(allowed());
                    Ok::<_, Infallible>(())
                })
                .unwrap();
            for ((is_caller, node), places) in seen.into_inner().unwrap() {
                let near = &nodes[node.0 as usize];
                for place in places {
                    // A part near which all CPUs have a thread is worked at from anywhere.
                    let is_near = place == near.intersection(&here) || place == here;
                    let elsewhere = near.is_empty() && place.is_subset(&here);
                    assert!(!is_caller || place == here, "the caller was moved to {place}");
                    assert!(is_caller || is_near || elsewhere, "at {place}, not at {near}");
                }
            }
        }
    });
}

/// A helper goes to the node of its part, if the caller is not there; for the next job it is where
/// the caller may run.
#[test]
fn a_helper_goes_to_its_node_and_comes_back() {
    in_time(|| {
        let here = allowed();
        let (first, last) = (here.iter().next().unwrap(), here.iter().last().unwrap());
        let node = |cpu| [cpu].into_iter().collect::<CpuSet>();
        let root = tempfile::tempdir().unwrap();
        machine(root.path(), &[node(first), node(last)]);
        let pool = Pool::auto_below(root.path());
        pool.set_threads(NonZeroUsize::new(2).unwrap());
        // The caller has to be elsewhere, and may not be pinned there, for its helpers would be
        // too: it is sent there, and again if it did not stay.
        let place = loop {
            pin(&node(first));
            pin(&here);
            let meeting = Barrier::new(2);
            let seen = Mutex::new(None);
            let caller_cpu = rustix::thread::sched_getcpu();
            let parts = [0, 1].map(|start| Part { start, units: 1, node: Some(NodeId(1)) });
            Job::parts(parts)
                .run(&pool, |chunk| {
                    meeting.wait(); // one part each
                    if chunk.worker() != 0 {
                        *seen.lock().unwrap() = Some(allowed());
                    }
                    Ok::<_, Infallible>(())
                })
                .unwrap();
            let was_there = [caller_cpu, rustix::thread::sched_getcpu()];
            if first == last || was_there.iter().all(|&cpu| cpu == first.0 as usize) {
                break seen.into_inner().unwrap().unwrap();
            }
        };
        assert_eq!(place, node(last));
        assert_eq!(helpers_place(&pool, Nice::Inherit), here);
    });
}

/// Runs a job of two chunks, one of them on a helper; says where the helper may run.
fn helpers_place(pool: &Pool, nice: Nice) -> CpuSet {
    let (meeting, place) = (Barrier::new(2), Mutex::new(None));
    Job::over(0_u32, 2)
        .nice(nice)
        .run(pool, |chunk| {
            meeting.wait();
            if chunk.worker() != 0 {
                *place.lock().unwrap() = Some(allowed());
            }
            Ok::<_, Infallible>(())
        })
        .unwrap();
    place.into_inner().unwrap().unwrap()
}

#[test]
fn helpers_inherit_the_callers_affinity_each_time() {
    in_time(|| {
        let pool = pool(2);
        let all = allowed();
        for nice in [Nice::Inherit, Nice::Max] {
            for cpu in all.iter() {
                let place = thread::scope(|scope| {
                    let caller = scope.spawn(|| {
                        pin(&[cpu].into_iter().collect());
                        helpers_place(&pool, nice)
                    });
                    caller.join().unwrap()
                });
                assert_eq!(place, [cpu].into_iter().collect());
            }
            assert_eq!(helpers_place(&pool, nice), all, "and back");
        }
    });
}

#[test]
fn the_pools_cpus_bind_helpers_and_can_change_while_they_work() {
    in_time(|| {
        let pool = pool(2);
        let all = allowed();
        for cpu in all.iter() {
            let only: CpuSet = [cpu].into_iter().collect();
            pool.set_cpus(Some(only.clone())).unwrap();
            for nice in [Nice::Inherit, Nice::Max] {
                assert_eq!(helpers_place(&pool, nice), only);
            }
        }
        assert_eq!(allowed(), all, "the caller is where it was");

        // Under way: the helper works until it finds itself elsewhere.
        pool.set_cpus(None).unwrap();
        let only: CpuSet = all.iter().take(1).collect();
        let moved = CancelToken::new();
        let outcome =
            Job::over(0_u64, u64::MAX).min_chunk(1 << 20).cancel(&moved).run(&pool, |chunk| {
                pool.set_cpus(Some(only.clone())).unwrap();
                if chunk.worker() != 0 && allowed() == only {
                    moved.cancel();
                }
                chunk.give_back(1);
                Ok::<_, Infallible>(())
            });
        assert!(outcome.is_err() && moved.is_cancelled());
    });
}

/// Both helpers work until they are raised, and find that the other one is not raised meanwhile.
#[test]
fn helpers_are_raised_one_at_a_time() {
    in_time(|| {
        let pool = pool(3);
        let level = nice_of("thread-self");
        let supported = pool.raise_supported();
        for nice in [Nice::Max, Nice::Idle] {
            let (meeting, both) = (Barrier::new(3), Mutex::new(Vec::new()));
            let report = Job::over(0_u32, 3)
                .nice(nice)
                .run(&pool, |chunk| {
                    let this = this_thread();
                    if chunk.worker() != 0 {
                        assert_eq!(nice_of(&this), if nice == Nice::Max { 19 } else { level });
                        both.lock().unwrap().push(this.clone());
                    }
                    meeting.wait();
                    if chunk.worker() == 0 || !supported || nice == Nice::Idle {
                        return Ok(());
                    }
                    while nice_of(&this) != level {
                        thread::yield_now();
                    }
                    let both = both.lock().unwrap();
                    let other = both.iter().find(|thread| **thread != this).unwrap();
                    // If it has gone, it was raised first.
                    match nice_if_alive(other) {
                        Some(19) => Ok(()),
                        _ => Err("both were raised"),
                    }
                })
                .map_err(|error| error.report);
            // The helper that is raised last finds the first one raised, or gone.
            if supported && nice == Nice::Max {
                let report = report.unwrap_or_else(|report| report);
                assert_eq!(report.raised, 2);
                assert!(report.units >= 2, "the first one saw the other raised: {report:?}");
            }
        }
    });
}

#[test]
fn without_a_raise_nobody_is_raised() {
    let pool = pool(2);
    let report = Job::over(0_u32, 100)
        .nice(Nice::Max)
        .raise(Raise::None)
        .run(&pool, |_| Ok::<_, Infallible>(()))
        .unwrap();
    assert_eq!((report.raised, report.raise_refused), (0, false));
}

/// No thread but the job's helpers is ever reniced: neither the caller nor the pool's helpers.
#[test]
fn caller_and_pool_keep_their_priority() {
    in_time(|| {
        let pool = pool(2);
        let before = nice_of("thread-self");
        for nice in [Nice::Max, Nice::Idle] {
            Job::over(0_u32, 2).nice(nice).run(&pool, |_| Ok::<_, Infallible>(())).unwrap();
        }
        assert_eq!(nice_of("thread-self"), before);
        let meeting = Barrier::new(2);
        Job::over(0_u32, 2)
            .run(&pool, |_| {
                meeting.wait();
                assert_eq!(nice_of("thread-self"), before);
                Ok::<_, Infallible>(())
            })
            .unwrap();
    });
}

/// Runs `test` on a thread that may not raise priorities; so may not what it starts.
fn without_the_right_to_raise(test: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let limited = scope.spawn(|| {
            let mut may = capabilities(None).unwrap();
            may.effective.remove(CapabilitySet::SYS_NICE);
            set_capabilities(None, may).unwrap();
            test();
        });
        limited.join().unwrap();
    });
}

/// The fallback: helpers take the smallest chunks, the caller large ones, and nobody is raised.
#[test]
fn where_nobody_may_be_raised_helpers_take_little_at_a_time() {
    in_time(|| {
        without_the_right_to_raise(|| {
            let pool = pool(2);
            assert!(!pool.raise_supported());
            let helped = CancelToken::new();
            let sizes = Mutex::new([Vec::new(), Vec::new()]);
            let report = Job::over(0_u32, 1000)
                .min_chunk(10)
                .nice(Nice::Max)
                .run(&pool, |chunk| {
                    let is_helper = chunk.worker() != 0;
                    sizes.lock().unwrap()[usize::from(is_helper)].push(chunk.units());
                    if is_helper {
                        helped.cancel();
                    }
                    while !helped.is_cancelled() {
                        thread::yield_now(); // so that the helper gets some
                    }
                    while sizes.lock().unwrap()[0].is_empty() {
                        thread::yield_now(); // and the caller its first while there is much left
                    }
                    Ok::<_, Infallible>(())
                })
                .unwrap();
            let [caller, helper] = sizes.into_inner().unwrap();
            // What is left at the end may be less than a chunk, and anybody's.
            assert!(caller[0] > 100 && helper.iter().all(|&units| units <= 10), "{helper:?}");
            assert_eq!(helper[0], 10);
            assert_eq!((report.units, report.raised, report.raise_refused), (1000, 0, false));
        });
    });
}

/// The pool found that it may raise, and then the caller gave that right up.
#[test]
fn a_raise_that_is_refused_is_told() {
    in_time(|| {
        let pool = pool(2);
        if !pool.raise_supported() {
            return without_the_right_to_raise(|| assert!(!pool.raise_supported()));
        }
        without_the_right_to_raise(|| {
            let meeting = Barrier::new(2);
            let report = Job::over(0_u32, 2)
                .nice(Nice::Max)
                .run(&pool, |chunk| {
                    meeting.wait();
                    while chunk.worker() != 0 && !chunk.is_wanted_back() {
                        thread::yield_now(); // until the caller waits
                    }
                    Ok::<_, Infallible>(())
                })
                .unwrap();
            assert_eq!((report.units, report.raised, report.raise_refused), (2, 0, true));
        });
    });
}

/// A pool's helper that is needed first by a job within a chunk of low priority: a later job finds
/// it at the normal priority, or not at all.
#[test]
fn helpers_started_from_low_priority_are_no_helpers_of_the_pool() {
    in_time(|| {
        let level = nice_of("thread-self");
        for nice in [Nice::Max, Nice::Idle] {
            let pool = pool(3);
            let meeting = Barrier::new(2);
            Job::over(0_u32, 2)
                .max_threads(2)
                .nice(nice)
                .raise(Raise::None) // else the helper may be at the normal priority by then
                .for_each(&pool, |chunk| {
                    meeting.wait();
                    if chunk.worker() != 0 {
                        let nested = Job::over(0_u32, 100).for_each(&pool, |_| thread::yield_now());
                        assert_eq!(nested.unwrap().units, 100);
                    }
                })
                .unwrap();
            let all_there = Barrier::new(3);
            Job::over(0_u32, 3)
                .for_each(&pool, |_| {
                    all_there.wait();
                    assert_eq!(nice_of("thread-self"), level);
                    let policy = fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
                    let policy = policy.lines().find(|line| line.starts_with("policy"));
                    assert!(policy.is_none_or(|line| !line.ends_with('5')), "{policy:?}");
                })
                .unwrap();
        }
    });
}

/// What a pinned thread may use is not what others may: its change of the cap takes no helper from
/// a job that runs.
#[test]
fn a_cap_set_by_a_pinned_thread_binds_only_as_a_cap() {
    in_time(|| {
        let all = allowed();
        let pool = Pool::auto();
        if pool.threads().get() == 1 {
            return; // there is nothing to take away
        }
        let both = Barrier::new(2);
        let report = Job::over(0_u32, 2)
            .max_threads(2)
            .for_each(&pool, |chunk| {
                both.wait();
                if chunk.worker() == 0 {
                    thread::scope(|scope| {
                        scope.spawn(|| {
                            pin(&all.iter().take(1).collect());
                            pool.set_cap(NonZeroUsize::new(64));
                        });
                    });
                }
            })
            .unwrap();
        assert_eq!(report.units, 2);
        // The helper is there at once: nobody ended it.
        helpers_place(&pool, Nice::Inherit);
        assert!(format!("{pool:?}").contains("helpers_started: 1"), "{pool:?}");
        pool.set_cap(NonZeroUsize::new(1));
        assert_eq!(pool.threads().get(), 1);
    });
}

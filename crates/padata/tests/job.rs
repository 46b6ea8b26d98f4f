//! What a job promises: every unit once, errors that account for every unit, undo of exactly
//! what was done.
#![cfg(not(any(loom, shuttle)))]
#![expect(clippy::single_range_in_vec_init, reason = "lists of ranges are what is compared")]
#![expect(clippy::result_large_err, reason = "closures that return what a job returns")]

mod watchdog;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use padata::{CancelToken, ChunkRule, Failure, Job, Nice, Part, Pool, Position, Raise, Trace};
use proptest::prelude::*;
use watchdog::in_time;

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).expect("at least one thread"))
}

fn ok<T>(value: T) -> Result<T, Infallible> {
    Ok(value)
}

fn rules() -> impl Strategy<Value = ChunkRule> {
    prop_oneof![Just(ChunkRule::Kernel), Just(ChunkRule::Guided)]
}

fn nices() -> impl Strategy<Value = Nice> {
    prop_oneof![4 => Just(Nice::Inherit), 1 => Just(Nice::Max), 1 => Just(Nice::Idle)]
}

/// What a chunk of the test does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Run,
    /// Fails when it comes to this unit, having told (or not) how far it came.
    Fail {
        told: bool,
    },
    Panic {
        told: bool,
    },
    /// Hands back what comes after this unit.
    GiveBack,
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Run),
        2 => any::<bool>().prop_map(|told| Act::Fail { told }),
        1 => any::<bool>().prop_map(|told| Act::Panic { told }),
        2 => Just(Act::GiveBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Unit by unit, whatever happens: each is run at most once, is listed exactly once, and is
    /// undone once if it was done and the job failed. Units in a chunk that failed without
    /// telling how far it came are that chunk's own affair.
    #[test]
    fn accounts_for_every_unit(
        sizes in prop::collection::vec(0..120_u64, 1..4),
        threads in 1..=4_usize,
        align in 0..9_u64,
        min_chunk in 0..20_u64,
        rule in rules(),
        nice in nices(),
        special in prop::collection::btree_map(0..300_u64, acts(), 0..4),
        cancel_at in prop::option::of(0..300_u64),
    ) {
        let pool = pool(threads);
        let mut starts = Vec::new();
        let mut next = 5;
        for size in &sizes {
            starts.push(Part { start: next, units: *size, node: None });
            next += size + 3; // parts do not touch
        }
        let total = next as usize;
        let counts = || (0..total).map(|_| AtomicU32::new(0)).collect::<Vec<_>>();
        let (ran, in_failed, undone) = (counts(), counts(), counts());
        let token = CancelToken::new();
        let mark = |list: &[AtomicU32], range: Range<u64>| {
            for unit in range {
                list[unit as usize].fetch_add(1, SeqCst);
            }
        };
        let mut undone_ranges = Vec::new();
        let outcome = Job::parts(starts.clone())
            .align(align)
            .min_chunk(min_chunk)
            .chunk_rule(rule)
            .nice(nice)
            .cancel(&token)
            .report_panics(true)
            .undo(|range| {
                mark(&undone, range.clone());
                undone_ranges.push(range);
            })
            .run(&pool, |chunk| {
                for unit in chunk.range() {
                    if cancel_at == Some(unit) {
                        token.cancel();
                    }
                    let act = special.get(&unit).copied().unwrap_or(Act::Run);
                    if let Act::Fail { told } | Act::Panic { told } = act {
                        if told {
                            chunk.done_to(unit);
                            mark(&in_failed, unit..*chunk.end());
                        } else {
                            mark(&in_failed, chunk.range());
                        }
                        if act == (Act::Panic { told }) {
                            panic::resume_unwind(Box::new(unit));
                        }
                        return Err(unit);
                    }
                    mark(&ran, unit..unit + 1);
                    if act == Act::GiveBack {
                        chunk.give_back(unit + 1 - chunk.start());
                        return Ok(());
                    }
                }
                Ok(())
            });

        let mut listed = vec![0; total];
        let mut list = |ranges: &[Range<u64>]| {
            ranges.iter().cloned().flatten().for_each(|unit| listed[unit as usize] += 1);
        };
        let all: Vec<u64> =
            starts.iter().flat_map(|part| part.start..part.start + part.units).collect();
        let failed = match &outcome {
            Ok(report) => {
                prop_assert_eq!(report.units, all.len() as u64);
                list(&starts.iter().map(|part| part.start..part.start + part.units).collect::<Vec<_>>());
                false
            }
            Err(error) => {
                list(&error.completed);
                list(&error.not_started);
                list(error.at.as_slice());
                for failed in &error.also_failed {
                    list(std::slice::from_ref(&failed.at));
                }
                prop_assert_eq!(&error.undone, &undone_ranges);
                let prefixes = error.also_failed.iter().flat_map(|failed| failed.finished_prefix.clone());
                let prefixes: u64 = prefixes.chain(error.finished_prefix.clone())
                    .map(|range| range.end - range.start).sum();
                let completed: u64 = error.completed.iter().map(|range| range.end - range.start).sum();
                prop_assert_eq!(undone_ranges.iter().map(|range| range.end - range.start).sum::<u64>(), completed + prefixes);
                prop_assert_eq!(error.report.units, completed);
                match &error.first {
                    Failure::Error(unit) => {
                        let at = error.at.clone().unwrap();
                        prop_assert!(at.contains(unit));
                    }
                    Failure::Panic(panic) => prop_assert_eq!(panic.message(), "(no message)"),
                    Failure::Cancelled => prop_assert!(token.is_cancelled() && error.at.is_none()),
                    other => prop_assert!(false, "{:?}", other),
                }
                true
            }
        };
        for unit in 0..total {
            let expected = usize::from(all.contains(&(unit as u64)));
            prop_assert_eq!(listed[unit], expected, "unit {} is listed", unit);
            let (ran, in_failed) = (ran[unit].load(SeqCst), in_failed[unit].load(SeqCst));
            prop_assert!(ran <= 1 && in_failed <= 1);
            let to_undo = failed && ran == 1 && in_failed == 0;
            prop_assert_eq!(undone[unit].load(SeqCst), u32::from(to_undo), "unit {} is undone", unit);
            prop_assert!(failed || ran == expected as u32);
        }
    }
}

/// No chunk overflows where positions end.
#[test]
fn starts_near_the_maximum() {
    for rule in [ChunkRule::Kernel, ChunkRule::Guided] {
        for align in [0, 1, 3, 1 << 40, u64::MAX] {
            for min_chunk in [0, 1, 7, u64::MAX] {
                let seen = Mutex::new(Vec::new());
                Job::over(u64::MAX - 100, 100)
                    .align(align)
                    .min_chunk(min_chunk)
                    .chunk_rule(rule)
                    .run(&pool(3), |chunk| {
                        seen.lock().unwrap().extend(chunk.range());
                        ok(())
                    })
                    .unwrap();
                let mut seen = seen.into_inner().unwrap();
                seen.sort_unstable();
                assert!(seen.into_iter().eq(u64::MAX - 100..u64::MAX));
            }
        }
    }
}

#[test]
fn whole_of_the_positions() {
    let units = AtomicU64::new(0);
    let count = |chunk: padata::Chunk<'_, u64>| {
        units.fetch_add(chunk.units(), SeqCst);
        ok(())
    };
    Job::over(0_u64, u64::MAX).min_chunk(1 << 50).run(&pool(3), count).unwrap();
    assert_eq!(units.load(SeqCst), u64::MAX);
}

#[test]
fn a_job_beyond_the_last_position_is_refused() {
    let never = |_: padata::Chunk<'_, u32>| -> Result<(), Infallible> { unreachable!() };
    let parts = [
        Part { start: 7, units: 3, node: None },
        Part { start: u32::MAX - 1, units: 2, node: None },
    ];
    let error = Job::parts(parts).run(&pool(2), never).unwrap_err();
    assert!(matches!(error.first, Failure::NoSuchPosition));
    assert_eq!(error.not_started, [7..10]);
}

/// `padata_do_multithreaded` divided by `min_chunk`: commit 6d45e1c948a8 (v6.11), and did not
/// align chunks when it was 0: 24cc57d8faaa (v6.12).
#[test]
fn bug_10_no_division_by_a_min_chunk_of_0_and_aligned_even_so() {
    for threads in [1, 2, 8] {
        for (align, min_chunk, max_threads) in [(0, 0, 0), (0, 0, 9), (4, 0, 9), (1, 0, 1)] {
            let ends = Mutex::new(Vec::new());
            let report = Job::over(3_u64, 100)
                .align(align)
                .min_chunk(min_chunk)
                .max_threads(max_threads)
                .chunk_rule(ChunkRule::Kernel)
                .run(&pool(threads), |chunk| {
                    ends.lock().unwrap().push(*chunk.end());
                    ok(())
                })
                .unwrap();
            assert_eq!(report.units, 100);
            let aligned = |end: &u64| *end == 103 || end.is_multiple_of(align.max(1));
            assert!(ends.into_inner().unwrap().iter().all(aligned));
        }
    }
}

/// oneTBB #2056: a quota of one CPU, or of a part of one, left no workers, and the wait hung.
#[test]
fn bug_11_a_quota_below_one_cpu_leaves_the_caller() {
    in_time(|| {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        file("proc/self/cgroup", "0::/box\n");
        for quota in ["100000 100000", "20000 100000", "1000 100000"] {
            file("sys/fs/cgroup/box/cpu.max", quota);
            file("sys/fs/cgroup/box/cgroup.controllers", "cpu\n");
            let pool = Pool::auto_below(root.path());
            assert_eq!(pool.threads().get(), 1, "{quota}");
            for nice in [Nice::Inherit, Nice::Max] {
                let report = Job::over(0_u32, 1000).nice(nice).run(&pool, |_| ok(())).unwrap();
                assert_eq!((report.units, report.threads), (1000, 1));
            }
        }
    });
}

/// ktask in linux-uek counted nodes down before it had counted them: with empty nodes in the
/// list, wherever they were, it never ended or left work undone.
#[test]
fn bug_12_empty_parts_in_any_place() {
    in_time(|| {
        let pool = pool(3);
        for parts in 1..=4 {
            for filled in 0..1_u32 << parts {
                let list = (0..parts).map(|part| Part {
                    start: part * 100,
                    units: u64::from(filled >> part & 1) * 50,
                    node: (part % 2 == 0).then_some(padata::topology::NodeId(part)),
                });
                let units = AtomicU64::new(0);
                let report = Job::parts(list)
                    .run(&pool, |chunk| {
                        assert_eq!(*chunk.start() / 100, chunk.part() as u32);
                        units.fetch_add(chunk.units(), SeqCst);
                        ok(())
                    })
                    .unwrap();
                let expected = u64::from(filled.count_ones()) * 50;
                assert_eq!((units.into_inner(), report.units), (expected, expected));
            }
        }
        let none = Job::<u64>::parts([]).run(&pool, |_| ok(())).unwrap();
        assert_eq!(none.units, 0);
    });
}

/// Lock order between resize, CPU hotplug and submission (38228e8848cd, 1b0df11fde0f,
/// 34c3a47d20ae, c8c4a2972f83): the pool's size and CPUs change while jobs start, run and end.
#[test]
fn bug_8_changes_of_threads_and_cpus_while_jobs_run() {
    in_time(|| {
        let pool = pool(3);
        let stop = CancelToken::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let first = padata::topology::CpuId(0);
                for round in 0.. {
                    pool.set_threads(NonZeroUsize::new(1 + round % 5).unwrap());
                    pool.set_cap(NonZeroUsize::new(round % 4));
                    let cpus = (round % 2 == 0).then(|| [first].into_iter().collect());
                    pool.set_cpus(cpus).unwrap();
                    if stop.is_cancelled() {
                        return;
                    }
                }
            });
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        for size in 0..300 {
                            let units = AtomicU64::new(0);
                            let count = |chunk: padata::Chunk<'_, u32>| {
                                units.fetch_add(chunk.units(), SeqCst);
                                ok(())
                            };
                            Job::over(0_u32, size).run(&pool, count).unwrap();
                            assert_eq!(units.into_inner(), size);
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.join().unwrap();
            }
            stop.cancel();
        });
    });
}

#[test]
fn no_chunk_starts_after_an_error() {
    let (started, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let pool = pool(1);
    let error = Job::over(0_u32, 100)
        .cancel(&CancelToken::new()) // so that one thread has several chunks
        .chunk_rule(ChunkRule::Kernel)
        .run(&pool, |chunk| {
            started.fetch_add(1, SeqCst);
            if *chunk.start() >= 50 {
                failed.fetch_add(1, SeqCst);
                return Err("disk full");
            }
            Ok(())
        })
        .unwrap_err();
    assert_eq!((started.into_inner(), failed.into_inner()), (3, 1));
    assert_eq!(error.to_string(), "the job failed at 50..75: disk full");
    assert_eq!((error.completed, error.at), (vec![0..50], Some(50..75)));
    assert_eq!((error.not_started, error.undone), (vec![75..100], vec![]));
}

#[test]
fn failures_that_come_together_are_all_told() {
    in_time(|| {
        let meeting = Barrier::new(3);
        let error = Job::over(0_u32, 3)
            .run(&pool(3), |chunk| {
                meeting.wait();
                Err::<(), _>(*chunk.start())
            })
            .unwrap_err();
        let Failure::Error(first) = error.first else { panic!("{error:?}") };
        let mut all: Vec<u32> = error
            .also_failed
            .iter()
            .map(|failed| match failed.failure {
                Failure::Error(unit) => unit,
                _ => panic!("{failed:?}"),
            })
            .chain([first])
            .collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert_eq!(error.completed, []);
    });
}

#[test]
fn a_panic_goes_on_after_the_undo() {
    let mut undone = Vec::new();
    let job = Job::over(0_u32, 100)
        .cancel(&CancelToken::new())
        .chunk_rule(ChunkRule::Kernel)
        .undo(|range| undone.push(range));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        job.run(&pool(1), |chunk| {
            if *chunk.start() == 50 {
                chunk.done_to(60);
                panic::resume_unwind(Box::new("the message"));
            }
            ok(())
        })
    }));
    assert_eq!(*outcome.unwrap_err().downcast::<&str>().unwrap(), "the message");
    assert_eq!(undone, [0..60]);
}

/// Errors of jobs go where errors go; a panic in them keeps its payload.
#[test]
fn a_panic_can_be_an_error() {
    let error = Job::over(0_u32, 1)
        .report_panics(true)
        .run(&pool(1), |_| -> Result<(), Infallible> { panic::resume_unwind(Box::new("words")) })
        .unwrap_err();
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    assert_eq!(boxed.to_string(), "the job failed at 0..1: panic: words");
    let error = *boxed.downcast::<padata::JobError<Infallible, u32>>().unwrap();
    let Failure::Panic(panic) = error.first else { panic!("{error:?}") };
    assert_eq!(panic.into_payload().downcast_ref(), Some(&"words"));
}

#[test]
fn an_undo_that_panics_does_not_keep_the_rest_from_being_undone() {
    let mut undone = Vec::new();
    let job = Job::parts([0, 10, 20].map(|start| Part { start, units: 5, node: None }))
        .cancel(&CancelToken::new())
        .chunk_rule(ChunkRule::Kernel)
        .undo(|range: Range<u32>| {
            undone.push(range.clone());
            panic::resume_unwind(Box::new(range.start));
        });
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        job.run(&pool(1), |chunk| if *chunk.start() == 21 { Err(()) } else { Ok(()) })
    }));
    assert_eq!(*outcome.unwrap_err().downcast::<u32>().unwrap(), 0);
    assert_eq!(undone, [0..5, 10..15, 20..21]);
}

#[test]
fn cancelled_before_it_begins() {
    let token = CancelToken::new();
    token.cancel();
    let never = |_: padata::Chunk<'_, u32>| -> Result<(), Infallible> { unreachable!() };
    let error = Job::over(0, 9).cancel(&token).run(&pool(2), never).unwrap_err();
    assert!(matches!(error.first, Failure::Cancelled));
    assert_eq!((error.not_started, error.completed), (vec![0..9], vec![]));
    assert!(Job::over(0, 0).cancel(&token).run(&pool(2), never).is_ok(), "there was nothing to do");
}

#[test]
fn a_deadline_stops_a_job() {
    in_time(|| {
        let deadline = Instant::now() + Duration::from_millis(200);
        let error = Job::over(0_u64, u64::MAX)
            .min_chunk(1 << 40)
            .deadline(deadline)
            .run(&pool(2), |chunk| {
                let half = chunk.units() / 2;
                while !chunk.is_stopping() {
                    std::hint::spin_loop();
                }
                chunk.give_back(half);
                ok(())
            })
            .unwrap_err();
        assert!(matches!(error.first, Failure::Deadline), "{error}");
        assert!(Instant::now() >= deadline && !error.not_started.is_empty());
    });
}

/// A helper alone has the rest of the work, and the caller asks for it.
#[test]
fn the_caller_gets_back_what_a_helper_gives() {
    in_time(|| {
        for nice in [Nice::Inherit, Nice::Max] {
            let meeting = Barrier::new(2);
            let report = Job::over(0_u32, 1000)
                .max_threads(2)
                .chunk_rule(ChunkRule::Kernel)
                .min_chunk(500)
                .nice(nice)
                .raise(Raise::None)
                .stats(true)
                .run(&pool(2), |chunk| {
                    if chunk.units() == 500 {
                        meeting.wait(); // one chunk for each
                    }
                    for unit in 1..chunk.units() {
                        while chunk.worker() == 1 && !chunk.is_wanted_back() {
                            std::thread::yield_now();
                        }
                        if chunk.is_wanted_back() {
                            chunk.give_back(unit);
                            return ok(());
                        }
                    }
                    ok(())
                })
                .unwrap();
            assert_eq!(report.units, 1000);
            let units: Vec<u64> = report.workers.iter().map(|worker| worker.units).collect();
            assert_eq!(units, [999, 1]);
        }
    });
}

#[test]
fn helpers_of_low_priority_are_the_jobs_own() {
    in_time(|| {
        let pool = pool(2);
        for nice in [Nice::Max, Nice::Idle] {
            let meeting = Barrier::new(2);
            let names = Mutex::new(Vec::new());
            Job::over(0_u32, 2)
                .nice(nice)
                .run(&pool, |chunk| {
                    meeting.wait();
                    let name = std::thread::current().name().map(str::to_owned);
                    names.lock().unwrap().push((chunk.worker(), name));
                    ok(())
                })
                .unwrap();
            let mut names = names.into_inner().unwrap();
            names.sort();
            assert_eq!(names[1].1.as_deref(), Some("padata-nice"));
            assert!(format!("{pool:?}").contains("helpers_started: 0"), "{pool:?}");
        }
    });
}

/// Both helpers are at a map, and a job begins that needs one of them: it comes before the map has
/// run out of units.
#[test]
fn a_helper_changes_over_to_a_job_that_has_none() {
    in_time(|| {
        const UNITS: usize = 200_000;
        let pool = pool(3);
        let job_is_done = CancelToken::new();
        let left_over = AtomicUsize::new(0);
        let all_are_at_the_map = Barrier::new(4);
        let workers = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let items = vec![(); UNITS];
                let unit = |(): &(), is_new: &mut bool| {
                    if job_is_done.is_cancelled() {
                        left_over.fetch_add(1, SeqCst);
                        return;
                    }
                    if std::mem::take(is_new) && workers.fetch_add(1, SeqCst) < 3 {
                        all_are_at_the_map.wait();
                    }
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_micros(50) {
                        std::hint::spin_loop();
                    }
                };
                pool.map(&items, |()| 1, padata::Weight::UNLIMITED, || true, unit);
            });
            all_are_at_the_map.wait();
            let both_are_at_the_job = Barrier::new(2);
            Job::over(0_u32, 2)
                .for_each(&pool, |_| {
                    both_are_at_the_job.wait();
                })
                .unwrap();
            job_is_done.cancel();
        });
        assert!(left_over.into_inner() > 0, "the helper came when there was nothing else");
    });
}

#[test]
fn jobs_in_jobs() {
    in_time(|| {
        let pool = pool(3);
        let units = AtomicU64::new(0);
        Job::over(0_u32, 20)
            .run(&pool, |outer| {
                Job::over(0_u32, outer.units() * 10).run(&pool, |inner| {
                    units.fetch_add(inner.units(), SeqCst);
                    ok(())
                })?;
                Ok::<_, padata::JobError<Infallible, u32>>(())
            })
            .unwrap();
        assert_eq!(units.into_inner(), 200);
    });
}

/// A position that is slow to advance is advanced from where its thread was, not from the start.
#[test]
fn positions_are_walked_once_per_thread() {
    #[derive(Clone, Debug)]
    struct Walk<'a>(u64, &'a AtomicU64);
    impl Position for Walk<'_> {
        fn advance(&self, units: u64) -> Option<Self> {
            self.1.fetch_add(units, SeqCst);
            Some(Walk(self.0 + units, self.1))
        }
    }
    let steps = AtomicU64::new(0);
    Job::over(Walk(0, &steps), 1000)
        .cancel(&CancelToken::new()) // so that there are several chunks
        .run(&pool(1), |_| ok(()))
        .unwrap();
    assert_eq!(steps.into_inner(), 2000, "once to see that the end exists, and once along");
}

#[test]
fn counts_and_timeline() {
    let trace = Trace::new();
    let report = Job::over(0_u32, 100)
        .chunk_rule(ChunkRule::Kernel)
        .name("count")
        .stats(true)
        .trace(&trace)
        .run(&pool(2), |_| ok(()))
        .unwrap();
    assert_eq!((report.units, report.chunks), (100, 9), "8 of 12 and one of 4");
    assert_eq!(report.workers.len(), report.threads);
    assert_eq!(report.workers.iter().map(|worker| worker.chunks).sum::<u64>(), report.chunks);
    assert!(report.wall.unwrap() >= report.workers.iter().map(|worker| worker.busy).max().unwrap());
    let mut json = Vec::new();
    trace.write_json(&mut json).unwrap();
    assert_eq!(String::from_utf8(json).unwrap().matches("\"name\":\"count\"").count(), 9);
}

/// A position whose last drop panics: the job fails as a whole, and the pool stays as it was.
#[test]
fn a_position_that_panics_when_dropped() {
    #[derive(Clone, Debug)]
    struct Trap(u32, bool);
    impl Position for Trap {
        fn advance(&self, units: u64) -> Option<Self> {
            // The one that a thread keeps to go on from: the end of a chunk.
            Some(Trap(self.0 + units as u32, units > 0))
        }
    }
    impl Drop for Trap {
        fn drop(&mut self) {
            if self.1
                && !std::thread::panicking()
                && std::thread::current().name() == Some("padata-1")
            {
                self.1 = false;
                panic::resume_unwind(Box::new("dropped"));
            }
        }
    }
    in_time(|| {
        let pool = pool(2);
        for _ in 0..3 {
            let meeting = Barrier::new(2);
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                Job::over(Trap(0, false), 2).for_each(&pool, |chunk| {
                    meeting.wait();
                    std::mem::forget(chunk);
                })
            }));
            assert_eq!(*outcome.unwrap_err().downcast::<&str>().unwrap(), "dropped");
        }
        let both = Barrier::new(2);
        Job::over(0_u32, 2)
            .for_each(&pool, |_| {
                both.wait();
            })
            .unwrap();
    });
}

/// Two panics at once would abort the process: an undo that panics while the error of the job, which
/// nobody gets then, panics when it is dropped.
#[test]
fn values_that_nobody_gets_may_panic_when_dropped() {
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new("the drop"));
        }
    }
    let message = |run: &dyn Fn()| {
        *panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err().downcast::<&str>().unwrap()
    };
    let pool = pool(1);
    let job = |undo: fn()| {
        let job = Job::parts([0_u32, 10].map(|start| Part { start, units: 5, node: None }));
        drop(job.undo(move |_| undo()).run(&pool, |chunk| match chunk.part() {
            0 => Ok(()),
            _ => Err(Trap),
        }));
    };
    assert_eq!(message(&|| job(|| panic::resume_unwind(Box::new("the undo")))), "the undo");
    assert_eq!(message(&|| job(|| ())), "the drop");
    let scope = || {
        pool.scope(|scope| {
            scope.spawn(|_| panic::resume_unwind(Box::new(Trap)));
            panic::resume_unwind(Box::new("the body"));
        });
    };
    assert_eq!(message(&scope), "the body");
}

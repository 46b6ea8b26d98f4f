//! What a scope promises: all tasks have ended when it returns, whatever they do.
#![cfg(not(any(loom, shuttle)))]

mod watchdog;

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use padata::{Pool, Scope};
use watchdog::in_time;

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).expect("at least one thread"))
}

#[test]
fn tasks_borrow_and_end_before_the_scope() {
    in_time(|| {
        for threads in [1, 2, 5] {
            let pool = pool(threads);
            for tasks in [0, 1, 2, 100] {
                let ended: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                let result = pool.scope(|scope| {
                    for task in &ended {
                        scope.spawn(|_| {
                            task.fetch_add(1, SeqCst);
                        });
                    }
                    "result"
                });
                assert_eq!(result, "result");
                assert!(ended.iter().all(|task| task.load(SeqCst) == 1));
            }
        }
    });
}

/// A binary tree of tasks, each of which spawns the two below it.
#[test]
fn tasks_spawn_tasks() {
    fn grow<'env>(scope: &Scope<'_, 'env>, depth: u32, leaves: &'env AtomicUsize) {
        match depth {
            0 => drop(leaves.fetch_add(1, SeqCst).to_string()),
            depth => {
                for _ in 0..2 {
                    scope.spawn(move |scope| grow(scope, depth - 1, leaves));
                }
            }
        }
    }
    in_time(|| {
        let leaves = AtomicUsize::new(0);
        pool(3).scope(|scope| grow(scope, 10, &leaves));
        assert_eq!(leaves.into_inner(), 1 << 10);
    });
}

#[test]
fn one_thread_runs_them_in_order() {
    let order = Mutex::new(Vec::new());
    pool(1).scope(|scope| {
        for task in 0..5 {
            let order = &order;
            scope.spawn(move |_| order.lock().unwrap().push(task));
        }
        order.lock().unwrap().push(9);
    });
    assert_eq!(order.into_inner().unwrap(), [9, 0, 1, 2, 3, 4]);
}

#[test]
fn the_panic_of_the_first_task_goes_on_after_all_have_ended() {
    in_time(|| {
        for threads in [1, 3] {
            let ended = AtomicUsize::new(0);
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                pool(threads).scope(|scope| {
                    for task in 0..10 {
                        let ended = &ended;
                        scope.spawn(move |_| {
                            ended.fetch_add(1, SeqCst);
                            if task % 3 == 1 {
                                panic::resume_unwind(Box::new(task));
                            }
                        });
                    }
                });
            }));
            assert_eq!(*outcome.unwrap_err().downcast::<i32>().unwrap(), 1);
            assert_eq!(ended.into_inner(), 10);
        }
    });
}

#[test]
fn a_panic_of_the_body_waits_for_the_tasks() {
    in_time(|| {
        let ended = AtomicUsize::new(0);
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            pool(2).scope(|scope| {
                scope.spawn(|_| {
                    ended.fetch_add(1, SeqCst);
                });
                panic::resume_unwind(Box::new("body"));
            });
        }));
        assert_eq!(*outcome.unwrap_err().downcast::<&str>().unwrap(), "body");
        assert_eq!(ended.into_inner(), 1);
    });
}

/// A helper leaves the pool with a task of its own making in the queue: the owner of the scope, who
/// waits, runs it.
#[test]
fn a_helper_that_has_to_go_leaves_its_tasks_to_the_owner() {
    in_time(|| {
        let pool = pool(2);
        let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        pool.scope(|scope| {
            scope.spawn(|scope| {
                begun.store(1, SeqCst);
                // The body returns meanwhile, and the owner waits.
                std::thread::sleep(Duration::from_millis(50));
                pool.set_threads(NonZeroUsize::MIN);
                scope.spawn(|_| {
                    ended.fetch_add(1, SeqCst);
                });
            });
            while begun.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
        });
        assert_eq!(ended.into_inner(), 1);
    });
}

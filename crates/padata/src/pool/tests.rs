//! The pool's helpers: when they start, where they go, and that nothing is left of them.

use super::*;
use crate::claim::Weight;

fn map(pool: &Pool, units: usize) {
    let items: Vec<usize> = (0..units).collect();
    assert_eq!(pool.map(&items, |_| 1, Weight::UNLIMITED, || (), |n, ()| *n), items);
}

fn started(pool: &Pool) -> usize {
    sync::lock(&pool.crew.board).started
}

fn of(threads: usize, spawn: Spawn) -> Pool {
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    Pool::build(Size::Exactly(threads), Path::new("/"), spawn)
}

#[test]
fn helpers_start_when_they_are_needed() {
    let pool = of(4, start_helper);
    for (units, helpers) in [(0, 0), (1, 0), (2, 1), (2, 1), (1, 1), (3, 2), (100, 3), (2, 3)] {
        map(&pool, units);
        assert_eq!(started(&pool), helpers, "after {units} units");
    }
    let crew = Arc::clone(&pool.crew);
    drop(pool);
    assert_eq!(Arc::strong_count(&crew), 1, "a helper outlived its pool");
}

#[test]
fn no_helper_for_units_that_cannot_run_beside_another() {
    let pool = of(4, start_helper);
    pool.map(&[5, 6, 7], |&n| n, Weight(4), || (), |_, ()| ());
    assert_eq!(started(&pool), 0);
}

#[test]
fn maps_in_maps_ask_for_their_own_helpers() {
    let pool = of(4, start_helper);
    pool.map(&[(); 2], |()| 1, Weight::UNLIMITED, || (), |(), ()| map(&pool, 2));
    assert!((2..=3).contains(&started(&pool)));
}

/// Waits until as many helpers are there: they start each other.
fn wait_for_started(pool: &Pool, helpers: usize) {
    let late = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while started(pool) != helpers {
        assert!(std::time::Instant::now() < late, "not {helpers} helpers");
        sync::yield_now();
    }
}

#[test]
fn goes_on_with_the_threads_it_gets() {
    fn refuse(_: usize, _: Arc<Crew>) -> io::Result<JoinHandle<()>> {
        Err(io::ErrorKind::WouldBlock.into())
    }
    fn first_only(number: usize, crew: Arc<Crew>) -> io::Result<JoinHandle<()>> {
        if number == 1 { start_helper(number, crew) } else { refuse(number, crew) }
    }
    for (spawn, helpers) in [(refuse as Spawn, 0), (first_only, 1)] {
        let pool = of(4, spawn);
        for _ in 0..3 {
            map(&pool, 200);
            wait_for_started(&pool, helpers);
        }
    }
}

#[test]
fn helpers_start_each_other() {
    let pool = of(9, start_helper);
    let meeting = std::sync::Barrier::new(9);
    pool.map(
        &[(); 9],
        |()| 1,
        Weight::UNLIMITED,
        || (),
        |(), ()| {
            meeting.wait();
        },
    );
    assert_eq!(started(&pool), 8);
}

#[test]
fn fewer_threads_end_helpers_and_more_bring_them_back() {
    let pool = of(5, start_helper);
    let threads = |n| NonZeroUsize::new(n).unwrap();
    map(&pool, 100);
    assert_eq!(started(&pool), 4);
    pool.set_threads(threads(2));
    wait_for_started(&pool, 1);
    map(&pool, 100);
    assert_eq!(started(&pool), 1);
    pool.set_cap(Some(threads(1)));
    wait_for_started(&pool, 0);
    assert_eq!(pool.threads(), threads(1));
    pool.set_cap(None);
    pool.set_threads(threads(4));
    map(&pool, 100);
    assert_eq!(started(&pool), 3);
}

/// Helpers that have ended leave nothing behind, however often the size changes.
#[test]
fn ended_helpers_are_forgotten() {
    let pool = of(1, start_helper);
    for _ in 0..50 {
        pool.set_threads(NonZeroUsize::new(2).unwrap());
        map(&pool, 100);
        wait_for_started(&pool, 1);
        pool.set_threads(NonZeroUsize::MIN);
        wait_for_started(&pool, 0);
    }
    assert!(sync::lock(&pool.crew.board).handles.len() < 40);
}

/// Under way, too: units wait until the pool has changed, and the map still ends.
#[test]
fn a_map_goes_on_while_helpers_leave() {
    let pool = of(4, start_helper);
    let items: Vec<usize> = (0..300).collect();
    let results = pool.map(
        &items,
        |_| 1,
        Weight(2),
        || (),
        |&n, ()| {
            pool.set_threads(NonZeroUsize::new(1 + n % 4).unwrap());
            n
        },
    );
    assert_eq!(results, items);
}

/// The policy of the caller, whoever started the helper and whatever it did before.
#[cfg(target_os = "linux")]
#[test]
fn helpers_take_over_the_callers_memory_policy() {
    // Where the sandbox forbids the call, there is nothing to hand on.
    let Ok(default) = sys::memory_policy() else { return };
    let pool = of(2, start_helper);
    let helpers_policy = || {
        let (meeting, caller) = (std::sync::Barrier::new(2), std::thread::current().id());
        let policies = pool.map(
            &[(); 2],
            |()| 1,
            Weight::UNLIMITED,
            || (),
            |(), ()| {
                meeting.wait();
                (std::thread::current().id() != caller).then(|| sys::memory_policy().unwrap())
            },
        );
        policies.into_iter().flatten().next().unwrap()
    };
    let node_0 = sys::MemoryPolicy::preferring_node_0();
    assert_eq!(helpers_policy(), default);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            sys::set_memory_policy(&node_0).unwrap();
            assert_eq!(helpers_policy(), node_0);
        });
        caller.join().unwrap();
    });
    assert_eq!(helpers_policy(), default);
}

#[test]
fn an_empty_set_of_cpus_is_refused() {
    let pool = of(2, start_helper);
    assert_eq!(pool.set_cpus(Some(CpuSet::new())), Err(NoCpus));
    assert_eq!(pool.set_cpus(None), Ok(()));
}

#[test]
fn nothing_is_left_on_the_board() {
    let pool = of(3, start_helper);
    for units in 0..50 {
        map(&pool, units);
    }
    let board = sync::lock(&pool.crew.board);
    assert!(board.is_empty());
}

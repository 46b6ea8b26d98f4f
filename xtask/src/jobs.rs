//! Independent jobs on a few threads. Plain `std`: what this tree's own pool does is under test
//! here.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many jobs run at a time.
pub(crate) fn parallelism() -> usize {
    thread::available_parallelism().map_or(1, usize::from).max(2)
}

/// Runs `job` on every item; results come by index.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..parallelism().min(items.len()) {
            scope.spawn(|| {
                loop {
                    // Relaxed: the counter alone says who does what.
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = job(item);
                    // Poisoned: another job panicked, and the scope will say so.
                    if let Ok(mut results) = results.lock() {
                        results.push((index, result));
                    }
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_by_index() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(super::map(&items, |item| item * 2)[999], 1998);
        assert!(super::map(&[] as &[u8], |item| *item).is_empty());
    }
}

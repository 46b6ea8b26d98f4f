//! Which part a thread works at: parts that are bound to a NUMA node, and threads near it.

use std::cmp::Reverse;

use super::deal::Deal;
use crate::sync::{self, Mutex};
use crate::topology::{CpuId, CpuSet, NodeId, Topology};

/// Where each part is, and how many threads went there.
pub(crate) struct Spread {
    /// The CPUs near each part; nothing for parts that can be worked at from anywhere.
    near: Vec<Option<CpuSet>>,
    /// Threads at each part.
    threads: Mutex<Vec<Threads>>,
}

#[derive(Clone, Copy, Default)]
struct Threads {
    all: usize,
    /// Those of them that run near it.
    near: usize,
}

/// Where a thread works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) part: usize,
    /// Whether the thread runs near the part; if not, it runs anywhere.
    is_near: bool,
}

impl Spread {
    /// For parts on the given nodes. Parts on unknown nodes can be worked at from anywhere.
    pub(crate) fn new(
        nodes: impl Iterator<Item = Option<NodeId>>,
        topology: Option<&Topology>,
    ) -> Self {
        let cpus_near = |node| topology?.cpus_near(node).cloned();
        let near: Vec<_> = nodes.map(|node| node.and_then(cpus_near)).collect();
        let threads = Mutex::new(vec![Threads::default(); near.len()]);
        Spread { near, threads }
    }

    /// The CPUs that a helper at a post should go to; nothing for anywhere.
    pub(crate) fn cpus(&self, post: Post) -> Option<&CpuSet> {
        self.near[post.part].as_ref().filter(|_| post.is_near)
    }

    /// Where a thread should go that is new, or has finished its post `before`: to the part with
    /// the most units left for each of its threads. Nothing if all units are taken.
    ///
    /// Threads prefer parts near which a CPU is free. If there is none, they go where they are
    /// needed and run anywhere, as ktask's threads do when a node is full. The caller, which
    /// never moves, prefers parts near the CPU `home` where it is.
    pub(crate) fn next_post(
        &self,
        deal: &Deal,
        before: Option<Post>,
        home: Option<CpuId>,
    ) -> Option<Post> {
        if self.near.len() == 1 && self.near[0].is_none() {
            return (deal.left(0) > 0).then_some(Post { part: 0, is_near: false });
        }
        let mut threads = sync::lock(&self.threads);
        if let Some(before) = before {
            threads[before.part].leave(before.is_near);
        }
        let is_near = |part: usize| match (&self.near[part], home) {
            (None, _) => false,
            (Some(cpus), Some(home)) => cpus.contains(home),
            (Some(cpus), None) => self.threads_near(&threads, cpus) < cpus.len(),
        };
        let share =
            |part: usize| u128::from(deal.left(part)) * 1024 / (threads[part].all as u128 + 1);
        // Parts that are near nothing are as good as parts with room, for helpers.
        let is_good = |part: usize| is_near(part) || home.is_none() && self.near[part].is_none();
        let part = (0..self.near.len())
            .filter(|&part| deal.left(part) > 0)
            .max_by_key(|&part| (is_good(part), share(part), Reverse(part)))?;
        let post = Post { part, is_near: is_near(part) };
        threads[part].all += 1;
        threads[part].near += usize::from(post.is_near);
        Some(post)
    }

    /// A thread has left the job before its part was done.
    pub(crate) fn leave(&self, post: Post) {
        sync::lock(&self.threads)[post.part].leave(post.is_near);
    }

    /// Threads that run near the same CPUs, at whatever part.
    fn threads_near(&self, threads: &[Threads], cpus: &CpuSet) -> usize {
        let same = self.near.iter().zip(threads).filter(|(near, _)| near.as_ref() == Some(cpus));
        same.map(|(_, threads)| threads.near).sum()
    }
}

impl Threads {
    fn leave(&mut self, is_near: bool) {
        // A job of one part that is near nothing does not count.
        self.all = self.all.saturating_sub(1);
        self.near -= usize::from(is_near);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::job::chunks::Cut;

    fn set(list: &str) -> CpuSet {
        list.parse().expect("a list of CPUs")
    }

    /// Parts with a number of units each, near the given CPUs (`-` for anywhere).
    fn parts(parts: &[(u64, &str)]) -> (Spread, Deal) {
        let near = |list: &str| (list != "-").then(|| set(list));
        let spread = Spread {
            near: parts.iter().map(|(_, list)| near(list)).collect(),
            threads: Mutex::new(vec![Threads::default(); parts.len()]),
        };
        (spread, Deal::new(parts.iter().map(|(units, _)| *units)))
    }

    fn arrivals(spread: &Spread, deal: &Deal, threads: usize) -> Vec<(usize, bool)> {
        let arrive = || spread.next_post(deal, None, None).expect("units are left");
        (0..threads).map(|_| arrive()).map(|post| (post.part, post.is_near)).collect()
    }

    #[test]
    fn threads_go_where_most_is_left_for_each() {
        let (spread, deal) = parts(&[(10, "0-3"), (0, "4-7"), (20, "8-11")]);
        let expected = [(2, true), (0, true), (2, true), (2, true), (0, true)];
        assert_eq!(arrivals(&spread, &deal, 5), expected);
    }

    #[test]
    fn a_full_node_lets_threads_run_anywhere() {
        let (spread, deal) = parts(&[(100, "0"), (1, "1")]);
        assert_eq!(arrivals(&spread, &deal, 3), [(0, true), (1, true), (0, false)]);
        assert_eq!(spread.cpus(Post { part: 0, is_near: true }), Some(&set("0")));
        assert_eq!(spread.cpus(Post { part: 0, is_near: false }), None);
    }

    #[test]
    fn parts_of_one_node_share_its_cpus() {
        let (spread, deal) = parts(&[(8, "0-1"), (8, "0-1"), (1, "2")]);
        assert_eq!(arrivals(&spread, &deal, 3), [(0, true), (1, true), (2, true)]);
    }

    #[test]
    fn the_caller_starts_at_home_and_takes_room_only_there() {
        let (spread, deal) = parts(&[(8, "0"), (1, "1"), (9, "-")]);
        let caller = |home| spread.next_post(&deal, None, Some(CpuId(home)));
        assert_eq!(caller(1), Some(Post { part: 1, is_near: true }));
        assert_eq!(caller(7), Some(Post { part: 2, is_near: false }));

        let (spread, deal) = parts(&[(8, "0")]);
        let away = spread.next_post(&deal, None, Some(CpuId(7)));
        assert_eq!(away, Some(Post { part: 0, is_near: false }));
        assert_eq!(arrivals(&spread, &deal, 2), [(0, true), (0, false)]);
    }

    #[test]
    fn moving_on_frees_the_place() {
        let (spread, deal) = parts(&[(1, "0"), (8, "1")]);
        assert_eq!(arrivals(&spread, &deal, 2), [(1, true), (0, true)]);
        deal.claim(0, &Cut::whole(), |_| 0);
        let on_0 = Post { part: 0, is_near: true };
        let next = spread.next_post(&deal, Some(on_0), None);
        assert_eq!(next, Some(Post { part: 1, is_near: false }), "no CPU is free near it");
        spread.leave(Post { part: 1, is_near: true });
        let next = spread.next_post(&deal, None, None);
        assert_eq!(next, Some(Post { part: 1, is_near: true }));
        deal.claim(1, &Cut::whole(), |_| 0);
        assert_eq!(spread.next_post(&deal, None, None), None);
    }
}

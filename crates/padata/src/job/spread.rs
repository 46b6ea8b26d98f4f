//! Which part a thread works at: parts that are bound to a NUMA node, and threads near it.

use std::cmp::Reverse;

use super::deal::Deal;
use crate::sync::{self, Mutex};
use crate::topology::{CpuId, CpuSet, NodeId, Topology};

/// Where each part is, and how many threads went there.
pub(crate) struct Spread {
    /// The CPUs near each part; nothing for parts that can be worked at from anywhere.
    near: Vec<Option<CpuSet>>,
    /// Threads that have been sent to each part.
    sent: Mutex<Vec<usize>>,
}

/// Where a thread goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NextPart {
    pub(crate) part: usize,
    /// The CPUs to go to; nothing if the thread can stay anywhere.
    pub(crate) cpus: Option<CpuSet>,
}

impl Spread {
    /// For parts on the given nodes. Parts on unknown nodes can be worked at from anywhere.
    pub(crate) fn new(
        nodes: impl Iterator<Item = Option<NodeId>>,
        topology: Option<&Topology>,
    ) -> Self {
        let cpus_near = |node| topology?.cpus_near(node).cloned();
        let near: Vec<_> = nodes.map(|node| node.and_then(cpus_near)).collect();
        let sent = Mutex::new(vec![0; near.len()]);
        Spread { near, sent }
    }

    /// Where a thread should go that is new, or has finished the part `before`: to the part with
    /// the most units left for each of its threads. Nothing if all units are taken.
    ///
    /// Threads prefer parts near which a CPU is free. If there is none, they go where they are
    /// needed and run anywhere, as ktask's threads do when a node is full. The caller, which
    /// never moves, prefers parts near the CPU `home` where it is.
    pub(crate) fn next_part(
        &self,
        deal: &Deal,
        before: Option<usize>,
        home: Option<CpuId>,
    ) -> Option<NextPart> {
        if self.near.len() == 1 {
            return (deal.left(0) > 0).then_some(NextPart { part: 0, cpus: None });
        }
        let mut sent = sync::lock(&self.sent);
        if let Some(before) = before {
            sent[before] -= 1;
        }
        let has_room = |part: usize| match &self.near[part] {
            Some(cpus) => self.sent_near(&sent, cpus) < cpus.len(),
            None => true,
        };
        let is_home = |part: usize| match (&self.near[part], home) {
            (Some(cpus), Some(home)) => cpus.contains(home),
            _ => false,
        };
        let share = |part: usize| deal.left(part) as u128 * 1024 / (sent[part] as u128 + 1);
        let (part, has_room) = (0..self.near.len())
            .filter(|&part| deal.left(part) > 0)
            .map(|part| (part, has_room(part)))
            .max_by_key(|&(part, has_room)| {
                (is_home(part), has_room, share(part), Reverse(part))
            })?;
        sent[part] += 1;
        let cpus = if has_room { self.near[part].clone() } else { None };
        Some(NextPart { part, cpus })
    }

    /// A thread has left the job before its part was done.
    pub(crate) fn leave(&self, part: usize) {
        sync::lock(&self.sent)[part] -= 1;
    }

    /// Threads at all parts that are near the same CPUs.
    fn sent_near(&self, sent: &[usize], cpus: &CpuSet) -> usize {
        let same = self.near.iter().zip(sent).filter(|(near, _)| near.as_ref() == Some(cpus));
        same.map(|(_, sent)| sent).sum()
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
            sent: Mutex::new(vec![0; parts.len()]),
        };
        (spread, Deal::new(parts.iter().map(|(units, _)| *units)))
    }

    fn arrivals(spread: &Spread, deal: &Deal, threads: usize) -> Vec<(usize, bool)> {
        let arrive = || spread.next_part(deal, None, None).expect("units are left");
        (0..threads).map(|_| arrive()).map(|next| (next.part, next.cpus.is_some())).collect()
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
    }

    #[test]
    fn parts_of_one_node_share_its_cpus() {
        let (spread, deal) = parts(&[(8, "0-1"), (8, "0-1"), (1, "2")]);
        assert_eq!(arrivals(&spread, &deal, 3), [(0, true), (1, true), (2, true)]);
    }

    #[test]
    fn the_caller_starts_at_home() {
        let (spread, deal) = parts(&[(8, "0"), (1, "1"), (9, "-")]);
        assert_eq!(spread.next_part(&deal, None, Some(CpuId(1))).unwrap().part, 1);
        assert_eq!(spread.next_part(&deal, None, Some(CpuId(7))).unwrap().part, 2);
    }

    #[test]
    fn moving_on_frees_the_place() {
        let (spread, deal) = parts(&[(1, "0"), (8, "1")]);
        assert_eq!(arrivals(&spread, &deal, 2), [(1, true), (0, true)]);
        deal.claim(0, &Cut::whole(), |_| 0);
        assert_eq!(
            spread.next_part(&deal, Some(0), None),
            Some(NextPart { part: 1, cpus: None }),
            "there is no free CPU near it"
        );
        spread.leave(1);
        spread.leave(1);
        let next = spread.next_part(&deal, None, None);
        assert_eq!(next, Some(NextPart { part: 1, cpus: Some(set("1")) }));
        deal.claim(1, &Cut::whole(), |_| 0);
        assert_eq!(spread.next_part(&deal, None, None), None);
    }
}

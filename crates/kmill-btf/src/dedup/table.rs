//! The table of canonical types by hash, with the order in which libbpf's finds candidates.
//!
//! libbpf's `hashmap` puts an entry in front of its bucket, and when it grows it moves the entries
//! one by one, which turns the order of those of one key around. Equal keys stay together, so one
//! list per key and one flag for "all are turned around" say the same.

use std::sync::Arc;

use crate::dedup::heads::Heads;

/// What a key has: in front of the entries of the table below, and behind them. The newest is last in
/// both.
#[derive(Clone, Debug, Default)]
struct List {
    front: Vec<u32>,
    back: Vec<u32>,
}

/// How full libbpf's table is, and what that did to the order of its entries.
#[derive(Clone, Copy, Debug, Default)]
struct Fill {
    /// Entries in all, and room: what decides when it grows.
    len: u64,
    capacity: u64,
    turned: bool,
}

/// Canonical types by hash, those of a base below them.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    below: Option<Arc<Table>>,
    /// The only entry of a key, or `MANY` and an index of `lists`.
    heads: Heads,
    lists: Vec<List>,
    fill: Fill,
}

/// In `heads`: the rest is an index of `lists`. Ids are below 2^31: a type takes 12 bytes.
const MANY: u32 = 1 << 31;

impl Table {
    /// Nothing, with room for so many entries.
    pub(super) fn with_capacity(entries: usize) -> Table {
        Table { heads: Heads::with_capacity(entries), ..Table::default() }
    }

    /// Nothing but what is below.
    #[cfg(test)]
    pub(super) fn above(below: Arc<Table>) -> Table {
        Table { fill: below.fill, below: Some(below), ..Table::default() }
    }

    /// The same, with the memory of a table that is not needed any more.
    pub(super) fn renew(&mut self, below: Option<Arc<Table>>) {
        self.heads.clear();
        self.lists.clear();
        self.fill = below.as_ref().map(|below| below.fill).unwrap_or_default();
        self.below = below;
    }

    pub(super) fn insert(&mut self, key: u64, id: u32) {
        let Table { below, heads, lists, fill } = self;
        if fill.capacity == 0 || (fill.len + 1) * 4 / 3 > fill.capacity {
            fill.capacity = (fill.capacity * 2).max(4);
            fill.turned = !fill.turned;
        }
        fill.len += 1;
        // Where it comes to lie counts as soon as there is another.
        let alone = || below.as_ref().is_none_or(|below| below.heads.get(key).is_none());
        let several = MANY | lists.len() as u32;
        let (is_new, head) = heads.entry(key, || if alone() { id } else { several });
        let at = match (is_new, *head) {
            // The only one of its key.
            (true, head) if head & MANY == 0 => return,
            (true, _) => {
                lists.push(List::default());
                lists.len() - 1
            }
            (false, head) if head & MANY != 0 => (head & !MANY) as usize,
            (false, only) => {
                *head = several;
                lists.push(List { front: vec![only], back: Vec::new() });
                lists.len() - 1
            }
        };
        let List { front, back } = &mut lists[at];
        if fill.turned { back.push(id) } else { front.push(id) }
    }

    /// The entries of a key, first one first, in the place of what `found` holds.
    pub(super) fn candidates(&self, key: u64, found: &mut Vec<u32>) {
        found.clear();
        let own = self.of(key);
        let below = self.below.as_ref().map_or(Entries::default(), |below| below.of(key));
        if own.is_none() && below.front.is_empty() && below.back.is_empty() {
            // As for nearly every key.
            found.extend_from_slice(below.only);
            return;
        }
        // As they lie: what was put in front, newest first; what is below; what was put behind.
        if self.fill.turned {
            found.extend(own.back.iter().rev().chain(below.back.iter().rev()));
            found.extend(below.only.iter().chain(below.front));
            found.extend(own.only.iter().chain(own.front));
        } else {
            found.extend(own.front.iter().rev().chain(own.only));
            found.extend(below.front.iter().rev().chain(below.only));
            found.extend(below.back.iter().chain(own.back));
        }
    }

    fn of(&self, key: u64) -> Entries<'_> {
        match self.heads.get(key) {
            None => Entries::default(),
            Some(head) if head & MANY == 0 => {
                Entries { only: std::slice::from_ref(head), ..Entries::default() }
            }
            Some(head) => {
                let List { front, back } = &self.lists[(head & !MANY) as usize];
                Entries { only: &[], front, back }
            }
        }
    }
}

/// What one table has of a key.
#[derive(Clone, Copy, Debug, Default)]
struct Entries<'t> {
    only: &'t [u32],
    front: &'t [u32],
    back: &'t [u32],
}

impl Entries<'_> {
    fn is_none(&self) -> bool {
        self.only.is_empty() && self.front.is_empty() && self.back.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libbpf's hashmap, as plainly as it can be said: buckets that are lists.
    #[derive(Default)]
    struct Plain {
        buckets: Vec<Vec<(u64, u32)>>,
        len: usize,
    }

    impl Plain {
        fn bucket(&self, key: u64) -> usize {
            let bits = self.buckets.len().trailing_zeros();
            (key.wrapping_mul(11400714819323198485) >> (64 - bits)) as usize
        }

        fn insert(&mut self, key: u64, id: u32) {
            if self.buckets.is_empty() || (self.len + 1) * 4 / 3 > self.buckets.len() {
                let room = (self.buckets.len() * 2).max(4);
                let old = std::mem::replace(&mut self.buckets, vec![Vec::new(); room]);
                for entry in old.into_iter().flatten() {
                    let bucket = self.bucket(entry.0);
                    self.buckets[bucket].insert(0, entry);
                }
            }
            let bucket = self.bucket(key);
            self.buckets[bucket].insert(0, (key, id));
            self.len += 1;
        }

        fn candidates(&self, key: u64) -> Vec<u32> {
            let Some(bucket) = self.buckets.get(self.bucket(key)) else { return Vec::new() };
            bucket.iter().filter(|entry| entry.0 == key).map(|entry| entry.1).collect()
        }
    }

    proptest::proptest! {
        #[test]
        fn candidates_come_in_the_order_of_libbpfs_hashmap(
            keys in proptest::collection::vec(0_u64..12, 1..200),
            below in 0..100_usize,
        ) {
            let (mut table, mut plain) = (Table::default(), Plain::default());
            for (id, key) in keys.into_iter().enumerate() {
                if id == below && below > 0 {
                    table = Table::above(Arc::new(table));
                }
                let key = key.wrapping_mul(0x1234_5678_9abc_def1);
                table.insert(key, id as u32);
                plain.insert(key, id as u32);
                let mut found = vec![7];
                table.candidates(key, &mut found);
                proptest::prop_assert_eq!(found, plain.candidates(key));
            }
        }
    }
}

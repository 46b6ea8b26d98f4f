//! The table of canonical types by hash, with the order in which libbpf's finds candidates.
//!
//! libbpf's `hashmap` puts an entry in front of its bucket, and when it grows it moves the entries
//! one by one, which turns the order of those of one key around. Equal keys stay together, so one
//! list per key and one flag for "all are turned around" say the same.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

#[derive(Debug, Default)]
pub(super) struct Table {
    /// The only entry of a key, or `MANY` and an index of `lists`.
    heads: FxHashMap<u64, u32>,
    lists: Vec<VecDeque<u32>>,
    /// Entries in all, and room: what decides when libbpf's table grows.
    len: u64,
    capacity: u64,
    turned: bool,
}

/// In `heads`: the rest is an index of `lists`. Ids are below 2^31: a type takes 12 bytes.
const MANY: u32 = 1 << 31;

impl Table {
    pub(super) fn insert(&mut self, key: u64, id: u32) {
        if self.capacity == 0 || (self.len + 1) * 4 / 3 > self.capacity {
            self.capacity = (self.capacity * 2).max(4);
            self.turned = !self.turned;
        }
        self.len += 1;
        match self.heads.entry(key) {
            Entry::Vacant(place) => {
                place.insert(id);
            }
            Entry::Occupied(mut place) => {
                let head = *place.get();
                if head & MANY == 0 {
                    place.insert(MANY | self.lists.len() as u32);
                    self.lists.push(VecDeque::from([head]));
                }
                let list = &mut self.lists[(place.get() & !MANY) as usize];
                if self.turned {
                    list.push_back(id);
                } else {
                    list.push_front(id);
                }
            }
        }
    }

    /// The entries of a key, first one first.
    pub(super) fn candidates(&self, key: u64) -> impl Iterator<Item = u32> + '_ {
        let head = self.heads.get(&key).copied();
        let only = head.filter(|head| head & MANY == 0);
        let list =
            head.filter(|head| head & MANY != 0).map(|at| &self.lists[(at & !MANY) as usize]);
        let forwards = list.into_iter().filter(|_| !self.turned).flatten();
        let backwards = list.into_iter().filter(|_| self.turned).flat_map(|list| list.iter().rev());
        only.into_iter().chain(forwards.chain(backwards).copied())
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
            keys in proptest::collection::vec(0_u64..12, 1..200)
        ) {
            let (mut table, mut plain) = (Table::default(), Plain::default());
            for (id, key) in keys.into_iter().enumerate() {
                let key = key.wrapping_mul(0x1234_5678_9abc_def1);
                table.insert(key, id as u32);
                plain.insert(key, id as u32);
                let found: Vec<u32> = table.candidates(key).collect();
                proptest::prop_assert_eq!(found, plain.candidates(key));
            }
        }
    }
}

//! Writes a binary index straight from its entries; there is no trie in memory.
//!
//! A node stands for a run of entries that share a prefix. Its entries are scanned
//! once for how much they share, and dealt out by the byte behind that, as a radix
//! sort from the front does: every byte of every key is looked at once. In
//! pre-order the next node starts where the last one ended, so one pass writes
//! everything: a node leaves a hole for each child's offset word, which is filled
//! when the child is reached.

use std::cmp::Reverse;
use std::ops::Range;

use super::{CHILDREN, MAGIC, OFFSET, PREFIX, VALUES, VERSION};

/// A key, a value, and what orders values under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Values under one key ascend by priority.
    pub(crate) priority: u32,
}

/// The file would be larger than its offsets can say (256 MiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// A node that is still to be written: the items of `range` share their first
/// `depth` bytes; the node's offset word goes to `hole`.
struct Pending {
    range: Range<usize>,
    depth: usize,
    hole: usize,
}

/// A key and its entry's place in the order of insertion.
type Item<'a> = (&'a [u8], u32);

/// Fewer items than this are sorted by comparing them.
const FEW: usize = 24;

/// The file for entries in the order of their insertion: of values with one key
/// and priority, the later comes first. Keys and values are 7-bit, without NUL.
pub(crate) fn index(entries: &[Entry<'_>]) -> Result<Vec<u8>, TooLarge> {
    let mut items: Vec<Item<'_>> = (0_u32..).zip(entries).map(|(at, e)| (e.key, at)).collect();
    let mut dealt = Vec::new();
    let text: usize = entries.iter().map(|entry| entry.key.len() + entry.value.len() + 16).sum();
    let mut out = Vec::with_capacity(text.min(OFFSET as usize));
    for word in [MAGIC, VERSION, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    let mut pending = vec![Pending { range: 0..items.len(), depth: 0, hole: 8 }];
    while let Some(Pending { range, depth, hole }) = pending.pop() {
        let offset = u32::try_from(out.len()).ok().filter(|offset| *offset <= OFFSET);
        let offset = offset.ok_or(TooLarge)?;
        let mut flags = 0;
        let base = range.start;
        let items = &mut items[range];

        // The root, which no label leads to, never has a prefix.
        let shared = if depth > 0 { shared_prefix(items, depth) } else { 0 };
        if shared > depth {
            flags |= PREFIX;
            out.extend_from_slice(&items[0].0[depth..shared]);
            out.push(0);
        }

        deal(items, shared, &mut dealt);
        let values = items.partition_point(|(key, _)| key.len() == shared);
        let (values, below) = items.split_at_mut(values);
        if let (Some((first, _)), Some((last, _))) = (below.first(), below.last()) {
            flags |= CHILDREN;
            let (first, last) = (first[shared], last[shared]);
            out.extend_from_slice(&[first, last]);
            let table = out.len();
            out.resize(table + 4 * (usize::from(last - first) + 1), 0);
            // Last first: the stack yields them in order.
            let mut end = base + values.len() + below.len();
            for run in below.chunk_by(|a, b| a.0[shared] == b.0[shared]).rev() {
                let start = end - run.len();
                let slot = usize::from(run[0].0[shared] - first);
                let hole = table + 4 * slot;
                pending.push(Pending { range: start..end, depth: shared + 1, hole });
                end = start;
            }
        }

        if !values.is_empty() {
            flags |= VALUES;
            values.sort_unstable_by_key(|(_, at)| (entries[*at as usize].priority, Reverse(*at)));
            out.extend_from_slice(&(values.len() as u32).to_be_bytes());
            for (_, at) in &*values {
                let entry = &entries[*at as usize];
                out.extend_from_slice(&entry.priority.to_be_bytes());
                out.extend_from_slice(entry.value);
                out.push(0);
            }
        }
        out[hole..hole + 4].copy_from_slice(&(offset | flags).to_be_bytes());
    }
    Ok(out)
}

/// How many of their first bytes all keys share, of which `depth` are known.
fn shared_prefix(items: &[Item<'_>], depth: usize) -> usize {
    let Some(((first, _), others)) = items.split_first() else { return depth };
    let mut rest = &first[depth..];
    for (key, _) in others {
        let same = rest.iter().zip(&key[depth..]).take_while(|(a, b)| a == b).count();
        rest = &rest[..same];
    }
    depth + rest.len()
}

/// Sorts items by the byte at `place`; those that end there come first.
fn deal<'a>(items: &mut [Item<'a>], place: usize, dealt: &mut Vec<Item<'a>>) {
    let bucket = |(key, _): &Item<'_>| key.get(place).map_or(0, |byte| usize::from(*byte) + 1);
    if items.len() < FEW {
        items.sort_unstable_by_key(bucket);
        return;
    }
    let mut starts = [0; 257];
    for item in &*items {
        starts[bucket(item)] += 1;
    }
    let mut next = 0;
    for start in &mut starts {
        next += std::mem::replace(start, next);
    }
    dealt.clear();
    dealt.extend_from_slice(items);
    for item in &*dealt {
        let start = &mut starts[bucket(item)];
        items[*start] = *item;
        *start += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(key: &'a str, value: &'a str, priority: u32) -> Entry<'a> {
        Entry { key: key.as_bytes(), value: value.as_bytes(), priority }
    }

    #[test]
    fn an_empty_index_is_a_header() {
        let file = index(&[]).unwrap();
        assert_eq!(file, [0xb0, 7, 0xf4, 0x57, 0, 2, 0, 1, 0, 0, 0, 12]);
    }

    #[test]
    fn nodes_stand_in_pre_order() {
        let file = index(&[entry("abc", "x", 1), entry("b", "z", 3), entry("abd", "y", 2)]);
        let mut expected = vec![0xb0, 7, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12];
        // root: children a to b, at 22 (prefix, children) and 54 (values)
        expected.extend([b'a', b'b', 0xa0, 0, 0, 22, 0x40, 0, 0, 54]);
        // a: prefix "b", children c to d
        expected.extend([b'b', 0, b'c', b'd', 0x40, 0, 0, 34, 0x40, 0, 0, 44]);
        expected.extend([0, 0, 0, 1, 0, 0, 0, 1, b'x', 0]);
        expected.extend([0, 0, 0, 1, 0, 0, 0, 2, b'y', 0]);
        expected.extend([0, 0, 0, 1, 0, 0, 0, 3, b'z', 0]);
        assert_eq!(file.unwrap(), expected);
    }

    #[test]
    fn values_ascend_by_priority_then_later_first() {
        let entries = [entry("k", "a", 1), entry("k", "b", 0), entry("k", "c", 1)];
        let file = index(&entries).unwrap();
        let values: Vec<u8> = file.iter().copied().filter(u8::is_ascii_lowercase).collect();
        assert_eq!(values, *b"kkbca"); // first and last label, then the values
    }
}

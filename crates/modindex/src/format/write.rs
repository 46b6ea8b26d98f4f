//! Writes a binary index straight from sorted entries; there is no trie in memory.
//!
//! A node stands for a run of entries that share a prefix. In pre-order the next
//! node starts where the last one ended, so one pass writes everything: a node's
//! parent leaves a hole for its offset word, which is filled when it is reached.

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

/// Nodes that are still to be written: entries `range` share their first `depth`
/// bytes; the offset word goes to `hole`.
struct Pending {
    range: std::ops::Range<usize>,
    depth: usize,
    hole: usize,
}

/// The file for entries in the order of their insertion: of values with one key
/// and priority, the later comes first. Keys and values are 7-bit, without NUL.
pub(crate) fn index(mut entries: Vec<Entry<'_>>) -> Result<Vec<u8>, TooLarge> {
    // A stable sort of the reverse: later insertions first.
    entries.reverse();
    entries.sort_by(|a, b| a.key.cmp(b.key).then(a.priority.cmp(&b.priority)));
    let text: usize = entries.iter().map(|entry| entry.key.len() + entry.value.len() + 16).sum();
    let mut out = Vec::with_capacity(text.min(OFFSET as usize));
    for word in [MAGIC, VERSION, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    let mut pending = vec![Pending { range: 0..entries.len(), depth: 0, hole: 8 }];
    let mut children = Vec::new();
    while let Some(Pending { range, depth, hole }) = pending.pop() {
        let offset = u32::try_from(out.len()).ok().filter(|offset| *offset <= OFFSET);
        let offset = offset.ok_or(TooLarge)?;
        let entries = &entries[..range.end];
        let mut at = range.start;
        let mut flags = 0;

        // The root, which no label leads to, never has a prefix.
        let shared = match (entries.get(at), entries.last()) {
            (Some(first), Some(last)) if depth > 0 => {
                depth + common_prefix(&first.key[depth..], &last.key[depth..])
            }
            _ => depth,
        };
        if shared > depth {
            flags |= PREFIX;
            out.extend_from_slice(&entries[at].key[depth..shared]);
            out.push(0);
        }

        let values = at;
        while entries.get(at).is_some_and(|entry| entry.key.len() == shared) {
            at += 1;
        }
        let values = &entries[values..at];

        children.clear();
        while let Some(entry) = entries.get(at) {
            let label = entry.key[shared];
            let len = entries[at..].partition_point(|entry| entry.key[shared] == label);
            children.push((label, at..at + len));
            at += len;
        }
        if let (Some((first, _)), Some((last, _))) = (children.first(), children.last()) {
            flags |= CHILDREN;
            let (first, last) = (*first, *last);
            out.extend_from_slice(&[first, last]);
            let table = out.len();
            out.resize(table + 4 * (usize::from(last - first) + 1), 0);
            // Last first: the stack yields them in order.
            pending.extend(children.drain(..).rev().map(|(label, range)| Pending {
                range,
                depth: shared + 1,
                hole: table + 4 * usize::from(label - first),
            }));
        }

        if !values.is_empty() {
            flags |= VALUES;
            out.extend_from_slice(&(values.len() as u32).to_be_bytes());
            for entry in values {
                out.extend_from_slice(&entry.priority.to_be_bytes());
                out.extend_from_slice(entry.value);
                out.push(0);
            }
        }
        out[hole..hole + 4].copy_from_slice(&(offset | flags).to_be_bytes());
    }
    Ok(out)
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(key: &'a str, value: &'a str, priority: u32) -> Entry<'a> {
        Entry { key: key.as_bytes(), value: value.as_bytes(), priority }
    }

    #[test]
    fn an_empty_index_is_a_header() {
        let file = index(Vec::new()).unwrap();
        assert_eq!(file, [0xb0, 7, 0xf4, 0x57, 0, 2, 0, 1, 0, 0, 0, 12]);
    }

    #[test]
    fn nodes_stand_in_pre_order() {
        let file = index(vec![entry("abc", "x", 1), entry("abd", "y", 2), entry("b", "z", 3)]);
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
        let entries = vec![entry("k", "a", 1), entry("k", "b", 0), entry("k", "c", 1)];
        let file = index(entries).unwrap();
        let values: Vec<u8> = file.iter().copied().filter(u8::is_ascii_lowercase).collect();
        assert_eq!(values, *b"kkbca"); // first and last label, then the values
    }
}

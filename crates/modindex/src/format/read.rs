//! Reads a binary index: all its entries, or why it is none. For comparing two
//! of them by what they say, and for checking one.

use super::{CHILDREN, MAGIC, OFFSET, PREFIX, VALUES, VERSION};

/// One value under a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The whole key.
    pub key: Vec<u8>,
    /// The value's priority.
    pub priority: u32,
    /// The value.
    pub value: Vec<u8>,
}

/// Why bytes are not an index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnIndex {
    /// The magic or the major version is another.
    #[error("not a module index of version 2")]
    Header,
    /// A node leaves the file.
    #[error("the node at {0:#x} leaves the file")]
    Truncated(u32),
    /// More nodes than a file of this size can hold: they refer to each other.
    #[error("nodes refer to each other")]
    Loop,
}

/// All records of an index, by key in the order of the file.
///
/// # Errors
/// The file is no index, or its nodes leave it or go round.
pub fn records(file: &[u8]) -> Result<Vec<Record>, NotAnIndex> {
    let word = |at: usize| {
        let bytes = file.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    if word(0) != Some(MAGIC) || word(4).map(|version| version >> 16) != Some(VERSION >> 16) {
        return Err(NotAnIndex::Header);
    }
    let root = word(8).ok_or(NotAnIndex::Header)?;
    let mut records = Vec::new();
    // A node takes at least a byte, and the bytes of all keys are bounded with them.
    let mut budget = file.len().saturating_mul(64);
    let mut pending = vec![(root, Vec::new())];
    while let Some((node, mut key)) = pending.pop() {
        let mut at = (node & OFFSET) as usize;
        let truncated = NotAnIndex::Truncated(node & OFFSET);
        let text = |at: usize| {
            let rest = file.get(at..)?;
            Some(&rest[..memchr::memchr(0, rest)?])
        };
        if node & PREFIX != 0 {
            let prefix = text(at).ok_or_else(|| truncated.clone())?;
            key.extend_from_slice(prefix);
            at += prefix.len() + 1;
        }
        budget = budget.checked_sub(key.len() + 1).ok_or(NotAnIndex::Loop)?;
        let mut below = Vec::new();
        if node & CHILDREN != 0 {
            let Some(&[first, last]) = file.get(at..at + 2) else { return Err(truncated) };
            at += 2;
            for label in first..=last {
                let child = word(at).ok_or_else(|| truncated.clone())?;
                at += 4;
                if child != 0 {
                    let mut key = key.clone();
                    key.push(label);
                    below.push((child, key));
                }
            }
        }
        if node & VALUES != 0 {
            let count = word(at).ok_or_else(|| truncated.clone())?;
            at += 4;
            for _ in 0..count {
                let priority = word(at).ok_or_else(|| truncated.clone())?;
                let value = text(at + 4).ok_or_else(|| truncated.clone())?.to_vec();
                at += 4 + value.len() + 1;
                budget = budget.checked_sub(value.len() + key.len()).ok_or(NotAnIndex::Loop)?;
                records.push(Record { key: key.clone(), priority, value });
            }
        }
        pending.extend(below.into_iter().rev());
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::super::write::{Entry, index};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            entries in prop::collection::vec(("[a-c]{0,5}", 0..3_u32, "[x-z]{0,3}"), 0..90)
        ) {
            let written = entries.iter().map(|(key, priority, value)| Entry {
                key: key.as_bytes(),
                value: value.as_bytes(),
                priority: *priority,
            });
            let file = index(&written.collect::<Vec<_>>()).unwrap();
            let mut expected: Vec<Record> = entries
                .iter()
                .rev()
                .map(|(key, priority, value)| Record {
                    key: key.clone().into_bytes(),
                    priority: *priority,
                    value: value.clone().into_bytes(),
                })
                .collect();
            expected.sort_by(|a, b| (&a.key, a.priority).cmp(&(&b.key, b.priority)));
            prop_assert_eq!(records(&file).unwrap(), expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut file in prop::collection::vec(any::<u8>(), 0..200)) {
            let header = [0xb0, 7, 0xf4, 0x57, 0, 2, 0, 1];
            let len = file.len().min(header.len());
            file[..len].copy_from_slice(&header[..len]);
            let _ = records(&file);
        }
    }
}

//! What the functions of all files share: lines, and what a binary index can hold.

use crate::diagnostic::{Diagnostic, Log};
use crate::format::write::{Entry, TooLarge, index};

/// What a file's function returns: bytes, or that the format has no room for them.
pub(super) type Written = Result<Vec<u8>, TooLarge>;

/// A binary index of those entries that it can hold: keys and values are 7-bit
/// (kmod ends the run at the first that is not).
pub(super) fn binary<'a>(entries: impl Iterator<Item = Entry<'a>>, log: &mut Log<'_>) -> Written {
    let fits = |text: &[u8], log: &mut Log<'_>| match text.iter().find(|byte| !byte.is_ascii()) {
        Some(byte) => {
            log(Diagnostic::BadCharacter { byte: *byte, text: text.into() });
            false
        }
        None => true,
    };
    let entries: Vec<_> =
        entries.filter(|entry| fits(entry.key, log) && fits(entry.value, log)).collect();
    index(&entries)
}

/// Appends pieces of a line.
pub(super) fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'\n');
}

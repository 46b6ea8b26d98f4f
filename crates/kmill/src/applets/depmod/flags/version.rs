//! What depmod accepts as a kernel version: whatever `sscanf` reads two numbers from.

/// Whether glibc's `sscanf(version, "%u.%u", …)` converts both numbers.
///
/// That is laxer than it looks: each number may have white space and a sign before it, may be too
/// large, and what follows the second is not looked at. `6.1-rc1` and ` -6. +1x` pass; `6` and
/// `v6.1` do not.
pub(crate) fn is_version_number(version: &[u8]) -> bool {
    after_number(version).and_then(|rest| rest.strip_prefix(b".")).and_then(after_number).is_some()
}

/// What follows one `%u`.
fn after_number(text: &[u8]) -> Option<&[u8]> {
    let text = &text[count(text, is_space)..];
    let text = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    match count(text, |b| b.is_ascii_digit()) {
        0 => None,
        digits => Some(&text[digits..]),
    }
}

/// How many bytes at the beginning are such.
fn count(text: &[u8], such: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|&&b| such(b)).count()
}

/// C's `isspace`: unlike Rust's `is_ascii_whitespace`, it has the vertical tab.
fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

//! Text as C's stdio reads it: kmod reads its lists with fgets, and kernel versions
//! and device numbers with scanf, and what these let pass others have come to write.

/// Lines as fgets yields them into `room` bytes, of which one is for its NUL: with
/// their newline, in pieces where they are longer, and only up to a NUL.
pub(crate) fn lines(text: &[u8], room: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let window = &rest[..rest.len().min(room - 1)];
        let end = memchr::memchr(b'\n', window).map_or(window.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        rest = behind;
        Some(&line[..memchr::memchr(0, line).unwrap_or(line.len())])
    })
}

/// scanf's `%u`: white space, a sign, digits; and what stands behind them. A
/// number that is too large wraps, or is the largest one, as glibc has it.
pub fn unsigned(text: &[u8]) -> Option<(u32, &[u8])> {
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b);
    let text = &text[blanks.count()..];
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return None;
    }
    // glibc converts to an unsigned long, which stays at its largest value, even
    // with a minus sign, and then cuts it to 32 bits.
    let value = digits[..len].iter().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    let value = match value {
        None => u64::MAX,
        Some(value) if negative => value.wrapping_neg(),
        Some(value) => value,
    };
    Some((value as u32, &digits[len..]))
}

#[cfg(test)]
mod tests {
    use super::{lines, unsigned};

    #[test]
    fn lines_are_those_of_fgets() {
        let read = |text: &'static [u8]| lines(text, 5).collect::<Vec<_>>();
        assert_eq!(read(b"ab\n\ncd"), [&b"ab\n"[..], b"\n", b"cd"]);
        assert_eq!(read(b"abcd\nx"), [&b"abcd"[..], b"\n", b"x"]);
        assert_eq!(read(b"a\0b\nc"), [&b"a"[..], b"c"]);
        assert_eq!(read(b"").len(), 0);
    }

    #[test]
    fn numbers_are_those_of_glibc() {
        assert_eq!(unsigned(b"10-5"), Some((10, &b"-5"[..])));
        assert_eq!(unsigned(b" \t+7x"), Some((7, &b"x"[..])));
        assert_eq!(unsigned(b"-1"), Some((u32::MAX, &b""[..])));
        assert_eq!(unsigned(b"4294967297"), Some((1, &b""[..])));
        assert_eq!(unsigned(b"99999999999999999999"), Some((u32::MAX, &b""[..])));
        assert_eq!(unsigned(b"-99999999999999999999"), Some((u32::MAX, &b""[..])));
        assert_eq!(unsigned(b""), None);
        assert_eq!(unsigned(b"+-1"), None);
    }
}

//! Numbers as C's scanf reads them: kmod reads kernel versions and device numbers
//! with it, and what it lets pass others have come to write.

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
    use super::unsigned;

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

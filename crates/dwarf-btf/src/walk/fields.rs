//! Fields at known places: every read is of a window that is known to be there.

use std::fmt;

use kmill_btf::Endian;

use crate::class::key::StrKey;

/// Bytes behind an entry's start that one look takes in. Fields lie in the first 64.
pub(crate) const WINDOW: usize = 72;

/// What is read of one entry.
pub(crate) type Window = [u8; WINDOW];

/// A byte order that the compiler knows.
pub(crate) trait Order: Copy + fmt::Debug {
    const ENDIAN: Endian;

    /// Four bytes as a number.
    fn four(bytes: [u8; 4]) -> u32;

    /// The `size` bytes (0, 1, 2, 4 or 8) at the start of `bytes`, as a number.
    fn number(bytes: [u8; 8], size: u8) -> u64;
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Little;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Big;

/// All bits of that many bytes.
const MASKS: [u64; 16] = {
    let mut masks = [u64::MAX; 16];
    let mut size = 0;
    while size < 8 {
        masks[size] = (1 << (8 * size)) - 1;
        size += 1;
    }
    masks
};

impl Order for Little {
    const ENDIAN: Endian = Endian::Little;

    #[inline(always)]
    fn four(bytes: [u8; 4]) -> u32 {
        u32::from_le_bytes(bytes)
    }

    #[inline(always)]
    fn number(bytes: [u8; 8], size: u8) -> u64 {
        u64::from_le_bytes(bytes) & MASKS[usize::from(size & 15)]
    }
}

impl Order for Big {
    const ENDIAN: Endian = Endian::Big;

    #[inline(always)]
    fn four(bytes: [u8; 4]) -> u32 {
        u32::from_be_bytes(bytes)
    }

    #[inline(always)]
    fn number(bytes: [u8; 8], size: u8) -> u64 {
        match size {
            0 => 0,
            size => u64::from_be_bytes(bytes) >> (64 - 8 * u32::from(size.min(8))),
        }
    }
}

/// Where a number lies in its entry: behind `at` bytes; no bytes when it is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) at: u8,
    pub(crate) size: u8,
}

impl Field {
    /// Whether the entry has it.
    pub(crate) const fn is_there(self) -> bool {
        self.size != 0
    }

    #[inline(always)]
    pub(crate) fn get<O: Order>(self, window: &Window) -> u64 {
        O::number(eight(window, self.at), self.size)
    }

    /// The same for a field that is known to have four bytes.
    #[inline(always)]
    pub(crate) fn four<O: Order>(self, window: &Window) -> u32 {
        let [a, b, c, d, ..] = eight(window, self.at);
        O::four([a, b, c, d])
    }
}

/// Eight bytes of a window. A field starts in its first 64 bytes, so they are there.
#[inline(always)]
fn eight(window: &Window, at: u8) -> [u8; 8] {
    let at = usize::from(at & 63);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&window[at..at + 8]);
    bytes
}

/// A string of at most seven bytes at the start of an entry's attributes, and its length with the
/// NUL.
#[inline(always)]
pub(crate) fn short_string(window: &Window, at: usize) -> Option<(StrKey, usize)> {
    let bytes = u64::from_le_bytes(eight(window, at as u8));
    // The lowest byte that is zero (Mycroft's test finds it and nothing below it).
    let zeros = bytes.wrapping_sub(0x0101_0101_0101_0101) & !bytes & 0x8080_8080_8080_8080;
    if zeros == 0 {
        return None;
    }
    let len = zeros.trailing_zeros() / 8;
    let text = bytes & ((1 << (8 * len)) - 1);
    Some((StrKey::packed(text), len as usize + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_byte_order_of_the_file() {
        let mut window = [0; WINDOW];
        window[3..7].copy_from_slice(&[1, 2, 3, 4]);
        let field = |size| Field { at: 3, size };
        assert_eq!(field(4).get::<Little>(&window), 0x0403_0201);
        assert_eq!(field(2).get::<Little>(&window), 0x0201);
        assert_eq!(field(4).get::<Big>(&window), 0x0102_0304);
        assert_eq!(field(1).get::<Big>(&window), 1);
        assert_eq!(field(0).get::<Big>(&window), 0);
        assert_eq!(field(0).get::<Little>(&window), 0);
    }

    #[test]
    fn short_strings_are_keys_by_themselves() {
        let mut window = [b'x'; WINDOW];
        window[1..5].copy_from_slice(b"int\0");
        let (key, len) = short_string(&window, 1).unwrap();
        assert_eq!(len, 4);
        assert_eq!(key, StrKey::packed(u64::from_le_bytes(*b"int\0\0\0\0\0")));
        window[0] = 0;
        assert_eq!(short_string(&window, 0), Some((StrKey::packed(0), 1)));
        assert_eq!(short_string(&window, 8), None);
    }
}

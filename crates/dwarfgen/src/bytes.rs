//! Numbers to bytes, in the file's byte order.

use modgen::Endian;

/// Bytes to which numbers are appended.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    pub(crate) endian: Endian,
    pub(crate) out: Vec<u8>,
}

impl Bytes {
    pub(crate) fn new(endian: Endian) -> Bytes {
        Bytes { endian, out: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// The low `width` bytes of a number.
    pub(crate) fn number(&mut self, value: u64, width: usize) {
        let at = self.len();
        self.out.resize(at + width, 0);
        self.put(at, value, width);
    }

    /// The same over bytes that are there.
    pub(crate) fn put(&mut self, at: usize, value: u64, width: usize) {
        let little = value.to_le_bytes();
        let place = &mut self.out[at..at + width];
        place.copy_from_slice(&little[..width]);
        if self.endian == Endian::Big {
            place.reverse();
        }
    }

    /// The number that so many bytes hold.
    pub(crate) fn get(&self, at: usize, width: usize) -> u64 {
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let bytes = self.out[at..at + width].iter();
        if self.endian == Endian::Big { bytes.fold(0, add) } else { bytes.rev().fold(0, add) }
    }

    pub(crate) fn uleb(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    pub(crate) fn sleb(&mut self, mut value: i64) {
        loop {
            let byte = value as u8 & 0x7f;
            value >>= 7;
            let sign = byte & 0x40 != 0;
            if (value == 0 && !sign) || (value == -1 && sign) {
                return self.out.push(byte);
            }
            self.out.push(byte | 0x80);
        }
    }

    /// An unsigned LEB128 number over [`PADDED`] bytes that are there.
    pub(crate) fn put_padded_uleb(&mut self, at: usize, value: u64) {
        for (index, byte) in self.out[at..at + PADDED].iter_mut().enumerate() {
            let more = if index + 1 < PADDED { 0x80 } else { 0 };
            *byte = (value >> (7 * index)) as u8 & 0x7f | more;
        }
    }

    pub(crate) fn text(&mut self, text: &[u8]) {
        self.out.extend(text);
        self.out.push(0);
    }
}

/// Bytes of a LEB128 number that is filled in later.
pub(crate) const PADDED: usize = 5;

//! A place in a section that moves forward; every read is checked.
//!
//! Reads behind the end give 0 and set the place behind the end, so that a walk checks once per
//! entry and not once per byte.

use kmill_btf::Endian;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) at: usize,
    pub(crate) endian: Endian,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(data: &'a [u8], at: usize, endian: Endian) -> Self {
        Cursor { data, at, endian }
    }

    /// Whether a read went behind the end.
    pub(crate) fn overran(&self) -> bool {
        self.at > self.data.len()
    }

    fn overrun(&mut self) {
        self.at = self.data.len() + 1;
    }

    pub(crate) fn skip(&mut self, count: u64) {
        match usize::try_from(count).ok().and_then(|count| self.at.checked_add(count)) {
            Some(at) if at <= self.data.len() => self.at = at,
            _ => self.overrun(),
        }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        match self.data.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => {
                self.at += N;
                *bytes
            }
            None => {
                self.overrun();
                [0; N]
            }
        }
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn u16(&mut self) -> u16 {
        let bytes = self.array();
        match self.endian {
            Endian::Little => u16::from_le_bytes(bytes),
            Endian::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(crate) fn u24(&mut self) -> u32 {
        let [a, b, c] = self.array();
        match self.endian {
            Endian::Little => u32::from_le_bytes([a, b, c, 0]),
            Endian::Big => u32::from_be_bytes([0, a, b, c]),
        }
    }

    pub(crate) fn u32(&mut self) -> u32 {
        let bytes = self.array();
        self.endian.word(bytes)
    }

    pub(crate) fn u64(&mut self) -> u64 {
        let bytes = self.array();
        match self.endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        }
    }

    /// A number of 1, 2, 4 or 8 bytes.
    pub(crate) fn sized(&mut self, size: u8) -> u64 {
        match size {
            1 => u64::from(self.u8()),
            2 => u64::from(self.u16()),
            4 => u64::from(self.u32()),
            _ => self.u64(),
        }
    }

    /// Unsigned LEB128 (7.6); bits above 64 are dropped.
    #[inline]
    pub(crate) fn uleb(&mut self) -> u64 {
        // Nearly all of them.
        if let Some(byte @ 0..0x80) = self.data.get(self.at) {
            self.at += 1;
            return u64::from(*byte);
        }
        self.long_uleb()
    }

    fn long_uleb(&mut self) -> u64 {
        let mut value = 0;
        let mut shift = 0_u32;
        loop {
            let byte = self.u8();
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            shift = shift.saturating_add(7);
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    /// Signed LEB128.
    pub(crate) fn sleb(&mut self) -> i64 {
        let mut value = 0;
        let mut shift = 0_u32;
        loop {
            let byte = self.u8();
            if shift < 64 {
                value |= i64::from(byte & 0x7f) << shift;
            }
            shift = shift.saturating_add(7);
            if byte & 0x80 == 0 {
                if shift < 64 && byte & 0x40 != 0 {
                    value |= -1 << shift;
                }
                return value;
            }
        }
    }

    /// A string up to its NUL, which is stepped over.
    pub(crate) fn string(&mut self) -> &'a [u8] {
        let rest = self.data.get(self.at..).unwrap_or_default();
        match memchr::memchr(0, rest) {
            Some(end) => {
                self.at += end + 1;
                &rest[..end]
            }
            None => {
                self.overrun();
                &[]
            }
        }
    }

    pub(crate) fn bytes(&mut self, count: u64) -> &'a [u8] {
        let start = self.at;
        self.skip(count);
        self.data.get(start..self.at).unwrap_or_default()
    }
}

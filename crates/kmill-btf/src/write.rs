//! From types and strings to the bytes of a blob.

use crate::btf::Btf;
use crate::format::{HEADER_LEN, MAGIC, VERSION};

impl Btf {
    /// The blob: a 24-byte header, types, strings, in the byte order of [`Btf::endian`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.types.words();
        let strings = self.strings.bytes();
        let type_len = words.len() as u32 * 4;
        let mut bytes = Vec::with_capacity(HEADER_LEN as usize + words.len() * 4 + strings.len());
        let endian = self.endian;
        let [magic_high, magic_low] = MAGIC.to_be_bytes();
        bytes.extend_from_slice(&match endian {
            crate::format::Endian::Little => [magic_low, magic_high],
            crate::format::Endian::Big => [magic_high, magic_low],
        });
        bytes.extend_from_slice(&[VERSION, 0]);
        for word in [HEADER_LEN, 0, type_len, type_len, strings.len() as u32] {
            bytes.extend_from_slice(&endian.bytes(word));
        }
        for word in words {
            bytes.extend_from_slice(&endian.bytes(*word));
        }
        bytes.extend_from_slice(strings);
        bytes
    }
}

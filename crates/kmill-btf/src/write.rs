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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::format::{Endian, HEADER_LEN_LAYOUT};
    use crate::sample::{Blob, well_formed};

    /// With the longer header of newer tools, and a section of layouts between types and strings.
    fn with_layout(bytes: &[u8], endian: Endian, layout: &[u32]) -> Vec<u8> {
        let word = |at: usize| endian.word(bytes[at..at + 4].try_into().unwrap());
        let (type_len, str_len) = (word(12), word(20));
        let layout_len = layout.len() as u32 * 4;
        let (types, strings) = bytes[HEADER_LEN as usize..].split_at(type_len as usize);
        let mut long = bytes[..4].to_vec();
        let str_off = type_len + layout_len;
        for word in [HEADER_LEN_LAYOUT, 0, type_len, str_off, str_len, type_len, layout_len] {
            long.extend(endian.bytes(word));
        }
        long.extend(types);
        long.extend(layout.iter().flat_map(|word| endian.bytes(*word)));
        long.extend(strings);
        long
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(mut btf in well_formed(), big in any::<bool>()) {
            btf.endian = if big { Endian::Big } else { Endian::Little };
            let bytes = btf.to_bytes();
            for layout in [None, Some(&[][..]), Some(&[1, 2, 3])] {
                let long = layout.map(|layout| with_layout(&bytes, btf.endian, layout));
                let again = Btf::read(long.as_deref().unwrap_or(&bytes)).unwrap();
                prop_assert_eq!(&again.types, &btf.types);
                prop_assert_eq!(again.strings.bytes(), btf.strings.bytes());
                prop_assert_eq!(again.endian, btf.endian);
                prop_assert_eq!(again.to_bytes(), bytes.clone());
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(
            btf in well_formed(),
            changes in prop::collection::vec(any::<(usize, u8)>(), 1..8),
            cut in any::<usize>(),
        ) {
            let mut bytes = btf.to_bytes();
            let len = bytes.len();
            for (at, byte) in changes {
                // The header as often as everything else.
                let at = if at % 2 == 0 { at / 2 % 24 } else { at / 2 % len };
                bytes[at] = byte;
            }
            bytes.truncate(len - cut / 16 % len * usize::from(cut % 16 == 0));
            if let Ok(btf) = Btf::read(&bytes) {
                for (_, ty) in btf.types.iter() {
                    btf.name(ty);
                }
                let _ = btf.dedup();
            }
        }
    }

    #[test]
    fn a_split_blob_is_read_again_on_its_base() {
        let mut base = Blob::new();
        let int = base.int("int", 4);
        let mut blob = Blob::behind(base.btf);
        let of = blob.structure("int", 4, &[("own", int, 0)]);
        blob.ptr(of);
        let base = Arc::clone(blob.btf.base().unwrap());
        let bytes = blob.btf.to_bytes();
        let again = Btf::read_split(&bytes, base).unwrap();
        assert_eq!(again.types, blob.btf.types);
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.strings.bytes(), b"own\0");
        // Without the base, its ids and strings are missing.
        assert!(Btf::read(&bytes).is_err());
    }

    #[test]
    fn the_header_is_that_of_pahole_1_31() {
        let bytes = Blob::new().btf.to_bytes();
        assert_eq!(bytes, b"\x9f\xeb\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0");
    }
}

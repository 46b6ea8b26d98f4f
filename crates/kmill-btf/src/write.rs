//! From types and strings to the bytes of a blob.

use crate::btf::Btf;
use crate::format::{HEADER_LEN, HEADER_LEN_LAYOUT, Kind, MAGIC, VERSION};

impl Btf {
    /// The blob: a 24-byte header, types, strings, in the byte order of [`Btf::endian`].
    pub fn to_bytes(&self) -> Vec<u8> {
        self.blob(None)
    }

    /// The same with the header of libbpf 1.8, and between types and strings a section that says
    /// how large the types of each kind are: a reader can step over kinds that it does not know.
    /// A split blob goes by its base's.
    pub fn to_bytes_with_layout(&self) -> Vec<u8> {
        self.blob(Some(&layouts()))
    }

    fn blob(&self, layout: Option<&[[u8; 4]]>) -> Vec<u8> {
        let words = self.types.words();
        let strings = self.strings.bytes();
        let type_len = words.len() as u32 * 4;
        let layout_len = layout.unwrap_or_default().len() as u32 * 4;
        let header = if layout.is_some() { HEADER_LEN_LAYOUT } else { HEADER_LEN };
        let len = header as usize + words.len() * 4 + layout_len as usize + strings.len();
        let mut bytes = Vec::with_capacity(len);
        let endian = self.endian;
        let [magic_high, magic_low] = MAGIC.to_be_bytes();
        bytes.extend_from_slice(&match endian {
            crate::format::Endian::Little => [magic_low, magic_high],
            crate::format::Endian::Big => [magic_high, magic_low],
        });
        bytes.extend_from_slice(&[VERSION, 0]);
        let str_off = type_len + layout_len;
        for word in [header, 0, type_len, str_off, strings.len() as u32] {
            bytes.extend_from_slice(&endian.bytes(word));
        }
        if layout.is_some() {
            for word in [type_len, layout_len] {
                bytes.extend_from_slice(&endian.bytes(word));
            }
        }
        for word in words {
            bytes.extend_from_slice(&endian.bytes(*word));
        }
        layout.into_iter().flatten().for_each(|entry| bytes.extend_from_slice(entry));
        bytes.extend_from_slice(strings);
        bytes
    }
}

/// An entry for each kind by number, `void` first: bytes behind the common three words, bytes of
/// each of `vlen` entries, and two of flags, of which there are none.
fn layouts() -> [[u8; 4]; Kind::ALL.len() + 1] {
    let mut layouts = [[0; 4]; Kind::ALL.len() + 1];
    for kind in Kind::ALL {
        let (fixed, each) = kind.extra_words();
        layouts[kind as usize] = [fixed as u8 * 4, each as u8 * 4, 0, 0];
    }
    layouts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::format::Endian;
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
    fn a_layout_says_how_large_each_kind_is_and_changes_nothing_else() {
        let mut blob = Blob::new();
        let int = blob.int("int", 4);
        blob.structure("s", 4, &[("a", int, 0)]);
        for endian in [Endian::Little, Endian::Big] {
            blob.btf.endian = endian;
            let (plain, long) = (blob.btf.to_bytes(), blob.btf.to_bytes_with_layout());
            // Kinds 0 to 19: fixed bytes, bytes of an entry, no flags.
            let sizes = [
                (0, 0),
                (4, 0),
                (0, 0),
                (12, 0),
                (0, 12),
                (0, 12),
                (0, 8),
                (0, 0),
                (0, 0),
                (0, 0),
                (0, 0),
                (0, 0),
                (0, 0),
                (0, 8),
                (4, 0),
                (0, 12),
                (0, 0),
                (4, 0),
                (0, 0),
                (0, 12),
            ];
            let bytes: Vec<u8> =
                sizes.iter().flat_map(|&(fixed, each)| [fixed, each, 0, 0]).collect();
            let words: Vec<u32> =
                bytes.chunks_exact(4).map(|entry| endian.word(entry.try_into().unwrap())).collect();
            assert_eq!(long, with_layout(&plain, endian, &words));
            assert_eq!(Btf::read(&long).unwrap().to_bytes(), plain);
        }
    }

    #[test]
    fn the_header_is_that_of_pahole_1_31() {
        let bytes = Blob::new().btf.to_bytes();
        assert_eq!(bytes, b"\x9f\xeb\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0");
    }
}

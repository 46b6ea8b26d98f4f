//! Any bytes at all: no panic, no dependence on what came before, and what
//! was compressed comes back.

use std::cell::RefCell;

use kernel_elf::codec::{Codec, Decoder};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::files::*;

thread_local! {
    /// Sees the files of all cases one after another.
    static USED: RefCell<Decoder> = RefCell::default();
}

/// Decodes with a used and a new decoder, which must agree.
fn decode_both(codec: Codec, file: &[u8]) -> Result<Vec<u8>, TestCaseError> {
    let used = USED.with_borrow_mut(|decoder| decoder.decode(codec, file).map(<[u8]>::to_vec));
    let new = Decoder::new().decode(codec, file).map(<[u8]>::to_vec);
    prop_assert_eq!(&used, &new);
    Ok(used.unwrap_or_default())
}

fn packed() -> impl Strategy<Value = Vec<u8>> {
    let one = (0..5_u8, 0..30_000_usize).prop_map(|(kind, len)| {
        let content = content(len);
        match kind {
            0 => gzip(&content),
            1 => xz(&content),
            2 => zstd(&content),
            3 => zstd_unsized(&content),
            _ => xz_blocks(&[&content, b"second block"]),
        }
    });
    vec(one, 1..3).prop_map(|files| files.concat())
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(
        magic in prop::sample::select(vec![
            &b""[..], b"\x1f\x8b\x08\0", b"\xfd7zXZ\0\0\x01\x69\x22\xde\x36",
            b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\xa0", b"\x50\x2a\x4d\x18",
        ]),
        bytes in vec(any::<u8>(), 0..300),
    ) {
        let file = [magic, &bytes].concat();
        for codec in [Codec::Gzip, Codec::Xz, Codec::Zstd, Codec::None] {
            decode_both(codec, &file)?;
        }
    }

    #[test]
    fn damaged_files_do_no_harm(
        mut file in packed(),
        writes in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<Index>()),
        tail in vec(any::<u8>(), 0..20),
    ) {
        for (at, byte) in writes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        file.extend(tail);
        decode_both(Codec::of(&file), &file)?;
    }

    #[test]
    fn contents_come_back(content in vec(any::<u8>(), 1..5000), times in 1..60_usize) {
        let content = content.repeat(times);
        for file in [gzip(&content), xz(&content), zstd(&content), zstd_unsized(&content)] {
            prop_assert!(decode_both(Codec::of(&file), &file)? == content);
        }
    }
}

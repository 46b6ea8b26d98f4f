//! Memory: no file may take more than 64 times its size plus 64 MiB, and no
//! claim about a size is believed.

use std::sync::LazyLock;

use kernel_elf::codec::{Codec, Decoder};
use rustix::io::Errno;

use crate::files::*;

const MIB: usize = 1 << 20;

/// Files of a few KiB that would be 80 MiB, one of each kind.
static BOMBS: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    let zeros = vec![0; 80 * MIB];
    [gzip(&zeros), xz(&zeros), zstd(&zeros), zstd_unsized(&zeros)]
});

#[test]
fn a_file_that_grows_beyond_its_budget_is_refused() {
    for file in &*BOMBS {
        let codec = Codec::of(file);
        let budget = file.len() * 64 + 64 * MIB;
        assert!(budget < 80 * MIB, "{codec:?} is not packed enough to test this");
        let error = decode(file).unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        assert_eq!(
            said(file),
            [format!(
                "{}: Decompressing needs more than {budget} bytes (64 times the file plus 64 MiB)",
                codec.name()
            )]
        );
    }
}

#[test]
fn a_file_within_its_budget_is_not() {
    let zeros = vec![0; 60 * MIB];
    for file in [gzip(&zeros), xz(&zeros), zstd(&zeros), zstd_unsized(&zeros)] {
        assert!(decode(&file).unwrap() == zeros);
    }
}

#[test]
fn a_large_buffer_from_before_does_not_raise_the_limit() {
    // Larger than a bomb, but not out of all proportion.
    let large = [content(3 * MIB), vec![0; 80 * MIB]].concat();
    let mut decoder = Decoder::new();
    let large_file = zstd_unsized(&large);
    assert_eq!(decoder.decode(Codec::Zstd, &large_file).unwrap().len(), large.len());
    for file in &*BOMBS {
        let error = decoder.decode(Codec::of(file), file).unwrap_err();
        assert_eq!(Err(error), decode(file));
    }
}

#[test]
fn an_xz_dictionary_counts_and_does_not_stay() {
    let want = content(200_000);
    let packed = xz(&want);
    let file = |code| xz_with_dictionary(packed.clone(), code);
    let mut decoder = Decoder::new();
    // Up and down again, 256 KiB to 64 MiB.
    for code in (12..=28).chain((12..=28).rev()) {
        assert!(decoder.decode(Codec::Xz, &file(code)).unwrap() == want, "{code}");
    }
    for code in [30, 35, 40] {
        assert_eq!(decoder.decode(Codec::Xz, &file(code)).unwrap_err().errno(), Errno::NOMEM);
    }

    // 64 MiB for the dictionary leaves nothing for 30 MiB of output, which
    // fits beside a small one even after a file with a large one.
    let zeros = vec![0; 30 * MIB];
    let greedy = xz_with_dictionary(xz(&zeros), 28);
    assert_eq!(decoder.decode(Codec::Xz, &greedy).unwrap_err().errno(), Errno::NOMEM);
    assert!(decoder.decode(Codec::Xz, &file(28)).unwrap() == want);
    assert!(decoder.decode(Codec::Xz, &xz(&zeros)).unwrap() == zeros);
}

#[test]
fn a_gzip_file_may_end_in_any_size() {
    let want = content(300_000);
    for size in [0, 1, 299_999, 300_001, 1 << 30, u32::MAX] {
        // Ignored bytes at the end, where the size of a plain file is.
        let file = [&gzip(&want)[..], &size.to_le_bytes()].concat();
        assert!(decode(&file).unwrap() == want, "{size}");
    }
}

#[test]
fn a_zstd_frame_may_claim_any_size() {
    let want = content(300_000);
    let file = zstd(&want);
    // The descriptor: a size of 4 bytes, which follow it. Make them 8.
    assert_eq!(file[4] & 0xe0, 0xa0, "one segment, 4 bytes of size");
    for size in [1_u64, 299_999, 300_001, 1 << 40, u64::MAX - 2] {
        let liar = [&file[..4], &[file[4] | 0xe0], &size.to_le_bytes(), &file[9..]].concat();
        let word = match size < 300_000 {
            true => "zstd: Destination buffer is too small",
            false => "zstd: Data corruption detected",
        };
        let said = said(&liar);
        // A window of one byte is damage of its own.
        assert!(said == [word; 3] || size == 1, "{size}: {said:?}");
    }
}

#[test]
fn an_xz_index_may_claim_any_size() {
    let want = content(5000);
    let mut file = xz(&want);
    // Index of one block: 0, 1, two bytes of packed size, two of 5000.
    let index = file.len() - 12 - 12;
    assert_eq!(file[index..index + 2], [0, 1]);
    assert_eq!(file[index + 4..index + 6], [0x88, 0x27]);
    file[index + 5] = 0x7f;
    let crc = libdeflater::crc32(&file[index..index + 8]).to_le_bytes();
    file[index + 8..index + 12].copy_from_slice(&crc);
    assert_eq!(said(&file)[0], "xz: File is corrupt");
}

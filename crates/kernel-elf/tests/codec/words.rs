//! What depmod prints about a damaged file, attempt by attempt: read off the
//! reference, as the table in each test.

use kernel_elf::codec::{Codec, Decoder};
use liblzma::stream::{Check, Filters, LzmaOptions};
use rustix::io::Errno;

use crate::files::*;

/// `file` with other bytes at `at`, counted from the end where negative.
fn with(file: &[u8], at: isize, bytes: &[u8]) -> Vec<u8> {
    let at = if at < 0 { file.len() - at.unsigned_abs() } else { at.unsigned_abs() };
    let mut file = file.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn gzip_says_what_zlib_says_and_only_once() {
    let file = gzip(&content(5000));
    let raw = |deflate: &[u8]| [&file[..10], deflate, &[0; 16]].concat();
    for (damaged, message) in [
        (with(&file, 2, &[7]), "unknown compression method"),
        (with(&file, 3, &[0xe0]), "unknown header flags set"),
        (with(&file, -8, &[file[file.len() - 8] ^ 1]), "incorrect data check"),
        (with(&file, -4, &[0]), "incorrect length check"),
        (raw(&[0x07]), "invalid block type"),
        (raw(&[0x01, 1, 0, 0, 0]), "invalid stored block lengths"),
        (raw(&[0xfd, 0xff, 0xff]), "too many length or distance symbols"),
        (raw(&[0x05, 0, 0x92]), "invalid code lengths set"),
        // Fixed codes: a match before any byte; symbol 286; distance 30.
        (raw(&[0x03, 0x02]), "invalid distance too far back"),
        (raw(&[0x1b, 0x03]), "invalid literal/length code"),
        ([&file[..], &file[..10], &[0x07, 0, 0]].concat(), "invalid block type"),
    ] {
        assert_eq!(said(&damaged), [format!("gzip: <fd:4>: {message}")]);
        assert_eq!(decode(&damaged).unwrap_err().errno(), Errno::INVAL);
    }
}

#[test]
fn gzip_names_the_damage_deep_in_a_file_too() {
    // Long enough that the decoder is in its fast loop when it finds a match
    // that goes back before the start: the first half of the data is gone.
    let file = gzip(&content(400_000));
    let mut seen = Vec::new();
    for at in (2000..file.len() - 2000).step_by(97) {
        let cut = [&file[..100], &file[at..]].concat();
        if let Err(error) = decode(&cut) {
            seen.push(error.to_string());
        }
    }
    assert!(seen.iter().any(|words| words.ends_with("invalid distance too far back")));
    assert!(seen.iter().all(|words| !words.contains("bad state")), "{seen:?}");
}

const XZ_CORRUPT: &str = "xz: File is corrupt";
const XZ_CUT: &str = "xz: Unexpected end of input";
const XZ_NOT: &str = "xz: File format not recognized";

#[test]
fn xz_says_what_liblzma_finds_and_then_that_the_file_is_over() {
    let file = xz(&content(5000));
    let crc64 = xz_with(
        Filters::new().lzma2(&LzmaOptions::new_preset(6).unwrap()),
        Check::Crc64,
        &content(5000),
    );
    assert!(file.len() < 8192 && crc64.len() < 8192);
    let flags = |flags: [u8; 2]| {
        let header = [&file[..6], &flags, &libdeflater::crc32(&flags).to_le_bytes()].concat();
        with(&file, 0, &header)
    };
    for (damaged, first) in [
        (with(&file, 8, &[0]), XZ_CORRUPT), // header checksum
        (flags([0, 0x40]), "xz: Unsupported compression options"), // reserved flags
        (with(&file, 500, &[0xaa, 0xaa, 0xaa, 0xaa]), XZ_CORRUPT), // data
        (with(&file, -28, &[0; 4]), XZ_CORRUPT), // check, before the index
        (with(&crc64, -28, &[0; 4]), XZ_CORRUPT),
        (with(&file, -22, &[0x33]), XZ_CORRUPT), // index
        (with(&file, -1, b"z"), XZ_CORRUPT),     // footer
        (file[..6].to_vec(), XZ_CUT),
        (file[..12].to_vec(), XZ_CUT),
        (file[..500].to_vec(), XZ_CUT),
        (file[..file.len() - 12].to_vec(), XZ_CUT),
        (file[..file.len() - 1].to_vec(), XZ_CUT),
        ([&file[..], &[0]].concat(), XZ_CORRUPT), // padding by fours
        ([&file[..], &[0; 7]].concat(), XZ_CORRUPT),
        ([&file[..], b"trailing garbage"].concat(), XZ_CORRUPT),
        ([&file[..], b"short"].concat(), XZ_CUT),
        ([&file[..], &file[..20]].concat(), XZ_CUT),
        ([&file[..], &file[..file.len() - 4]].concat(), XZ_CUT),
    ] {
        assert_eq!(said(&damaged), [first, XZ_CUT, XZ_CUT]);
        assert_eq!(decode(&damaged).unwrap_err().errno(), Errno::INVAL);
    }
}

#[test]
fn later_attempts_at_an_xz_file_go_on_where_the_first_stopped() {
    let file = xz(&content(400_000));
    assert!(file.len() > 5 * 8192, "{}", file.len());
    // Damage in the header, found in the first piece of 8192 bytes.
    let early = with(&file, 8, &[0]);
    assert_eq!(said(&early), [XZ_CORRUPT, XZ_NOT, XZ_NOT]);
    assert_eq!(said(&early[..8192 * 2]), [XZ_CORRUPT, XZ_NOT, XZ_CUT]);
    assert_eq!(said(&early[..8192 + 12]), [XZ_CORRUPT, XZ_NOT, XZ_CUT]);
    assert_eq!(said(&early[..8192 + 11]), [XZ_CORRUPT, XZ_CUT, XZ_CUT]);
    // Damage in the check, in the last piece.
    assert_eq!(said(&with(&file, -28, &[0; 4])), [XZ_CORRUPT, XZ_CUT, XZ_CUT]);
    assert_eq!(said(&file[..file.len() / 2]), [XZ_CUT; 3]);
}

#[test]
fn zstd_says_the_same_every_time() {
    let content = content(5000);
    let file = zstd(&content);
    let unsized_ = zstd_unsized(&content);
    for (damaged, what) in [
        (file[..6].to_vec(), "Failed to determine decompression size"),
        (with(&file, 4, &[file[4] | 8]), "Failed to determine decompression size"),
        (zstd(b""), "Failed to determine decompression size"),
        (unsized_[..1000].to_vec(), "Failed to determine decompression size"),
        (file[..7].to_vec(), "Src size is incorrect"),
        (file[..1000].to_vec(), "Src size is incorrect"),
        (file[..file.len() - 4].to_vec(), "Restored data doesn't match checksum"),
        (file[..file.len() - 1].to_vec(), "Restored data doesn't match checksum"),
        (with(&file, -4, &[0; 4]), "Restored data doesn't match checksum"),
        (with(&file, 7, &[7]), "Data corruption detected"), // a block type that is none
        ([&file[..], b"trailing garbage"].concat(), "Src size is incorrect"),
        ([&file[..], &[0]].concat(), "Src size is incorrect"),
        ([&file[..], &file[..1000]].concat(), "Src size is incorrect"),
    ] {
        assert_eq!(said(&damaged), vec![format!("zstd: {what}"); 3]);
        assert_eq!(decode(&damaged).unwrap_err().errno(), Errno::INVAL);
    }
}

#[test]
fn a_file_without_the_magic_is_refused_in_silence_or_by_liblzma() {
    let mut decoder = Decoder::new();
    for input in [&b""[..], b"x", b"\x1f", b"not compressed at all, and longer than a header"] {
        let error = decoder.decode(Codec::Gzip, input).unwrap_err();
        assert_eq!((error.words(), error.errno()), (None, Errno::INVAL));
        let error = decoder.decode(Codec::Xz, input).unwrap_err();
        assert_eq!((error.words(), error.errno()), (Some(XZ_NOT), Errno::INVAL));
        let error = decoder.decode(Codec::Zstd, input).unwrap_err();
        assert_eq!((error.words(), error.errno()), (None, Errno::NOEXEC));
    }
    // depmod knows no skippable frames, and says of such a file that it is no
    // module; so do we where there is nothing else in it.
    let file = skippable(&zstd(b"x"));
    for damaged in [&file[..], &file[..10], &[&file[..], b"more"].concat()] {
        let error = decode(damaged).unwrap_err();
        assert_eq!((error.words(), error.errno()), (None, Errno::NOEXEC));
    }
}

#[test]
fn errors_tell_their_codec_and_display_as_the_first_words() {
    let error = decode(&xz(b"x")[..20]).unwrap_err();
    assert_eq!(error.codec(), Codec::Xz);
    assert_eq!(error.to_string(), XZ_CUT);
    let silent = Decoder::new().decode(Codec::Gzip, b"").unwrap_err();
    assert!(silent.to_string().starts_with("gzip: Invalid argument"), "{silent}");
    assert_eq!(error.attempt(3), None);
}

//! What decodes, and to what.

use flate2::GzBuilder;
use kernel_elf::codec::{Codec, Decoder};
use liblzma::stream::{Check, Filters, LzmaOptions};

use crate::files::*;

#[test]
fn the_codec_is_told_by_magic() {
    assert_eq!(Codec::of(&gzip(b"x")[..Codec::MAGIC_LEN]), Codec::Gzip);
    assert_eq!(Codec::of(&xz(b"x")[..Codec::MAGIC_LEN]), Codec::Xz);
    assert_eq!(Codec::of(&zstd(b"x")[..Codec::MAGIC_LEN]), Codec::Zstd);
    assert_eq!(Codec::of(&skippable(b"")[..Codec::MAGIC_LEN]), Codec::Zstd);
    assert_eq!(Codec::of(b"\x7fELF\x02\x01"), Codec::None);
    assert_eq!(Codec::of(b"\xfd7zXZ"), Codec::None); // one byte short
    assert_eq!(Codec::of(b""), Codec::None);
}

#[test]
fn what_is_not_compressed_is_copied() {
    assert_eq!(decode(b"plain").unwrap(), b"plain");
    assert_eq!(decode(b"").unwrap(), b"");
}

#[test]
fn plain_files_of_many_sizes_come_back() {
    let mut decoder = Decoder::new();
    for len in [1, 2, 100, 4095, 4096, 65_536, 1_000_000, 3_000_000, 17] {
        let want = content(len);
        for file in [gzip(&want), xz(&want), zstd(&want), zstd_unsized(&want)] {
            let codec = Codec::of(&file);
            assert!(decoder.decode(codec, &file).unwrap() == want, "{codec:?} {len}");
        }
    }
}

#[test]
fn an_empty_content_is_empty_but_no_zstd_module() {
    assert_eq!(decode(&gzip(b"")).unwrap(), b"");
    assert_eq!(decode(&xz(b"")).unwrap(), b"");
}

#[test]
fn gzip_members_follow_each_other() {
    let (a, b) = (content(5000), content(70_000));
    assert_eq!(decode(&[gzip(&a), gzip(&b)].concat()).unwrap(), [&a[..], &b].concat());
    // Members of the same size, and the same member twice: neither the size
    // at the end nor the checksum tells these from one member.
    let other: Vec<u8> = a.iter().map(|byte| byte ^ 1).collect();
    assert_eq!(decode(&[gzip(&a), gzip(&other)].concat()).unwrap(), [&a[..], &other].concat());
    assert_eq!(decode(&[gzip(&a), gzip(&a)].concat()).unwrap(), [&a[..], &a].concat());
}

#[test]
fn what_follows_a_gzip_member_and_is_none_is_ignored() {
    let want = content(5000);
    for tail in [&b"\0"[..], b"\x1f", b"\0\0\0\0\0\0\0\0\0\0\0\0", b"some words after the end"] {
        assert_eq!(decode(&[&gzip(&want), tail].concat()).unwrap(), want, "{tail:x?}");
        let two = [&gzip(&want)[..], &gzip(b"more"), tail].concat();
        assert_eq!(decode(&two).unwrap(), [&want[..], b"more"].concat(), "{tail:x?}");
    }
    // A member that has only begun is a truncated one, and adds nothing.
    assert_eq!(decode(&[&gzip(&want)[..], b"\x1f\x8b\x08"].concat()).unwrap(), want);
}

#[test]
fn a_truncated_gzip_file_ends_where_its_data_end() {
    let want = content(200_000);
    let file = gzip(&want);
    for len in [file.len() - 1, file.len() - 8, file.len() - 9, file.len() / 2, 100, 20, 10, 6] {
        let got = decode(&file[..len]).unwrap();
        assert!(want.starts_with(&got), "{len}");
        assert!(got.len() > len / 2 || len < 200, "{len} to {}", got.len());
    }
    assert_eq!(decode(&file[..file.len() - 8]).unwrap(), want);
}

#[test]
fn gzip_headers_may_have_everything() {
    let header = || GzBuilder::new().filename("x.ko").comment("hi").extra([1, 2, 3]).mtime(7);
    let want = content(9000);
    assert_eq!(decode(&gzip_with(header(), &want)).unwrap(), want);

    // And a checksum of the header, which libdeflate would not compare.
    let mut file = gzip(&want);
    file[3] = 0x02;
    let crc = libdeflater::crc32(&file[..10]) as u16;
    file.splice(10..10, crc.to_le_bytes());
    assert_eq!(decode(&file).unwrap(), want);
    file[10] ^= 1;
    assert_eq!(said(&file), ["gzip: <fd:4>: header crc mismatch"]);
}

#[test]
fn xz_streams_blocks_and_padding_follow_each_other() {
    let (a, b) = (content(5000), content(300_000));
    let both = [&a[..], &b].concat();
    assert_eq!(decode(&xz_blocks(&[&a, &b])).unwrap(), both);
    assert_eq!(decode(&[xz(&a), xz(&b)].concat()).unwrap(), both);
    assert_eq!(decode(&[xz(&a), vec![0; 8], xz(&b), vec![0; 4]].concat()).unwrap(), both);
    assert_eq!(decode(&[xz(&b), xz(b"")].concat()).unwrap(), b);
}

#[test]
fn xz_checks_and_filters_of_any_kind_decode() {
    let want = content(100_000);
    let options = LzmaOptions::new_preset(6).unwrap();
    for check in [Check::None, Check::Crc32, Check::Crc64, Check::Sha256] {
        let file = xz_with(Filters::new().lzma2(&options), check, &want);
        assert_eq!(decode(&file).unwrap(), want, "{check:?}");
        let file = xz_with(Filters::new().x86().lzma2(&options), check, &want);
        assert_eq!(decode(&file).unwrap(), want, "{check:?} with a filter");
    }
}

#[test]
fn zstd_frames_of_any_kind_follow_each_other() {
    let (a, b) = (content(5000), content(300_000));
    let both = [&a[..], &b].concat();
    for file in [
        [zstd(&a), zstd(&b)].concat(),
        [zstd_unsized(&a), zstd(&b)].concat(),
        [zstd(&a), zstd_unsized(&b)].concat(),
        [skippable(b"index"), zstd(&a), skippable(b""), zstd(b""), zstd(&b)].concat(),
        [zstd(&both), skippable(&[7; 1000])].concat(),
    ] {
        assert_eq!(decode(&file).unwrap(), both);
    }
}

#[test]
fn a_decoder_goes_on_after_damage_as_if_new() {
    let want = content(50_000);
    let good = [gzip(&want), xz(&want), zstd(&want), zstd_unsized(&want)];
    let mut decoder = Decoder::new();
    for file in &good {
        for at in (6..file.len()).step_by(file.len() / 40) {
            let mut bad = file.clone();
            bad[at] ^= 0x55;
            for damaged in [&bad[..], &file[..at]] {
                let codec = Codec::of(damaged);
                let reused = decoder.decode(codec, damaged).map(<[u8]>::to_vec);
                assert_eq!(reused, decode(damaged), "{codec:?} at {at}");
            }
        }
        for file in &good {
            assert!(decoder.decode(Codec::of(file), file).unwrap() == want);
        }
    }
}

#[test]
fn a_decoder_can_move_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&Decoder::new());
}

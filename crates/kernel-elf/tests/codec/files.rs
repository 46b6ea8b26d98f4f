//! Makes compressed files.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use kernel_elf::codec::{Codec, CodecError, Decoder};
use libdeflater::crc32;
use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};

/// Content that compresses about as a module does: text-like runs among bytes
/// that look random.
pub(crate) fn content(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut out = Vec::with_capacity(len + 16);
    while out.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match state >> 30 {
            0 => out.extend_from_slice(&state.to_be_bytes()),
            1 => out.extend_from_slice(b"module_layout\0\0\0"),
            _ => out.extend_from_slice(&[(state >> 24) as u8 & 3; 8]),
        }
    }
    out.truncate(len);
    out
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    gzip_with(GzBuilder::new(), content)
}

pub(crate) fn gzip_with(header: GzBuilder, content: &[u8]) -> Vec<u8> {
    let mut encoder = header.write(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// As the kernel's build makes it: CRC32, a dictionary of 1 MiB.
pub(crate) fn xz(content: &[u8]) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(6).unwrap();
    xz_with(Filters::new().lzma2(options.dict_size(1 << 20)), Check::Crc32, content)
}

pub(crate) fn xz_with(filters: &Filters, check: Check, content: &[u8]) -> Vec<u8> {
    let mut stream = Stream::new_stream_encoder(filters, check).unwrap();
    xz_run(&mut stream, content, Action::Finish)
}

/// One stream with a block for each part.
pub(crate) fn xz_blocks(parts: &[&[u8]]) -> Vec<u8> {
    let mut stream = Stream::new_easy_encoder(6, Check::Crc32).unwrap();
    let mut out = Vec::new();
    for part in parts {
        out.extend(xz_run(&mut stream, part, Action::FullFlush));
    }
    out.extend(xz_run(&mut stream, &[], Action::Finish));
    out
}

fn xz_run(stream: &mut Stream, content: &[u8], action: Action) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() * 2 + 4096);
    let before = stream.total_in();
    loop {
        let read = (stream.total_in() - before) as usize;
        let status = stream.process_vec(&content[read..], &mut out, action).unwrap();
        if status == Status::StreamEnd {
            return out;
        }
    }
}

/// `file` with the size code of its dictionary replaced, in the header of its
/// first block: 16 is 1 MiB, 28 is 64 MiB, 40 is 4 GiB.
pub(crate) fn xz_with_dictionary(mut file: Vec<u8>, code: u8) -> Vec<u8> {
    let header = 12..12 + (usize::from(file[12]) + 1) * 4;
    assert_eq!(file[header.start + 2..header.start + 4], [0x21, 1], "one LZMA2 filter");
    file[header.start + 4] = code;
    let crc = crc32(&file[header.start..header.end - 4]).to_le_bytes();
    file[header.end - 4..header.end].copy_from_slice(&crc);
    file
}

/// As `zstd -19 FILE` makes it: size and checksum.
pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::stream::Encoder::new(Vec::new(), 19).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.set_pledged_src_size(Some(content.len() as u64)).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// As `zstd` makes it from a pipe: no size.
pub(crate) fn zstd_unsized(content: &[u8]) -> Vec<u8> {
    ::zstd::stream::encode_all(content, 3).unwrap()
}

pub(crate) fn skippable(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x5e, 0x2a, 0x4d, 0x18];
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(content);
    out
}

/// Decodes with a new decoder, by magic.
pub(crate) fn decode(file: &[u8]) -> Result<Vec<u8>, CodecError> {
    Decoder::new().decode(Codec::of(file), file).map(<[u8]>::to_vec)
}

/// What depmod prints in its attempts at `file`.
pub(crate) fn said(file: &[u8]) -> Vec<String> {
    let error = decode(file).unwrap_err();
    (0..CodecError::ATTEMPTS).filter_map(|number| error.attempt(number)).map(String::from).collect()
}

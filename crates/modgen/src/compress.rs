//! The compressed forms of a module: those the kernel build makes, and odd ones that are legal
//! but rare, or broken.
//!
//! The output depends only on the input: no file name, time or thread count goes into it.

use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use zstd::zstd_safe::CParameter;

/// A codec a module file may be stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Compression {
    /// Not compressed: `.ko`.
    #[default]
    None,
    /// `.ko.gz`, as `gzip -n` makes it: one member.
    Gzip,
    /// `.ko.xz`, as `xz --check=crc32 --lzma2=dict=1MiB` makes it: one block.
    Xz,
    /// `.ko.zst`, as `zstd` makes it: one frame with its content size and a checksum.
    Zstd,
}

/// A stream that is not what the kernel build makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Oddity {
    /// Two gzip members, xz streams or zstd frames, half of the data in each. Legal.
    Concatenated,
    /// A zstd frame that does not tell its content size. Legal. Other codecs: unchanged.
    NoContentSize,
    /// Cut off after three quarters of the bytes.
    Truncated,
    /// One bit of the middle byte is flipped.
    FlippedBit,
    /// Twelve bytes follow the end of the stream.
    TrailingGarbage,
}

impl Oddity {
    /// Every oddity.
    pub const ALL: [Oddity; 5] = [
        Oddity::Concatenated,
        Oddity::NoContentSize,
        Oddity::Truncated,
        Oddity::FlippedBit,
        Oddity::TrailingGarbage,
    ];
}

impl Compression {
    /// Every codec.
    pub const ALL: [Compression; 4] =
        [Compression::None, Compression::Gzip, Compression::Xz, Compression::Zstd];

    /// What the codec adds to a file name: empty, `.gz`, `.xz` or `.zst`.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Xz => ".xz",
            Compression::Zstd => ".zst",
        }
    }

    /// Encodes `data` as the kernel build does.
    pub fn encode(self, data: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Compression::None => Ok(data.to_vec()),
            Compression::Gzip => gzip(data),
            Compression::Xz => xz(data),
            Compression::Zstd => zstd_frame(data, true),
        }
    }

    /// Encodes `data` in an odd way.
    pub fn encode_odd(self, data: &[u8], oddity: Oddity) -> io::Result<Vec<u8>> {
        if oddity == Oddity::Concatenated {
            let (first, second) = data.split_at(data.len() / 2);
            return Ok([self.encode(first)?, self.encode(second)?].concat());
        }
        if oddity == Oddity::NoContentSize && self == Compression::Zstd {
            return zstd_frame(data, false);
        }
        let mut out = self.encode(data)?;
        let middle = out.len() / 2;
        match oddity {
            Oddity::Truncated => out.truncate(out.len() / 4 * 3),
            Oddity::FlippedBit => out.iter_mut().skip(middle).take(1).for_each(|b| *b ^= 0x10),
            Oddity::TrailingGarbage => out.extend(b"not a stream"),
            Oddity::Concatenated | Oddity::NoContentSize => {}
        }
        Ok(out)
    }

    /// Decodes a whole file, all members, streams or frames of it.
    pub fn decode(self, data: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            Compression::None => out.extend(data),
            Compression::Gzip => {
                MultiGzDecoder::new(data).read_to_end(&mut out)?;
            }
            Compression::Xz => {
                liblzma::read::XzDecoder::new_multi_decoder(data).read_to_end(&mut out)?;
            }
            Compression::Zstd => {
                zstd::stream::read::Decoder::new(data)?.read_to_end(&mut out)?;
            }
        }
        Ok(out)
    }
}

fn gzip(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(data)?;
    encoder.finish()
}

fn xz(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(6)?;
    options.dict_size(1 << 20);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc32)?;
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(data)?;
    encoder.finish()
}

fn zstd_frame(data: &[u8], content_size: bool) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::bulk::Compressor::new(3)?;
    encoder.set_parameter(CParameter::ChecksumFlag(true))?;
    encoder.set_parameter(CParameter::ContentSizeFlag(content_size))?;
    encoder.compress(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Vec<u8> {
        crate::Module::new("big").padding(50_000).to_bytes()
    }

    #[test]
    fn every_codec_round_trips_and_repeats() {
        for codec in Compression::ALL {
            let packed = codec.encode(&data()).unwrap();
            assert_eq!(codec.decode(&packed).unwrap(), data(), "{codec:?}");
            assert_eq!(codec.encode(&data()).unwrap(), packed, "{codec:?}");
        }
    }

    #[test]
    fn streams_look_like_the_kernel_builds() {
        let gz = Compression::Gzip.encode(&data()).unwrap();
        // Deflate, no name, no time.
        assert_eq!(gz[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);

        let xz = Compression::Xz.encode(&data()).unwrap();
        // Magic, then check = CRC32; the block header: one filter, LZMA2, dictionary 1 MiB.
        assert_eq!(xz[..8], *b"\xfd7zXZ\0\0\x01");
        assert_eq!(xz[12..17], [2, 0, 0x21, 1, 16]);

        let zst = Compression::Zstd.encode(&data()).unwrap();
        assert_eq!(zst[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        let size = zstd::zstd_safe::get_frame_content_size(&zst).ok().flatten();
        assert_eq!(size, Some(data().len() as u64));
    }

    #[test]
    fn legal_oddities_decode_and_broken_ones_do_not() {
        for codec in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            for oddity in [Oddity::Concatenated, Oddity::NoContentSize] {
                let packed = codec.encode_odd(&data(), oddity).unwrap();
                assert_eq!(codec.decode(&packed).unwrap(), data(), "{codec:?} {oddity:?}");
            }
            for oddity in [Oddity::Truncated, Oddity::FlippedBit] {
                let packed = codec.encode_odd(&data(), oddity).unwrap();
                assert!(codec.decode(&packed).is_err(), "{codec:?} {oddity:?}");
            }
        }
        let unsized_frame = Compression::Zstd.encode_odd(&data(), Oddity::NoContentSize).unwrap();
        assert_eq!(zstd::zstd_safe::get_frame_content_size(&unsized_frame).ok().flatten(), None);
    }
}

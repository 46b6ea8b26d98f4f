//! Compressed module files: which codec a file uses, and its whole content in
//! one reused buffer.
//!
//! | file | holds |
//! |---|---|
//! | this | [`Decoder`], one worker's decompressors |
//! | `kind` | [`Codec`], by magic |
//! | `error` | [`CodecError`]: depmod's words and errno for a bad file |
//! | `output` | the output buffer and the memory one file may take |
//! | `gzip` | libdeflate for what every kernel ships, zlib for the rest |
//! | `xz` | one liblzma decoder kept across files |
//! | `zstd` | one zstd context kept across files |
//!
//! Every result is a function of the file's bytes alone: neither what a
//! decoder read before nor how large its buffer has grown changes what a file
//! decodes to or whether it is refused.

mod error;
mod gzip;
mod kind;
mod output;
mod xz;
mod zstd;

pub use error::CodecError;
pub use kind::Codec;
use output::Output;

/// One worker's decompressors and its output buffer.
///
/// Each decompressor is made when the first file needs it and kept; the buffer
/// keeps the size of the largest file so far. A file that fails leaves the
/// decoder as good as new.
#[derive(Debug, Default)]
pub struct Decoder {
    gzip: gzip::Gzip,
    xz: xz::Xz,
    zstd: zstd::Zstd,
    output: Output,
}

impl Decoder {
    /// A decoder that holds no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that `input`, a whole file, decompresses to.
    ///
    /// The result lies in the decoder's buffer until the next call.
    /// [`Codec::None`] copies.
    ///
    /// # Errors
    ///
    /// The file is damaged, or decoding it would take more than 64 times its
    /// size plus 64 MiB of memory. A truncated gzip file is neither: as depmod
    /// reads it, it ends where its data end.
    pub fn decode<'a>(&'a mut self, codec: Codec, input: &[u8]) -> Result<&'a [u8], CodecError> {
        let len = match codec {
            Codec::None => self.output.store(codec, input)?,
            Codec::Gzip => self.gzip.decode(input, &mut self.output)?,
            Codec::Xz => self.xz.decode(input, &mut self.output)?,
            Codec::Zstd => self.zstd.decode(input, &mut self.output)?,
        };
        Ok(self.output.bytes(len))
    }
}

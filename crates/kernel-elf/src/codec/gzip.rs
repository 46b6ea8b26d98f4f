//! Gzip files: libdeflate for the plain member that kernels ship, zlib's
//! rules for everything else.
//!
//! depmod reads with `gzread()`, which this repeats: members may follow each
//! other, anything else after a member is ignored, and a file that ends early
//! ends where its data end, without an error.

use flate2::{Decompress, DecompressError, FlushDecompress, Status};
use libdeflater::Decompressor;
use memchr::memmem;
use rustix::io::Errno;

use super::error::CodecError;
use super::kind::Codec;
use super::output::{DECODER_ROOM, Output, memory_budget, next_size};

const CODEC: Codec = Codec::Gzip;
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How gzread() names a file that it knows by descriptor only. depmod has the
/// module open as 3 and hands zlib a duplicate of it, which is 4.
const FILE: &str = "<fd:4>";

/// Header flags that libdeflate reads as zlib does: extra field, name,
/// comment. It skips the header checksum, which zlib verifies.
const PLAIN_FLAGS: u8 = 0x1c;

/// More than deflate can come to per byte of input (1032), so that a larger
/// size in the trailer is not the size.
const MAX_RATIO: usize = 1033;

/// Most of input or output per call to zlib, whose counters may have 32 bits.
const MAX_STEP: usize = 1 << 30;

/// Less than zlib-rs's fast loop wants to have room for (260).
const CAREFUL_STEP: usize = 200;

/// What zlib-rs says instead of the error that its fast loop has found.
const UNNAMED: &str = "repeated call with bad state";

/// The gzip decompressors of one worker, each made on first use.
#[derive(Default)]
pub(super) struct Gzip {
    whole: Option<Decompressor>,
    stream: Option<Decompress>,
}

impl std::fmt::Debug for Gzip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gzip")
            .field("whole", &self.whole.is_some())
            .field("stream", &self.stream.is_some())
            .finish()
    }
}

impl Gzip {
    /// Decompresses `input` into `output`; the length it came to.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Output,
    ) -> Result<usize, CodecError> {
        if !input.starts_with(&MAGIC) {
            // depmod would not come here: it refuses what has no magic at all.
            return Err(CodecError::silent(CODEC, Errno::INVAL));
        }
        let budget = memory_budget(input.len());
        let limit = budget - DECODER_ROOM;
        if let Some(len) = self.decode_plain(input, output, limit)? {
            return Ok(len);
        }
        let failure = match self.decode_members(input, output, limit, MAX_STEP)? {
            Ok(len) => return Ok(len),
            // What was wrong is lost in zlib-rs's fast loop; its careful one
            // says it.
            Err(Failure::Unnamed) => {
                match self.decode_members(input, output, limit, CAREFUL_STEP)? {
                    Ok(len) => return Ok(len),
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        Err(match failure {
            Failure::TooBig => CodecError::too_big(CODEC, budget),
            Failure::Data(message) => CodecError::damaged(CODEC, &format!("{FILE}: {message}")),
            Failure::Unnamed => CodecError::damaged(CODEC, &format!("{FILE}: {UNNAMED}")),
        })
    }

    /// Decodes a file of one member with libdeflate; `None` where it is
    /// anything else or the least in doubt.
    fn decode_plain(
        &mut self,
        input: &[u8],
        output: &mut Output,
        limit: usize,
    ) -> Result<Option<usize>, CodecError> {
        let Some((&flags, claim)) = input.get(3).zip(input.last_chunk()) else { return Ok(None) };
        let size = u32::from_le_bytes(*claim) as usize;
        if flags & !PLAIN_FLAGS != 0 || size > input.len().saturating_mul(MAX_RATIO) {
            return Ok(None);
        }
        if size > limit {
            return Ok(None);
        }
        output.begin(CODEC, size)?;
        let Some(room) = output.room(CODEC, size, limit)? else { return Ok(None) };
        let whole = self.whole.get_or_insert_with(Decompressor::new);
        let Ok(len) = whole.gzip_decompress(input, room) else { return Ok(None) };
        Ok((!may_have_second_member(input, len)).then_some(len))
    }

    /// Decodes member after member as gzread() does, with at most `step` bytes
    /// of output at a time.
    fn decode_members(
        &mut self,
        input: &[u8],
        output: &mut Output,
        limit: usize,
        step: usize,
    ) -> Result<Result<usize, Failure>, CodecError> {
        let first = input.len().saturating_mul(4).min(limit);
        let Some(mut room) = output.room(CODEC, first, limit)? else {
            return Ok(Err(Failure::TooBig));
        };
        let stream = self.stream.get_or_insert_with(|| Decompress::new_gzip(15));
        let (mut read, mut written) = (0_usize, 0_usize);

        while input[read..].starts_with(&MAGIC) {
            stream.reset(true);
            loop {
                let from = &input[read..input.len().min(read.saturating_add(MAX_STEP))];
                let end = room.len().min(written.saturating_add(step));
                let (ins, outs) = (stream.total_in(), stream.total_out());
                let status =
                    stream.decompress(from, &mut room[written..end], FlushDecompress::None);
                read += (stream.total_in() - ins) as usize;
                written += (stream.total_out() - outs) as usize;
                match status {
                    Ok(Status::StreamEnd) => break,
                    Ok(_) => {}
                    Err(error) => return Ok(Err(Failure::from(error))),
                }
                if written == room.len() {
                    match output.room(CODEC, next_size(written, limit), limit)? {
                        Some(more) => room = more,
                        None => return Ok(Err(Failure::TooBig)),
                    }
                } else if read == input.len() && written < end {
                    return Ok(Ok(written)); // the file was cut here
                }
            }
        }
        Ok(Ok(written))
    }
}

/// Why the members of a file could not be decoded.
enum Failure {
    /// zlib's message.
    Data(String),
    /// Damage of which zlib-rs 0.6 does not tell what it is.
    Unnamed,
    /// The output is above the limit.
    TooBig,
}

impl From<DecompressError> for Failure {
    fn from(error: DecompressError) -> Self {
        match error.message() {
            Some(UNNAMED) => Failure::Unnamed,
            // gzread() has this where zlib has no message.
            message => Failure::Data(message.unwrap_or("compressed data error").to_owned()),
        }
    }
}

/// Whether another member may follow the first, which is `len` bytes long.
///
/// libdeflate does not tell where the first member ended. Its last four bytes
/// are `len`, as libdeflate has verified, and a second member would follow
/// with its magic; where these six bytes are nowhere in the file, there is no
/// second member, and whatever else follows gzread() ignores.
fn may_have_second_member(input: &[u8], len: usize) -> bool {
    let mut seam = [0; 6];
    seam[..4].copy_from_slice(&(len as u32).to_le_bytes());
    seam[4..].copy_from_slice(&MAGIC);
    memmem::find(input, &seam).is_some()
}

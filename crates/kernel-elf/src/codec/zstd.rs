//! Zstandard files, through one context that is kept across files.
//!
//! A kernel's .ko.zst is one frame that says how large its content is; it is
//! decoded in one call into exactly that much room, as depmod does. depmod
//! refuses everything else: further frames, skippable frames in front, and
//! frames that do not know their size, which `zstd` writes when it compresses
//! a pipe. Here these decode too; a file that neither can read gets the words
//! that depmod has for it.

use ::zstd::zstd_safe;
use rustix::io::Errno;
use zstd_safe::DCtx;

use super::error::CodecError;
use super::kind::Codec;
use super::output::{DECODER_ROOM, Output, memory_budget};

mod frames;

const CODEC: Codec = Codec::Zstd;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The zstd decompressor of one worker, made on first use.
#[derive(Default)]
pub(super) struct Zstd {
    context: Option<DCtx<'static>>,
}

impl std::fmt::Debug for Zstd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zstd").field("made", &self.context.is_some()).finish()
    }
}

impl Zstd {
    /// Decompresses `input` into `output`; the length it came to.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Output,
    ) -> Result<usize, CodecError> {
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(DCtx::try_create().ok_or_else(|| CodecError::no_memory(CODEC))?),
        };
        let budget = memory_budget(input.len());
        let limit = budget - DECODER_ROOM;
        let too_big = || CodecError::too_big(CODEC, budget);
        let frames = frames::walk(input);

        let refused = match content_size(input) {
            Some(size) => {
                // Exactly the room that the frame claims, so that one that
                // lies fails as it does in depmod; but not more than its
                // blocks can fill.
                let size = size.min(frames.map_or(u64::MAX, |frames| frames.bound));
                let size = allowed(size, limit).ok_or_else(too_big)?;
                output.begin(CODEC, size)?;
                match context.decompress(output.exactly(CODEC, size)?, input) {
                    Ok(len) => return Ok(len),
                    Err(code) => damaged(zstd_safe::get_error_name(code)),
                }
            }
            // depmod takes a skippable frame for a file that is no module.
            None if !input.starts_with(&MAGIC) => CodecError::silent(CODEC, Errno::NOEXEC),
            None => damaged("Failed to determine decompression size"),
        };

        // depmod ends here. Left are files of any other sequence of frames.
        // Decoding a whole file in one call needs no window beside the output,
        // whatever the frames ask for: the limit on the output is the limit on
        // memory.
        let Some(frames) = frames else { return Err(refused) };
        if frames.count == 1 && frames.size.is_some() {
            return Err(refused); // once is enough
        }
        let want = frames.size.unwrap_or(u64::MAX).min(frames.bound);
        let room = match (allowed(want, limit), frames.size) {
            (Some(want), _) => want,
            // What the blocks can come to says little about what they do.
            (None, None) => limit,
            (None, Some(_)) => return Err(too_big()),
        };
        match context.decompress(output.exactly(CODEC, room)?, input) {
            // A module of no bytes is of no use to depmod either.
            Ok(0) => Err(refused),
            Ok(len) => Ok(len),
            Err(code) if room == limit && is_too_small(code) => Err(too_big()),
            Err(_) => Err(refused),
        }
    }
}

fn damaged(what: &str) -> CodecError {
    CodecError::damaged(CODEC, what).every_time()
}

/// What the first frame says about its size, where it says something that
/// depmod accepts: an empty frame is none of it.
fn content_size(input: &[u8]) -> Option<u64> {
    zstd_safe::get_frame_content_size(input).ok().flatten().filter(|&size| size > 0)
}

/// `size`, where it is not above `limit`.
fn allowed(size: u64, limit: usize) -> Option<usize> {
    usize::try_from(size).ok().filter(|&size| size <= limit)
}

/// Whether a zstd error says that the output did not fit.
fn is_too_small(code: zstd_safe::ErrorCode) -> bool {
    // ZSTD_error_dstSize_tooSmall, from zstd_errors.h: part of the stable ABI.
    // Errors are returned as negative sizes.
    code == 70_usize.wrapping_neg()
}

//! Xz files, through one liblzma decoder that is kept across files.
//!
//! The CRC32 of a kernel's modules is computed here with libdeflate's, which
//! uses the processor's instructions for it: liblzma as its crate builds it
//! does not, and spends 6 % of the time there.

use libdeflater::crc32;

use super::error::CodecError;
use super::output::{Output, memory_budget, next_size};
use coder::{Checks, Coder, Failure, File};
use words::{CODEC, CUT, HEADER_LEN, NOT_XZ};

mod coder;
mod index;
mod words;

const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// How much of a file depmod reads at a time.
const PIECE: usize = 8192;

/// The xz decompressor of one worker, made on first use.
#[derive(Default)]
pub(super) struct Xz {
    kept: Option<Coder>,
}

impl std::fmt::Debug for Xz {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xz").field("made", &self.kept.is_some()).finish()
    }
}

impl Xz {
    /// Decompresses `input` into `output`; the length it came to.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Output,
    ) -> Result<usize, CodecError> {
        // Only the very first stream of a decoder tells a wrong magic from
        // damage, so the answer is given here.
        if !input.starts_with(&MAGIC) {
            return Err(CodecError::damaged(CODEC, NOT_XZ).then(later_attempts(input, 0)));
        }
        let budget = memory_budget(input.len());
        let claim = index::claim(input);
        // One byte more than the index says: a buffer that is not full proves
        // that no output is pending. The index may say anything.
        let first_room = match claim {
            Some(claim) => usize::try_from(claim.size).unwrap_or(usize::MAX).saturating_add(1),
            None => next_size(input.len().saturating_mul(4), usize::MAX),
        };
        let file = File { input, budget, first_room };

        if let Some(expected) = claim.and_then(|claim| claim.only_crc32) {
            // liblzma has compared the index with the data by then, so this
            // was the file's only block and its checksum is where it was
            // found. Whatever is wrong is found again below, in the order in
            // which liblzma finds it.
            if let Ok(len) = self.decode_with(Checks::Ours, file, output)
                && crc32(output.bytes(len)) == expected
            {
                return Ok(len);
            }
        }
        self.decode_with(Checks::Liblzma, file, output)
    }

    fn decode_with(
        &mut self,
        checks: Checks,
        file: File<'_>,
        output: &mut Output,
    ) -> Result<usize, CodecError> {
        // A decoder that fails is dropped: only one that stands between two
        // streams can go on.
        let kept = self.kept.take().filter(|coder| coder.checks() == checks);
        // A new decoder may have a smaller dictionary than a kept one, and the
        // result must not depend on the files before.
        let may_retry = kept.is_some();
        let mut coder = match kept {
            Some(coder) => coder,
            None => Coder::new(checks)?,
        };
        let before = coder.total_in();
        match coder.decode(file, output) {
            Ok(len) => {
                self.kept = Some(coder);
                Ok(len)
            }
            Err(Failure::OverBudget) if may_retry => self.decode_with(checks, file, output),
            Err(Failure::OverBudget) => Err(CodecError::too_big(CODEC, file.budget)),
            Err(Failure::Output(error)) => Err(error),
            Err(Failure::Data(what)) => {
                let read = (coder.total_in() - before) as usize;
                Err(CodecError::damaged(CODEC, what).then(later_attempts(file.input, read)))
            }
        }
    }
}

/// What depmod says in its second and third attempt at a file of which the
/// first has used `read` bytes.
///
/// Each attempt goes on after the last piece that the one before has read from
/// the file, and takes what comes for the start of an xz file.
fn later_attempts(input: &[u8], read: usize) -> [Option<&'static str>; 2] {
    let mut at = read.max(1).next_multiple_of(PIECE);
    [(); 2].map(|()| {
        let rest = input.get(at..).unwrap_or_default();
        at = at.saturating_add(PIECE);
        if rest.len() < HEADER_LEN {
            Some(CUT)
        } else if !rest.starts_with(&MAGIC) {
            Some(NOT_XZ)
        } else {
            // Another stream, of all places: not followed any further.
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use liblzma::stream::{Check, Stream};

    fn xz(content: &[u8], check: Check) -> Vec<u8> {
        let mut stream = Stream::new_easy_encoder(0, check).unwrap();
        let mut out = Vec::with_capacity(content.len() + 1000);
        stream.process_vec(content, &mut out, liblzma::stream::Action::Finish).unwrap();
        out
    }

    #[test]
    fn a_decoder_is_kept_after_success_only() {
        let (mut decoder, mut output) = (Xz::default(), Output::default());
        let file = xz(b"content", Check::Crc32);
        for _ in 0..3 {
            assert_eq!(decoder.decode(&file, &mut output), Ok(7));
            let kept = decoder.kept.as_ref().unwrap();
            // The files of a kernel take the short way with the checksum.
            assert!(kept.checks() == Checks::Ours);
        }
        let read = decoder.kept.as_ref().unwrap().total_in();
        assert_eq!(read, 3 * (file.len() + EMPTY_LEN) as u64, "one decoder for all");

        assert_eq!(decoder.decode(&xz(b"content", Check::Crc64), &mut output), Ok(7));
        assert!(decoder.kept.as_ref().unwrap().checks() == Checks::Liblzma);
        decoder.decode(&file[..20], &mut output).unwrap_err();
        assert!(decoder.kept.is_none());
        assert_eq!(decoder.decode(&file, &mut output), Ok(7));
    }

    const EMPTY_LEN: usize = 32;
}

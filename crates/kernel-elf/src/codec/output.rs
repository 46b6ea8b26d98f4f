//! The buffer that files are decompressed into, and how large one file may
//! make it.

use super::error::CodecError;
use super::kind::Codec;

const MIB: usize = 1 << 20;

/// What the gzip and zstd decompressors hold beside the output; both stay
/// well below it.
pub(super) const DECODER_ROOM: usize = MIB;

/// How much memory reading one compressed file may take: 64 times its size
/// plus 64 MiB. Kernel modules compress about 4:1, so this stops bombs only.
pub(super) fn memory_budget(input_len: usize) -> usize {
    input_len.saturating_mul(64).saturating_add(64 * MIB)
}

/// The reused output buffer.
///
/// All of it is initialised, so that decompressors write into plain slices;
/// the zeros are paid for once per high-water mark, never per file.
#[derive(Debug, Default)]
pub(super) struct Output {
    buffer: Vec<u8>,
}

impl Output {
    /// The first `len` bytes.
    pub(super) fn bytes(&self, len: usize) -> &[u8] {
        &self.buffer[..len]
    }

    /// At least `want` bytes to write to but never more than `limit`; `None`
    /// where `want` is above `limit`. What was written stays.
    ///
    /// More than `want` costs nothing where the buffer has it, and lets the
    /// decompressors use their fast loops up to the end of the data.
    pub(super) fn room(
        &mut self,
        codec: Codec,
        want: usize,
        limit: usize,
    ) -> Result<Option<&mut [u8]>, CodecError> {
        if want > limit {
            return Ok(None);
        }
        self.reserve(codec, want)?;
        let len = self.buffer.len().min(limit);
        Ok(Some(&mut self.buffer[..len]))
    }

    /// Exactly `len` bytes to write to.
    pub(super) fn exactly(&mut self, codec: Codec, len: usize) -> Result<&mut [u8], CodecError> {
        self.reserve(codec, len)?;
        Ok(&mut self.buffer[..len])
    }

    /// Copies `input`.
    pub(super) fn store(&mut self, codec: Codec, input: &[u8]) -> Result<usize, CodecError> {
        self.exactly(codec, input.len())?.copy_from_slice(input);
        Ok(input.len())
    }

    fn reserve(&mut self, codec: Codec, len: usize) -> Result<(), CodecError> {
        let Some(more) = len.checked_sub(self.buffer.len()).filter(|&more| more > 0) else {
            return Ok(());
        };
        self.buffer.try_reserve_exact(more).map_err(|_| CodecError::no_memory(codec))?;
        self.buffer.resize(len, 0);
        Ok(())
    }

    /// Makes sure of `len` bytes for a file that is not begun: what was written is
    /// of no use any more. Fresh zeroed memory, unlike grown memory, is neither
    /// copied nor written before it is used.
    pub(super) fn begin(&mut self, codec: Codec, len: usize) -> Result<(), CodecError> {
        if self.buffer.len() < len {
            self.buffer = Vec::new();
            // There is no allocation of zeros that may fail, so one that may is tried first.
            self.buffer.try_reserve_exact(len).map_err(|_| CodecError::no_memory(codec))?;
            self.buffer = vec![0; len];
        }
        Ok(())
    }
}

/// The size to try when `have` bytes were not enough: twice as much, as long
/// as that is allowed. Above `limit` only where `have` is already there.
pub(super) fn next_size(have: usize, limit: usize) -> usize {
    have.saturating_mul(2).max(64 * 1024).min(limit).max(have.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_capped_by_the_limit_even_in_a_larger_buffer() {
        let mut output = Output::default();
        assert_eq!(output.exactly(Codec::Xz, 1000).unwrap().len(), 1000);
        assert_eq!(output.room(Codec::Xz, 10, 100).unwrap().unwrap().len(), 100);
        assert_eq!(output.room(Codec::Xz, 10, 5000).unwrap().unwrap().len(), 1000);
        assert!(output.room(Codec::Xz, 101, 100).unwrap().is_none());
    }

    #[test]
    fn sizes_double_up_to_the_limit_then_pass_it_by_one() {
        assert_eq!(next_size(0, MIB), 64 * 1024);
        assert_eq!(next_size(100_000, MIB), 200_000);
        assert_eq!(next_size(MIB - 1, MIB), MIB);
        assert_eq!(next_size(MIB, MIB), MIB + 1);
    }

    #[test]
    fn an_impossible_size_is_an_error_not_an_abort() {
        let error = Output::default().exactly(Codec::Zstd, usize::MAX).unwrap_err();
        assert_eq!(error, CodecError::no_memory(Codec::Zstd));
    }
}

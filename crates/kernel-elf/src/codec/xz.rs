//! Xz files, through one liblzma decoder that is kept across files.
//!
//! Making a decoder per file would allocate and fault in its dictionary, one
//! MiB for a kernel's modules, each time. A decoder for concatenated streams
//! that is never told that the input is over goes on to whatever file comes
//! next as if it were one more stream, and keeps its memory. What it then
//! cannot say by itself is whether the file so far was complete: see
//! [`finish`].
//!
//! The CRC32 of a kernel's modules is computed here with libdeflate's, which
//! uses the processor's instructions for it: liblzma as its crate builds it
//! does not, and spends 6 % of the time there.

use libdeflater::crc32;
use liblzma::stream::{Action, CONCATENATED, Error, IGNORE_CHECK, Status, Stream, TELL_ANY_CHECK};

use super::output::{Output, memory_budget, next_size};
use super::{Codec, CodecError};

mod index;

const CODEC: Codec = Codec::Xz;
const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// An empty xz file with a CRC32: header, index, footer.
const EMPTY_FILE: [u8; 32] = [
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, // header
    0x00, 0x00, 0x00, 0x00, 0x1c, 0xdf, 0x44, 0x21, // index
    0x90, 0x42, 0x99, 0x0d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5a, // footer
];
const HEADER_LEN: usize = 12;

// depmod's words; the rest is said in one place only.
const NOT_XZ: &str = "File format not recognized";
const CUT: &str = "Unexpected end of input";
const BUG: &str = "Internal error (bug)";

/// How much of a file depmod reads at a time.
const PIECE: usize = 8192;

/// What liblzma asks for beside the dictionary.
const CODER_ROOM: u64 = 68 * 1024;

/// The dictionary that a new decoder may have; the one that the kernel's build
/// asks xz for.
const FIRST_DICTIONARY: u64 = 1 << 20;

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

/// A decoder that stands between two streams, and the memory it may take.
struct Coder {
    stream: Stream,
    checks: Checks,
    dictionary: u64,
}

/// Who compares the checksum of the data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checks {
    Ours,
    Liblzma,
}

/// A file to decode.
#[derive(Clone, Copy)]
struct File<'a> {
    input: &'a [u8],
    /// Bytes of memory that it may take.
    budget: usize,
    /// How much room for output to begin with.
    first_room: usize,
}

/// Why one pass over a file did not give its content.
enum Failure {
    /// The file is damaged; depmod's words for it.
    Data(&'static str),
    /// No memory for the output.
    Output(CodecError),
    /// Output and decoder together would be above the budget.
    OverBudget,
}

impl From<CodecError> for Failure {
    fn from(error: CodecError) -> Self {
        Failure::Output(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // MemLimit is answered where it can come up.
        Failure::Data(match error {
            Error::Mem => "Cannot allocate memory",
            Error::Format => NOT_XZ,
            Error::Options => "Unsupported compression options",
            Error::Data => "File is corrupt",
            _ => BUG,
        })
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
        let kept = self.kept.take().filter(|coder| coder.checks == checks);
        // A new decoder may have a smaller dictionary than a kept one, and the
        // result must not depend on the files before.
        let may_retry = kept.is_some();
        let mut coder = match kept {
            Some(coder) => coder,
            None => Coder::new(checks)?,
        };
        let before = coder.stream.total_in();
        match coder.decode(file, output) {
            Ok(len) => {
                self.kept = Some(coder);
                Ok(len)
            }
            Err(Failure::OverBudget) if may_retry => self.decode_with(checks, file, output),
            Err(Failure::OverBudget) => Err(CodecError::too_big(CODEC, file.budget)),
            Err(Failure::Output(error)) => Err(error),
            Err(Failure::Data(what)) => {
                let read = (coder.stream.total_in() - before) as usize;
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

impl Coder {
    fn new(checks: Checks) -> Result<Self, CodecError> {
        let dictionary = FIRST_DICTIONARY;
        let flags = match checks {
            Checks::Ours => CONCATENATED | TELL_ANY_CHECK | IGNORE_CHECK,
            Checks::Liblzma => CONCATENATED | TELL_ANY_CHECK,
        };
        Stream::new_stream_decoder(dictionary + CODER_ROOM, flags)
            .map(|stream| Coder { stream, checks, dictionary })
            .map_err(|error| match error {
                Error::Mem => CodecError::no_memory(CODEC),
                _ => CodecError::damaged(CODEC, BUG),
            })
    }

    /// How much output fits into `budget` beside this decoder.
    fn limit(&self, budget: usize) -> usize {
        let own = usize::try_from(self.dictionary + CODER_ROOM).unwrap_or(usize::MAX);
        budget.saturating_sub(own)
    }

    fn decode(&mut self, file: File<'_>, output: &mut Output) -> Result<usize, Failure> {
        let File { input, budget, first_room } = file;
        let mut limit = self.limit(budget);
        let mut room =
            output.room(CODEC, first_room.min(limit), limit)?.ok_or(Failure::OverBudget)?;
        let (mut read, mut written) = (0_usize, 0_usize);

        while read < input.len() || written == room.len() {
            if written == room.len() {
                let want = next_size(written, limit);
                room = output.room(CODEC, want, limit)?.ok_or(Failure::OverBudget)?;
            }
            let (ins, outs) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.process(&input[read..], &mut room[written..], Action::Run);
            read += (self.stream.total_in() - ins) as usize;
            written += (self.stream.total_out() - outs) as usize;
            match status {
                Ok(Status::Ok | Status::GetCheck) => {}
                // No progress: the output was full, and it is only now known
                // that this was in the way; or all has been read and written.
                Ok(Status::MemNeeded) if read == input.len() => break,
                Ok(Status::MemNeeded | Status::StreamEnd) => return Err(Error::Program.into()),
                Err(Error::MemLimit) => {
                    self.raise_memory_limit(budget)?;
                    limit = self.limit(budget);
                    room = output.room(CODEC, written, limit)?.ok_or(Failure::OverBudget)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        finish(&mut self.stream, input.len())?;
        Ok(written)
    }

    /// Allows the dictionary that the stream asks for, in the steps that the
    /// format has.
    fn raise_memory_limit(&mut self, budget: usize) -> Result<(), Failure> {
        loop {
            // Sizes are 2^n and 3 * 2^n.
            self.dictionary = match self.dictionary.is_power_of_two() {
                true => self.dictionary / 2 * 3,
                false => self.dictionary / 3 * 4,
            };
            if self.dictionary + CODER_ROOM > budget as u64 {
                return Err(Failure::OverBudget);
            }
            match self.stream.set_memlimit(self.dictionary + CODER_ROOM) {
                // liblzma knows by now what it needs and accepts no less.
                Err(Error::MemLimit) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// Checks that `stream`, which has read a file of `len` bytes, stands after a
/// complete stream, and leaves it so.
///
/// The proof is to let it read one more file, an empty one. A decoder reports
/// the check of a stream when it has read that stream's header; one that does
/// so after exactly the bytes of a header was waiting for a stream to begin.
/// Anywhere else the file needed more.
fn finish(stream: &mut Stream, len: usize) -> Result<(), Failure> {
    // Streams and the padding after them come in units of four bytes.
    // Completing the last unit tells padding that is too short from a stream
    // that is.
    let missing = len.wrapping_neg() % 4;
    let begun = feed(stream, &[0; 4][..missing]).is_ok()
        && feed(stream, &EMPTY_FILE[..HEADER_LEN]) == Ok((HEADER_LEN, Status::GetCheck));
    if !begun {
        return Err(Failure::Data(CUT));
    }
    if missing != 0 {
        return Err(Error::Data.into());
    }
    match feed(stream, &EMPTY_FILE[HEADER_LEN..]) {
        Ok((read, Status::Ok)) if read == EMPTY_FILE.len() - HEADER_LEN => Ok(()),
        _ => Err(Error::Program.into()),
    }
}

/// Lets `stream` read `bytes`, without room for output; how many it took.
fn feed(stream: &mut Stream, bytes: &[u8]) -> Result<(usize, Status), Error> {
    let before = stream.total_in();
    let status = stream.process(bytes, &mut [], Action::Run)?;
    Ok(((stream.total_in() - before) as usize, status))
}

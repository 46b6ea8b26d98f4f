//! One liblzma decoder for many files.
//!
//! Making a decoder per file would allocate and fault in its dictionary, one
//! MiB for a kernel's modules, each time. A decoder for concatenated streams
//! that is never told that the input is over goes on to whatever file comes
//! next as if it were one more stream, and keeps its memory. What it then
//! cannot say by itself is whether the file so far was complete: see
//! [`finish`].

use liblzma::stream::{Action, CONCATENATED, Error, IGNORE_CHECK, Status, Stream, TELL_ANY_CHECK};

use super::words::{BUG, CODEC, CUT, HEADER_LEN, NOT_XZ};
use crate::codec::error::CodecError;
use crate::codec::output::{Output, next_size};

/// An empty xz file with a CRC32: header, index, footer.
const EMPTY_FILE: [u8; 32] = [
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, // header
    0x00, 0x00, 0x00, 0x00, 0x1c, 0xdf, 0x44, 0x21, // index
    0x90, 0x42, 0x99, 0x0d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5a, // footer
];

/// What liblzma asks for beside the dictionary.
const CODER_ROOM: u64 = 68 * 1024;

/// The dictionary that a new decoder may have; the one that the kernel's build
/// asks xz for.
const FIRST_DICTIONARY: u64 = 1 << 20;

/// A decoder that stands between two streams, and the memory it may take.
pub(super) struct Coder {
    stream: Stream,
    checks: Checks,
    dictionary: u64,
}

/// Who compares the checksum of the data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Checks {
    /// The caller, afterwards.
    Ours,
    /// liblzma, while it decodes.
    Liblzma,
}

/// A file to decode.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) input: &'a [u8],
    /// Bytes of memory that it may take.
    pub(super) budget: usize,
    /// How much room for output to begin with.
    pub(super) first_room: usize,
}

/// Why one pass over a file did not give its content.
pub(super) enum Failure {
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

impl Coder {
    /// A decoder that has read nothing.
    pub(super) fn new(checks: Checks) -> Result<Self, CodecError> {
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

    pub(super) fn checks(&self) -> Checks {
        self.checks
    }

    /// Bytes read so far, of all files.
    pub(super) fn total_in(&self) -> u64 {
        self.stream.total_in()
    }

    /// How much output fits into `budget` beside this decoder.
    fn limit(&self, budget: usize) -> usize {
        let own = usize::try_from(self.dictionary + CODER_ROOM).unwrap_or(usize::MAX);
        budget.saturating_sub(own)
    }

    /// Decodes one file into `output`; the length it came to. After a failure
    /// the decoder is of no use.
    pub(super) fn decode(&mut self, file: File<'_>, output: &mut Output) -> Result<usize, Failure> {
        let File { input, budget, first_room } = file;
        let mut limit = self.limit(budget);
        let first_room = first_room.min(limit);
        output.begin(CODEC, first_room)?;
        let mut room = output.room(CODEC, first_room, limit)?.ok_or(Failure::OverBudget)?;
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

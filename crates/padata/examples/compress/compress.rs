//! The compressor: blocks are read one after the other, compressed in parallel, and written in
//! order by the serial part of one stream.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use padata::{CancelToken, Outcome, Pool, StreamOptions, Weight, Window};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

/// How to compress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) level: i32,
    /// The length of a block, but for the last one. Larger ones are compressed better, smaller ones
    /// spread better over the threads.
    pub(crate) block: usize,
    /// Blocks in flight, at most: read, but not written.
    pub(crate) blocks: usize,
    /// The memory of their buffers in bytes, at most; but one block is always let in.
    pub(crate) memory: u64,
}

impl Options {
    /// Four blocks of 1 MiB for each thread, which evens out blocks that take longer than others;
    /// but no more than 256 MiB.
    pub(crate) fn new(threads: NonZeroUsize) -> Options {
        Options { level: 3, block: 1 << 20, blocks: 4 * threads.get(), memory: 256 << 20 }
    }
}

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) blocks: u64,
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// What could not be done, and why.
#[derive(Debug)]
pub(crate) enum Failure {
    Read(io::Error),
    Compress(io::Error),
    Write(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Read(error) => write!(f, "cannot read the input: {error}"),
            Failure::Compress(error) => write!(f, "cannot compress a block: {error}"),
            Failure::Write(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl Error for Failure {}

/// Compresses all of `input` into `output`: one zstd frame for each block, and at least one. What
/// is written depends on the input, the level and the length of the blocks alone.
///
/// A stream, for the input comes piece by piece. If all of it were there, a mapped file say,
/// `Pool::for_each_ordered` over the numbers of its blocks would do: without buffers for the input,
/// with the window by count alone, and the error of its serial function would end it by itself.
pub(crate) fn compress(
    pool: &Pool,
    options: Options,
    mut input: impl Read,
    output: impl Write + Send,
) -> Result<Summary, Failure> {
    let spare = Spare::default();
    // The serial part has failed.
    let failed = CancelToken::new();
    let window = Window::jobs(options.blocks).weight(Weight(options.memory));
    pool.scope(|scope| {
        let stream = scope.stream(
            StreamOptions::new(window).cancel(&failed),
            || new_compressor(options.level),
            |mut block: Block, compressor: &mut io::Result<Compressor<'static>>| {
                block.compress(compressor)?;
                Ok(block)
            },
            Writer { output, written: 0, result: Ok(()) },
            |writer, _, compressed| {
                writer.take(compressed, &spare);
                if writer.result.is_err() {
                    failed.cancel();
                }
            },
        );
        let mut summary = Summary { blocks: 0, read: 0, written: 0 };
        let mut is_last = false;
        let mut outcome = Ok(());
        while !is_last && !failed.is_cancelled() {
            let mut block = spare.take(options.block);
            match block.fill(&mut input, options.block) {
                Ok(len) => is_last = len < options.block,
                Err(error) => {
                    outcome = Err(Failure::Read(error));
                    break;
                }
            }
            let len = block.input.len() as u64;
            if len == 0 && summary.blocks > 0 {
                break;
            }
            let weight = block.weight();
            // It was cancelled, or its serial part has panicked, which `finish` passes on.
            if stream.submit(block, weight).is_err() {
                break;
            }
            summary.blocks += 1;
            summary.read += len;
        }
        let mut writer = stream.finish();
        outcome?;
        writer.result?;
        writer.output.flush().map_err(Failure::Write)?;
        Ok(Summary { written: writer.written, ..summary })
    })
}

fn new_compressor(level: i32) -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level)?;
    // As the program does: whoever reads it finds out if it was damaged.
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

/// A block on its way, with all the memory that it needs.
struct Block {
    input: Vec<u8>,
    frame: Vec<u8>,
}

impl Block {
    fn new(len: usize) -> Block {
        Block { input: Vec::with_capacity(len), frame: Vec::with_capacity(compress_bound(len)) }
    }

    /// What it weighs in the window: its memory, however much of it is in use.
    fn weight(&self) -> u64 {
        (self.input.capacity() + self.frame.capacity()) as u64
    }

    /// Reads as much as there is, up to `len` bytes.
    fn fill(&mut self, input: &mut impl Read, len: usize) -> io::Result<usize> {
        self.input.clear();
        input.take(len as u64).read_to_end(&mut self.input)
    }

    fn compress(&mut self, compressor: &mut io::Result<Compressor<'static>>) -> io::Result<()> {
        // The error stays where it is, for the next block on this thread.
        let compressor =
            compressor.as_mut().map_err(|error| io::Error::other(error.to_string()))?;
        self.frame.clear();
        compressor.compress_to_buffer(&self.input, &mut self.frame)?;
        Ok(())
    }
}

/// The state of the serial side.
struct Writer<W> {
    output: W,
    written: u64,
    /// The first error; nothing is written after it.
    result: Result<(), Failure>,
}

impl<W: Write> Writer<W> {
    /// Writes a block whose turn has come, and gives its buffers back to the reader.
    fn take(&mut self, compressed: Outcome<io::Result<Block>>, spare: &Spare) {
        if self.result.is_err() {
            return;
        }
        let compressed = compressed.done().unwrap_or_else(|| Err(io::Error::other("a panic")));
        match compressed {
            Ok(block) => {
                self.result = self.output.write_all(&block.frame).map_err(Failure::Write);
                self.written += block.frame.len() as u64;
                spare.put(block);
            }
            Err(error) => self.result = Err(Failure::Compress(error)),
        }
    }
}

/// Buffers that go round. There are no more of them than blocks in the window, and one.
#[derive(Default)]
struct Spare(Mutex<Vec<Block>>);

impl Spare {
    fn take(&self, len: usize) -> Block {
        self.blocks().pop().unwrap_or_else(|| Block::new(len))
    }

    fn put(&self, block: Block) {
        self.blocks().push(block);
    }

    fn blocks(&self) -> MutexGuard<'_, Vec<Block>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

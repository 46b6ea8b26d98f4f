//! A compressor on all threads, whose output any `zstd -d` reads: the blocks of the input become
//! frames, in order. Memory is bounded, however slow the output is.
//!
//! `cargo run -p padata --release --example compress -- [-LEVEL] [-T THREADS] [INPUT [OUTPUT]]`
#![expect(clippy::print_stderr, reason = "it is a program whose output is the frames")]

mod compress;

use std::error::Error;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Instant;

use padata::Pool;

use compress::Options;

struct Arguments {
    level: i32,
    threads: NonZeroUsize,
    /// `-`, or none, is stdin.
    input: Option<String>,
    /// `-`, or none, is stdout.
    output: Option<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compress: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let name = |path: &str, error: io::Error| format!("{path}: {error}");
    let input: Box<dyn Read> = match arguments.input.as_deref() {
        None | Some("-") => Box::new(io::stdin()),
        Some(path) => Box::new(File::open(path).map_err(|error| name(path, error))?),
    };
    let output: Box<dyn Write + Send> = match arguments.output.as_deref() {
        None | Some("-") if io::stdout().is_terminal() => {
            return Err("compressed data is not written to a terminal".into());
        }
        None | Some("-") => Box::new(io::stdout()),
        // An older file is not replaced: it may be the input.
        Some(path) => Box::new(File::create_new(path).map_err(|error| name(path, error))?),
    };

    let pool = Pool::new(arguments.threads);
    let options = Options { level: arguments.level, ..Options::new(arguments.threads) };
    let begin = Instant::now();
    let done = compress::compress(&pool, options, input, output);
    if let (Err(_), Some(path)) = (&done, arguments.output.as_deref().filter(|&path| path != "-")) {
        // Nobody could tell that frames are missing. What cannot be removed stays.
        let _ = std::fs::remove_file(path);
    }
    let summary = done?;
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!(
        "{} blocks, {} bytes to {}, {:.0} MB/s on {} threads",
        summary.blocks,
        summary.read,
        summary.written,
        summary.read as f64 / seconds / 1e6,
        arguments.threads
    );
    Ok(())
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut level = zstd::DEFAULT_COMPRESSION_LEVEL;
    let mut threads = padata::available_threads();
    let mut paths = Vec::new();
    while let Some(arg) = args.next() {
        match arg.strip_prefix('-') {
            None | Some("") => paths.push(arg),
            Some("T") => threads = args.next().ok_or("-T wants a number of threads")?.parse()?,
            Some(option) => {
                let number = option.parse().ok();
                let is_level =
                    |level: &i32| (1..=*zstd::compression_level_range().end()).contains(level);
                level = number.filter(is_level).ok_or_else(|| {
                    format!("no option {arg}: [-LEVEL] [-T THREADS] [INPUT [OUTPUT]]")
                })?;
            }
        }
    }
    let mut paths = paths.into_iter();
    let arguments = Arguments { level, threads, input: paths.next(), output: paths.next() };
    match paths.next() {
        Some(path) => Err(format!("one file too many: {path}").into()),
        None => Ok(arguments),
    }
}

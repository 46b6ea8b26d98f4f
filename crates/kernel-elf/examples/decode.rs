//! Times the codecs: `cargo run --release -p kernel-elf --example decode -- FILE...`
//!
//! Reads every file and decompresses it with one [`Decoder`], on one thread,
//! and prints megabytes of output per second and the seconds in all, per
//! codec, without and with reading the file.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::time::{Duration, Instant};

use kernel_elf::codec::{Codec, Decoder};

#[derive(Default)]
struct Tally {
    files: usize,
    failed: usize,
    bytes_in: usize,
    bytes_out: usize,
    reading: Duration,
    decoding: Duration,
}

fn main() -> std::io::Result<()> {
    let mut tallies: [Tally; 4] = Default::default();
    let mut decoder = Decoder::new();
    let mut input = Vec::new();

    for path in std::env::args_os().skip(1) {
        let start = Instant::now();
        input.clear();
        std::io::Read::read_to_end(&mut std::fs::File::open(&path)?, &mut input)?;
        let codec = Codec::of(&input);
        let read = Instant::now();
        let result = decoder.decode(codec, &input).map(<[u8]>::len);
        let tally = &mut tallies[codec as usize];
        tally.decoding += read.elapsed();
        tally.reading += read - start;
        tally.files += 1;
        tally.bytes_in += input.len();
        match result {
            Ok(len) => tally.bytes_out += len,
            Err(error) => {
                tally.failed += 1;
                eprintln!("{}: {error}", path.display());
            }
        }
    }

    for (codec, tally) in
        [Codec::None, Codec::Gzip, Codec::Xz, Codec::Zstd].into_iter().zip(&tallies)
    {
        if tally.files == 0 {
            continue;
        }
        let seconds = tally.decoding.as_secs_f64();
        println!(
            "{:5} {} files ({} failed), {} to {} bytes: {:.3} s decoding, {:.0} MB/s; {:.3} s with reading",
            codec.name(),
            tally.files,
            tally.failed,
            tally.bytes_in,
            tally.bytes_out,
            seconds,
            tally.bytes_out as f64 / 1e6 / seconds,
            seconds + tally.reading.as_secs_f64(),
        );
    }
    Ok(())
}

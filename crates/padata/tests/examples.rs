//! The two users of ordered streams among the examples do what they say.
#![cfg(not(any(loom, shuttle)))]

#[path = "../examples/compress/compress.rs"]
mod compress;
#[path = "../examples/tunnel/tunnel.rs"]
mod tunnel;
mod watchdog;

use std::io::{self, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use compress::{Failure, Options, Summary};
use padata::Pool;
use watchdog::in_time;

const THREADS: [usize; 3] = [1, 2, 4];

fn pool(threads: usize) -> Pool {
    Pool::new(threads.try_into().expect("at least one thread"))
}

/// Bytes that can be compressed, but not to nothing.
fn text(len: usize) -> Vec<u8> {
    let words = ["order ", "stream ", "of ", "jobs\n", "in ", "parallel ", "0123 ", "x"];
    let mut state = 1_u32;
    let mut text = Vec::with_capacity(len + 16);
    while text.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(words[(state >> 29) as usize].as_bytes());
        text.push((state >> 16) as u8);
    }
    text.truncate(len);
    text
}

/// Packets of all lengths, from none to the longest, each of which says which it is.
fn packets(count: usize) -> Vec<Vec<u8>> {
    let packet = |number: usize| {
        let len = (number * 7919) % (tunnel::PAYLOAD_MAX + 1);
        (0..len).map(|at| (number * 31 + number / 256 + at) as u8).collect()
    };
    (0..count).map(packet).collect()
}

#[test]
fn a_damaged_packet_is_dropped_and_holds_nobody_up() {
    in_time(|| {
        let sent = packets(2000);
        for threads in THREADS {
            let damage = |number: u64, datagram: &mut Vec<u8>| {
                if number == 1234 {
                    datagram[20] ^= 1;
                }
            };
            let mut delivered = Vec::new();
            let deliver = |payload: &[u8]| delivered.push(payload.to_vec());
            let report = tunnel::run(&pool(threads), sent.iter(), damage, deliver).unwrap();

            let mut expected = sent.clone();
            expected.remove(1234);
            assert!(delivered == expected, "{threads} threads: {report:?}");
            assert_eq!((report.delivered, report.dropped), (1999, 1));
            assert_eq!(report.bytes, expected.iter().map(|packet| packet.len() as u64).sum());
            assert_eq!((report.sealing.submitted, report.opening.submitted), (2000, 2000));
            // On each side the window, and one that is being filled.
            assert!(report.buffers <= 2 * (tunnel::WINDOW + 1), "{} buffers", report.buffers);
        }
    });
}

/// What is delivered, by number, of so many packets that pass this wire; and what is dropped.
fn through(wire: impl FnMut(u64, &mut Vec<u8>) + Send, packets: u64) -> (Vec<u64>, u64) {
    let mut delivered = Vec::new();
    let deliver = |payload: &[u8]| {
        delivered.push(u64::from_le_bytes(payload.try_into().expect("8 bytes were sent")));
    };
    let source = (0..packets).map(u64::to_le_bytes);
    let report = tunnel::run(&pool(2), source, wire, deliver).expect("the tunnel stands");
    (delivered, report.dropped)
}

#[test]
fn damage_of_any_part_is_found() {
    in_time(|| {
        let wire = |number: u64, datagram: &mut Vec<u8>| match number {
            // The number: a later one, and one that was already delivered.
            10 => datagram[0] ^= 0x80,
            20 => datagram[7] = 3,
            // The tag; a part of it; all but some of the number; more than there was.
            30 => *datagram.last_mut().unwrap() ^= 1,
            40 => drop(datagram.pop()),
            50 => datagram.truncate(5),
            60 => datagram.resize(2 * tunnel::PAYLOAD_MAX, 0),
            // All packets of a flight.
            100..150 => datagram[9] ^= 4,
            _ => {}
        };
        let is_good = |number: &u64| {
            ![10, 20, 30, 40, 50, 60].contains(number) && !(100..150).contains(number)
        };
        assert_eq!(through(wire, 300), ((0..300).filter(is_good).collect(), 56));
    });
}

#[test]
fn a_packet_that_is_sent_again_is_not_delivered_again() {
    in_time(|| {
        let mut recorded = Vec::new();
        let wire = |number: u64, datagram: &mut Vec<u8>| match number {
            5 => recorded.clone_from(datagram),
            8 => datagram.clone_from(&recorded),
            _ => {}
        };
        let (delivered, dropped) = through(wire, 12);
        assert_eq!((delivered, dropped), (vec![0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11], 1));
    });
}

#[test]
fn a_packet_that_is_too_long_is_an_error() {
    in_time(|| {
        let packets = [vec![0; 10], vec![0; tunnel::PAYLOAD_MAX + 1]];
        let error = tunnel::run(&pool(2), packets.iter(), |_, _| {}, |_| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_receiver_that_panics_ends_the_sender_too() {
    in_time(|| {
        for threads in THREADS {
            let deliver = |payload: &[u8]| assert!(payload.len() != 3, "three bytes");
            let packets = (0..2000).map(|number| vec![0; number % 100]);
            let tunnel = || tunnel::run(&pool(threads), packets, |_, _| {}, deliver).is_ok();
            let payload = panic::catch_unwind(AssertUnwindSafe(tunnel)).unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"three bytes"));
        }
    });
}

/// Small blocks, so that there are many.
const BLOCK: usize = 16 << 10;
const SMALL: Options = Options { level: 3, block: BLOCK, blocks: 8, memory: u64::MAX };

fn compressed(threads: usize, options: Options, input: &[u8]) -> (Vec<u8>, Summary) {
    let mut output = Vec::new();
    let summary = compress::compress(&pool(threads), options, input, &mut output)
        .expect("memory can be read and written");
    assert_eq!(summary.written, output.len() as u64);
    (output, summary)
}

#[test]
fn what_is_compressed_is_read_again_and_the_same_on_any_threads() {
    in_time(|| {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 100 * BLOCK + 7] {
            let input = text(len);
            for level in [1, 3, 7] {
                let options = Options { level, ..SMALL };
                let (output, summary) = compressed(1, options, &input);
                assert_eq!(summary.read, len as u64);
                assert_eq!(summary.blocks, len.div_ceil(BLOCK).max(1) as u64);
                assert!(zstd::decode_all(&output[..]).unwrap() == input, "{len} bytes");
                for threads in THREADS {
                    let again = compressed(threads, options, &input).0;
                    assert!(again == output, "{len} bytes at level {level}, {threads} threads");
                }
            }
        }
    });
}

#[test]
#[ignore = "needs the program zstd; cargo xtask ci runs it"]
fn zstd_program_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input.zst");
    let options = Options::new(2.try_into().unwrap());
    for len in [0, 3 * options.block + 1] {
        let input = text(len);
        std::fs::write(&path, compressed(2, options, &input).0).unwrap();
        let output = Command::new("zstd").args(["-d", "-c", "-q"]).arg(&path).output();
        let output = output.expect("this test needs the program zstd (Debian package: zstd)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == input, "{len} bytes");
    }
}

/// Blocks that were read and written, and the most that were read and not yet written.
#[derive(Default)]
struct Blocks {
    read: AtomicUsize,
    written: AtomicUsize,
    most: AtomicUsize,
}

/// An input of whole blocks, so many.
struct Source<'a>(&'a Blocks, io::Take<io::Repeat>);

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Called for a further block, so all before it are in the stream.
        let submitted = self.0.read.load(SeqCst) / BLOCK;
        self.0.most.fetch_max(submitted - self.0.written.load(SeqCst), SeqCst);
        let len = buffer.len().min(BLOCK - self.0.read.load(SeqCst) % BLOCK);
        let len = self.1.read(&mut buffer[..len])?;
        self.0.read.fetch_add(len, SeqCst);
        Ok(len)
    }
}

/// Takes so many frames.
struct Sink<'a>(&'a Blocks, usize);

impl Write for Sink<'_> {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        if self.0.written.load(SeqCst) == self.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.written.fetch_add(1, SeqCst);
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn source(blocks: &Blocks, count: u64) -> Source<'_> {
    Source(blocks, io::repeat(b'a').take(count * BLOCK as u64))
}

#[test]
fn blocks_in_flight_are_bounded_by_count_and_by_weight() {
    in_time(|| {
        for threads in THREADS {
            // A block weighs a little more than twice its length.
            for (blocks, memory, most) in
                [(3, u64::MAX, 3), (64, 5 * BLOCK as u64, 2), (64, 1, 1), (1, u64::MAX, 1)]
            {
                let options = Options { blocks, memory, ..SMALL };
                let seen = Blocks::default();
                let sink = Sink(&seen, usize::MAX);
                let done = compress::compress(&pool(threads), options, source(&seen, 200), sink);
                assert_eq!((done.unwrap().blocks, seen.written.into_inner()), (200, 200));
                assert!(seen.most.load(SeqCst) <= most, "{:?} of {most}", seen.most);
            }
        }
    });
}

#[test]
fn a_writer_that_fails_ends_it_early() {
    in_time(|| {
        for threads in THREADS {
            let seen = Blocks::default();
            let endless = source(&seen, u64::MAX / BLOCK as u64);
            let failure =
                compress::compress(&pool(threads), SMALL, endless, Sink(&seen, 10)).unwrap_err();
            assert!(failure.to_string().starts_with("cannot write the output: "), "{failure}");
            let Failure::Write(error) = failure else { panic!("{failure}") };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            // Those in flight behind the ten, and one that was read meanwhile.
            let read = seen.read.into_inner() / BLOCK;
            assert!(read <= 10 + SMALL.blocks + 1, "{read} blocks read");
        }
    });
}

#[test]
fn a_reader_that_fails_leaves_whole_frames() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    in_time(|| {
        let input = text(5 * BLOCK);
        let mut output = Vec::new();
        let failure =
            compress::compress(&pool(2), SMALL, input.chain(Broken), &mut output).unwrap_err();
        let Failure::Read(error) = failure else { panic!("{failure}") };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(zstd::decode_all(&output[..]).unwrap() == input);
    });
}

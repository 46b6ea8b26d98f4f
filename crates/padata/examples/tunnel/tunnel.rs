//! The tunnel: two ordered streams with a wire between them.
//!
//! ```text
//! packets ─ submit ─> seal, in parallel ─> send, in order ── UDP ──> receive ─ submit ─┐
//!                                             ^────────── credit ──────────┘           │
//!                                              deliver, in order <─ open, in parallel <┘
//! ```
//!
//! A datagram is the number of the packet (8 bytes, big-endian) and the sealed payload. The number
//! is also the nonce, and is authenticated with the payload. One without payload and number is the
//! end; it is not sealed, so who can write to the wire can cut it. Credit is the number of datagrams
//! that were taken, 8 bytes as well.

// Named, for the tests include this file from elsewhere.
#[path = "cipher.rs"]
mod cipher;

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use padata::{Outcome, Pool, StreamOptions, StreamStats, Window};

use cipher::{HEADER, Key, TAG, new_key, open, seal};

/// The longest payload; what fits into an Ethernet frame beside the headers.
pub(crate) const PAYLOAD_MAX: usize = 1400;
const DATAGRAM_MAX: usize = HEADER + PAYLOAD_MAX + TAG;

/// Packets between their submission and the end of their serial part, on each side.
pub(crate) const WINDOW: usize = 256;

/// Datagrams that were sent and for which there was no credit yet, at most. The kernel drops what
/// does not fit into the receive buffer of a socket. These do: it has 208 KiB unless somebody has
/// set it otherwise, and a datagram of this size takes less than 4 KiB of it.
const FLIGHT: u64 = 32;

/// The receiver gives credit each time it has taken so many datagrams.
const CREDIT_EVERY: u64 = FLIGHT / 4;

/// Longer than any pause of a peer that is alive. Without it a lost datagram would be a hang.
const SILENCE: Duration = Duration::from_secs(60);

/// What became of the packets.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) delivered: u64,
    /// Datagrams that were not what the sender has sealed, or came a second time.
    pub(crate) dropped: u64,
    /// Payload that was delivered.
    pub(crate) bytes: u64,
    /// Buffers that were allocated, on both sides.
    pub(crate) buffers: usize,
    /// Of the two streams, a moment before they ended: the last packets may be missing.
    pub(crate) sealing: StreamStats,
    pub(crate) opening: StreamStats,
}

/// Sends `packets` through a tunnel of its own, and calls `deliver` for each that has arrived, in
/// order. A packet longer than [`PAYLOAD_MAX`] is an error.
///
/// `wire` sees each datagram last, with its number, and may damage it.
pub(crate) fn run<P: AsRef<[u8]>>(
    pool: &Pool,
    packets: impl Iterator<Item = P>,
    wire: impl FnMut(u64, &mut Vec<u8>) + Send,
    deliver: impl FnMut(&[u8]) + Send,
) -> io::Result<Report> {
    let key = new_key()?;
    let (near, far) = socket_pair()?;
    thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(pool, &far, &key, deliver));
        let sent = send(pool, &near, &key, packets, wire);
        // If both have failed, the receiver was the first: the other way round it is told the end.
        let received = receiver.join().unwrap_or_else(|payload| panic::resume_unwind(payload))?;
        let (sealing, buffers) = sent?;
        Ok(Report { sealing, buffers: buffers + received.buffers, ..received })
    })
}

/// Tells the other side the end, whichever way this one ends.
struct HangUp<'a>(&'a UdpSocket);

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        // If that fails, the other side finds silence.
        let _ = self.0.send(&[]);
    }
}

/// The sender's half: its counts, and how many buffers it has allocated.
fn send<P: AsRef<[u8]>>(
    pool: &Pool,
    socket: &UdpSocket,
    key: &Key,
    packets: impl Iterator<Item = P>,
    wire: impl FnMut(u64, &mut Vec<u8>) + Send,
) -> io::Result<(StreamStats, usize)> {
    let _end = HangUp(socket);
    let buffers = Buffers::default();
    let failed = AtomicBool::new(false);
    pool.scope(|scope| {
        let stream = scope.stream(
            StreamOptions::new(Window::jobs(WINDOW)).latency(true).name("seal"),
            || (),
            |datagram: Vec<u8>, ()| seal(key, datagram),
            Sender { socket, wire, sent: 0, credited: 0, result: Ok(()) },
            |sender, _, sealed| {
                if sender.result.is_ok() {
                    sender.result = sender.send(sealed, &buffers);
                    failed.store(sender.result.is_err(), Ordering::Relaxed);
                }
            },
        );
        for (number, packet) in (0_u64..).zip(packets) {
            let payload = packet.as_ref();
            if payload.len() > PAYLOAD_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the packet is too long"));
            }
            let mut datagram = buffers.take();
            datagram.clear();
            datagram.extend_from_slice(&number.to_be_bytes());
            datagram.extend_from_slice(payload);
            // A stream is closed only by a panic of its serial part, which `finish` passes on.
            if failed.load(Ordering::Relaxed) || stream.submit(datagram, 1).is_err() {
                break;
            }
        }
        let stats = stream.stats();
        stream.finish().result?;
        Ok((stats, buffers.allocated.load(Ordering::Relaxed)))
    })
}

/// The state of the sender's serial side.
struct Sender<'a, W> {
    socket: &'a UdpSocket,
    wire: W,
    sent: u64,
    /// Datagrams that the receiver says it has taken.
    credited: u64,
    result: io::Result<()>,
}

impl<W: FnMut(u64, &mut Vec<u8>)> Sender<'_, W> {
    fn send(&mut self, sealed: Outcome<io::Result<Vec<u8>>>, buffers: &Buffers) -> io::Result<()> {
        let sealed = sealed.done().unwrap_or_else(|| Err(io::Error::other("sealing panicked")));
        let mut datagram = sealed?;
        // It may wait in here: the receiver has a thread of its own, which needs nobody to take
        // what is in the socket. Packets behind this one are sealed meanwhile.
        while self.sent - self.credited >= FLIGHT {
            let mut credit = [0; size_of::<u64>()];
            if self.socket.recv(&mut credit).map_err(silent)? < credit.len() {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it has hung up"));
            }
            // The credit is not sealed: a wrong one must do no harm here.
            let credit = u64::from_be_bytes(credit).min(self.sent);
            self.credited = self.credited.max(credit);
        }
        (self.wire)(self.sent, &mut datagram);
        self.socket.send(&datagram)?;
        self.sent += 1;
        buffers.put(datagram);
        Ok(())
    }
}

/// The receiver's half.
fn receive(
    pool: &Pool,
    socket: &UdpSocket,
    key: &Key,
    deliver: impl FnMut(&[u8]) + Send,
) -> io::Result<Report> {
    let _end = HangUp(socket);
    let buffers = Buffers::default();
    pool.scope(|scope| {
        let stream = scope.stream(
            StreamOptions::new(Window::jobs(WINDOW)).latency(true).name("open"),
            || (),
            |mut datagram: Vec<u8>, ()| (open(key, &mut datagram), datagram),
            Receiver { deliver, last: None, delivered: 0, dropped: 0, bytes: 0 },
            |receiver, _, opened| receiver.take(opened, &buffers),
        );
        let ended = take_datagrams(socket, &buffers, |datagram| stream.submit(datagram, 1).is_ok());
        let opening = stream.stats();
        let Receiver { delivered, dropped, bytes, .. } = stream.finish();
        ended?;
        let (sealing, buffers) =
            (StreamStats::default(), buffers.allocated.load(Ordering::Relaxed));
        Ok(Report { delivered, dropped, bytes, buffers, sealing, opening })
    })
}

/// Takes datagrams from the socket until the end, or until `submit` takes no more. Gives credit for
/// those that were submitted: so the window of the receiver holds the sender back.
fn take_datagrams(
    socket: &UdpSocket,
    buffers: &Buffers,
    submit: impl Fn(Vec<u8>) -> bool,
) -> io::Result<()> {
    for taken in 1_u64.. {
        let mut datagram = buffers.take();
        // One that is longer than ours ever are is cut here, and then found bad.
        datagram.resize(DATAGRAM_MAX, 0);
        let len = socket.recv(&mut datagram).map_err(silent)?;
        datagram.truncate(len);
        if len == 0 || !submit(datagram) {
            break;
        }
        if taken % CREDIT_EVERY == 0 {
            socket.send(&taken.to_be_bytes())?;
        }
    }
    Ok(())
}

/// The state of the receiver's serial side.
struct Receiver<D> {
    deliver: D,
    /// The number of the packet that was delivered last.
    last: Option<u64>,
    delivered: u64,
    dropped: u64,
    bytes: u64,
}

impl<D: FnMut(&[u8])> Receiver<D> {
    /// Takes a datagram whose turn has come, with the number it had if it was good.
    fn take(&mut self, opened: Outcome<(Option<u64>, Vec<u8>)>, buffers: &Buffers) {
        let Some((number, datagram)) = opened.done() else {
            self.dropped += 1;
            return;
        };
        // A number that is not behind the last one was recorded on the wire and sent again.
        if number.is_some() && number > self.last {
            let payload = &datagram[HEADER..];
            (self.deliver)(payload);
            self.last = number;
            self.delivered += 1;
            self.bytes += payload.len() as u64;
        } else {
            self.dropped += 1;
        }
        buffers.put(datagram);
    }
}

/// Two sockets that talk to each other only.
fn socket_pair() -> io::Result<(UdpSocket, UdpSocket)> {
    let any_port = (Ipv4Addr::LOCALHOST, 0);
    let (near, far) = (UdpSocket::bind(any_port)?, UdpSocket::bind(any_port)?);
    for (one, other) in [(&near, &far), (&far, &near)] {
        one.connect(other.local_addr()?)?;
        one.set_read_timeout(Some(SILENCE))?;
    }
    Ok((near, far))
}

/// A timeout has a name of its own on each system.
fn silent(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, "the other side is silent")
        }
        _ => error,
    }
}

/// Buffers that go round: taken by who submits, put back by the serial part. So there are no more
/// of them than packets in the window, and one.
#[derive(Default)]
struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
    allocated: AtomicUsize,
}

impl Buffers {
    fn take(&self) -> Vec<u8> {
        self.free().pop().unwrap_or_else(|| {
            self.allocated.fetch_add(1, Ordering::Relaxed);
            Vec::with_capacity(DATAGRAM_MAX)
        })
    }

    fn put(&self, buffer: Vec<u8>) {
        self.free().push(buffer);
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

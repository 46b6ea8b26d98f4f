//! The frames and blocks of a zstd file, walked by their headers alone
//! (RFC 8878, section 3.1), to know what the file can come to before any
//! memory is taken for it.

/// Most that a compressed block decodes to.
const BLOCK_MAX: u64 = 128 * 1024;

/// The frames of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frames {
    /// Frames with content; skippable ones are not counted.
    pub(super) count: usize,
    /// What they say they come to, where all say it.
    pub(super) size: Option<u64>,
    /// What they can come to at most.
    pub(super) bound: u64,
}

/// Walks `file`; `None` where something is no frame or ends early.
pub(super) fn walk(file: &[u8]) -> Option<Frames> {
    let mut rest = file;
    let mut frames = Frames { count: 0, size: Some(0), bound: 0 };
    while !rest.is_empty() {
        match take(&mut rest, 4)? {
            [0x28, 0xb5, 0x2f, 0xfd] => {
                let (size, bound) = frame(&mut rest)?;
                frames.count += 1;
                frames.size = frames.size.zip(size).and_then(|(sum, size)| sum.checked_add(size));
                frames.bound = frames.bound.saturating_add(bound);
            }
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                let len = little_endian(take(&mut rest, 4)?);
                take(&mut rest, usize::try_from(len).ok()?)?;
            }
            _ => return None,
        }
    }
    Some(frames)
}

/// Passes over a frame, after its magic: what it says it comes to, and what
/// it can come to.
fn frame(rest: &mut &[u8]) -> Option<(Option<u64>, u64)> {
    let descriptor = take(rest, 1)?[0];
    let single_segment = descriptor & 0x20 != 0;
    let has_checksum = descriptor & 0x04 != 0;
    let window_len = usize::from(!single_segment);
    let dictionary_len = [0, 1, 2, 4][usize::from(descriptor & 3)];
    take(rest, window_len + dictionary_len)?;
    let size = match descriptor >> 6 {
        0 if !single_segment => None,
        0 => Some(little_endian(take(rest, 1)?)),
        1 => Some(little_endian(take(rest, 2)?) + 256),
        2 => Some(little_endian(take(rest, 4)?)),
        _ => Some(little_endian(take(rest, 8)?)),
    };

    let mut bound = 0_u64;
    loop {
        let header = little_endian(take(rest, 3)?);
        let block_size = header >> 3;
        let (stored, decoded) = match header >> 1 & 3 {
            0 => (block_size, block_size),
            1 => (1, block_size),
            2 => (block_size, BLOCK_MAX),
            _ => return None,
        };
        take(rest, usize::try_from(stored).ok()?)?;
        bound = bound.saturating_add(decoded);
        if header & 1 != 0 {
            break;
        }
    }
    take(rest, if has_checksum { 4 } else { 0 })?;
    Some((size, bound))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with a size of one byte, a raw block of 3 and an RLE block of 5.
    const SMALL: &[u8] = &[
        0x28,
        0xb5,
        0x2f,
        0xfd,
        0x20,
        8, // one segment, 8 bytes
        3 << 3,
        0,
        0,
        b'a',
        b'b',
        b'c', // raw
        (5 << 3) | (1 << 1) | 1,
        0,
        0,
        b'd', // RLE, last
    ];

    #[test]
    fn raw_and_rle_blocks_are_bounded_by_what_they_hold() {
        assert_eq!(walk(SMALL), Some(Frames { count: 1, size: Some(8), bound: 8 }));
    }

    #[test]
    fn frames_add_up_and_skippable_ones_are_passed_over() {
        let skippable = [0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
        let file = [&skippable[..], SMALL, &skippable, SMALL].concat();
        assert_eq!(walk(&file), Some(Frames { count: 2, size: Some(16), bound: 16 }));
        assert_eq!(walk(&skippable), Some(Frames { count: 0, size: Some(0), bound: 0 }));
    }

    #[test]
    fn the_walk_agrees_with_libzstd() {
        let content: Vec<u8> = (0..300_000_u32).map(|i| ((i / 7) ^ (i / 1000)) as u8).collect();
        let packed = ::zstd::bulk::compress(&content, 3).unwrap();
        let frames = walk(&packed).unwrap();
        assert_eq!((frames.count, frames.size), (1, Some(300_000)));
        assert!(frames.bound >= 300_000, "{frames:?}");

        let unsized_ = ::zstd::stream::encode_all(&content[..], 3).unwrap();
        let frames = walk(&unsized_).unwrap();
        assert_eq!((frames.count, frames.size), (1, None));
        assert!(frames.bound >= 300_000, "{frames:?}");
    }

    #[test]
    fn what_ends_early_or_is_no_frame_has_no_frames() {
        for len in 1..SMALL.len() {
            assert_eq!(walk(&SMALL[..len]), None, "{len}");
        }
        assert_eq!(walk(&[SMALL, b"trailing"].concat()), None);
        assert_eq!(walk(&[SMALL, &[0]].concat()), None);
    }
}

//! What an xz file says about itself in its indexes, read before decoding.
//!
//! Only a claim, good for the first allocation: liblzma compares the index
//! with the data when it gets there.

const FOOTER_LEN: usize = 12;
const HEADER_LEN: usize = 12;

/// The two bytes of stream flags, in header and footer, for a CRC32.
const FLAGS_CRC32: [u8; 2] = [0, 1];

/// What the indexes of a file claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The uncompressed size of all streams together.
    pub(super) size: u64,
    /// Where the file is one stream of one block with a CRC32, that checksum.
    pub(super) only_crc32: Option<u32>,
}

/// Reads the indexes of `file`, last stream first; `None` where the structure
/// does not hold.
pub(super) fn claim(mut file: &[u8]) -> Option<Claim> {
    let mut claim = Claim { size: 0, only_crc32: None };
    let mut streams = 0;
    while !file.is_empty() {
        while let Some(rest) = file.strip_suffix(&[0; 4]) {
            file = rest;
        }
        let (rest, footer) = file.split_at_checked(file.len().checked_sub(FOOTER_LEN)?)?;
        let [_, _, _, _, b0, b1, b2, b3, f0, f1, b'Y', b'Z'] = *footer else { return None };
        let units = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
        let index_len = units.checked_add(1)?.checked_mul(4)?;
        let (rest, index) = rest.split_at_checked(rest.len().checked_sub(index_len)?)?;

        let blocks = Blocks::of(index)?;
        claim.size = claim.size.checked_add(blocks.unpacked)?;
        let stream_len = usize::try_from(blocks.packed).ok()?.checked_add(HEADER_LEN)?;
        let (before, stream) = rest.split_at_checked(rest.len().checked_sub(stream_len)?)?;
        streams += 1;

        let only = before.is_empty() && streams == 1 && blocks.count == 1;
        if only && [f0, f1] == FLAGS_CRC32 && stream[6..8] == FLAGS_CRC32 {
            // The check ends the block: padding goes before it.
            claim.only_crc32 = stream.last_chunk().map(|crc| u32::from_le_bytes(*crc));
        }
        file = before;
    }
    Some(claim)
}

/// The blocks of one index, added up.
struct Blocks {
    count: u64,
    /// Bytes in the file, padding included.
    packed: u64,
    unpacked: u64,
}

impl Blocks {
    fn of(index: &[u8]) -> Option<Blocks> {
        let mut rest = index.strip_prefix(&[0])?;
        let count = number(&mut rest)?;
        let mut blocks = Blocks { count, packed: 0, unpacked: 0 };
        for _ in 0..count {
            let padded = number(&mut rest)?.checked_next_multiple_of(4)?;
            blocks.packed = blocks.packed.checked_add(padded)?;
            blocks.unpacked = blocks.unpacked.checked_add(number(&mut rest)?)?;
        }
        Some(blocks)
    }
}

/// A variable-length integer: seven bits a byte, lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index of `blocks` (packed, unpacked), padded, with a CRC of zeros.
    fn index(blocks: &[(u64, u64)]) -> Vec<u8> {
        fn put(out: &mut Vec<u8>, mut value: u64) {
            while value > 0x7f {
                out.push(value as u8 | 0x80);
                value >>= 7;
            }
            out.push(value as u8);
        }
        let mut out = vec![0];
        put(&mut out, blocks.len() as u64);
        for &(packed, unpacked) in blocks {
            put(&mut out, packed);
            put(&mut out, unpacked);
        }
        out.resize(out.len().next_multiple_of(4) + 4, 0);
        out
    }

    /// A stream with that index and nothing else in it.
    fn stream(blocks: &[(u64, u64)]) -> Vec<u8> {
        let packed: u64 = blocks.iter().map(|block| block.0.next_multiple_of(4)).sum();
        let mut out = vec![1; HEADER_LEN + packed as usize];
        out[6] = 0;
        let index = index(blocks);
        out.extend_from_slice(&index);
        out.extend_from_slice(&[9; 4]);
        out.extend_from_slice(&(index.len() as u32 / 4 - 1).to_le_bytes());
        out.extend_from_slice(b"\0\x01YZ");
        out
    }

    fn size(file: &[u8]) -> Option<u64> {
        claim(file).map(|claim| claim.size)
    }

    #[test]
    fn sizes_of_blocks_streams_and_padding_add_up() {
        assert_eq!(size(&stream(&[(30, 1000)])), Some(1000));
        assert_eq!(size(&stream(&[(30, 1000), (301, 70_000)])), Some(71_000));
        let two = [stream(&[(30, 1000)]), vec![0; 8], stream(&[(7, 5)]), vec![0; 4]].concat();
        assert_eq!(size(&two), Some(1005));
    }

    #[test]
    fn the_checksum_is_read_of_one_block_with_a_crc32_only() {
        let mut one = stream(&[(30, 1000)]);
        one[HEADER_LEN + 28..HEADER_LEN + 32].copy_from_slice(&[1, 2, 3, 4]);
        let crc32 = Some(0x0403_0201);
        assert_eq!(claim(&one), Some(Claim { size: 1000, only_crc32: crc32 }));
        let padded = [one.clone(), vec![0; 4]].concat();
        assert_eq!(claim(&padded), Some(Claim { size: 1000, only_crc32: crc32 }));

        let two_streams = [one.clone(), one.clone()].concat();
        assert_eq!(claim(&two_streams).unwrap().only_crc32, None);
        assert_eq!(claim(&stream(&[(30, 1000), (30, 1000)])).unwrap().only_crc32, None);
        one[7] = 4; // CRC64, in the header alone
        assert_eq!(claim(&one).unwrap().only_crc32, None);
    }

    #[test]
    fn a_structure_that_does_not_hold_says_nothing() {
        let good = stream(&[(30, 1000)]);
        assert_eq!(size(&good[1..]), None);
        assert_eq!(size(&good[..good.len() - 1]), None);
        assert_eq!(size(b"YZ"), None);
        let mut count = good.clone();
        let at = count.len() - FOOTER_LEN - index(&[(30, 1000)]).len() + 1;
        count[at] = 0x7f;
        assert_eq!(size(&count), None);
        // A block that the file has no room for; sizes that overflow.
        let mut long = good;
        long[at + 1] = 0x7f;
        assert_eq!(size(&long), None);
        assert_eq!(size(&stream(&[(8, u64::MAX >> 1), (8, u64::MAX >> 1), (8, 2)])), None);
    }
}

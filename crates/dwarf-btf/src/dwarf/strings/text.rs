//! Strings as a section has them, and how two are compared.

/// Offsets of `.debug_str` from here on stand for strings of a base, where there is one: so strings of
/// all files behind one base are told apart by number.
pub(crate) const OF_BASE: u64 = 1 << 31;

/// GCC writes names up to this length where they are used: of these, the base's and a file's own are
/// told apart by their text, and no offset stands for them. LLVM has them in `.debug_str` as well: in
/// such a file a name of the base is not known by its key.
pub(crate) const SHORT: usize = 3;

/// A string of a section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'s> {
    /// The section from there on.
    rest: &'s [u8],
    /// With its NUL.
    len: usize,
}

impl<'s> Text<'s> {
    /// The one at an offset, of so many bytes with its NUL.
    pub(super) fn new(section: &'s [u8], start: usize, len: usize) -> Text<'s> {
        Text { rest: &section[start..], len }
    }

    /// Without its NUL.
    pub(super) fn name(self) -> &'s [u8] {
        &self.rest[..self.len - 1]
    }

    /// With its NUL.
    pub(super) fn bytes(self) -> &'s [u8] {
        &self.rest[..self.len]
    }

    /// Whether bytes start with it and its NUL.
    #[inline]
    pub(super) fn starts(self, bytes: &[u8]) -> bool {
        equal(self.rest, bytes, self.len)
    }
}

/// The string at an offset of a section, with its NUL.
pub(super) fn string(section: &[u8], start: u32) -> &[u8] {
    let rest = &section[start as usize..];
    memchr::memchr(0, rest).map_or(rest, |end| &rest[..=end])
}

/// So many bytes of two strings are compared at a time.
const AT_ONCE: usize = 32;

/// For each length, the bytes that count, as words.
static COUNTING: [[u64; AT_ONCE / 8]; AT_ONCE + 1] = {
    let mut all = [[0; AT_ONCE / 8]; AT_ONCE + 1];
    let mut len = 0;
    while len <= AT_ONCE {
        let mut byte = 0;
        while byte < len {
            let mask = 0xff_u64 << (8 * (byte % 8));
            all[len][byte / 8] |= mask;
            byte += 1;
        }
        len += 1;
    }
    all
};

/// Whether the first `len` bytes of both are equal, where there are as many.
///
/// Names are short, and of all lengths: neither a call of `memcmp` nor a loop, of which the processor
/// cannot know how often it goes round, is as fast as a comparison of more bytes than that.
#[inline]
fn equal(a: &[u8], b: &[u8], len: usize) -> bool {
    match (a.first_chunk::<AT_ONCE>(), b.first_chunk::<AT_ONCE>(), COUNTING.get(len)) {
        (Some(a), Some(b), Some(counting)) => {
            let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
            let pairs = a.iter().zip(b).zip(counting);
            pairs.fold(0, |all, ((a, b), counting)| {
                all | (u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b)) & counting
            }) == 0
        }
        _ => a.get(..len).is_some_and(|a| b.get(..len) == Some(a)),
    }
}

//! The strings of one piece of a section: where each starts, and what is said for it as far as the
//! piece knows.

use std::ops::Range;
use std::sync::Arc;

use kmill_btf::Btf;
use kmill_btf::strings::Hash;

use crate::dwarf::strings::history::{Field, Histories, History, Known};
use crate::dwarf::strings::text::{OF_BASE, SHORT, Text, string};

/// So many bytes have one word of bits.
pub(super) const BLOCK: usize = 64;

/// What is said for a string, as far as a piece knows: the offset of one of the base, from [`OF_BASE`]
/// on, or the number of the piece's own. There are millions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said(u32);

impl Said {
    fn base(at: u32) -> Said {
        Said(OF_BASE as u32 | at)
    }

    /// What a section says, where the piece's own are said by `own`.
    pub(super) fn with(self, own: &[u32]) -> u32 {
        if self.of_base().is_some() { self.0 } else { own[self.0 as usize] }
    }

    fn of_base(self) -> Option<u32> {
        self.0.checked_sub(OF_BASE as u32)
    }
}

/// A string that is not the base's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    /// Where it starts first.
    pub(super) start: u32,
    pub(super) hash: Hash,
}

/// The strings that start in one piece of a section.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Where: a bit for each byte.
    pub(super) starts: Vec<u64>,
    pub(super) said: Vec<Said>,
    /// Those that are not the base's, each once.
    pub(super) own: Vec<Own>,
    pub(super) has_short: bool,
}

impl Piece {
    /// Of a range that starts where a block does.
    pub(super) fn read(
        section: &[u8],
        range: Range<usize>,
        base: Option<&Arc<Btf>>,
        histories: &Histories,
    ) -> Piece {
        let history = histories.take(base);
        let (guess, other) = (history.end(), history.end());
        let piece = Piece { said: Vec::with_capacity(range.len() / USUAL), ..Piece::default() };
        let mut reading = Reading { piece, history, guess, other };
        // A string starts behind each that ends.
        let mut behind = range.start.checked_sub(1).is_none_or(|last| section[last] == 0);
        let mut open = None;
        for (number, block) in section[range.clone()].chunks(BLOCK).enumerate() {
            let ends = ends(block);
            // Behind the end of the section none does.
            let starts = (ends << 1 | u64::from(behind)) & (u64::MAX >> (BLOCK - block.len()));
            behind = ends >> (BLOCK - 1) != 0;
            reading.piece.starts.push(starts);
            let mut left = starts;
            while left != 0 {
                let start = range.start + number * BLOCK + left.trailing_zeros() as usize;
                left &= left - 1;
                if let Some(before) = open.replace(start) {
                    reading.add(before, Text::new(section, before, start - before));
                }
            }
        }
        if let Some(last) = open {
            let len = string(section, last as u32).len();
            reading.add(last, Text::new(section, last, len));
        }
        histories.give_back(reading.history);
        reading.piece
    }
}

/// Bytes of a usual string.
const USUAL: usize = 12;

/// A piece that is being read.
struct Reading {
    piece: Piece,
    history: History,
    /// Where in the history's order the next string may be.
    guess: usize,
    /// And where it may have been, before one was looked for.
    other: usize,
}

impl Reading {
    /// The next string.
    #[inline]
    fn add(&mut self, start: usize, text: Text<'_>) {
        let string = match self.history.at(self.guess) {
            Some(string) if self.history.is(string, text) => {
                self.guess += 1;
                string
            }
            _ => self.near(text).unwrap_or_else(|| self.look(text)),
        };
        self.history.push(string);
        let said = match self.history.get(string, Field::Base) {
            at if at != 0 && text.name().len() > SHORT => Said::base(at - 1),
            at => self.own(string, start, text, at != 0),
        };
        self.piece.said.push(said);
    }

    /// What is said for a string that stands for itself.
    #[inline]
    fn own(&mut self, string: Known, start: usize, text: Text<'_>, of_base: bool) -> Said {
        let Reading { piece, history, .. } = self;
        if history.get(string, Field::Piece) != history.piece {
            history.set(string, Field::Piece, history.piece);
            history.set(string, Field::Number, piece.own.len() as u32);
            piece.own.push(Own { start: start as u32, hash: Hash::of(text.name()) });
            piece.has_short |= of_base && !text.name().is_empty();
        }
        Said(history.get(string, Field::Number))
    }

    /// Looks beside the place where a string was to be: one may be missing here that was there, or one
    /// be here that was not, and what comes behind that is where it was to be before.
    fn near(&mut self, text: Text<'_>) -> Option<Known> {
        let next = self.guess + 1;
        for place in [next, self.other, self.other + 1] {
            let Some(string) = self.history.at(place) else { continue };
            if self.history.is(string, text) {
                if place != next {
                    self.other = self.guess;
                }
                self.guess = place + 1;
                return Some(string);
            }
        }
        None
    }

    /// Looks for a string in the tables.
    fn look(&mut self, text: Text<'_>) -> Known {
        let history = &mut self.history;
        history.bound();
        let name = text.name();
        let hash = Hash::of(name);
        let string = history.find(hash, text).unwrap_or_else(|| {
            let base = history.base().and_then(|base| base.find_hashed(hash, name));
            history.add(hash, text, base.map(|at| at.0))
        });
        let met = history.get(string, Field::Met);
        history.set(string, Field::Met, history.end() as u32);
        self.other = self.guess;
        // What was never met is followed by what there is at the start: as good a guess as any.
        self.guess = met.wrapping_add(1) as usize;
        string
    }
}

/// A bit for each byte of a block that is a NUL.
#[inline]
fn ends(block: &[u8]) -> u64 {
    const LOW: u64 = u64::MAX / 0xff * 0x7f;
    let bits = |word: u64| {
        // The highest bit of each byte that is 0; then these bits moved together.
        let nul = !(((word & LOW) + LOW) | word | LOW);
        (nul >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    let (words, tail) = block.as_chunks::<8>();
    let mut all = 0;
    for (number, word) in words.iter().enumerate() {
        all |= bits(u64::from_le_bytes(*word)) << (8 * number);
    }
    if !tail.is_empty() {
        let mut word = [1; 8];
        word[..tail.len()].copy_from_slice(tail);
        all |= bits(u64::from_le_bytes(word)) << (8 * words.len());
    }
    all
}

/// About equal ranges that start where blocks do.
pub(super) fn cut(len: usize, count: usize) -> Vec<Range<usize>> {
    let each = len.div_ceil(count).next_multiple_of(BLOCK);
    (0..len).step_by(each).map(|start| start..len.min(start + each)).collect()
}

//! Strings that files before had, and their order.
//!
//! Compilers write the strings of every unit in a similar order: what came behind a string comes behind
//! it again, nine times of ten in the modules of a kernel. So whoever looks for strings first compares
//! with what came next the last time, and seldom has to look for one. And what is looked for is mostly
//! what others had: of a base's names modules use a fifth. These are kept here, each with all that is
//! asked of it, so that they stay in a cache where the base's table would not.
//!
//! Nothing but time depends on what a history knows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kmill_btf::Btf;
use kmill_btf::strings::{Hash, Offsets};

use crate::dwarf::strings::text::Text;

/// A string in a history: where its record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known(u32);

/// What a record says before the string itself, which ends with its NUL.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Field {
    /// Where the base has it, plus one; 0 for nowhere.
    Base,
    /// Where in the order it was when it was looked for last.
    Met,
    /// The piece of a file that has it as one of its own,
    Piece,
    /// and by this number.
    Number,
}

const FIELD: usize = 4;
const HEAD: usize = 4 * FIELD;

/// A place in the order of nothing.
const NEVER: u32 = u32::MAX;

/// How many bytes of records are kept for the next file: what stays in a cache.
const RECORDS_MAX: usize = 1 << 22;

/// How much of the order: more is not met again.
const ORDER_MAX: usize = 1 << 18;

/// Within one file so much more than that is kept.
const TIMES: usize = 64;

/// Strings of files behind one base.
#[derive(Debug, Default)]
pub(super) struct History {
    base: Option<Arc<Btf>>,
    known: Offsets,
    records: Vec<u8>,
    order: Vec<Known>,
    /// Of the piece that is read: no other one has this number.
    pub(super) piece: u32,
}

impl History {
    fn forget(&mut self) {
        self.known.clear();
        self.records.clear();
        self.order.clear();
        // No record has any.
        self.piece = 1;
    }

    fn is_larger_than(&self, times: usize) -> bool {
        self.records.len() > RECORDS_MAX * times || self.order.len() > ORDER_MAX * times
    }

    /// Forgets all when it is too much even for one file. Strings that the piece had are new to it then,
    /// and its own again.
    pub(super) fn bound(&mut self) {
        if self.is_larger_than(TIMES) {
            self.forget();
        }
    }

    /// The string at a place of the order.
    #[inline]
    pub(super) fn at(&self, place: usize) -> Option<Known> {
        self.order.get(place).copied()
    }

    /// Where in the order the next string comes.
    pub(super) fn end(&self) -> usize {
        self.order.len()
    }

    /// Adds to the order.
    #[inline]
    pub(super) fn push(&mut self, string: Known) {
        self.order.push(string);
    }

    /// Whether a string is this one.
    #[inline]
    pub(super) fn is(&self, string: Known, text: Text<'_>) -> bool {
        text.starts(&self.records[string.0 as usize + HEAD..])
    }

    /// Looks for a string.
    pub(super) fn find(&self, hash: Hash, text: Text<'_>) -> Option<Known> {
        self.known.find_by(hash, |at| self.is(Known(at), text)).map(Known)
    }

    /// Adds one that there is not, with its place in the base's strings.
    pub(super) fn add(&mut self, hash: Hash, text: Text<'_>, base: Option<u32>) -> Known {
        let string = Known(self.records.len() as u32);
        self.known.insert(hash, string.0);
        for field in [base.map_or(0, |at| at + 1), NEVER, NEVER, 0] {
            self.records.extend_from_slice(&field.to_ne_bytes());
        }
        self.records.extend_from_slice(text.bytes());
        string
    }

    #[inline]
    pub(super) fn get(&self, string: Known, field: Field) -> u32 {
        let at = string.0 as usize + field as usize * FIELD;
        let bytes = self.records[at..].first_chunk();
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }

    #[inline]
    pub(super) fn set(&mut self, string: Known, field: Field, value: u32) {
        let at = string.0 as usize + field as usize * FIELD;
        self.records[at..at + FIELD].copy_from_slice(&value.to_ne_bytes());
    }

    /// The base's strings.
    pub(super) fn base(&self) -> Option<&kmill_btf::strings::Strings> {
        self.base.as_ref().map(|base| &base.strings)
    }
}

/// Histories that no thread has.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    /// Whether they are of use once a file is done.
    keep: bool,
    free: Mutex<Vec<History>>,
}

impl Histories {
    /// For many files.
    pub(crate) fn for_many() -> Histories {
        Histories { keep: true, ..Histories::default() }
    }

    /// One of files behind this base, for the next piece.
    pub(super) fn take(&self, base: Option<&Arc<Btf>>) -> History {
        let mut history = self.free().pop().unwrap_or_default();
        let same = match (&history.base, base) {
            (Some(known), Some(base)) => Arc::ptr_eq(known, base),
            (known, base) => known.is_none() && base.is_none(),
        };
        history.piece += 1;
        if !same || history.is_larger_than(1) {
            history.forget();
            history.base = base.cloned();
        }
        history
    }

    pub(super) fn give_back(&self, history: History) {
        // A very large file's would be forgotten anyway.
        if self.keep && !history.is_larger_than(4) {
            self.free().push(history);
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<History>> {
        // Nothing is left half done under it.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

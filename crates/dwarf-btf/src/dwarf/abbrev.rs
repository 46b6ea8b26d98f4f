//! Abbreviation declarations (7.5.3): what an entry's code stands for.

use rustc_hash::FxHashMap;

use crate::dwarf::constants::form;
use crate::dwarf::cursor::Cursor;
use crate::dwarf::sections::Sections;
use crate::error::{EncodeError, Place};

/// One attribute of a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) name: u16,
    pub(crate) form: u16,
    /// The value of an implicit constant.
    pub(crate) implicit: i64,
}

/// One declaration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abbrev {
    pub(crate) tag: u16,
    pub(crate) has_children: bool,
    /// One of its attributes refers to an entry of any unit.
    refers_across: bool,
    first: u32,
    count: u32,
    /// Which one it is of all that were parsed.
    pub(crate) number: AbbrevNumber,
}

/// A declaration among all that an [`Abbrevs`] has parsed since it last forgot them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbbrevNumber(u32);

impl AbbrevNumber {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The declarations of a unit, reused from unit to unit.
///
/// Units of one kernel declare the same things over and over, under other codes: 390,000 times, a
/// few thousand of them different. So a declaration is looked up by its bytes, and parsed only
/// when they are new.
#[derive(Clone, Debug, Default)]
pub(crate) struct Abbrevs {
    /// By code, less one; compilers number them without gaps.
    all: Vec<Option<Abbrev>>,
    /// Codes that are far off.
    others: FxHashMap<u64, Abbrev>,
    /// Where they were read.
    offset: Option<u64>,
    refers_across: bool,
    /// Declarations by their bytes, from the tag on.
    known: FxHashMap<Box<[u8]>, Abbrev>,
    /// How many bytes these are.
    known_bytes: usize,
    /// How many were parsed, those included that were not worth to be kept.
    parsed: u32,
    /// Attributes of all that were parsed, one declaration behind another.
    specs: Vec<Spec>,
    /// How often everything parsed was forgotten.
    generation: u32,
}

/// Attributes of one declaration, at most. Compilers have some twenty; entries of a byte with very
/// many attributes of none would take more time than anybody has.
const ATTRIBUTES_MAX: usize = 256;

/// Bytes of a declaration that is kept, at most.
const KNOWN_MAX: usize = 1024;

/// How much is kept before everything is forgotten: some times what the largest kernel needs.
const KEPT_BYTES_MAX: usize = 4 << 20;
const KEPT_SPECS_MAX: usize = 1 << 19;

impl Abbrevs {
    /// What is known of offsets holds for one file.
    pub(crate) fn begin_file(&mut self) {
        self.offset = None;
    }

    /// Reads the declarations at an offset in the place of those before.
    pub(crate) fn read(&mut self, sections: &Sections<'_>, offset: u64) -> Result<(), EncodeError> {
        // Units of one compiler run may share theirs.
        if self.offset == Some(offset) {
            return Ok(());
        }
        self.offset = None;
        self.refers_across = false;
        self.all.clear();
        self.others.clear();
        if self.known_bytes > KEPT_BYTES_MAX || self.specs.len() > KEPT_SPECS_MAX {
            self.known.clear();
            self.specs.clear();
            (self.known_bytes, self.parsed) = (0, 0);
            self.generation += 1;
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut cursor = Cursor::new(&sections.abbrev, start, sections.endian);
        if start >= cursor.data.len() {
            return Err(error(start, "abbreviations outside the section"));
        }
        loop {
            let at = cursor.at;
            let code = cursor.uleb();
            if code == 0 && !cursor.overran() {
                self.offset = Some(offset);
                return Ok(());
            }
            let abbrev = match end(cursor.data, cursor.at) {
                Some(end) => match self.known.get(&cursor.data[cursor.at..end]) {
                    Some(known) => {
                        cursor.at = end;
                        *known
                    }
                    None => self.parse(&mut cursor, at)?,
                },
                // What does not end is an error that parsing finds.
                None => self.parse(&mut cursor, at)?,
            };
            self.refers_across |= abbrev.refers_across;
            // The first of a code counts.
            match usize::try_from(code - 1) {
                Ok(index) if index == self.all.len() => self.all.push(Some(abbrev)),
                Ok(index) if index <= self.all.len() + 1024 => {
                    if index >= self.all.len() {
                        self.all.resize(index + 1, None);
                    }
                    self.all[index].get_or_insert(abbrev);
                }
                _ => {
                    self.others.entry(code).or_insert(abbrev);
                }
            }
        }
    }

    /// Parses a declaration behind its code, which is at `at`.
    fn parse(&mut self, cursor: &mut Cursor<'_>, at: usize) -> Result<Abbrev, EncodeError> {
        let start = cursor.at;
        let tag = cursor.uleb() as u16;
        let has_children = cursor.u8() != 0;
        let first = self.specs.len();
        loop {
            let (name, form) = (cursor.uleb(), cursor.uleb());
            if (name, form) == (0, 0) {
                break;
            }
            if cursor.overran() {
                return Err(error(at, "an abbreviation that does not end"));
            }
            if self.specs.len() - first >= ATTRIBUTES_MAX {
                return Err(error(at, "an abbreviation of very many attributes"));
            }
            let (name, form) = (name as u16, form as u16);
            let implicit = if form == form::IMPLICIT_CONST { cursor.sleb() } else { 0 };
            self.specs.push(Spec { name, form, implicit });
        }
        if cursor.overran() {
            return Err(error(at, "abbreviations that do not end"));
        }
        let refers_across = self.specs[first..].iter().any(|spec| spec.form == form::REF_ADDR);
        let count = (self.specs.len() - first) as u32;
        let number = AbbrevNumber(self.parsed);
        let first = first as u32;
        let abbrev = Abbrev { tag, has_children, refers_across, first, count, number };
        self.parsed += 1;
        let bytes = &cursor.data[start..cursor.at];
        if bytes.len() <= KNOWN_MAX {
            self.known.insert(bytes.into(), abbrev);
            self.known_bytes += bytes.len();
        }
        Ok(abbrev)
    }

    /// The declaration of a code.
    pub(crate) fn get(&self, code: u64) -> Option<&Abbrev> {
        let index = usize::try_from(code.checked_sub(1)?).ok()?;
        match self.all.get(index) {
            Some(Some(abbrev)) => Some(abbrev),
            _ => self.others.get(&code),
        }
    }

    /// Where they were read.
    pub(crate) fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// All declarations by code, less one, when no code is far off.
    pub(crate) fn codes(&self) -> Option<&[Option<Abbrev>]> {
        self.others.is_empty().then_some(&self.all)
    }

    /// The attributes of a declaration.
    pub(crate) fn specs(&self, abbrev: &Abbrev) -> &[Spec] {
        &self.specs[abbrev.first as usize..(abbrev.first + abbrev.count) as usize]
    }

    /// Whether an attribute of any declaration refers to an entry of any unit.
    pub(crate) fn refers_across(&self) -> bool {
        self.refers_across
    }

    /// Numbers of declarations hold for one generation.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }
}

fn error(at: usize, what: &'static str) -> EncodeError {
    EncodeError::Dwarf {
        place: Place { section: ".debug_abbrev", unit: None, offset: at as u64 },
        what,
    }
}

/// Where a declaration ends that has its tag at `at`, when it does.
#[inline]
fn end(data: &[u8], at: usize) -> Option<usize> {
    let mut at = behind_leb(data, at)? + 1;
    loop {
        match *data.get(at..)?.first_chunk()? {
            [0, 0] => return Some(at + 2),
            // Nearly all of them.
            [0..0x80, form @ 0..0x80] if u16::from(form) != form::IMPLICIT_CONST => at += 2,
            _ => at = behind_attribute(data, at)?,
        }
    }
}

#[cold]
fn behind_attribute(data: &[u8], at: usize) -> Option<usize> {
    // The order of bytes does not count here.
    let mut cursor = Cursor::new(data, at, kmill_btf::Endian::Little);
    cursor.uleb();
    if cursor.uleb() as u16 == form::IMPLICIT_CONST {
        cursor.sleb();
    }
    (!cursor.overran()).then_some(cursor.at)
}

fn behind_leb(data: &[u8], mut at: usize) -> Option<usize> {
    while *data.get(at)? >= 0x80 {
        at += 1;
    }
    Some(at + 1)
}

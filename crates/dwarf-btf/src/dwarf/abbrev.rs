//! Abbreviation declarations (7.5.3): what an entry's code stands for.

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
    first: u32,
    count: u32,
}

/// The declarations of a unit, reused from unit to unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Abbrevs {
    /// By code, less one; compilers number them without gaps.
    all: Vec<Option<Abbrev>>,
    /// Codes that are far off.
    others: rustc_hash::FxHashMap<u64, Abbrev>,
    specs: Vec<Spec>,
    /// Where they were read.
    offset: Option<u64>,
}

/// Attributes of one declaration, at most. Compilers have some twenty; entries of a byte with very
/// many attributes of none would take more time than anybody has.
const ATTRIBUTES_MAX: usize = 256;

impl Abbrevs {
    /// Reads the declarations at an offset in the place of those before.
    pub(crate) fn read(&mut self, sections: &Sections<'_>, offset: u64) -> Result<(), EncodeError> {
        let error = |at: usize, what| EncodeError::Dwarf {
            place: Place { section: ".debug_abbrev", unit: None, offset: at as u64 },
            what,
        };
        // Units of one compiler run may share theirs.
        if self.offset == Some(offset) {
            return Ok(());
        }
        self.offset = None;
        self.all.clear();
        self.others.clear();
        self.specs.clear();
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
            let tag = cursor.uleb() as u16;
            let has_children = cursor.u8() != 0;
            let first = self.specs.len() as u32;
            loop {
                let (name, form) = (cursor.uleb(), cursor.uleb());
                if (name, form) == (0, 0) {
                    break;
                }
                if cursor.overran() {
                    return Err(error(at, "an abbreviation that does not end"));
                }
                if self.specs.len() - first as usize >= ATTRIBUTES_MAX {
                    return Err(error(at, "an abbreviation of very many attributes"));
                }
                let (name, form) = (name as u16, form as u16);
                let implicit = if form == form::IMPLICIT_CONST { cursor.sleb() } else { 0 };
                self.specs.push(Spec { name, form, implicit });
            }
            if cursor.overran() {
                return Err(error(at, "abbreviations that do not end"));
            }
            let count = self.specs.len() as u32 - first;
            let abbrev = Abbrev { tag, has_children, first, count };
            // The first of a code counts.
            match usize::try_from(code - 1) {
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

    /// Every attribute of every declaration.
    pub(crate) fn all_specs(&self) -> &[Spec] {
        &self.specs
    }
}

//! A unit: its version, and the forms in which its entries say things.

use crate::constants::{at, lang, tag};
use crate::die::Die;

/// The form of strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StringForm {
    /// In `.debug_str`.
    #[default]
    Strp,
    /// In place.
    Inline,
    /// In `.debug_line_str` (DWARF 5).
    LineStrp,
    /// By number in `.debug_str_offsets` (DWARF 5).
    Strx,
}

/// The form of references within the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's names")]
pub enum RefForm {
    Ref1,
    Ref2,
    #[default]
    Ref4,
    Ref8,
    Udata,
    Addr,
}

/// The form of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberForm {
    /// The smallest fixed size, or signed LEB128 below 0.
    #[default]
    Smallest,
    /// Four bytes, or eight, or signed LEB128 below 0.
    Wide,
    /// LEB128.
    Leb,
    /// Signed LEB128.
    SignedLeb,
    /// In the abbreviation (DWARF 5).
    Implicit,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// DWARF version, 2 to 5.
    pub version: u16,
    /// Its first entry, with all others inside.
    pub die: Die,
    /// How strings are said.
    pub strings: StringForm,
    /// Whether a string that is no longer than its offset is in place whatever else is, as GCC has it.
    pub short_in_place: bool,
    /// How references are said.
    pub refs: RefForm,
    /// How numbers are said.
    pub numbers: NumberForm,
    /// Whether entries with others inside say where the next one is.
    pub siblings: bool,
    /// Whether offsets have eight bytes.
    pub dwarf64: bool,
    /// Whether lists of locations are said by number (DWARF 5).
    pub list_index: bool,
    /// The first abbreviation's code.
    pub first_code: u64,
}

impl Unit {
    /// An empty unit in C.
    pub fn new(version: u16) -> Unit {
        let die = Die::new(tag::COMPILE_UNIT).name("unit.c").number(at::LANGUAGE, lang::C11);
        Unit {
            version,
            die,
            strings: StringForm::default(),
            short_in_place: false,
            refs: RefForm::default(),
            numbers: NumberForm::default(),
            siblings: false,
            dwarf64: false,
            list_index: false,
            first_code: 1,
        }
    }

    /// Appends an entry.
    #[must_use]
    pub fn child(mut self, die: Die) -> Unit {
        self.die.children.push(die);
        self
    }

    /// Appends several.
    #[must_use]
    pub fn children(mut self, dies: impl IntoIterator<Item = Die>) -> Unit {
        self.die.children.extend(dies);
        self
    }

    /// In another language.
    #[must_use]
    pub fn language(mut self, language: u64) -> Unit {
        self.die = Die::new(tag::COMPILE_UNIT).name("unit").number(at::LANGUAGE, language);
        self
    }

    /// Sets the form of strings.
    #[must_use]
    pub fn strings(self, strings: StringForm) -> Unit {
        Unit { strings, ..self }
    }

    /// Sets the form of references.
    #[must_use]
    pub fn refs(self, refs: RefForm) -> Unit {
        Unit { refs, ..self }
    }

    /// Sets the form of numbers.
    #[must_use]
    pub fn numbers(self, numbers: NumberForm) -> Unit {
        Unit { numbers, ..self }
    }

    /// With `DW_AT_sibling`.
    #[must_use]
    pub fn with_siblings(self) -> Unit {
        Unit { siblings: true, ..self }
    }

    /// In 64-bit DWARF.
    #[must_use]
    pub fn in_dwarf64(self) -> Unit {
        Unit { dwarf64: true, ..self }
    }

    /// Bytes of an offset.
    pub(crate) fn offset_size(&self) -> usize {
        if self.dwarf64 { 8 } else { 4 }
    }
}

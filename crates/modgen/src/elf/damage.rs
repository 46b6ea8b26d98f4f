//! The ways a module file can be broken, each a single named defect.

/// A section of the files written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// `.text`
    Text,
    /// `.modinfo`
    Modinfo,
    /// `__ksymtab_strings`
    KsymtabStrings,
    /// `__kcrctab`
    Kcrctab,
    /// `__versions`
    Versions,
    /// `.rodata`, the padding
    Rodata,
    /// `.symtab`
    Symtab,
    /// `.strtab`
    Strtab,
    /// `.shstrtab`
    Shstrtab,
}

impl Section {
    /// The name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Section::Text => ".text",
            Section::Modinfo => ".modinfo",
            Section::KsymtabStrings => "__ksymtab_strings",
            Section::Kcrctab => "__kcrctab",
            Section::Versions => "__versions",
            Section::Rodata => ".rodata",
            Section::Symtab => ".symtab",
            Section::Strtab => ".strtab",
            Section::Shstrtab => ".shstrtab",
        }
    }
}

/// One defect. A damage about a section the module does not have changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// The file has no bytes.
    Empty,
    /// The file ends after this many bytes, the section header table and all.
    Truncated(usize),
    /// The file keeps its length but every byte is noise: no magic.
    Garbage,
    /// `e_ident[EI_CLASS]` is neither 1 nor 2.
    BadClass,
    /// `e_ident[EI_DATA]` is neither 1 nor 2.
    BadData,
    /// `e_shoff` points one table's length past where the table fits.
    HeadersOutside,
    /// `e_shoff` is the largest number of the class, so `e_shoff` + size overflows.
    HeadersOverflow,
    /// `e_shentsize` is one more than the class requires.
    WrongEntrySize,
    /// `e_shnum` is 0 although there are sections.
    NoSections,
    /// `e_shstrndx` is `e_shnum`.
    NameTableIndexTooLarge,
    /// `e_shstrndx` is 0 (`SHN_UNDEF`).
    NameTableIndexZero,
    /// The section's last NUL is missing: its final byte is `X`. For [`Section::Versions`] the
    /// last entry's name fills its field without a NUL.
    Unterminated(Section),
    /// The section is not there.
    Missing(Section),
    /// The section header is there, but `sh_size` is 0.
    NoContent(Section),
    /// `sh_offset` is the length of the file.
    Outside(Section),
    /// `sh_offset` is the largest number of the class, so `sh_offset` + `sh_size` overflows.
    Overflow(Section),
    /// `sh_name` lies beyond `.shstrtab`.
    NameOutside(Section),
    /// The section is one byte longer than its entries (meant for `.symtab` and `__versions`).
    Partial(Section),
    /// A second section of the same name follows with other content: an alias
    /// `modgen:duplicate-section`, a symbol `modgen_duplicate_section`, or no symbols at all.
    Duplicate(Section),
    /// The last symbol's `st_name` lies beyond `.strtab`.
    SymbolNameOutside,
}

impl Damage {
    /// Every defect, with the sections that matter to a depmod; for table-driven tests.
    #[must_use]
    pub fn catalogue() -> Vec<Damage> {
        use Section::{KsymtabStrings, Modinfo, Shstrtab, Strtab, Symtab, Versions};
        let mut all = vec![
            Damage::Empty,
            Damage::Truncated(1),
            Damage::Truncated(16),
            Damage::Truncated(60),
            Damage::Truncated(200),
            Damage::Garbage,
            Damage::BadClass,
            Damage::BadData,
            Damage::HeadersOutside,
            Damage::HeadersOverflow,
            Damage::WrongEntrySize,
            Damage::NoSections,
            Damage::NameTableIndexTooLarge,
            Damage::NameTableIndexZero,
            Damage::SymbolNameOutside,
        ];
        let kinds = [Modinfo, KsymtabStrings, Versions, Symtab, Strtab, Shstrtab];
        for section in kinds {
            // `.symtab` holds numbers: it has no terminator to lose.
            if section != Symtab {
                all.push(Damage::Unterminated(section));
            }
            all.push(Damage::Missing(section));
            all.push(Damage::NoContent(section));
            all.push(Damage::Outside(section));
            all.push(Damage::Overflow(section));
            all.push(Damage::NameOutside(section));
            all.push(Damage::Duplicate(section));
        }
        all.extend([Damage::Partial(Symtab), Damage::Partial(Versions)]);
        all
    }

    /// Whether the defect leaves no section header to find the section names by, which some
    /// readers treat as a bug of their own (kmod's asserts on it) and so cannot be compared.
    #[must_use]
    pub const fn hides_name_table(self) -> bool {
        matches!(
            self,
            Damage::NoSections
                | Damage::NameTableIndexTooLarge
                | Damage::NameTableIndexZero
                | Damage::Missing(Section::Shstrtab)
        )
    }
}

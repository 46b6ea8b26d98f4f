//! The machines a module can be for: ELF class, byte order and `e_machine`.

/// ELF class: the width of addresses and offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `ELFCLASS32`.
    Elf32,
    /// `ELFCLASS64`.
    Elf64,
}

/// Byte order of the file's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endian {
    /// `ELFDATA2LSB`.
    Little,
    /// `ELFDATA2MSB`.
    Big,
}

/// A machine Linux modules are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Arch {
    X86_64,
    I386,
    Aarch64,
    Arm,
    /// 32-bit big-endian.
    Mips,
    Ppc,
    /// 64-bit big-endian.
    Ppc64,
    Ppc64le,
    Riscv64,
    S390x,
    Sparc,
    Sparc64,
}

impl Arch {
    /// Every machine, in the order of the declaration.
    pub const ALL: [Arch; 12] = [
        Arch::X86_64,
        Arch::I386,
        Arch::Aarch64,
        Arch::Arm,
        Arch::Mips,
        Arch::Ppc,
        Arch::Ppc64,
        Arch::Ppc64le,
        Arch::Riscv64,
        Arch::S390x,
        Arch::Sparc,
        Arch::Sparc64,
    ];

    /// Class, byte order and `e_machine`.
    #[must_use]
    pub const fn ident(self) -> (Class, Endian, u16) {
        match self {
            Arch::X86_64 => (Class::Elf64, Endian::Little, 62),
            Arch::I386 => (Class::Elf32, Endian::Little, 3),
            Arch::Aarch64 => (Class::Elf64, Endian::Little, 183),
            Arch::Arm => (Class::Elf32, Endian::Little, 40),
            Arch::Mips => (Class::Elf32, Endian::Big, 8),
            Arch::Ppc => (Class::Elf32, Endian::Big, 20),
            Arch::Ppc64 => (Class::Elf64, Endian::Big, 21),
            Arch::Ppc64le => (Class::Elf64, Endian::Little, 21),
            Arch::Riscv64 => (Class::Elf64, Endian::Little, 243),
            Arch::S390x => (Class::Elf64, Endian::Big, 22),
            Arch::Sparc => (Class::Elf32, Endian::Big, 2),
            Arch::Sparc64 => (Class::Elf64, Endian::Big, 43),
        }
    }
}

impl Class {
    /// Bytes of an address, an offset, and of the CRC in a `__versions` entry.
    pub(crate) const fn word(self) -> usize {
        match self {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        }
    }

    /// Bytes of the ELF header.
    pub(crate) const fn ehdr(self) -> usize {
        match self {
            Class::Elf32 => 52,
            Class::Elf64 => 64,
        }
    }

    /// Bytes of a section header.
    pub(crate) const fn shdr(self) -> usize {
        match self {
            Class::Elf32 => 40,
            Class::Elf64 => 64,
        }
    }

    /// Bytes of a symbol.
    pub(crate) const fn sym(self) -> usize {
        match self {
            Class::Elf32 => 16,
            Class::Elf64 => 24,
        }
    }
}

/// Appends numbers in the class and byte order of one file.
pub(crate) struct Encoder {
    pub(crate) class: Class,
    pub(crate) endian: Endian,
    pub(crate) out: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(class: Class, endian: Endian) -> Self {
        Self { class, endian, out: Vec::new() }
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.number(u64::from(value), 2);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.number(u64::from(value), 4);
    }

    /// An address, offset or size: as wide as the class says.
    pub(crate) fn word(&mut self, value: u64) {
        self.number(value, self.class.word());
    }

    /// The low `width` bytes of `value`; the rest is cut off, which is what a damaged 32-bit file
    /// with an all-ones offset needs.
    fn number(&mut self, value: u64, width: usize) {
        let bytes = value.to_le_bytes();
        match self.endian {
            Endian::Little => self.out.extend(&bytes[..width]),
            Endian::Big => self.out.extend(bytes[..width].iter().rev()),
        }
    }
}

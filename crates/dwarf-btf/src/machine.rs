//! Calling conventions, as far as the reference knows them: in which registers the first
//! parameters of a function arrive.

use object::elf;

/// How many parameters registers hold, and which DWARF operations name these (`DW_OP_reg0` is
/// 0x50); none where only their number is known.
pub(crate) fn registers(machine: u16) -> (usize, &'static [u8]) {
    match elf::Machine(machine) {
        elf::EM_X86_64 => (6, &[0x55, 0x54, 0x51, 0x52, 0x58, 0x59]),
        elf::EM_S390 => (5, &[0x52, 0x53, 0x54, 0x55, 0x56]),
        elf::EM_ARM | elf::EM_AARCH64 => (8, &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57]),
        elf::EM_SPARC | elf::EM_SPARCV9 => (6, &[]),
        elf::EM_ARC_COMPACT
        | elf::EM_ARC
        | elf::EM_MIPS
        | elf::EM_PPC
        | elf::EM_PPC64
        | elf::EM_RISCV => (8, &[]),
        _ => (0, &[]),
    }
}

/// Whether a structure of two words arrives in two registers.
pub(crate) fn has_pairs(machine: u16) -> bool {
    elf::Machine(machine) != elf::EM_S390
}

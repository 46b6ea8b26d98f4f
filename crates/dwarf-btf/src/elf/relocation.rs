//! Types of relocations, by machine: those that assemblers put on debug info.
//!
//! Numbers are those of the processor supplements to the System V ABI.

/// What a relocation does with its value, symbol plus addend, at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    /// So many bytes become the value.
    Set(u8),
    /// The value is added to what so many bytes hold.
    Add(u8),
    Subtract(u8),
    /// The same for the lower six bits of a byte.
    Set6,
    Subtract6,
    /// The same for an unsigned LEB128, which keeps its length.
    SetLeb,
    AddLeb,
    SubtractLeb,
}

/// Machines (`e_machine`).
mod machine {
    pub(super) const I386: u16 = 3;
    pub(super) const PPC64: u16 = 21;
    pub(super) const S390: u16 = 22;
    pub(super) const ARM: u16 = 40;
    pub(super) const X86_64: u16 = 62;
    pub(super) const AARCH64: u16 = 183;
    pub(super) const RISCV: u16 = 243;
    pub(super) const LOONGARCH: u16 = 258;
}

/// What a type of relocation means on a machine, when it is known here.
pub(crate) fn action(machine: u16, kind: u32) -> Option<Action> {
    use Action::{Add, AddLeb, Nothing, Set, Set6, SetLeb, Subtract, Subtract6, SubtractLeb};
    if kind == 0 {
        return Some(Nothing);
    }
    Some(match (machine, kind) {
        // R_X86_64_64; _32 and _32S; _16; _8; DTPOFF64 and DTPOFF32, of variables per thread.
        (machine::X86_64, 1 | 17) => Set(8),
        (machine::X86_64, 10 | 11 | 21) => Set(4),
        (machine::X86_64, 12) => Set(2),
        (machine::X86_64, 14) => Set(1),
        // R_386_32, _16, _8.
        (machine::I386, 1) => Set(4),
        (machine::I386, 20) => Set(2),
        (machine::I386, 22) => Set(1),
        // R_AARCH64_NONE (its second number), ABS64, ABS32, ABS16.
        (machine::AARCH64, 256) => Nothing,
        (machine::AARCH64, 257) => Set(8),
        (machine::AARCH64, 258) => Set(4),
        (machine::AARCH64, 259) => Set(2),
        // R_ARM_ABS32, ABS16, ABS8.
        (machine::ARM, 2) => Set(4),
        (machine::ARM, 5) => Set(2),
        (machine::ARM, 8) => Set(1),
        // R_PPC64_ADDR32, ADDR64, UADDR32, UADDR64.
        (machine::PPC64, 1 | 24) => Set(4),
        (machine::PPC64, 38 | 43) => Set(8),
        // R_390_8, _16, _32, _64.
        (machine::S390, 1) => Set(1),
        (machine::S390, 3) => Set(2),
        (machine::S390, 4) => Set(4),
        (machine::S390, 22) => Set(8),
        // R_RISCV_32 and _64; ADD8 to ADD64; SUB8 to SUB64; SUB6, SET6, SET8 to SET32, and those
        // of LEB128s. Code may shrink when it is linked, so lengths are differences of symbols.
        (machine::RISCV, 1) => Set(4),
        (machine::RISCV, 2) => Set(8),
        (machine::RISCV, 33..=36) => Add(1 << (kind - 33)),
        (machine::RISCV, 37..=40) => Subtract(1 << (kind - 37)),
        (machine::RISCV, 51) => Nothing,
        (machine::RISCV, 52) => Subtract6,
        (machine::RISCV, 53) => Set6,
        (machine::RISCV, 54..=56) => Set(1 << (kind - 54)),
        (machine::RISCV, 60) => SetLeb,
        (machine::RISCV, 61) => SubtractLeb,
        // R_LARCH_32 and _64; ADD8, 16, 24, 32, 64; SUB8 to SUB64; RELAX; ADD6, SUB6, and those of
        // LEB128s.
        (machine::LOONGARCH, 1) => Set(4),
        (machine::LOONGARCH, 2) => Set(8),
        (machine::LOONGARCH, 47) => Add(1),
        (machine::LOONGARCH, 48) => Add(2),
        (machine::LOONGARCH, 50) => Add(4),
        (machine::LOONGARCH, 51) => Add(8),
        (machine::LOONGARCH, 52) => Subtract(1),
        (machine::LOONGARCH, 53) => Subtract(2),
        (machine::LOONGARCH, 55) => Subtract(4),
        (machine::LOONGARCH, 56) => Subtract(8),
        (machine::LOONGARCH, 100) => Nothing,
        (machine::LOONGARCH, 105) => Set6,
        (machine::LOONGARCH, 106) => Subtract6,
        (machine::LOONGARCH, 107) => AddLeb,
        (machine::LOONGARCH, 108) => SubtractLeb,
        _ => return None,
    })
}

/// How many types have a small number; others are rare.
const COMMON: usize = 320;

/// The actions of one machine, by type.
#[derive(Clone, Debug)]
pub(crate) struct Actions {
    machine: u16,
    common: Box<[Option<Action>; COMMON]>,
}

impl Actions {
    pub(crate) fn of(machine: u16) -> Actions {
        let mut common = Box::new([None; COMMON]);
        for (kind, action_of) in (0..).zip(common.iter_mut()) {
            *action_of = action(machine, kind);
        }
        Actions { machine, common }
    }

    #[inline(always)]
    pub(crate) fn get(&self, kind: u32) -> Option<Action> {
        match self.common.get(kind as usize) {
            Some(action) => *action,
            None => action(self.machine, kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_machine() {
        use Action::{Add, Nothing, Set, Subtract};
        // What assemblers put on 1, 2, 4 and 8 bytes of debug info; 0 is where there is none.
        for (machine, one, two, four, eight) in [
            (machine::X86_64, 14, 12, 10, 1),
            (machine::I386, 22, 20, 1, 0),
            (machine::AARCH64, 0, 259, 258, 257),
            (machine::ARM, 8, 5, 2, 0),
            (machine::PPC64, 0, 0, 1, 38),
            (machine::S390, 1, 3, 4, 22),
            (machine::RISCV, 54, 55, 1, 2),
            (machine::LOONGARCH, 0, 0, 1, 2),
        ] {
            for (kind, len) in [(one, 1), (two, 2), (four, 4), (eight, 8)] {
                let expected = if kind == 0 { Nothing } else { Set(len) };
                assert_eq!(action(machine, kind), Some(expected), "{machine} {kind}");
            }
            assert_eq!(action(machine, 0x1000), None);
        }
        for (first, len) in [(47, 1), (48, 2), (50, 4), (51, 8)] {
            assert_eq!(action(machine::LOONGARCH, first), Some(Add(len)));
            assert_eq!(action(machine::LOONGARCH, first + 5), Some(Subtract(len)));
        }
        // Nothing is known of other machines but the type that does nothing.
        assert_eq!((action(8, 0), action(8, 2)), (Some(Nothing), None));
    }

    #[test]
    fn the_table_says_what_the_list_does() {
        for machine in [0, 3, 8, 21, 22, 40, 62, 183, 243, 258] {
            let actions = Actions::of(machine);
            for kind in (0..400).chain([u32::MAX]) {
                assert_eq!(actions.get(kind), action(machine, kind), "{machine} {kind}");
            }
        }
    }
}

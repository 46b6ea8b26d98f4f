//! Whether a member fits where its structure has it.

use crate::format::Kind;
use crate::types::Type;

use super::problem::EntryProblem;

/// The bits that one read of a member may touch.
const MAX_READ: u32 = 128;

/// The bits of an `int`: what a bit field of an enumeration has.
const INT_BITS: u32 = 32;

/// Where a member is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Size of the structure in bytes.
    pub(super) whole: u32,
    /// Whether the word has a bit field's width in its top byte.
    pub(super) flag: bool,
    /// The member's word.
    pub(super) word: u32,
}

impl Place {
    /// The bit where it starts, and the width of a bit field.
    fn bits(self) -> (u32, u32) {
        if self.flag { (self.word & 0xff_ffff, self.word >> 24) } else { (self.word, 0) }
    }

    /// Whether so many bits behind the byte in which it starts are inside.
    fn holds(self, start: u32, bits: u32) -> bool {
        u64::from(start / 8) + u64::from(bits.div_ceil(8)) <= u64::from(self.whole)
    }
}

/// Whether an integer has 1, 2, 4, 8 or 16 whole bytes.
pub(super) fn is_regular(int: Type<'_>) -> bool {
    let (offset, bits) = (int.extra() >> 16 & 0xff, int.extra() & 0xff);
    offset == 0 && matches!(bits, 8 | 16 | 32 | 64 | 128)
}

/// Whether a member of type `of`, modifiers left out, fits.
pub(super) fn fits(
    place: Place,
    of: Type<'_>,
    size: u32,
    pointer: u32,
) -> Result<(), EntryProblem> {
    let (start, width) = place.bits();
    match of.kind() {
        Kind::Int if place.flag => flagged_int(place, of),
        Kind::Int => {
            let (offset, bits) = (of.extra() >> 16 & 0xff, of.extra() & 0xff);
            let start = start.checked_add(offset).ok_or(EntryProblem::Misfit)?;
            int_at(place, start, bits)
        }
        Kind::Enum | Kind::Enum64 if place.flag => {
            ask(width != 0 || start % 8 == 0, EntryProblem::Unaligned)?;
            ask(width <= INT_BITS, EntryProblem::BitField)?;
            // Without a width it counts as an `int`, whatever its own size.
            let bits = if width == 0 { INT_BITS } else { width };
            ask((start + bits).div_ceil(8) <= place.whole, EntryProblem::Misfit)
        }
        Kind::Float => {
            ask(width == 0, EntryProblem::BitField)?;
            // What the least demanding machine asks.
            let aligned = pointer.min(size).max(1) * 8;
            ask(start % aligned == 0, EntryProblem::Unaligned)?;
            ask(place.holds(start, 0) && whole_fits(place, start, size), EntryProblem::Misfit)
        }
        _ => {
            ask(width == 0, EntryProblem::BitField)?;
            ask(start % 8 == 0, EntryProblem::Unaligned)?;
            ask(whole_fits(place, start, size), EntryProblem::Misfit)
        }
    }
}

fn ask(holds: bool, what: EntryProblem) -> Result<(), EntryProblem> {
    if holds { Ok(()) } else { Err(what) }
}

fn whole_fits(place: Place, start: u32, size: u32) -> bool {
    u64::from(start / 8) + u64::from(size) <= u64::from(place.whole)
}

fn flagged_int(place: Place, of: Type<'_>) -> Result<(), EntryProblem> {
    let (start, width) = place.bits();
    let bits = of.extra() & 0xff;
    ask(is_regular(of) && width <= bits, EntryProblem::BitField)?;
    ask(width != 0 || start % 8 == 0, EntryProblem::Unaligned)?;
    int_at(place, start, if width == 0 { bits } else { width })
}

fn int_at(place: Place, start: u32, bits: u32) -> Result<(), EntryProblem> {
    let read = bits + start % 8;
    ask(read <= MAX_READ, EntryProblem::BitField)?;
    ask(place.holds(start, read), EntryProblem::Misfit)
}

//! Which strings of `.debug_str` are names of functions, by offset.
//!
//! Units name a few functions a hundred thousand times. The section holds each name once, so it is
//! read once, in parallel and from front to back, and a unit only asks for an offset.

use padata::{Pool, Weight};
use rustc_hash::FxHashMap;

use crate::dwarf::sections::{Sections, string_at};
use crate::dwarf::strings::OF_BASE;
use crate::elf::functions::{ElfFunctions, FunctionId};

/// Bytes of the section that are one piece of work.
const PIECE: usize = 128 << 10;
/// Strings that are.
const PLACES: usize = 8 << 10;

/// Functions by where their names lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionNames {
    by_offset: FxHashMap<u32, FunctionId>,
}

impl FunctionNames {
    /// Of a section that has every string once.
    pub(crate) fn new(pool: &Pool, strings: &[u8], functions: &ElfFunctions<'_>) -> FunctionNames {
        let starts: Vec<usize> = (0..strings.len()).step_by(PIECE).collect();
        let found = pool.map(
            &starts,
            |_| 1,
            Weight::UNLIMITED,
            || (),
            |&start, ()| piece(strings, start, functions),
        );
        FunctionNames::collect(found)
    }

    /// Of strings that start at certain places, and of those of a base.
    pub(crate) fn at(
        pool: &Pool,
        sections: &Sections<'_>,
        places: &[u32],
        functions: &ElfFunctions<'_>,
    ) -> FunctionNames {
        let strings = &sections.str;
        let pieces: Vec<&[u32]> = places.chunks(PLACES).collect();
        let find = |piece: &&[u32], (): &mut ()| {
            let name = |at: u32| string_at(strings, u64::from(at));
            let function = |at: &u32| Some((*at, functions.find(name(*at)?)?));
            piece.iter().filter_map(function).collect()
        };
        let mut found = pool.map(&pieces, |_| 1, Weight::UNLIMITED, || (), find);
        let in_base = |name: &[u8]| Some(OF_BASE as u32 | sections.base?.find(name)?.0);
        let all = (0..).map(FunctionId).zip(&functions.all);
        found.push(all.filter_map(|(id, elf)| Some((in_base(elf.name)?, id))).collect());
        FunctionNames::collect(found)
    }

    fn collect(found: Vec<Vec<(u32, FunctionId)>>) -> FunctionNames {
        let mut by_offset = FxHashMap::default();
        by_offset.reserve(found.iter().map(Vec::len).sum());
        for (offset, id) in found.into_iter().flatten() {
            by_offset.insert(offset, id);
        }
        FunctionNames { by_offset }
    }

    /// The function whose name starts at an offset. A name that is the end of another string is
    /// not known here.
    pub(crate) fn get(&self, offset: u64) -> Option<FunctionId> {
        self.by_offset.get(&u32::try_from(offset).ok()?).copied()
    }
}

/// The strings that start in a piece.
fn piece(strings: &[u8], start: usize, functions: &ElfFunctions<'_>) -> Vec<(u32, FunctionId)> {
    let mut found = Vec::new();
    let end = (start + PIECE).min(strings.len());
    // One that began in the piece before belongs there.
    let mut at = match start {
        0 => 0,
        start => match memchr::memchr(0, &strings[start - 1..]) {
            Some(skip) => start + skip,
            None => return found,
        },
    };
    while at < end {
        let Some(len) = memchr::memchr(0, &strings[at..]) else { break };
        if let (Some(id), Ok(offset)) = (functions.find(&strings[at..at + len]), u32::try_from(at))
        {
            found.push((offset, id));
        }
        at += len + 1;
    }
    found
}

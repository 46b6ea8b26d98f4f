//! The functions that the symbol table knows: only these are encoded, under these names.
//!
//! A function's name is a symbol's up to its first dot, so `foo.isra.0` and `foo.llvm.123` are
//! `foo`; parts of functions (`.cold`, `.part`) are none. Compare `reference` behaviour: pahole
//! v1.31.

use rustc_hash::FxHashMap;

use crate::elf::image::Symbol;

/// `STT_FUNC`.
const FUNC: u8 = 2;

/// An index into the functions, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FunctionId(pub(crate) u32);

/// One function: every symbol of its name.
#[derive(Clone, Debug)]
pub(crate) struct ElfFunction<'a> {
    pub(crate) name: &'a [u8],
    /// Its symbols lie at different addresses: which one a name means is not known.
    pub(crate) ambiguous: bool,
    /// The flags of its place in a set of kfuncs, when it is in one.
    pub(crate) kfunc: Option<u32>,
}

/// All of them, in the order of their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct ElfFunctions<'a> {
    pub(crate) all: Vec<ElfFunction<'a>>,
    by_name: FxHashMap<&'a [u8], FunctionId>,
}

impl<'a> ElfFunctions<'a> {
    pub(crate) fn collect(symbols: &[Symbol<'a>]) -> Self {
        let mut entries: Vec<(&[u8], u64)> = Vec::new();
        for symbol in symbols.iter().filter(|symbol| symbol.kind == FUNC) {
            let end = memchr::memchr(b'.', symbol.name);
            let suffix = end.map_or(&b""[..], |end| &symbol.name[end..]);
            let part = |mark: &[u8]| suffix.windows(mark.len()).any(|window| window == mark);
            if part(b".cold") || part(b".part") {
                continue;
            }
            entries.push((&symbol.name[..end.unwrap_or(symbol.name.len())], symbol.value));
        }
        // Stable: the addresses of a name stay in the order of the table.
        entries.sort_by_key(|entry| entry.0);

        let mut all: Vec<ElfFunction<'a>> = Vec::with_capacity(entries.len());
        for group in entries.chunk_by(|a, b| a.0 == b.0) {
            all.push(ElfFunction { name: group[0].0, ambiguous: ambiguous(group), kfunc: None });
        }
        // The reference decides this when the next name comes, and behind the last comes none.
        if let Some(last) = all.last_mut() {
            last.ambiguous = false;
        }
        let ids = (0..).map(FunctionId);
        let by_name = all.iter().map(|function| function.name).zip(ids).collect();
        ElfFunctions { all, by_name }
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<FunctionId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, id: FunctionId) -> &ElfFunction<'a> {
        &self.all[id.0 as usize]
    }
}

/// Whether two neighbours differ, a first address of 0 left aside.
fn ambiguous(group: &[(&[u8], u64)]) -> bool {
    group.windows(2).any(|pair| pair[0].1 != 0 && pair[0].1 != pair[1].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(symbols: &[(&'static str, u64)]) -> Vec<(String, bool)> {
        let symbols: Vec<Symbol<'_>> = symbols
            .iter()
            .map(|&(name, value)| Symbol {
                name: name.as_bytes(),
                kind: FUNC,
                section: 1,
                value,
                size: 1,
            })
            .collect();
        let functions = ElfFunctions::collect(&symbols);
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        functions.all.iter().map(|function| (text(function.name), function.ambiguous)).collect()
    }

    #[test]
    fn a_name_ends_at_its_first_dot_and_parts_are_none() {
        let found = collect(&[("foo.isra.0", 1), ("bar.cold", 2), ("x.part.1", 3), ("zz", 4)]);
        assert_eq!(found, [("foo".to_owned(), false), ("zz".to_owned(), false)]);
    }

    #[test]
    fn two_addresses_are_ambiguous_but_for_a_leading_zero_and_the_last_name() {
        assert!(collect(&[("a", 1), ("a", 2), ("z", 1)])[0].1);
        assert!(!collect(&[("a", 0), ("a", 16), ("z", 1)])[0].1);
        assert!(collect(&[("a", 16), ("a", 0), ("z", 1)])[0].1);
        assert!(!collect(&[("z", 1), ("z", 2)])[0].1);
    }
}

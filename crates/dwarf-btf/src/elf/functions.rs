//! The functions that the symbol table knows: only these are encoded, under these names.
//!
//! A function's name is a symbol's up to its first dot, so `foo.isra.0` and `foo.llvm.123` are
//! `foo`; parts of functions (`.cold`, `.part`) are none. Compare `reference` behaviour: pahole
//! v1.31.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::{FxBuildHasher, FxHashMap};

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
    /// Of its last symbol so far.
    address: u64,
    /// The flags of its place in a set of kfuncs, when it is in one.
    pub(crate) kfunc: Option<u32>,
}

/// All of them, in the order in which symbols name them first.
#[derive(Clone, Debug, Default)]
pub(crate) struct ElfFunctions<'a> {
    pub(crate) all: Vec<ElfFunction<'a>>,
    by_name: HashTable<u32>,
    /// Their symbols by address, when the signatures that the compiler has left count.
    pub(crate) symbols: Option<Symbols<'a>>,
}

impl<'a> ElfFunctions<'a> {
    /// Those of a table. `each` gives its symbols, one after another; they are kept by address on
    /// demand.
    pub(crate) fn collect(by_address: bool, each: impl FnOnce(&mut dyn FnMut(Symbol<'a>))) -> Self {
        let symbols = by_address.then(Symbols::default);
        let mut functions = ElfFunctions { symbols, ..ElfFunctions::default() };
        each(&mut |symbol| {
            if symbol.kind != FUNC {
                return;
            }
            let end = memchr::memchr(b'.', symbol.name);
            let suffix = end.map_or(&b""[..], |end| &symbol.name[end..]);
            let part = |mark: &[u8]| memchr::memmem::find(suffix, mark).is_some();
            if end.is_some() && (part(b".cold") || part(b".part")) {
                return;
            }
            let name = &symbol.name[..end.unwrap_or(symbol.name.len())];
            let id = functions.add(name, symbol.value);
            if let Some(symbols) = &mut functions.symbols {
                symbols.add(id, symbol.name, symbol.value);
            }
        });
        // The reference decides this when the next name comes, and behind the last comes none.
        if let Some(last) = functions.all.iter_mut().max_by_key(|function| function.name) {
            last.ambiguous = false;
        }
        functions
    }

    fn add(&mut self, name: &'a [u8], address: u64) -> FunctionId {
        let ElfFunctions { all, by_name, .. } = self;
        let next = all.len() as u32;
        let found = by_name.entry(
            hash(name),
            |index| all[*index as usize].name == name,
            |index| hash(all[*index as usize].name),
        );
        match found {
            Entry::Vacant(place) => {
                place.insert(next);
                all.push(ElfFunction { name, ambiguous: false, address, kfunc: None });
                FunctionId(next)
            }
            Entry::Occupied(place) => {
                // Neighbours that differ, a first address of 0 left aside.
                let id = FunctionId(*place.get());
                let function = &mut all[id.0 as usize];
                function.ambiguous |= function.address != 0 && function.address != address;
                function.address = address;
                id
            }
        }
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<FunctionId> {
        let found = self.by_name.find(hash(name), |index| self.all[*index as usize].name == name);
        found.copied().map(FunctionId)
    }

    pub(crate) fn get(&self, id: FunctionId) -> &ElfFunction<'a> {
        &self.all[id.0 as usize]
    }

    /// Functions in the order of their names.
    pub(crate) fn sort(&self, ids: &mut [FunctionId]) {
        // The first eight letters decide nearly always.
        let first = |id: FunctionId| {
            let name = self.get(id).name;
            let mut first = [0; 8];
            let len = name.len().min(8);
            first[..len].copy_from_slice(&name[..len]);
            u64::from_be_bytes(first)
        };
        let mut order: Vec<(u64, FunctionId)> = ids.iter().map(|id| (first(*id), *id)).collect();
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| self.get(a.1).name.cmp(self.get(b.1).name))
        });
        for (place, (_, id)) in ids.iter_mut().zip(order) {
            *place = id;
        }
    }
}

/// A symbol with a suffix, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SuffixedId(pub(crate) u32);

/// The symbols of functions by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols<'a> {
    /// For each function and address of one of its symbols, the first with a suffix.
    at: FxHashMap<(FunctionId, u64), Option<SuffixedId>>,
    suffixed: Vec<&'a [u8]>,
}

impl<'a> Symbols<'a> {
    fn add(&mut self, function: FunctionId, name: &'a [u8], address: u64) {
        let place = self.at.entry((function, address)).or_default();
        if place.is_none() && memchr::memchr(b'.', name).is_some() {
            *place = Some(SuffixedId(self.suffixed.len() as u32));
            self.suffixed.push(name);
        }
    }

    /// Whether a function has a symbol at an address, and which is the first with a suffix there.
    pub(crate) fn at(&self, function: FunctionId, address: u64) -> Option<Option<SuffixedId>> {
        self.at.get(&(function, address)).copied()
    }

    pub(crate) fn name(&self, id: SuffixedId) -> &'a [u8] {
        self.suffixed.get(id.0 as usize).copied().unwrap_or_default()
    }
}

fn hash(name: &[u8]) -> u64 {
    FxBuildHasher.hash_one(name)
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
        let functions = ElfFunctions::collect(false, |see| symbols.into_iter().for_each(see));
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
        assert!(collect(&[("z", 1), ("a", 1), ("a", 2)])[1].1);
        assert!(collect(&[("a", 1), ("a", 2), ("z", 1)])[0].1);
        assert!(!collect(&[("a", 0), ("a", 16), ("z", 1)])[0].1);
        assert!(collect(&[("a", 16), ("a", 0), ("z", 1)])[0].1);
        assert!(!collect(&[("z", 1), ("z", 2)])[0].1);
    }
}

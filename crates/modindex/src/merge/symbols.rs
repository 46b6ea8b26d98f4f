//! Who owns a symbol: the module that comes last in the index, of those that
//! export it; the kernel only where no module does.

use hashbrown::HashTable;
use kernel_elf::Crc;

use super::module_id::ModuleId;
use crate::plan::Plan;
use crate::summary::{ModuleSummary, NameHash, SymbolUse};

/// A symbol that something exports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a [u8],
    /// None: the kernel.
    pub(crate) owner: Option<ModuleId>,
    pub(crate) crc: Crc,
}

/// All exported symbols, by name.
#[derive(Debug)]
pub(crate) struct Symbols<'a> {
    table: HashTable<(u64, Symbol<'a>)>,
}

impl<'a> Symbols<'a> {
    pub(crate) fn new(plan: &'a Plan, hash: &NameHash, summaries: &'a [ModuleSummary]) -> Self {
        let exports = summaries.iter().map(|summary| summary.exports.len()).sum::<usize>();
        let kernel = &plan.kernel_symbols.symbols;
        let mut symbols = Symbols { table: HashTable::with_capacity(exports + kernel.len()) };
        for (name, crc) in kernel {
            symbols.insert(hash.of(name), Symbol { name, owner: None, crc: *crc });
        }
        for (at, summary) in summaries.iter().enumerate() {
            let owner = Some(ModuleId(at as u32));
            for (export, symbol) in summary.exports.iter().enumerate() {
                let crc = summary.export_crcs.get(export).copied().unwrap_or_default();
                let name = summary.key(symbol);
                symbols.insert(symbol.hash, Symbol { name, owner, crc });
            }
        }
        symbols
    }

    fn insert(&mut self, hash: u64, symbol: Symbol<'a>) {
        let same = |(other, old): &(u64, Symbol<'a>)| *other == hash && old.name == symbol.name;
        match self.table.find_mut(hash, same) {
            Some((_, old)) => *old = symbol,
            None => {
                self.table.insert_unique(hash, (hash, symbol), |(hash, _)| *hash);
            }
        }
    }

    /// The symbol that an import is resolved to.
    pub(crate) fn find(&self, summary: &ModuleSummary, import: &SymbolUse) -> Option<&Symbol<'a>> {
        let hash = import.hash;
        // Nearly every import that no module exports is told apart by its hash alone.
        let same = |(other, symbol): &(u64, Symbol<'a>)| {
            *other == hash && symbol.name == summary.key(import)
        };
        self.table.find(hash, same).map(|(_, symbol)| symbol)
    }

    /// The modules' symbols and their owners, in no order.
    pub(crate) fn owned(&self) -> Vec<(&'a [u8], ModuleId)> {
        let owned = self.table.iter().filter_map(|(_, symbol)| Some((symbol.name, symbol.owner?)));
        owned.collect()
    }
}

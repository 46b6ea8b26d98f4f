//! modules.symbols and modules.symbols.bin: which module exports a symbol, for
//! `symbol_request()`.

use super::output::{Written, binary as binary_index, line};
use crate::diagnostic::Log;
use crate::format::write::Entry;
use crate::merge::Index;
use crate::plan::order::{SYMBOL_BUCKETS, hash_order};

const PREFIX: &[u8] = b"symbol:";

/// `alias symbol:SYMBOL MODULE`, in the order in which kmod's hash table yields them.
pub(super) fn text(index: &Index<'_>, _: &mut Log<'_>) -> Written {
    let mut symbols: Vec<_> = index
        .symbols
        .iter()
        .map(|(symbol, owner)| (hash_order(symbol, SYMBOL_BUCKETS), owner))
        .collect();
    symbols.sort_unstable();
    let mut out = b"# Aliases for symbols, used by symbol_request().\n".to_vec();
    for ((_, symbol), owner) in symbols {
        let module = &index.plan.modules[owner.index()].name;
        line(&mut out, &[b"alias ", PREFIX, symbol, b" ", module]);
    }
    Ok(out)
}

/// `symbol:SYMBOL` to module.
pub(super) fn binary(index: &Index<'_>, log: &mut Log<'_>) -> Written {
    let mut keys = Vec::new();
    let mut ends = Vec::with_capacity(index.symbols.len());
    for (symbol, _) in &index.symbols {
        keys.extend_from_slice(PREFIX);
        keys.extend_from_slice(symbol);
        ends.push(keys.len());
    }
    let mut start = 0;
    let entries = index.symbols.iter().zip(ends).map(|((_, owner), end)| {
        let key = &keys[start..end];
        start = end;
        let value = &*index.plan.modules[owner.index()].name;
        Entry { key, value, priority: owner.0 }
    });
    binary_index(entries, log)
}

//! modules.alias and modules.alias.bin: what a module may be asked for as.

use std::collections::HashSet;

use super::output::{Written, binary as binary_index, line};
use crate::diagnostic::{Diagnostic, Log};
use crate::format::write::Entry;
use crate::merge::Index;
use crate::summary::Info;

/// The longest alias that the index holds whole (PATH_MAX less its NUL): what is
/// longer is cut off, as kmod does.
const ALIAS_MAX: usize = 4095;

/// `alias ALIAS MODULE`, as the modules have them.
pub(super) fn text(index: &Index<'_>, _: &mut Log<'_>) -> Written {
    let mut out = b"# Aliases extracted from modules themselves.\n".to_vec();
    for (module, summary) in index.plan.modules.iter().zip(index.summaries) {
        for alias in summary.infos(Info::Alias) {
            line(&mut out, &[b"alias ", alias, b" ", &module.name]);
        }
    }
    Ok(out)
}

/// Normalised alias to module.
pub(super) fn binary(index: &Index<'_>, log: &mut Log<'_>) -> Written {
    // All normalised aliases one behind another, and where each lies.
    let aliases = || index.summaries.iter().flat_map(|summary| summary.infos(Info::Alias));
    let mut keys = Vec::with_capacity(aliases().map(<[u8]>::len).sum());
    let mut places = Vec::with_capacity(aliases().count());
    let mut seen = HashSet::new();
    for (at, summary) in index.summaries.iter().enumerate() {
        seen.clear();
        for alias in summary.infos(Info::Alias) {
            let start = keys.len();
            if !push_normalised(alias, &mut keys) {
                keys.truncate(start);
                log(Diagnostic::UnmatchedBracket { alias: alias.into() });
                continue;
            }
            if index.plan.request.warn_duplicates && !seen.insert(keys[start..].to_vec()) {
                let module = index.plan.modules[at].name.clone();
                log(Diagnostic::DuplicateAlias { alias: keys[start..].into(), module });
            }
            places.push((start..keys.len(), at));
        }
    }
    let entries = places.into_iter().map(|(place, at)| Entry {
        key: &keys[place],
        value: &index.plan.modules[at].name,
        priority: at as u32,
    });
    binary_index(entries, log)
}

/// Appends an alias with underscores for dashes outside of brackets. False: its
/// brackets do not match.
pub(super) fn push_normalised(alias: &[u8], out: &mut Vec<u8>) -> bool {
    if alias.len() <= ALIAS_MAX && memchr::memchr3(b'-', b'[', b']', alias).is_none() {
        out.extend_from_slice(alias);
        return true;
    }
    let mut in_brackets = false;
    for (at, byte) in alias.iter().enumerate() {
        if at == ALIAS_MAX {
            return !in_brackets;
        }
        out.push(match (in_brackets, byte) {
            (false, b'-') => b'_',
            (false, b']') => return false,
            (false, b'[') => {
                in_brackets = true;
                b'['
            }
            (true, b']') => {
                in_brackets = false;
                b']'
            }
            (_, byte) => *byte,
        });
    }
    !in_brackets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(alias: &str) -> Option<String> {
        let mut out = Vec::new();
        push_normalised(alias.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn dashes_become_underscores_outside_of_brackets() {
        assert_eq!(normalised("a-b[c-d]-e").unwrap(), "a_b[c-d]_e");
        assert_eq!(normalised("a[b"), None);
        assert_eq!(normalised("a]b"), None);
        assert_eq!(normalised("a[[]b").unwrap(), "a[[]b");
    }

    #[test]
    fn long_aliases_are_cut_off() {
        let long = "-".repeat(5000);
        assert_eq!(normalised(&long).unwrap(), "_".repeat(ALIAS_MAX));
        let open = format!("{}[{}]", "x".repeat(ALIAS_MAX - 3), "y".repeat(10));
        assert_eq!(normalised(&open), None);
    }
}

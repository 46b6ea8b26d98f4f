//! modules.builtin.bin and modules.builtin.alias.bin: what is compiled into the
//! kernel, from the lists that the kernel build installs. Without such a list
//! the file is empty, which tells libkmod that there is none.

use super::aliases::push_normalised;
use super::output::{Written, binary};
use crate::diagnostic::{Diagnostic, Log};
use crate::format::write::Entry;
use crate::merge::Index;
use crate::plan::module_file::module_name;
use crate::scan;

/// Room for a line of modules.builtin (PATH_MAX).
const LINE_ROOM: usize = 4096;

/// Longest field that is read in one piece.
const FIELD_MAX: usize = 4096;

/// Module names, from modules.builtin.
pub(super) fn names(index: &Index<'_>, log: &mut Log<'_>) -> Written {
    let Some(text) = index.plan.read_beside("modules.builtin", log) else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for line in scan::lines(&text, LINE_ROOM) {
        if !line.first().is_some_and(u8::is_ascii_alphabetic) {
            log(Diagnostic::BuiltinLine { line: line.into() });
            continue;
        }
        let file = line.rsplit(|byte| *byte == b'/').next().unwrap_or(line);
        if !file.is_empty() {
            names.push(module_name(file));
        }
    }
    binary(names.iter().map(|name| Entry { key: name, value: b"", priority: 0 }), log)
}

/// Normalised alias to module, from modules.builtin.modinfo:
/// `MODULE.KEY=VALUE\0`.
pub(super) fn aliases(index: &Index<'_>, log: &mut Log<'_>) -> Written {
    let Some(text) = index.plan.read_beside("modules.builtin.modinfo", log) else {
        return Ok(Vec::new());
    };
    let mut aliases = Vec::new();
    let mut fields = Fields { rest: &text, eof: false };
    while !fields.eof {
        let module = fields.take(b'.', log);
        if module.is_empty() {
            continue;
        }
        // An entry without `=` takes the one behind it along.
        if fields.take(b'=', log) != b"alias" {
            fields.skip_entry();
            continue;
        }
        let alias = fields.take(0, log);
        if alias.is_empty() {
            continue;
        }
        let mut key = Vec::new();
        if push_normalised(alias, &mut key) {
            aliases.push((key, module));
        } else {
            log(Diagnostic::UnmatchedBracket { alias: alias.into() });
        }
    }
    binary(aliases.iter().map(|(key, module)| Entry { key, value: module, priority: 0 }), log)
}

/// Reads modules.builtin.modinfo as a stream, with kmod's reading of what is not
/// well-formed.
struct Fields<'a> {
    rest: &'a [u8],
    /// The end has been read, not only reached.
    eof: bool,
}

impl<'a> Fields<'a> {
    /// What stands before the delimiter, which is consumed; nothing if an entry's
    /// end or the end of the file comes first. A field of [`FIELD_MAX`] bytes is
    /// cut: its last byte is lost and so is the byte behind it.
    fn take(&mut self, delimiter: u8, log: &mut Log<'_>) -> &'a [u8] {
        let window = &self.rest[..self.rest.len().min(FIELD_MAX)];
        let len = memchr::memchr2(delimiter, 0, window).unwrap_or(window.len());
        let end = self.rest.get(len).copied();
        let field = &self.rest[..len];
        self.rest = self.rest.get(len + 1..).unwrap_or_default();
        self.eof = end.is_none();
        let field = match field {
            [cut @ .., _] if len == FIELD_MAX => {
                log(Diagnostic::BuiltinField { text: field.into() });
                cut
            }
            _ => field,
        };
        if end == Some(delimiter) { field } else { &[] }
    }

    /// Up to the end of the entry.
    fn skip_entry(&mut self) {
        match memchr::memchr(0, self.rest) {
            Some(end) => self.rest = &self.rest[end + 1..],
            None => {
                self.rest = &[];
                self.eof = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &[u8], delimiter: u8) -> (Vec<u8>, Vec<u8>, bool, usize) {
        let mut said = 0;
        let mut fields = Fields { rest: text, eof: false };
        let field = fields.take(delimiter, &mut |_| said += 1).to_vec();
        (field, fields.rest.to_vec(), fields.eof, said)
    }

    #[test]
    fn fields_end_at_their_delimiter_or_count_for_nothing() {
        assert_eq!(take(b"a.b", b'.'), (b"a".to_vec(), b"b".to_vec(), false, 0));
        assert_eq!(take(b"a\0b.c", b'.'), (vec![], b"b.c".to_vec(), false, 0));
        assert_eq!(take(b"ab", b'.'), (vec![], vec![], true, 0));
        assert_eq!(take(b"ab\0", 0), (b"ab".to_vec(), vec![], false, 0));
        // A field that does not fit loses its last byte.
        let long = [vec![b'x'; FIELD_MAX], b".y".to_vec()].concat();
        assert_eq!(take(&long, b'.'), (vec![b'x'; FIELD_MAX - 1], b"y".to_vec(), false, 1));
    }
}

//! modules.dep and modules.dep.bin: what each module needs, directly or not.

use super::output::{Written, binary as binary_index};
use crate::diagnostic::Log;
use crate::format::write::Entry;
use crate::merge::Index;

/// `PATH: NEEDED NEEDED…`, a line a module.
pub(super) fn text(index: &Index<'_>, _: &mut Log<'_>) -> Written {
    let mut out = Vec::new();
    for_each_line(index, &mut out, |out, _| out.push(b'\n'));
    Ok(out)
}

/// Module name to its line.
pub(super) fn binary(index: &Index<'_>, log: &mut Log<'_>) -> Written {
    let mut lines = Vec::new();
    let mut starts = Vec::with_capacity(index.closures.len() + 1);
    starts.push(0);
    for_each_line(index, &mut lines, |lines, _| starts.push(lines.len()));
    let modules = &index.plan.modules;
    let entries = modules.iter().zip(starts.windows(2)).enumerate().map(|(at, (module, line))| {
        Entry { key: &module.name, value: &lines[line[0]..line[1]], priority: at as u32 }
    });
    binary_index(entries, log)
}

/// Appends each module's line, without newline, and then calls `end`.
fn for_each_line(index: &Index<'_>, out: &mut Vec<u8>, mut end: impl FnMut(&mut Vec<u8>, usize)) {
    let modules = &index.plan.modules;
    for (at, (module, needed)) in modules.iter().zip(&index.closures).enumerate() {
        out.extend_from_slice(module.index_path());
        out.push(b':');
        for needed in needed {
            out.push(b' ');
            out.extend_from_slice(modules[needed.index()].index_path());
        }
        end(out, at);
    }
}

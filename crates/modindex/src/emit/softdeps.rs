//! modules.softdep and modules.weakdep: what a module works better with.

use super::output::{Written, line};
use crate::diagnostic::Log;
use crate::merge::Index;
use crate::summary::Info;

/// `softdep MODULE pre: … post: …`
pub(super) fn softdeps(index: &Index<'_>, _: &mut Log<'_>) -> Written {
    let header = b"# Soft dependencies extracted from modules themselves.\n";
    Ok(list(index, header, b"softdep ", Info::Softdep))
}

/// `weakdep MODULE NAME`
pub(super) fn weakdeps(index: &Index<'_>, _: &mut Log<'_>) -> Written {
    let header = b"# Weak dependencies extracted from modules themselves.\n";
    Ok(list(index, header, b"weakdep ", Info::Weakdep))
}

fn list(index: &Index<'_>, header: &[u8], word: &[u8], info: Info) -> Vec<u8> {
    let mut out = header.to_vec();
    for (module, summary) in index.plan.modules.iter().zip(index.summaries) {
        for value in summary.infos(info) {
            line(&mut out, &[word, &module.name, b" ", value]);
        }
    }
    out
}

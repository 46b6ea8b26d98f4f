//! Phase 4, emit: the eleven files from the index, each by a function of its own,
//! in memory, in parallel. What one has to say is said in the order of the files.

mod aliases;
mod builtin;
mod deps;
mod devname;
mod output;
mod softdeps;
mod symbols;

use padata::{Pool, Weight};

use self::output::Written;
use crate::diagnostic::Log;
use crate::error::Error;
use crate::format::write::TooLarge;
use crate::merge::Index;

/// One file, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// Its name in the output directory.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What kind of file it is: a dry run shows only text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

struct FileSpec {
    name: &'static str,
    kind: Kind,
    /// What share of the work of a whole kernel it is, roughly.
    weight: u64,
    write: fn(&Index<'_>, &mut Log<'_>) -> Written,
}

/// The files in kmod's order.
const FILES: [FileSpec; 11] = [
    FileSpec { name: "modules.dep", kind: Kind::Text, weight: 8, write: deps::text },
    FileSpec { name: "modules.dep.bin", kind: Kind::Binary, weight: 12, write: deps::binary },
    FileSpec { name: "modules.alias", kind: Kind::Text, weight: 7, write: aliases::text },
    FileSpec { name: "modules.alias.bin", kind: Kind::Binary, weight: 50, write: aliases::binary },
    FileSpec { name: "modules.softdep", kind: Kind::Text, weight: 1, write: softdeps::softdeps },
    FileSpec { name: "modules.weakdep", kind: Kind::Text, weight: 1, write: softdeps::weakdeps },
    FileSpec { name: "modules.symbols", kind: Kind::Text, weight: 6, write: symbols::text },
    FileSpec {
        name: "modules.symbols.bin",
        kind: Kind::Binary,
        weight: 40,
        write: symbols::binary,
    },
    FileSpec { name: "modules.builtin.bin", kind: Kind::Binary, weight: 2, write: builtin::names },
    FileSpec {
        name: "modules.builtin.alias.bin",
        kind: Kind::Binary,
        weight: 2,
        write: builtin::aliases,
    },
    FileSpec { name: "modules.devname", kind: Kind::Text, weight: 2, write: devname::text },
];

/// Names of all files, in the order in which they are published but for
/// `modules.dep.bin`, which comes last.
pub fn file_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.name)
}

/// Which files to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// All, to be published.
    Files,
    /// The text files alone, to be shown.
    Text,
}

/// Makes the files.
///
/// # Errors
/// An index is too large for its format.
pub fn emit(
    index: &Index<'_>,
    show: Show,
    pool: &Pool,
    log: &mut Log<'_>,
) -> Result<Vec<OutputFile>, Error> {
    let specs: Vec<&FileSpec> =
        FILES.iter().filter(|file| show == Show::Files || file.kind == Kind::Text).collect();
    let written = pool.map(
        &specs,
        |file| file.weight,
        Weight::UNLIMITED,
        || (),
        |file, ()| {
            let mut said = Vec::new();
            let written = (file.write)(index, &mut |diagnostic| said.push(diagnostic));
            (written, said)
        },
    );
    specs
        .into_iter()
        .zip(written)
        .map(|(file, (written, said))| {
            said.into_iter().for_each(&mut *log);
            let bytes = written.map_err(|TooLarge| Error::IndexTooLarge { file: file.name })?;
            Ok(OutputFile { name: file.name, bytes })
        })
        .collect()
}

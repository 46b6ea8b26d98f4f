//! depmod's options: one row each. The parser, `--help`, the man page and the completions come
//! from here, so an option cannot be in one and not in another.

use super::Id;
use crate::getopt::{Flag, Section, Value};

/// kmod 34's options under its two headings, then those that only older releases had, then ours.
/// Only kmod 34's may be shortened: what else we accept must not change what `--qui` means.
pub(super) static SECTIONS: [Section<Id>; 4] = [
    Section { heading: "Options:", abbreviable: true, flags: MAIN },
    Section {
        heading: "The following options are useful for people managing distributions:",
        abbreviable: true,
        flags: DISTRIBUTION,
    },
    Section {
        heading: "Kept from kmod 33, ignored with a warning:",
        abbreviable: false,
        flags: KEPT,
    },
    Section { heading: "Added by kmill, to be written in full:", abbreviable: false, flags: ADDED },
];

const MAIN: &[Flag<Id>] = &[
    Flag::new(Id::All, &["all"]).short(b'a').rank(0).says(
        "Probe all modules",
        "Index all modules of the version. This is what happens anyway when no module files are \
         given; with this option, module files are ignored.",
    ),
    Flag::new(Id::Quick, &["quick"]).short(b'A').rank(1).says(
        "Only does the work if there's a new module",
        "Do nothing if every file of the index is there, none is older than what it was made from, \
         and modules.dep lists just the modules there are.",
    ),
    Flag::new(Id::Errsyms, &["errsyms"]).short(b'e').rank(8).says(
        "Report not supplied symbols",
        "Warn about each symbol that a module needs and that neither another module nor the \
         kernel supplies. Needs -E or -F to know what the kernel supplies.",
    ),
    Flag::new(Id::Show, &["show", "dry-run"]).short(b'n').rank(10).says(
        "Write the dependency file on stdout only",
        "Write the text files to standard output, one after another, and no file.",
    ),
    Flag::new(Id::SymbolPrefix, &["symbol-prefix"])
        .short(b'P')
        .takes("CHAR", Value::Text)
        .rank(12)
        .says(
            "Architecture symbol prefix",
            "The single character that the architecture puts before every symbol.",
        ),
    Flag::new(Id::Config, &["config"]).short(b'C').takes("PATH", Value::File).rank(5).says(
        "Read configuration from PATH",
        "Read this file, or the *.conf files of this directory, instead of the depmod.d \
         directories. May be given more than once.",
    ),
    Flag::new(Id::Verbose, &["verbose"]).short(b'v').rank(9).says(
        "Enable verbose mode",
        "Print each dependency to standard output. Twice or three times: also say more on \
         standard error.",
    ),
    Flag::new(Id::Warn, &["warn"])
        .short(b'w')
        .rank(13)
        .says("Warn on duplicates", "Warn about duplicate dependencies, aliases and symbols."),
    Flag::new(Id::Version, &["version"])
        .short(b'V')
        .rank(14)
        .says("show version", "Print the version and exit."),
    Flag::new(Id::Help, &["help"])
        .short(b'h')
        .rank(15)
        .says("show this help", "Print a summary of the options and exit."),
];

const DISTRIBUTION: &[Flag<Id>] = &[
    Flag::new(Id::Basedir, &["basedir"])
        .short(b'b')
        .takes("DIR", Value::Dir)
        .rank(2)
        .says("Root path (default: /).", "The root directory of the tree that holds the modules."),
    Flag::new(Id::Moduledir, &["moduledir"]).short(b'm').takes("DIR", Value::Dir).rank(3).says(
        "Module directory (default: /lib/modules).",
        "The directory of all versions, always taken below the root directory.",
    ),
    Flag::new(Id::Outdir, &["outdir"]).short(b'o').takes("DIR", Value::Dir).rank(4).says(
        "Output root path (default: same as <basedir>).",
        "The root directory of the tree to write to. Missing directories are made.",
    ),
    Flag::new(Id::Filesyms, &["filesyms"]).short(b'F').takes("FILE", Value::File).rank(7).says(
        "Use the file instead of the\ncurrent kernel symbols.",
        "The kernel's System.map: what -e takes as supplied by the kernel.",
    ),
    Flag::new(Id::Symvers, &["symvers"]).short(b'E').takes("FILE", Value::File).rank(6).says(
        "Use Module.symvers file to check\nsymbol versions.",
        "The kernel build's Module.symvers: as -F, and -e also compares symbol versions. Wins \
         over -F.",
    ),
];

const KEPT: &[Flag<Id>] = &[
    Flag::new(Id::Deprecated, &["unresolved-error"])
        .short(b'u')
        .says("Ignored", "Ignored with a warning."),
    Flag::new(Id::Deprecated, &["quiet"]).short(b'q').says("Ignored", "Ignored with a warning."),
    Flag::new(Id::Deprecated, &["root"]).short(b'r').says("Ignored", "Ignored with a warning."),
    // Its short name was -m, which has been --moduledir since kmod 34.
    Flag::new(Id::Deprecated, &["map"]).says("Ignored", "Ignored with a warning."),
];

const ADDED: &[Flag<Id>] = &[
    Flag::new(Id::Threads, &["threads"]).takes("N", Value::Text).says(
        "Use N threads (default: one per usable CPU).",
        "Use this many threads. The output does not depend on it.",
    ),
    Flag::new(Id::Sync, &["sync"]).says(
        "Flush the files to disk before renaming them",
        "Flush the files to disk before they get their names. This is the default when the \
         host's own tree is written.",
    ),
    Flag::new(Id::NoSync, &["no-sync"]).says(
        "Leave flushing to the kernel",
        "Do not flush. This is the default when another root directory is given.",
    ),
    Flag::new(Id::Time, &["time"]).says(
        "Say how long each phase took",
        "Print to standard error how long each phase of the run took.",
    ),
];

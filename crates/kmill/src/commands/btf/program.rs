//! What shells complete behind `kmill`: the commands, and those of `kmill btf`.

use crate::completions::Program;

/// kmill.
pub(super) static PROGRAM: Program = Program {
    name: "kmill",
    commands: &["depmod", "pahole", "btf", "demo", "generate"],
    group: "btf",
    members: &["encode", "dump", "verify", "diff"],
};

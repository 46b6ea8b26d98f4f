//! One break of the code, and the test that must notice.

/// One break.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mutant {
    pub(super) name: &'static str,
    /// Relative to the repository.
    pub(super) file: &'static str,
    /// What stands there, exactly once.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) test: Test,
}

/// The test that must notice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    pub(super) package: &'static str,
    /// What `cargo test -p PACKAGE` gets besides; nothing behind `--`.
    pub(super) args: &'static [&'static str],
    /// A cfg to build with, which takes release mode as well.
    pub(super) cfg: Option<&'static str>,
}

pub(super) const fn test(package: &'static str, args: &'static [&'static str]) -> Test {
    Test { package, args, cfg: None }
}

pub(super) const fn modelled(cfg: &'static str, args: &'static [&'static str]) -> Test {
    Test { package: "padata", args, cfg: Some(cfg) }
}

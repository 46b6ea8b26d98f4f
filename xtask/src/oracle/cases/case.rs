//! What a case is made of.

use modgen::{Tree, Written};

/// What is done to a written tree before each run.
pub(super) type Prepare = Box<dyn Fn(&Written) -> std::io::Result<()> + Send + Sync>;

/// One comparison.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) tree: Tree,
    /// With `{root}`, `{conf}`, `{dir}`, `{out}`, `{map}`, `{symvers}`, `{version}` in them.
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// Done once, before anything runs.
    pub(super) setup: Option<Prepare>,
    /// Done before each run, and undone after it.
    pub(super) prepare: Option<Prepare>,
}

/// The arguments that every run over a whole tree begins with.
const TREE: [&str; 5] = ["-b", "{root}", "-C", "{conf}", "{version}"];

impl Case {
    /// A run over a whole tree.
    pub(super) fn new(name: impl Into<String>, tree: Tree) -> Self {
        Case {
            name: name.into(),
            tree,
            args: owned(&TREE),
            env: Vec::new(),
            setup: None,
            prepare: None,
        }
    }

    /// Further arguments, before the others.
    pub(super) fn with(mut self, args: &[&str]) -> Self {
        self.args.splice(0..0, owned(args));
        self
    }

    /// These arguments and no others.
    pub(super) fn args(mut self, args: &[&str]) -> Self {
        self.args = owned(args);
        self
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn setup(
        mut self,
        step: impl Fn(&Written) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.setup = Some(Box::new(step));
        self
    }

    pub(super) fn prepare(
        mut self,
        step: impl Fn(&Written) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.prepare = Some(Box::new(step));
        self
    }
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}

//! Which file counts where several have one module name.
//!
//! kmod compares two paths at a time in the order in which it reads them:
//! overrides first, then the highest `search` word a path lies in. Where neither
//! decides, kmod keeps what the file system happened to return first (or last,
//! when both lie in one `search` directory); here the smaller path counts. That
//! is the only freedom taken: what kmod decides whatever the order is decided
//! the same way.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::config::{Config, Search};
use super::request::absolute;

/// How a path ranks among those of its module name; greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    overridden: Option<Reverse<usize>>,
    search: i64,
}

/// Ranks paths by one configuration.
pub(super) struct Ranking<'a> {
    /// The override read last comes first.
    overrides: Vec<&'a [u8]>,
    /// Directory and the number of its word; relative to the tree, or absolute.
    within_tree: Vec<(&'a [u8], i64)>,
    absolute: Vec<(Vec<u8>, i64)>,
    builtin: i64,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        let mut ranking = Ranking {
            overrides: config.overrides.iter().rev().map(|path| &**path).collect(),
            within_tree: Vec::new(),
            absolute: Vec::new(),
            builtin: -1,
        };
        // Numbers go up from the word read last; `external` takes one for each
        // directory and one for itself.
        let mut number = 0;
        for word in config.searches.iter().rev() {
            match word {
                Search::Path(path) => ranking.within_tree.push((path, number)),
                Search::Builtin => ranking.builtin = number,
                Search::External => {
                    for dir in config.externals.iter().rev() {
                        let path = absolute(OsStr::from_bytes(dir)).unwrap_or_default();
                        ranking.absolute.push((path.into_os_string().into_vec(), number));
                        number += 1;
                    }
                }
            }
            number += 1;
        }
        ranking
    }

    /// `path` is absolute, and `relative` what it is below the tree, if it lies
    /// there; both end with the file's name, of which `name` bytes make up the
    /// module's name.
    pub(super) fn rank(&self, path: &[u8], relative: Option<&[u8]>, name: usize) -> Rank {
        let stem = relative.map(|relative| {
            let base = relative.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
            &relative[..(base + name).min(relative.len())]
        });
        let overridden =
            stem.and_then(|stem| self.overrides.iter().position(|path| *path == stem).map(Reverse));
        let inside = |dir: &[u8], path: &[u8]| {
            path.len() > dir.len() && path[dir.len()] == b'/' && path.starts_with(dir)
        };
        let in_tree = relative.into_iter().flat_map(|relative| {
            let within = self.within_tree.iter().filter(move |(dir, _)| inside(dir, relative));
            within.map(|(_, number)| *number)
        });
        let outside = self.absolute.iter().filter(|(dir, _)| inside(dir, path));
        let search = in_tree.chain(outside.map(|(_, number)| *number)).max();
        Rank { overridden, search: search.unwrap_or(self.builtin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(words: &[&str], overrides: &[&str], externals: &[&str]) -> Config {
        let bytes = |text: &&str| Box::from(text.as_bytes());
        Config {
            searches: words
                .iter()
                .map(|word| match *word {
                    "built-in" => Search::Builtin,
                    "external" => Search::External,
                    path => Search::Path(path.as_bytes().into()),
                })
                .collect(),
            overrides: overrides.iter().map(bytes).collect(),
            externals: externals.iter().map(bytes).collect(),
            ..Config::default()
        }
    }

    fn rank(config: &Config, path: &str) -> Rank {
        let relative = path.strip_prefix("/lib/modules/6.1/").map(str::as_bytes);
        let base = path.rsplit('/').next().unwrap();
        let name = base.find('.').unwrap();
        Ranking::new(config).rank(path.as_bytes(), relative, name)
    }

    #[test]
    fn the_word_read_first_counts_most() {
        let config = config(&["updates", "extra", "built-in"], &[], &[]);
        let updates = rank(&config, "/lib/modules/6.1/updates/a.ko");
        let extra = rank(&config, "/lib/modules/6.1/extra/a.ko");
        let kernel = rank(&config, "/lib/modules/6.1/kernel/a.ko");
        assert!(updates > extra && extra > kernel);
        // A longer name is another directory.
        assert_eq!(rank(&config, "/lib/modules/6.1/updates2/a.ko"), kernel);
    }

    #[test]
    fn builtin_may_come_first() {
        let config = config(&["built-in", "updates"], &[], &[]);
        let updates = rank(&config, "/lib/modules/6.1/updates/a.ko");
        assert!(rank(&config, "/lib/modules/6.1/kernel/a.ko") > updates);
    }

    #[test]
    fn an_override_beats_every_word_and_the_last_one_the_others() {
        let config = config(&["updates"], &["x/a-b", "y/a-b"], &[]);
        let x = rank(&config, "/lib/modules/6.1/x/a-b.ko.xz");
        let y = rank(&config, "/lib/modules/6.1/y/a-b.ko");
        let updates = rank(&config, "/lib/modules/6.1/updates/a-b.ko");
        assert!(y > x && x > updates);
        // The name counts as the file has it, not as the module's.
        assert!(rank(&config, "/lib/modules/6.1/x/a_b.ko") < updates);
    }

    #[test]
    fn externals_take_their_words_place() {
        let config = config(&["external", "updates"], &[], &["/opt/a", "/opt/b"]);
        let a = rank(&config, "/opt/a/m.ko");
        let b = rank(&config, "/opt/b/m.ko");
        let updates = rank(&config, "/lib/modules/6.1/updates/m.ko");
        assert!(a > b && b > updates);
    }
}

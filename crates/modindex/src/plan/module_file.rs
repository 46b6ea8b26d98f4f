//! One module file: its name, and its paths.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One module file.
#[derive(Clone, Debug)]
pub struct ModuleFile {
    /// The module's name: the file's up to the first dot, with underscores.
    pub name: Box<[u8]>,
    /// Absolute path.
    pub path: Box<[u8]>,
    /// Where in `path` that below the tree starts; None outside of the tree.
    relative: Option<usize>,
}

impl ModuleFile {
    /// The file at an absolute path, for the index of `tree`.
    pub(super) fn new(path: Box<[u8]>, tree: &Path) -> Self {
        let name = module_name(base_name(&path));
        let relative = below(tree, &path);
        ModuleFile { name, path, relative }
    }

    /// Whether its name says that it is compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        !self.path.ends_with(b".ko")
    }

    /// Below the tree, if it lies there.
    pub fn relative(&self) -> Option<&[u8]> {
        self.relative.map(|start| &self.path[start..])
    }

    /// The path that the index names: below the tree, or absolute.
    pub fn index_path(&self) -> &[u8] {
        self.relative().unwrap_or(&self.path)
    }

    /// What modules.order calls it: the path without the compression's suffix.
    pub(crate) fn order_key(&self) -> Option<&[u8]> {
        let relative = self.relative()?;
        let base = relative.len() - base_name(relative).len();
        Some(&relative[..(base + self.name.len() + b".ko".len()).min(relative.len())])
    }
}

/// Where in `path` that below `tree` starts.
fn below(tree: &Path, path: &[u8]) -> Option<usize> {
    let rest = path.strip_prefix(tree.as_os_str().as_bytes())?;
    rest.starts_with(b"/").then_some(path.len() - rest.len() + 1)
}

pub(super) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// The name of the module in a file of that name.
pub(crate) fn module_name(file: &[u8]) -> Box<[u8]> {
    file.iter()
        .take_while(|byte| **byte != b'.')
        .map(|byte| if *byte == b'-' { b'_' } else { *byte })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_the_first_dot() {
        assert_eq!(&*module_name(b"snd-hda.ko.xz"), b"snd_hda");
        assert_eq!(&*module_name(b"a.b-c.ko"), b"a");
    }

    #[test]
    fn order_key_drops_the_compression() {
        let tree = Path::new("/lib/modules/6.1");
        let key = |path: &str| {
            let path = path.as_bytes();
            let module = ModuleFile::new(path.into(), tree);
            module.order_key().map(|key| String::from_utf8(key.to_vec()).unwrap())
        };
        assert_eq!(key("/lib/modules/6.1/kernel/a-b.ko.xz").unwrap(), "kernel/a-b.ko");
        assert_eq!(key("/lib/modules/6.1/a.ko").unwrap(), "a.ko");
        // A dotted name is cut as kmod cuts it: by the length of the module's name.
        assert_eq!(key("/lib/modules/6.1/k/a.b.ko").unwrap(), "k/a.b.");
        assert_eq!(key("/lib/modules/6.1-foo/a.ko"), None);
    }
}

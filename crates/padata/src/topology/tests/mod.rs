//! Tests on machines and containers that are made of files.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::fs;

use tempfile::TempDir;

mod cgroup;
mod machine;

/// A root directory with these files in `directory`. It is removed when dropped.
fn tree(
    directory: &str,
    files: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
) -> TempDir {
    let root = TempDir::new().unwrap();
    for (name, content) in files {
        let path = root.path().join(directory).join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

#[test]
fn threads_as_the_standard_library_counts_them() {
    let known = crate::sync::fallback_parallelism();
    assert_eq!(crate::available_threads(), known);
}

//! Publication: every file whole or as it was, and what `--quick` makes of it.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

mod support;

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use modgen::{Module, Tree};
use modindex::publish::Durability;
use modindex::{Error, Output, OutputFile, Plan, publish, quick};
use padata::Pool;
use support::{Fixture, run};

fn files(content: &str) -> Vec<OutputFile> {
    modindex::emit::file_names()
        .map(|name| OutputFile { name, bytes: format!("{name} {content}").into_bytes() })
        .collect()
}

fn publish_to(dir: &Path, files: &[OutputFile], interrupted: Option<i32>) -> Result<(), Error> {
    let how = Durability { sync: true, interrupted: &|| interrupted };
    publish(&Output::make(dir, &mut |_| {})?, files, how, &Pool::new(NonZeroUsize::MIN))
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_are_made_with_their_directories_and_mode() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a/b//c");
    publish_to(&dir, &files("1"), None).unwrap();
    assert_eq!(names(&dir).len(), 11);
    let file = dir.join("modules.dep");
    assert_eq!(fs::read_to_string(&file).unwrap(), "modules.dep 1");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
}

#[test]
fn an_interrupted_run_changes_nothing_and_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    publish_to(temp.path(), &files("old"), None).unwrap();
    let error = publish_to(temp.path(), &files("new"), Some(15)).unwrap_err();
    assert!(matches!(error, Error::Interrupted { signal: 15 }));
    assert_eq!(names(temp.path()).len(), 11);
    for file in files("old") {
        assert_eq!(fs::read(temp.path().join(file.name)).unwrap(), file.bytes);
    }
}

#[test]
fn leftovers_of_a_killed_run_are_removed_and_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let leftovers = [".kmill-tmp.modules.dep", ".kmill-tmp.modules.alias.bin"];
    let others = ["tmpfileAbCdEf", ".kmill-tmp.mine", "modules.order"];
    for name in leftovers.iter().chain(&others) {
        fs::write(temp.path().join(name), "x").unwrap();
    }
    publish_to(temp.path(), &files("1"), None).unwrap();
    let names = names(temp.path());
    assert!(leftovers.iter().all(|name| !names.contains(&name.to_string())));
    assert!(others.iter().all(|name| names.contains(&name.to_string())));
}

#[test]
fn a_leftover_link_is_not_written_through() {
    let temp = tempfile::tempdir().unwrap();
    let victim = temp.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let dir = temp.path().join("out");
    fs::create_dir(&dir).unwrap();
    std::os::unix::fs::symlink(&victim, dir.join(".kmill-tmp.modules.dep")).unwrap();
    publish_to(&dir, &files("1"), None).unwrap();
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
}

#[test]
fn what_cannot_be_renamed_is_an_error_that_names_the_file() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir_all(temp.path().join("modules.dep.bin/x")).unwrap();
    let error = publish_to(temp.path(), &files("1"), None).unwrap_err();
    let words = error.to_string();
    assert!(words.starts_with("could not rename a temporary file to "), "{words}");
    assert!(words.contains("modules.dep.bin: "), "{words}");
    // It is the last: all others have been renamed.
    assert_eq!(names(temp.path()).len(), 11);
    assert!(names(temp.path()).iter().all(|name| !name.starts_with(".kmill")));
}

#[test]
fn a_file_in_the_place_of_the_directory_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = publish_to(&file.join("dir"), &files("1"), None).unwrap_err();
    assert!(error.to_string().ends_with("Not a directory"), "{error}");
}

/// A tree with a published index; each test changes one thing.
struct Indexed {
    fixture: Fixture,
}

impl Indexed {
    fn new() -> Self {
        let tree = Tree::new("6.1.0")
            .module("kernel/a.ko", Module::new("a").export("x"))
            .module("kernel/b.ko", Module::new("b").import("x"))
            .order_as_listed()
            .builtin(["kernel/c.ko"])
            .builtin_modinfo(["c.alias=d"])
            .conf("x.conf", "search updates\n");
        let fixture = Fixture::new(&tree);
        let indexed = Indexed { fixture };
        indexed.age_inputs();
        let outcome = run(indexed.fixture.request(), 1).unwrap();
        let files: Vec<_> =
            outcome.files.into_iter().map(|(name, bytes)| OutputFile { name, bytes }).collect();
        publish_to(indexed.fixture.tree(), &files, None).unwrap();
        indexed
    }

    /// Inputs are an hour old, so that no clock's grain matters.
    fn age_inputs(&self) {
        let old = SystemTime::now() - Duration::from_secs(3600);
        let dirs = [self.fixture.tree().to_owned(), self.fixture.config_dir()];
        for path in dirs.iter().flat_map(|dir| below(dir)).chain(dirs.clone()) {
            fs::File::open(path).unwrap().set_modified(old).unwrap();
        }
    }

    fn is_up_to_date(&self) -> bool {
        let plan = Plan::new(self.fixture.request(), &mut |_| {}).unwrap();
        quick::is_up_to_date(&plan, &mut |_| {})
    }

    fn path(&self, name: &str) -> PathBuf {
        self.fixture.tree().join(name)
    }
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(
            |path| if path.is_dir() { [below(&path), vec![path]].concat() } else { vec![path] },
        )
        .collect()
}

fn touch(path: &Path) {
    let new = SystemTime::now() + Duration::from_secs(3600);
    fs::File::open(path).unwrap().set_modified(new).unwrap();
}

#[test]
fn quick_finds_nothing_to_do() {
    assert!(Indexed::new().is_up_to_date());
}

/// kmod sees the first of these alone.
#[test]
fn quick_sees_every_change() {
    type Change = fn(&Indexed);
    let changes: [(&str, Change); 11] = [
        ("a newer module", |i| touch(&i.path("kernel/a.ko"))),
        ("a module added with an old time", |i| {
            fs::copy(i.path("kernel/a.ko"), i.path("kernel/old.ko")).unwrap();
            i.age_inputs();
            // The outputs are as new as they were.
            modindex::emit::file_names().for_each(|name| touch(&i.path(name)));
        }),
        ("a module replaced by one with an old time", |i| {
            std::thread::sleep(Duration::from_millis(20));
            let new = i.path("kernel/new");
            fs::copy(i.path("kernel/b.ko"), &new).unwrap();
            let old = SystemTime::now() - Duration::from_secs(7200);
            fs::File::open(&new).unwrap().set_modified(old).unwrap();
            fs::rename(new, i.path("kernel/a.ko")).unwrap();
        }),
        ("a module removed", |i| fs::remove_file(i.path("kernel/b.ko")).unwrap()),
        ("modules.dep.bin missing", |i| fs::remove_file(i.path("modules.dep.bin")).unwrap()),
        ("modules.devname missing", |i| fs::remove_file(i.path("modules.devname")).unwrap()),
        ("newer modules.order", |i| touch(&i.path("modules.order"))),
        ("newer modules.builtin", |i| touch(&i.path("modules.builtin"))),
        ("newer modules.builtin.modinfo", |i| touch(&i.path("modules.builtin.modinfo"))),
        ("newer configuration", |i| touch(&i.fixture.config_dir().join("x.conf"))),
        ("configuration removed", |i| {
            fs::remove_file(i.fixture.config_dir().join("x.conf")).unwrap();
            touch(&i.fixture.config_dir());
        }),
    ];
    for (what, change) in changes {
        let indexed = Indexed::new();
        change(&indexed);
        assert!(!indexed.is_up_to_date(), "{what}");
    }
}

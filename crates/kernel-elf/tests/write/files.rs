//! Files on the disk: modes, links, signatures, and what is undone.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel_elf::write::{
    Allowed, Flush, SIGNATURE_MAGIC, Target, WriteError, apply, check, plan_sections,
};
use modgen::{Class, Endian, Module};

use super::image::{Image, content};
use super::list;

const NEVER: &dyn Fn() -> bool = &|| false;

fn file(dir: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join("vmlinux");
    fs::write(&path, bytes).unwrap();
    path
}

fn small() -> Vec<u8> {
    Image::small(Class::Elf64, Endian::Little).to_bytes()
}

fn write(path: &Path, allowed: Allowed) -> Result<(), WriteError> {
    Target::open(path, allowed)?.write(&list(&[(".BTF", b"types")]), Flush::Yes, NEVER)
}

#[test]
fn the_file_stays_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &small());
    fs::set_permissions(&path, Permissions::from_mode(0o6751)).unwrap();
    let before = fs::metadata(&path).unwrap();
    write(&path, Allowed::default()).unwrap();
    let after = fs::metadata(&path).unwrap();
    let of = |it: &fs::Metadata| (it.ino(), it.mode(), it.uid(), it.gid(), it.nlink());
    assert_eq!(of(&before), of(&after));
    check(&small(), &fs::read(&path).unwrap(), &list(&[(".BTF", b"types")])).unwrap();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
}

/// Not even the time of its last change.
#[test]
fn a_file_that_is_as_it_should_be_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &small());
    write(&path, Allowed::default()).unwrap();
    let long_ago = fs::metadata(&path).unwrap().modified().unwrap() - Duration::from_secs(1000);
    OpenOptions::new().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    write(&path, Allowed::default()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
}

#[test]
fn several_links_are_refused_or_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &small());
    let other = dir.path().join("other");
    fs::hard_link(&path, &other).unwrap();
    assert!(matches!(write(&path, Allowed::default()), Err(WriteError::Links(2))));
    assert_eq!(fs::read(&path).unwrap(), small());
    write(&path, Allowed { follow_links: true, ..Allowed::default() }).unwrap();
    assert_eq!(content(&fs::read(&other).unwrap(), ".BTF").unwrap(), b"types");
    assert_eq!(fs::metadata(&path).unwrap().nlink(), 2);
    // A symbolic link is no second name of the file.
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &small());
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("vmlinux", &link).unwrap();
    write(&link, Allowed::default()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(content(&fs::read(&path).unwrap(), ".BTF").is_some());
}

#[test]
fn a_signed_module_is_refused_or_loses_its_signature() {
    let dir = tempfile::tempdir().unwrap();
    let module = Module::new("m").alias("x").export("f");
    let signed = module.clone().signed(600).to_bytes();
    assert!(signed.ends_with(SIGNATURE_MAGIC));
    let path = file(&dir, &signed);
    assert!(matches!(write(&path, Allowed::default()), Err(WriteError::Signed)));
    assert_eq!(fs::read(&path).unwrap(), signed);
    write(&path, Allowed { drop_signature: true, ..Allowed::default() }).unwrap();
    let new = fs::read(&path).unwrap();
    assert!(!kernel_elf::write::is_signed(&new));
    check(&module.to_bytes(), &new, &list(&[(".BTF", b"types")])).unwrap();

    let fake = [&small()[..], SIGNATURE_MAGIC].concat();
    let path = file(&dir, &fake);
    let error = write(&path, Allowed { drop_signature: true, ..Allowed::default() }).unwrap_err();
    assert!(matches!(error, WriteError::BadSignature));
    assert_eq!(fs::read(&path).unwrap(), fake);
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path(), Path::new("/dev/null")] {
        assert!(matches!(write(path, Allowed::default()), Err(WriteError::NotRegular)));
    }
    let missing = write(&dir.path().join("missing"), Allowed::default()).unwrap_err().to_string();
    assert_eq!(missing, "No such file or directory (os error 2)");
    let path = file(&dir, b"");
    assert!(write(&path, Allowed::default()).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_run_that_is_stopped_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &small());
    let contents = list(&[(".BTF", b"types")]);
    let patch = plan_sections(&small(), &contents).unwrap();
    let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut stopped = 0;
    for at in 0..patch.steps().len() {
        fs::write(&path, small()).unwrap();
        let asked = Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > at
        };
        match apply(&open(), &patch, Flush::No, &stop) {
            Err(WriteError::Stopped) => {
                assert_eq!(fs::read(&path).unwrap(), small());
                stopped += 1;
            }
            // Too late: it is the new file.
            result => {
                result.unwrap();
                check(&small(), &fs::read(&path).unwrap(), &contents).unwrap();
            }
        }
    }
    // Names, padding, content, padding, headers, flush, switch: until then.
    assert!((6..=7).contains(&stopped), "{stopped}");
}

#[test]
fn a_step_that_fails_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &small());
    let contents = list(&[(".BTF", b"types")]);
    let patch = plan_sections(&small(), &contents).unwrap();
    let read_only = File::open(&path).unwrap();
    assert!(matches!(apply(&read_only, &patch, Flush::Yes, NEVER), Err(WriteError::Io(_))));
    assert_eq!(fs::read(&path).unwrap(), small());
}

#[test]
fn a_file_that_somebody_else_changed_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &small());
    let target = Target::open(&path, Allowed::default()).unwrap();
    let longer = [&small()[..], b"more"].concat();
    fs::write(&path, &longer).unwrap();
    let contents = list(&[(".BTF", b"types")]);
    let error = target.write(&contents, Flush::Yes, NEVER).unwrap_err();
    assert!(matches!(error, WriteError::Changed));
    let patch = plan_sections(&small(), &contents).unwrap();
    let error = apply(target.file(), &patch, Flush::Yes, NEVER).unwrap_err();
    assert!(matches!(error, WriteError::Changed));
    assert_eq!(fs::read(&path).unwrap(), longer);
}

/// The second one waits, and finds nothing to do.
#[test]
fn runs_at_once_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &small());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| write(&path, Allowed::default()).unwrap());
        }
    });
    check(&small(), &fs::read(&path).unwrap(), &list(&[(".BTF", b"types")])).unwrap();
}

//! `pahole -J` and `kmill btf encode --in-place`: BTF written into the ELF file with the debug info.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dwarfgen::{Die, File, Unit};
use kernel_elf::write::{Content, SIGNATURE_MAGIC, check};
use object::read::{Object, ObjectSection};

fn kmill(applet: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
    command.env_remove("PAHOLE_LANG_EXCLUDE").env("PATH", "");
    match applet {
        "pahole" => command.arg0("pahole").arg("-J"),
        _ => command.args(["btf", "encode", "--in-place"]),
    };
    command
}

const APPLETS: [&str; 2] = ["pahole", "btf encode"];

/// Status and standard error; nothing is ever printed.
fn seen(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn run(applet: &str, args: &[&str], file: &Path) -> (Option<i32>, String) {
    seen(&kmill(applet).args(args).arg(file).output().unwrap())
}

fn done() -> (Option<i32>, String) {
    (Some(0), String::new())
}

/// A kernel with a structure of that name.
fn kernel(name: &str) -> File {
    let structure = Die::structure(name, 4).member("a", "int", 0);
    File::default()
        .functions(&["f"])
        .unit(Unit::new(5).child(Die::int()).child(structure).child(Die::function("f", "int")))
}

fn write(dir: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join("vmlinux");
    fs::write(&path, bytes).unwrap();
    path
}

/// What the encoder writes to a file of its own.
fn detached(file: &Path) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let blob = dir.path().join("blob");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
    command.args(["pahole", "-J", "--btf_encode_detached"]).arg(&blob).arg(file);
    assert_eq!(seen(&command.output().unwrap()), done());
    fs::read(&blob).unwrap()
}

#[test]
fn the_file_gets_what_a_detached_file_would_be_and_nothing_else() {
    for applet in APPLETS {
        let dir = tempfile::tempdir().unwrap();
        let old = kernel("first").to_bytes();
        let path = write(&dir, &old);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        let blob = detached(&path);
        assert_eq!(run(applet, &[], &path), done());
        let new = fs::read(&path).unwrap();
        check(&old, &new, &[Content { name: ".BTF", bytes: &blob }]).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.ino()), (0o640, inode));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        // Once more: nothing to do, with or without waiting for the disk.
        assert_eq!(run(applet, &["--no-sync"], &path), done());
        assert_eq!(fs::read(&path).unwrap(), new);
        // What it says is what another command reads.
        let mut dump = Command::new(env!("CARGO_BIN_EXE_kmill"));
        let text = dump.args(["btf", "dump"]).arg(&path).output().unwrap().stdout;
        assert!(String::from_utf8(text).unwrap().contains("STRUCT 'first'"));
    }
}

/// `LLVM_OBJCOPY` names a program; none is run, and PATH is empty here.
#[test]
fn no_objcopy_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir, &kernel("s").to_bytes());
    let mut command = kmill("pahole");
    command.env("LLVM_OBJCOPY", "/nonexistent/objcopy").arg(&path);
    assert_eq!(seen(&command.output().unwrap()), done());
}

#[test]
fn btf_that_is_there_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let stale = vec![7; 300];
    let old = kernel("s").section(".BTF", 0x50_0000, stale).to_bytes();
    let path = write(&dir, &old);
    let blob = detached(&path);
    assert_eq!(run("pahole", &[], &path), done());
    let new = fs::read(&path).unwrap();
    check(&old, &new, &[Content { name: ".BTF", bytes: &blob }]).unwrap();
}

#[test]
fn without_anything_to_encode_the_file_is_not_touched() {
    for applet in APPLETS {
        let dir = tempfile::tempdir().unwrap();
        let old = File::default().to_bytes();
        let path = write(&dir, &old);
        let (status, words) = run(applet, &[], &path);
        assert_eq!((status, words.lines().count()), (Some(0), usize::from(applet != "pahole")));
        assert_eq!(fs::read(&path).unwrap(), old);
    }
}

#[test]
fn signed_files_are_refused_in_one_line_before_anything_is_encoded() {
    for applet in APPLETS {
        let dir = tempfile::tempdir().unwrap();
        let elf = kernel("s").to_bytes();
        let info = [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        let signed = [&elf[..], b"12345", &info, SIGNATURE_MAGIC].concat();
        let path = write(&dir, &signed);
        let name = if applet == "pahole" { "pahole" } else { "kmill btf encode" };
        let words = format!(
            "{name}: {}: opening, to write BTF into it: the module is signed, and a change makes the \
             signature invalid; --drop-signature takes it off\n",
            path.display()
        );
        assert_eq!(run(applet, &[], &path), (Some(1), words));
        assert_eq!(fs::read(&path).unwrap(), signed);
        let blob = detached(&path);
        assert_eq!(run(applet, &["--drop-signature"], &path), done());
        let new = fs::read(&path).unwrap();
        check(&elf, &new, &[Content { name: ".BTF", bytes: &blob }]).unwrap();
    }
}

#[test]
fn several_links_are_refused_in_one_line() {
    for applet in APPLETS {
        let dir = tempfile::tempdir().unwrap();
        let old = kernel("s").to_bytes();
        let path = write(&dir, &old);
        let other = dir.path().join("other");
        fs::hard_link(&path, &other).unwrap();
        let (status, words) = run(applet, &[], &path);
        let end = "the file has 2 links, and a change would be seen under every one of them; \
                   --follow-links writes to it all the same\n";
        assert!(status == Some(1) && words.ends_with(end) && words.lines().count() == 1, "{words}");
        assert_eq!(fs::read(&path).unwrap(), old);
        assert_eq!(run(applet, &["--follow-links"], &path), done());
        assert_eq!(fs::read(&path).unwrap(), fs::read(&other).unwrap());
        assert_ne!(fs::read(&path).unwrap(), old);
    }
}

/// COMPAT.md: a name that ends an abbreviation of pahole's must not make it ambiguous.
#[test]
fn added_options_are_written_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir, &kernel("s").to_bytes());
    for option in ["--drop", "--follow", "--no-s"] {
        assert_eq!(run("pahole", &[option], &path).0, Some(64), "{option}");
    }
}

#[test]
fn what_cannot_be_changed_is_a_failure_that_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let text = write(&dir, b"no ELF file");
    let missing = dir.path().join("missing");
    for (path, words) in [
        (
            missing.as_path(),
            "opening, to write BTF into it: No such file or directory (os error 2)\n",
        ),
        (
            dir.path(),
            "opening, to write BTF into it: only a regular file can be changed in place\n",
        ),
        (
            Path::new("/dev/null"),
            "opening, to write BTF into it: only a regular file can be changed in place\n",
        ),
    ] {
        let (status, said) = run("pahole", &[], path);
        assert_eq!((status, said), (Some(1), format!("pahole: {}: {words}", path.display())));
    }
    assert_eq!(run("pahole", &[], &text).0, Some(1));
    assert_eq!(fs::read(&text).unwrap(), b"no ELF file");
    assert!(!missing.exists());
}

/// A kernel's types that a module uses, and one that it does not.
fn base_kernel() -> File {
    let used = Die::structure("used", 4).member("a", "int", 0);
    let unused = Die::structure("unused", 4).member("a", "int", 0);
    File::default().functions(&["f"]).unit(
        Unit::new(5).child(Die::int()).child(used).child(unused).child(Die::function("f", "int")),
    )
}

fn module() -> File {
    let used = Die::structure("used", 4).member("a", "int", 0);
    let own = Die::structure("own", 8).member("p", "struct used *", 0);
    let unit = Unit::new(5).child(Die::int()).child(used).child(Die::pointer("struct used"));
    File::default().functions(&["g"]).unit(unit.child(own).child(Die::function("g", "int")))
}

fn dump(args: &[&str], file: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
    let output = command.args(["btf", "dump"]).args(args).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_distilled_base_is_written_beside_the_types_behind_it() {
    for (applet, base_option, list) in [
        ("pahole", "--btf_base", "--btf_features=+distilled_base"),
        ("btf encode", "--base", "--btf-features=+distilled_base"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        fs::write(&base, detached(&write(&dir, &base_kernel().to_bytes()))).unwrap();
        let old = module().to_bytes();
        let path = write(&dir, &old);
        let base_option = format!("{base_option}={}", base.display());
        assert_eq!(run(applet, &[&base_option, list], &path), done());
        let new = fs::read(&path).unwrap();
        // Of the base only what the module needs of it; of structures no members.
        let own = dir.path().join("own");
        fs::write(&own, section(&new, ".BTF.base")).unwrap();
        let own_types = dump(&[], &own);
        assert_eq!(own_types.lines().count(), 2, "{own_types}");
        assert!(own_types.contains("STRUCT 'used' size=4 vlen=0"), "{own_types}");
        // The module's BTF is read behind it, and the kernel would take it.
        let types = dump(&[], &path);
        assert!(types.contains("STRUCT 'own'") && !types.contains("unused"), "{types}");
        let mut verify = Command::new(env!("CARGO_BIN_EXE_kmill"));
        assert!(verify.args(["btf", "verify"]).arg(&path).status().unwrap().success());
        let contents = [".BTF", ".BTF.base"].map(|name| (name, section(&new, name)));
        let contents: Vec<_> =
            contents.iter().map(|(name, bytes)| Content { name, bytes }).collect();
        check(&old, &new, &contents).unwrap();
        // Without it, BTF that goes on behind the base that was named is written.
        assert_eq!(run(applet, &[&base_option], &write(&dir, &old)), done());
        let types = dump(&[&format!("--base={}", base.display())], &path);
        assert!(types.contains("STRUCT 'own'"), "{types}");
    }
}

fn section<'a>(elf: &'a [u8], name: &str) -> &'a [u8] {
    let file = object::File::parse(elf).unwrap();
    file.section_by_name(name).unwrap().data().unwrap()
}

/// As the release: without a base there is none to distil.
#[test]
fn distilled_base_needs_a_base() {
    let dir = tempfile::tempdir().unwrap();
    let old = kernel("s").to_bytes();
    let path = write(&dir, &old);
    let (status, words) = run("pahole", &["--btf_features=+distilled_base"], &path);
    let end = "encoding: distilling the base: there is no base to distil\n";
    assert!(status == Some(1) && words.ends_with(end), "{words}");
    assert_eq!(fs::read(&path).unwrap(), old);
}

/// As the release: a file of its own gets what it would get without the feature.
#[test]
fn a_detached_file_has_no_distilled_base() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    fs::write(&base, detached(&write(&dir, &base_kernel().to_bytes()))).unwrap();
    let path = write(&dir, &module().to_bytes());
    let blobs = ["default", "+distilled_base"].map(|list| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
        command.args(["btf", "encode", "-o"]).arg(dir.path().join("blob"));
        command.arg(format!("--btf-features={list}")).arg("--base").arg(&base).arg(&path);
        assert_eq!(seen(&command.output().unwrap()), done());
        fs::read(dir.path().join("blob")).unwrap()
    });
    assert_eq!(blobs[0], blobs[1]);
}

//! `kmill btf encode --modules`: every module below a directory in one run.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dwarfgen::{Die, File, Unit};
use kernel_elf::write::{Content, SIGNATURE_MAGIC, check};
use modgen::Compression;
use object::read::{Object, ObjectSection};
use rustix::process::{Pid, Signal, kill_process};

fn kmill(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
    command.env("PATH", "").args(["btf", "encode"]).args(args);
    command
}

/// Status, standard output, standard error.
fn seen(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The summary without the time that it took.
fn summary(stdout: &str) -> &str {
    assert!(stdout.ends_with(" s\n") && stdout.lines().count() == 1, "{stdout}");
    stdout.rsplit_once(", in ").unwrap().0
}

/// A kernel's types, some of which modules use.
fn kernel() -> File {
    let used = Die::structure("used", 4).member("a", "int", 0);
    let unit = Unit::new(5).child(Die::int()).child(used).child(Die::function("f", "int"));
    File::default().functions(&["f"]).unit(unit)
}

/// A module with a structure of that name, which refers to one of the kernel's.
fn module(name: &str) -> Vec<u8> {
    let used = Die::structure("used", 4).member("a", "int", 0);
    let own = Die::structure(name, 8).member("p", "struct used *", 0);
    let unit = Unit::new(5).child(Die::int()).child(used).child(Die::pointer("struct used"));
    let unit = unit.child(own).child(Die::function("g", "int"));
    File::default().functions(&["g"]).unit(unit).to_bytes()
}

/// A directory `modules` and a base for them.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        fs::create_dir(tree.path("modules")).unwrap();
        fs::write(tree.path("vmlinux"), kernel().to_bytes()).unwrap();
        let mut command = kmill(&["-o"]);
        let output = command.arg(tree.path("base")).arg(tree.path("vmlinux")).output().unwrap();
        assert_eq!(seen(&output).0, Some(0));
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path("modules").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = kmill(args);
        command.arg("--base").arg(self.path("base")).arg("--modules").arg(self.path("modules"));
        command
    }

    /// A run into `out`.
    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        seen(&self.command(args).arg("--out-dir").arg(self.path("out")).output().unwrap())
    }

    fn in_place(&self, args: &[&str]) -> (Option<i32>, String, String) {
        seen(&self.command(args).arg("--in-place").output().unwrap())
    }

    /// What a run for this module alone writes.
    fn alone(&self, bytes: &[u8]) -> Vec<u8> {
        let (input, blob) = (self.path("alone.ko"), self.path("alone.btf"));
        fs::write(&input, bytes).unwrap();
        let mut command = kmill(&["-o"]);
        command.arg(&blob).arg("--base").arg(self.path("base")).arg(input);
        assert_eq!(seen(&command.output().unwrap()).0, Some(0));
        fs::read(blob).unwrap()
    }

    fn complaint(&self, name: &str, words: &str) -> String {
        format!("kmill btf encode: {}: {words}\n", self.path("modules").join(name).display())
    }
}

/// Names and bytes of all files below a directory; a link is its target's name.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut directories) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn each_module_gets_a_file_as_if_it_were_encoded_alone() {
    let tree = Tree::new();
    let names = ["z.ko", "kernel/b.ko", "kernel/net/a.ko", "kernel/net/a.ko.debug", "updates/a.ko"];
    let mut expected = BTreeMap::new();
    for name in names {
        let bytes = module(&name.replace(['/', '.'], "_"));
        tree.put(name, &bytes);
        expected.insert(format!("{name}.btf"), tree.alone(&bytes));
    }
    // What is no module by its name is not looked at, nor a directory that has none.
    tree.put("modules.dep", b"no ELF file");
    tree.put("kernel/b.ko.bak", b"no ELF file");
    fs::create_dir_all(tree.path("modules/empty/x.ko")).unwrap();
    let (status, stdout, stderr) = tree.run(&[]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert_eq!(summary(&stdout), "5 encoded, 0 with nothing to encode, 0 failed");
    assert_eq!(files(&tree.path("out")), expected);
    assert!(!tree.path("out/empty").exists());
    // Once more, over what is there.
    assert_eq!(tree.run(&[]).0, Some(0));
    assert_eq!(files(&tree.path("out")), expected);
}

#[test]
fn links_are_not_followed() {
    let tree = Tree::new();
    tree.put("a.ko", &module("own"));
    symlink("a.ko", tree.path("modules/link.ko")).unwrap();
    symlink(".", tree.path("modules/build")).unwrap();
    assert_eq!(summary(&tree.run(&[]).1), "1 encoded, 0 with nothing to encode, 0 failed");
    assert_eq!(files(&tree.path("out")).into_keys().collect::<Vec<_>>(), ["a.ko.btf"]);
}

#[test]
fn modules_may_be_compressed() {
    let tree = Tree::new();
    let bytes = module("own");
    for codec in Compression::ALL {
        tree.put(&format!("m.ko{}", codec.suffix()), &codec.encode(&bytes).unwrap());
    }
    let (status, stdout, stderr) = tree.run(&[]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert_eq!(summary(&stdout), "4 encoded, 0 with nothing to encode, 0 failed");
    let found = files(&tree.path("out"));
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["m.ko.btf", "m.ko.gz.btf", "m.ko.xz.btf", "m.ko.zst.btf"]);
    let alone = tree.alone(&bytes);
    assert!(found.values().all(|blob| *blob == alone));
}

#[test]
fn what_is_wrong_with_one_does_not_keep_the_others() {
    let tree = Tree::new();
    let good = module("own");
    tree.put("b/good.ko", &good);
    tree.put("d/stripped.ko", &File::default().to_bytes());
    tree.put("c/text.ko", b"no ELF file");
    tree.put("a/empty.ko", b"");
    let cut = Compression::Zstd.encode(&good).unwrap();
    tree.put("e/cut.ko.zst", &cut[..cut.len() / 2]);
    for threads in ["1", "2", "7"] {
        let _ = fs::remove_dir_all(tree.path("out"));
        let (status, stdout, stderr) = tree.run(&["--threads", threads]);
        assert_eq!(status, Some(1));
        assert_eq!(summary(&stdout), "1 encoded, 1 with nothing to encode, 3 failed");
        let lines: Vec<&str> = stderr.lines().collect();
        let names = ["a/empty.ko", "c/text.ko", "e/cut.ko.zst"];
        assert_eq!(lines.len(), names.len(), "{stderr}");
        for (line, name) in lines.iter().zip(names) {
            let start = tree.complaint(name, "");
            assert!(line.starts_with(start.trim_end()), "{line}");
        }
        let found = files(&tree.path("out"));
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["b/good.ko.btf"]);
    }
    // A file that was there stays what it was.
    fs::write(tree.path("out/c/text.ko.btf"), b"old").unwrap();
    assert_eq!(tree.run(&[]).0, Some(1));
    assert_eq!(fs::read(tree.path("out/c/text.ko.btf")).unwrap(), b"old");
}

#[test]
fn the_output_does_not_depend_on_the_threads() {
    let tree = Tree::new();
    for number in 0..40 {
        let name = format!("{}/m{number}.ko", number % 3);
        tree.put(&name, &dwarfgen::random::random_file(number).to_bytes());
    }
    let outputs = ["1", "2", "7"].map(|threads| {
        let _ = fs::remove_dir_all(tree.path("out"));
        let (status, stdout, stderr) = tree.run(&["--threads", threads]);
        (status, summary(&stdout).to_owned(), stderr, files(&tree.path("out")))
    });
    assert!(outputs[0].3.len() > 20, "{:?}", outputs[0].1);
    assert!(outputs[0] == outputs[1] && outputs[0] == outputs[2]);
}

#[test]
fn modules_get_their_sections_in_place() {
    for list in ["default", "+distilled_base"] {
        let tree = Tree::new();
        let plain = module("own");
        tree.put("a/plain.ko", &plain);
        tree.put("b/stripped.ko", &File::default().to_bytes());
        let (status, stdout, stderr) = tree.in_place(&["--btf-features", list]);
        assert_eq!((status, stderr.as_str()), (Some(0), ""));
        assert_eq!(summary(&stdout), "1 encoded, 1 with nothing to encode, 0 failed");
        let new = fs::read(tree.path("modules/a/plain.ko")).unwrap();
        let names = if list == "default" { &[".BTF"][..] } else { &[".BTF", ".BTF.base"] };
        let contents: Vec<_> =
            names.iter().map(|name| Content { name, bytes: section(&new, name) }).collect();
        check(&plain, &new, &contents).unwrap();
        if list == "default" {
            assert_eq!(contents[0].bytes, tree.alone(&plain));
        }
        let stripped = fs::read(tree.path("modules/b/stripped.ko")).unwrap();
        assert_eq!(stripped, File::default().to_bytes());
    }
}

fn section<'a>(elf: &'a [u8], name: &str) -> &'a [u8] {
    let file = object::File::parse(elf).unwrap();
    file.section_by_name(name).unwrap().data().unwrap()
}

#[test]
fn compressed_modules_are_refused_in_place() {
    let tree = Tree::new();
    let plain = module("own");
    for codec in Compression::ALL {
        tree.put(&format!("m.ko{}", codec.suffix()), &codec.encode(&plain).unwrap());
    }
    let before = files(&tree.path("modules"));
    let (status, stdout, stderr) = tree.in_place(&[]);
    assert_eq!(status, Some(1));
    assert_eq!(summary(&stdout), "1 encoded, 0 with nothing to encode, 3 failed");
    let words =
        "encoding in place: the module is compressed; decompress it first, or say --out-dir";
    let names = ["m.ko.gz", "m.ko.xz", "m.ko.zst"];
    assert_eq!(stderr, names.map(|name| tree.complaint(name, words)).concat());
    let after = files(&tree.path("modules"));
    assert!(names.iter().all(|name| before[*name] == after[*name]));
    assert_eq!(section(&after["m.ko"], ".BTF"), tree.alone(&plain));
}

#[test]
fn signed_modules_are_refused_in_place() {
    let tree = Tree::new();
    let elf = module("own");
    let info = [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    let signed = [&elf[..], b"12345", &info, SIGNATURE_MAGIC].concat();
    tree.put("m.ko", &signed);
    let (status, stdout, stderr) = tree.in_place(&[]);
    let words = "opening, to write BTF into it: the module is signed, and a change makes the \
                 signature invalid; --drop-signature takes it off";
    assert_eq!((status, stderr), (Some(1), tree.complaint("m.ko", words)));
    assert_eq!(summary(&stdout), "0 encoded, 0 with nothing to encode, 1 failed");
    let path = tree.path("modules/m.ko");
    assert_eq!(fs::read(&path).unwrap(), signed);
    assert_eq!(tree.in_place(&["--drop-signature", "--no-sync"]).0, Some(0));
    let new = fs::read(&path).unwrap();
    check(&elf, &new, &[Content { name: ".BTF", bytes: &tree.alone(&elf) }]).unwrap();
}

#[test]
fn what_makes_no_sense_is_one_line() {
    let either = "with --modules, say either --out-dir DIR or --in-place";
    let in_place = "--drop-signature, --follow-links and --no-sync are about --in-place";
    for (args, words) in [
        (&["--base=b", "--modules=m"][..], either),
        (&["--base=b", "--modules=m", "--out-dir=o", "--in-place"], either),
        (&["--base=b", "--modules=m", "-o", "f"], either),
        (&["--base=b", "--modules=m", "--out-dir=o", "-o", "f"], either),
        (&["--base=b", "--modules=m", "--out-dir=o", "--no-sync"], in_place),
        (&["--modules=m", "--out-dir=o"], "with --modules, name the kernel's BTF: --base FILE"),
        (
            &["--base=b", "--modules=m", "--out-dir=o", "x.ko"],
            "--modules and input files exclude each other",
        ),
        (&["--base=b", "--out-dir=o", "x.ko"], "--out-dir is about --modules"),
    ] {
        let line = format!("kmill btf encode: {words}; --help says more\n");
        assert_eq!(
            seen(&kmill(args).output().unwrap()),
            (Some(1), String::new(), line),
            "{args:?}"
        );
    }
}

#[test]
fn without_base_or_directory_nothing_is_written() {
    let tree = Tree::new();
    tree.put("a.ko", &module("own"));
    for (missing, words) in
        [("base", "reading the base's BTF: "), ("modules", "reading the directory: ")]
    {
        let path = tree.path(missing);
        fs::rename(&path, tree.path("away")).unwrap();
        let (status, stdout, stderr) = tree.run(&[]);
        let line = format!("kmill btf encode: {}: {words}", path.display());
        assert_eq!((status, stdout.as_str(), stderr.lines().count()), (Some(1), "", 1));
        assert!(stderr.starts_with(&line), "{stderr}");
        assert!(!tree.path("out").exists());
        fs::rename(tree.path("away"), &path).unwrap();
    }
    // What is in the way of an output's directory.
    fs::write(tree.path("out"), b"a file").unwrap();
    let line = format!("kmill btf encode: {}: making the directory: ", tree.path("out").display());
    let (status, _, stderr) = tree.run(&[]);
    assert!(status == Some(1) && stderr.starts_with(&line), "{stderr}");
}

/// It may hold modules that would be missing without a word.
#[test]
fn a_directory_that_cannot_be_read_is_a_failure() {
    let tree = Tree::new();
    tree.put("a.ko", &module("own"));
    tree.put("shut/b.ko", &module("own"));
    let shut = tree.path("modules/shut");
    fs::set_permissions(&shut, Permissions::from_mode(0o0)).unwrap();
    let mut command = tree.command(&[]);
    if fs::read_dir(&shut).is_ok() {
        // Root reads everything, and nobody else what is root's: `nobody` gets a program of its own.
        let program = tree.path("kmill");
        // Copied by another process: what this one still has open for writing when another test
        // starts a program cannot be run.
        let mut copy = Command::new("/bin/cp");
        assert!(copy.arg(env!("CARGO_BIN_EXE_kmill")).arg(&program).status().unwrap().success());
        fs::set_permissions(tree.0.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(tree.path("base"), Permissions::from_mode(0o644)).unwrap();
        let mut as_nobody = Command::new(program);
        as_nobody.args(command.get_args()).uid(65534).gid(65534);
        command = as_nobody;
    }
    let words = "reading the directory: Permission denied (os error 13)";
    let output = command.arg("--out-dir").arg(tree.path("out")).output().unwrap();
    assert_eq!(seen(&output), (Some(1), String::new(), tree.complaint("shut", words)));
    assert!(!tree.path("out").exists());
    fs::set_permissions(&shut, Permissions::from_mode(0o755)).unwrap();
}

/// A module that takes a while.
fn large(number: u64) -> Vec<u8> {
    let unit = |unit: u64| {
        let structures = (0..100).map(|index| {
            let die = Die::structure(&format!("s{number}_{unit}_{index}"), 64);
            (0..16).fold(die, |die, at| die.member(&format!("m{at}"), "int", 4 * at))
        });
        Unit::new(5).child(Die::int()).children(structures)
    };
    (0..20).map(unit).fold(File::default(), File::unit).to_bytes()
}

/// How many files of modules are there, while more are being written.
fn published(out: &Path) -> usize {
    let directories = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    let names = directories.flat_map(|directory| fs::read_dir(directory).unwrap());
    names
        .filter(|name| !name.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b"."))
        .count()
}

/// Whenever the signal comes: what is there is whole, nothing else is, and whoever sent it sees that.
#[test]
fn a_run_that_is_asked_to_end_leaves_whole_files() {
    let tree = Tree::new();
    for number in 0..60 {
        tree.put(&format!("{}/m{number}.ko", number % 4), &large(number));
    }
    assert_eq!(tree.run(&["--threads=2"]).0, Some(0));
    let whole = files(&tree.path("out"));
    assert_eq!(whole.len(), 60);
    let mut cut_short = 0;
    for written in [0, 1, 5, 20] {
        fs::remove_dir_all(tree.path("out")).unwrap();
        let mut command = tree.command(&["--threads=2"]);
        command.arg("--out-dir").arg(tree.path("out")).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let start = Instant::now();
        // The directories are made first.
        while !tree.path("out/3").exists() || published(&tree.path("out")) < written {
            assert!(start.elapsed() < Duration::from_secs(60));
            sleep(Duration::from_micros(100));
        }
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        let status = child.wait().unwrap();
        assert!(status.signal() == Some(15) || status.success(), "{status}");
        let left = files(&tree.path("out"));
        assert!(left.iter().all(|(name, bytes)| whole.get(name) == Some(bytes)));
        cut_short += usize::from(status.signal() == Some(15) && left.len() < whole.len());
    }
    assert!(cut_short > 0, "no signal came in time");
}

/// The same in place: each module is the old one or the new one.
#[test]
fn modules_are_old_or_new_when_a_run_is_asked_to_end() {
    let tree = Tree::new();
    let put = || (0..60).for_each(|number| tree.put(&format!("m{number}.ko"), &large(number)));
    put();
    let old = files(&tree.path("modules"));
    assert_eq!(tree.in_place(&["--no-sync"]).0, Some(0));
    let new = files(&tree.path("modules"));
    let mut cut_short = 0;
    for delay in [15, 30, 60, 120] {
        put();
        let mut command = tree.command(&["--threads=2", "--in-place", "--no-sync"]);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(delay));
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        let status = child.wait().unwrap();
        assert!(status.signal() == Some(15) || status.success(), "{status}");
        let left = files(&tree.path("modules"));
        assert_eq!(left.len(), old.len());
        for (name, bytes) in &left {
            assert!(*bytes == old[name] || *bytes == new[name], "{name} after {delay} ms");
        }
        cut_short += usize::from(status.signal() == Some(15) && left != new);
    }
    assert!(cut_short > 0, "no signal came in time");
}

//! The `depmod` applet as scripts see it: arguments, streams, exit statuses and
//! files, for what differs from kmod or what kmod's tests do not cover.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use modgen::{Module, Tree, Written};
use tempfile::TempDir;

fn kmill() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kmill"))
}

fn depmod() -> Command {
    let mut command = kmill();
    command.arg("depmod");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Fixture {
    dir: TempDir,
    written: Written,
}

impl Fixture {
    fn new(tree: &Tree) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let written = tree.write_to(dir.path(), "lib/modules").unwrap();
        Fixture { dir, written }
    }

    fn small() -> Self {
        Fixture::new(
            &Tree::new("6.1.0")
                .module("kernel/a.ko", Module::new("a").export("x").alias("pci:a*"))
                .module("kernel/b.ko", Module::new("b").import("x"))
                .order_as_listed()
                .builtin(["kernel/c.ko"])
                .builtin_modinfo(["c.alias=d"]),
        )
    }

    fn run(&self, more: &[&str]) -> Output {
        depmod().args(more).args(self.written.depmod_args()).output().unwrap()
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.written.module_dir.join(name)).unwrap()
    }
}

fn leftovers(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".kmill")).collect()
}

#[test]
fn silent_on_success() {
    let fixture = Fixture::small();
    let output = fixture.run(&[]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()));
    assert!(output.status.success());
    assert_eq!(text(&fixture.file("modules.dep")), "kernel/a.ko:\nkernel/b.ko: kernel/a.ko\n");
}

#[test]
fn called_as_depmod_it_is_depmod() {
    let fixture = Fixture::small();
    let output = kmill().arg0("/x/depmod").args(fixture.written.depmod_args()).output().unwrap();
    assert!(output.status.success());
    let output = kmill().arg0("/x/depmod").arg("--bad").output().unwrap();
    assert_eq!(text(&output.stderr), "/x/depmod: unrecognized option '--bad'\n");
    let output = kmill().arg0("/x/depmod").arg("x.y").output().unwrap();
    assert_eq!(text(&output.stderr), "depmod: ERROR: Bad version passed x.y\n");
    assert_eq!(output.status.code(), Some(1));
}

/// COMPAT.md: the first line is what scripts look for.
#[test]
fn version_begins_as_kmods_and_names_us() {
    let output = depmod().arg("-V").output().unwrap();
    let text = text(&output.stdout);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("kmod version 34"));
    assert!(lines.next().unwrap().starts_with("kmill "));
    assert_eq!(lines.next(), None);
}

#[test]
fn show_prints_the_text_files_and_writes_none() {
    let fixture = Fixture::small();
    let shown = fixture.run(&["-n"]);
    assert!(!fixture.written.module_dir.join("modules.dep").exists());
    fixture.run(&[]);
    let names = ["dep", "alias", "softdep", "weakdep", "symbols", "devname"];
    let files = names.map(|name| text(&fixture.file(&format!("modules.{name}"))));
    assert_eq!(text(&shown.stdout), files.concat());
}

#[test]
fn options_of_kmod_33_are_accepted_with_its_warning() {
    let fixture = Fixture::small();
    let output = fixture.run(&["-q", "--unresolved-error", "-r", "--map"]);
    assert!(output.status.success());
    let expected: String = ["-q", "--unresolved-error", "-r", "--map"]
        .map(|name| format!("depmod: WARNING: Ignored deprecated option {name}\n"))
        .concat();
    assert_eq!(text(&output.stderr), expected);
}

/// COMPAT.md: kmod aborts.
#[test]
fn a_config_without_slash_is_read() {
    let fixture = Fixture::new(
        &Tree::new("6.1.0").module("a/m.ko", Module::new("m")).module("b/m.ko", Module::new("m")),
    );
    fs::write(fixture.dir.path().join("x.conf"), "search b a\n").unwrap();
    let output = depmod()
        .current_dir(fixture.dir.path())
        .args(["-C", "x.conf", "-b", ".", "6.1.0"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&fixture.file("modules.dep")), "b/m.ko:\n");
}

/// COMPAT.md: kmod exits 0 and writes nothing.
#[test]
fn a_failure_to_write_is_exit_1_and_changes_no_file() {
    let fixture = Fixture::small();
    fixture.run(&[]);
    let before = fixture.file("modules.dep");
    // Files may not grow beyond nothing: every write fails with EFBIG.
    let args = fixture.written.depmod_args();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_kmill"))
        .arg("depmod")
        .args(args)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = text(&output.stderr);
    assert!(words.starts_with("depmod: ERROR: could not write "), "{words}");
    assert!(words.ends_with(": File too large\n"), "{words}");
    assert_eq!(fixture.file("modules.dep"), before);
    assert_eq!(leftovers(&fixture.written.module_dir), [""; 0]);
}

#[test]
fn runs_at_once_take_turns() {
    let fixture = Fixture::new(&modgen::sample_tree());
    let mut runs: Vec<_> =
        (0..6).map(|_| depmod().args(fixture.written.depmod_args()).spawn().unwrap()).collect();
    for run in &mut runs {
        assert!(run.wait().unwrap().success());
    }
    assert_eq!(leftovers(&fixture.written.module_dir), [""; 0]);
    let together: Vec<_> = modules_files(&fixture);
    fixture.run(&[]);
    assert!(together == modules_files(&fixture));
}

fn modules_files(fixture: &Fixture) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(&fixture.written.module_dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// A killed run leaves each file as it was or as it is to be, and the next run cleans up.
#[test]
fn a_killed_run_leaves_whole_files() {
    let fixture = Fixture::new(&modgen::sample_tree());
    fixture.run(&[]);
    let whole = modules_files(&fixture);
    for delay in 0..20 {
        let mut run = depmod().args(fixture.written.depmod_args()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay * 3));
        let _ = run.kill();
        run.wait().unwrap();
        let files: Vec<_> = modules_files(&fixture)
            .into_iter()
            .filter(|(name, _)| !name.starts_with(".kmill-tmp."))
            .collect();
        assert!(files == whole, "after {delay}");
    }
    fixture.run(&[]);
    assert_eq!(leftovers(&fixture.written.module_dir), [""; 0]);
}

/// However early or late a signal comes, what is not published is removed.
#[test]
fn a_run_that_is_asked_to_end_leaves_nothing() {
    let fixture = Fixture::new(&modgen::sample_tree());
    fixture.run(&[]);
    let whole = modules_files(&fixture);
    for delay in 0..40 {
        let mut run = depmod().args(fixture.written.depmod_args()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(delay * 1500));
        let pid = rustix::process::Pid::from_child(&run);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let status = run.wait().unwrap();
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(15);
        assert!(killed || status.success(), "{status}");
        assert!(modules_files(&fixture) == whole, "after {delay}");
    }
}

#[test]
fn works_without_proc() {
    let fixture = Fixture::small();
    // A mount namespace of its own, with nothing where /proc was.
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .args(["mount -t tmpfs none /proc && exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_kmill"))
        .arg("depmod")
        .args(fixture.written.depmod_args())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fixture.file("modules.dep.bin").len() > 12);
}

#[test]
fn paths_need_not_be_text() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let tree = Tree::new("6.1.0").module("a.ko", Module::new("a"));
    let written = tree.write_to(&root, "lib/modules").unwrap();
    let output = depmod().args(written.depmod_args()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_closed_pipe_ends_it_as_it_ends_kmod() {
    let fixture = Fixture::new(&modgen::sample_tree());
    let mut run = depmod()
        .arg("-n")
        .args(fixture.written.depmod_args())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(run.stdout.take());
    let output = run.wait_with_output().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(13));
    assert_eq!(text(&output.stderr), "");
}

/// COMPAT.md: kmod exits 0.
#[test]
fn what_cannot_be_shown_is_exit_1() {
    let fixture = Fixture::small();
    for option in ["-n", "-v"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = depmod();
        let output = command.arg(option).args(fixture.written.depmod_args()).stdout(full).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{option}");
        let words = text(&output.stderr);
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.starts_with("depmod: ERROR: could not write to standard output"), "{words}");
    }
}

#[test]
fn quick_does_nothing_twice() {
    let fixture = Fixture::small();
    let first = fixture.run(&["-A"]);
    assert!(first.status.success());
    assert!(text(&first.stderr).starts_with("depmod: ERROR: could not fstatat("));
    let changed = || fs::metadata(fixture.written.module_dir.join("modules.dep")).unwrap();
    let inode = |metadata: fs::Metadata| std::os::unix::fs::MetadataExt::ino(&metadata);
    let before = inode(changed());
    let second = fixture.run(&["--quick"]);
    assert!(second.status.success());
    assert_eq!(text(&second.stderr), "");
    assert_eq!(inode(changed()), before);
}

#[test]
fn demo_shows_a_table() {
    let output = kmill().arg("demo").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.lines().any(|line| line.starts_with("modules.alias.bin ")), "{table}");
    assert!(!table.contains("DIFFERENT"), "{table}");
}

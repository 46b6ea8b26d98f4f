//! The `pahole` applet and `kmill btf encode` as builds see them: arguments, streams, exit statuses
//! and files. What the arguments mean is tested beside their table.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use dwarfgen::{Die, File, Unit, Value, at, form, tag};
use kmill_btf::{Btf, Kind};

fn kmill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
    command.env_remove("PAHOLE_LANG_EXCLUDE").env_remove("KMILL_NEXT_PAHOLE").env("PATH", "");
    command
}

fn pahole(args: &[&str]) -> Output {
    kmill().arg0("/x/pahole").args(args).output().unwrap()
}

/// A copy of a program that can be run at once. Were it written here, a process that another test
/// starts meanwhile would have it open for writing, and it would be busy.
fn install(program: &Path, to: &Path) {
    assert!(Command::new("cp").args([program, to]).status().unwrap().success());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Status, standard output, standard error.
fn seen(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn print(text: &str) -> (Option<i32>, String, String) {
    (Some(0), text.to_owned(), String::new())
}

fn fail(status: i32, text: &str) -> (Option<i32>, String, String) {
    (Some(status), String::new(), text.to_owned())
}

/// Kernel builds look at all of it.
#[test]
fn versions_are_exact() {
    assert_eq!(seen(&pahole(&["--version"])), print("v1.31\n"));
    assert_eq!(seen(&pahole(&["--numeric_version"])), print("131\n"));
    let output = kmill().args(["pahole", "--version"]).output().unwrap();
    assert_eq!(seen(&output), print("v1.31\n"));
}

#[test]
fn mistakes_on_the_command_line_are_64() {
    let help = "Try `pahole --help' or `pahole --usage' for more information.\n";
    let bad = format!("/x/pahole: unrecognized option '--bad'\n{help}");
    assert_eq!(seen(&pahole(&["--bad"])), fail(64, &bad));
    let output = kmill().args(["pahole", "--bad"]).output().unwrap();
    assert_eq!(seen(&output), fail(64, &bad.replace("/x/", "")));
    let strict = pahole(&["--btf_features_strict=foo"]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn other_modes_without_another_pahole_are_64() {
    let output = pahole(&["-C", "task_struct"]);
    let words = "pahole: kmill only encodes (-J, --btf_encode_detached), and there is no other \
                 pahole in PATH for the rest\n";
    assert_eq!(seen(&output), fail(64, words));
}

#[test]
fn other_modes_are_the_next_paholes() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    fs::create_dir(&own).unwrap();
    fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kmill"), own.join("pahole")).unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/bin/sh\nprintf '<%s>' \"$@\"\nexit 7\n").unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    install(&script, &other.join("pahole"));
    let path = std::env::join_paths([&own, &other]).unwrap();
    let run = |path: &std::ffi::OsStr| {
        let mut command = kmill();
        command.arg0("pahole").env("PATH", path).args(["-C", "list head", "--", ""]);
        command.output().unwrap()
    };
    assert_eq!(seen(&run(&path)), (Some(7), "<-C><list head><--><>".to_owned(), String::new()));
    // A copy of us is another program, but of no more help.
    fs::remove_file(own.join("pahole")).unwrap();
    install(Path::new(env!("CARGO_BIN_EXE_kmill")), &own.join("pahole"));
    assert_eq!(run(own.as_os_str()).status.code(), Some(64));
}

/// COMPAT.md: pahole succeeds, and writes nothing.
#[test]
fn an_input_that_cannot_be_read_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let detached = format!("--btf_encode_detached={}", out.display());
    let output = pahole(&[&detached, "/nonexistent/vmlinux"]);
    let words = "/nonexistent/vmlinux: reading: No such file or directory (os error 2)\n";
    assert_eq!(seen(&output), fail(1, &format!("pahole: {words}")));
    let mut command = kmill();
    command.args(["btf", "encode", "/nonexistent/vmlinux", "-o"]).arg(&out);
    let output = command.output().unwrap();
    assert_eq!(seen(&output), fail(1, &format!("kmill btf encode: {words}")));
    assert!(!out.exists());

    let not_elf = dir.path().join("text");
    fs::write(&not_elf, "no ELF file").unwrap();
    let output = pahole(&[&detached, not_elf.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let words = format!("pahole: {}: encoding: ", not_elf.display());
    assert!(text(&output.stderr).starts_with(&words), "{}", text(&output.stderr));
    assert!(!out.exists());
}

#[test]
fn a_base_that_is_none_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    fs::write(&base, "none").unwrap();
    for name in [&base, Path::new("/nonexistent/base")] {
        let args = ["--btf_encode_detached=/dev/null", "--btf_base", name.to_str().unwrap(), "x"];
        let output = pahole(&args);
        assert_eq!(output.status.code(), Some(1));
        let words = format!("pahole: {}: reading the base's BTF: ", name.display());
        assert!(text(&output.stderr).starts_with(&words), "{}", text(&output.stderr));
    }
}

#[test]
fn one_file_is_encoded_at_a_time() {
    let words = "pahole: -J needs the name of a file\n";
    assert_eq!(seen(&pahole(&["--btf_encode_detached=x"])), fail(1, words));
    let words = "pahole: -J takes one file, not 2\n";
    assert_eq!(seen(&pahole(&["--btf_encode_detached=x", "a", "b"])), fail(1, words));
}

#[test]
fn btf_encode_complains_about_what_makes_no_sense() {
    for (args, words) in [
        (&["x"][..], "say where the BTF goes: -o FILE, or --in-place"),
        (&["x", "-o", "y", "--in-place"], "-o and --in-place exclude each other"),
        (
            &["x", "-o", "y", "--drop-signature"],
            "--drop-signature, --follow-links and --no-sync are about --in-place",
        ),
        (&["-o", "out"], "name one input file, a vmlinux with debug info"),
        (&["-o", "out", "a", "b"], "name one input file, a vmlinux with debug info"),
        (&["--threads=0"], "--threads takes a number from 1, not '0'"),
        (&["--lang-exclude=c,foo,x"], "no language is called 'foo'"),
    ] {
        let output = kmill().args(["btf", "encode"]).args(args).output().unwrap();
        let line = format!("kmill btf encode: {words}; --help says more\n");
        assert_eq!(seen(&output), fail(1, &line));
    }
    let output = kmill().args(["btf", "encode", "--btf-features=default,foo"]).output().unwrap();
    let words = "kmill btf encode: no feature is called 'foo'; there are encode_force, var, ";
    assert!(text(&output.stderr).starts_with(words));
    let output = kmill().args(["btf", "encode", "--bad"]).output().unwrap();
    assert_eq!(seen(&output), fail(1, "kmill btf encode: unrecognized option '--bad'\n"));
}

#[test]
fn what_pahole_has_later_is_known_to_btf_encode_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let low_pc = Value::Raw(form::ADDR, 0x1000_u64.to_le_bytes().to_vec());
    let mut user = Die::annotation("btf_type_tag", "user").label("user");
    user.tag = tag::GNU_ANNOTATION;
    let unit = Unit::new(5)
        .child(Die::int())
        .child(user)
        .child(Die::pointer("int").refer(at::GNU_ANNOTATION, "user"))
        .child(Die::function("f", "int").attr(at::LOW_PC, low_pc));
    fs::write(&input, File::default().function("f.isra.0", 0x1000).unit(unit).to_bytes()).unwrap();
    let names = |blob: &[u8]| {
        let btf = Btf::read(blob).unwrap();
        let named = btf.types.iter().filter(|(_, ty)| ty.kind() != Kind::Int);
        let named = named.filter_map(|(_, ty)| btf.strings.get(ty.name()));
        named.map(text).filter(|name| !name.is_empty()).collect::<Vec<_>>()
    };

    let ours = kmill()
        .args(["btf", "encode", "--btf-features=+layout,true_signature,gnu_annotation", "-o"])
        .args([&output, &input])
        .output()
        .unwrap();
    assert_eq!(seen(&ours), print(""));
    let blob = fs::read(&output).unwrap();
    assert_eq!((blob[4], names(&blob)), (32, vec!["user".to_owned(), "f.isra.0".to_owned()]));

    let mut detached = std::ffi::OsString::from("--btf_encode_detached=");
    detached.push(&output);
    let list = |option: &str| format!("--{option}=decl_tag,layout,true_signature,gnu_annotation");
    let args = |option| {
        kmill().arg("pahole").arg("-J").arg(list(option)).arg(&detached).arg(&input).output()
    };
    assert_eq!(seen(&args("btf_features").unwrap()), print(""));
    let blob = fs::read(&output).unwrap();
    assert_eq!((blob[4], names(&blob)), (24, vec!["f".to_owned()]));
    assert_eq!(args("btf_features_strict").unwrap().status.code(), Some(1));
}

#[test]
fn helps_are_printed() {
    for args in [&["btf", "--help"][..], &["btf", "encode", "-h"], &["pahole", "-?"]] {
        let output = kmill().args(args).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(text(&output.stdout).to_lowercase().starts_with("usage: "));
    }
    for name in ["pahole", "kmill-btf-encode"] {
        let output = kmill().args(["generate", "man", name]).output().unwrap();
        assert!(text(&output.stdout).starts_with(".TH "));
    }
}

//! `kmill btf dump`, `verify` and `diff` as people and scripts see them: what they print where, and
//! their exit statuses. What they say of types is tested in the library.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use kmill_btf::format::int;
use kmill_btf::{Btf, Endian, Info, Kind, StrOff, TypeId};

fn kmill(args: &[&str], files: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
    command.arg("btf").args(args).args(files);
    command
}

/// Status, standard output, standard error.
fn seen(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn run(args: &[&str], files: &[&Path]) -> (Option<i32>, String, String) {
    seen(&kmill(args, files).output().unwrap())
}

/// Files of one test.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, btf: &Btf) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, btf.to_bytes()).unwrap();
        path
    }
}

/// `int`, and `struct s` of so many bytes with one member.
fn kernel(size: u32) -> Btf {
    let mut btf = Btf::new(Endian::Little);
    let [name, s, x] = [&b"int"[..], b"s", b"x"].map(|name| btf.add_string(name));
    btf.types.push_int(name, 4, int::SIGNED);
    btf.types.push(s, Info::new(Kind::Struct, false, 1), size, &[x.0, 1, 0]);
    btf
}

/// A pointer to the kernel's structure, under a name.
fn module(kernel: &Btf, name: &[u8]) -> Btf {
    let mut btf = Btf::split(Arc::new(kernel.clone()));
    let name = btf.add_string(name);
    btf.types.push_ref(Kind::Ptr, StrOff::EMPTY, TypeId(2));
    btf.types.push_ref(Kind::Typedef, name, TypeId(3));
    btf
}

const TEXT: &str = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] STRUCT 's' size=4 vlen=1
\t'x' type_id=1 bits_offset=0
";

#[test]
fn dump_shows_every_type_as_text_or_json() {
    let files = Files::new();
    let file = files.write("kernel", &kernel(4));
    assert_eq!(run(&["dump"], &[&file]), (Some(0), TEXT.to_owned(), String::new()));
    for json in ["-j", "--json"] {
        let (status, text, errors) = run(&["dump", json], &[&file]);
        assert_eq!((status, errors), (Some(0), String::new()));
        assert!(
            text.starts_with("{\"types\":[{\"id\":1,\"kind\":\"INT\",") && text.ends_with("]}\n")
        );
        assert_eq!(text.lines().count(), 1);
    }
}

#[test]
fn a_modules_types_are_shown_behind_its_kernels() {
    let files = Files::new();
    let kernel = kernel(4);
    let module = files.write("module", &module(&kernel, b"handle"));
    let base = files.write("kernel", &kernel);
    let text = "[3] PTR '(anon)' type_id=2\n[4] TYPEDEF 'handle' type_id=3\n".to_owned();
    let arg = format!("--base={}", base.display());
    assert_eq!(run(&["dump", &arg], &[&module]), (Some(0), text, String::new()));
    assert_eq!(run(&["verify", &arg], &[&module]), (Some(0), String::new(), String::new()));
    for command in ["dump", "verify"] {
        let (status, text, errors) = run(&[command], &[&module]);
        assert_eq!((status, text), (Some(1), String::new()));
        assert!(errors.ends_with("which is not named: name it with --base\n"), "{errors}");
    }
    let (status, _, errors) = run(&["dump", "--base=/nonexistent"], &[&module]);
    let words = "kmill btf dump: /nonexistent: reading the base's BTF: No such file";
    assert!(status == Some(1) && errors.starts_with(words), "{errors}");
}

/// `.BTF.base` is the base of the file's BTF, is checked with it, and is not shown.
#[test]
fn a_module_may_have_a_base_of_its_own() {
    let files = Files::new();
    let mut base = kernel(2);
    base.types.push_ref(Kind::Typedef, StrOff::EMPTY, TypeId(1));
    let mut module = Btf::split(Arc::new(base.clone()));
    module.types.push_ref(Kind::Ptr, StrOff::EMPTY, TypeId(2));
    module.types.push_ref(Kind::Typedef, StrOff::EMPTY, TypeId(1));
    let file = dwarfgen::File::default().section(".BTF", 0, module.to_bytes());
    let file = file.section(".BTF.base", 0, base.to_bytes());
    let path = files.0.path().join("module");
    fs::write(&path, file.to_bytes()).unwrap();
    let text = "[4] PTR '(anon)' type_id=2\n[5] TYPEDEF '(anon)' type_id=1\n".to_owned();
    assert_eq!(run(&["dump"], &[&path]), (Some(0), text, String::new()));
    let (status, text, errors) = run(&["verify"], &[&path]);
    assert_eq!((status, errors), (Some(1), String::new()));
    let types: Vec<_> = text.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(types, ["type 2", "type 3", "type 5"]);
    // Another base cannot be in its place.
    let other = files.write("kernel", &kernel(4));
    let (status, _, errors) = run(&["dump", &format!("--base={}", other.display())], &[&path]);
    let words = "its BTF goes on behind its section .BTF.base, and behind no other base\n";
    assert!(status == Some(1) && errors.ends_with(words), "{errors}");
}

/// COMPAT.md: bpftool shows the id.
#[test]
fn what_refers_to_nothing_is_an_error() {
    let files = Files::new();
    let mut btf = kernel(4);
    btf.types.push_ref(Kind::Ptr, StrOff::EMPTY, TypeId(77));
    let (status, text, errors) = run(&["dump"], &[&files.write("bad", &btf)]);
    assert_eq!((status, text), (Some(1), String::new()));
    let words = "/bad: reading: BTF type 3: refers to a type that there is not\n";
    assert!(errors.ends_with(words), "{errors}");
}

/// COMPAT.md: bpftool makes a line feed of `\n`, and writes bytes that are no text as they are.
#[test]
fn names_that_json_has_no_words_for() {
    let files = Files::new();
    let mut btf = Btf::new(Endian::Little);
    for name in [&br"a\nb"[..], b"c\xffd"] {
        let name = btf.add_string(name);
        btf.types.push_int(name, 4, 0);
    }
    let file = files.write("odd", &btf);
    let (status, text, _) = run(&["dump", "--json"], &[&file]);
    assert_eq!(status, Some(0));
    assert!(text.contains(r#""name":"a\\nb""#), "{text}");
    assert!(text.contains("\"name\":\"c\u{fffd}d\""), "{text}");
    // As text, names are the bytes that they are.
    let output = kmill(&["dump"], &[&file]).output().unwrap();
    assert!(output.stdout.windows(5).any(|bytes| bytes == b"'c\xffd'"));
}

#[test]
fn verify_is_silent_about_what_is_right_and_names_what_is_not() {
    let files = Files::new();
    let good = files.write("good", &kernel(4));
    assert_eq!(run(&["verify"], &[&good]), (Some(0), String::new(), String::new()));
    // Too small for what is in it, which the kernel asks of programs only; and a nameless typedef.
    let mut btf = kernel(2);
    btf.types.push_ref(Kind::Typedef, StrOff::EMPTY, TypeId(1));
    let bad = files.write("bad", &btf);
    let name = bad.display();
    let (status, text, errors) = run(&["verify"], &[&good, &bad]);
    assert_eq!((status, errors), (Some(1), String::new()));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(&format!("{name}: type 2: entry 0: ")), "{text}");
    assert!(lines[0].ends_with(" (asked only of BTF that programs load)"), "{text}");
    assert_eq!(lines[1..], [format!("{name}: type 3: it has no name, and must")]);
    // A file that is not there hides nothing of the others.
    let (status, text, errors) = run(&["verify"], &[Path::new("/nonexistent"), &bad]);
    assert_eq!((status, text.lines().count()), (Some(1), 2));
    assert!(errors.starts_with("kmill btf verify: /nonexistent: reading: "), "{errors}");
}

#[test]
fn verify_says_when_there_are_more_problems_than_it_lists() {
    let files = Files::new();
    let mut btf = kernel(4);
    (0..1200).for_each(|_| {
        btf.types.push_ref(Kind::Typedef, StrOff::EMPTY, TypeId(1));
    });
    let (status, text, _) = run(&["verify"], &[&files.write("bad", &btf)]);
    assert_eq!((status, text.lines().count()), (Some(1), 1001));
    assert!(text.ends_with("/bad: only the first 1000 problems are listed\n"));
}

#[test]
fn diffs_statuses_are_those_of_diff() {
    let files = Files::new();
    let (a, b) = (files.write("a", &kernel(4)), files.write("b", &kernel(8)));
    assert_eq!(run(&["diff"], &[&a, &a]), (Some(0), String::new(), String::new()));
    let words = "struct s: size: 4 became 8\n".to_owned();
    assert_eq!(run(&["diff"], &[&a, &b]), (Some(1), words, String::new()));
    let (status, text, errors) = run(&["diff"], &[&a, Path::new("/nonexistent")]);
    assert_eq!((status, text), (Some(2), String::new()));
    assert!(errors.starts_with("kmill btf diff: /nonexistent: reading: "), "{errors}");
    for args in [&["diff"][..], &["diff", "x"], &["diff", "--bad"], &["diff", "--base", "x", "y"]] {
        let (status, text, errors) = run(args, &[]);
        assert_eq!((status, text), (Some(2), String::new()));
        assert!(errors.starts_with("kmill btf diff: ") && errors.lines().count() == 1, "{errors}");
    }
}

#[test]
fn diff_compares_modules_of_one_kernel_and_of_two() {
    let files = Files::new();
    let (old, new) = (kernel(4), kernel(8));
    let (a, b) = (files.write("a", &module(&old, b"t")), files.write("b", &module(&new, b"t")));
    let c = files.write("c", &module(&old, b"u"));
    let [old, new] = [files.write("old", &old), files.write("new", &new)];
    let [base, base_a, base_b] = [("", &old), ("-a", &old), ("-b", &new)]
        .map(|(name, path)| format!("--base{name}={}", path.display()));
    // The structure is the base's, and counts by its name here.
    let same = (Some(0), String::new(), String::new());
    assert_eq!(run(&["diff", &base_a, &base_b], &[&a, &b]), same);
    assert_eq!(run(&["diff", &base, &base_b], &[&a, &b]), same);
    let words = "typedef t: only in the first\ntypedef u: only in the second\n".to_owned();
    assert_eq!(run(&["diff", &base], &[&a, &c]), (Some(1), words, String::new()));
    assert_eq!(run(&["diff", &base_a], &[&a, &b]).0, Some(2));
}

#[test]
fn what_cannot_be_shown_is_a_failure() {
    let files = Files::new();
    let (a, b) = (files.write("a", &kernel(2)), files.write("b", &kernel(8)));
    for (args, files, failure) in [
        (&["dump"][..], &[&*a][..], 1),
        (&["dump", "--json"], &[&a], 1),
        (&["verify"], &[&a], 1),
        (&["diff"], &[&a, &b], 2),
        (&["diff", "--help"], &[], 2),
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let (status, _, errors) = seen(&kmill(args, files).stdout(full).output().unwrap());
        assert_eq!(status, Some(failure), "{args:?}");
        assert!(errors.contains(": could not write to standard output: "), "{errors}");
    }
}

/// A reader that goes away ends it as it ends other programs, without a word.
#[test]
fn a_closed_pipe_ends_a_dump() {
    let files = Files::new();
    let mut btf = kernel(4);
    (0..100_000).for_each(|_| {
        btf.types.push_ref(Kind::Ptr, StrOff::EMPTY, TypeId(2));
    });
    let mut command = kmill(&["dump"], &[&files.write("large", &btf)]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut start = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), output.stderr), (Some(13), Vec::new()));
}

#[test]
fn every_command_has_its_texts() {
    for command in ["encode", "dump", "verify", "diff"] {
        let (status, text, errors) = run(&[command, "--help"], &[]);
        assert_eq!((status, errors), (Some(0), String::new()));
        assert!(text.starts_with(&format!("usage: kmill btf {command} ")), "{text}");
        let mut man = Command::new(env!("CARGO_BIN_EXE_kmill"));
        man.args(["generate", "man", &format!("kmill-btf-{command}")]);
        let (status, text, _) = seen(&man.output().unwrap());
        assert_eq!(status, Some(0));
        assert!(text.contains(&format!("\n\\fBkmill btf {command}\\fR ")), "{text}");
        let (_, usage, _) = run(&["--help"], &[]);
        assert!(usage.contains(&format!("\n  {command} ")), "{usage}");
    }
}

fn script(shell: &str) -> String {
    let mut generate = Command::new(env!("CARGO_BIN_EXE_kmill"));
    let (status, text, errors) =
        seen(&generate.args(["generate", shell, "kmill"]).output().unwrap());
    assert_eq!((status, errors), (Some(0), String::new()));
    text
}

#[test]
fn every_option_is_completed() {
    for shell in ["bash", "zsh", "fish"] {
        let text = script(shell);
        for command in ["encode", "dump", "verify", "diff"] {
            let (_, help, _) = run(&[command, "--help"], &[]);
            for option in help.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
                let found = match shell {
                    "fish" => {
                        text.contains(&format!("{command}' -l {option}"))
                            || text.contains(&format!(" -l {option} "))
                    }
                    _ => text.contains(&format!("--{option}")),
                };
                assert!(found, "{option} of {command} in {shell}");
            }
        }
    }
}

/// Asks a bash what it would offer; there is one wherever this is built, or there is nothing to ask.
#[test]
fn bash_completes_commands_and_options() {
    let asks = r#"compopt() { :; }
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _kmill_kmill; echo "${COMPREPLY[*]}"; }
        ask kmill b; ask kmill btf d; ask kmill btf dump --; ask kmill btf diff --base; ask kmill btf nothing x"#;
    let script = format!("{}\n{asks}", script("bash"));
    let Ok(output) = Command::new("bash").args(["--norc", "-c", &script]).output() else { return };
    let lines = "btf\ndump diff\n--json --base --help\n--base --base-a --base-b\n\n";
    assert_eq!(seen(&output), (Some(0), lines.to_owned(), String::new()));
}

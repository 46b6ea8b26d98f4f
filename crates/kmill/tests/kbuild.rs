//! Kernel builds call `pahole`: command lines as they were recorded, with their environment, and make
//! with its jobserver. `cargo xtask kbuild` runs the kernel build's own scripts.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::fs::{self, File as OsFile, OpenOptions};
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dwarfgen::{Die, File, Unit, Value, at, ate, form, lang};
use kernel_elf::write::{Content, check};
use kmill_btf::Btf;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};

fn pahole() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
    command.arg0("pahole").env_clear().env("PATH", "");
    command
}

/// Status and standard error; nothing is ever printed.
fn seen(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn done() -> (Option<i32>, String) {
    (Some(0), String::new())
}

/// A file with something for every flag: a float, a function, and a structure of Rust's.
fn kernel(structure: &str) -> Vec<u8> {
    let low_pc = Value::Raw(form::ADDR, 0x1000_u64.to_le_bytes().to_vec());
    let structure = Die::structure(structure, 4).member("a", "int", 0);
    let user = Die::function("user", "double").param_in("p", "int", 5).attr(at::LOW_PC, low_pc);
    let c = Unit::new(5)
        .child(Die::int())
        .child(Die::base("double", 8, ate::FLOAT))
        .child(structure)
        .child(user);
    let rust = Unit::new(5)
        .language(lang::RUST)
        .child(Die::int())
        .child(Die::structure("crab", 4).member("a", "int", 0));
    File::default().function("user", 0x1000).unit(c).unit(rust).to_bytes()
}

/// A directory as a build has it: a vmlinux with BTF, and a module with debug info.
struct Build(tempfile::TempDir);

impl Build {
    fn new() -> Build {
        let build = Build(tempfile::tempdir().unwrap());
        fs::write(build.path("vmlinux"), kernel("first")).unwrap();
        fs::write(build.path("mod.ko"), kernel("second")).unwrap();
        build
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `pahole` there with the words of that line.
    fn pahole(&self, line: &str) -> Command {
        let mut command = pahole();
        command.current_dir(&self.0).args(line.split_ascii_whitespace());
        command
    }

    /// What kmill's own command makes of a file, with these features and without Rust.
    fn own(&self, file: &str, features: &str, more: &[&str]) -> Vec<u8> {
        let out = self.path("own");
        let mut command = Command::new(env!("CARGO_BIN_EXE_kmill"));
        command.current_dir(&self.0).args(["btf", "encode", "--lang-exclude=rust"]);
        command.arg(format!("--btf-features={features}")).args(more);
        assert_eq!(seen(&command.arg(file).arg("-o").arg(&out).output().unwrap()), done());
        fs::read(out).unwrap()
    }
}

/// Whether a blob has a type of that name.
fn has(blob: &[u8], name: &str) -> bool {
    let btf = Btf::read(blob).unwrap();
    btf.types.iter().any(|(_, ty)| btf.strings.get(ty.name()) == Some(name.as_bytes()))
}

/// What scripts/pahole-flags.sh and scripts/Makefile.btf made of v1.31, and what that asks for.
const RECORDED: [(&str, &str, &str); 5] = [
    (
        "6.6",
        "--btf_gen_floats -j --lang_exclude=rust --skip_encoding_btf_inconsistent_proto --btf_gen_optimized",
        "var,decl_tag,type_tag,enum64,float,consistent_func",
    ),
    (
        "6.12",
        "-j --btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,\
         decl_tag_kfuncs -j --lang_exclude=rust",
        "default",
    ),
    (
        "6.12, reproducible",
        "-j --btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,\
         decl_tag_kfuncs -j --btf_features=+reproducible_build --lang_exclude=rust",
        "default",
    ),
    (
        "Debian's, which repeats flags",
        "-j6 --btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,\
         decl_tag_kfuncs --btf_features=attributes --btf_features=layout -j6 \
         --btf_features=+reproducible_build --lang_exclude=rust",
        "default,attributes",
    ),
    (
        "2026",
        "-j8 --btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func \
         --btf_features=layout --btf_features=true_signature --lang_exclude=rust",
        "encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func",
    ),
];

/// link-vmlinux.sh and Makefile.modfinal, until 2025: into the file itself.
#[test]
fn recorded_calls_write_into_vmlinux_and_modules() {
    for (version, flags, features) in &RECORDED[..4] {
        let build = Build::new();
        let old = fs::read(build.path("vmlinux")).unwrap();
        let own = build.own("vmlinux", features, &[]);
        assert_eq!(
            [has(&own, "first"), has(&own, "double"), has(&own, "crab")],
            [true, true, false]
        );
        let run = |line: &str| {
            let mut command = build.pahole(&format!("-J {flags} {line}"));
            // There is no such program, and none is run.
            seen(&command.env("LLVM_OBJCOPY", "x86_64-linux-gnu-objcopy").output().unwrap())
        };
        assert_eq!(run("vmlinux"), done(), "{version}");
        let new = fs::read(build.path("vmlinux")).unwrap();
        check(&old, &new, &[Content { name: ".BTF", bytes: &own }]).unwrap();

        let old = fs::read(build.path("mod.ko")).unwrap();
        let own = build.own("mod.ko", features, &["--base=vmlinux"]);
        assert_eq!(run("--btf_base vmlinux mod.ko"), done(), "{version}");
        let new = fs::read(build.path("mod.ko")).unwrap();
        check(&old, &new, &[Content { name: ".BTF", bytes: &own }]).unwrap();
    }
}

/// gen-btf.sh: into files of their own, `.BTF.1` for resolve_btfids to go on with.
#[test]
fn recorded_calls_of_gen_btf_write_files() {
    for (version, flags, features) in RECORDED {
        let build = Build::new();
        let own = build.own("vmlinux", features, &[]);
        let run = |line: &str| seen(&build.pahole(&format!("-J {flags} {line}")).output().unwrap());
        let line = "--btf_encode_detached=.tmp_vmlinux1.BTF.1 vmlinux";
        assert_eq!(run(line), done(), "{version}");
        assert_eq!(fs::read(build.path(".tmp_vmlinux1.BTF.1")).unwrap(), own, "{version}");

        let own = build.own("mod.ko", features, &["--base=.tmp_vmlinux1.BTF.1"]);
        let line = "--btf_base .tmp_vmlinux1.BTF.1 --btf_encode_detached=mod.ko.BTF.1 mod.ko";
        assert_eq!(run(line), done(), "{version}");
        assert_eq!(fs::read(build.path("mod.ko.BTF.1")).unwrap(), own, "{version}");
    }
}

/// What v1.31 makes of its environment, when it encodes the DWARF of a file: of all these variables,
/// `PAHOLE_LANG_EXCLUDE` alone changes anything.
#[test]
fn the_environment_changes_nothing_but_the_languages() {
    let build = Build::new();
    let encode = |name: &str, value: &str| {
        let _ = fs::remove_file(build.path("out"));
        let mut command = build.pahole("-J --btf_encode_detached=out vmlinux");
        let seen = seen(&command.env(name, value).output().unwrap());
        (seen, fs::read(build.path("out")).ok())
    };
    let ((status, said), plain) = encode("X", "");
    assert_eq!((status, said), done());
    let plain = plain.unwrap();
    assert!(has(&plain, "crab"));
    for (name, value) in [
        // Where the running kernel's BTF is: the base of what lies beside it, and the input where none is named.
        ("PAHOLE_VMLINUX_BTF_FILENAME", "/nonexistent"),
        ("LLVM_OBJCOPY", "/nonexistent"),
        ("HOME", "/nonexistent"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("LANGUAGE", "de"),
        ("PAHOLE_FLAGS", "--bad"),
        ("MAKEFLAGS", "-j --jobserver-auth=100,101"),
        ("KBUILD_BUILD_TIMESTAMP", "1"),
    ] {
        assert_eq!(encode(name, value), (done(), Some(plain.clone())), "{name}");
    }
    let (ended, blob) = encode("PAHOLE_LANG_EXCLUDE", "rust");
    assert_eq!((ended, has(&blob.unwrap(), "crab")), (done(), false));
    for bad in ["", "foo"] {
        let words = format!("pahole: unknown language \"{bad}\"\n");
        assert_eq!(encode("PAHOLE_LANG_EXCLUDE", bad), ((Some(1), words), None));
    }
    let mistake = build.pahole("--bad").env("LC_ALL", "de_DE.UTF-8").env("LANGUAGE", "de").output();
    let words = "pahole: unrecognized option '--bad'\n\
                 Try `pahole --help' or `pahole --usage' for more information.\n";
    assert_eq!(seen(&mistake.unwrap()), (Some(64), words.to_owned()));
}

/// pahole opens a file to write when it has something to write.
#[test]
fn a_file_that_may_not_be_written_and_has_no_debug_info_is_left_in_peace() {
    let build = Build::new();
    // A program that runs may not be written to, not even by root.
    fs::copy("/bin/sleep", build.path("busy")).unwrap();
    let mut busy = started(Command::new(build.path("busy")).arg("60"));
    let output = build.pahole("-J busy").output();
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert_eq!(seen(&output.unwrap()), done());
}

/// Starts a program that was just written. Another thread may be about to run something, and then
/// has our descriptor for it for a moment.
fn started(command: &mut Command) -> Child {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                sleep(Duration::from_millis(1));
            }
            child => return child.unwrap(),
        }
    }
}

/// A jobserver as make 4.4 has it.
struct Server {
    fifo: OsFile,
    makeflags: String,
}

impl Server {
    fn new(build: &Build, tokens: usize) -> Server {
        let path = build.path("jobserver");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let fifo = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        (&fifo).write_all(&vec![b'+'; tokens]).unwrap();
        let makeflags = format!("-j{} --jobserver-auth=fifo:{}", tokens + 1, path.display());
        Server { fifo, makeflags }
    }

    fn tokens(&self) -> u64 {
        ioctl_fionread(&self.fifo).unwrap()
    }
}

/// A file so large that its run takes tokens: zeros behind its end.
fn worth_threads(mut file: Vec<u8>) -> Vec<u8> {
    file.resize(13 << 20, 0);
    file
}

#[test]
fn every_end_of_a_run_gives_its_tokens_back() {
    let build = Build::new();
    fs::write(build.path("vmlinux"), worth_threads(kernel("first"))).unwrap();
    fs::write(build.path("bare"), worth_threads(File::default().to_bytes())).unwrap();
    let mut damaged = worth_threads(kernel("s"));
    // Where the section headers are.
    damaged[0x28..0x30].fill(0xee);
    fs::write(build.path("damaged"), damaged).unwrap();
    let server = Server::new(&build, 3);
    for (file, status) in [("vmlinux", 0), ("bare", 0), ("damaged", 1), ("missing", 1)] {
        for place in ["", "--btf_encode_detached=out"] {
            let mut command = build.pahole(&format!("-J -j4 {place} {file}"));
            let output = command.env("MAKEFLAGS", &server.makeflags).output().unwrap();
            assert_eq!(output.status.code(), Some(status), "{file} {place}");
            assert_eq!(server.tokens(), 3, "{file} {place}");
        }
    }
}

/// A kernel that takes a while.
fn large() -> Vec<u8> {
    let unit = |number: usize| {
        let structures = (0..150).map(|index| {
            let die = Die::structure(&format!("s{number}_{index}"), 64);
            (0..16).fold(die, |die, at| die.member(&format!("m{at}"), "int", 4 * at))
        });
        Unit::new(5).child(Die::int()).children(structures)
    };
    (0..2000).map(unit).fold(File::default(), File::unit).to_bytes()
}

/// One run that gets two tokens of three, ended by each signal that make, a terminal or a user
/// sends; and one that comes to its end.
#[test]
fn a_signal_gives_tokens_back_and_ends_the_run() {
    let build = Build::new();
    fs::write(build.path("large"), large()).unwrap();
    for signal in [Some(Signal::TERM), Some(Signal::INT), Some(Signal::HUP), None] {
        let _ = fs::remove_file(build.path("jobserver"));
        let server = Server::new(&build, 3);
        let mut command = build.pahole("-J -j3 --btf_encode_detached=out large");
        let mut child = command.env("MAKEFLAGS", &server.makeflags).spawn().unwrap();
        let start = Instant::now();
        while server.tokens() == 3 {
            assert!(child.try_wait().unwrap().is_none(), "it never took a token");
            assert!(start.elapsed() < Duration::from_secs(60));
            sleep(Duration::from_micros(200));
        }
        assert_eq!(server.tokens(), 1);
        if let Some(signal) = signal {
            // A token is taken before anybody waits for signals: no time at all.
            sleep(Duration::from_millis(20));
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), signal.map(Signal::as_raw), "{status}");
        assert_eq!(server.tokens(), 3, "{signal:?}");
        assert_eq!(build.path("out").exists(), signal.is_none());
    }
}

/// GNU make itself, which complains at its end about tokens that did not come back. With `+` a recipe
/// gets the jobserver; without, it is named in `MAKEFLAGS` and closed.
#[test]
fn make_gets_its_tokens_back() {
    if !Path::new("/usr/bin/make").exists() {
        eprintln!("there is no make: nothing was tried");
        return;
    }
    let build = Build::new();
    fs::write(build.path("vmlinux"), worth_threads(kernel("first"))).unwrap();
    let own = build.own("vmlinux", "default", &[]);
    for plus in ["+", ""] {
        let recipe = format!(
            "{plus}@{} pahole -J -j8 --btf_features=default --lang_exclude=rust \
             --btf_encode_detached=$@ vmlinux",
            env!("CARGO_BIN_EXE_kmill")
        );
        let makefile = format!("all: a b c d\na b c d:\n\t{recipe}\n");
        fs::write(build.path("Makefile"), makefile).unwrap();
        let mut make = Command::new("/usr/bin/make");
        make.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&build.0).args(["-j3", "-s"]);
        assert_eq!(seen(&make.output().unwrap()), done(), "{plus}");
        for name in ["a", "b", "c", "d"] {
            assert_eq!(fs::read(build.path(name)).unwrap(), own);
            fs::remove_file(build.path(name)).unwrap();
        }
    }
}

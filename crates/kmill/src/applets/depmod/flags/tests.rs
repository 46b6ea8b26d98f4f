//! The command line against what kmod 34 (and, for what it dropped, kmod 30) and glibc 2.36 were
//! seen to do with the same arguments.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use super::table::SECTIONS;
use super::*;
use crate::getopt::{Entry, Flag};

/// Arguments, as a line: `''` is the empty one.
fn split(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(|word| word.replace("''", "").into()).collect()
}

/// What getopt makes of them, as a line: options as they were written, `!` and a complaint, then
/// after `|` the operands.
fn events(entries: &[Entry<Id>], args: &[OsString], posixly_correct: bool) -> String {
    let mut parser = Parser::new(OsStr::new("depmod"), entries, args, posixly_correct);
    let mut line = String::new();
    for event in &mut parser {
        line.push_str(&match event {
            Event::Option { spelling, value, .. } => {
                let name = match spelling {
                    Spelling::Short(c) => char::from(c).to_string(),
                    Spelling::Long(name) => name.to_owned(),
                };
                match value {
                    None => format!("{name} "),
                    Some(value) => format!("{name}={} ", value.display()),
                }
            }
            Event::Error(text) => {
                format!("! {} ", text.to_str().unwrap().strip_prefix("depmod: ").unwrap())
            }
        });
    }
    line.push('|');
    for operand in parser.operands() {
        line.push_str(&format!(" {}", operand.display()));
    }
    line
}

/// (arguments, events): the same from glibc with kmod 34's table, except the last group.
#[rustfmt::skip]
const VECTORS: &[(&str, &str)] = &[
    // As called in the field.
    ("6.1.0-9-amd64", "| 6.1.0-9-amd64"),
    ("-a 6.1.0", "a | 6.1.0"),
    ("-ae -F System.map 6.1.0", "a e F=System.map | 6.1.0"),
    ("-ae -F System.map -b root 6.1.0 -P _", "a e F=System.map b=root P=_ | 6.1.0"),
    ("-b . -aeF ./System.map 6.1.0", "b=. a e F=./System.map | 6.1.0"),
    ("-a 6.1.0 -F /boot/System.map-6.1.0", "a F=/boot/System.map-6.1.0 | 6.1.0"),
    ("--all 6.1.0", "all | 6.1.0"),
    ("-b out -C out/etc/depmod.d -a 6.1.0", "b=out C=out/etc/depmod.d a | 6.1.0"),
    ("-n -ae -E Module.symvers 6.1.0", "n a e E=Module.symvers | 6.1.0"),
    ("--version", "version |"),
    ("", "|"),
    // Clusters and attached arguments.
    ("-aeFSystem.map", "a e F=System.map |"),
    ("-aF=map", "a F==map |"),
    ("-vvv", "v v v |"),
    ("-bab", "b=ab |"),
    ("-b -a", "b=-a |"),
    ("-b -- -a", "b=-- a |"),
    ("-b ''", "b= |"),
    ("-b - 6.1", "b=- | 6.1"),
    ("-vb", "v ! option requires an argument -- 'b' |"),
    ("-b", "! option requires an argument -- 'b' |"),
    ("6.1 -b", "! option requires an argument -- 'b' | 6.1"),
    ("-x", "! invalid option -- 'x' |"),
    ("-axv", "a ! invalid option -- 'x' v |"),
    ("-a-", "a ! invalid option -- '-' |"),
    ("-a-all", "a ! invalid option -- '-' a ! invalid option -- 'l' ! invalid option -- 'l' |"),
    ("-=", "! invalid option -- '=' |"),
    ("-:", "! invalid option -- ':' |"),
    ("-?", "! invalid option -- '?' |"),
    ("-W", "! invalid option -- 'W' |"),
    // Long names.
    ("--basedir=x 6.1", "basedir=x | 6.1"),
    ("--basedir x 6.1", "basedir=x | 6.1"),
    ("--basedir= 6.1", "basedir= | 6.1"),
    ("--basedir=a=b", "basedir=a=b |"),
    ("--basedir --all", "basedir=--all |"),
    ("--basedir", "! option '--basedir' requires an argument |"),
    ("--ba", "! option '--basedir' requires an argument |"),
    ("--all=1", "! option '--all' doesn't allow an argument |"),
    ("--al=", "! option '--all' doesn't allow an argument |"),
    ("--badopt", "! unrecognized option '--badopt' |"),
    ("--badopt=x=y", "! unrecognized option '--badopt=x=y' |"),
    ("--allx", "! unrecognized option '--allx' |"),
    ("--All", "! unrecognized option '--All' |"),
    ("---", "! unrecognized option '---' |"),
    ("---all", "! unrecognized option '---all' |"),
    ("--dry-run --show", "dry-run show |"),
    // Shortened.
    ("--quic --qui --q", "quick quick quick |"),
    ("--a --b x --c y --d --w", "all basedir=x config=y dry-run warn |"),
    ("--m x --o y --f z", "moduledir=x outdir=y filesyms=z |"),
    ("--h", "help |"),
    ("--sh", "show |"),
    ("--s", "! option '--s' is ambiguous; possibilities: '--symvers' '--show' '--symbol-prefix' |"),
    ("--sy=3 6.1", "! option '--sy=3' is ambiguous; possibilities: '--symvers' '--symbol-prefix' | 6.1"),
    ("--ver", "! option '--ver' is ambiguous; possibilities: '--verbose' '--version' |"),
    ("--verb --vers", "verbose version |"),
    ("--=x", "! option '--=x' is ambiguous; possibilities: '--all' '--quick' '--basedir' \
        '--moduledir' '--outdir' '--config' '--symvers' '--filesyms' '--errsyms' '--verbose' \
        '--show' '--dry-run' '--symbol-prefix' '--warn' '--version' '--help' |"),
    // Operands among options.
    ("6.1 -a /x.ko -v /y.ko", "a v | 6.1 /x.ko /y.ko"),
    ("x -b y z", "b=y | x z"),
    ("-", "| -"),
    ("- -a -", "a | - -"),
    ("'' -a", "a | "),
    ("-- -a", "| -a"),
    ("x -- -a -- y", "| x -a -- y"),
    ("-a -- x -v", "a | x -v"),
    ("--", "|"),
    // kmod 34 has not these; kmod 30 does and ignores them. Full names only.
    ("-q -u -r", "q u r |"),
    ("--quiet --unresolved-error --root --map", "quiet unresolved-error root map |"),
    ("--quiet=x", "! option '--quiet' doesn't allow an argument |"),
    ("--quie --ma --ro", "! unrecognized option '--quie' ! unrecognized option '--ma' ! unrecognized option '--ro' |"),
    // Ours.
    ("--threads 4 --threads=8 --sync --no-sync", "threads=4 threads=8 sync no-sync |"),
    ("--thread=4", "! unrecognized option '--thread=4' |"),
    ("--threads", "! option '--threads' requires an argument |"),
    ("--syn", "! unrecognized option '--syn' |"),
];

/// The same with `POSIXLY_CORRECT`.
const POSIX_VECTORS: &[(&str, &str)] = &[
    ("-a 6.1 -v", "a | 6.1 -v"),
    ("6.1 -a", "| 6.1 -a"),
    ("-a - -v", "a | - -v"),
    ("-b x -v y -a", "b=x v | y -a"),
    ("-v -- -a -- x", "v | -a -- x"),
    ("x -- -a", "| x -- -a"),
    ("--badopt x -a", "! unrecognized option '--badopt' | x -a"),
];

#[test]
fn vectors() {
    let entries = entries(&SECTIONS);
    for (table, posixly_correct) in [(VECTORS, false), (POSIX_VECTORS, true)] {
        for &(args, expected) in table {
            assert_eq!(events(&entries, &split(args), posixly_correct), expected, "{args}");
        }
    }
}

#[test]
fn bytes_that_are_not_utf8() {
    let bad = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let (parsed, _) = parse_bytes(&[b"-b\xff", b"\xfe.1"]);
    let Parsed::Run(options) = parsed else { panic!("{parsed:?}") };
    assert_eq!(options.basedir, Some(bad(b"\xff")));
    assert_eq!(options.operands, [bad(b"\xfe.1")]);
    // One byte of a character is quoted, as glibc does.
    assert_eq!(parse_bytes(&["-é".as_bytes()]).1[0].text, bad(b"depmod: invalid option -- '\xc3'"));
    let text = bad(b"depmod: unrecognized option '--\xff=\xff'");
    assert_eq!(parse_bytes(&[b"--\xff=\xff"]).1[0].text, text);
}

fn parse_bytes(args: &[&[u8]]) -> (Parsed, Vec<Diagnostic>) {
    let args: Vec<_> = args.iter().map(|arg| OsString::from_vec(arg.to_vec())).collect();
    parse(OsStr::new("depmod"), &args, false)
}

/// What is done, and what stands on standard error.
fn outcome(line: &str) -> (Parsed, String) {
    let (parsed, diagnostics) = parse(OsStr::new("./bin/depmod"), &split(line), false);
    let lines = diagnostics.iter().map(|d| d.line(OsStr::new("depmod")).into_string().unwrap());
    (parsed, lines.collect())
}

fn options(line: &str) -> Options {
    match outcome(line) {
        (Parsed::Run(options), text) if text.is_empty() => options,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn options_hold_what_was_written() {
    let some = |text: &str| Some(OsString::from(text));
    assert_eq!(options(""), Options::default());
    assert_eq!(
        options("-aAenw -vv -b r -m //m -o '' -C c1 --config=c2 -E v -F s -P _ 6.1 /x.ko"),
        Options {
            all: true,
            quick: true,
            errsyms: true,
            show: true,
            warn: true,
            verbose: 2,
            basedir: some("r"),
            moduledir: some("//m"),
            outdir: some(""),
            configs: vec!["c1".into(), "c2".into()],
            symvers: some("v"),
            filesyms: some("s"),
            symbol_prefix: Some(b'_'),
            threads: None,
            sync: None,
            time: false,
            operands: vec!["6.1".into(), "/x.ko".into()],
        }
    );
    // The last one counts.
    let last = options("-b a -b b --threads 4 --threads=16 -P x -P y --sync --no-sync");
    assert_eq!(last.basedir, some("b"));
    assert_eq!(last.threads.map(NonZeroUsize::get), Some(16));
    assert_eq!((last.symbol_prefix, last.sync), (Some(b'y'), Some(false)));
    assert_eq!(options("--no-sync --sync").sync, Some(true));
    assert!(options("--time").time);
}

/// Results that end the reading of the command line, and everything printed until then.
#[test]
fn endings() {
    let error = "./bin/depmod: unrecognized option '--badopt'\n";
    let single = "depmod: FATAL: -P only takes a single char\n";
    let ignored = |name| format!("depmod: WARNING: Ignored deprecated option {name}\n");
    for (args, parsed, text) in [
        ("-h", Parsed::Help, ""),
        ("-V", Parsed::Version, ""),
        ("-hV", Parsed::Help, ""),
        ("-Vh", Parsed::Version, ""),
        ("-V --badopt", Parsed::Version, ""),
        ("nover -V", Parsed::Version, ""),
        ("-a --badopt -h", Parsed::Fail, error),
        ("--badopt --badopt", Parsed::Fail, error),
        ("-P ab -h", Parsed::Fail, single),
        ("-Pab", Parsed::Fail, single),
        ("-Pé", Parsed::Fail, single),
        ("-P ''", Parsed::Fail, single),
        ("--symbol-prefix= -V", Parsed::Fail, single),
        ("-h -P ab", Parsed::Help, ""),
        ("-q --map -h", Parsed::Help, &(ignored("-q") + &ignored("--map"))),
        ("--quiet -q --badopt -r", Parsed::Fail, &(ignored("--quiet") + &ignored("-q") + error)),
    ] {
        assert_eq!(outcome(args), (parsed, text.to_owned()), "{args}");
    }
}

#[test]
fn ignored_options_do_not_stop_anything() {
    let (parsed, text) = outcome("-auv --root 6.1");
    let Parsed::Run(options) = parsed else { panic!("{parsed:?}") };
    assert!(options.all && options.verbose == 1 && options.operands == ["6.1"]);
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn thread_counts() {
    for bad in ["0", "", "-1", "+1", "1.5", "x", "99999999999999999999999999"] {
        let text = format!("depmod: ERROR: --threads takes a number from 1, not '{bad}'\n");
        assert_eq!(outcome(&format!("--threads={bad}")), (Parsed::Fail, text));
    }
    assert_eq!(options("--threads 007").threads.map(NonZeroUsize::get), Some(7));
}

/// The promise of the table: what kmod 34 has not changes nothing that it understands or refuses,
/// except for the very names.
#[test]
fn added_names_are_seen_in_full_only() {
    let all = entries(&SECTIONS);
    let old: Vec<_> = all.iter().copied().filter(|entry| entry.abbreviable).collect();
    let added: Vec<_> = all.iter().filter(|e| !e.abbreviable).filter_map(|e| e.long).collect();
    assert_eq!(added.len(), 8);
    for name in all.iter().filter_map(|entry| entry.long) {
        for end in 0..=name.len() {
            let name = &name[..end];
            for arg in [format!("--{name} x"), format!("--{name}=x y")] {
                let same = events(&all, &split(&arg), false) == events(&old, &split(&arg), false);
                assert_eq!(same, !added.contains(&name), "{arg}");
            }
        }
    }
}

/// Every sequence of up to four awkward arguments: no panic, operands in their order, and a
/// failure always has a reason that is not a mere warning.
#[test]
fn all_short_sequences() {
    let alphabet = split("'' - -- -b -bx -av -ab -q -x --s --basedir --basedir= x");
    let mut queue = vec![Vec::new()];
    while let Some(args) = queue.pop() {
        for posixly_correct in [false, true] {
            let (parsed, said) = parse(OsStr::new("depmod"), &args, posixly_correct);
            match parsed {
                Parsed::Run(options) => {
                    let mut rest = args.iter();
                    assert!(options.operands.iter().all(|x| rest.any(|arg| arg == x)), "{args:?}");
                    assert!(said.iter().all(|d| d.level == Level::Warning), "{args:?}");
                }
                Parsed::Fail => {
                    assert!(said.last().is_some_and(|d| d.level == Level::Raw), "{args:?}");
                }
                Parsed::Help | Parsed::Version => panic!("{args:?}"),
            }
        }
        if args.len() < 4 {
            queue.extend(alphabet.chunks(1).map(|arg| [&args, arg].concat()));
        }
    }
}

/// Seen from kmod 34.
const KMOD_HELP: &str = "\
Usage:
\tdepmod -[aA] [options] [forced_version]

If no arguments (except options) are given, \"depmod -a\" is assumed

depmod will output a dependency list suitable for the modprobe utility.

Options:
\t-a, --all            Probe all modules
\t-A, --quick          Only does the work if there's a new module
\t-e, --errsyms        Report not supplied symbols
\t-n, --show           Write the dependency file on stdout only
\t-P, --symbol-prefix  Architecture symbol prefix
\t-C, --config PATH    Read configuration from PATH
\t-v, --verbose        Enable verbose mode
\t-w, --warn           Warn on duplicates
\t-V, --version        show version
\t-h, --help           show this help

The following options are useful for people managing distributions:
\t-b, --basedir DIR    Root path (default: /).
\t-m, --moduledir DIR  Module directory (default: /lib/modules).
\t-o, --outdir DIR     Output root path (default: same as <basedir>).
\t-F, --filesyms FILE  Use the file instead of the
\t                     current kernel symbols.
\t-E, --symvers FILE   Use Module.symvers file to check
\t                     symbol versions.
";

#[test]
fn help_begins_with_kmods() {
    let ours = help("depmod").strip_prefix(KMOD_HELP).map(str::to_owned).unwrap();
    assert!(ours.starts_with("\nKept from kmod 33"), "{ours}");
    assert!(help("x").starts_with("Usage:\n\tx -[aA]"));
}

/// Words of a text, so that `-n` is not found in `--no-sync`.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect()
}

#[test]
fn every_option_is_in_every_text() {
    let help = help("depmod");
    let man = man().replace("\\fB", " ").replace("\\fR", " ").replace("\\-", "-");
    let (bash, zsh, fish) =
        (completion(Shell::Bash), completion(Shell::Zsh), completion(Shell::Fish));
    let flags: Vec<&Flag<Id>> = SECTIONS.iter().flat_map(|section| section.flags).collect();
    for flag in &flags {
        assert!(!flag.help.is_empty() && !flag.man.is_empty(), "{flag:?}");
        let short = flag.short.map(|c| format!("-{}", char::from(c)));
        let longs: Vec<_> = flag.longs.iter().map(|long| format!("--{long}")).collect();
        // kmod's help has only the first long name.
        for name in short.iter().chain(&longs[..1]) {
            assert!(words(&help).contains(&name.as_str()), "{name} in help");
        }
        for name in short.iter().chain(&longs) {
            for (text, of) in [(&man, "man"), (&bash, "bash"), (&zsh, "zsh")] {
                assert!(words(text).contains(&name.as_str()), "{name} in {of}");
            }
            let spec = name
                .strip_prefix("--")
                .map_or(format!(" -s {}", &name[1..]), |long| format!(" -l {long}"));
            assert!(fish.lines().any(|line| format!("{line} ").contains(&(spec.clone() + " "))));
        }
    }
    assert_eq!(flags.len(), 23);
}

#[test]
fn no_name_twice() {
    let entries = entries(&SECTIONS);
    let mut shorts: Vec<_> = entries.iter().filter_map(|entry| entry.short).collect();
    let mut longs: Vec<_> = entries.iter().filter_map(|entry| entry.long).collect();
    let counts = (shorts.len(), longs.len());
    shorts.sort_unstable();
    shorts.dedup();
    longs.sort_unstable();
    longs.dedup();
    assert_eq!((shorts.len(), longs.len()), counts);
}

/// The same from glibc's `sscanf`.
#[test]
fn version_numbers() {
    for good in [
        "6.1",
        "6.1.0-9-amd64",
        "0.0",
        "6.1x",
        " 6.1",
        "\t\n\x0b\x0c\r6.1",
        "6. 1",
        "+6.-1",
        "-6. \t+1",
        "99999999999999999999999.1",
        "1.99999999999999999999999",
        "007.08",
        "4.4.4",
        "6.1/../x",
    ] {
        assert!(is_version_number(good.as_bytes()), "{good:?}");
    }
    for bad in [
        "",
        " ",
        "6",
        "6.",
        ".1",
        "6..1",
        "6 .1",
        "v6.1",
        "6-1",
        "6,1",
        "+.1",
        "+ 6.1",
        "+-6.1",
        "0x6.1",
        "6.x1",
        "6.+",
        "nover",
        "-",
        "/x.ko",
        "\u{a0}6.1",
        "6.\u{a0}1",
    ] {
        assert!(!is_version_number(bad.as_bytes()), "{bad:?}");
    }
    assert!(is_version_number(b"6.1\xff") && !is_version_number(b"\xff6.1"));
}

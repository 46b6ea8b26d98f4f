//! What pahole's arguments mean. What is expected was taken from pahole 1.31.

use super::*;
use dwarf_btf::Features;

fn parsed(args: &[&str]) -> (Parsed, String) {
    with_environment(args, None)
}

fn with_environment(args: &[&str], lang_exclude: Option<&str>) -> (Parsed, String) {
    let args: Vec<_> = args.iter().map(OsString::from).collect();
    let program = OsStr::new("./x/pahole");
    let (parsed, said) = parse(program, &args, false, lang_exclude.map(OsStr::new));
    (parsed, String::from_utf8(said).unwrap())
}

fn options(args: &[&str]) -> Options {
    match parsed(args) {
        (Parsed::Run(options), said) if said.is_empty() => options,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// A complaint, which is followed by where to find help.
fn complaint(args: &[&str]) -> String {
    let (result, said) = parsed(args);
    assert_eq!(result, Parsed::Fail(64), "{args:?}");
    let help = "\nTry `pahole --help' or `pahole --usage' for more information.\n";
    said.strip_prefix("./x/pahole: ").unwrap().strip_suffix(help).unwrap().to_owned()
}

#[test]
fn a_kernels_command_line() {
    let args = ["-J", "-j4", "--btf_features=default", "--lang_exclude=rust", "vmlinux"];
    let more = ["--btf_encode_detached=x.BTF.1", "--btf_base", "base"];
    let options = options(&[&args[..], &more].concat());
    assert_eq!(options.detached, Some("x.BTF.1".into()));
    assert_eq!(options.base, Some("base".into()));
    assert_eq!(options.wanted.features, Features::standard());
    assert_eq!(options.lang_exclude, [0x1c]);
    assert_eq!(options.threads, Threads::some(4));
    assert_eq!(options.operands, ["vmlinux"]);
}

#[test]
fn debians_command_line() {
    let features = ["--btf_features=attributes", "--btf_features=layout", "-j6"];
    let more = ["--btf_features=+reproducible_build", "--btf_encode_detached=x", "vmlinux"];
    let options = options(&[&["-j2"], &features[..], &more].concat());
    let attributes = Features { attributes: true, ..Features::standard() };
    assert_eq!(options.wanted.features, attributes);
    assert_eq!(options.threads, Threads::some(6));
}

#[test]
fn complaints_are_argps() {
    assert_eq!(complaint(&["--bad"]), "unrecognized option '--bad'");
    assert_eq!(complaint(&["-k"]), "invalid option -- 'k'");
    assert_eq!(complaint(&["-J=3"]), "invalid option -- '='");
    assert_eq!(complaint(&["-B"]), "option requires an argument -- 'B'");
    let text = "option '--btf_features' requires an argument";
    assert_eq!(complaint(&["-J", "--btf_features"]), text);
    let text = "option '--btf_encode' doesn't allow an argument";
    assert_eq!(complaint(&["--btf_encode=3"]), text);
    // The manual page names it; the program has not got it.
    let text = "unrecognized option '--encode_btf_global_vars'";
    assert_eq!(complaint(&["--encode_btf_global_vars"]), text);
}

/// All long names are in the table, in pahole's order, and argp's behind them.
#[test]
fn abbreviations_are_ambiguous_where_pahole_finds_them_so() {
    for (name, possibilities) in [
        ("--h", "header_type holes hole_size_ge hex hashbits help"),
        ("--pr", "prefix_filter prettify program-name"),
        ("--u", "unions usage"),
        ("--v", "verbose version"),
        (
            "--b",
            "bit_holes btf_base btf_encode btf_encode_detached btf_encode_force btf_gen_floats \
             btf_gen_all btf_gen_optimized btf_features btf_features_strict btf_attributes",
        ),
        ("--btf_e=1", "btf_encode btf_encode_detached btf_encode_force"),
        (
            "--c",
            "cacheline_size class_name count contains contains_enumerator class_name_len \
             cu_exclude ctf_encode classes_as_structs compile",
        ),
        ("--lan", "lang lang_exclude"),
    ] {
        let names = possibilities.split(' ').map(|name| format!(" '--{name}'"));
        let names: String = names.collect();
        let text = format!("option '{name}' is ambiguous; possibilities:{names}");
        assert_eq!(complaint(&[name]), text);
    }
    assert_eq!(parsed(&["--nume"]).0, Parsed::Print("131\n".to_owned()));
    assert_eq!(parsed(&["--vers"]).0, Parsed::Print("v1.31\n".to_owned()));
}

/// What was added later does not change that: `--t` is no `--threads`.
#[test]
fn our_own_options_match_in_full_only() {
    assert_eq!(complaint(&["--t"]), "unrecognized option '--t'");
    assert_eq!(options(&["-Jj", "--threads", "3"]).threads, Threads::some(3));
    assert_eq!(options(&["-J", "--threads=3", "-j8"]).threads, Threads::some(3));
    let (result, said) = parsed(&["-J", "--threads=0"]);
    assert_eq!(result, Parsed::Fail(64));
    assert_eq!(said, "pahole: --threads takes a number from 1, not '0'\n");
}

#[test]
fn jobs() {
    for (args, threads) in [
        (&["-J"][..], Threads::some(1)),
        (&["-Jj"], Threads::Available),
        (&["-J", "-j", "3"], Threads::Available),
        (&["-J", "--jobs"], Threads::Available),
        (&["-J", "--jobs=8", "-j2"], Threads::some(2)),
        (&["-Jj5"], Threads::some(5)),
        (&["-Jj 7x"], Threads::some(7)),
        (&["-Jjx"], Threads::some(1)),
        (&["-Jj-3"], Threads::some(1)),
        (&["-Jj99999999999999999999"], Threads::some(THREADS_MAX)),
    ] {
        assert_eq!(options(args).threads, threads, "{args:?}");
    }
}

#[test]
fn single_flags_change_what_the_lists_left() {
    let features = |args: &[&str]| options(&[&["-J"], args].concat()).wanted.features;
    assert_eq!(features(&[]), Features::default());
    let vars = Features { var: false, ..Features::default() };
    assert_eq!(features(&["--skip_encoding_btf_vars"]), vars);
    let attributes = Features { attributes: true, ..Features::standard() };
    assert_eq!(features(&["--btf_features=default", "--btf_attributes"]), attributes);
    // The first list resets them all, single flags included.
    assert_eq!(features(&["--btf_attributes", "--btf_features=default"]), Features::standard());
    let none = Features { enum64: true, ..Features::none() };
    assert_eq!(features(&["--btf_gen_floats", "--btf_gen_all", "--btf_features=enum64"]), none);
    let all = [
        "--skip_encoding_btf_decl_tag",
        "--skip_encoding_btf_type_tag",
        "--skip_encoding_btf_enum64",
        "--skip_encoding_btf_inconsistent_proto",
        "--btf_encode_force",
        "--btf_gen_floats",
        "--btf_gen_optimized",
        "--reproducible_build",
    ];
    let expected = Features {
        var: true,
        consistent_func: true,
        encode_force: true,
        float: true,
        ..Features::none()
    };
    assert_eq!(features(&all), expected);
}

#[test]
fn unknown_features_are_ignored_or_fatal() {
    assert_eq!(options(&["-J", "--btf_features=layout"]).wanted.features, Features::none());
    let said = parsed(&["-J", "-V", "--btf_features=layout,default"]).1;
    let lines = "Ignoring unsupported feature 'layout'\nIgnoring unsupported feature 'default'\n";
    assert_eq!(said, lines);
    let all = "encode_force,var,float,decl_tag,type_tag,enum64,optimized_func,consistent_func,\
               decl_tag_kfuncs,reproducible_build,distilled_base,global_var,attributes\n";
    assert_eq!(parsed(&["--supported_btf_features", "--bad"]).0, Parsed::Print(all.to_owned()));
    let (result, said) = parsed(&["--btf_features_strict=+var,foo,bar", "--bad"]);
    assert_eq!(result, Parsed::Fail(1));
    let text = "Feature 'foo' in 'var,foo,bar' is not supported.  Supported BTF features are:\n";
    assert_eq!(said, format!("{text}{all}"));
    options(&["-J", "--btf_features_strict=default,attributes"]);
}

#[test]
fn languages_to_leave_out_or_to_keep() {
    let left_out = |args: &[&str]| options(&[&["-J"], args].concat()).lang_exclude;
    assert_eq!(left_out(&["--lang_exclude=Rust,ASM"]), [0x1c, 0x8001]);
    assert_eq!(left_out(&["--lang=c11"]).len(), 65_535);
    // The last list counts, and stays one to leave out.
    assert_eq!(left_out(&["--lang_exclude=rust", "--lang=c"]), [2]);

    let excluded = |args: &[&str]| match with_environment(args, Some("rust")) {
        (Parsed::Run(options), _) => options.lang_exclude,
        other => panic!("{other:?}"),
    };
    assert_eq!(excluded(&["-J"]), [0x1c]);
    assert_eq!(excluded(&["-J", "--lang_exclude=c"]), [2]);
    assert_eq!(excluded(&["-J", "--lang=c"]).len(), 65_535);

    let unknown = |rest| (Parsed::Fail(1), format!("pahole: unknown language \"{rest}\"\n"));
    assert_eq!(parsed(&["-J", "--lang=c,foo,bar"]), unknown("foo,bar"));
    assert_eq!(parsed(&["--numeric_version", "--lang="]), unknown(""));
    assert_eq!(with_environment(&["-J"], Some("x")), unknown("x"));
}

#[test]
fn what_is_no_encoding_is_not_ours() {
    for args in [
        &[][..],
        &["vmlinux"],
        &["-C", "task_struct", "vmlinux"],
        &["-j4", "--sizes"],
        &["--running_kernel_vmlinux"],
        // These encode, but otherwise than we do.
        &["-J", "-X", "drivers/", "vmlinux"],
        &["-J", "-F", "btf", "vmlinux"],
        &["-J", "--sort", "vmlinux"],
    ] {
        assert_eq!(parsed(args).0, Parsed::NotOurs, "{args:?}");
    }
    options(&["-J", "-F", "dwarf", "-q", "-aA", "-c", "64"]);
}

#[test]
fn texts_for_people_name_every_option() {
    let Parsed::Print(usage) = parsed(&["--usage"]).0 else { panic!() };
    let Parsed::Print(help) = parsed(&["-?"]).0 else { panic!() };
    for flag in table::SECTIONS.iter().flat_map(|section| section.flags) {
        let name = format!("--{}", flag.longs[0]);
        assert!(
            usage.contains(&name)
                && (help.contains(&name) || name == "--HANG" || name == "--program-name"),
            "{name}"
        );
    }
    assert!(usage.lines().chain(help.lines()).all(|line| line.len() < 120));
    assert!(man().starts_with(".TH PAHOLE 1 "));
    for shell in Shell::ALL {
        assert!(completion(shell).contains("btf_encode_detached"));
    }
}

//! Command lines: what is accepted, what is refused, and in which words.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use modgen::{Module, Tree, Written};

use super::case::Case;

fn tree() -> Tree {
    Tree::new("6.6.0-options")
        .module("kernel/a.ko", Module::new("a").export("a_one").alias("a-alias"))
        .module("kernel/b.ko", Module::new("b").import("a_one").import("printk").import("lost"))
        .module("updates/c.ko", Module::new("c").import("a_one").softdep("pre: a"))
        .order_as_listed()
        .builtin(["kernel/lib/crc32.ko"])
        .builtin_modinfo(["crc32.alias=crc"])
        .system_map(["printk"])
        .symvers([("printk", 1)])
        .conf("one.conf", "exclude c.ko\n")
}

/// Each is a command line; `~` stands for `-b {root} -C {conf} {version}`.
const LINES: &[&str] = &[
    "",
    "~",
    "~ -a",
    "-a ~",
    "-a -a ~",
    "-ab{root} -C{conf} {version}",
    "--basedir={root} --config={conf} {version}",
    "--base={root} --conf={conf} {version}",
    "--basedir {root} --config {conf} {version} --all",
    "{version} -C {conf} -b {root}",
    "-b {root} -C {conf} -- {version}",
    "-b {root} -C {conf} {version} -- -n",
    "-b {root} {version} -C {conf} -n",
    "-b {root}/ -C {conf} {version}",
    "-b {root}/./ -C {conf}/ {version}",
    "-b {root}//lib/.. -C {conf} {version}",
    "-b . -C {conf} {version}",
    "-b ./lib/.. -C {conf} {version}",
    "-b lib/.. -C {conf} {version}",
    "-b  -C {conf} {version}",
    "-b {root} -o {out} -C {conf} {version}",
    "-b {root} -o out -C {conf} {version}",
    "-b {root} -o ./deep/er/out -C {conf} {version}",
    "-b {root} -o {root}/etc/depmod.d/one.conf -C {conf} {version}",
    "-b {root} -o out -m /elsewhere -C {conf} {version}",
    "-b {root} -m lib/modules -C {conf} {version}",
    "-b {root} -m ///lib/modules -C {conf} {version}",
    "-b {root} -m lib//modules/ -C {conf} {version}",
    "-b {root} -m / -C {conf} {version}",
    "-b {root} --moduledir=nowhere -C {conf} {version}",
    "-b {root} --mod lib/modules -C {conf} {version}",
    "-b {root}/lib -m modules -C {conf} {version}",
    "-b {root} -C {conf}/one.conf {version}",
    "-b {root} -C {root}/no-such-thing {version}",
    "-b {root} -C etc/depmod.d {version}",
    "-b {root} -C ./etc/depmod.d/one.conf {version}",
    "-b {root} -C {conf} -C {conf} {version}",
    "-b {root} -C {conf} -C {root}/lib {version}",
    "-b {root} -C /dev/null {version}",
    "-b {root} -C  {version}",
    "~ -n",
    "~ --show",
    "~ --dry-run",
    "~ --dry",
    "~ --show-",
    "~ -n -o {out}",
    "~ -n -v",
    "~ -nv -e -F {map}",
    "~ -v",
    "~ -v -e -F {map}",
    "~ -e",
    "~ -e -n",
    "~ -e -F {map}",
    "~ -aeF {map}",
    "~ -aeF{map}",
    "-aeF {map} ~",
    "~ --errsyms --filesyms {map}",
    "~ -E {symvers}",
    "~ -e -E {symvers}",
    "~ -e -E {symvers} -F {root}/missing",
    "~ -e -F {map} -E {root}/missing",
    "~ -F {root}/missing",
    "~ -F {root}",
    "~ -E {root}",
    "~ -F ",
    "~ -w",
    "~ --warn -n",
    "~ -P _",
    "~ -P _ -e -F {map}",
    "~ --symbol-prefix=p -e -F {map}",
    "~ --symb p",
    "~ -P",
    "~ -P ab",
    "~ -P é",
    "-P ab --nonsense ~",
    "-V",
    "--version",
    "--vers",
    "-V --nonsense",
    "-nV",
    "--nonsense -V",
    "-h",
    "--help",
    "--he",
    "-h extra",
    "-ah --nonsense",
    "~ --nonsense",
    "~ --nonsense=1",
    "~ --qui",
    "~ --s",
    "~ --sy",
    "~ --s=1",
    "~ --ver",
    "~ --v",
    "~ --e",
    "~ --=x",
    "~ --all=1",
    "~ --quick=",
    "~ -Z",
    "~ -aZ",
    "~ -a-",
    "~ -",
    "~ -b",
    "~ --basedir",
    "~ --base",
    "~ -C",
    "~ -o",
    "~ --symbol-prefix",
    "~ -W x",
    "~ -?",
    "~ -:",
    "~ -A",
    "~ -A -n",
    "~ --quick -a",
    "~ --quic",
    "~ -A nonsense",
    "~ {dir}/kernel/a.ko",
    "~ {dir}/kernel/a.ko {dir}/kernel/b.ko",
    "~ {dir}/kernel/b.ko {dir}/kernel/a.ko",
    "~ {dir}/updates/c.ko",
    "~ {dir}/kernel/../kernel/a.ko",
    "~ {dir}//kernel/a.ko",
    "~ {dir}/kernel/a.ko -n",
    "~ -a {dir}/kernel/a.ko",
    "~ -A {dir}/kernel/a.ko",
    "~ -v {dir}/kernel/a.ko {dir}/kernel/b.ko",
    "~ -e -F {map} {dir}/kernel/b.ko",
    "~ -w {dir}/kernel/a.ko {dir}/kernel/b.ko",
    "~ -o {out} {dir}/kernel/a.ko",
    "~ {dir}/kernel/a.ko {dir}/kernel/a.ko",
    "~ {dir}/kernel/a.ko kernel/b.ko",
    "~ kernel/a.ko",
    "~ ./a.ko",
    "~ {dir}/kernel/missing.ko",
    "~ {dir}/kernel",
    "~ {dir}/modules.order",
    "~ {root}/etc/depmod.d/one.conf",
    "~ /dev/null",
    "~ ",
    "~ {version}",
    "{dir}/kernel/a.ko",
    "-b {root} {dir}/kernel/a.ko",
    "-b {root} -m nowhere {version} {dir}/kernel/a.ko",
    "-b {root} -o {out} -m nowhere {version} {dir}/kernel/a.ko",
    "-b {root}/nowhere {version} {dir}/kernel/a.ko",
    "-b {root}/nowhere -o {out} {version} {dir}/kernel/a.ko",
    "-b {root}/nowhere -C {conf} {version}",
    "-b {root}/nowhere -C {conf} -n {version}",
    "-b {root}/nowhere -C {conf} -A {version}",
    "-b {root}/etc/depmod.d/one.conf -C {conf} {version}",
];

/// Versions: what passes for one need not exist.
const VERSIONS: &[&str] = &[
    "nover",
    "6",
    "6.",
    ".6",
    "6.1",
    "6.1.0",
    "v6.1",
    "6.x",
    "6.1x",
    "+6.1",
    "-6.1",
    "6.-1",
    "6.+1",
    " 6.1",
    "6. 1",
    "6 .1",
    "\t6.1",
    "0.0",
    "00.01",
    "4294967296.1",
    "99999999999999999999.1",
    "6.99999999999999999999",
    "0x6.1",
    "6.1/../../..",
    "6.1/",
    "6..1",
    "６.1",
    "",
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in LINES {
        let line_args = line.replace('~', "-b {root} -C {conf} {version}");
        let args: Vec<&str> = match &*line_args {
            "" => Vec::new(),
            line => line.split(' ').collect(),
        };
        // The line is the name.
        let kind = match *line {
            "-V" | "--version" | "--vers" | "-V --nonsense" | "-nV" => "version",
            "-h" | "--help" | "--he" | "-h extra" | "-ah --nonsense" => "help",
            _ => "line",
        };
        let case = Case::new(format!("options/{kind} {line}"), tree()).args(&args);
        cases.push(case);
        if line.contains("{version} -") || line.contains('~') && line.contains('-') {
            let case = Case::new(format!("options/posix-{kind} {line}"), tree()).args(&args);
            cases.push(case.env("POSIXLY_CORRECT", "1"));
        }
    }
    for (number, version) in VERSIONS.iter().enumerate() {
        let args = ["-b", "{root}", "-C", "{conf}", "--", version];
        cases.push(Case::new(format!("options/release-{number}"), tree()).args(&args));
        let args = ["-n", "-b", "{root}", "--", version, "{dir}/kernel/a.ko"];
        cases.push(Case::new(format!("options/release-of-file-{number}"), tree()).args(&args));
    }
    for (number, length) in [3000, 3900, 4096, 5000].into_iter().enumerate() {
        // The root's own path takes some 30 bytes.
        let long = format!("{{root}}{}", "/x".repeat(length / 2));
        for option in ["-b", "-o", "-m", "-C"] {
            let args = ["-b", "{root}", option, &long, "{version}"];
            let name = format!("options/long-path{option}-{number}");
            cases.push(Case::new(name, tree()).args(&args));
        }
    }
    cases.push(
        Case::new("options/config-without-slash", tree())
            .args(&["-b", "{root}", "-C", "one.conf", "{version}"])
            .setup(|written| {
                std::fs::copy(written.config_dir.join("one.conf"), written.root.join("one.conf"))
                    .map(drop)
            }),
    );
    quick(&mut cases);
    cases
}

/// `--quick` goes by times.
fn quick(cases: &mut Vec<Case>) {
    let up_to_date = |written: &Written| {
        // All outputs there, later than all modules: a run of an hour ahead.
        for name in modindex::emit::file_names() {
            let file = File::create(written.module_dir.join(name))?;
            file.set_modified(SystemTime::now() + Duration::from_secs(3600))?;
        }
        Ok(())
    };
    let older = move |written: &Written| {
        up_to_date(written)?;
        let file = File::options().append(true).open(written.module_dir.join("modules.dep"))?;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
    };
    let missing = move |written: &Written| {
        up_to_date(written)?;
        fs::remove_file(written.module_dir.join("modules.dep"))
    };
    let plain = ["-A", "-b", "{root}", "-C", "{conf}", "{version}"];
    cases.push(Case::new("options/quick-older", tree()).args(&plain).prepare(older));
    cases.push(Case::new("options/quick-missing", tree()).args(&plain).prepare(missing));
    let empty = || Tree::new("6.6.0-options").order([]).builtin([]).builtin_modinfo([]);
    cases.push(Case::new("options/quick-no-modules", empty()).args(&plain).prepare(up_to_date));
    // All files are there and newer, but their content is not of this tree: kmod looks at
    // times alone.
    cases.push(Case::new("options/quick-newer", tree()).args(&plain).prepare(up_to_date));
}

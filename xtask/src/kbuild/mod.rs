//! `cargo xtask kbuild`: the kernel build's own scripts call our programs and the references, and what
//! comes of it is compared.
//!
//! ```text
//! packages   linux-kbuild, linux-headers            -> scripts, programs, a configuration
//! modules    Makefile.btf, Makefile.modfinal        -> sections of real modules, by both paholes
//! here       pahole-version.sh, depmod.sh           -> what they print, and an index
//!            gen-btf.sh's line of 2026, recorded    -> BTF in files of its own
//! ```
//!
//! Our program is linked as `pahole` and as `depmod` into a directory that PATH begins with.

mod modules;
mod packages;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use debkernel::apt;
use kernel_elf::write::{Content, check};

use crate::Result;
use crate::args::Matches;
use crate::cache::{Cache, Codec, KernelTree};
use crate::command;
use crate::error::Context;
use crate::oracle::compare::{Rules, differences};
use crate::oracle::context;
use crate::oracle::run::{Before, Call, Outcome, Tool};
use crate::program::{self, Profile};
use crate::report::{self, Table};

use self::modules::{Build, Case, SECTIONS};
use self::packages::Scripts;

/// Small and large, with functions for BPF (`.BTF_ids`) and without.
const MODULES: &str = "btrfs,crc7,nf_conntrack,nf_flow_table,openvswitch,tcp_bbr,tls";

/// The flags of 2026, with those that v1.31 does not know.
const GEN_BTF: [&str; 5] = [
    "-j8",
    "--btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func",
    "--btf_features=layout",
    "--btf_features=true_signature",
    "--lang_exclude=rust",
];

/// One side: a directory that PATH is to begin with.
struct Side {
    programs: PathBuf,
}

/// The rows of the table, and how many of them are not as they should be.
struct Results {
    table: Table,
    bad: usize,
}

impl Results {
    fn add(&mut self, call: &str, what: &str, error: Option<String>) {
        let result = if error.is_some() { "DIFFERENT" } else { "equal" };
        self.bad += usize::from(error.is_some());
        self.table.row(vec![call.to_owned(), what.to_owned(), result.to_owned()]);
        if let Some(error) = error {
            report::say(&format!("{call}: {what}: {error}"));
        }
    }
}

pub(crate) fn run(matches: &Matches) -> Result<()> {
    for tool in ["make", "objcopy"] {
        if !command::exists(tool) {
            return Err(format!("no {tool} in PATH (packages make, binutils)").into());
        }
    }
    let pahole = tool(matches, "--reference", "pahole")?;
    let depmod = tool(matches, "--depmod", "depmod")?;
    let cache = Cache::locate(matches)?;
    let tree = kernel(&cache, matches)?;
    let scripts = Scripts::of(&cache, &tree)?;
    let work = cache.work()?;
    let side = |name: &str, pahole: &Path, depmod: &Path| -> Result<Side> {
        let programs = work.path().join(name);
        fs::create_dir_all(&programs)?;
        symlink(pahole, programs.join("pahole"))?;
        symlink(depmod, programs.join("depmod"))?;
        Ok(Side { programs })
    };
    // A copy: a build in the meantime must not change what is under test.
    let kmill = work.path().join("kmill");
    fs::copy(program::kmill(Profile::Release)?, &kmill)?;
    let sides = [side("reference", &pahole, &depmod)?, side("ours", &kmill, &kmill)?];

    let mut results = Results { table: Table::new(&["call", "what", "result"]), bad: 0 };
    let version = version(&scripts, &sides, &mut results)?;
    let modules = matches.list("--modules", MODULES);
    let modules: Vec<String> = modules.into_iter().map(str::to_owned).collect();
    let plain = work.path().join("plain");
    let debug = cache.kernels().join(&tree.kernel).join("debug/usr/lib/debug/lib/modules");
    modules::plain(&debug, &modules, &plain)?;
    let case = |name, version: Option<&String>| Case {
        name,
        version: version.cloned(),
        timestamp: false,
        external: false,
    };
    let mut cases =
        vec![case("configured as packaged", None), case("configured here", Some(&version))];
    cases.push(Case { timestamp: true, ..case("reproducible", Some(&version)) });
    if matches.has("--external") {
        cases.push(Case { external: true, ..case("external modules", Some(&version)) });
    }
    for (number, case) in cases.iter().enumerate() {
        let dir = work.path().join(format!("build-{number}"));
        build(&dir, &scripts, &sides, &plain, &modules, case, &mut results)?;
    }
    detached(work.path(), &scripts, &sides, &plain, &modules, &mut results)?;
    index(work.path(), &scripts, &tree, &sides, &depmod, &mut results)?;
    results.table.print();
    match results.bad {
        0 => Ok(()),
        bad => Err(format!("{bad} of the kernel's calls give something else").into()),
    }
}

/// What an option names, or PATH.
fn tool(matches: &Matches, option: &str, name: &str) -> Result<PathBuf> {
    let path = match matches.value(option) {
        Some(path) => std::path::absolute(path)?,
        None => command::find(name).ok_or_else(|| format!("no {name} in PATH: {option} PATH"))?,
    };
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("no {name} at {}", path.display()).into()),
    }
}

/// A cached kernel that has modules with debug info.
fn kernel(cache: &Cache, matches: &Matches) -> Result<KernelTree> {
    let release = matches.value("--kernel").unwrap_or("6.12");
    let native = apt::native_arch()?;
    let found = cache.trees()?.into_iter().find(|tree| {
        tree.release.starts_with(release)
            && tree.codec == Codec::None
            && tree.arch == native
            && tree.release.contains("cloud") == matches.has("--small")
            && cache.kernels().join(&tree.kernel).join("debug").is_dir()
    });
    let hint = "run `cargo xtask kernels --debug --codecs none`";
    found.ok_or_else(|| {
        format!("no kernel {release} for {native} with debug info in the cache: {hint}").into()
    })
}

/// scripts/pahole-version.sh: what `CONFIG_PAHOLE_VERSION` becomes.
fn version(scripts: &Scripts, sides: &[Side; 2], results: &mut Results) -> Result<String> {
    let ask = |side: &Side| -> Result<String> {
        let mut script = Command::new(scripts.script("pahole-version.sh"));
        let path = format!("{}:/usr/bin:/bin", side.programs.display());
        script.arg("pahole").env_clear().env("PATH", path);
        Ok(String::from_utf8_lossy(&command::output(&mut script)?).trim_end().to_owned())
    };
    let [reference, ours] = [ask(&sides[0])?, ask(&sides[1])?];
    if reference != "131" {
        let said = reference.lines().next().unwrap_or_default();
        return Err(
            format!("the reference has to be pahole v1.31, which is 131, not {said}").into()
        );
    }
    let error = (reference != ours).then(|| format!("{reference}, ours {ours}"));
    results.add("pahole-version.sh", &ours, error);
    Ok(ours)
}

/// scripts/Makefile.btf and scripts/Makefile.modfinal, once with each pahole.
fn build(
    dir: &Path,
    scripts: &Scripts,
    sides: &[Side; 2],
    plain: &Path,
    modules: &[String],
    case: &Case,
    results: &mut Results,
) -> Result<()> {
    let [theirs, ours] = sides;
    let theirs =
        Build::new(&dir.join("reference"), scripts, &theirs.programs, plain, modules, case)?;
    let ours = Build::new(&dir.join("ours"), scripts, &ours.programs, plain, modules, case)?;
    report::say(&format!("{}: {}", case.name, ours.flags(case)?));
    let [a, b] = [theirs.run(case, modules)?, ours.run(case, modules)?];
    for module in modules {
        let call = format!("Makefile.modfinal, {}", case.name);
        let sizes = b[module].each_ref().map(Vec::len);
        let what = format!("{module}: {} bytes of BTF, {} of ids", sizes[0], sizes[2]);
        let unequal = SECTIONS.iter().zip(&a[module]).zip(&b[module]).find(|((_, a), b)| a != b);
        let mut error = unequal
            .map(|((name, a), b)| format!("{name}: {} bytes, ours {} others", a.len(), b.len()));
        // resolve_btfids has written to the others.
        if error.is_none() && sizes[2] == 0 {
            let old = fs::read(plain.join(format!("{module}.ko")))?;
            let new = fs::read(ours.module(module))?;
            let contents = SECTIONS.iter().zip(&b[module]).filter(|(_, bytes)| !bytes.is_empty());
            let contents: Vec<_> = contents.map(|(name, bytes)| Content { name, bytes }).collect();
            error = check(&old, &new, &contents).err().map(|error| error.to_string());
        }
        results.add(&call, &what, error);
    }
    Ok(())
}

/// The line with which scripts/gen-btf.sh of 2026 calls pahole; no package has that script yet.
fn detached(
    work: &Path,
    scripts: &Scripts,
    sides: &[Side; 2],
    plain: &Path,
    modules: &[String],
    results: &mut Results,
) -> Result<()> {
    for module in modules {
        let file = plain.join(format!("{module}.ko"));
        let encode = |side: &Side| -> Result<Vec<u8>> {
            let out = work.join(format!("{module}.BTF.1"));
            let mut pahole = Command::new(side.programs.join("pahole"));
            pahole.arg("-J").args(GEN_BTF).arg("--btf_base").arg(scripts.output.join("vmlinux"));
            pahole.arg(format!("--btf_encode_detached={}", out.display())).arg(&file);
            command::output(pahole.env_clear().env("PATH", "/usr/bin:/bin"))?;
            let blob = fs::read(&out).context(|| format!("reading {}", out.display()))?;
            // pahole does not cut what is there.
            fs::remove_file(&out)?;
            Ok(blob)
        };
        let [reference, ours] = [encode(&sides[0])?, encode(&sides[1])?];
        let error =
            (reference != ours).then(|| format!("{} bytes, ours other ones", reference.len()));
        results.add("gen-btf.sh's line", &format!("{module}: {} bytes of BTF", ours.len()), error);
    }
    Ok(())
}

/// scripts/depmod.sh, as `make modules_install` calls it.
fn index(
    work: &Path,
    scripts: &Scripts,
    tree: &KernelTree,
    sides: &[Side; 2],
    depmod: &Path,
    results: &mut Results,
) -> Result<()> {
    let text = context::version_text(depmod)?;
    let rules = Rules::of(&text)
        .ok_or_else(|| format!("{}: not kmod's depmod: {}", depmod.display(), text.trim_end()))?;
    let root = work.join("installed");
    let below = Path::new("lib/modules").join(&tree.release);
    fs::create_dir_all(root.join(&below))?;
    let from = tree.root.join(&below);
    for entry in fs::read_dir(&from).context(|| format!("reading {}", from.display()))? {
        let name = entry?.file_name();
        symlink(from.join(&name), root.join(&below).join(name))?;
    }
    symlink(&tree.system_map, work.join("System.map"))?;
    let before = Before::new(&root)?;
    let run = |side: &Side| -> Result<Outcome> {
        let env = [
            ("PATH", format!("{}:/usr/bin:/bin", side.programs.display())),
            ("INSTALL_MOD_PATH", root.to_string_lossy().into_owned()),
        ];
        let call = Call {
            args: vec![tree.release.clone().into()],
            cwd: work.to_owned(),
            env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        };
        let mut outcome = Tool { path: scripts.script("depmod.sh") }.run(&call)?;
        outcome.files = before.changes()?;
        before.restore()?;
        Ok(outcome)
    };
    let [reference, ours] = [run(&sides[0])?, run(&sides[1])?];
    if reference.status != "exit 0" || reference.files.is_empty() {
        let said = String::from_utf8_lossy(&reference.stderr).into_owned();
        return Err(format!("the reference's depmod.sh: {}: {said}", reference.status).into());
    }
    let found = differences(&rules, &reference, &ours);
    let words: String =
        found.iter().map(|found| format!("\n{:?}: {}", found.part, found.words)).collect();
    let what = format!(
        "{} modules: {} files of kmod {}",
        tree.modules,
        reference.files.len(),
        rules.version
    );
    results.add("depmod.sh", &what, (!found.is_empty()).then_some(words));
    Ok(())
}

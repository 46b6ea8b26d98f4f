//! `cargo xtask goldens`: what the reference said once about fixed trees, as text that can be
//! reviewed. Checking needs no reference; `--record` does.
//!
//! ```text
//! tests/goldens/NAME/modules.dep           the text files as they are
//!                   /modules.dep.bin.txt   length and checksum of the file, then its records
//!                   /stdout, stderr        with @ROOT@ for the tree's directory
//!                   /status
//! ```
//!
//! What is empty has no file, but for the eleven, which say whether they were written at all.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use modgen::random::Duplicates;
use modgen::{Compression, Module, Shape, Tree, random_tree, sample_tree};
use modindex::format::read::records;

use crate::Result;
use crate::args::Matches;
use crate::error::Context;
use crate::files;
use crate::oracle::compare::{Rules, text};
use crate::oracle::context;
use crate::oracle::property::comparable;
use crate::oracle::run::{Before, Call, Tool};
use crate::program::{self, Profile};
use crate::report;

/// One recorded run.
struct Golden {
    name: &'static str,
    tree: Tree,
    /// Before `-b ROOT -C CONF VERSION`; `{map}` and `{symvers}` are replaced.
    options: &'static [&'static str],
}

type Files = BTreeMap<String, Vec<u8>>;

fn goldens() -> Vec<Golden> {
    let golden = |name, tree: Tree, options| Golden { name, tree, options };
    // A path of its own would be in the recorded bytes.
    let small = |shape: Shape| Shape { max_modules: 24, externals: false, ..shape };
    let random = |seed, shape| {
        let mut tree = random_tree(seed, &small(shape));
        comparable(&mut tree);
        tree
    };
    let cycles = Shape { cycles: true, ..Shape::quiet() };
    let noisy = Shape { duplicates: Duplicates::None, ..Shape::everything() };
    vec![
        golden("sample", sample_tree(), &[]),
        golden("sample-versions", few(sample_tree()), &["-e", "-E", "{symvers}"]),
        golden("sample-map", few(sample_tree()), &["-e", "-F", "{map}", "-w"]),
        golden("sample-verbose", few(sample_tree()), &["-n", "-v"]),
        golden("empty", Tree::new("6.6.0-empty"), &[]),
        golden("cycle", cycle(), &[]),
        golden("line-that-fits", long_line(4094), &[]),
        golden("line-that-does-not-fit", long_line(4095), &[]),
        golden("quiet-1", random(1, Shape::quiet()), &[]),
        golden("quiet-2", random(2, Shape::quiet()), &["-w"]),
        golden("cycles-3", random(3, cycles.clone()), &[]),
        golden("cycles-4", random(4, cycles), &[]),
        golden("everything-5", random(5, noisy.clone()), &[]),
        golden("everything-6", random(6, noisy.clone()), &["-e", "-w"]),
        golden("everything-7", random(7, noisy), &["-v"]),
    ]
}

/// The first modules of a tree: options change little, so they are shown on less.
fn few(mut tree: Tree) -> Tree {
    tree.modules.truncate(40);
    tree
}

/// A line of so many bytes and its newline in modules.order and modules.builtin, where kmod reads
/// 4095 bytes at a time.
fn long_line(length: usize) -> Tree {
    let long = "x".repeat(length);
    Tree::new("6.6.0-lines")
        .module("kernel/a.ko", Module::new("a"))
        .module("kernel/b.ko", Module::new("b"))
        .order(["kernel/b.ko", &long, "kernel/a.ko"])
        .builtin([&*long, "kernel/c.ko"])
        .builtin_modinfo([&*format!("c.alias={long}"), "c.alias=d"])
}

fn cycle() -> Tree {
    Tree::new("6.6.0-cycle")
        .module("kernel/a.ko", Module::new("a").export("a").import("b"))
        .compressed("kernel/b.ko", Compression::Xz, Module::new("b").export("b").import("c"))
        .compressed("kernel/c.ko", Compression::Gzip, Module::new("c").export("c").import("a"))
        .module("kernel/user.ko", Module::new("user").import("a"))
        .order_as_listed()
}

pub(crate) fn run(matches: &Matches) -> Result<()> {
    if !matches.has("--record") {
        check_with(Profile::Release)?;
        report::say(&format!("goldens: {} equal", goldens().len()));
        return Ok(());
    }
    let reference = context::reference(matches)?;
    let said = context::version_text(&reference)?;
    if !Rules::of(&said).is_some_and(|rules| rules.exact() && rules.gzip) {
        return Err(format!(
            "goldens come from kmod 34 with all codecs (commit 84fa569), and {} says {:?}",
            reference.display(),
            said.trim_end()
        )
        .into());
    }
    let tool = Tool { path: reference };
    for golden in goldens() {
        let dir = directory(golden.name);
        files::remove_dir(&dir)?;
        fs::create_dir_all(&dir).context(|| format!("creating {}", dir.display()))?;
        for (name, bytes) in produce(&tool, &golden)? {
            fs::write(dir.join(&name), bytes).context(|| format!("writing {name}"))?;
        }
        report::note(&format!("recorded {}", golden.name));
    }
    Ok(())
}

/// Checks all of them against the program, which is built first. For `cargo test`.
///
/// # Errors
/// One differs, or the program cannot be built or run.
pub fn check() -> Result<()> {
    check_with(if cfg!(debug_assertions) { Profile::Dev } else { Profile::Release })
}

fn check_with(profile: Profile) -> Result<()> {
    let program = program::kmill(profile)?;
    let names = tempfile::tempdir()?;
    let tool = Tool { path: names.path().join("depmod") };
    std::os::unix::fs::symlink(program, &tool.path)?;
    let mut words = String::new();
    let mut recorded = fs::read_dir(directory(""))
        .context(|| "no goldens recorded".to_owned())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<String>>>()?;
    for golden in goldens() {
        recorded.retain(|name| name != golden.name);
        let expected = read(&directory(golden.name))?;
        let produced = produce(&tool, &golden)?;
        let mut names: Vec<&String> = expected.keys().chain(produced.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let none = Vec::new();
            let of = |files: &'_ Files| files.get(name).unwrap_or(&none).clone();
            let (expected, produced) = (of(&expected), of(&produced));
            if expected != produced {
                let _ = writeln!(words, "{}/{name}: {}", golden.name, text(&expected, &produced));
            }
        }
    }
    if !recorded.is_empty() {
        let _ = writeln!(words, "recorded, but not checked: {}", recorded.join(", "));
    }
    if words.is_empty() { Ok(()) } else { Err(format!("goldens differ\n{words}").into()) }
}

fn directory(name: &str) -> PathBuf {
    program::repository().join("tests/goldens").join(name)
}

fn read(dir: &Path) -> Result<Files> {
    let mut files = Files::new();
    for relative in files::walk(dir)? {
        files.insert(relative.to_string_lossy().into_owned(), fs::read(dir.join(relative))?);
    }
    Ok(files)
}

/// Runs one; everything it said and left, as the goldens keep it.
fn produce(tool: &Tool, golden: &Golden) -> Result<Files> {
    let work = tempfile::tempdir()?;
    let root = work.path().join("root");
    let written = golden.tree.write_to(&root, "lib/modules")?;
    let file = |path: &Option<PathBuf>| path.clone().unwrap_or_default().into_os_string();
    let options = golden.options.iter().map(|option| match *option {
        "{map}" => file(&written.system_map),
        "{symvers}" => file(&written.symvers),
        option => option.into(),
    });
    let args = options.chain(written.depmod_args()).collect();
    let before = Before::new(&written.module_dir)?;
    let outcome = tool.run(&Call { args, cwd: root.clone(), env: Vec::new() })?;
    if outcome.crashed {
        return Err(format!("{}: died: {}", golden.name, outcome.status).into());
    }

    let mut files = Files::new();
    files.insert("status".to_owned(), format!("{}\n", outcome.status).into_bytes());
    for (name, bytes) in [("stdout", outcome.stdout), ("stderr", outcome.stderr)] {
        if !bytes.is_empty() {
            files.insert(name.to_owned(), without_root(&bytes, &root));
        }
    }
    for (name, left) in before.changes()? {
        match name.ends_with(".bin") {
            true => files.insert(format!("{name}.txt"), dump(&left.bytes)?),
            false => files.insert(name, left.bytes),
        };
    }
    Ok(files)
}

/// Text with `@ROOT@` for a path.
fn without_root(text: &[u8], root: &Path) -> Vec<u8> {
    let root = root.to_string_lossy();
    let mut rest = text;
    let mut out = Vec::new();
    while !rest.is_empty() {
        match rest.strip_prefix(root.as_bytes()) {
            Some(tail) => {
                out.extend(b"@ROOT@");
                rest = tail;
            }
            None => {
                out.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// A binary index as lines: its length and checksum, then `priority key value`.
fn dump(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut text = format!("bytes {} fnv1a64 {:016x}\n", bytes.len(), fnv1a64(bytes)).into_bytes();
    if bytes.is_empty() {
        return Ok(text);
    }
    for record in records(bytes).context(|| "reading an index".to_owned())? {
        text.extend(format!("{} ", record.priority).bytes());
        text.extend([&record.key[..], b" ", &record.value, b"\n"].concat());
    }
    Ok(text)
}

/// Tells whether the layout is the same, which the records do not.
fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_replaced_wherever_it_stands() {
        let text = without_root(b"/r/x: /r/y /rest", Path::new("/r"));
        assert_eq!(text, b"@ROOT@/x: @ROOT@/y @ROOT@est");
    }

    #[test]
    fn checksums_are_those_of_the_algorithm() {
        assert_eq!(fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}

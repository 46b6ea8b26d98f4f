//! Rules of the house that the compiler does not know: no import cycles between
//! the files of a crate, crates depend one way, unsafe only where DESIGN.md names
//! it, every file says what it is for, and none grows past reading.
#![expect(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Logic files stay below this; tables of a format may be longer, and are named.
const LINES_MAX: usize = 800;

/// The files that may hold unsafe code.
const UNSAFE: [&str; 7] = [
    "crates/kernel-elf/src/map.rs",
    "crates/kernel-elf/src/map/tests.rs",
    "crates/padata/src/erase.rs",
    "crates/padata/src/memory.rs",
    "crates/padata/src/ring/order.rs",
    "crates/padata/src/ring/slots.rs",
    "crates/padata/src/sys/linux.rs",
];

/// Which of our crates each may use, besides in its tests.
const LAYERS: [(&str, &[&str]); 11] = [
    ("bench", &["padata"]),
    ("debkernel", &[]),
    ("padata", &[]),
    ("kernel-elf", &[]),
    ("kmill-btf", &[]),
    ("dwarf-btf", &["kernel-elf", "kmill-btf", "padata"]),
    ("modgen", &[]),
    ("dwarfgen", &["modgen"]),
    ("modindex", &["kernel-elf", "padata"]),
    (
        "kmill",
        &["debkernel", "dwarf-btf", "kernel-elf", "kmill-btf", "modgen", "modindex", "padata"],
    ),
    ("xtask", &["debkernel", "kernel-elf", "kmill", "kmill-btf", "modgen", "modindex", "padata"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Rust files below a directory, relative to the root.
fn sources(dir: &str) -> Vec<PathBuf> {
    fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    let dir = root().join(dir);
    if dir.is_dir() {
        collect(&dir, &mut found);
    }
    found.sort();
    found.iter().map(|path| path.strip_prefix(root()).unwrap().to_owned()).collect()
}

fn packages() -> Vec<String> {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let names = crates.map(|entry| format!("crates/{}", entry.unwrap().file_name().display()));
    names.chain(["bench".to_owned(), "xtask".to_owned()]).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The module path of a file below `src`: `plan/mod.rs` and `plan.rs` are `plan`.
fn module_of(src: &Path, file: &Path) -> String {
    let path = file.strip_prefix(src).unwrap().with_extension("");
    let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts.join("::")
}

/// The modules of the crate that a file names, in a `use` or in the code, by the
/// longest known prefix of each path. Tests inside a file may look upwards, and
/// what is re-exported (`pub use`) is not used there.
fn imports(module: &str, text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let tests = ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|start| text.find(start));
    let text = &text[..tests.min().unwrap_or(text.len())];
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line.split(" // ").next().unwrap(), " "])
        .collect();
    let statements = code.split_inclusive([';', '}']);
    let reexports = ["pub use ", "pub(crate) use ", "pub(super) use "];
    let code: String =
        statements.filter(|text| !reexports.iter().any(|start| text.contains(start))).collect();
    let child = |name: &str| match module {
        "" => name.to_owned(),
        module => format!("{module}::{name}"),
    };
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("::") {
        let start = code[..at].rfind(|c| !is_path(c)).map_or(0, |before| before + 1);
        // A path is looked at once, from its start.
        if code[start..at].contains("::") {
            continue;
        }
        let end = code[at..].find(|c| !is_path(c)).map_or(code.len(), |end| at + end);
        let mut paths = vec![code[start..end].trim_end_matches(':').to_owned()];
        if code[end..].starts_with('{') {
            let mut depth = 0;
            let close = code[end..].find(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0
            });
            let braces = &code[end..end + close.unwrap() + 1];
            paths = expand(&format!("{}::{braces}", paths[0]));
        }
        for path in paths {
            let mut parts: Vec<&str> = path.split("::").map(str::trim).collect();
            let mut base: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
            match parts[0] {
                "crate" => base.clear(),
                "self" => {}
                "super" => {
                    base.pop();
                }
                name if known.contains(&child(name)) => parts.insert(0, "self"),
                _ => continue,
            }
            parts.remove(0);
            while parts.first() == Some(&"super") {
                base.pop();
                parts.remove(0);
            }
            base.extend(parts);
            let target = (0..=base.len())
                .rev()
                .map(|len| base[..len].join("::"))
                .find(|path| known.contains(path));
            found.extend(target.filter(|target| target != module));
        }
    }
    found
}

/// `a::{b, c::{d, e}}` to `a::b`, `a::c::d`, `a::c::e`.
fn expand(text: &str) -> Vec<String> {
    let Some(open) = text.find('{') else {
        return vec![text.split(" as ").next().unwrap().trim().to_owned()];
    };
    let close = text.rfind('}').unwrap();
    let (prefix, inner) = (text[..open].trim(), &text[open + 1..close]);
    let mut depth = 0;
    let parts = inner.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let parts = parts.filter(|part| !part.trim().is_empty());
    parts.flat_map(expand).map(|part| format!("{prefix}{part}")).collect()
}

#[test]
fn files_import_downwards_only() {
    let mut cycles = Vec::new();
    for package in packages() {
        let src = PathBuf::from(format!("{package}/src"));
        let files: BTreeMap<String, PathBuf> = sources(&format!("{package}/src"))
            .into_iter()
            // `lib.rs` lists everything, and `main.rs` uses everything.
            .filter(|file| !module_of(&src, file).is_empty())
            .map(|file| (module_of(&src, &file), file))
            .collect();
        let known: BTreeSet<String> = files.keys().cloned().collect();
        let uses: BTreeMap<&str, BTreeSet<String>> = files
            .iter()
            .map(|(module, file)| (module.as_str(), imports(module, &read(file), &known)))
            .collect();
        for module in uses.keys() {
            // Everything below; a module below itself is on a cycle.
            let mut below = BTreeSet::new();
            let mut stack: Vec<&str> = uses[module].iter().map(String::as_str).collect();
            while let Some(next) = stack.pop() {
                if below.insert(next) {
                    stack.extend(uses[next].iter().map(String::as_str));
                }
            }
            if below.contains(module) {
                cycles.push(format!("{package}: {module} (imports {:?})", uses[module]));
            }
        }
    }
    assert!(cycles.is_empty(), "files on import cycles:\n{}", cycles.join("\n"));
}

#[test]
fn crates_depend_one_way() {
    for package in packages() {
        let manifest = read(Path::new(&format!("{package}/Cargo.toml")));
        let name = package.rsplit('/').next().unwrap();
        let (_, allowed) = LAYERS
            .iter()
            .find(|(layer, _)| *layer == name)
            .unwrap_or_else(|| panic!("{name} has no layer: add it to LAYERS and to DESIGN.md"));
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap();
        for (other, _) in &LAYERS {
            let uses = dependencies.lines().any(|line| {
                line.strip_prefix(other).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            });
            assert!(!uses || allowed.contains(other), "{name} must not depend on {other}");
        }
    }
}

#[test]
fn unsafe_code_is_where_the_design_names_it() {
    for package in packages() {
        for file in sources(&package) {
            let text = read(&file);
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let unsafe_word = |line: &&str| {
                let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
                words.into_iter().any(|word| word == "unsafe")
            };
            let path = file.to_str().unwrap();
            if let Some(line) = code.into_iter().find(unsafe_word) {
                // This file has the word in strings.
                let allowed = UNSAFE.contains(&path) || path == "xtask/tests/tidy.rs";
                assert!(allowed, "{path}: {line}");
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_can_be_read() {
    for package in packages() {
        for file in sources(&package) {
            let text = read(&file);
            assert!(text.starts_with("//!"), "{}: no //! header", file.display());
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{}: {lines} lines", file.display());
            assert!(text.ends_with('\n'), "{}: no newline at its end", file.display());
        }
    }
}

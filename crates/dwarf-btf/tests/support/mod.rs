//! Encodes a file on every path, which must agree; and with the reference, where there is one:
//! `DWARF_BTF_REFERENCE=PATH` names a pahole 1.31 that the results are compared with.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic; the lint knows only #[test] functions")]

pub(crate) mod shrink;

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use dwarf_btf::{EncodeError, Encoded, Features, Options, Phases, Session, encode, encode_timed};
use dwarfgen::File;
use kmill_btf::{Btf, Kind, StrOff, Type, TypeId};
use padata::Pool;

/// What became of a file: a blob, nothing, or an error's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Blob(Vec<u8>),
    Nothing,
    Error(String),
}

/// Options with these features, without Rust.
pub(crate) fn options(features: Features) -> Options {
    Options { features, lang_exclude: vec![0x1c], ..Options::default() }
}

/// The outcome one unit after another, and that of the parallel path at one thread and at three.
pub(crate) fn all_ways(image: &[u8], options: &Options) -> [Outcome; 3] {
    let run = |threads, serial| {
        let pool = Pool::new(NonZeroUsize::new(threads).unwrap());
        let options = Options { serial, ..options.clone() };
        outcome_of(encode(&pool, image, &options))
    };
    [run(1, true), run(1, false), run(3, false)]
}

/// The outcome for one of many files.
pub(crate) fn in_session(
    pool: &Pool,
    image: &[u8],
    options: &Options,
    session: &Session,
) -> Outcome {
    outcome_of(encode_timed(pool, image.into(), options, session, &mut Phases::default()))
}

fn outcome_of(result: Result<Encoded, EncodeError>) -> Outcome {
    match result {
        Ok(Encoded::Blob(blob)) => Outcome::Blob(blob),
        Ok(Encoded::Distilled { base, blob }) => Outcome::Blob([base, blob].concat()),
        Ok(Encoded::Nothing(_)) => Outcome::Nothing,
        Err(error) => Outcome::Error(error.to_string()),
    }
}

/// The outcome on all paths, which agree.
pub(crate) fn outcome(image: &[u8], options: &Options) -> Outcome {
    let [serial, one, three] = all_ways(image, options);
    assert!(one == three, "one thread and three differ");
    if let (Outcome::Error(_), Outcome::Error(_)) = (&serial, &one) {
        return serial;
    }
    if serial != one {
        panic!("the paths differ:\n{}", difference(&serial, &one));
    }
    serial
}

/// The first lines of two outcomes' dumps that differ.
pub(crate) fn difference(serial: &Outcome, parallel: &Outcome) -> String {
    let lines = |outcome: &Outcome| match outcome {
        Outcome::Blob(blob) => dump(blob),
        other => format!("{other:?}"),
    };
    let (left, right) = (lines(serial), lines(parallel));
    let differ = left.lines().zip(right.lines()).find(|(left, right)| left != right);
    let (a, b) = differ.unwrap_or(("end", "end"));
    let counts = (left.lines().count(), right.lines().count());
    format!("  {a}\n  {b}\nlines {counts:?}; strings or byte order, if nothing else")
}

/// A blob as text.
pub(crate) fn dump(blob: &[u8]) -> String {
    let mut out = Vec::new();
    Btf::read(blob).unwrap().dump(&mut out).unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

/// What the reference makes of a file, when there is one: its blob, or none. Where it crashes
/// there is nothing to compare with.
pub(crate) fn reference(image: &[u8], features: &Features) -> Option<Option<Vec<u8>>> {
    reference_of("DWARF_BTF_REFERENCE", image, features, None)
}

/// The same of a file behind a base.
pub(crate) fn reference_behind(
    base: &[u8],
    image: &[u8],
    features: &Features,
) -> Option<Option<Vec<u8>>> {
    reference_of("DWARF_BTF_REFERENCE", image, features, Some(base))
}

fn reference_of(
    variable: &str,
    image: &[u8],
    features: &Features,
    base: Option<&[u8]>,
) -> Option<Option<Vec<u8>>> {
    let program = std::env::var_os(variable)?;
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    std::fs::write(&input, image).unwrap();
    let mut command = Command::new(program);
    command.arg(format!("--btf_features={}", names(features))).arg("-j1");
    command.arg("--lang_exclude=rust").arg("--btf_encode_detached").arg(&output).arg(&input);
    if let Some(base) = base {
        let path = dir.path().join("base");
        std::fs::write(&path, base).unwrap();
        command.arg("--btf_base").arg(&path);
    }
    let result = command.output().unwrap();
    result.status.code()?;
    let said = String::from_utf8_lossy(&result.stderr);
    let failed = ["error decoding cu", "Error while encoding BTF", "Failed to encode BTF"];
    let failed = failed.iter().any(|words| said.contains(words));
    let blob = if failed { None } else { read(&output) };
    Some(blob)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

/// Features as the reference's option has them.
fn names(features: &Features) -> String {
    let all = [
        ("encode_force", features.encode_force),
        ("var", features.var),
        ("global_var", features.global_var),
        ("float", features.float),
        ("decl_tag", features.decl_tag),
        ("type_tag", features.type_tag),
        ("enum64", features.enum64),
        ("consistent_func", features.consistent_func),
        ("decl_tag_kfuncs", features.decl_tag_kfuncs),
        ("attributes", features.attributes),
        ("layout", features.layout),
        ("true_signature", features.true_signature),
    ];
    let on: Vec<&str> = all.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
    on.join(",")
}

/// Encodes a file with the standard features; paths and reference agree.
pub(crate) fn encoded(file: &File) -> Btf {
    encoded_with(file, Features::standard())
}

/// The same with other features.
pub(crate) fn encoded_with(file: &File, features: Features) -> Btf {
    let image = file.to_bytes();
    let outcome = outcome(&image, &options(features.clone()));
    let Outcome::Blob(blob) = outcome else { panic!("no blob: {outcome:?}") };
    if let Some(theirs) = reference(&image, &features) {
        let theirs = theirs.expect("the reference makes a blob");
        if theirs != blob {
            panic!("ours:\n{}\nthe reference's:\n{}", dump(&blob), dump(&theirs));
        }
    }
    Btf::read(&blob).unwrap()
}

/// Encodes a file with features that pahole has later than 1.31; the paths agree, and where
/// `DWARF_BTF_LATER=PATH` names such a pahole, its types and strings.
pub(crate) fn encoded_later(file: &File, features: Features) -> Btf {
    let image = file.to_bytes();
    let outcome = outcome(&image, &options(features.clone()));
    let Outcome::Blob(blob) = outcome else { panic!("no blob: {outcome:?}") };
    let ours = Btf::read(&blob).unwrap();
    if let Some(theirs) = reference_of("DWARF_BTF_LATER", &image, &features, None) {
        let theirs = theirs.expect("the reference makes a blob");
        // Its header is longer even without a layout.
        let read = Btf::read(&theirs).unwrap();
        if (&read.types, read.strings.bytes()) != (&ours.types, ours.strings.bytes()) {
            panic!("ours:\n{}\nthe reference's:\n{}", dump(&blob), dump(&theirs));
        }
        assert!(!features.layout || theirs == blob, "the layouts differ");
    }
    ours
}

/// Why a file is refused, on every path; the reference makes nothing of it.
pub(crate) fn refused(file: &File) -> String {
    refused_with(file, Features::standard())
}

/// The same with other features.
pub(crate) fn refused_with(file: &File, features: Features) -> String {
    let image = file.to_bytes();
    let Outcome::Error(error) = outcome(&image, &options(features.clone())) else {
        panic!("it is not refused")
    };
    if let Some(theirs) = reference(&image, &features) {
        assert_eq!(theirs, None, "the reference refuses it too");
    }
    error
}

/// A string of a blob.
pub(crate) fn text(btf: &Btf, at: StrOff) -> String {
    String::from_utf8_lossy(btf.strings.get(at).unwrap()).into_owned()
}

/// A type as C, short: `struct foo`, `int`, `const void *`.
pub(crate) fn spell(btf: &Btf, id: TypeId) -> String {
    let Some(ty) = btf.get(id) else { return "void".to_owned() };
    let name = text(btf, ty.name());
    let target = || spell(btf, ty.target());
    match ty.kind() {
        Kind::Ptr => format!("{} *", target()),
        Kind::Const => format!("const {}", target()),
        Kind::Volatile => format!("volatile {}", target()),
        Kind::Restrict => format!("restrict {}", target()),
        Kind::TypeTag => format!("{} [{name}]", target()),
        Kind::Array => format!("{}[{}]", spell(btf, ty.array().element), ty.array().len),
        Kind::Struct => format!("struct {name}"),
        Kind::Union => format!("union {name}"),
        Kind::Enum | Kind::Enum64 => format!("enum {name}"),
        Kind::Fwd if ty.flag() => format!("union {name};"),
        Kind::Fwd => format!("struct {name};"),
        Kind::FuncProto => {
            let params: Vec<String> = ty
                .params()
                .map(|param| match (text(btf, param.name), param.type_id) {
                    (_, TypeId::VOID) if param.name == StrOff::EMPTY => "...".to_owned(),
                    (name, id) => format!("{} {name}", spell(btf, id)).trim_end().to_owned(),
                })
                .collect();
            format!("{}({})", target(), params.join(", "))
        }
        _ => name,
    }
}

/// Every type in a line, in the order of ids: its kind and what it is.
pub(crate) fn types(btf: &Btf) -> Vec<String> {
    btf.types.iter().map(|(id, ty)| line(btf, id, ty)).collect()
}

/// The lines of one kind.
pub(crate) fn of_kind(btf: &Btf, kind: Kind) -> Vec<String> {
    let all = btf.types.iter().filter(|(_, ty)| ty.kind() == kind);
    all.map(|(id, ty)| line(btf, id, ty)).collect()
}

fn line(btf: &Btf, id: TypeId, ty: Type<'_>) -> String {
    let name = text(btf, ty.name());
    let target = || spell(btf, ty.target());
    match ty.kind() {
        Kind::Int => format!("int {name} size={} enc={}", ty.size(), ty.extra() >> 24),
        Kind::Float => format!("float {name} size={}", ty.size()),
        Kind::Struct | Kind::Union => {
            let members: Vec<String> = ty
                .members()
                .map(|member| {
                    let place = match (ty.flag(), member.offset >> 24) {
                        (true, width @ 1..) => format!("{}:{width}", member.offset & 0xff_ffff),
                        _ => format!("{}", member.offset),
                    };
                    let name = text(btf, member.name);
                    format!("{} {name}@{place}", spell(btf, member.type_id))
                })
                .collect();
            let flag = if ty.flag() { " bits" } else { "" };
            format!("{} size={}{flag} {{{}}}", spell(btf, id), ty.size(), members.join("; "))
        }
        Kind::Enum | Kind::Enum64 => {
            let values: Vec<String> = ty
                .enumerators()
                .map(|value| format!("{}={}", text(btf, value.name), value.value))
                .collect();
            let wide = if ty.kind() == Kind::Enum64 { "64" } else { "" };
            let flag = if ty.flag() { " signed" } else { "" };
            format!("enum{wide} {name} size={}{flag} {{{}}}", ty.size(), values.join(", "))
        }
        Kind::Typedef => format!("typedef {} {name}", target()),
        Kind::Func => format!("func {name}: {}", target()),
        Kind::Var => {
            let linkage = if ty.extra() == 1 { "global" } else { "static" };
            format!("var {linkage} {} {name}", target())
        }
        Kind::Datasec => {
            let entries: Vec<String> = ty
                .section_entries()
                .map(|entry| {
                    let var = btf.get(entry.type_id).map_or(StrOff::EMPTY, Type::name);
                    format!("{}@{}+{}", text(btf, var), entry.offset, entry.size)
                })
                .collect();
            format!("datasec {name} size={} {{{}}}", ty.size(), entries.join(", "))
        }
        Kind::DeclTag => {
            let index = ty.extra() as i32;
            let owner = btf.get(ty.target()).map_or(StrOff::EMPTY, Type::name);
            format!("tag {name} of {}[{index}]", text(btf, owner))
        }
        Kind::Array => format!("array {} by {}", spell(btf, id), spell(btf, ty.array().index)),
        _ => spell(btf, id),
    }
}

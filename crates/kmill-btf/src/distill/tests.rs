//! What goes where, rule by rule; what cannot be distilled; and random blobs.

use proptest::prelude::*;

use super::*;
use crate::format::Endian;
use crate::sample::{Blob, well_formed};

/// What the parts say, a type a line: id, kind, name, and in brackets its size or what it refers to.
fn lines(btf: &Btf) -> Vec<String> {
    btf.types
        .iter()
        .map(|(id, ty)| {
            let mut text = format!("{id} {}", ty.kind().name());
            let name = String::from_utf8_lossy(btf.name(ty));
            if !name.is_empty() {
                text += &format!(" {name}");
            }
            let mut refs = Vec::new();
            ty.for_each_ref(|id| refs.push(id.0));
            match refs.is_empty() {
                true => text + &format!(" ({})", ty.size()),
                false => text + &format!(" -> {refs:?}"),
            }
        })
        .collect()
}

fn distilled(split: &Blob) -> (Vec<String>, Vec<String>) {
    let parts = split.btf.distill().unwrap();
    (lines(&parts.base), lines(&parts.split))
}

#[test]
fn numbers_and_declarations_go_into_the_base_as_they_are() {
    let mut base = Blob::new();
    base.int("unused", 4);
    let of = [
        base.int("int", 4),
        base.float("float", 8),
        base.forward("s"),
        base.forward_union("u"),
        base.raw(Kind::Int, false, 0, "", 2, &[0x0100_0010]),
    ];
    let mut split = Blob::behind(base.btf);
    // In the order of their ids, whichever is referred to first.
    for id in of.iter().rev() {
        split.ptr(*id);
    }
    let parts = split.btf.distill().unwrap();
    let same = parts.base.types.iter().zip(of).all(|((_, ty), old)| {
        let old = split.btf.get(TypeId(old)).unwrap();
        (ty.info(), &ty.words()[2..]) == (old.info(), &old.words()[2..])
    });
    assert!(same);
    let (base, split) = (lines(&parts.base), lines(&parts.split));
    assert_eq!(
        base,
        ["1 INT int (4)", "2 FLOAT float (8)", "3 FWD s (0)", "4 FWD u (0)", "5 INT (2)"]
    );
    let pointers =
        ["6 PTR -> [5]", "7 PTR -> [4]", "8 PTR -> [3]", "9 PTR -> [2]", "10 PTR -> [1]"];
    assert_eq!(split, pointers);
}

/// Whether ours hold them or point to them.
#[test]
fn of_structures_unions_and_enumerations_with_a_name_only_that_and_the_size_stays() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    let list = base.int("only in a member", 4);
    let s = base.raw(Kind::Struct, true, 1, "s", 24, &[0, list, 3 << 24]);
    let u = base.union("u", 8, &[("x", list)]);
    let e = base.enumeration("e", &[("A", 1)]);
    let wide = base.enum64("wide", true, &[("B", 1 << 40)]);
    let mut split = Blob::behind(base.btf);
    split.ptr(s);
    split.structure("own", 48, &[("s", s, 0), ("u", u, 192), ("e", e, 256), ("w", wide, 288)]);
    split.variable("v", int);
    let parts = split.btf.distill().unwrap();
    let bare =
        ["1 INT int (4)", "2 STRUCT s (24)", "3 UNION u (8)", "4 ENUM e (4)", "5 ENUM wide (8)"];
    assert_eq!(lines(&parts.base), bare);
    assert!(parts.base.types.iter().skip(1).all(|(_, ty)| ty.vlen() == 0 && !ty.flag()));
    assert_eq!(parts.base.strings.bytes(), b"\0int\0s\0u\0e\0wide\0");
    let own = ["6 PTR -> [2]", "7 STRUCT own -> [2, 3, 4, 5]", "8 VAR v -> [1]"];
    assert_eq!(lines(&parts.split), own);
}

/// They come behind ours, with what they refer to.
#[test]
fn everything_else_leaves_the_base_for_the_split_blob() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    let of_nameless = base.structure("", 8, &[("x", int, 0), ("next", 4, 32)]);
    let values = base.enumeration("", &[("A", 1)]);
    let ptr = base.ptr(of_nameless);
    let array = base.array(ptr, int, 3);
    let typedef = base.refer(Kind::Typedef, "t", array);
    let constant = base.refer(Kind::Const, "", typedef);
    let volatile = base.refer(Kind::Volatile, "", constant);
    let restrict = base.refer(Kind::Restrict, "", volatile);
    let tag = base.refer(Kind::TypeTag, "user", restrict);
    let prototype = base.prototype(0, &[("x", tag), ("y", values)]);
    base.refer(Kind::Typedef, "not needed", prototype);
    let wide = base.enum64("", false, &[("B", 1)]);
    let mut split = Blob::behind(base.btf);
    split.function("f", prototype);
    split.ptr(wide);
    split.decl_tag("of f", 14, -1);
    let (base, split) = distilled(&split);
    assert_eq!(base, ["1 INT int (4)"]);
    let all = [
        "2 FUNC f -> [14]",
        "3 PTR -> [15]",
        "4 DECL_TAG of f -> [2]",
        "5 STRUCT -> [1, 7]",
        "6 ENUM (4)",
        "7 PTR -> [5]",
        "8 ARRAY -> [7, 1]",
        "9 TYPEDEF t -> [8]",
        "10 CONST -> [9]",
        "11 VOLATILE -> [10]",
        "12 RESTRICT -> [11]",
        "13 TYPE_TAG user -> [12]",
        "14 FUNC_PROTO -> [0, 13, 6]",
        "15 ENUM64 (8)",
    ];
    assert_eq!(split, all);
}

/// Two of the base that are needed are both there; the kernel cannot tell them apart, and says so.
#[test]
fn equal_names_stay() {
    let mut base = Blob::new();
    let (one, two) = (base.structure("s", 4, &[]), base.structure("s", 4, &[]));
    let mut split = Blob::behind(base.btf);
    split.ptr(two);
    split.ptr(one);
    let (base, split) = distilled(&split);
    assert_eq!(base, ["1 STRUCT s (4)", "2 STRUCT s (4)"]);
    assert_eq!(split, ["3 PTR -> [2]", "4 PTR -> [1]"]);
}

/// The base's are there for the split blob too, which has others in the order of its types.
#[test]
fn strings_come_in_the_order_of_the_types_and_once() {
    let mut base = Blob::new();
    base.int("unused", 4);
    let late = base.refer(Kind::Typedef, "late", 3);
    base.int("int", 4);
    let s = base.structure("s", 4, &[("member", 3, 0)]);
    let mut split = Blob::behind(base.btf);
    split.structure("own", 16, &[("s", s, 0), ("int", late, 32), ("unused", late, 64)]);
    let parts = split.btf.distill().unwrap();
    assert_eq!(parts.base.strings.bytes(), b"\0int\0s\0");
    assert_eq!(parts.split.strings.bytes(), b"own\0unused\0late\0");
}

#[test]
fn without_references_the_base_is_empty() {
    let parts = Blob::behind(Blob::new().btf).btf.distill().unwrap();
    assert_eq!((parts.base.to_bytes().len(), parts.split.to_bytes().len()), (25, 24));
    let mut base = Blob::new();
    base.int("int", 4);
    let mut split = Blob::behind(base.btf);
    split.btf.endian = Endian::Big;
    split.ptr(0);
    let parts = split.btf.distill().unwrap();
    assert_eq!(lines(&parts.split), ["1 PTR -> [0]"]);
    assert_eq!((parts.base.endian, parts.split.endian), (Endian::Big, Endian::Big));
}

/// A base that goes on behind another one is one base.
#[test]
fn a_base_may_have_a_base() {
    let mut first = Blob::new();
    let int = first.int("int", 4);
    let mut second = Blob::behind(first.btf);
    let s = second.structure("s", 4, &[]);
    let mut split = Blob::behind(second.btf);
    split.structure("own", 8, &[("a", int, 0), ("b", s, 32)]);
    let (base, split) = distilled(&split);
    assert_eq!(base, ["1 INT int (4)", "2 STRUCT s (4)"]);
    assert_eq!(split, ["3 STRUCT own -> [1, 2]"]);
}

fn error(split: &Blob) -> DistillError {
    split.btf.distill().unwrap_err()
}

#[test]
fn what_cannot_be_distilled_is_an_error() {
    assert_eq!(error(&Blob::new()), DistillError::NoBase);

    let mut base = Blob::new();
    let prototype = base.prototype(0, &[]);
    let function = base.function("f", prototype);
    let variable = base.variable("v", prototype);
    let section = base.section(".data", 4, &[(variable, 0, 4)]);
    let tag = base.decl_tag("tag", function, -1);
    let odd = base.raw(Kind::Enum, false, 0, "odd", 3, &[]);
    for (id, kind) in [
        (function, Kind::Func),
        (variable, Kind::Var),
        (section, Kind::Datasec),
        (tag, Kind::DeclTag),
    ] {
        let mut split = Blob::behind(base.btf.clone());
        split.ptr(0);
        split.decl_tag("tag", id, -1);
        assert_eq!(error(&split), DistillError::Kind { id: TypeId(id), kind });
    }
    let mut split = Blob::behind(base.btf.clone());
    split.ptr(odd);
    assert_eq!(error(&split), DistillError::EnumSize(TypeId(odd)));
    let words = "a FUNC of the base is needed, type 2, which cannot be distilled";
    let kind = DistillError::Kind { id: TypeId(2), kind: Kind::Func };
    assert_eq!(kind.to_string(), words);
}

#[test]
fn references_to_nothing_are_errors() {
    let mut base = Blob::new();
    base.int("int", 4);
    let mut split = Blob::behind(base.btf.clone());
    split.ptr(9);
    assert_eq!(error(&split), DistillError::Dangling(TypeId(2)));
    let mut split = Blob::behind(base.btf.clone());
    let info = Info::new(Kind::Typedef, false, 0);
    split.btf.types.push(StrOff(99), info, 1, &[]);
    assert_eq!(error(&split), DistillError::Dangling(TypeId(2)));
    // Of the base itself.
    let far = base.ptr(9);
    let mut split = Blob::behind(base.btf);
    split.ptr(far);
    assert_eq!(error(&split), DistillError::Dangling(TypeId(far)));
}

/// Strings inside of strings: each is as long as what it ends with.
#[test]
fn there_is_an_end_of_strings() {
    let mut base = Blob::new();
    base.int("int", 4);
    let mut split = Blob::behind(base.btf);
    let StrOff(at) = split.btf.add_string(b"12345");
    for skip in 0..5 {
        let info = Info::new(Kind::Fwd, false, 0);
        split.btf.types.push(StrOff(at + skip), info, 0, &[]);
    }
    assert_eq!(distill(&split.btf, 19).unwrap_err(), DistillError::Strings);
    let parts = distill(&split.btf, 20).unwrap();
    assert_eq!(parts.split.strings.bytes(), b"12345\x002345\x00345\x0045\x005\0");
}

/// As deep as there is room for: nothing here calls itself.
#[test]
fn a_deep_base_is_followed_to_its_end() {
    let mut base = Blob::new();
    let mut last = base.int("int", 4);
    for _ in 0..200_000 {
        last = base.ptr(last);
    }
    let mut split = Blob::behind(base.btf);
    split.ptr(last);
    let parts = split.btf.distill().unwrap();
    assert_eq!((parts.base.types.len(), parts.split.types.len()), (1, 200_001));
}

/// Random types; some of the first are the base, and the rest ours.
fn split() -> impl Strategy<Value = Btf> {
    (well_formed(), any::<prop::sample::Index>()).prop_map(|(all, at)| {
        let at = at.index(all.types.len() + 1);
        let mut base = Btf::new(all.endian);
        base.strings = all.strings.clone();
        for (_, ty) in all.types.iter().take(at) {
            base.types.push_words(ty.words());
        }
        let mut split = Btf::split(Arc::new(base));
        for (_, ty) in all.types.iter().skip(at) {
            split.types.push_words(ty.words());
        }
        split
    })
}

/// A type in full, through references, as far as a distilled base tells it; names that the distilled
/// types must have are in it.
fn meaning(btf: &Btf, id: TypeId, base: TypeId, depth: usize, text: &mut String) {
    let Some(ty) = btf.get(id) else { return text.push_str("void") };
    let bare = id <= base
        && has_name(ty)
        && matches!(ty.kind(), Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64);
    if bare {
        let kind = if ty.kind().is_enum() { Kind::Enum } else { ty.kind() };
        *text += &format!("bare {kind:?} {:?} {}", btf.name(ty), ty.size());
        return;
    }
    *text += &format!("{:?} {:x}", ty.kind(), ty.info().0);
    ty.for_each_name(|at| *text += &format!(" {:?}", btf.string(at).unwrap()));
    // What is neither a name nor a reference.
    let mut words = ty.words().to_vec();
    map_names(&mut words, &mut |_| StrOff::EMPTY);
    map_refs(&mut words, |_| TypeId::VOID);
    *text += &format!(" {words:x?} (");
    if depth > 0 {
        ty.for_each_ref(|to| {
            meaning(btf, to, base, depth - 1, text);
            text.push(';');
        });
    }
    text.push(')');
}

fn meant(btf: &Btf, id: TypeId, base: TypeId) -> String {
    let mut text = String::new();
    meaning(btf, id, base, 5, &mut text);
    text
}

proptest! {
    /// Ours say what they said; everything that is there besides is needed, and said once.
    #[test]
    fn nothing_is_lost_and_nothing_is_idle(source in split()) {
        let parts = match source.distill() {
            Ok(parts) => parts,
            Err(DistillError::Kind { id, kind }) => {
                prop_assert!(matches!(kind, Kind::Func | Kind::Var | Kind::DeclTag));
                prop_assert_eq!(source.get(id).unwrap().kind(), kind);
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let (base_last, old_base) = (parts.base.types.last(), source.types.base());
        for ((old, _), (new, _)) in source.types.iter().zip(parts.split.types.iter()) {
            prop_assert_eq!(meant(&source, old, old_base), meant(&parts.split, new, base_last));
        }
        // Every type but ours is referred to, and every string but the empty one is a name.
        let mut used = vec![false; parts.split.types.last().index() + 1];
        let mut names = rustc_hash::FxHashSet::default();
        for id in 1..used.len() as u32 {
            let ty = parts.split.get(TypeId(id)).unwrap();
            ty.for_each_ref(|id| used[id.index()] = true);
            ty.for_each_name(|at| _ = names.insert(parts.split.string(at).unwrap().to_vec()));
        }
        let ours = base_last.index() + 1..base_last.index() + 1 + source.types.len();
        prop_assert!((1..used.len()).all(|id| used[id] || ours.contains(&id)));
        let strings = [parts.base.strings.bytes(), parts.split.strings.bytes()].concat();
        let mut strings: Vec<_> = strings.split(|byte| *byte == 0).collect();
        // What is behind the last NUL.
        strings.pop();
        let count = strings.len();
        strings.sort_unstable();
        strings.dedup();
        prop_assert_eq!(strings.len(), count);
        prop_assert!(strings.iter().all(|text| text.is_empty() || names.contains(*text)));
        // What is written is read, and the kernel would take it.
        let base = Btf::read(&parts.base.to_bytes()).unwrap();
        prop_assert_eq!(base.verify(), []);
        let again = Btf::read_split(&parts.split.to_bytes(), Arc::new(base)).unwrap();
        prop_assert_eq!(&again.types, &parts.split.types);
        prop_assert_eq!(again.verify(), []);
    }

    #[test]
    fn damage_is_an_error_or_harmless(
        source in split(),
        changes in prop::collection::vec(any::<(bool, prop::sample::Index, u8)>(), 1..8),
    ) {
        let base = source.base().unwrap().clone();
        let (mut base, mut own) = (base.to_bytes(), source.to_bytes());
        for (of_base, at, byte) in changes {
            let bytes = if of_base { &mut base } else { &mut own };
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let Ok(base) = Btf::read(&base) else { return Ok(()) };
        let Ok(damaged) = Btf::read_split(&own, Arc::new(base)) else { return Ok(()) };
        if let Ok(parts) = damaged.distill() {
            let base = Btf::read(&parts.base.to_bytes()).unwrap();
            prop_assert!(Btf::read_split(&parts.split.to_bytes(), Arc::new(base)).is_ok());
        }
    }
}

//! Every type of a blob as text or JSON, in the words of `bpftool btf dump file`: what scripts
//! that read that tool's output need.
//!
//! Equal to bpftool 7.1's output, byte for byte, and for JSON value for value; but a backslash in a
//! name stays one, of which bpftool makes a line feed, and bytes that are no UTF-8 are replaced.

use std::io::{self, Write};

use crate::btf::Btf;
use crate::format::{Kind, int, linkage};
use crate::types::{Enumerator, Member, StrOff, Type, TypeId};

/// What has no name.
const ANONYMOUS: &[u8] = b"(anon)";
/// What has a name that is not there.
const INVALID: &[u8] = b"(invalid)";

impl Btf {
    /// Writes our types, one per line and one line per entry, as `bpftool btf dump file` does.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn dump(&self, out: &mut impl Write) -> io::Result<()> {
        self.types.iter().try_for_each(|(id, ty)| text(self, out, id, ty))
    }

    /// Writes our types as one JSON object, as `bpftool -j btf dump file` does.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn dump_json(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"{\"types\":[")?;
        for (id, ty) in self.types.iter() {
            if id.0 != self.types.base().0 + 1 {
                out.write_all(b",")?;
            }
            json(self, out, id, ty)?;
        }
        out.write_all(b"]}")
    }
}

fn name(btf: &Btf, at: StrOff) -> &[u8] {
    if at == StrOff::EMPTY { ANONYMOUS } else { btf.string(at).unwrap_or(INVALID) }
}

/// A name in quotes that nothing in it is protected from, whatever its bytes.
fn quoted(btf: &Btf, out: &mut impl Write, at: StrOff) -> io::Result<()> {
    out.write_all(b"'")?;
    out.write_all(name(btf, at))?;
    out.write_all(b"'")
}

/// Where a member starts, and its width if it is a bit field.
fn bits(ty: Type<'_>, member: Member) -> (u32, u32) {
    if ty.flag() { (member.offset & 0xff_ffff, member.offset >> 24) } else { (member.offset, 0) }
}

fn encoding(word: u32) -> &'static str {
    match word >> 24 & 0xf {
        0 => "(none)",
        int::SIGNED => "SIGNED",
        int::CHAR => "CHAR",
        int::BOOL => "BOOL",
        _ => "UNKN",
    }
}

fn sign(ty: Type<'_>) -> &'static str {
    if ty.flag() { "SIGNED" } else { "UNSIGNED" }
}

fn declared(ty: Type<'_>) -> &'static str {
    if ty.flag() { "union" } else { "struct" }
}

fn linkage_name(number: u32) -> &'static str {
    match number {
        linkage::STATIC => "static",
        linkage::GLOBAL => "global",
        linkage::EXTERN => "extern",
        _ => "(unknown)",
    }
}

/// A value, with its sign.
fn value(ty: Type<'_>, value: Enumerator) -> i128 {
    match (ty.kind(), ty.flag()) {
        (Kind::Enum, true) => i128::from(value.value as u32 as i32),
        (Kind::Enum, false) => i128::from(value.value as u32),
        (_, true) => i128::from(value.value as i64),
        (_, false) => i128::from(value.value),
    }
}

/// The value that bpftool's JSON has: its text shows those of 32 bits as they are, but here they
/// are widened as if they were signed.
fn json_value(ty: Type<'_>, entry: Enumerator) -> i128 {
    match (ty.kind(), ty.flag()) {
        (Kind::Enum, false) => i128::from(i64::from(entry.value as u32 as i32) as u64),
        _ => value(ty, entry),
    }
}

fn text(btf: &Btf, out: &mut impl Write, id: TypeId, ty: Type<'_>) -> io::Result<()> {
    let kind = ty.kind();
    write!(out, "[{id}] {} ", kind.name())?;
    quoted(btf, out, ty.name())?;
    match kind {
        Kind::Int => {
            let word = ty.extra();
            let (offset, bits) = (word >> 16 & 0xff, word & 0xff);
            write!(out, " size={} bits_offset={offset} nr_bits={bits}", ty.size())?;
            write!(out, " encoding={}", encoding(word))?;
        }
        Kind::Ptr
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::TypeTag => write!(out, " type_id={}", ty.target())?,
        Kind::Array => {
            let array = ty.array();
            write!(out, " type_id={} index_type_id={}", array.element, array.index)?;
            write!(out, " nr_elems={}", array.len)?;
        }
        Kind::Struct | Kind::Union => {
            write!(out, " size={} vlen={}", ty.size(), ty.vlen())?;
            for member in ty.members() {
                let (start, width) = bits(ty, member);
                out.write_all(b"\n\t")?;
                quoted(btf, out, member.name)?;
                write!(out, " type_id={} bits_offset={start}", member.type_id)?;
                if width != 0 {
                    write!(out, " bitfield_size={width}")?;
                }
            }
        }
        Kind::Enum | Kind::Enum64 => {
            write!(out, " encoding={} size={} vlen={}", sign(ty), ty.size(), ty.vlen())?;
            let suffix = match (kind, ty.flag()) {
                (Kind::Enum, _) => "",
                (_, true) => "LL",
                (_, false) => "ULL",
            };
            for entry in ty.enumerators() {
                out.write_all(b"\n\t")?;
                quoted(btf, out, entry.name)?;
                write!(out, " val={}{suffix}", value(ty, entry))?;
            }
        }
        Kind::Fwd => write!(out, " fwd_kind={}", declared(ty))?,
        Kind::Func => {
            write!(out, " type_id={} linkage={}", ty.target(), linkage_name(ty.info().vlen()))?;
        }
        Kind::FuncProto => {
            write!(out, " ret_type_id={} vlen={}", ty.target(), ty.vlen())?;
            for param in ty.params() {
                out.write_all(b"\n\t")?;
                quoted(btf, out, param.name)?;
                write!(out, " type_id={}", param.type_id)?;
            }
        }
        Kind::Var => write!(out, " type_id={}, linkage={}", ty.target(), linkage_name(ty.extra()))?,
        Kind::Datasec => {
            write!(out, " size={} vlen={}", ty.size(), ty.vlen())?;
            for entry in ty.section_entries() {
                let (id, at, size) = (entry.type_id, entry.offset, entry.size);
                write!(out, "\n\ttype_id={id} offset={at} size={size}")?;
                if let Some(of) = btf.get(id) {
                    write!(out, " ({} ", of.kind().name())?;
                    quoted(btf, out, of.name())?;
                    out.write_all(b")")?;
                }
            }
        }
        Kind::Float => write!(out, " size={}", ty.size())?,
        Kind::DeclTag => {
            write!(out, " type_id={} component_idx={}", ty.target(), ty.extra() as i32)?;
        }
    }
    out.write_all(b"\n")
}

/// A name as a JSON string; bytes that are no UTF-8 are replaced.
fn json_name(btf: &Btf, out: &mut impl Write, at: StrOff) -> io::Result<()> {
    out.write_all(b"\"name\":\"")?;
    for c in String::from_utf8_lossy(name(btf, at)).chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\0'..'\x20' => write!(out, "\\u{:04x}", u32::from(c))?,
            _ => write!(out, "{c}")?,
        }
    }
    out.write_all(b"\"")
}

/// `,"key":[{…},{…}]`; `entry` writes what is between the braces.
fn json_list<W: Write, T>(
    out: &mut W,
    key: &str,
    entries: impl Iterator<Item = T>,
    mut entry: impl FnMut(&mut W, T) -> io::Result<()>,
) -> io::Result<()> {
    write!(out, ",\"{key}\":[")?;
    for (index, item) in entries.enumerate() {
        out.write_all(if index == 0 { b"{" } else { b",{" })?;
        entry(out, item)?;
        out.write_all(b"}")?;
    }
    out.write_all(b"]")
}

fn json(btf: &Btf, out: &mut impl Write, id: TypeId, ty: Type<'_>) -> io::Result<()> {
    let kind = ty.kind();
    write!(out, "{{\"id\":{id},\"kind\":\"{}\",", kind.name())?;
    json_name(btf, out, ty.name())?;
    let (size, target) = (ty.size(), ty.target());
    match kind {
        Kind::Int => {
            let word = ty.extra();
            let (offset, bits) = (word >> 16 & 0xff, word & 0xff);
            write!(out, ",\"size\":{size},\"bits_offset\":{offset},\"nr_bits\":{bits}")?;
            write!(out, ",\"encoding\":\"{}\"", encoding(word))?;
        }
        Kind::Ptr
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::TypeTag => write!(out, ",\"type_id\":{target}")?,
        Kind::Array => {
            let array = ty.array();
            write!(out, ",\"type_id\":{},\"index_type_id\":{}", array.element, array.index)?;
            write!(out, ",\"nr_elems\":{}", array.len)?;
        }
        Kind::Struct | Kind::Union => {
            write!(out, ",\"size\":{size},\"vlen\":{}", ty.vlen())?;
            json_list(out, "members", ty.members(), |out, member| {
                let (start, width) = bits(ty, member);
                json_name(btf, out, member.name)?;
                write!(out, ",\"type_id\":{},\"bits_offset\":{start}", member.type_id)?;
                if width != 0 { write!(out, ",\"bitfield_size\":{width}") } else { Ok(()) }
            })?;
        }
        Kind::Enum | Kind::Enum64 => {
            write!(out, ",\"encoding\":\"{}\",\"size\":{size}", sign(ty))?;
            write!(out, ",\"vlen\":{}", ty.vlen())?;
            json_list(out, "values", ty.enumerators(), |out, entry| {
                json_name(btf, out, entry.name)?;
                write!(out, ",\"val\":{}", json_value(ty, entry))
            })?;
        }
        Kind::Fwd => write!(out, ",\"fwd_kind\":\"{}\"", declared(ty))?,
        Kind::Func => {
            let linkage = linkage_name(ty.info().vlen());
            write!(out, ",\"type_id\":{target},\"linkage\":\"{linkage}\"")?;
        }
        Kind::FuncProto => {
            write!(out, ",\"ret_type_id\":{target},\"vlen\":{}", ty.vlen())?;
            json_list(out, "params", ty.params(), |out, param| {
                json_name(btf, out, param.name)?;
                write!(out, ",\"type_id\":{}", param.type_id)
            })?;
        }
        Kind::Var => {
            let linkage = linkage_name(ty.extra());
            write!(out, ",\"type_id\":{target},\"linkage\":\"{linkage}\"")?;
        }
        Kind::Datasec => {
            write!(out, ",\"size\":{size},\"vlen\":{}", ty.vlen())?;
            json_list(out, "vars", ty.section_entries(), |out, entry| {
                write!(out, "\"type_id\":{},\"offset\":{}", entry.type_id, entry.offset)?;
                write!(out, ",\"size\":{}", entry.size)
            })?;
        }
        Kind::Float => write!(out, ",\"size\":{size}")?,
        Kind::DeclTag => {
            let index = ty.extra() as i32;
            write!(out, ",\"type_id\":{target},\"component_idx\":{index}")?;
        }
    }
    out.write_all(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Blob;

    /// One type of every kind, with what is odd about it; what bpftool said of the same types.
    fn odd() -> Blob {
        let mut blob = Blob::new();
        let int = blob.raw(Kind::Int, false, 0, "int", 4, &[int::SIGNED << 24 | 32]);
        blob.raw(Kind::Int, false, 0, "od\"d", 4, &[3 << 24 | 5 << 16 | 7]);
        blob.ptr(0);
        blob.array(int, int, 7);
        let name = blob.btf.add_string(b"a").0;
        let of = blob.raw(Kind::Struct, true, 2, "s", 8, &[name, int, 3 << 24 | 5, 0, int, 32]);
        blob.raw(Kind::Enum, true, 1, "e", 4, &[name, u32::MAX]);
        blob.enumeration("e", &[("B", u32::MAX)]);
        blob.forward_union("u");
        let prototype = blob.prototype(int, &[("x", int), ("", 0)]);
        blob.raw(Kind::Func, false, 2, "f", prototype, &[]);
        let variable = blob.variable("v", int);
        blob.section(".data", 8, &[(variable, 4, 4)]);
        blob.float("double", 8);
        blob.decl_tag("tag", of, -1);
        blob.enum64("l", true, &[("N", u64::MAX)]);
        blob.enum64("L", false, &[("P", u64::MAX)]);
        blob
    }

    #[test]
    fn the_text_is_bpftools() {
        let mut text = Vec::new();
        odd().btf.dump(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let expected = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] INT 'od\"d' size=4 bits_offset=5 nr_bits=7 encoding=UNKN
[3] PTR '(anon)' type_id=0
[4] ARRAY '(anon)' type_id=1 index_type_id=1 nr_elems=7
[5] STRUCT 's' size=8 vlen=2
\t'a' type_id=1 bits_offset=5 bitfield_size=3
\t'(anon)' type_id=1 bits_offset=32
[6] ENUM 'e' encoding=SIGNED size=4 vlen=1
\t'a' val=-1
[7] ENUM 'e' encoding=UNSIGNED size=4 vlen=1
\t'B' val=4294967295
[8] FWD 'u' fwd_kind=union
[9] FUNC_PROTO '(anon)' ret_type_id=1 vlen=2
\t'x' type_id=1
\t'(anon)' type_id=0
[10] FUNC 'f' type_id=9 linkage=extern
[11] VAR 'v' type_id=1, linkage=global
[12] DATASEC '.data' size=8 vlen=1
\ttype_id=11 offset=4 size=4 (VAR 'v')
[13] FLOAT 'double' size=8
[14] DECL_TAG 'tag' type_id=5 component_idx=-1
[15] ENUM64 'l' encoding=SIGNED size=8 vlen=1
\t'N' val=-1LL
[16] ENUM64 'L' encoding=UNSIGNED size=8 vlen=1
\t'P' val=18446744073709551615ULL
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_json_is_bpftools() {
        let mut json = Vec::new();
        odd().btf.dump_json(&mut json).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert!(json.starts_with("{\"types\":[{\"id\":1,\"kind\":\"INT\",\"name\":\"int\","));
        assert!(json.ends_with("]}"));
        for part in [
            r#""name":"od\"d","size":4,"bits_offset":5,"nr_bits":7,"encoding":"UNKN"}"#,
            r#""members":[{"name":"a","type_id":1,"bits_offset":5,"bitfield_size":3},{"name":"(anon)","type_id":1,"bits_offset":32}]}"#,
            r#""values":[{"name":"B","val":18446744073709551615}]"#,
            r#"{"id":8,"kind":"FWD","name":"u","fwd_kind":"union"}"#,
            r#""vars":[{"type_id":11,"offset":4,"size":4}]"#,
            r#""component_idx":-1"#,
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
    }

    #[test]
    fn a_split_blob_shows_its_own_types_only() {
        let mut base = Blob::new();
        let int = base.int("int", 4);
        let mut blob = Blob::behind(base.btf);
        blob.refer(Kind::Typedef, "int", int);
        let mut text = Vec::new();
        blob.btf.dump(&mut text).unwrap();
        assert_eq!(text, b"[2] TYPEDEF 'int' type_id=1\n");
        let mut json = Vec::new();
        blob.btf.dump_json(&mut json).unwrap();
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"types":[{"id":2,"kind":"TYPEDEF","name":"int","type_id":1}]}"#
        );
    }
}

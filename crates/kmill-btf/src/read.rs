//! From a blob's bytes to types and strings. Everything that a later look at them relies on is
//! checked here: lengths, kinds, ids and offsets of strings. What else the kernel asks for is
//! [`verify`](crate::verify)'s.

use std::sync::Arc;

use crate::btf::Btf;
use crate::format::{Endian, HEADER_LEN, Info, Kind, MAGIC, MAX_TYPES, VERSION};
use crate::strings::Strings;
use crate::types::{StrOff, TypeId, Types};

/// Why bytes are no BTF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Too short, or another magic or version.
    #[error("not BTF: {0}")]
    NotBtf(&'static str),
    /// The header's offsets and lengths do not fit.
    #[error("BTF header: {0}")]
    Header(&'static str),
    /// A type that is cut off, or of an unknown kind, or that refers to nothing.
    #[error("BTF type {id}: {what}")]
    Type {
        /// Which one.
        id: TypeId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The strings do not begin or end as they must.
    #[error("BTF strings: {0}")]
    Strings(&'static str),
}

struct Header {
    endian: Endian,
    types: std::ops::Range<usize>,
    strings: std::ops::Range<usize>,
}

impl Btf {
    /// Reads a blob that needs no base.
    ///
    /// # Errors
    /// When it is cut off, or refers to a type or a string that it has not.
    pub fn read(bytes: &[u8]) -> Result<Btf, ReadError> {
        read(bytes, None)
    }

    /// Reads a blob that goes on behind a base.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_split(bytes: &[u8], base: Arc<Btf>) -> Result<Btf, ReadError> {
        read(bytes, Some(base))
    }
}

fn read(bytes: &[u8], base: Option<Arc<Btf>>) -> Result<Btf, ReadError> {
    let header = header(bytes)?;
    let mut btf = match base {
        Some(base) => Btf::split(base),
        None => Btf::new(header.endian),
    };
    btf.endian = header.endian;
    let strings = &bytes[header.strings];
    match (btf.base(), strings) {
        (None, []) => return Err(ReadError::Strings("there are none")),
        (None, [first, ..]) if *first != 0 => {
            return Err(ReadError::Strings("the first one is not the empty one"));
        }
        (_, [.., last]) if *last != 0 => {
            return Err(ReadError::Strings("the last one does not end"));
        }
        _ => {}
    }
    btf.strings = Strings::from_bytes(strings.to_vec(), btf.strings.base());
    btf.types = types(&bytes[header.types], header.endian, btf.types.base())?;
    check_refs(&btf)?;
    Ok(btf)
}

fn header(bytes: &[u8]) -> Result<Header, ReadError> {
    let [first, second, version, _flags, ..] = *bytes else {
        return Err(ReadError::NotBtf("shorter than a header"));
    };
    let endian = match (u16::from_le_bytes([first, second]), u16::from_be_bytes([first, second])) {
        (MAGIC, _) => Endian::Little,
        (_, MAGIC) => Endian::Big,
        _ => return Err(ReadError::NotBtf("wrong magic")),
    };
    if version != VERSION {
        return Err(ReadError::NotBtf("unknown version"));
    }
    let word = |index: usize| -> Option<usize> {
        let bytes = bytes.get(4 + index * 4..)?.first_chunk()?;
        Some(endian.word(*bytes) as usize)
    };
    let words = [word(0), word(1), word(2), word(3), word(4)];
    let [Some(len), Some(type_off), Some(type_len), Some(str_off), Some(str_len)] = words else {
        return Err(ReadError::NotBtf("shorter than a header"));
    };
    if len < HEADER_LEN as usize || len > bytes.len() {
        return Err(ReadError::Header("its length"));
    }
    if bytes[HEADER_LEN as usize..len].iter().skip(8).any(|byte| *byte != 0) {
        return Err(ReadError::Header("it is longer than any that is known"));
    }
    let part = |offset: usize, size: usize| {
        let start = len.checked_add(offset)?;
        let end = start.checked_add(size).filter(|end| *end <= bytes.len())?;
        Some(start..end)
    };
    let types = part(type_off, type_len).ok_or(ReadError::Header("types outside the blob"))?;
    let strings = part(str_off, str_len).ok_or(ReadError::Header("strings outside the blob"))?;
    if type_off % 4 != 0 || type_len % 4 != 0 {
        return Err(ReadError::Header("types at an odd place"));
    }
    Ok(Header { endian, types, strings })
}

fn types(bytes: &[u8], endian: Endian, base: TypeId) -> Result<Types, ReadError> {
    let words = bytes.chunks_exact(4).map(|word| endian.word([word[0], word[1], word[2], word[3]]));
    let words: Vec<u32> = words.collect();
    // Pointers, of three words, are the most common kind, and names the next: it is a guess.
    let mut starts = Vec::with_capacity(words.len() / 6);
    let mut rest = &words[..];
    while !rest.is_empty() {
        let id = TypeId(base.0.saturating_add(starts.len() as u32).saturating_add(1));
        let error = |what| ReadError::Type { id, what };
        if id.0 > MAX_TYPES {
            return Err(error("more types than BTF can have"));
        }
        let &[_, info, _, ..] = rest else { return Err(error("cut off")) };
        let info = Info(info);
        let kind = Kind::of(info.kind()).ok_or(error("unknown kind"))?;
        let (fixed, each) = kind.extra_words();
        let entries = if each == 0 { 0 } else { info.vlen() as usize };
        let len = 3 + fixed + each * entries;
        starts.push((words.len() - rest.len()) as u32);
        rest = rest.get(len..).ok_or(error("cut off"))?;
    }
    Ok(Types::of_words(base, words, starts))
}

fn check_refs(btf: &Btf) -> Result<(), ReadError> {
    let last = btf.types.last();
    let strings = btf.strings.base() as usize + btf.strings.bytes().len();
    // The largest of all tells whether any is wrong: no branch for each.
    let (mut type_id, mut name) = (TypeId::VOID, StrOff::EMPTY);
    for (_, ty) in btf.types.iter() {
        ty.for_each_ref(|target| type_id = type_id.max(target));
        ty.for_each_name(|at| name = name.max(at));
    }
    if type_id <= last && (name.0 as usize) < strings.max(1) {
        return Ok(());
    }
    for (id, ty) in btf.types.iter() {
        let mut what = None;
        ty.for_each_ref(|target| {
            if target > last {
                what = Some("refers to a type that there is not");
            }
        });
        ty.for_each_name(|StrOff(at)| {
            if at as usize >= strings.max(1) {
                what = Some("a name outside the strings");
            }
        });
        if let Some(what) = what {
            return Err(ReadError::Type { id, what });
        }
    }
    Ok(())
}

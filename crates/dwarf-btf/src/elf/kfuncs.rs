//! Kernel functions that BPF programs may call: sets of them lie in `.BTF_ids`, and symbols of
//! known forms say where (the kernel's `include/linux/btf_ids.h`).
//!
//! ```text
//! __BTF_ID__set8__NAME       a set: count, flags, then (id, flags) pairs
//! __BTF_ID__func__NAME__N    one pair
//! ```

use kmill_btf::Endian;

use crate::elf::functions::ElfFunctions;
use crate::elf::image::Image;
use crate::error::EncodeError;

/// The flag of a set that holds kfuncs.
const SET8_KFUNCS: u32 = 1;

/// Flags of a kfunc (the kernel's `include/linux/btf.h`).
pub(crate) const FASTCALL: u32 = 1 << 12;
pub(crate) const ARENA_RET: u32 = 1 << 13;
pub(crate) const ARENA_ARG1: u32 = 1 << 14;
pub(crate) const ARENA_ARG2: u32 = 1 << 15;

/// Marks the functions that are in a set of kfuncs.
pub(crate) fn mark(image: &Image<'_>, functions: &mut ElfFunctions<'_>) -> Result<(), EncodeError> {
    let sections = image.sections.iter().enumerate().skip(1);
    let mut named = sections.filter(|(_, section)| section.name == b".BTF_ids");
    let Some((index, ids)) = named.next_back() else { return Ok(()) };
    let Some(symbols) = &image.symbols else { return Ok(()) };
    let mut mine = Vec::new();
    symbols.for_each(|symbol| mine.extend((symbol.section as usize == index).then_some(symbol)));
    let word =
        |address: u64, at: u64| word(ids.raw(), image.endian, address.wrapping_sub(ids.addr), at);

    let mut sets = Vec::new();
    for symbol in mine.iter().filter(|symbol| symbol.name.starts_with(b"__BTF_ID__set8__")) {
        if word(symbol.value, 4).is_some_and(|flags| flags & SET8_KFUNCS != 0) {
            sets.push(symbol.value..symbol.value.saturating_add(symbol.size));
        }
    }
    for symbol in &mine {
        let Some(name) = function_name(symbol.name) else { continue };
        if !sets.iter().any(|set| set.contains(&symbol.value)) {
            continue;
        }
        let Some(flags) = word(symbol.value, 4) else {
            return Err(EncodeError::Elf(format!(
                ".BTF_ids: the place of {} lies outside",
                String::from_utf8_lossy(name)
            )));
        };
        if let Some(id) = functions.find(name) {
            functions.all[id.0 as usize].kfunc = Some(flags);
        }
    }
    Ok(())
}

/// The word `at` bytes behind an offset.
fn word(bytes: &[u8], endian: Endian, offset: u64, at: u64) -> Option<u32> {
    let start = usize::try_from(offset.checked_add(at)?).ok()?;
    bytes.get(start..)?.first_chunk().map(|bytes| endian.word(*bytes))
}

/// The name in `__BTF_ID__func__NAME__N`.
fn function_name(symbol: &[u8]) -> Option<&[u8]> {
    let rest = symbol.strip_prefix(b"__BTF_ID__func__")?;
    let end = memchr::memrchr(b'_', rest)?;
    rest[..end].strip_suffix(b"_")
}

#[cfg(test)]
mod tests {
    use super::function_name;

    #[test]
    fn a_kfuncs_name_lies_between_prefix_and_number() {
        assert_eq!(function_name(b"__BTF_ID__func__vfs_close__1"), Some(&b"vfs_close"[..]));
        assert_eq!(function_name(b"__BTF_ID__func__a__b__12"), Some(&b"a__b"[..]));
        assert_eq!(function_name(b"__BTF_ID__func__a_1"), None);
        assert_eq!(function_name(b"__BTF_ID__struct__a__1"), None);
    }
}

//! The order of modules: that of modules.order, then that of a hash table which
//! kmod has used since 2011 and on which its output depends.

use std::collections::HashMap;

use super::module_file::ModuleFile;
use crate::scan;

/// Buckets of kmod's table of modules, which never grows.
pub(crate) const MODULE_BUCKETS: u32 = 512;
/// Buckets of its table of symbols.
pub(crate) const SYMBOL_BUCKETS: u32 = 2048;

/// Room for a line of modules.order (PATH_MAX).
const LINE_ROOM: usize = 4096;

/// The place of `key` when kmod walks its hash table: by bucket, then by bytes.
pub(crate) fn hash_order(key: &[u8], buckets: u32) -> (u32, &[u8]) {
    (super_fast_hash(key) & (buckets - 1), key)
}

/// SuperFastHash, after Paul Hsieh's public description
/// (<http://www.azillionmonkeys.com/qed/hash.html>), as a little-endian machine
/// with signed chars computes it: the order must not depend on the machine that
/// runs us.
fn super_fast_hash(key: &[u8]) -> u32 {
    let word = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]));
    let mut hash = key.len() as u32;
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        hash = hash.wrapping_add(word(chunk[0], chunk[1]));
        hash = (hash << 16) ^ ((word(chunk[2], chunk[3]) << 11) ^ hash);
        hash = hash.wrapping_add(hash >> 11);
    }
    match *chunks.remainder() {
        [a, b, c] => {
            hash = hash.wrapping_add(word(a, b));
            hash ^= hash << 16;
            hash ^= u32::from(c) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [a, b] => {
            hash = hash.wrapping_add(word(a, b));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [a] => {
            hash = hash.wrapping_add(a as i8 as u32);
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

/// A line of modules.order has no newline; holds the number of that line, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Corrupt(pub(super) usize);

/// Sorts modules by the text of modules.order, if there is one, and by hash order
/// behind that.
///
/// # Errors
/// A line is not a line: then its whole text does not count.
pub(super) fn sort(modules: &mut [ModuleFile], order: Option<&[u8]>) -> Result<(), Corrupt> {
    modules.sort_by_cached_key(|module| {
        let (bucket, name) = hash_order(&module.name, MODULE_BUCKETS);
        (bucket, Box::<[u8]>::from(name))
    });
    let Some(order) = order else { return Ok(()) };
    let listed = listed(order)?;
    let mut places = HashMap::with_capacity(listed.len());
    for (place, path) in listed.into_iter().enumerate() {
        places.entry(path).or_insert(place);
    }
    modules.sort_by_cached_key(|module| {
        let place = module.order_key().and_then(|path| places.get(path));
        place.copied().unwrap_or(usize::MAX)
    });
    Ok(())
}

/// The paths of modules.order.
fn listed(text: &[u8]) -> Result<Vec<&[u8]>, Corrupt> {
    let mut paths = Vec::new();
    for (number, line) in (1..).zip(scan::lines(text, LINE_ROOM)) {
        match line {
            [] => {}
            [path @ .., b'\n'] => paths.push(path),
            _ => return Err(Corrupt(number)),
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_lines_end_with_newline_or_the_file_does_not_count() {
        assert_eq!(listed(b"a.ko\nb.ko\n"), Ok(vec![&b"a.ko"[..], b"b.ko"]));
        assert_eq!(listed(b"a.ko\n\nb.ko"), Err(Corrupt(3)));
        assert_eq!(listed(b"a\0b\n"), Err(Corrupt(1)));
        assert_eq!(listed(b"\0b\na\n"), Ok(vec![&b"a"[..]]));
        let long = [vec![b'x'; 4095], b"\n".to_vec()].concat();
        assert_eq!(listed(&long), Err(Corrupt(1)));
        let fits = [vec![b'x'; 4094], b"\n".to_vec()].concat();
        assert_eq!(listed(&fits), Ok(vec![&fits[..4094]]));
    }
}

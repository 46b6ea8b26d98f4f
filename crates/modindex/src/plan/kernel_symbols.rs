//! The kernel's own exported symbols, from System.map or Module.symvers: what
//! `depmod -e` checks the modules' needs against.

use kernel_elf::Crc;
use rustix::io::Errno;

use super::config::read_file;
use super::request::KernelSymbolFile;
use crate::diagnostic::{Diagnostic, Log, path_bytes};
use crate::error::Error;
use crate::scan;

/// Room for a line.
const LINE_ROOM: usize = 10_240;

/// Symbols in the order in which they were read; a later one of the same name counts.
#[derive(Clone, Debug, Default)]
pub struct KernelSymbols {
    pub(crate) symbols: Vec<(Box<[u8]>, Crc)>,
}

impl KernelSymbols {
    /// Reads a list.
    ///
    /// # Errors
    /// The file cannot be read. A line that makes no sense is said and passed over.
    pub(super) fn load(
        file: &KernelSymbolFile,
        prefix: Option<u8>,
        log: &mut Log<'_>,
    ) -> Result<KernelSymbols, Error> {
        let (KernelSymbolFile::Symvers(path) | KernelSymbolFile::SystemMap(path)) = file;
        let name = path_bytes(path);
        let text =
            read_file(path).map_err(|errno| Error::KernelSymbols { file: name.clone(), errno })?;
        let mut symbols = match file {
            KernelSymbolFile::Symvers(_) => symvers(&text, &name, prefix, log),
            KernelSymbolFile::SystemMap(_) => system_map(&text, &name, prefix, log),
        };
        // The loader makes __this_module, s390 the offset table, ppc64 the TOC.
        for name in [&b"__this_module"[..], b"_GLOBAL_OFFSET_TABLE_"] {
            symbols.push((name.into(), Crc(0)));
        }
        let toc = strip_prefix(b"TOC.", prefix);
        if !symbols.iter().any(|(name, _)| **name == *toc) {
            symbols.push((b"TOC."[..].into(), Crc(0)));
        }
        Ok(KernelSymbols { symbols })
    }
}

/// Drops the architecture's symbol prefix.
pub(crate) fn strip_prefix(name: &[u8], prefix: Option<u8>) -> &[u8] {
    match (name, prefix) {
        ([first, rest @ ..], Some(prefix)) if *first == prefix => rest,
        _ => name,
    }
}

/// `c0294200 R __ksymtab_devfs_alloc_devnum`
fn system_map(
    text: &[u8],
    file: &[u8],
    prefix: Option<u8>,
    log: &mut Log<'_>,
) -> Vec<(Box<[u8]>, Crc)> {
    let mut symbols = Vec::new();
    for (number, line) in (1..).zip(scan::lines(text, LINE_ROOM)) {
        let Some(name) = line.splitn(3, |byte| *byte == b' ').nth(2) else {
            log(Diagnostic::MapLine { file: file.into(), line: number, text: line.into() });
            continue;
        };
        let name = strip_prefix(name, prefix);
        if let Some(symbol) = name.strip_prefix(b"__ksymtab_") {
            let symbol = symbol.strip_suffix(b"\n").unwrap_or(symbol);
            symbols.push((symbol.into(), Crc(0)));
        }
    }
    symbols
}

/// `0xb352177e\tfind_first_bit\tvmlinux\tEXPORT_SYMBOL`; only the kernel's own
/// count. In a line of three words the third ends with the newline, and so is
/// not `vmlinux`.
fn symvers(
    text: &[u8],
    file: &[u8],
    prefix: Option<u8>,
    log: &mut Log<'_>,
) -> Vec<(Box<[u8]>, Crc)> {
    let mut symbols = Vec::new();
    for (number, line) in (1..).zip(scan::lines(text, LINE_ROOM)) {
        let mut words =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let (Some(version), Some(symbol), Some(b"vmlinux")) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        match hexadecimal(version) {
            Ok(crc) => symbols.push((strip_prefix(symbol, prefix).into(), crc)),
            Err(errno) => {
                let (file, version) = (file.into(), version.into());
                log(Diagnostic::SymversLine { file, line: number, version, errno });
            }
        }
    }
    symbols
}

/// strtoull(3) of base 16 over a whole word.
fn hexadecimal(word: &[u8]) -> Result<Crc, Option<Errno>> {
    let start = word.iter().position(|byte| !is_space(*byte)).unwrap_or(word.len());
    let word = &word[start..];
    let (negative, digits) = match word {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, word),
    };
    let digits = match digits {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest,
        _ => digits,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(None);
    }
    let text = std::str::from_utf8(digits).map_err(|_| None)?;
    let value = u64::from_str_radix(text, 16).map_err(|_| Some(Errno::RANGE))?;
    Ok(Crc(if negative { value.wrapping_neg() } else { value }))
}

/// isspace(3) in the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    type Symbols = Vec<(Box<[u8]>, Crc)>;

    fn run(
        parse: fn(&[u8], &[u8], Option<u8>, &mut Log<'_>) -> Symbols,
        text: &str,
    ) -> (Vec<(String, u64)>, Vec<String>) {
        let mut said = Vec::new();
        let symbols = parse(text.as_bytes(), b"F", None, &mut |diagnostic| {
            said.push(String::from_utf8(diagnostic.words()).unwrap());
        });
        let name = |bytes: Box<[u8]>| String::from_utf8(bytes.into_vec()).unwrap();
        (symbols.into_iter().map(|(symbol, crc)| (name(symbol), crc.0)).collect(), said)
    }

    #[test]
    fn system_map_lists_ksymtab_entries() {
        let (symbols, said) =
            run(system_map, "ffff T main\nffff R __ksymtab_printk\nbad\nffff r __ksymtab_last");
        assert_eq!(symbols, [("printk".to_owned(), 0), ("last".to_owned(), 0)]);
        assert_eq!(said, ["F:3: invalid line: bad\n"]);
    }

    #[test]
    fn symvers_lists_the_kernels_own() {
        let (symbols, said) = run(
            symvers,
            "0x1234\ta\tvmlinux\tEXPORT_SYMBOL\n12\tb\tvmlinux\n0x1 c fs/x EXPORT_SYMBOL\n\
             0xzz d vmlinux E\n0x123456789abcdef01 e vmlinux E\n-1 f vmlinux E\n",
        );
        assert_eq!(symbols, [("a".to_owned(), 0x1234), ("f".to_owned(), u64::MAX)]);
        assert_eq!(
            said,
            [
                "F:4 Invalid symbol version 0xzz: Success",
                "F:5 Invalid symbol version 0x123456789abcdef01: Numerical result out of range"
            ]
        );
    }
}

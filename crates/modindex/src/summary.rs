//! Phase 2, map: what one module says, as an owned summary. Runs in parallel, one
//! module a call; nothing is shared but the hash function.

use std::hash::{BuildHasher, Hasher};
use std::os::fd::AsFd;

use hashbrown::HashTable;
use kernel_elf::module::NoExports;
use kernel_elf::{Crc, ModuleElf, ModuleReader, ReadError, SymbolScan};
use rustix::io::Errno;

use crate::plan::kernel_symbols::strip_prefix;
use crate::plan::{ModuleFile, Plan};

/// The hash function of symbol names, the same for all modules of a run. Its seed
/// changes from run to run, so that nobody can prepare modules that collide;
/// nothing that is written depends on it.
#[derive(Clone, Debug, Default)]
pub struct NameHash(foldhash::fast::RandomState);

impl NameHash {
    pub(crate) fn of(&self, name: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(name);
        hasher.finish()
    }
}

/// A piece of a summary's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

/// A symbol that a module exports or needs. `hash` is that of the name it is
/// looked up by, which starts `skip` bytes into the name it is called by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SymbolUse {
    pub(crate) hash: u64,
    name: Span,
    skip: u8,
    /// It may stay unresolved.
    pub(crate) weak: bool,
}

/// The strings of `.modinfo` that the index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Info {
    Alias,
    Softdep,
    Weakdep,
}

/// Why a module's symbols could not be read, in kmod's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    /// What the codec says at each of kmod's three attempts to read the file.
    pub(crate) codec: [Option<String>; 3],
}

/// What one module says.
#[derive(Clone, Debug, Default)]
pub struct ModuleSummary {
    text: Vec<u8>,
    pub(crate) exports: Vec<SymbolUse>,
    pub(crate) imports: Vec<SymbolUse>,
    /// Of each export and each import, if CRCs are compared.
    pub(crate) export_crcs: Vec<Crc>,
    pub(crate) import_crcs: Vec<Crc>,
    infos: Vec<(Info, Span)>,
    pub(crate) failure: Option<Failure>,
}

impl ModuleSummary {
    /// Empties it, but keeps its memory.
    fn clear(&mut self) {
        let ModuleSummary { text, exports, imports, export_crcs, import_crcs, infos, failure } =
            self;
        text.clear();
        exports.clear();
        imports.clear();
        export_crcs.clear();
        import_crcs.clear();
        infos.clear();
        *failure = None;
    }

    fn span(&self, span: Span) -> &[u8] {
        &self.text[span.start as usize..][..span.len as usize]
    }

    /// The name as the module has it.
    pub(crate) fn name(&self, symbol: &SymbolUse) -> &[u8] {
        self.span(symbol.name)
    }

    /// The name that is looked up: without dot and prefix.
    pub(crate) fn key(&self, symbol: &SymbolUse) -> &[u8] {
        &self.name(symbol)[usize::from(symbol.skip)..]
    }

    /// The values of one `.modinfo` key, in the module's order.
    pub(crate) fn infos(&self, wanted: Info) -> impl Iterator<Item = &[u8]> {
        self.infos.iter().filter(move |(info, _)| *info == wanted).map(|(_, span)| self.span(*span))
    }

    fn push(&mut self, text: &[u8], limit: usize) -> Result<Span, TooMuch> {
        let start = self.text.len();
        if text.len() > limit.saturating_sub(start) {
            return Err(TooMuch);
        }
        self.text.extend_from_slice(text);
        Ok(Span { start: start as u32, len: text.len() as u32 })
    }
}

/// A module's names overlap so often that copies of them would fill the memory.
struct TooMuch;

/// One worker's scratch.
#[derive(Debug, Default)]
pub struct Scratch {
    reader: ModuleReader,
    scan: SymbolScan,
    /// The summary that is being made: its lists grow here, and leave at their size.
    draft: ModuleSummary,
    /// Names that are needed, to tell which versions are of none of them.
    needed: HashTable<(u64, Span)>,
    word: Vec<u8>,
}

/// Reads one module, whose file has `bytes`, or 0 if that was not asked.
pub(crate) fn summarize(
    plan: &Plan,
    hash: &NameHash,
    module: &ModuleFile,
    bytes: u64,
    scratch: &mut Scratch,
) -> ModuleSummary {
    scratch.draft.clear();
    match read(plan, hash, module, bytes, scratch) {
        // Copies have just the capacity they need.
        Ok(()) => scratch.draft.clone(),
        Err(error) => {
            let codec = match &error {
                ReadError::Codec(error) => [0, 1, 2].map(|n| error.attempt(n).map(str::to_owned)),
                _ => Default::default(),
            };
            let failure = Some(Failure { errno: error.errno(), codec });
            ModuleSummary { failure, ..ModuleSummary::default() }
        }
    }
}

fn read(
    plan: &Plan,
    hash: &NameHash,
    module: &ModuleFile,
    bytes: u64,
    scratch: &mut Scratch,
) -> Result<(), ReadError> {
    let Scratch { reader, scan, draft: summary, needed, word } = scratch;
    let file = plan.open(module).map_err(ReadError::Open)?;
    let elf = reader.read(file.as_fd())?;
    let crcs = plan.request.wants_crcs();
    let symbols = elf.scan_symbols(scan);
    let prefix = plan.request.symbol_prefix;
    // A name may be used by several symbols, or be part of a longer one; copies
    // of all of them must stay in proportion to the file.
    let limit = text_limit(bytes, elf.bytes());
    let failed = |errno| Some(Failure { errno, codec: Default::default() });

    let listed = symbols.is_ok() && !scan.bad_name && !scan.crcs.is_empty();
    let exports = if listed {
        exports_of_crcs(&elf, scan, hash, prefix, crcs.then_some(word), limit, summary)?
    } else {
        exports_of_strings(&elf, hash, prefix, crcs, limit, summary)
    };
    if let Err(errno) = exports {
        summary.exports.clear();
        summary.export_crcs.clear();
        summary.failure = failed(errno);
    }
    for (key, value) in elf.modinfo().into_iter().flatten() {
        let info = match key {
            b"alias" => Info::Alias,
            b"softdep" => Info::Softdep,
            b"weakdep" => Info::Weakdep,
            _ => continue,
        };
        match summary.push(value, limit) {
            Ok(span) => summary.infos.push((info, span)),
            Err(TooMuch) => summary.failure = failed(Errno::NOMEM),
        }
    }
    // kmod says nothing where this fails; the module then needs nothing.
    if symbols.is_ok()
        && !scan.bad_undefined
        && imports(&elf, scan, hash, prefix, crcs, limit, needed, summary).is_none()
    {
        summary.imports.clear();
        summary.import_crcs.clear();
    }
    Ok(())
}

fn text_limit(file: u64, image: u64) -> usize {
    let bytes = file.max(image).saturating_mul(4).saturating_add(1 << 20);
    usize::try_from(bytes).unwrap_or(usize::MAX).min(u32::MAX as usize)
}

/// What `__crc_` symbols say is exported.
fn exports_of_crcs(
    elf: &ModuleElf<'_>,
    scan: &SymbolScan,
    hash: &NameHash,
    prefix: Option<u8>,
    mut crcs: Option<&mut Vec<u8>>,
    limit: usize,
    summary: &mut ModuleSummary,
) -> Result<Result<(), Errno>, ReadError> {
    for symbol in &scan.crcs {
        let name = strip_prefix(elf.name(symbol.name), prefix);
        let Ok(span) = summary.push(name, limit) else { return Ok(Err(Errno::NOMEM)) };
        summary.exports.push(SymbolUse { hash: hash.of(name), name: span, skip: 0, weak: false });
        if let Some(word) = crcs.as_deref_mut() {
            summary.export_crcs.push(elf.crc(symbol, word)?);
        }
    }
    Ok(Ok(()))
}

/// What `__ksymtab_strings` says is exported, without CRCs.
fn exports_of_strings(
    elf: &ModuleElf<'_>,
    hash: &NameHash,
    prefix: Option<u8>,
    crcs: bool,
    limit: usize,
    summary: &mut ModuleSummary,
) -> Result<(), Errno> {
    let names = match elf.ksymtab_strings() {
        Ok(names) => names,
        Err(NoExports::NoData) => return Ok(()),
        Err(NoExports::Malformed) => return Err(Errno::INVAL),
    };
    for name in names {
        let name = strip_prefix(name, prefix);
        let span = summary.push(name, limit).map_err(|TooMuch| Errno::NOMEM)?;
        summary.exports.push(SymbolUse { hash: hash.of(name), name: span, skip: 0, weak: false });
        if crcs {
            summary.export_crcs.push(Crc(0));
        }
    }
    Ok(())
}

/// The undefined symbols, then the versions of none of them (`module_layout`):
/// the kernel checks those as well. None: the module counts as needing nothing.
#[expect(clippy::too_many_arguments, reason = "the parts of one worker's scratch and one request")]
fn imports(
    elf: &ModuleElf<'_>,
    scan: &SymbolScan,
    hash: &NameHash,
    prefix: Option<u8>,
    crcs: bool,
    limit: usize,
    needed: &mut HashTable<(u64, Span)>,
    summary: &mut ModuleSummary,
) -> Option<()> {
    let add = |summary: &mut ModuleSummary, name: &[u8], weak| {
        let span = summary.push(name, limit).ok()?;
        // ppc64 calls functions by names with a dot, which nothing exports.
        let key = strip_prefix(name.strip_prefix(b".").unwrap_or(name), prefix);
        let skip = (name.len() - key.len()) as u8;
        summary.imports.push(SymbolUse { hash: hash.of(key), name: span, skip, weak });
        Some(())
    };
    for symbol in &scan.undefined {
        add(summary, elf.name(symbol.name), symbol.weak)?;
    }
    let undefined = summary.imports.len();

    needed.clear();
    for at in 0..undefined {
        let symbol = summary.imports[at];
        // Hashed as it is called: that is how versions call it.
        let name_hash = if symbol.skip == 0 { symbol.hash } else { hash.of(summary.name(&symbol)) };
        let same = |(other, span): &(u64, Span)| {
            *other == name_hash && summary.span(*span) == summary.name(&symbol)
        };
        if needed.find(name_hash, same).is_none() {
            needed.insert_unique(name_hash, (name_hash, symbol.name), |(hash, _)| *hash);
        }
    }
    // Each name takes its first version; any other version stands for itself.
    let mut crc_of: Vec<(Span, Crc)> = Vec::new();
    let mut own_crcs: Vec<Crc> = Vec::new();
    let mut unreadable = false;
    for version in elf.versions() {
        let Some(name) = version.name else {
            unreadable = true;
            continue;
        };
        let name_hash = hash.of(name);
        let same = |(other, span): &(u64, Span)| *other == name_hash && summary.span(*span) == name;
        match needed.find_entry(name_hash, same) {
            Ok(entry) => {
                let ((_, span), _) = entry.remove();
                if crcs {
                    crc_of.push((span, version.crc));
                }
            }
            Err(_) => {
                add(summary, name, false)?;
                own_crcs.push(version.crc);
            }
        }
    }
    if unreadable {
        return None;
    }
    if crcs {
        summary.import_crcs = import_crcs(summary, undefined, &crc_of);
        summary.import_crcs.append(&mut own_crcs);
    }
    Some(())
}

/// The CRCs of the undefined symbols, in their order; 0 where there is none.
fn import_crcs(summary: &ModuleSummary, undefined: usize, crc_of: &[(Span, Crc)]) -> Vec<Crc> {
    let by_name: std::collections::HashMap<&[u8], Crc> =
        crc_of.iter().map(|(span, crc)| (summary.span(*span), *crc)).collect();
    let symbols = summary.imports[..undefined].iter();
    symbols.map(|symbol| by_name.get(summary.name(symbol)).copied().unwrap_or_default()).collect()
}

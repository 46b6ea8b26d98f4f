//! Everything an index run has to say, as values; the program prints them.
//!
//! The words are kmod 34's, byte for byte, since scripts search for them; they
//! stand in one table here. What kmod does not say (because it aborts, hangs or
//! exits 0 where we report) is marked "ours" and listed in COMPAT.md.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

/// How bad it is; the order is that of syslog priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The run ends at once with exit status 1.
    Fatal,
    /// Something was left out.
    Error,
    /// Something looks wrong.
    Warning,
    /// Shown with `-v`.
    Notice,
    /// Shown with `-vv`.
    Info,
}

/// Which words of depmod.d did not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditional {
    /// `override`
    Override,
    /// `external`
    External,
}

/// The receiver of diagnostics, in the order in which the run comes upon them.
pub type Log<'a> = dyn FnMut(Diagnostic) + 'a;

type Bytes = Box<[u8]>;

/// One thing to say. Paths and names are bytes as the file system and the
/// modules have them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the words below say what each one and its fields are")]
pub enum Diagnostic {
    // depmod.d
    ConfigDir { path: Bytes, errno: Errno },
    ConfigName { dir: Bytes, name: Bytes },
    ConfigStat { dir: Bytes, name: Bytes },
    ConfigSubdir { dir: Bytes, name: Bytes },
    ConfigOpen { path: Bytes, errno: Errno },
    ConfigLine { path: Bytes, line: usize, word: Bytes },
    ConfigKernel { path: Bytes, line: usize, what: Conditional, pattern: Bytes },
    ConfigWord { path: Bytes, line: usize, word: Bytes },
    // The walk. `fd` is the directory's descriptor as kmod numbers it: 3 and its depth.
    OpenDir { path: Bytes, errno: Errno },
    Stat { fd: usize, name: Bytes, errno: Errno },
    OpenSubdir { fd: usize, name: Bytes, errno: Errno },
    FileType { path: Bytes, mode: u32 },
    DirectoryLoop { path: Bytes },
    TooManyLinks { path: Bytes },
    // The inputs beside the modules
    TreeMissing { dir: Bytes, errno: Errno },
    InputMissing { name: &'static str, dir: Bytes, errno: Errno },
    OrderCorrupt { dir: Bytes, line: usize },
    NeedsKernelSymbols,
    MapLine { file: Bytes, line: usize, text: Bytes },
    SymversLine { file: Bytes, line: usize, version: Bytes, errno: Option<Errno> },
    // Quick mode
    QuickStat { dir: Bytes, errno: Errno },
    // One module
    Codec { words: String },
    LoadSymbols { path: Bytes, errno: Errno },
    Needs { path: Bytes, symbol: Bytes, owner: Bytes },
    UnknownSymbol { path: Bytes, symbol: Bytes },
    Disagrees { path: Bytes, symbol: Bytes },
    // The graph
    Cycle { modules: Vec<Bytes> },
    CyclesUnlisted,
    CyclesFound { modules: usize },
    // The files
    DuplicateAlias { alias: Bytes, module: Bytes },
    UnmatchedBracket { alias: Bytes },
    BadCharacter { byte: u8, text: Bytes },
    BuiltinLine { line: Bytes },
    BuiltinField { text: Bytes },
    Devname { module: Bytes, devname: Bytes },
    Unlocked { dir: Bytes, errno: Errno },
}

impl Diagnostic {
    /// How bad it is.
    pub fn level(&self) -> Level {
        use Diagnostic::*;
        match self {
            ConfigDir { .. }
            | ConfigStat { .. }
            | ConfigSubdir { .. }
            | ConfigOpen { .. }
            | ConfigLine { .. }
            | OpenDir { .. }
            | Stat { .. }
            | OpenSubdir { .. }
            | FileType { .. }
            | OrderCorrupt { .. }
            | MapLine { .. }
            | SymversLine { .. }
            | QuickStat { .. }
            | Codec { .. }
            | LoadSymbols { .. }
            | Cycle { .. }
            | CyclesUnlisted
            | CyclesFound { .. }
            | BuiltinLine { .. }
            | Devname { .. } => Level::Error,
            DirectoryLoop { .. }
            | TooManyLinks { .. }
            | TreeMissing { .. }
            | InputMissing { .. }
            | NeedsKernelSymbols
            | UnknownSymbol { .. }
            | Disagrees { .. }
            | DuplicateAlias { .. }
            | UnmatchedBracket { .. }
            | BadCharacter { .. }
            | BuiltinField { .. }
            | Unlocked { .. } => Level::Warning,
            Needs { .. } => Level::Notice,
            ConfigName { .. } | ConfigKernel { .. } | ConfigWord { .. } => Level::Info,
        }
    }

    /// The text behind the level, without a newline at its end.
    pub fn words(&self) -> Vec<u8> {
        use Diagnostic::*;
        let w = Words::default();
        let w = match self {
            ConfigDir { path, errno } => w.s("files list ").b(path).s(": ").e(*errno),
            ConfigName { dir, name } => w.s("All cfg files need .conf: ").b(dir).s("/").b(name),
            // No slash between the two: kmod's words.
            ConfigStat { dir, name } => w.s("Cannot stat directory entry: ").b(dir).b(name),
            ConfigSubdir { dir, name } => {
                w.s("Directories inside directories are not supported: ").b(dir).s("/").b(name)
            }
            ConfigOpen { path, errno } => w.s("file parse ").b(path).s(": ").e(*errno),
            ConfigLine { path, line, word } => {
                w.at(path, *line).s(": ignoring bad line starting with '").b(word).s("'")
            }
            ConfigKernel { path, line, what, pattern } => w
                .at(path, *line)
                .s(match what {
                    Conditional::Override => ": override kernel did not match ",
                    Conditional::External => ": external directory did not match ",
                })
                .b(pattern),
            ConfigWord { path, line, word } => {
                w.at(path, *line).s(": command ").b(word).s(" not implemented yet")
            }
            OpenDir { path, errno } | TreeMissing { dir: path, errno } => {
                w.s("could not open directory ").b(path).s(": ").e(*errno)
            }
            Stat { fd, name, errno } => w.s("fstatat(").n(*fd).s(", ").b(name).s("): ").e(*errno),
            OpenSubdir { fd, name, errno } => {
                w.s("openat(").n(*fd).s(", ").b(name).s(", O_RDONLY): ").e(*errno)
            }
            FileType { path, mode } => {
                w.s("unsupported file type ").b(path).s(&format!(": {mode:o}"))
            }
            DirectoryLoop { path } => w.s("directory loop, not followed: ").b(path),
            TooManyLinks { path } => w.s("too many links to directories, not followed: ").b(path),
            InputMissing { name, dir, errno } => {
                w.s("could not open ").s(name).s(" at ").b(dir).s(": ").e(*errno)
            }
            OrderCorrupt { dir, line } => {
                w.b(dir).s("/modules.order:").n(*line).s(" corrupted line misses '\\n'")
            }
            NeedsKernelSymbols => w.s("-e needs -E or -F"),
            MapLine { file, line, text } => w.at(file, *line).s(": invalid line: ").b(text),
            SymversLine { file, line, version, errno } => {
                let w = w.at(file, *line).s(" Invalid symbol version ").b(version).s(": ");
                match errno {
                    Some(errno) => w.e(*errno),
                    None => w.s("Success"),
                }
            }
            QuickStat { dir, errno } => {
                w.s("could not fstatat(").b(dir).s(", modules.dep): ").e(*errno)
            }
            Codec { words } => w.s(words),
            LoadSymbols { path, errno } => {
                w.s("failed to load symbols from ").b(path).s(": ").e(*errno)
            }
            Needs { path, symbol, owner } => w.b(path).s(" needs \"").b(symbol).s("\": ").b(owner),
            UnknownSymbol { path, symbol } => w.b(path).s(" needs unknown symbol ").b(symbol),
            Disagrees { path, symbol } => {
                w.b(path).s(" disagrees about version of symbol ").b(symbol)
            }
            Cycle { modules } => w.s("Cycle detected: ").b(&modules.join(&b" -> "[..])),
            CyclesUnlisted => w.s("There are more cycles than are listed here"),
            CyclesFound { modules } => {
                w.s("Found ").n(*modules).s(" modules in dependency cycles!")
            }
            DuplicateAlias { alias, module } => {
                w.s("duplicate module alias:\n").b(alias).s(" ").b(module)
            }
            UnmatchedBracket { alias } => w.s("Unmatched bracket in ").b(alias),
            BadCharacter { byte, text } => w
                .s("Module index: bad character '")
                .b(&[*byte])
                .s(&format!("'={byte:#x} - only 7-bit ASCII is supported:\n"))
                .b(text),
            BuiltinLine { line } => w.s("Invalid modules.builtin line: ").b(line),
            BuiltinField { text } => w.s("Could not flush stream: 28. Partial content: ").b(text),
            Devname { module, devname } => w
                .s("Module '")
                .b(module)
                .s("' has devname (")
                .b(devname)
                .s(") but lacks major and minor information. Ignoring."),
            Unlocked { dir, errno } => {
                w.s("could not lock ").b(dir).s(": ").e(*errno).s("; going on without")
            }
        };
        w.0
    }
}

/// The text of an errno, as strerror(3) gives it.
pub fn strerror(errno: Errno) -> String {
    // std appends the number in parentheses; there is no other safe strerror.
    let text = std::io::Error::from_raw_os_error(errno.raw_os_error()).to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A path's bytes, for a diagnostic.
pub(crate) fn path_bytes(path: &Path) -> Bytes {
    path.as_os_str().as_bytes().into()
}

/// Appends pieces of a message.
#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    fn b(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn s(self, text: &str) -> Self {
        self.b(text.as_bytes())
    }
    fn n(self, number: usize) -> Self {
        self.s(&number.to_string())
    }
    fn e(self, errno: Errno) -> Self {
        self.s(&strerror(errno))
    }
    fn at(self, file: &[u8], line: usize) -> Self {
        self.b(file).s(":").n(line)
    }
}

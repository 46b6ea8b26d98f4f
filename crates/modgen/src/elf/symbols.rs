//! The symbol side of a module: `.symtab`, `.strtab`, `__ksymtab_strings`, `__kcrctab` and
//! `__versions`.

use super::arch::Encoder;
use super::damage::Section;
use super::module::{Binding, CrcStyle, Import, Module, symbol_crc};

const STB_LOCAL: u8 = 0;
const STB_GLOBAL: u8 = 1;
const STB_WEAK: u8 = 2;
const STT_NOTYPE: u8 = 0;
const STT_FUNC: u8 = 2;
const STT_SECTION: u8 = 3;
const STT_FILE: u8 = 4;
const STT_REGISTER: u8 = 13;
const SHN_UNDEF: u16 = 0;
const SHN_ABS: u16 = 0xfff1;

/// Bytes of a `__versions` entry in either class.
pub(super) const VERSION_ENTRY: usize = 64;

/// The contents of `.symtab` and `.strtab`, and how many symbols are local (`sh_info`).
pub(super) struct SymbolTables {
    pub(super) symtab: Vec<u8>,
    pub(super) strtab: Vec<u8>,
    pub(super) locals: u32,
}

struct Symbol {
    name: u32,
    bind: u8,
    kind: u8,
    shndx: u16,
    value: u64,
}

/// Names, NUL-terminated, starting with the empty one.
struct Names(Vec<u8>);

impl Names {
    fn add(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let offset = self.0.len();
        self.0.extend(name.bytes());
        self.0.push(0);
        u32::try_from(offset).unwrap_or(u32::MAX)
    }
}

/// Builds `.symtab`. `index` gives the section header index of a section, 0 if it is missing.
pub(super) fn symbol_tables(module: &Module, index: impl Fn(Section) -> u16) -> SymbolTables {
    let mut names = Names(vec![0]);
    let mut symbols =
        vec![Symbol { name: 0, bind: STB_LOCAL, kind: STT_NOTYPE, shndx: SHN_UNDEF, value: 0 }];

    // What every compiled object begins with: the file, then nameless section symbols.
    let file = names.add(&format!("{}.c", module.name));
    symbols.push(Symbol { name: file, bind: STB_LOCAL, kind: STT_FILE, shndx: SHN_ABS, value: 0 });
    for section in [Section::Text, Section::Modinfo] {
        let shndx = index(section);
        symbols.push(Symbol { name: 0, bind: STB_LOCAL, kind: STT_SECTION, shndx, value: 0 });
    }

    // A linker shares the tail of `__crc_x` with `x`; so do we, for readers to cope with.
    let mut exported_names = Vec::new();
    let mut absolute_crcs = Vec::new();
    let mut crc_offset = 0;
    for export in &module.exports {
        let style = export.style.unwrap_or(module.crc_style);
        if style == CrcStyle::None {
            exported_names.push(names.add(&export.name));
            continue;
        }
        let name = names.add(&format!("__crc_{}", export.name));
        exported_names.push(name + 6);
        if style == CrcStyle::Absolute {
            let value = u64::from(export.crc.unwrap_or_else(|| symbol_crc(&export.name)));
            let shndx = SHN_ABS;
            let bind = STB_GLOBAL;
            absolute_crcs.push(Symbol { name, bind, kind: STT_NOTYPE, shndx, value });
        } else {
            let shndx = index(Section::Kcrctab);
            let value = crc_offset;
            symbols.push(Symbol { name, bind: STB_LOCAL, kind: STT_NOTYPE, shndx, value });
            crc_offset += 4;
        }
    }
    let locals = u32::try_from(symbols.len()).unwrap_or(u32::MAX);

    let text = index(Section::Text);
    for (name, value) in [("init_module", 0), ("cleanup_module", 8)] {
        let name = names.add(name);
        symbols.push(Symbol { name, bind: STB_GLOBAL, kind: STT_FUNC, shndx: text, value });
    }
    for name in exported_names {
        symbols.push(Symbol { name, bind: STB_GLOBAL, kind: STT_FUNC, shndx: text, value: 16 });
    }
    symbols.append(&mut absolute_crcs);
    for import in &module.imports {
        let (bind, kind) = match import.binding {
            Binding::Global => (STB_GLOBAL, STT_NOTYPE),
            Binding::Weak => (STB_WEAK, STT_NOTYPE),
            Binding::Register => (STB_GLOBAL, STT_REGISTER),
            Binding::VersionsOnly => continue,
        };
        let name = names.add(&import.name);
        symbols.push(Symbol { name, bind, kind, shndx: SHN_UNDEF, value: 0 });
    }

    let mut out = Encoder::new(module.class, module.endian);
    for symbol in symbols {
        encode(&mut out, &symbol);
    }
    SymbolTables { symtab: out.out, strtab: names.0, locals }
}

fn encode(out: &mut Encoder, symbol: &Symbol) {
    let info = symbol.bind << 4 | symbol.kind;
    out.u32(symbol.name);
    if out.class.word() == 4 {
        out.word(symbol.value);
        out.word(0);
        out.out.extend([info, 0]);
        out.u16(symbol.shndx);
    } else {
        out.out.extend([info, 0]);
        out.u16(symbol.shndx);
        out.word(symbol.value);
        out.word(0);
    }
}

/// `__ksymtab_strings`: each name followed by its namespace, which is mostly empty.
pub(super) fn ksymtab_strings(module: &Module) -> Vec<u8> {
    let mut out = Vec::new();
    for export in &module.exports {
        for text in [&export.name, &export.namespace] {
            out.extend(text.bytes());
            out.push(0);
        }
    }
    out
}

/// `__kcrctab`: the CRCs of the exports stored there, in order.
pub(super) fn kcrctab(module: &Module) -> Vec<u8> {
    let mut out = Encoder::new(module.class, module.endian);
    for export in &module.exports {
        if export.style.unwrap_or(module.crc_style) == CrcStyle::Section {
            out.u32(export.crc.unwrap_or_else(|| symbol_crc(&export.name)));
        }
    }
    out.out
}

/// `__versions`: names without a symbol first, then the imports that have a CRC.
pub(super) fn versions(module: &Module) -> Vec<u8> {
    let mut out = Vec::new();
    if module.modversions {
        out.extend(version_entry(module, "module_layout", symbol_crc("module_layout")));
    }
    let only = |import: &&Import| import.binding == Binding::VersionsOnly;
    let first = module.imports.iter().filter(only);
    let then = module.imports.iter().filter(|import| !only(import));
    for import in first.chain(then) {
        let crc = match import.crc {
            Some(crc) => crc,
            None if module.modversions && import.binding != Binding::Register => {
                symbol_crc(&import.name)
            }
            None => continue,
        };
        out.extend(version_entry(module, &import.name, crc));
    }
    out
}

/// One zero-padded entry, or nothing where the name with its NUL does not fit.
pub(super) fn version_entry(module: &Module, name: &str, crc: u32) -> Vec<u8> {
    if module.class.word() + name.len() >= VERSION_ENTRY {
        return Vec::new();
    }
    let mut out = Encoder::new(module.class, module.endian);
    out.word(u64::from(crc));
    out.out.extend(name.bytes());
    out.out.resize(VERSION_ENTRY, 0);
    out.out
}

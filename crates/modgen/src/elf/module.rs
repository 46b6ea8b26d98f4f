//! The builder of a module, and the names and numbers that go with it.

use super::arch::{Arch, Class, Endian};
use super::damage::Damage;

/// The CRC that stands for a symbol when a test does not care which: CRC-32 (IEEE) of its name.
///
/// [`Module::export`] and [`Module::modversions`] both use it, so exporters and importers agree
/// until a test makes them differ.
#[must_use]
pub fn symbol_crc(name: &str) -> u32 {
    let mut crc = u32::MAX;
    for byte in name.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// The module name a file name stands for: up to the first dot, `-` written as `_`.
#[must_use]
pub fn module_name(file_name: &str) -> String {
    file_name.split('.').next().unwrap_or_default().replace('-', "_")
}

/// How the `__crc_<symbol>` of an export is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CrcStyle {
    /// No `__crc_` symbol: a kernel without `CONFIG_MODVERSIONS`. A depmod then falls back to
    /// `__ksymtab_strings`.
    None,
    /// A global `SHN_ABS` symbol whose value is the CRC (kernels before 5.19 on most machines).
    Absolute,
    /// A local symbol whose value is an offset into `__kcrctab`, where the CRC is a 32-bit word.
    #[default]
    Section,
}

/// One exported symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The symbol.
    pub name: String,
    /// Its namespace, empty for none.
    pub namespace: String,
    /// Its CRC, or `None` for [`symbol_crc`] of the name.
    pub crc: Option<u32>,
    /// Where the CRC is kept, or `None` for the module's own style.
    pub style: Option<CrcStyle>,
}

/// One undefined symbol, or a `__versions` entry that has no symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The symbol.
    pub name: String,
    /// What stands in `.symtab` for it.
    pub binding: Binding,
    /// The CRC of its `__versions` entry. `None`: no entry, unless [`Module::modversions`] asks
    /// for one per symbol.
    pub crc: Option<u32>,
}

/// How an [`Import`] appears in `.symtab`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// An undefined global symbol.
    Global,
    /// An undefined weak symbol: the module loads without it.
    Weak,
    /// An undefined `STT_REGISTER` symbol, which sparc compilers emit and no module provides.
    Register,
    /// No symbol: the name appears in `__versions` only, as `module_layout` does.
    VersionsOnly,
}

/// A kernel module to be written. Every method takes and returns the builder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub(super) name: String,
    pub(super) class: Class,
    pub(super) endian: Endian,
    pub(super) machine: u16,
    pub(super) modinfo: Vec<Vec<u8>>,
    pub(super) modinfo_tail: bool,
    pub(super) modinfo_padding: usize,
    pub(super) vermagic: String,
    pub(super) exports: Vec<Export>,
    pub(super) crc_style: CrcStyle,
    pub(super) imports: Vec<Import>,
    pub(super) modversions: bool,
    pub(super) rodata: usize,
    pub(super) signature: Option<usize>,
    pub(super) damage: Vec<Damage>,
}

impl Module {
    /// A module for x86_64 with no exports, imports or aliases. `name` is what `name=` will say
    /// (through [`module_name`]); the file name is the tree's business.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let (class, endian, machine) = Arch::X86_64.ident();
        Self {
            name: name.into(),
            class,
            endian,
            machine,
            modinfo: Vec::new(),
            modinfo_tail: true,
            modinfo_padding: 0,
            vermagic: "6.6.0 SMP preempt mod_unload modversions ".to_owned(),
            exports: Vec::new(),
            crc_style: CrcStyle::default(),
            imports: Vec::new(),
            modversions: false,
            rodata: 0,
            signature: None,
            damage: Vec::new(),
        }
    }

    /// Sets class, byte order and `e_machine` together.
    #[must_use]
    pub fn arch(mut self, arch: Arch) -> Self {
        (self.class, self.endian, self.machine) = arch.ident();
        self
    }

    /// Sets only the class.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Sets only the byte order.
    #[must_use]
    pub fn endian(mut self, endian: Endian) -> Self {
        self.endian = endian;
        self
    }

    /// Sets only `e_machine`.
    #[must_use]
    pub fn machine(mut self, machine: u16) -> Self {
        self.machine = machine;
        self
    }

    /// Adds `key=value` to `.modinfo`. Entries keep the order of the calls.
    #[must_use]
    pub fn modinfo(self, key: &str, value: &str) -> Self {
        self.modinfo_entry(format!("{key}={value}"))
    }

    /// Adds one `.modinfo` entry as it is, even one without `=`. The NUL is added.
    #[must_use]
    pub fn modinfo_entry(mut self, entry: impl Into<Vec<u8>>) -> Self {
        self.modinfo.push(entry.into());
        self
    }

    /// Adds `alias=`.
    #[must_use]
    pub fn alias(self, alias: &str) -> Self {
        self.modinfo("alias", alias)
    }

    /// Adds `softdep=`, for example `pre: crc32c`.
    #[must_use]
    pub fn softdep(self, softdep: &str) -> Self {
        self.modinfo("softdep", softdep)
    }

    /// Adds `weakdep=`.
    #[must_use]
    pub fn weakdep(self, weakdep: &str) -> Self {
        self.modinfo("weakdep", weakdep)
    }

    /// Adds `depends=`, the kernel build's own idea of the dependencies.
    #[must_use]
    pub fn depends(self, depends: &str) -> Self {
        self.modinfo("depends", depends)
    }

    /// Adds `import_ns=`.
    #[must_use]
    pub fn import_ns(self, namespace: &str) -> Self {
        self.modinfo("import_ns", namespace)
    }

    /// Adds `license=`. Without a call the file says `GPL`.
    #[must_use]
    pub fn license(self, license: &str) -> Self {
        self.modinfo("license", license)
    }

    /// Sets the value of `vermagic=`.
    #[must_use]
    pub fn vermagic(mut self, vermagic: impl Into<String>) -> Self {
        self.vermagic = vermagic.into();
        self
    }

    /// Leaves out what the kernel build adds to every `.modinfo` (`license` if none was given,
    /// `depends` likewise, `intree`, `name`, `vermagic`).
    #[must_use]
    pub fn bare_modinfo(mut self) -> Self {
        self.modinfo_tail = false;
        self
    }

    /// Puts `zeros` extra NUL bytes before the first `.modinfo` entry and after each one, as
    /// linkers do when they align the pieces.
    #[must_use]
    pub fn pad_modinfo(mut self, zeros: usize) -> Self {
        self.modinfo_padding = zeros;
        self
    }

    /// Exports a symbol with the CRC [`symbol_crc`] gives it.
    #[must_use]
    pub fn export(self, name: &str) -> Self {
        self.export_as(Export { name: name.into(), namespace: "".into(), crc: None, style: None })
    }

    /// Exports a symbol with a CRC of its own.
    #[must_use]
    pub fn export_crc(self, name: &str, crc: u32) -> Self {
        let crc = Some(crc);
        self.export_as(Export { name: name.into(), namespace: "".into(), crc, style: None })
    }

    /// Exports a symbol into a namespace.
    #[must_use]
    pub fn export_ns(self, name: &str, namespace: &str) -> Self {
        let namespace = namespace.into();
        self.export_as(Export { name: name.into(), namespace, crc: None, style: None })
    }

    /// Exports a symbol with everything spelled out.
    #[must_use]
    pub fn export_as(mut self, export: Export) -> Self {
        self.exports.push(export);
        self
    }

    /// Sets how the CRCs of exports are stored.
    #[must_use]
    pub fn crc_style(mut self, style: CrcStyle) -> Self {
        self.crc_style = style;
        self
    }

    /// Needs a symbol.
    #[must_use]
    pub fn import(self, name: &str) -> Self {
        self.import_as(Import { name: name.into(), binding: Binding::Global, crc: None })
    }

    /// Needs a symbol with a given CRC in `__versions`.
    #[must_use]
    pub fn import_crc(self, name: &str, crc: u32) -> Self {
        self.import_as(Import { name: name.into(), binding: Binding::Global, crc: Some(crc) })
    }

    /// Can use a symbol, but loads without it.
    #[must_use]
    pub fn import_weak(self, name: &str) -> Self {
        self.import_as(Import { name: name.into(), binding: Binding::Weak, crc: None })
    }

    /// Lists a name in `__versions` without an undefined symbol, as the kernel build does for
    /// `module_layout`. These entries come before those of imports.
    #[must_use]
    pub fn version_entry(self, name: &str, crc: u32) -> Self {
        self.import_as(Import { name: name.into(), binding: Binding::VersionsOnly, crc: Some(crc) })
    }

    /// Adds an undefined `STT_REGISTER` symbol (see [`Binding::Register`]).
    #[must_use]
    pub fn register_symbol(self, name: &str) -> Self {
        self.import_as(Import { name: name.into(), binding: Binding::Register, crc: None })
    }

    /// Needs a symbol, with everything spelled out.
    #[must_use]
    pub fn import_as(mut self, import: Import) -> Self {
        self.imports.push(import);
        self
    }

    /// Gives every import a `__versions` entry (with [`symbol_crc`] unless it has its own CRC),
    /// and adds the entry `module_layout`. A name too long for the 64-byte entry gets none.
    #[must_use]
    pub fn modversions(mut self) -> Self {
        self.modversions = true;
        self
    }

    /// Makes the file larger by `bytes` of read-only data that compresses about as well as code.
    #[must_use]
    pub fn padding(mut self, bytes: usize) -> Self {
        self.rodata = bytes;
        self
    }

    /// Appends a signature of `bytes` bytes with the trailer the kernel's `sign-file` writes. The
    /// signature itself is not one: only its place and length are right.
    #[must_use]
    pub fn signed(mut self, bytes: usize) -> Self {
        self.signature = Some(bytes);
        self
    }

    /// Damages the file. Several damages add up in the order of the calls.
    #[must_use]
    pub fn damage(mut self, damage: Damage) -> Self {
        self.damage.push(damage);
        self
    }

    /// Whether any [`Damage`] was asked for.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty()
    }

    /// The name given to [`Module::new`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The exports, in the order of the calls.
    #[must_use]
    pub fn exports(&self) -> &[Export] {
        &self.exports
    }

    /// The imports and `__versions`-only names, in the order of the calls.
    #[must_use]
    pub fn imports(&self) -> &[Import] {
        &self.imports
    }
}

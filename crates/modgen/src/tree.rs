//! A module directory: the files, the lists the kernel build puts beside them, and what lies
//! outside (symbol tables, configuration, external directories).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::compress::{Compression, Oddity};
use crate::elf::Module;

/// In configuration text and link targets, the directory the tree is written to. `external` lines
/// need it: their path is absolute whatever the base directory.
pub const ROOT: &str = "@ROOT@";

/// A whole tree, ready to be written anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The kernel version: the name of the directory.
    pub version: String,
    /// The files; [`Tree::write_to`] sorts them by path.
    pub modules: Vec<TreeModule>,
    /// `modules.order`, as text because it may be malformed. `None`: no such file.
    pub order: Option<String>,
    /// `modules.builtin`.
    pub builtin: Option<String>,
    /// `modules.builtin.modinfo`.
    pub builtin_modinfo: Option<Vec<u8>>,
    /// `System.map`, written below `boot`.
    pub system_map: Option<String>,
    /// `Module.symvers`, written below `boot`.
    pub symvers: Option<String>,
    /// Files of `etc/depmod.d`: name and text, where [`ROOT`] stands for the tree's root.
    pub depmod_conf: Vec<(String, String)>,
    /// Directories outside of the version directory.
    pub externals: Vec<External>,
    /// Stores the files below `store` and fills the module directory with symbolic links to them,
    /// as some distributions do.
    pub symlink_farm: bool,
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeModule {
    /// Path relative to the version directory (or the external one), without the compression
    /// suffix: `kernel/fs/ext4/ext4.ko`.
    pub path: String,
    /// What the file is.
    pub content: Content,
    /// The codec of a regular file.
    pub compression: Compression,
    /// How the stream differs from what the kernel build makes.
    pub oddity: Option<Oddity>,
    /// The suffix, where it is not the codec's: a stream may hide behind another name.
    pub suffix: Option<String>,
    /// Permission bits, where the default of 0644 will not do.
    pub mode: Option<u32>,
}

/// What a [`TreeModule`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A generated module.
    Module(Box<Module>),
    /// Bytes as they are, before compression.
    Bytes(Vec<u8>),
    /// A symbolic link with this target, which may be a directory, missing, or use [`ROOT`].
    Symlink(String),
}

impl From<Module> for Content {
    fn from(module: Module) -> Self {
        Content::Module(Box::new(module))
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Content::Bytes(bytes)
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Content::Bytes(bytes.to_vec())
    }
}

/// A directory of modules that an `external` line may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Path relative to the root the tree is written to.
    pub dir: String,
    /// Its files.
    pub modules: Vec<TreeModule>,
}

/// Where [`Tree::write_to`] put things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The root, as it was given: the value of `depmod -b`.
    pub root: PathBuf,
    /// The kernel version: the first positional argument of depmod.
    pub version: String,
    /// The version directory.
    pub module_dir: PathBuf,
    /// The configuration directory; it exists even without files, so that `depmod -C` can keep
    /// the machine's own configuration out.
    pub config_dir: PathBuf,
    /// `System.map`, if the tree has one: the value of `depmod -F`.
    pub system_map: Option<PathBuf>,
    /// `Module.symvers`, if the tree has one: the value of `depmod -E`.
    pub symvers: Option<PathBuf>,
}

impl Written {
    /// The arguments every run of a depmod over this tree needs: `-b ROOT -C CONFIG VERSION`.
    #[must_use]
    pub fn depmod_args(&self) -> [OsString; 5] {
        let root = self.root.clone().into_os_string();
        let config = self.config_dir.clone().into_os_string();
        ["-b".into(), root, "-C".into(), config, OsString::from(&self.version)]
    }
}

impl TreeModule {
    /// A plain `.ko` file.
    #[must_use]
    pub fn new(path: impl Into<String>, content: impl Into<Content>) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
            compression: Compression::None,
            oddity: None,
            suffix: None,
            mode: None,
        }
    }

    /// A symbolic link. `path` is its whole name.
    #[must_use]
    pub fn symlink(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(path, Content::Symlink(target.into()))
    }

    /// Sets the codec, and with it the suffix.
    #[must_use]
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Makes the stream odd or broken.
    #[must_use]
    pub fn odd(mut self, oddity: Oddity) -> Self {
        self.oddity = Some(oddity);
        self
    }

    /// Sets the suffix apart from the codec, for example `.gz` on an xz stream.
    #[must_use]
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = Some(suffix.into());
        self
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The path with the suffix: what a depmod sees.
    #[must_use]
    pub fn file_path(&self) -> String {
        match &self.suffix {
            Some(suffix) => format!("{}{suffix}", self.path),
            None => format!("{}{}", self.path, self.compression.suffix()),
        }
    }

    /// The bytes of the file; empty for a link.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let owned;
        let plain = match &self.content {
            Content::Symlink(_) => return Ok(Vec::new()),
            Content::Bytes(bytes) => bytes,
            Content::Module(module) => {
                owned = module.to_bytes();
                &owned
            }
        };
        match self.oddity {
            Some(oddity) => self.compression.encode_odd(plain, oddity),
            None => self.compression.encode(plain),
        }
    }
}

impl Tree {
    /// An empty tree: a version directory without any file.
    #[must_use]
    pub fn new(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            modules: Vec::new(),
            order: None,
            builtin: None,
            builtin_modinfo: None,
            system_map: None,
            symvers: None,
            depmod_conf: Vec::new(),
            externals: Vec::new(),
            symlink_farm: false,
        }
    }

    /// Adds an uncompressed module (or bytes) at `path`.
    #[must_use]
    pub fn module(self, path: &str, content: impl Into<Content>) -> Self {
        self.file(TreeModule::new(path, content))
    }

    /// Adds a compressed module; `path` is without the codec's suffix.
    #[must_use]
    pub fn compressed(
        self,
        path: &str,
        compression: Compression,
        content: impl Into<Content>,
    ) -> Self {
        self.file(TreeModule::new(path, content).compressed(compression))
    }

    /// Adds a file with everything spelled out.
    #[must_use]
    pub fn file(mut self, file: TreeModule) -> Self {
        self.modules.push(file);
        self
    }

    /// Writes `modules.order` with these lines, each ended by a newline.
    #[must_use]
    pub fn order<'a>(mut self, lines: impl IntoIterator<Item = &'a str>) -> Self {
        self.order = Some(joined(lines));
        self
    }

    /// Writes `modules.order` with the modules in the order they were added.
    #[must_use]
    pub fn order_as_listed(mut self) -> Self {
        self.order = Some(joined(self.modules.iter().map(|module| module.path.as_str())));
        self
    }

    /// Writes `modules.builtin` with these lines.
    #[must_use]
    pub fn builtin<'a>(mut self, lines: impl IntoIterator<Item = &'a str>) -> Self {
        self.builtin = Some(joined(lines));
        self
    }

    /// Writes `modules.builtin.modinfo` with these entries (`module.key=value`), each ended by a
    /// NUL.
    #[must_use]
    pub fn builtin_modinfo<'a>(mut self, entries: impl IntoIterator<Item = &'a str>) -> Self {
        let bytes = entries.into_iter().flat_map(|entry| entry.bytes().chain([0]));
        self.builtin_modinfo = Some(bytes.collect());
        self
    }

    /// Writes a `System.map` in which the kernel exports these symbols.
    #[must_use]
    pub fn system_map<'a>(mut self, symbols: impl IntoIterator<Item = &'a str>) -> Self {
        self.system_map = Some(system_map_text(symbols));
        self
    }

    /// Writes a `Module.symvers` in which the kernel exports these symbols with these CRCs.
    #[must_use]
    pub fn symvers<'a>(mut self, symbols: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let lines = symbols
            .into_iter()
            .map(|(symbol, crc)| format!("0x{crc:08x}\t{symbol}\tvmlinux\tEXPORT_SYMBOL\t\n"));
        self.symvers = Some(lines.collect());
        self
    }

    /// Adds a file of `depmod.d`. [`ROOT`] in the text becomes the root of the written tree.
    #[must_use]
    pub fn conf(mut self, name: &str, text: &str) -> Self {
        self.depmod_conf.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Adds an external directory. Only an `external` line makes a depmod look there.
    #[must_use]
    pub fn external(mut self, dir: &str, modules: Vec<TreeModule>) -> Self {
        self.externals.push(External { dir: dir.to_owned(), modules });
        self
    }

    /// Writes the tree below `root`, which is created if missing; `moddir` is `lib/modules` on
    /// most systems. The files are created in sorted order, so that a directory's own order is
    /// the same on one file system each time.
    pub fn write_to(&self, root: &Path, moddir: &str) -> io::Result<Written> {
        let module_dir = root.join(moddir).join(&self.version);
        let config_dir = root.join("etc/depmod.d");
        fs::create_dir_all(&module_dir)?;
        fs::create_dir_all(&config_dir)?;

        let store = self.symlink_farm.then(|| root.join("store"));
        write_modules(&self.modules, &module_dir, root, store.as_deref())?;
        for external in &self.externals {
            let dir = root.join(&external.dir);
            fs::create_dir_all(&dir)?;
            write_modules(&external.modules, &dir, root, None)?;
        }

        let lists = [
            ("modules.builtin", self.builtin.as_ref().map(String::as_bytes)),
            ("modules.builtin.modinfo", self.builtin_modinfo.as_deref()),
            ("modules.order", self.order.as_ref().map(String::as_bytes)),
        ];
        for (name, content) in lists {
            if let Some(content) = content {
                fs::write(module_dir.join(name), content)?;
            }
        }
        for (name, text) in &self.depmod_conf {
            fs::write(config_dir.join(name), with_root(text, root)?)?;
        }

        let boot = root.join("boot");
        let symbols = |name: &str, text: &Option<String>| -> io::Result<Option<PathBuf>> {
            let Some(text) = text else { return Ok(None) };
            fs::create_dir_all(&boot)?;
            let path = boot.join(format!("{name}-{}", self.version));
            fs::write(&path, text)?;
            Ok(Some(path))
        };
        Ok(Written {
            root: root.to_owned(),
            version: self.version.clone(),
            module_dir,
            config_dir,
            system_map: symbols("System.map", &self.system_map)?,
            symvers: symbols("Module.symvers", &self.symvers)?,
        })
    }
}

pub(crate) fn system_map_text<'a>(symbols: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = "0000000000000000 A fixed_percpu_data\n".to_owned();
    let mut address = 0xffff_ffff_8100_0000_u64;
    for symbol in symbols {
        text.push_str(&format!("{address:016x} T {symbol}\n"));
        text.push_str(&format!("{:016x} r __ksymtab_{symbol}\n", address + 0x100_0000));
        address += 16;
    }
    text
}

fn joined<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    lines.into_iter().flat_map(|line| [line, "\n"]).collect()
}

/// Replaces [`ROOT`] by the absolute path of `root`.
fn with_root(text: &str, root: &Path) -> io::Result<String> {
    if !text.contains(ROOT) {
        return Ok(text.to_owned());
    }
    let root = std::path::absolute(root)?;
    let root = root.to_str().ok_or_else(|| io::Error::other("the root's path is not UTF-8"))?;
    Ok(text.replace(ROOT, root))
}

fn write_modules(
    modules: &[TreeModule],
    dir: &Path,
    root: &Path,
    store: Option<&Path>,
) -> io::Result<()> {
    let mut sorted: Vec<_> = modules.iter().map(|module| (module.file_path(), module)).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    for (number, (relative, module)) in sorted.into_iter().enumerate() {
        let path = dir.join(&relative);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        if let Content::Symlink(target) = &module.content {
            symlink(with_root(target, root)?.as_ref(), &path)?;
            continue;
        }
        let bytes = module.to_bytes()?;
        let file = match store {
            None => path,
            Some(store) => {
                // One directory per file, named by number: nothing about the place repeats the
                // path, so only a reader of the link's own name gets the module right.
                let place = std::path::absolute(store)?.join(format!("{number:04}"));
                fs::create_dir_all(&place)?;
                let file = place.join("content");
                symlink(&file, &path)?;
                file
            }
        };
        fs::write(&file, bytes)?;
        if let Some(mode) = module.mode {
            set_mode(&file, mode)?;
        }
    }
    Ok(())
}

fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

fn set_mode(file: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree::new("6.6.0-test")
            .module("kernel/b.ko", Module::new("b").import("a_symbol"))
            .compressed("kernel/a.ko", Compression::Zstd, Module::new("a").export("a_symbol"))
            .file(TreeModule::new("kernel/odd.ko", b"text".as_slice()).suffix(".gz").mode(0o600))
            .file(TreeModule::symlink("updates", "@ROOT@/elsewhere"))
            .order_as_listed()
            .builtin(["kernel/lib/crc32.ko"])
            .system_map(["printk"])
            .symvers([("printk", 0x1234)])
            .conf("local.conf", "external * @ROOT@/ext\n")
            .external("ext", vec![TreeModule::new("c.ko", Module::new("c"))])
    }

    #[test]
    fn everything_lands_where_written_says() {
        let dir = tempfile::tempdir().unwrap();
        let written = tree().write_to(dir.path(), "lib/modules").unwrap();
        let read = |path: &str| fs::read(written.module_dir.join(path)).unwrap();

        assert_eq!(written.module_dir, dir.path().join("lib/modules/6.6.0-test"));
        assert_eq!(written.depmod_args()[4], "6.6.0-test");
        assert_eq!(read("kernel/b.ko")[..4], *b"\x7fELF");
        assert_eq!(read("kernel/a.ko.zst")[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        assert_eq!(read("kernel/odd.ko.gz"), b"text");
        assert_eq!(
            String::from_utf8(read("modules.order")).unwrap(),
            "kernel/b.ko\nkernel/a.ko\nkernel/odd.ko\nupdates\n"
        );
        let link = fs::read_link(written.module_dir.join("updates")).unwrap();
        assert_eq!(link, dir.path().join("elsewhere"));
        let conf = fs::read_to_string(written.config_dir.join("local.conf")).unwrap();
        assert_eq!(conf, format!("external * {}/ext\n", dir.path().display()));
        assert!(dir.path().join("ext/c.ko").is_file());
        let symvers = fs::read_to_string(written.symvers.unwrap()).unwrap();
        assert_eq!(symvers, "0x00001234\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n");
        let map = fs::read_to_string(written.system_map.unwrap()).unwrap();
        assert!(map.contains(" r __ksymtab_printk\n"));
    }

    #[test]
    fn a_symlink_farm_holds_only_links_to_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let mut farm = tree();
        farm.symlink_farm = true;
        let written = farm.write_to(dir.path(), "usr/lib/modules").unwrap();
        let path = written.module_dir.join("kernel/b.ko");
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), Module::new("b").import("a_symbol").to_bytes());
    }
}

//! One kernel module: a builder that ends in the bytes of an ET_REL file.
//!
//! The file has the sections a depmod looks at, in the order the kernel build leaves them: `.text`,
//! `.modinfo`, `__ksymtab_strings`, `__kcrctab`, `__versions`, `.symtab`, `.strtab`, `.shstrtab`,
//! and the section header table last. Relocations, debug info and code are left out.

mod arch;
mod damage;
mod image;
mod module;
mod symbols;

pub use arch::{Arch, Class, Endian};
pub use damage::{Damage, Section};
pub use module::*;

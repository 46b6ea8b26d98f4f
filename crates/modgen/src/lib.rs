//! Writes small ELF kernel modules and whole module trees: the input of tests, goldens and the demo.
//!
//! A test should show its input next to its assertion, so everything here is a builder:
//!
//! ```
//! use modgen::{Compression, Module, Tree};
//!
//! let tree = Tree::new("6.6.0-demo")
//!     .module("kernel/drivers/ptp/ptp.ko", Module::new("ptp").export("ptp_clock_register"))
//!     .compressed(
//!         "kernel/drivers/net/e1000e.ko",
//!         Compression::Xz,
//!         Module::new("e1000e").alias("pci:v00008086d*").import("ptp_clock_register"),
//!     )
//!     .order_as_listed();
//! assert_eq!(tree.modules[1].file_path(), "kernel/drivers/net/e1000e.ko.xz");
//! ```
//!
//! | module | what it makes |
//! |---|---|
//! | [`elf`] | one module file, sound or damaged in one named way |
//! | [`compress`] | the compressed forms the kernel build makes, and odd ones |
//! | [`tree`] | a module directory with its lists, symbol tables and configuration |
//! | [`random`] | a tree from a seed |
//! | [`sample`] | one fixed, realistic tree |
//! | [`rng`] | numbers from a seed, also for other generators |
//!
//! The same calls give the same bytes everywhere: nothing here reads the clock, the environment
//! or a random source.
#![forbid(unsafe_code)]

pub mod compress;
pub mod elf;
pub mod random;
pub mod rng;
pub mod sample;
pub mod tree;

pub use compress::{Compression, Oddity};
pub use elf::{Arch, Class, CrcStyle, Damage, Endian, Module, Section};
pub use random::{Shape, random_tree};
pub use sample::sample_tree;
pub use tree::{Tree, TreeModule, Written};

//! The breaks: what is changed, and which test must fail then.

mod btf;
mod engine;
mod modules;

use super::mutant::Mutant;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Mutant> {
    [engine::PADATA, modules::DEPMOD, btf::BTF].into_iter().flatten()
}

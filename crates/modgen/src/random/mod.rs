//! A tree from a seed: the input of property tests that compare one depmod with another.
//!
//! A tree is drawn in three steps. `drafts` decides which files there are, under which names, and
//! what each exports; only then can `contents` give every file imports without making a cycle by
//! accident; `lists` writes the files beside the modules. A [`Shape`] says what may occur.

mod contents;
mod drafts;
mod lists;
mod shape;

use crate::rng::Rng;
pub use shape::{Duplicates, Shape};

use crate::tree::Tree;

/// The version of every random tree.
pub const VERSION: &str = "6.6.0-random";

/// The tree of this seed. The same seed and shape give the same tree; another shape gives another
/// tree, not a subset.
#[must_use]
pub fn random_tree(seed: u64, shape: &Shape) -> Tree {
    let mut rng = Rng::new(seed);
    let plan = drafts::draw(&mut rng, shape);
    let mut tree = Tree::new(VERSION);
    contents::fill(&mut rng, shape, &plan, &mut tree);
    lists::write(&mut rng, shape, &plan, &mut tree);
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    #[test]
    fn a_seed_always_gives_the_same_bytes() {
        for seed in 0..20 {
            let (a, b) =
                (random_tree(seed, &Shape::everything()), random_tree(seed, &Shape::everything()));
            assert_eq!(a, b);
            for (a, b) in a.modules.iter().zip(&b.modules) {
                assert_eq!(a.to_bytes().unwrap(), b.to_bytes().unwrap());
            }
        }
        assert_ne!(random_tree(1, &Shape::quiet()), random_tree(2, &Shape::quiet()));
    }

    #[test]
    fn trees_respect_the_size_and_the_codecs_of_the_shape() {
        let shape = Shape { max_modules: 7, ..Shape::kmod30() };
        let mut sizes = [0; 8];
        for seed in 0..200 {
            let tree = random_tree(seed, &shape);
            sizes[tree.modules.len()] += 1;
            for file in &tree.modules {
                assert!(shape.codecs.contains(&file.compression));
                let Content::Module(module) = &file.content else { panic!("{}", file.path) };
                let bytes = module.to_bytes();
                assert!(!bytes.windows(8).any(|window| window == b"weakdep="));
            }
        }
        assert!(sizes.iter().all(|count| *count > 0), "{sizes:?}");
    }

    #[test]
    fn everything_that_may_occur_does_occur() {
        let trees: Vec<_> = (0..300).map(|seed| random_tree(seed, &Shape::everything())).collect();
        let any = |test: &dyn Fn(&Tree) -> bool| trees.iter().filter(|tree| test(tree)).count();
        let all_modules = |tree: &Tree, test: &dyn Fn(&crate::Module) -> bool| {
            tree.modules.iter().any(|file| match &file.content {
                Content::Module(module) => test(module),
                _ => false,
            })
        };
        let counts = [
            ("no modules.order", any(&|tree| tree.order.is_none())),
            ("a modules.order", any(&|tree| tree.order.is_some())),
            ("no modules.builtin", any(&|tree| tree.builtin.is_none())),
            ("System.map", any(&|tree| tree.system_map.is_some())),
            ("Module.symvers", any(&|tree| tree.symvers.is_some())),
            ("externals", any(&|tree| !tree.externals.is_empty())),
            ("configuration", any(&|tree| !tree.depmod_conf.is_empty())),
            ("symlink farm", any(&|tree| tree.symlink_farm)),
            ("empty tree", any(&|tree| tree.modules.is_empty())),
            ("damage", any(&|tree| all_modules(tree, &|module| module.is_damaged()))),
            ("imports", any(&|tree| all_modules(tree, &|module| !module.imports().is_empty()))),
            ("oddity", any(&|tree| tree.modules.iter().any(|file| file.oddity.is_some()))),
            ("suffix", any(&|tree| tree.modules.iter().any(|file| file.suffix.is_some()))),
        ];
        for (what, count) in counts {
            assert!(count > 0, "{what} never occurs");
        }
    }
}

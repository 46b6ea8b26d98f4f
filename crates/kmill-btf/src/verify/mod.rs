//! Whether the kernel would take a blob: what `kernel/bpf/btf.c` asks of each type alone
//! (`shape`), of chains of modifiers (`chains`) and of how types fit into each other
//! (`graph`).
//!
//! Of its own blob and its modules' the kernel asks only the first two, and one type that it does
//! not take costs the whole blob: [`Asked`] tells them apart. The rules are those of Linux 6.18:
//! older ones take no flag on tags, and no names of more than 128 bytes before 6.1. Where the
//! kernel stops at the first mistake, this goes on, and is silent about what only follows from
//! another one.

mod chains;
mod graph;
mod members;
mod names;
mod problem;
mod shape;

pub use problem::{Asked, EntryProblem, Problem, What};

use crate::btf::Btf;

/// At most so many problems are listed.
pub const MANY: usize = 1000;

impl Btf {
    /// Everything that the kernel would not take, of our own types; the base is taken for right.
    /// The first thousand problems, in the order of the types.
    pub fn verify(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (id, ty) in self.types.iter() {
            if problems.len() >= MANY {
                break;
            }
            if let Some(what) = shape::problem(self, id, ty) {
                problems.push(Problem { id, what, asked: Asked::Always });
            }
        }
        let wrong: Vec<_> = problems.iter().map(|problem| problem.id).collect();
        problems.extend(chains::problems(self));
        problems.extend(graph::problems(self, &wrong, MANY.saturating_sub(problems.len())));
        problems.truncate(MANY);
        problems.sort_by_key(|problem| problem.id);
        problems
    }
}

#[cfg(test)]
mod tests;

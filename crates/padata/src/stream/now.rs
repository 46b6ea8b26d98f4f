//! Jobs that are done when their function returns.

use std::panic::{self, AssertUnwindSafe};

use crate::erase::Loan;
use crate::panics::{self, CaughtPanic};
use crate::ring::{Run, Stepped};
use crate::sync::Arc;

use super::core::{JobRing, Jobs};
use super::outcome::Outcome;

pub(super) struct Now<G, F> {
    pub(super) scratch: G,
    pub(super) f: F,
}

impl<J, T, S, G, F> Jobs<J, T> for Now<G, F>
where
    S: Send,
    G: Fn() -> S + Send + Sync,
    F: Fn(J, &mut S) -> T + Send + Sync,
{
    type Scratch = S;

    fn run_apart(&self, job: J, scratch: &mut Option<S>) -> Result<J, Outcome<T>> {
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            (self.f)(job, scratch.get_or_insert_with(&self.scratch))
        }));
        Err(match result {
            Ok(result) => Outcome::Done(result),
            Err(payload) => {
                panics::discard_value(scratch.take());
                Outcome::Panicked(CaughtPanic::new(payload))
            }
        })
    }

    fn run<X>(
        &self,
        ring: &JobRing<J, T, X>,
        mut run: Run,
        scratch: &mut Option<S>,
        _loan: &Arc<Loan>,
    ) -> Option<Run> {
        loop {
            let jobs = panic::catch_unwind(AssertUnwindSafe(|| {
                while let Some((_, stepped)) = ring.step(&mut run) {
                    if let Stepped::Job(job) = stepped {
                        let scratch = scratch.get_or_insert_with(&self.scratch);
                        let result = (self.f)(job, scratch);
                        ring.fill(&mut run, Outcome::Done(result));
                    }
                }
            }));
            match jobs {
                Ok(()) => return Some(run),
                Err(payload) => {
                    // What a panic has left of it is for nobody.
                    panics::discard_value(scratch.take());
                    ring.fill(&mut run, Outcome::Panicked(CaughtPanic::new(payload)));
                }
            }
        }
    }

    fn letter(&self) -> Option<(Run, Outcome<T>)> {
        None
    }
}

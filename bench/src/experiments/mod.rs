//! The table of experiments, and of their parts that run in processes of their own.

mod break_even;
mod chunks;
mod clear;
mod ordered;
mod page_init;
mod pcrypt;
mod pin;
mod pin_child;
mod populate;
mod priority;
mod quota;
mod quota_child;

use crate::error::Result;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::work::Pace;

/// One experiment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Experiment {
    name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) run: fn(&Settings, Pace) -> Result<Outcome>,
}

static ALL: [Experiment; 10] = [
    Experiment {
        name: "page-init",
        summary: "first touch of 4 GiB of page descriptors (the kernel's deferred page init)",
        run: page_init::run,
    },
    Experiment {
        name: "clear",
        summary: "1 GiB set to zero, warm and at its first touch",
        run: clear::run,
    },
    Experiment {
        name: "populate",
        summary: "2 GiB of fresh memory populated by the kernel",
        run: populate::run,
    },
    Experiment {
        name: "pin",
        summary: "1 GiB locked in memory, and the undo when the limit is reached",
        run: pin::run,
    },
    Experiment {
        name: "priority",
        summary: "helpers of low priority beside busy threads: the job's time, a bystander's time",
        run: priority::run,
    },
    Experiment {
        name: "quota",
        summary: "under a CPU quota of 1 CPU and of a fifth",
        run: quota::run,
    },
    Experiment {
        name: "chunks",
        summary: "the kernel's chunk rule against guided chunks",
        run: chunks::run,
    },
    Experiment {
        name: "break-even",
        summary: "how much work is worth a helper",
        run: break_even::run,
    },
    Experiment {
        name: "ordered",
        summary: "jobs with results in order: what one costs, beside what others offer",
        run: ordered::run,
    },
    Experiment {
        name: "pcrypt",
        summary: "encryption in order: free workers against pinned ones, beside busy threads",
        run: pcrypt::run,
    },
];

/// A part that runs in a process of its own.
type Child = (&'static str, fn(&[String]) -> Result<()>);

static CHILDREN: [Child; 2] =
    [(pin_child::NAME, pin_child::run), (quota_child::NAME, quota_child::run)];

/// The names, and what each is about.
pub(crate) fn list() -> String {
    let line = |experiment: &Experiment| format!("{:11} {}\n", experiment.name, experiment.summary);
    ALL.iter().map(line).collect()
}

pub(crate) fn find(name: &str) -> Result<&'static Experiment> {
    ALL.iter()
        .find(|experiment| experiment.name == name)
        .ok_or_else(|| format!("no experiment '{name}'; `bench --list` names them").into())
}

pub(crate) fn run_child(name: &str, args: &[String]) -> Result<()> {
    match CHILDREN.iter().find(|(child, _)| *child == name) {
        Some((_, run)) => run(args),
        None => Err(format!("no option '{name}'; see bench --help").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        for experiment in &ALL {
            assert_eq!(find(experiment.name).unwrap().summary, experiment.summary);
            assert!(list().contains(experiment.name));
        }
        assert!(find("speed").is_err());
        assert!(run_child("__no", &[]).is_err());
    }
}

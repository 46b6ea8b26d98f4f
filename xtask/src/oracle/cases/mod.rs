//! Behaviour: small generated trees and command lines, each about one thing.
//!
//! | file | about |
//! |---|---|
//! | `damage` | module files that are broken, in every way and codec |
//! | `options` | command lines |
//! | `config` | depmod.d, duplicates, priorities |
//! | `lists` | modules.order, modules.builtin, modules.builtin.modinfo |
//! | `symbols` | who exports what to whom; System.map and Module.symvers; cycles |
//! | `walk` | what is a module, links, missing directories, outputs |

mod case;
mod config;
mod damage;
mod lists;
mod options;
mod symbols;
mod walk;

use std::path::Path;

use modgen::Written;

use super::compare::{Rules, differences};
use super::context::{Context, Tally};
use super::known::{Verdict, judge};
use super::run::{Before, Call, Outcome, Tool};
use crate::Result;
use crate::files::glob;
use crate::jobs;

use case::Case;

fn all() -> Vec<Case> {
    let parts = [
        damage::cases(),
        options::cases(),
        config::cases(),
        lists::cases(),
        symbols::cases(),
        walk::cases(),
    ];
    parts.into_iter().flatten().collect()
}

/// Runs every case whose name matches.
pub(super) fn run(context: &Context, pattern: &str) -> Result<Tally> {
    let cases: Vec<Case> = all().into_iter().filter(|case| glob(pattern, &case.name)).collect();
    let results = jobs::map(&cases, |case| compare(context, case));
    let mut tally = Tally::new("behaviour cases");
    for (case, result) in cases.iter().zip(results) {
        let (verdict, report) = result.map_err(|error| format!("{}: {error}", case.name))?;
        tally.add(&case.name, verdict, &report);
    }
    Ok(tally)
}

fn compare(context: &Context, case: &Case) -> Result<(Verdict, String)> {
    let work = tempfile::Builder::new().prefix("kmill-oracle-").tempdir()?;
    let root = work.path().join("root");
    let written = case.tree.write_to(&root, "lib/modules")?;
    let call = Call {
        args: case.args.iter().map(|arg| filled(arg, &written).into()).collect(),
        cwd: root.clone(),
        env: case.env.clone(),
    };
    if let Some(setup) = &case.setup {
        setup(&written)?;
    }
    let before = Before::new(&root)?;
    let run = |tool: &Tool| -> Result<Outcome> {
        if let Some(prepare) = &case.prepare {
            prepare(&written)?;
        }
        let mut outcome = tool.run(&call)?;
        outcome.files = before.changes()?;
        before.restore()?;
        Ok(outcome)
    };
    let (reference, ours) = (run(&context.reference)?, run(&context.ours)?);
    let rules: &Rules = &context.rules;
    let found = differences(rules, &reference, &ours);
    let verdict = judge(&case.name, &reference, &ours, &found);
    let shown = format!("depmod {}\n", case.args.join(" "));
    let report = context.report(&case.name, &shown, &found);
    if verdict == Verdict::Different {
        context.keep(&case.name, &root, &reference, &ours)?;
    }
    Ok((verdict, report))
}

fn filled(arg: &str, written: &Written) -> String {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let optional = |path: &Option<std::path::PathBuf>| path.as_deref().map(text);
    arg.replace("{root}", &text(&written.root))
        .replace("{conf}", &text(&written.config_dir))
        .replace("{dir}", &text(&written.module_dir))
        .replace("{out}", &text(&written.root.join("out")))
        .replace("{map}", &optional(&written.system_map).unwrap_or_default())
        .replace("{symvers}", &optional(&written.symvers).unwrap_or_default())
        .replace("{version}", &written.version)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_of_cases_are_unique() {
        let cases = super::all();
        let names: BTreeSet<&str> = cases.iter().map(|case| &*case.name).collect();
        assert_eq!(names.len(), cases.len());
        assert!(cases.len() > 500, "{}", cases.len());
    }
}

//! `--quick`: whether there is anything to do.
//!
//! kmod looks at modules.dep alone, and only whether a module is newer. It misses
//! modules that were removed, or added with an older time as every package
//! manager does, changed configuration, and every other file of the index. Here
//! an index is up to date if every file of it is there, none is older than
//! anything it was made from, and modules.dep lists just the modules there are.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::diagnostic::{Diagnostic, Log, path_bytes};
use crate::emit::file_names;
use crate::plan::Plan;
use crate::plan::config::{Changed, read_all};

/// What the kernel build installs beside the modules.
const INPUTS: [&str; 3] = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];

/// Whether the index that there is already is what a run of this plan would write.
pub fn is_up_to_date(plan: &Plan, log: &mut Log<'_>) -> bool {
    let output = &plan.request.output;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(output, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(errno) => {
            log(Diagnostic::OpenDir { path: path_bytes(output), errno });
            return false;
        }
    };
    let mut oldest = None;
    for name in file_names() {
        match rustix::fs::statat(&dir, name, AtFlags::empty()) {
            Ok(stat) => {
                let written = Changed::written(&stat);
                oldest = Some(oldest.map_or(written, |oldest: Changed| oldest.min(written)));
            }
            Err(errno) => {
                if name == "modules.dep" {
                    log(Diagnostic::QuickStat { dir: path_bytes(output), errno });
                }
                return false;
            }
        }
    }
    let inputs = plan
        .dir
        .iter()
        .flat_map(|dir| {
            let stat = move |name: &&str| rustix::fs::statat(dir, *name, AtFlags::empty()).ok();
            INPUTS.iter().filter_map(stat)
        })
        .map(|stat| Changed::of(&stat));
    let mut newest = inputs.chain(plan.config_changed).max();
    for module in &plan.modules {
        match plan.stat(module) {
            Ok(stat) => newest = newest.max(Some(Changed::of(&stat))),
            Err(_) => return false,
        }
    }
    newest <= oldest && lists_the_modules(plan, dir.as_fd())
}

fn lists_the_modules(plan: &Plan, dir: BorrowedFd<'_>) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let text = rustix::fs::openat(dir, "modules.dep", flags, Mode::empty()).and_then(read_all);
    let Ok(text) = text else { return false };
    let listed: HashSet<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| Some(&line[..memchr::memchr(b':', line)?]))
        .collect();
    let modules: HashSet<&[u8]> = plan.modules.iter().map(|module| module.index_path()).collect();
    listed == modules
}

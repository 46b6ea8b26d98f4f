//! The part of `pin` that runs without the right to lock more than a limit.

use std::fs;

use padata::{ChunkRule, memory as parallel};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use serde_json::json;

use crate::error::{Context, Result};
use crate::{machine, memory, report, settings};

pub(crate) const NAME: &str = "__pin-child";

/// How much more is locked than allowed.
const TIMES: u64 = 4;

/// `THREADS LIMIT`: tries to lock four times as much as is allowed, and prints what came of it.
/// The limit is lower than `LIMIT` bytes if this process may not raise it.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let number = |at: usize| {
        let arg = args.get(at).ok_or("an argument is missing")?;
        arg.parse::<usize>().context(|| arg.clone())
    };
    // One thread would lock all of it in one call, and have nothing to undo.
    let threads = number(0)?.max(2);
    let limit = give_up_rights(number(1)? as u64)?;
    let bytes = usize::try_from(limit * TIMES).context(|| "the limit".to_owned())?;
    let memory = memory::fresh(bytes)?;
    let before = machine::locked_kib()?;
    let pool = settings::pool(threads);
    // Chunks of the same size, each smaller than the limit: the first ones succeed.
    let Err(error) = parallel::on(&pool).chunk_rule(ChunkRule::Kernel).lock(&memory) else {
        return Err(format!("locked {bytes} bytes in spite of a limit of {limit}").into());
    };
    let after = machine::locked_kib()?;
    if after != before {
        return Err(format!("{after} KiB are locked after the undo, {before} before").into());
    }
    if error.undone == 0 {
        return Err(format!("nothing was locked before the limit was reached: {error}").into());
    }
    report::say(
        &json!({
            "error": error.to_string(),
            "io_error_kind": format!("{:?}", error.io_error().kind()),
            "refused_at": error.at.start,
            "undone_bytes": error.undone,
            "wanted_bytes": bytes,
            "limit_bytes": limit,
            "locked_kib_after": after,
        })
        .to_string(),
    );
    Ok(())
}

/// Sets the limit and gives up `CAP_IPC_LOCK`, which lifts it. Threads that start later inherit
/// both. Returns the limit.
fn give_up_rights(wanted: u64) -> Result<u64> {
    let set = |limit| {
        let both = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(Resource::Memlock, both).map(|()| limit)
    };
    // Only root may go beyond the hard limit, which is 8 MiB as a rule.
    let hard = getrlimit(Resource::Memlock).maximum.unwrap_or(wanted);
    let limit = set(wanted).or_else(|_| set(hard.min(wanted)));
    let limit = limit.context(|| "setting RLIMIT_MEMLOCK".to_owned())?;
    let mut sets = capabilities(None).context(|| "reading capabilities".to_owned())?;
    sets.effective.remove(CapabilitySet::IPC_LOCK);
    sets.permitted.remove(CapabilitySet::IPC_LOCK);
    set_capabilities(None, sets).context(|| "giving up CAP_IPC_LOCK".to_owned())?;
    // This process has one thread: its capabilities are those of all it starts.
    let threads = fs::read_dir("/proc/self/task").context(|| "/proc/self/task".to_owned())?.count();
    if threads != 1 {
        return Err(format!("{threads} threads before rights were given up").into());
    }
    Ok(limit)
}

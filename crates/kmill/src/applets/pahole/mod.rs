//! `pahole`: encodes debug info as BTF, as pahole 1.31 does with `-J`; whatever else that one does is
//! left to the next `pahole` in PATH.

mod flags;
mod next;

use std::ffi::{OsStr, OsString};

use self::flags::{Options, Parsed, Threads};
use crate::encode::jobserver::Jobserver;
use crate::encode::{self, Done, Error, Output, Request};
use crate::report::phases::Phases;
use crate::report::streams::{complain, show};
use crate::signals;

pub(crate) use flags::{completion, man};

/// Runs with the arguments behind the program's name; returns the exit status.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> u8 {
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    let lang_exclude = std::env::var_os("PAHOLE_LANG_EXCLUDE");
    let (parsed, said) = flags::parse(program, args, posixly_correct, lang_exclude.as_deref());
    complain(&said);
    match parsed {
        Parsed::Print(text) => show("pahole", &text),
        Parsed::Fail(status) => status,
        Parsed::NotOurs => {
            let why = next::exec(args);
            complain(format!("pahole: {why}\n").as_bytes());
            flags::USAGE
        }
        Parsed::Run(options) => run(options),
    }
}

fn run(options: Options) -> u8 {
    let time = options.time;
    let request = match request(options) {
        Ok(request) => request,
        Err(words) => {
            complain(format!("pahole: {words}\n").as_bytes());
            return 1;
        }
    };
    let mut phases = Phases::default();
    let status = match encode::run(request, &mut phases) {
        Ok(Done::Written | Done::Nothing(_)) => 0,
        Err(error) => {
            if let Error::Interrupted(signal) = error {
                signals::die_of(signal);
            }
            complain(format!("pahole: {error}\n").as_bytes());
            1
        }
    };
    if time {
        complain(phases.to_string().as_bytes());
    }
    status
}

/// What is asked for, or why it cannot be done.
fn request(options: Options) -> Result<Request, String> {
    let output = match options.detached {
        Some(file) => Output::File(file.into()),
        None => Output::InPlace(options.manner),
    };
    let input = match <[OsString; 1]>::try_from(options.operands) {
        Ok([input]) => input,
        Err(files) if files.is_empty() => return Err("-J needs the name of a file".to_owned()),
        Err(files) => return Err(format!("-J takes one file, not {}", files.len())),
    };
    let threads = match options.threads {
        Threads::Exactly(threads) => threads,
        Threads::Available => padata::available_threads(),
    };
    Ok(Request {
        input: input.into(),
        output,
        base: options.base.map(Into::into),
        features: options.wanted.features,
        lang_exclude: options.lang_exclude,
        kabi_prefix: options.kabi_prefix.map(std::os::unix::ffi::OsStringExt::into_vec),
        threads,
        // make's tokens are for threads that were asked for.
        jobserver: (threads.get() > 1)
            .then(|| std::env::var_os("MAKEFLAGS"))
            .flatten()
            .and_then(|makeflags| Jobserver::of(&makeflags)),
    })
}

//! `kmill generate`: man page and shell completions, for packagers, from the flag
//! table that the parser uses.

use std::ffi::OsString;
use std::io::Write;

use crate::applets::{depmod, pahole};
use crate::commands::btf;
use crate::completions::Shell;

const USAGE: &str = "\
usage: kmill generate man depmod|pahole|kmill-btf-{encode,dump,verify,diff}
       kmill generate bash|zsh|fish kmill|depmod|pahole
";

/// Prints what is asked for; returns the exit status.
pub(crate) fn main(args: &[OsString]) -> u8 {
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let text = match words[..] {
        ["man", "depmod"] => depmod::man(),
        ["man", "pahole"] => pahole::man(),
        ["man", name] => match name.strip_prefix("kmill-btf-").and_then(btf::man) {
            Some(page) => page,
            None => return usage(),
        },
        [shell, command] => match (Shell::from_name(shell), command) {
            (Some(shell), "depmod") => depmod::completion(shell),
            (Some(shell), "kmill") => btf::completion(shell),
            (Some(shell), "pahole") => pahole::completion(shell),
            _ => return usage(),
        },
        _ => return usage(),
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn usage() -> u8 {
    let _ = std::io::stderr().write_all(USAGE.as_bytes());
    1
}

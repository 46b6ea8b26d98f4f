//! `pahole --help` and `--usage`: what we do ourselves, and the names of what we leave to another
//! pahole.

use super::Id;
use super::table::{SECTIONS, SHOWN};
use crate::getopt::{Arg, Flag};

/// Where the words begin.
const COLUMN: usize = 38;

/// Where lines end at the latest.
const WIDTH: usize = 79;

/// All options that are ours, with their words; the others by name. `name` is the last component of
/// argv\[0\].
pub(super) fn help(name: &str) -> String {
    let mut text = format!(
        "Usage: {name} [OPTION...] FILE\n\n\
         Encodes a kernel's debug info as BTF, as pahole 1.31 does.\n"
    );
    let (shown, other) = SECTIONS.split_at(SHOWN);
    for section in shown {
        text.push_str(&format!("\n{}\n", section.heading));
        for flag in section.flags {
            push_flag(&mut text, flag);
        }
    }
    if let Some(section) = other.first() {
        text.push_str(&format!("\n{}\n", section.heading));
        wrap(&mut text, "", section.flags.iter().map(long));
    }
    text
}

/// The names of all options.
pub(super) fn usage(name: &str) -> String {
    let mut text = format!("Usage: {name}");
    let flags = || SECTIONS.iter().flat_map(|section| section.flags);
    let plain = flags().filter(|flag| flag.arg == Arg::None).filter_map(|flag| flag.short);
    let cluster = format!("[-{}]", plain.map(char::from).collect::<String>());
    let shorts = flags().filter_map(|flag| match (flag.short.map(char::from), flag.arg) {
        (Some(short), Arg::Required(value)) => Some(format!("[-{short} {value}]")),
        (Some(short), Arg::Optional(value)) => Some(format!("[-{short}[{value}]]")),
        _ => None,
    });
    let longs = flags().map(|flag| format!("[{}]", long(flag)));
    let words = std::iter::once(cluster).chain(shorts).chain(longs).chain(["FILE".to_owned()]);
    wrap(&mut text, "          ", words);
    text
}

/// `--name`, with its argument.
fn long(flag: &Flag<Id>) -> String {
    let name = flag.longs[0];
    match flag.arg {
        Arg::None => format!("--{name}"),
        Arg::Required(value) => format!("--{name}={value}"),
        Arg::Optional(value) => format!("--{name}[={value}]"),
    }
}

fn push_flag(text: &mut String, flag: &Flag<Id>) {
    let short = flag.short.map_or("    ".to_owned(), |short| format!("-{}, ", char::from(short)));
    let names = format!("  {short}{}", long(flag));
    if names.len() + 2 > COLUMN {
        text.push_str(&format!("{names}\n{:COLUMN$}{}\n", "", flag.help));
    } else {
        text.push_str(&format!("{names:COLUMN$}{}\n", flag.help));
    }
}

/// Words in lines that begin with two blanks more than `indent`; the first one goes on.
fn wrap(text: &mut String, indent: &str, words: impl Iterator<Item = String>) {
    let start = text.rfind('\n').map_or(0, |end| end + 1);
    let mut column = text.len() - start;
    for word in words {
        if column == 0 || column + 1 + word.len() > WIDTH {
            if column > 0 {
                text.push('\n');
            }
            text.push_str(indent);
            text.push(' ');
            column = indent.len() + 1;
        }
        text.push(' ');
        text.push_str(&word);
        column += 1 + word.len();
    }
    text.push('\n');
}

//! `depmod --help`: kmod's text to the byte, then a section for what kmod has not.

use super::Id;
use super::table::SECTIONS;
use crate::getopt::{Arg, Flag};

/// Where the words begin, counted after the tab.
const COLUMN: usize = 21;

/// The text; `name` is the last component of argv\[0\], as kmod prints it.
pub(crate) fn help(name: &str) -> String {
    let mut text = format!(
        "Usage:\n\
         \t{name} -[aA] [options] [forced_version]\n\
         \n\
         If no arguments (except options) are given, \"depmod -a\" is assumed\n\
         \n\
         depmod will output a dependency list suitable for the modprobe utility.\n"
    );
    for section in &SECTIONS {
        text.push_str(&format!("\n{}\n", section.heading));
        for flag in section.flags {
            push_flag(&mut text, flag);
        }
    }
    text
}

fn push_flag(text: &mut String, flag: &Flag<Id>) {
    let mut names = match flag.short {
        Some(short) => format!("-{}, --{}", char::from(short), flag.longs[0]),
        None => format!("    --{}", flag.longs[0]),
    };
    // kmod does not show that -P takes an argument.
    if let (Arg::Required(value), false) = (flag.arg, flag.id == Id::SymbolPrefix) {
        names.push_str(&format!(" {value}"));
    }
    names.push_str("  ");
    for line in flag.help.lines() {
        text.push_str(&format!("\t{names:COLUMN$}{line}\n"));
        names.clear();
    }
}

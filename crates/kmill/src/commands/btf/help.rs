//! `--help` of the commands of `kmill btf`, from the table that their man pages come from.

use crate::getopt::Arg;
use crate::man::Command;

/// Where the words begin.
const COLUMN: usize = 26;

/// How a command is called, and its options.
pub(super) fn help<I>(command: &Command<I>) -> String {
    let name = command.name.replace('-', " ");
    let mut text = String::new();
    for (n, usage) in command.synopsis.iter().enumerate() {
        let start = if n == 0 { "usage:" } else { "      " };
        text.push_str(&format!("{start} {name} {usage}\n"));
    }
    text.push('\n');
    for flag in command.sections.iter().flat_map(|section| section.flags) {
        let short = flag.short.map_or("    ".to_owned(), |name| format!("-{}, ", char::from(name)));
        let argument = match flag.arg {
            Arg::Required(name) => format!(" {name}"),
            _ => String::new(),
        };
        let names = format!("  {short}--{}{argument}", flag.longs[0]);
        text.push_str(&format!("{names:COLUMN$}  {}\n", flag.help));
    }
    text
}

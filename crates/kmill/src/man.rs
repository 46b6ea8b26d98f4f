//! Man pages: what a command's texts say besides its options, and roff made of both.
//!
//! The page carries no date: the same source gives the same bytes.

use crate::getopt::{Arg, Flag, Section};

/// A command as people read about it.
#[derive(Debug)]
pub(crate) struct Command<I: 'static> {
    /// Its name.
    pub(crate) name: &'static str,
    /// The manual's section.
    pub(crate) section: u8,
    /// What it does, in one line without a full stop.
    pub(crate) summary: &'static str,
    /// Its usages, without the name.
    pub(crate) synopsis: &'static [&'static str],
    /// Paragraphs.
    pub(crate) description: &'static [&'static str],
    /// Its options.
    pub(crate) sections: &'static [Section<I>],
    /// Its operands.
    pub(crate) operands: Operands,
    /// Exit statuses, and what they mean.
    pub(crate) exits: &'static [(&'static str, &'static str)],
    /// Environment variables, and what they do.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// Other pages: name and section.
    pub(crate) see_also: &'static [(&'static str, u8)],
}

/// What a command's operands are: shells complete them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operands {
    /// A kernel version, then module files.
    Modules,
    /// Files.
    Files,
}

/// The page.
pub(crate) fn page<I: Copy>(command: &Command<I>) -> String {
    let name = command.name;
    // As with git: the page of `kmill btf` is called kmill-btf.
    let called = name.replace('-', " ");
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(
        ".TH {} {} \"\" \"kmill {version}\" \"kmill\"\n.SH NAME\n{name} \\- {}\n.SH SYNOPSIS\n",
        name.to_uppercase(),
        command.section,
        escape(command.summary),
    );
    for (n, usage) in command.synopsis.iter().enumerate() {
        let line_break = if n > 0 { ".br\n" } else { "" };
        page.push_str(&format!("{line_break}\\fB{called}\\fR {}\n", escape(usage)));
    }
    page.push_str(".SH DESCRIPTION\n");
    for paragraph in command.description {
        page.push_str(&format!(".PP\n{}\n", escape(paragraph)));
    }
    page.push_str(".SH OPTIONS\n");
    for (n, section) in command.sections.iter().enumerate() {
        if n > 0 {
            page.push_str(&format!(".PP\n{}\n", escape(section.heading)));
        }
        for flag in section.flags {
            page.push_str(&format!(".TP\n{}\n", names(flag)));
            if !flag.man.is_empty() {
                page.push_str(&format!("{}\n", escape(flag.man)));
            }
        }
    }
    page.push_str(
        ".PP\nA long name may be shortened while it stays unambiguous, except where noted.\n",
    );
    page.push_str(".SH EXIT STATUS\n");
    for (status, meaning) in command.exits {
        page.push_str(&format!(".TP\n{status}\n{}\n", escape(meaning)));
    }
    if !command.environment.is_empty() {
        page.push_str(".SH ENVIRONMENT\n");
    }
    for (variable, effect) in command.environment {
        page.push_str(&format!(".TP\n\\fB{variable}\\fR\n{}\n", escape(effect)));
    }
    let also = command.see_also.iter().map(|(name, section)| {
        let name = escape(name);
        format!("\\fB{name}\\fR({section})")
    });
    page.push_str(&format!(".SH SEE ALSO\n{}\n", also.collect::<Vec<_>>().join(",\n")));
    page
}

/// All names of an option, with its argument.
fn names<I>(flag: &Flag<I>) -> String {
    let (word, attached) = match flag.arg {
        Arg::None => (String::new(), String::new()),
        Arg::Required(name) => (format!(" \\fI{name}\\fR"), format!("=\\fI{name}\\fR")),
        Arg::Optional(name) => (format!("[\\fI{name}\\fR]"), format!("[=\\fI{name}\\fR]")),
    };
    let short = flag.short.map(|c| format!("\\fB\\-{}\\fR{word}", char::from(c)));
    let longs = flag.longs.iter().map(|long| format!("\\fB\\-\\-{}\\fR{attached}", escape(long)));
    short.into_iter().chain(longs).collect::<Vec<_>>().join(", ")
}

/// Plain text as roff text. Hyphens become minus signs, so that options can be copied.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    // A line that begins so would be a request.
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

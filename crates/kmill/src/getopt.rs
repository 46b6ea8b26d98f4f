//! GNU `getopt_long`, exactly: what the old tools' command lines mean.
//!
//! The old tools parse with glibc, so scripts rely on what glibc accepts: options after operands,
//! clusters (`-aeF FILE`), any unambiguous beginning of a long name, `POSIXLY_CORRECT`. The texts
//! of its complaints are a contract too, so they are glibc 2.36's to the byte.
//!
//! ```text
//! Flag (a row per option, for the parser and for people) -> Entry (one per name) -> Parser -> Event
//! ```
//!
//! One thing glibc has not: a name that is not *abbreviable* matches only in full and is unseen by
//! everything else, so an option can be added without making an old abbreviation ambiguous.
//!
//! Arguments are bytes; nothing here needs them to be UTF-8.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Whether an option takes an argument; the text is the argument's name for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    /// None: `--name=value` is an error.
    None,
    /// Attached (`-xVALUE`, `--name=VALUE`) or the next argument, whatever that is.
    Required(&'static str),
    /// Attached or absent: never the next argument.
    Optional(&'static str),
}

impl Arg {
    /// The same kind, whatever the argument is called (glibc compares `has_arg`).
    fn same_kind(self, other: Arg) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// What an argument names: shells complete it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A file, or something that may be a file.
    File,
    /// A directory.
    Dir,
    /// Free text.
    Text,
}

/// One option: a row of a command's table. The parser, `--help`, the man page and the completions
/// all come from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag<I> {
    /// What the program calls it.
    pub(crate) id: I,
    /// The short name.
    pub(crate) short: Option<u8>,
    /// The long names; the first is the one that people are shown.
    pub(crate) longs: &'static [&'static str],
    /// Its argument.
    pub(crate) arg: Arg,
    /// What the argument names.
    pub(crate) value: Value,
    /// Place in the original tool's list of long names: an ambiguity is reported in that order.
    pub(crate) rank: u8,
    /// `--help`'s words; a line break is where the original has one.
    pub(crate) help: &'static str,
    /// The man page's words, plain text.
    pub(crate) man: &'static str,
}

impl<I: Copy> Flag<I> {
    /// An option without an argument.
    pub(crate) const fn new(id: I, longs: &'static [&'static str]) -> Self {
        let (arg, value) = (Arg::None, Value::Text);
        Flag { id, short: None, longs, arg, value, rank: u8::MAX, help: "", man: "" }
    }

    /// Gives it a short name.
    pub(crate) const fn short(mut self, short: u8) -> Self {
        self.short = Some(short);
        self
    }

    /// Makes it take an argument.
    pub(crate) const fn takes(mut self, name: &'static str, value: Value) -> Self {
        self.arg = Arg::Required(name);
        self.value = value;
        self
    }

    /// Makes it take an argument that may be absent.
    pub(crate) const fn may_take(mut self, name: &'static str, value: Value) -> Self {
        self.arg = Arg::Optional(name);
        self.value = value;
        self
    }

    /// Sets its place in the original's list of long names.
    pub(crate) const fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }

    /// Says what it does: in a help line, and in a man page's paragraph.
    pub(crate) const fn says(mut self, help: &'static str, man: &'static str) -> Self {
        self.help = help;
        self.man = man;
        self
    }
}

/// Options under one heading.
#[derive(Debug)]
pub(crate) struct Section<I: 'static> {
    /// `--help`'s heading.
    pub(crate) heading: &'static str,
    /// Whether long names may be shortened.
    pub(crate) abbreviable: bool,
    /// The options, in the order in which people read them.
    pub(crate) flags: &'static [Flag<I>],
}

/// One name as the parser sees it: a row of glibc's `struct option`, and its short twin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<I> {
    /// What the program calls it. Two names of one id are one option to the ambiguity rule.
    pub(crate) id: I,
    /// The short name.
    pub(crate) short: Option<u8>,
    /// The long name.
    pub(crate) long: Option<&'static str>,
    /// Its argument.
    pub(crate) arg: Arg,
    /// Whether a beginning of the long name is enough.
    pub(crate) abbreviable: bool,
}

/// The parser's entries of a table, in the original tool's order.
pub(crate) fn entries<I: Copy>(sections: &[Section<I>]) -> Vec<Entry<I>> {
    let mut rows: Vec<_> = sections
        .iter()
        .flat_map(|section| section.flags.iter().map(|flag| (flag, section.abbreviable)))
        .collect();
    rows.sort_by_key(|(flag, _)| flag.rank);
    let mut entries = Vec::new();
    for (flag, abbreviable) in rows {
        let Flag { id, short, arg, .. } = *flag;
        let mut entry = Entry { id, short, long: None, arg, abbreviable };
        for &long in flag.longs {
            entries.push(Entry { long: Some(long), ..entry });
            entry.short = None;
        }
        if flag.longs.is_empty() {
            entries.push(entry);
        }
    }
    entries
}

/// How an option was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// By its short name.
    Short(u8),
    /// By this long name, perhaps shortened.
    Long(&'static str),
}

/// What the parser found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<'a, I> {
    /// An option.
    Option {
        /// Which.
        id: I,
        /// How it was written.
        spelling: Spelling,
        /// Its argument; empty and absent differ.
        value: Option<&'a OsStr>,
    },
    /// glibc's complaint, without the line break. Parsing can go on; few programs do.
    Error(OsString),
}

/// Walks the arguments; see the module.
#[derive(Debug)]
pub(crate) struct Parser<'a, I> {
    program: &'a OsStr,
    entries: &'a [Entry<I>],
    args: &'a [OsString],
    /// The first operand ends the options.
    posixly_correct: bool,
    /// The next argument to look at.
    next: usize,
    /// What is left of a cluster of short options.
    cluster: &'a [u8],
    operands: Vec<&'a OsStr>,
}

impl<'a, I: Copy + PartialEq> Parser<'a, I> {
    /// `program` is argv\[0\] as given: glibc prints all of it, not its last component. `args` are
    /// the arguments after it; `posixly_correct` is whether `POSIXLY_CORRECT` is set, to anything.
    pub(crate) fn new(
        program: &'a OsStr,
        entries: &'a [Entry<I>],
        args: &'a [OsString],
        posixly_correct: bool,
    ) -> Self {
        let operands = Vec::new();
        Parser { program, entries, args, posixly_correct, next: 0, cluster: &[], operands }
    }

    /// The operands in the order in which glibc leaves them: as written, without the options, their
    /// arguments and the first `--`. Events that were not taken are skipped.
    pub(crate) fn operands(mut self) -> Vec<&'a OsStr> {
        while self.next().is_some() {}
        self.operands
    }

    fn take_arg(&mut self) -> Option<&'a OsStr> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        Some(arg)
    }

    /// Everything that is left is an operand.
    fn finish(&mut self) {
        self.operands.extend(self.args[self.next..].iter().map(OsString::as_os_str));
        self.next = self.args.len();
    }

    /// One option of a cluster, and what follows it there.
    fn short(&mut self, name: u8, rest: &'a [u8]) -> Event<'a, I> {
        let attached = Some(OsStr::from_bytes(rest)).filter(|rest| !rest.is_empty());
        self.cluster = rest;
        let Some(&Entry { id, arg, .. }) = self.entries.iter().find(|e| e.short == Some(name))
        else {
            return self.error(&[b"invalid option -- '", &[name], b"'"]);
        };
        if arg != Arg::None {
            self.cluster = &[];
        }
        let value = match arg {
            Arg::None => None,
            Arg::Optional(_) => attached,
            Arg::Required(_) => match attached.or_else(|| self.take_arg()) {
                None => return self.error(&[b"option requires an argument -- '", &[name], b"'"]),
                value => value,
            },
        };
        Event::Option { id, spelling: Spelling::Short(name), value }
    }

    /// `--word`, where `word` may hold `=value`.
    fn long(&mut self, word: &'a [u8]) -> Event<'a, I> {
        let (name, attached) = match word.iter().position(|&b| b == b'=') {
            Some(at) => (&word[..at], Some(OsStr::from_bytes(&word[at + 1..]))),
            None => (word, None),
        };
        let (Entry { id, arg, .. }, long) = match self.look_up(name) {
            Found::One(entry, long) => (entry, long),
            // Both complaints quote the word with its value.
            Found::None => return self.error(&[b"unrecognized option '--", word, b"'"]),
            Found::Many(names) => {
                let mut text = [b"option '--", word, b"' is ambiguous; possibilities:"].concat();
                for name in names {
                    text.extend_from_slice(&[b" '--", name.as_bytes(), b"'"].concat());
                }
                return self.error(&[&text]);
            }
        };
        let value = match (arg, attached) {
            (Arg::None, Some(_)) => {
                return self.error(&[
                    b"option '--",
                    long.as_bytes(),
                    b"' doesn't allow an argument",
                ]);
            }
            (Arg::Required(_), None) => match self.take_arg() {
                None => {
                    return self.error(&[
                        b"option '--",
                        long.as_bytes(),
                        b"' requires an argument",
                    ]);
                }
                value => value,
            },
            (_, attached) => attached,
        };
        Event::Option { id, spelling: Spelling::Long(long), value }
    }

    /// The whole name, else the only option that has a name beginning so. The empty name (`--=x`)
    /// begins every name.
    fn look_up(&self, name: &[u8]) -> Found<I> {
        let longs = || self.entries.iter().filter_map(|e| e.long.map(|long| (*e, long)));
        if let Some((entry, long)) = longs().find(|(_, long)| long.as_bytes() == name) {
            return Found::One(entry, long);
        }
        let mut matches =
            longs().filter(|(e, long)| e.abbreviable && long.as_bytes().starts_with(name));
        let Some((first, long)) = matches.next() else { return Found::None };
        // glibc lists the first match and those that differ from *it*: another name of the same
        // option is neither a reason to complain nor a possibility.
        let mut names = vec![long];
        names.extend(
            matches
                .filter(|(e, _)| e.id != first.id || !e.arg.same_kind(first.arg))
                .map(|(_, long)| long),
        );
        if names.len() == 1 { Found::One(first, long) } else { Found::Many(names) }
    }

    fn error(&self, text: &[&[u8]]) -> Event<'a, I> {
        let mut line = [self.program.as_bytes(), b": "].concat();
        line.extend(text.concat());
        Event::Error(OsString::from_vec(line))
    }
}

enum Found<I> {
    None,
    One(Entry<I>, &'static str),
    Many(Vec<&'static str>),
}

impl<'a, I: Copy + PartialEq> Iterator for Parser<'a, I> {
    type Item = Event<'a, I>;

    fn next(&mut self) -> Option<Event<'a, I>> {
        if let [name, rest @ ..] = self.cluster {
            return Some(self.short(*name, rest));
        }
        loop {
            let arg = self.take_arg()?;
            match arg.as_bytes() {
                b"--" => self.finish(),
                [b'-', b'-', word @ ..] => return Some(self.long(word)),
                [b'-', name, rest @ ..] => return Some(self.short(*name, rest)),
                _ => {
                    self.operands.push(arg);
                    if self.posixly_correct {
                        self.finish();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! What no table has yet. The rest is tested with depmod's table, in the applet.

    use super::*;

    fn entry(id: u8, long: &'static str, arg: Arg) -> Entry<u8> {
        Entry { id, short: Some(id), long: Some(long), arg, abbreviable: true }
    }

    fn events(entries: &[Entry<u8>], args: &[&str]) -> Vec<String> {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        Parser::new(OsStr::new("./x/prog"), entries, &args, false)
            .map(|event| match event {
                Event::Option { id, value, .. } => match value {
                    None => char::from(id).to_string(),
                    Some(value) => format!("{}={}", char::from(id), value.display()),
                },
                Event::Error(text) => text.into_string().unwrap(),
            })
            .collect()
    }

    #[test]
    fn optional_arguments_are_attached_or_absent() {
        let table = [entry(b'o', "opt", Arg::Optional("N")), entry(b'a', "all", Arg::None)];
        let args = ["-o", "x", "-o5", "-ao", "-oa", "--opt", "y", "--opt=", "--op=7"];
        assert_eq!(events(&table, &args), ["o", "o=5", "a", "o", "o=a", "o", "o=", "o=7"]);
    }

    /// Another name of the first match is no ambiguity and, when there is one, no possibility.
    #[test]
    fn names_of_one_option_are_not_ambiguous() {
        let mut table = [
            entry(b'f', "foo-bar", Arg::None),
            entry(b'f', "foo-baz", Arg::None),
            entry(b'g', "fox", Arg::None),
        ];
        assert_eq!(events(&table, &["--foo", "--foo-b", "--fox"]), ["f", "f", "g"]);
        let text = "./x/prog: option '--fo' is ambiguous; possibilities: '--foo-bar' '--fox'";
        assert_eq!(events(&table, &["--fo"]), [text]);
        // The same id, but one takes an argument.
        table[1].arg = Arg::Required("X");
        let text = "./x/prog: option '--foo' is ambiguous; possibilities: '--foo-bar' '--foo-baz'";
        assert_eq!(events(&table, &["--foo", "-f"]), [text, "f"]);
    }

    #[test]
    fn the_whole_name_wins() {
        let table = [entry(b'b', "foobar", Arg::None), entry(b'f', "foo", Arg::None)];
        assert_eq!(events(&table, &["--foo", "--foob"]), ["f", "b"]);
    }

    #[test]
    fn operands_skip_events_that_were_not_taken() {
        let table = [entry(b'b', "base", Arg::Required("DIR"))];
        let args: Vec<_> = ["x", "-b", "y", "z", "--", "-b"].map(OsString::from).into();
        let parser = Parser::new(OsStr::new("prog"), &table, &args, false);
        assert_eq!(parser.operands(), ["x", "z", "-b"]);
    }
}

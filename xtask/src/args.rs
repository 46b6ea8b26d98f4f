//! The command line: tasks and options are tables, from which parser and help are made.

use std::ffi::OsString;

use crate::Result;

/// One task.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) details: &'static str,
    pub(crate) operands: &'static str,
    pub(crate) options: &'static [Opt],
    pub(crate) run: fn(&Matches) -> Result<()>,
}

/// One option of a task.
#[derive(Clone, Copy)]
pub(crate) struct Opt {
    name: &'static str,
    /// What its value is called, if it has one.
    value: Option<&'static str>,
    help: &'static str,
}

impl Opt {
    pub(crate) const fn flag(name: &'static str, help: &'static str) -> Self {
        Opt { name, value: None, help }
    }

    pub(crate) const fn value(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Opt { name, value: Some(value), help }
    }
}

/// What was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matches {
    options: Vec<(&'static str, String)>,
    pub(crate) operands: Vec<String>,
}

impl Matches {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// All values of an option.
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        self.options.iter().filter(move |(given, _)| *given == name).map(|(_, value)| &**value)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last()
    }

    /// A number, or the default.
    pub(crate) fn number(&self, name: &str, default: u64) -> Result<u64> {
        match self.value(name) {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| format!("{name} takes a number, not '{text}'").into())
            }
        }
    }

    /// Numbers from 1, with commas between them; at least one.
    pub(crate) fn numbers(&self, name: &str, default: &str) -> Result<Vec<usize>> {
        let list = self.list(name, default);
        let numbers = list.iter().map(|text| text.parse().ok().filter(|number| *number > 0));
        let numbers: Option<Vec<usize>> = numbers.collect();
        let numbers = numbers.filter(|numbers| !numbers.is_empty());
        numbers.ok_or_else(|| format!("{name}: not numbers").into())
    }

    /// A list with commas between its items.
    pub(crate) fn list<'a>(&'a self, name: &str, default: &'a str) -> Vec<&'a str> {
        let text = self.value(name).unwrap_or(default);
        text.split(',').filter(|item| !item.is_empty()).collect()
    }
}

/// What to do.
pub(crate) enum Parsed {
    Help(String),
    Run(&'static Task, Matches),
}

/// Reads the arguments behind the program's name.
pub(crate) fn parse(
    tasks: &'static [Task],
    args: impl Iterator<Item = OsString>,
) -> Result<Parsed> {
    let mut args = args.map(|arg| {
        arg.into_string().map_err(|arg| format!("not UTF-8: {}", arg.to_string_lossy()))
    });
    let Some(name) = args.next().transpose()? else {
        return Err("which task? `cargo xtask --help` lists them".into());
    };
    if matches!(&*name, "-h" | "--help" | "help") {
        return Ok(Parsed::Help(overview(tasks)));
    }
    let Some(task) = tasks.iter().find(|task| task.name == name) else {
        return Err(format!("no task '{name}'; `cargo xtask --help` lists them").into());
    };

    let mut matches = Matches::default();
    while let Some(arg) = args.next().transpose()? {
        if matches!(&*arg, "-h" | "--help") {
            return Ok(Parsed::Help(help(task)));
        }
        if arg == "--" {
            matches.operands.extend(args.by_ref().collect::<Result<Vec<_>, _>>()?);
            break;
        }
        if !arg.starts_with('-') {
            matches.operands.push(arg);
            continue;
        }
        let (name, joined) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (&*arg, None),
        };
        let Some(option) = task.options.iter().find(|option| option.name == name) else {
            return Err(format!("{}: no option '{name}'; see --help", task.name).into());
        };
        let value = match (option.value, joined) {
            (None, None) => String::new(),
            (None, Some(_)) => return Err(format!("{name} takes no value").into()),
            (Some(_), Some(value)) => value,
            (Some(what), None) => {
                args.next().transpose()?.ok_or_else(|| format!("{name} takes a value: {what}"))?
            }
        };
        matches.options.push((option.name, value));
    }
    if task.operands.is_empty() && !matches.operands.is_empty() {
        return Err(format!("{} takes no operand '{}'", task.name, matches.operands[0]).into());
    }
    Ok(Parsed::Run(task, matches))
}

fn overview(tasks: &[Task]) -> String {
    let mut text = "cargo xtask TASK [OPTION...]; each task has --help\n\n".to_owned();
    for task in tasks {
        text += &format!("  {:9} {}\n", task.name, task.summary);
    }
    text
}

fn help(task: &Task) -> String {
    let mut text = format!("cargo xtask {}", task.name);
    if !task.operands.is_empty() {
        text += &format!(" {}", task.operands);
    }
    text += &format!(" [OPTION...]\n\n{}\n", task.summary);
    if !task.details.is_empty() {
        text += &format!("\n{}\n", task.details);
    }
    text += "\n";
    for option in task.options {
        let name = format!("{} {}", option.name, option.value.unwrap_or_default());
        text += &format!("  {name:18} {}\n", option.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    static TASKS: &[Task] = &[Task {
        name: "one",
        summary: "",
        details: "",
        operands: "[X]",
        options: &[Opt::flag("--flag", ""), Opt::value("--list", "L", "")],
        run: |_| Ok(()),
    }];

    fn parsed(args: &[&str]) -> Result<Matches> {
        match parse(TASKS, args.iter().map(OsString::from))? {
            Parsed::Run(_, matches) => Ok(matches),
            Parsed::Help(_) => Err("help".into()),
        }
    }

    #[test]
    fn options_and_operands_mix() {
        let matches = parsed(&["one", "--list", "1,2", "x", "--flag", "--list=3,4"]).unwrap();
        assert!(matches.has("--flag"));
        assert_eq!(matches.list("--list", ""), ["3", "4"]);
        assert_eq!(matches.values("--list").count(), 2);
        assert_eq!(matches.operands, ["x"]);
    }

    #[test]
    fn mistakes_are_errors() {
        for args in [&["two"][..], &[], &["one", "--no"], &["one", "--list"], &["one", "--flag=1"]]
        {
            assert!(parsed(args).is_err(), "{args:?}");
        }
    }
}

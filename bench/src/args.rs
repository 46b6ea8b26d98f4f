//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Context, Result};
use crate::settings::Settings;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Help,
    List,
    Run {
        experiment: String,
        settings: Settings,
        json: Option<PathBuf>,
    },
    /// A part of an experiment that needs a process of its own; see `children`.
    Child {
        name: String,
        args: Vec<String>,
    },
}

/// The names of parts that run in processes of their own begin with this.
pub(crate) const CHILD_PREFIX: &str = "__";

pub(crate) const HELP: &str = "\
bench EXPERIMENT [OPTION...]

Measures the engine crate padata. A number of threads counts all that burn CPU, the caller
included. A run takes at most 5 minutes and 8 GiB; `bench --list` says what there is.

  --threads LIST     numbers of threads, with commas (default: 1, 2, 4 ... and all)
  --json FILE        write what was measured to FILE as well
  --rounds N         N rounds (default: as many as the experiment needs)
  --quick            small sizes, a few seconds: to see that it works; times say nothing
  --list             the experiments
  --help             this
";

/// Reads the arguments behind the program's name.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Parsed> {
    let mut args = args.map(|arg| {
        arg.into_string().map_err(|arg| format!("not UTF-8: {}", arg.to_string_lossy()))
    });
    let mut experiment = None;
    let mut settings = Settings::default();
    let mut json = None;
    while let Some(arg) = args.next().transpose()? {
        if arg.starts_with(CHILD_PREFIX) {
            return Ok(Parsed::Child { name: arg, args: args.collect::<Result<_, _>>()? });
        }
        let (name, mut joined) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (&*arg, None),
        };
        let mut value = || match joined.take() {
            Some(value) => Ok(value),
            None => args.next().transpose()?.ok_or_else(|| format!("{name} takes a value")),
        };
        match name {
            "-h" | "--help" => return Ok(Parsed::Help),
            "--list" => return Ok(Parsed::List),
            "--threads" => settings.threads = Some(threads(&value()?)?),
            "--rounds" => {
                let text = value()?;
                settings.rounds = Some(positive(&text).context(|| "--rounds".to_owned())?);
            }
            "--json" => json = Some(PathBuf::from(value()?)),
            "--quick" => settings.quick = true,
            _ if name.starts_with('-') => {
                return Err(format!("no option '{name}'; see bench --help").into());
            }
            _ if experiment.is_some() => {
                return Err(format!("one experiment at a time, not '{arg}' as well").into());
            }
            _ => experiment = Some(arg.clone()),
        }
        if joined.is_some() {
            return Err(format!("{name} takes no value").into());
        }
    }
    let experiment = experiment.ok_or("which experiment? `bench --list` names them")?;
    Ok(Parsed::Run { experiment, settings, json })
}

fn threads(list: &str) -> Result<Vec<usize>> {
    list.split(',').map(positive).collect::<Result<_>>().context(|| "--threads".to_owned())
}

fn positive(text: &str) -> Result<usize> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("'{text}' is not a number above 0").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Parsed> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn options_come_before_or_after_the_experiment() {
        let expected = Parsed::Run {
            experiment: "clear".to_owned(),
            settings: Settings { threads: Some(vec![1, 2]), rounds: Some(3), quick: true },
            json: Some(PathBuf::from("x=y")),
        };
        let before = ["--threads=1,2", "--rounds", "3", "--json=x=y", "--quick", "clear"];
        let after = ["clear", "--threads", "1,2", "--rounds=3", "--json", "x=y", "--quick"];
        assert_eq!(parsed(&before).unwrap(), expected);
        assert_eq!(parsed(&after).unwrap(), expected);
    }

    #[test]
    fn help_and_list_need_no_experiment() {
        assert_eq!(parsed(&["--help"]).unwrap(), Parsed::Help);
        assert_eq!(parsed(&["clear", "-h"]).unwrap(), Parsed::Help);
        assert_eq!(parsed(&["--list"]).unwrap(), Parsed::List);
    }

    #[test]
    fn mistakes_are_errors() {
        let wrong: [&[&str]; 9] = [
            &[],
            &["--quick"],
            &["clear", "pin"],
            &["clear", "--threads"],
            &["clear", "--threads", "1,,2"],
            &["clear", "--threads=0"],
            &["clear", "--rounds=few"],
            &["clear", "--quick=yes"],
            &["clear", "--no"],
        ];
        for args in wrong {
            assert!(parsed(args).is_err(), "{args:?}");
        }
    }
}

//! Completion scripts for bash, zsh and fish, made of a command's option table.
//!
//! The scripts need nothing but the shell itself and complete options, their arguments, and
//! operands. Each is small enough to read, which is the only documentation it has.

use crate::getopt::{Arg, Flag, Value};
use crate::man::{Command, Operands};

/// Where kernel versions are looked for: the host's tree, as nothing else is known to a shell.
const VERSIONS: &str = "/lib/modules";

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// All of them.
    pub(crate) const ALL: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

    /// Its name, as the program of that name is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
        }
    }

    /// The shell of this name.
    pub(crate) fn from_name(name: &str) -> Option<Shell> {
        Shell::ALL.into_iter().find(|shell| shell.name() == name)
    }
}

/// The script.
pub(crate) fn script<I: Copy>(shell: Shell, command: &Command<I>) -> String {
    match shell {
        Shell::Bash => bash(command),
        Shell::Zsh => zsh(command),
        Shell::Fish => fish(command),
    }
}

/// A program whose first word says which command it is; of one of them, the group, the second word says
/// more.
#[derive(Debug)]
pub(crate) struct Program {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its commands.
    pub(crate) commands: &'static [&'static str],
    /// The one that has commands of its own.
    pub(crate) group: &'static str,
    /// Those.
    pub(crate) members: &'static [&'static str],
}

/// What a program's script has for one member of its group, whose name is that of the page: all words
/// with `-` between them.
pub(crate) fn member<I: Copy>(shell: Shell, program: &Program, command: &Command<I>) -> String {
    match shell {
        Shell::Bash => bash_function(command),
        Shell::Zsh => {
            let name = command.name.replace('-', "_");
            format!("_kmill_{name}() {{\n{}}}\n", zsh_arguments(command))
        }
        Shell::Fish => {
            let Program { name, group, .. } = program;
            let word = command.name.rsplit('-').next().unwrap_or_default();
            let seen = "__fish_seen_subcommand_from";
            let start = format!("complete -c {name} -n '{seen} {group}; and {seen} {word}'");
            fish_flags(&start, command)
        }
    }
}

/// The script of a program, around those of its members.
pub(crate) fn program(shell: Shell, program: &Program, members: &str) -> String {
    let Program { name, commands, group, members: words } = program;
    let (commands, words) = (commands.join(" "), words.join(" "));
    match shell {
        Shell::Bash => format!(
            r#"# bash completion for {name}, made by kmill
{members}_kmill_{name}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} member=_kmill_{name}_{group}_${{COMP_WORDS[2]}}
    case $COMP_CWORD,${{COMP_WORDS[1]}} in
    1,*) mapfile -t COMPREPLY < <(compgen -W '{commands}' -- "$cur") ;;
    2,{group}) mapfile -t COMPREPLY < <(compgen -W '{words}' -- "$cur") ;;
    *,{group}) declare -F "$member" >/dev/null && "$member" ;;
    esac
}}
complete -F _kmill_{name} {name}
"#
        ),
        Shell::Zsh => format!(
            r#"#compdef {name}
# zsh completion for {name}, made by kmill
{members}case $CURRENT,$words[2] in
2,*) compadd -- {commands} ;;
3,{group}) compadd -- {words} ;;
*,{group})
    local member=_kmill_{name}_{group}_$words[3]
    shift 2 words
    (( CURRENT -= 2 ))
    (( $+functions[$member] )) && $member
    ;;
esac
"#
        ),
        Shell::Fish => {
            let seen = "__fish_seen_subcommand_from";
            let group_only = format!("{seen} {group}; and not {seen} {words}");
            format!(
                "# fish completion for {name}, made by kmill\n\
                 complete -c {name} -n __fish_use_subcommand -x -a '{commands}'\n\
                 complete -c {name} -n '{group_only}' -x -a '{words}'\n{members}"
            )
        }
    }
}

fn flags<I>(command: &Command<I>) -> impl Iterator<Item = &'static Flag<I>> {
    command.sections.iter().flat_map(|section| section.flags)
}

fn bash<I: Copy>(command: &Command<I>) -> String {
    let name = command.name;
    let function = bash_function(command);
    format!(
        "# bash completion for {name}, made by kmill\n{function}complete -F _kmill_{name} {name}\n"
    )
}

/// `_kmill_NAME`, which completes the words of a command, however many stand before its own.
fn bash_function<I: Copy>(command: &Command<I>) -> String {
    let name = command.name.replace('-', "_");
    // The words after which an argument of this kind is expected.
    let before = |value| {
        let taking =
            flags(command).filter(|f| matches!(f.arg, Arg::Required(_)) && f.value == value);
        let patterns = taking.flat_map(|flag| {
            // `-F` may end a cluster.
            let short = flag.short.map(char::from).map(|c| format!("-{c} | -[!-]*{c}"));
            short.into_iter().chain(flag.longs.iter().map(|long| format!("--{long}")))
        });
        patterns.collect::<Vec<_>>().join(" | ")
    };
    let (dir, file, text) = (before(Value::Dir), before(Value::File), before(Value::Text));
    let words = flags(command).flat_map(|flag| {
        let short = flag.short.map(|c| format!("-{}", char::from(c)));
        short.into_iter().chain(flag.longs.iter().map(|long| format!("--{long}")))
    });
    let words = words.collect::<Vec<_>>().join(" ");
    let operands = match command.operands {
        Operands::Modules => format!(
            "        /*) how=(-f) ;;\n        \
             *) how=(-W \"$(command ls {VERSIONS} 2>/dev/null)\") ;;"
        ),
        Operands::Files => "        *) how=(-f) ;;".to_owned(),
    };
    let arm = |patterns: &str, how: &str| match patterns {
        "" => String::new(),
        patterns => format!("    {patterns}) {how} ;;\n"),
    };
    let arms = [arm(&dir, "how=(-d)"), arm(&file, "how=(-f)"), arm(&text, "COMPREPLY=(); return")]
        .concat();
    format!(
        r#"_kmill_{name}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
    # bash makes three words of --name=value.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    local -a how
    case $prev in
{arms}    *)
        case $cur in
        -*) how=(-W '{words}') ;;
{operands}
        esac
        ;;
    esac
    [[ ${{how[0]}} == -W ]] || compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "${{how[@]}}" -- "$cur")
}}
"#
    )
}

fn zsh<I: Copy>(command: &Command<I>) -> String {
    let name = command.name;
    let arguments = zsh_arguments(command);
    format!("#compdef {name}\n# zsh completion for {name}, made by kmill\n{arguments}")
}

fn zsh_arguments<I: Copy>(command: &Command<I>) -> String {
    let mut script = "_arguments -s -S \\\n".to_owned();
    for flag in flags(command) {
        let about = quote_zsh(flag.help);
        let argument = |name| match flag.value {
            Value::Dir => format!(":{name}:_files -/"),
            Value::File => format!(":{name}:_files"),
            Value::Text => format!(":{name}: "),
        };
        let (short_end, long_end, argument) = match flag.arg {
            Arg::None => ("", "", String::new()),
            Arg::Required(name) => ("+", "=", argument(name)),
            Arg::Optional(name) => ("-", "=-", format!(":{}", argument(name))),
        };
        let short = flag.short.map(|c| format!("-{}{short_end}", char::from(c)));
        let longs = flag.longs.iter().map(|long| format!("--{long}{long_end}"));
        for name in short.into_iter().chain(longs) {
            script.push_str(&format!("    '*{name}[{about}]{argument}' \\\n"));
        }
    }
    match command.operands {
        Operands::Modules => {
            script.push_str(&format!("    '1:version:_files -W {VERSIONS} -/' \\\n"));
            script.push_str("    '*:module file:_files -g \"*.ko*\"'\n");
        }
        Operands::Files => script.push_str("    '*:file:_files'\n"),
    }
    script
}

/// For the explanation of an option, in single quotes.
fn quote_zsh(help: &str) -> String {
    let help = help.replace('\n', " ").replace('\'', "'\\''");
    help.replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

fn fish<I: Copy>(command: &Command<I>) -> String {
    let name = command.name;
    let mut script = format!("# fish completion for {name}, made by kmill\n");
    script.push_str(&fish_flags(&format!("complete -c {name}"), command));
    if command.operands == Operands::Files {
        return script;
    }
    // Without `-f`, which would hide module files.
    let versions = format!("set -l dirs {VERSIONS}/*; string replace {VERSIONS}/ '' -- \\$dirs");
    script.push_str(&format!("complete -c {name} -a \"({versions})\"\n"));
    script
}

/// A line for each option, which begins so.
fn fish_flags<I: Copy>(start: &str, command: &Command<I>) -> String {
    let mut script = String::new();
    for flag in flags(command) {
        let mut line = start.to_owned();
        if let Some(short) = flag.short {
            line.push_str(&format!(" -s {}", char::from(short)));
        }
        for long in flag.longs {
            line.push_str(&format!(" -l {long}"));
        }
        match (flag.arg, flag.value) {
            (Arg::None | Arg::Optional(_), _) => {}
            (_, Value::Dir) => line.push_str(" -x -a '(__fish_complete_directories)'"),
            (_, Value::File) => line.push_str(" -r -F"),
            (_, Value::Text) => line.push_str(" -x"),
        }
        let about = flag.help.replace('\n', " ").replace('\'', "\\'");
        script.push_str(&format!("{line} -d '{about}'\n"));
    }
    script
}

//! Two outcomes side by side: what differs, in words that help.

use std::collections::BTreeSet;
use std::fmt::Write;

use modindex::format::read::{Record, records};

use super::run::Outcome;

/// Where two outcomes differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Status,
    Stdout,
    Stderr,
    File(String),
}

/// One difference.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) part: Part,
    /// Lines to print, indented.
    pub(crate) words: String,
}

/// What can be compared with a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// kmod's version.
    pub(crate) version: u32,
    /// Whether it reads gzip.
    pub(crate) gzip: bool,
}

impl Rules {
    /// From what `--version` prints.
    pub(crate) fn of(version_text: &str) -> Option<Self> {
        let number = version_text.strip_prefix("kmod version ")?;
        let version = number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        Some(Rules { version, gzip: version_text.split_whitespace().any(|word| word == "+ZLIB") })
    }

    /// Since 34 the order of nodes in an index is ours, and so are the messages.
    pub(crate) fn exact(&self) -> bool {
        self.version >= 34
    }

    /// Before 31 there was no `-o`.
    pub(super) fn has_outdir(&self) -> bool {
        self.version >= 31
    }

    /// Before 33 nobody knew of weak dependencies.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.version >= 33 || name != "modules.weakdep"
    }

    /// What is not compared, for the user.
    pub(super) fn left_out(&self) -> Vec<String> {
        let mut all = Vec::new();
        if !self.exact() {
            all.push(format!(
                "the reference is kmod {}: not compared are stdout, stderr, behaviour cases, the \
                 layout of *.bin files (their records are)",
                self.version
            ));
        }
        if !self.has_outdir() {
            all.push("not compared: -o, which it does not know".to_owned());
        }
        if self.version < 33 {
            all.push("not compared: modules.weakdep, which it does not write".to_owned());
        }
        if !self.gzip {
            all.push("not compared: trees with .ko.gz, which it cannot read".to_owned());
        }
        all
    }
}

/// All differences.
pub(crate) fn differences(rules: &Rules, reference: &Outcome, ours: &Outcome) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |part, words| found.push(Difference { part, words });
    if reference.status != ours.status {
        let words = format!("reference: {}\nours:      {}\n", reference.status, ours.status);
        add(Part::Status, words);
    }
    if rules.exact() {
        let said = without_addresses(&reference.stderr);
        for (part, reference, ours) in
            [(Part::Stdout, &reference.stdout, &ours.stdout), (Part::Stderr, &said, &ours.stderr)]
        {
            if reference != ours {
                add(part, text(reference, ours));
            }
        }
    }
    let names: BTreeSet<&String> = reference.files.keys().chain(ours.files.keys()).collect();
    for name in names {
        let base = name.rsplit('/').next().unwrap_or_default();
        if !rules.has_file(base) {
            continue;
        }
        match (reference.files.get(name), ours.files.get(name)) {
            (Some(left), Some(right)) if left.mode != right.mode => {
                let words = format!("mode {:o}, ours {:o}\n", left.mode, right.mode);
                add(Part::File(name.clone()), words);
            }
            (Some(left), Some(right)) if left.bytes != right.bytes => {
                let words = match base.ends_with(".bin") {
                    true => index(rules, &left.bytes, &right.bytes),
                    false => Some(text(&left.bytes, &right.bytes)),
                };
                if let Some(words) = words {
                    add(Part::File(name.clone()), words);
                }
            }
            (Some(_), None) => add(Part::File(name.clone()), "ours left no such file\n".into()),
            (None, Some(_)) => {
                add(Part::File(name.clone()), "the reference left no such file\n".into());
            }
            _ => {}
        }
    }
    found
}

/// With `-vv`, libkmod tells at which addresses it keeps things. They are other ones each time.
fn without_addresses(said: &[u8]) -> Vec<u8> {
    let tells = |line: &&[u8]| {
        let line = String::from_utf8_lossy(line);
        line.contains(": INFO: custom logging function 0x")
            || line.contains(": INFO: context 0x") && line.ends_with(" released\n")
    };
    said.split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !tells(line))
        .flatten()
        .copied()
        .collect()
}

/// How many of the reference's files are equal, and how many there are; directories do not count.
pub(super) fn equal_files(
    rules: &Rules,
    reference: &Outcome,
    differences: &[Difference],
) -> (usize, usize) {
    let counts = |name: &str| {
        let base = name.rsplit('/').next().unwrap_or_default();
        !base.is_empty() && rules.has_file(base)
    };
    let compared = reference.files.keys().filter(|name| counts(name));
    let all = compared.count();
    let differing = differences
        .iter()
        .filter(|difference| {
            matches!(&difference.part, Part::File(name) if reference.files.contains_key(name) && counts(name))
        })
        .count();
    (all - differing.min(all), all)
}

/// The first line that differs.
pub(crate) fn text(reference: &[u8], ours: &[u8]) -> String {
    let lines = |bytes: &[u8]| -> Vec<String> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(printable).collect()
    };
    let (reference, ours) = (lines(reference), lines(ours));
    let common = reference.iter().zip(&ours).take_while(|(a, b)| a == b).count();
    let end = "(nothing)".to_owned();
    let mut words = format!("line {} of {} and {}\n", common + 1, reference.len(), ours.len());
    let _ = writeln!(words, "reference: {}", reference.get(common).unwrap_or(&end));
    let _ = writeln!(words, "ours:      {}", ours.get(common).unwrap_or(&end));
    words
}

/// A line, with what a terminal would hide made visible.
fn printable(line: &[u8]) -> String {
    line.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

/// Records that only one has; nothing, if the layout alone differs and need not be the same.
fn index(rules: &Rules, reference: &[u8], ours: &[u8]) -> Option<String> {
    // An empty file stands for a missing input; it is no index.
    let read = |bytes: &[u8]| match bytes {
        [] => Ok(Vec::new()),
        _ => records(bytes),
    };
    let (left, right) = match (read(reference), read(ours)) {
        (Ok(left), Ok(right)) => (left, right),
        (Err(error), _) => return Some(format!("the reference's: {error}\n")),
        (_, Err(error)) => return Some(format!("ours: {error}\n")),
    };
    let only = |these: &[Record], those: &[Record]| -> Vec<Record> {
        let mut those = those.to_vec();
        those.sort();
        let mut missing = these.to_vec();
        // Duplicates are records of their own.
        missing.retain(|record| match those.binary_search(record) {
            Ok(at) => {
                those.remove(at);
                false
            }
            Err(_) => true,
        });
        missing
    };
    let (only_left, only_right) = (only(&left, &right), only(&right, &left));
    if only_left.is_empty() && only_right.is_empty() {
        if !rules.exact() {
            return None;
        }
        let common = reference.iter().zip(ours).take_while(|(a, b)| a == b).count();
        return Some(format!("the same records, in another layout from byte {common} on\n"));
    }
    let mut words = format!("{} and {} records\n", left.len(), right.len());
    for (who, records) in [("only reference", only_left), ("only ours", only_right)] {
        for record in records.iter().take(3) {
            let (key, value) = (printable(&record.key), printable(&record.value));
            let _ = writeln!(words, "{who}: {key} -> {value} ({})", record.priority);
        }
        if records.len() > 3 {
            let _ = writeln!(words, "{who}: and {} more", records.len() - 3);
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_say_what_can_be_compared() {
        let rules = Rules::of("kmod version 30\n+ZSTD +XZ -ZLIB +LIBCRYPTO\n").unwrap();
        assert_eq!(rules, Rules { version: 30, gzip: false });
        assert_eq!(rules.left_out().len(), 4);
        let rules = Rules::of("kmod version 34\n+ZSTD +XZ +ZLIB\n").unwrap();
        assert!(rules.exact() && rules.left_out().is_empty());
        assert_eq!(Rules::of("busybox"), None);
    }

    #[test]
    fn the_first_differing_line_is_shown() {
        let words = text(b"a\nb\nc\n", b"a\nx\n");
        assert_eq!(words, "line 2 of 3 and 2\nreference: b\\n\nours:      x\\n\n");
    }
}

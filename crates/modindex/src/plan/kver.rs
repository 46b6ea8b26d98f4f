//! Which kernels a line of depmod.d is for: `*`, or a POSIX extended regular
//! expression that may match anywhere in the version (`4.4` also matches
//! `5.14.4`). A pattern that is not a regular expression matches nothing.
//!
//! The expression is translated to the `regex` crate's syntax, which differs in
//! brackets, in `{,n}`, in stacked operators and in escapes (POSIX.1-2017, XBD
//! 9.4, with glibc's reading of what it leaves undefined). Back-references, a
//! glibc extension, are not supported: such a pattern matches nothing.

/// Whether a line with this pattern is for kernel `version`.
pub(super) fn matches(pattern: &[u8], version: &[u8]) -> bool {
    if pattern == b"*" {
        return true;
    }
    let Some(expression) = Translator::new(pattern).translate() else { return false };
    regex::bytes::RegexBuilder::new(&expression)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .is_ok_and(|regex| regex.is_match(version))
}

struct Translator<'a> {
    input: &'a [u8],
    at: usize,
    out: String,
    /// Where the atom that an operator would apply to starts in `out`.
    atom: Option<usize>,
    /// Starts of the open groups.
    groups: Vec<usize>,
}

impl<'a> Translator<'a> {
    fn new(input: &'a [u8]) -> Self {
        Translator { input, at: 0, out: String::new(), atom: None, groups: Vec::new() }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.input.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn rest(&self) -> &'a [u8] {
        &self.input[self.at..]
    }

    /// None: not a regular expression.
    fn translate(mut self) -> Option<String> {
        while let Some(byte) = self.next() {
            match byte {
                b'\\' => self.escape()?,
                b'[' => self.bracket()?,
                b'.' => self.push_atom("[^\\x00]"),
                b'*' => self.operator("*")?,
                b'+' => self.operator("+")?,
                b'?' => self.operator("?")?,
                b'{' => self.interval()?,
                b'(' => {
                    self.groups.push(self.out.len());
                    self.out.push_str("(?:");
                    self.atom = None;
                }
                b')' if !self.groups.is_empty() => {
                    self.atom = self.groups.pop();
                    self.out.push(')');
                }
                b'|' => {
                    self.out.push('|');
                    self.atom = None;
                }
                b'^' => self.push_anchor("^"),
                b'$' => self.push_anchor("$"),
                literal => self.push_literal(literal),
            }
        }
        self.groups.is_empty().then_some(self.out)
    }

    fn push_atom(&mut self, text: &str) {
        self.atom = Some(self.out.len());
        self.out.push_str(text);
    }

    /// No operator may follow one: that is no regular expression to glibc.
    fn push_anchor(&mut self, text: &str) {
        self.out.push_str(text);
        self.atom = None;
    }

    fn push_literal(&mut self, byte: u8) {
        self.push_atom(&format!("\\x{byte:02x}"));
    }

    /// Operators stack (`a+?` is "an optional a+"), so each gets a group of its
    /// own. One with nothing in front of it is an error.
    fn operator(&mut self, text: &str) -> Option<()> {
        let start = self.atom?;
        self.out.insert_str(start, "(?:");
        self.out.push_str(text);
        self.out.push(')');
        Some(())
    }

    /// `{n}`, `{n,}`, `{,m}` or `{n,m}`.
    fn interval(&mut self) -> Option<()> {
        let end = memchr::memchr(b'}', self.rest())?;
        let text = std::str::from_utf8(&self.rest()[..end]).ok()?;
        let number = |text: &str| match text {
            "" => Some(None),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse::<u16>().ok().filter(|n| *n <= 0x7fff).map(Some)
            }
            _ => None,
        };
        let text = match text.split_once(',') {
            None => format!("{{{}}}", number(text)??),
            Some((low, high)) => {
                let (low, high) = (number(low)?.unwrap_or(0), number(high)?);
                match high {
                    None => format!("{{{low},}}"),
                    Some(high) if low <= high => format!("{{{low},{high}}}"),
                    Some(_) => return None,
                }
            }
        };
        self.at += end + 1;
        self.operator(&text)
    }

    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            byte @ (b'w' | b'W' | b's' | b'S') => {
                self.push_atom(&format!("\\{}", char::from(byte)));
            }
            byte @ (b'b' | b'B') => self.push_anchor(&format!("\\{}", char::from(byte))),
            b'<' => self.push_anchor("\\b{start}"),
            b'>' => self.push_anchor("\\b{end}"),
            b'`' => self.push_anchor("\\A"),
            b'\'' => self.push_anchor("\\z"),
            b'1'..=b'9' => return None,
            literal => self.push_literal(literal),
        }
        Some(())
    }

    /// A bracket expression; a backslash in it is a backslash.
    fn bracket(&mut self) -> Option<()> {
        let start = self.out.len();
        self.out.push('[');
        if self.rest().first() == Some(&b'^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.next()? {
                b']' if !first => break,
                b'[' if self.rest().first() == Some(&b':') => {
                    let end = self.at + memchr::memmem::find(self.rest(), b":]")?;
                    let name = std::str::from_utf8(self.input.get(self.at + 1..end)?).ok()?;
                    self.out.push_str(&format!("[:{name}:]"));
                    self.at = end + 2;
                }
                byte => {
                    let low = self.element(byte)?;
                    self.out.push_str(&format!("\\x{low:02x}"));
                    if let [b'-', end, ..] = self.rest()
                        && *end != b']'
                    {
                        self.at += 1;
                        let byte = self.next()?;
                        let high = self.element(byte)?;
                        if high < low {
                            return None;
                        }
                        self.out.push_str(&format!("-\\x{high:02x}"));
                    }
                }
            }
            first = false;
        }
        self.out.push(']');
        self.atom = Some(start);
        Some(())
    }

    /// A character of a bracket expression, or a collating element or
    /// equivalence class of one character, which in the C locale is that character.
    fn element(&mut self, byte: u8) -> Option<u8> {
        match (byte, self.rest()) {
            (b'[', [open @ (b'.' | b'='), element, close, b']', ..]) if open == close => {
                self.at += 4;
                Some(*element)
            }
            (b'[', [b'.' | b'=', ..]) => None,
            _ => Some(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_glibc() {
        let version = b"6.12.117+deb12-amd64";
        let cases: [(&str, bool); 37] = [
            ("64$*", false),
            ("64$", true),
            ("^*6", false),
            ("(^)*6", true),
            ("12\\>+", false),
            ("*", true),
            ("6.12", true),
            ("^6\\.12", true),
            ("^12", false),
            ("amd64$", true),
            ("6x12", false),
            ("^6.12.*-amd64$", true),
            ("(deb12|deb13)", true),
            ("deb1[23]", true),
            ("deb1[^23]", false),
            ("[[:digit:]]{3}", true),
            ("[[:digit:]]{4}", false),
            ("[0-9]{1,3}\\+", true),
            ("1{,2}7", true),
            ("a+?md", true),
            ("[\\+]deb", true),
            ("\\+deb", true),
            ("+deb", false),
            ("(", false),
            (")", false),
            ("[", false),
            ("[]6]", true),
            ("[.]", true),
            ("[[.-.]]amd", true),
            ("[z-a]", false),
            ("*amd", false),
            ("6||x", true),
            ("amd{", false),
            ("(a)\\1", false),
            ("\\bdeb12\\b", true),
            ("\\<amd64\\>", true),
            ("", true),
        ];
        for (pattern, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), version), expected, "{pattern}");
        }
    }
}

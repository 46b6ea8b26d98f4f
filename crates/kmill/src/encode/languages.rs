//! Names of source languages, and DWARF's numbers for them.

/// The names in the order of DWARF's numbers, from 1. DWARF 5, table 7.17; from 0x24
/// on they are of its later list.
const NAMES: [&str; 0x25] = [
    "c89",
    "c",
    "ada83",
    "c++",
    "cobol74",
    "cobol85",
    "fortran77",
    "fortran90",
    "pascal83",
    "modula2",
    "java",
    "c99",
    "ada95",
    "fortran95",
    "pli",
    "objc",
    "objc++",
    "upc",
    "d",
    "python",
    "opencl",
    "go",
    "modula3",
    "haskell",
    "c++03",
    "c++11",
    "ocaml",
    "rust",
    "c11",
    "swift",
    "julia",
    "dylan",
    "c++14",
    "fortran03",
    "fortran08",
    "renderscript",
    "bliss",
];

/// `DW_LANG_Mips_Assembler`, which assemblers of all machines use.
const ASSEMBLER: u16 = 0x8001;

/// The number of a language, whatever the case of its name.
fn number(name: &[u8]) -> Option<u16> {
    if name.eq_ignore_ascii_case(b"asm") {
        return Some(ASSEMBLER);
    }
    let numbered = NAMES.iter().zip(1..);
    numbered.filter(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, n)| n).next()
}

/// The numbers of the languages in a list with commas, ascending.
///
/// # Errors
/// The rest of the list from the first name that is none: also an empty one, so also an empty list.
pub(crate) fn parse(list: &[u8]) -> Result<Vec<u16>, &[u8]> {
    let mut numbers = Vec::new();
    let mut rest = list;
    loop {
        let end = rest.iter().position(|byte| *byte == b',');
        numbers.push(number(&rest[..end.unwrap_or(rest.len())]).ok_or(rest)?);
        match end {
            Some(end) => rest = &rest[end + 1..],
            None => break,
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// All numbers but these, which are ascending. Among them is 0: a unit that says nothing is in none
/// of the languages.
pub(crate) fn all_but(languages: &[u16]) -> Vec<u16> {
    (0..=u16::MAX).filter(|number| languages.binary_search(number).is_err()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dwarfs_numbers() {
        let all = parse(b"c89,C,c++,C99,rust,C11,Asm,bliss,python,julia,c++14,objc,d,ocaml,rust");
        let numbers = [1, 2, 4, 0xc, 0x10, 0x13, 0x14, 0x1b, 0x1c, 0x1d, 0x1f, 0x21, 0x25, 0x8001];
        assert_eq!(all.unwrap(), numbers);
    }

    /// `pahole: unknown language "` and this: pahole shows the rest of the list.
    #[test]
    fn a_bad_name_is_told_with_what_follows_it() {
        assert_eq!(parse(b"c,foo,rust"), Err(&b"foo,rust"[..]));
        assert_eq!(parse(b""), Err(&b""[..]));
        assert_eq!(parse(b"c,"), Err(&b""[..]));
        assert_eq!(parse(b" c"), Err(&b" c"[..]));
    }

    #[test]
    fn all_but_some() {
        let others = all_but(&[2, 0x1c]);
        assert_eq!(others.len(), 65_534);
        assert!(others.contains(&0) && others.contains(&0x8001) && !others.contains(&2));
    }
}

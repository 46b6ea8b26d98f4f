//! Which names the kernel takes: its `ctype` is that of Latin-1.

use crate::btf::Btf;
use crate::format::MAX_NAME_LEN;
use crate::types::StrOff;

/// A letter, a digit or punctuation in the upper half of Latin-1: À to ÿ but × and ÷ are letters.
const fn is_upper_half_letter(byte: u8) -> bool {
    byte >= 0xc0 && byte != 0xd7 && byte != 0xf7
}

fn may_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'.' || is_upper_half_letter(byte)
}

/// Whether a name is an identifier: what C takes, dots, and no more than 512 bytes.
pub(super) fn is_identifier(btf: &Btf, name: StrOff) -> bool {
    let Some([first, rest @ ..]) = btf.string(name) else { return false };
    rest.len() < MAX_NAME_LEN
        && may_start(*first)
        && rest.iter().all(|byte| may_start(*byte) || byte.is_ascii_digit())
}

/// Whether a section's name can be printed.
pub(super) fn is_section(btf: &Btf, name: StrOff) -> bool {
    let printable = |byte: &u8| matches!(*byte, 0x20..=0x7e | 0xa0..);
    btf.string(name).is_some_and(|name| {
        !name.is_empty() && name.len() <= MAX_NAME_LEN && name.iter().all(printable)
    })
}

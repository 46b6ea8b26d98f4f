//! What the kernel says about its own linking, in a note.

use kmill_btf::Endian;

use crate::elf::image::Image;

/// `SHT_NOTE`.
const NOTE: u32 = 7;
/// The kernel's `LINUX_ELFNOTE_LTO_INFO` (include/linux/elfnote-lto.h).
const LTO_INFO: u32 = 0x101;

/// Whether the kernel was optimised when it was linked; `None` when it does not say.
pub(crate) fn link_time_optimised(image: &Image<'_>) -> Option<bool> {
    let notes = image.sections.iter().filter(|section| section.kind == NOTE);
    notes.flat_map(|section| Notes { bytes: section.raw(), endian: image.endian }).find_map(
        |note| {
            let mine = note.kind == LTO_INFO && note.owner.strip_suffix(b"\0") == Some(b"Linux");
            let word = note.text.first_chunk().filter(|_| mine);
            word.map(|word| image.endian.word(*word) != 0)
        },
    )
}

struct Note<'a> {
    kind: u32,
    owner: &'a [u8],
    text: &'a [u8],
}

/// Notes of a section, one behind another: lengths of owner and text, kind, then both, each filled
/// up to four bytes.
struct Notes<'a> {
    bytes: &'a [u8],
    endian: Endian,
}

impl<'a> Iterator for Notes<'a> {
    type Item = Note<'a>;

    fn next(&mut self) -> Option<Note<'a>> {
        let word = |at: usize| Some(self.endian.word(*self.bytes.get(at..)?.first_chunk()?));
        let (owner_len, text_len) = (word(0)? as usize, word(4)? as usize);
        let kind = word(8)?;
        let owner = self.bytes.get(12..)?.get(..owner_len)?;
        let start = 12 + owner_len.next_multiple_of(4);
        let text = self.bytes.get(start..)?.get(..text_len)?;
        let end = start + text_len.next_multiple_of(4);
        self.bytes = self.bytes.get(end..).unwrap_or_default();
        Some(Note { kind, owner, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found_behind_each_other_and_a_cut_one_ends_them() {
        let mut bytes = Vec::new();
        for (owner, kind, text) in
            [("GNU\0", 3, &b"abcde"[..]), ("Linux\0", LTO_INFO, b"\x01\0\0\0")]
        {
            bytes.extend((owner.len() as u32).to_le_bytes());
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend(owner.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(text);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let kinds = |bytes: &[u8]| -> Vec<u32> {
            Notes { bytes, endian: Endian::Little }.map(|note| note.kind).collect()
        };
        assert_eq!(kinds(&bytes), [3, LTO_INFO]);
        assert_eq!(kinds(&bytes[..bytes.len() - 5]), [3]);
        assert_eq!(kinds(&[0xff; 12]), Vec::<u32>::new());
    }
}

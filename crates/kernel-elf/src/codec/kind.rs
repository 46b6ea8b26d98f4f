//! Which codec a module file uses.

/// How a module file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not compressed, or nothing that is known here.
    None,
    /// RFC 1952, one or more members.
    Gzip,
    /// The .xz format, one or more streams.
    Xz,
    /// Zstandard frames and skippable frames.
    Zstd,
}

impl Codec {
    /// How many first bytes of a file [`Codec::of`] wants to see. depmod
    /// refuses a file with fewer bytes, whatever they are.
    pub const MAGIC_LEN: usize = 6;

    /// The codec of a file that starts with `first_bytes`, by magic and never
    /// by name, as depmod decides it.
    ///
    /// A skippable zstd frame is the one magic that depmod does not know:
    /// parallel zstd compressors put one before the data.
    #[must_use]
    pub fn of(first_bytes: &[u8]) -> Codec {
        match first_bytes {
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Codec::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Codec::Xz,
            [0x1f, 0x8b, ..] => Codec::Gzip,
            _ => Codec::None,
        }
    }

    /// The word that depmod puts before a codec's messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Xz => "xz",
            Codec::Zstd => "zstd",
        }
    }
}

//! The codecs as a caller sees them: what decodes, what does not and in which
//! words, and that neither order nor size nor damage upsets a decoder.
//!
//! Files are made next to the assertions. The words for damage were read off
//! kmod's depmod (commit 84fa569, zlib 1.2.13, liblzma 5.4, libzstd 1.5.4).

#![expect(clippy::unwrap_used, reason = "tests, and what they make their files with")]

mod accepts;
mod files;
mod limits;
mod random;
mod words;

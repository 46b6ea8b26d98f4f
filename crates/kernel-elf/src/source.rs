//! The bytes of a module by range: positioned reads of a file, or slices of a
//! decompressed image.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::error::ReadError;

/// Where an ELF image lies.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// An uncompressed file of `size` bytes, as fstat said.
    File { fd: BorrowedFd<'a>, size: u64 },
    /// A whole image in memory.
    Image(&'a [u8]),
}

impl<'a> Source<'a> {
    /// Size of the image in bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Source::File { size, .. } => *size,
            Source::Image(image) => image.len() as u64,
        }
    }

    /// Whether `offset + size` lies within the image.
    pub(crate) fn holds(&self, offset: u64, size: u64) -> bool {
        offset.checked_add(size).is_some_and(|end| end <= self.size())
    }

    /// The bytes of `range`, which the caller has checked with
    /// [`holds`](Self::holds): borrowed from the image, or read into `buf`.
    pub(crate) fn get<'b>(
        &self,
        range: Range<u64>,
        buf: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], ReadError>
    where
        'a: 'b,
    {
        match self {
            Source::File { fd, .. } => {
                let len = (range.end - range.start) as usize;
                let buf = at_least(buf, len)?;
                read_exact_at(*fd, buf, range.start)?;
                Ok(buf)
            }
            Source::Image(image) => {
                image.get(range.start as usize..range.end as usize).ok_or(ReadError::Shrank)
            }
        }
    }
}

/// More than any module has of sections that matter, or compressed; a sparse file
/// can claim more than there is memory.
const BUFFER_MAX: usize = 1 << 30;

/// The first `len` bytes of `buf`, which grows but never shrinks: the next
/// module reuses it without zeroing it again.
pub(crate) fn at_least(buf: &mut Vec<u8>, len: usize) -> Result<&mut [u8], ReadError> {
    if buf.len() < len {
        let more = len - buf.len();
        if len > BUFFER_MAX || buf.try_reserve_exact(more).is_err() {
            return Err(ReadError::Read(Errno::NOMEM));
        }
        if buf.is_empty() {
            // Fresh zeroed memory is not written before it is used; grown memory is.
            *buf = vec![0; len];
        } else {
            buf.resize(len, 0);
        }
    }
    Ok(&mut buf[..len])
}

/// Fills `buf` from `offset`. An end of file before that means that the file
/// shrank since its size was asked.
pub(crate) fn read_exact_at(
    fd: BorrowedFd<'_>,
    mut buf: &mut [u8],
    mut offset: u64,
) -> Result<(), ReadError> {
    while !buf.is_empty() {
        match read_at(fd, buf, offset)? {
            0 => return Err(ReadError::Shrank),
            n => {
                buf = &mut buf[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

/// One positioned read, repeated when a signal interrupts it.
pub(crate) fn read_at(fd: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> Result<usize, ReadError> {
    loop {
        match rustix::io::pread(fd, &mut *buf, offset) {
            Ok(n) => return Ok(n),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(ReadError::Read(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    /// A sparse file can say that it has a terabyte.
    #[test]
    fn what_no_memory_holds_is_an_error_and_not_an_abort() {
        let error = at_least(&mut Vec::new(), 1 << 40).unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        assert_eq!(at_least(&mut Vec::new(), 10).unwrap().len(), 10);
    }

    #[test]
    fn a_file_that_ends_early_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        // What was there when the size was asked.
        let source = Source::File { fd: file.as_fd(), size: 10 };
        let mut buf = Vec::new();
        assert_eq!(source.get(1..3, &mut buf).unwrap(), b"bc");
        let error = source.get(1..10, &mut buf).unwrap_err();
        assert!(matches!(error, ReadError::Shrank));
        assert_eq!(error.errno(), Errno::IO);
    }
}

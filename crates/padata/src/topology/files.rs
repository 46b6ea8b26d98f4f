//! Small files of the kernel, read whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The content of a file of at most `limit` bytes; a longer one is an error.
///
/// [`std::fs::read`] asks for the size first and believes it. The kernel gives 0 or a page for
/// these files, so that question is a system call for nothing.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // Nearly all of these files fit into this: one call reads the file, one finds its end.
    let mut content = Vec::with_capacity(1024);
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit {
        let message = format!("longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

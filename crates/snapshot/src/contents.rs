//! What is in a file goes into another one: by the kernel where it can, and what is a hole stays one.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use rustix::io::Errno;

/// How long a file may be that is read at once, in bytes.
const SMALL: usize = 1 << 17;

/// Returns the size of a file that is read at once: to look for its holes would take longer.
pub(crate) fn small(size: u64) -> Option<usize> {
    usize::try_from(size).ok().filter(|size| *size <= SMALL)
}

/// Copies `size` bytes of one file into another, from `offset` of that on: without bringing them
/// into this process where the kernel can, and only what is no hole.
pub(crate) fn copy_contents(from: &File, to: &File, size: u64, offset: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;

    if let Some(size) = small(size) {
        let mut bytes = vec![0; size];
        from.read_exact_at(&mut bytes, 0)?;
        return to.write_all_at(&bytes, offset);
    }
    let mut place = 0;
    while place < size {
        let data = match rustix::fs::seek(from, rustix::fs::SeekFrom::Data(place)) {
            Ok(data) => data.min(size),
            Err(Errno::NXIO) => size,
            // A file system that knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => place,
            Err(error) => return Err(error.into()),
        };
        let end = match rustix::fs::seek(from, rustix::fs::SeekFrom::Hole(data)) {
            Ok(end) if end > data => end.min(size),
            _ => size,
        };
        copy_range(from, to, data..end, offset)?;
        place = end;
    }
    // A hole at the end is there only if the file is as long.
    let length = offset + size;
    if to.metadata()?.len() < length {
        to.set_len(length)?;
    }
    Ok(())
}

fn copy_range(from: &File, to: &File, range: std::ops::Range<u64>, offset: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;

    let mut place = range.start;
    let mut in_kernel = true;
    let mut buffer = Vec::new();
    while place < range.end {
        let left = usize::try_from(range.end - place).unwrap_or(usize::MAX);
        if in_kernel {
            let (mut read, mut written) = (place, offset + place);
            let (from, to) = (from.as_fd(), to.as_fd());
            match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), left) {
                Ok(0) | Err(_) => in_kernel = false,
                Ok(count) => place += count as u64,
            }
            continue;
        }
        buffer.resize(left.min(1 << 18), 0);
        let count = from.read_at(&mut buffer, place)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all_at(&buffer[..count], offset + place)?;
        place += count as u64;
    }
    Ok(())
}

//! Reading inputs: a regular file, of bounded size, without waiting for anybody.
//!
//! A tree that was cloned may have a link to `/dev/zero`, a named pipe or a file of many gigabytes
//! where a Containerfile is expected. Every input goes through here.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::problem::Problem;

/// The limit, in bytes, of a file that people write: Containerfile, package.toml, stagex.toml,
/// .dockerignore, digests/*.txt.
pub const TEXT: u64 = 4 << 20;

/// The limit, in bytes, of an index, manifest or config of an image: what registries take.
pub const MANIFEST: u64 = 4 << 20;

/// The limit, in bytes, of another document that programs write: a record, for example.
pub const DOCUMENT: u64 = 16 << 20;

/// The limit, in bytes, of a list with a line for each file of a tree: the hashes, the outputs.
pub const LIST: u64 = 256 << 20;

/// Opens a regular file for reading. Symbolic links are followed.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    // To open a device is to use it already.
    regular(&fs::metadata(path)?)?;
    let mut options = File::options();
    // It may have become a named pipe meanwhile, which would wait for its writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes. Symbolic links are followed.
pub fn read(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    read_open(&open(path)?, limit)
}

/// Reads a regular file of at most `limit` bytes, which must be UTF-8. Symbolic links are followed.
pub fn read_text(path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
    text(read(path, limit)?)
}

/// Reads what is left of an open file, if that is at most `limit` bytes.
pub fn read_open(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    regular(&metadata)?;
    if metadata.len() > limit {
        return Err(Problem::TooLarge(limit).into());
    }
    let mut contents = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // What its size says need not hold: files of the kernel have none.
    file.take(limit + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > limit {
        return Err(Problem::TooLarge(limit).into());
    }
    Ok(contents)
}

pub(crate) fn text(contents: Vec<u8>) -> io::Result<String> {
    String::from_utf8(contents)
        .map_err(|error| Problem::NotUtf8(error.utf8_error().valid_up_to()).into())
}

/// Refuses what is no regular file.
pub(crate) fn regular(metadata: &fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let found = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_symlink() => "a symbolic link",
        _ if kind.is_fifo() => "a named pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Problem::NotRegular(found).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rstest::rstest;
    use rustix::fs::{CWD, FileType, Mode};

    use super::*;
    use crate::problem::problem;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        let error = read(&path, 3).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::TooLarge(3)));
    }

    #[test]
    fn a_file_without_a_size_is_read_up_to_its_limit() {
        assert!(!read("/proc/self/status", TEXT).unwrap().is_empty());
        let error = read("/proc/self/status", 3).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::TooLarge(3)));
    }

    #[rstest]
    #[case::zeros("/dev/zero", "a device")]
    #[case::directory("/", "a directory")]
    fn a_link_to_what_is_no_file_is_not_read(#[case] target: &str, #[case] found: &'static str) {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("link");
        symlink(target, &path).unwrap();
        let error = read(&path, TEXT).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::NotRegular(found)));
    }

    #[test]
    fn a_named_pipe_is_not_waited_for() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("pipe");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let error = read(&path, TEXT).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::NotRegular("a named pipe")));
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_not_text() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        fs::write(&path, b"ab\xff").unwrap();
        let error = read_text(&path, TEXT).unwrap_err();
        assert_eq!(problem(&error), Some(&Problem::NotUtf8(2)));
    }
}

//! What tells one file system, or a part of it, from another: a digest over all that a process in it
//! could see of its files, but for when they were last read and where on the disk they are.
//!
//! It knows files. What a digest is compared with is for others.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::error::{Context as _, Result};
use crate::place::Place;
use crate::special;
use crate::tree::{Tree, kind, open_in};
use crate::walk::{Item, Reason, Sight, Visitor, Walk};

/// How much is read at once: as much as any attribute may have, and more.
const BUFFER: usize = 1 << 18;

/// A sha256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Makes a digest of several parts, none of which runs over into the next one.
#[derive(Debug, Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// Takes a part.
    #[must_use]
    pub fn part(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.add(bytes.as_ref());
        self
    }

    /// Returns the digest of all parts.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }

    fn add(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }
}

/// Returns the sha256 of the bytes of a file, and of nothing else.
pub fn sha256(mut file: File) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest(hasher.finalize().into())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// What was found at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeDigest {
    /// What tells it from anything else.
    pub digest: Digest,
    /// How many bytes of the disk it takes.
    pub bytes: u64,
    /// A file of it has names elsewhere too, so that others might write to it.
    pub is_shared: bool,
}

/// Looks at what is at a place, with all that is in it, as it is on the disk.
pub fn digest(tree: &Tree, place: &Place) -> Result<TreeDigest> {
    let walk = Walk {
        filter: None,
        sight: Sight::Raw,
    };
    digest_of(tree, place, walk)
}

/// Looks at what is at a place, with all of it that is taken.
pub(crate) fn digest_of(tree: &Tree, place: &Place, walk: Walk<'_>) -> Result<TreeDigest> {
    let mut looker = Looker::default();
    walk.through(tree, place, &(), &mut looker)?;
    Ok(TreeDigest {
        digest: looker.digester.finish(),
        bytes: looker.bytes,
        is_shared: looker.linked.values().any(|linked| linked.missing > 0),
    })
}

/// A file that has several names.
struct Linked {
    /// Which name of the walk was its first.
    first: u64,
    /// How many of its names were not found yet.
    missing: u64,
}

/// What stands before each thing that is looked at, so that none is taken for another.
#[derive(Clone, Copy)]
enum Mark {
    File,
    /// Of this file a name was seen before.
    Again,
    Directory,
    /// Only something in it is taken.
    OnTheWay,
    End,
}

/// Takes note of all that it is told of.
#[derive(Default)]
struct Looker {
    digester: Digester,
    bytes: u64,
    /// How many names were looked at.
    names: u64,
    linked: BTreeMap<(u64, u64), Linked>,
    buffer: Vec<u8>,
}

impl Visitor for Looker {
    type Directory = ();

    fn file(&mut self, item: &Item<'_>, (): &()) -> Result<()> {
        let (status, place) = (&item.status, item.place.as_bytes());
        self.names += 1;
        let mut first = self.names;
        if status.st_nlink > 1 {
            let linked = self.linked.entry((status.st_dev, status.st_ino));
            let linked = linked.or_insert(Linked {
                first,
                missing: status.st_nlink,
            });
            linked.missing = linked.missing.saturating_sub(1);
            first = linked.first;
        }
        if first != self.names {
            // It was looked at under its first name.
            self.begin(item, Mark::Again);
            self.digester.number(first);
            return Ok(());
        }
        self.begin(item, Mark::File);
        self.count(status);
        match kind(status) {
            FileType::Symlink => {
                let name = OsStr::from_bytes(item.name);
                let target = rustix::fs::readlinkat(item.directory, name, Vec::new());
                let target = target.at("read the link", place)?;
                self.digester.add(target.as_bytes());
            }
            FileType::RegularFile => {
                let file = open_in(item.directory, item.name).at("open", place)?;
                self.attributes(&file).at("read", place)?;
                let size = u64::try_from(status.st_size).unwrap_or(0);
                self.contents(&file, size).at("read", place)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(
        &mut self,
        item: &Item<'_>,
        opened: BorrowedFd<'_>,
        (): &(),
        reason: Reason,
    ) -> Result<()> {
        self.names += 1;
        let mark = match reason {
            Reason::Taken => Mark::Directory,
            Reason::OnTheWay => Mark::OnTheWay,
        };
        self.begin(item, mark);
        self.count(&item.status);
        self.attributes(opened).at("read", item.place.as_bytes())
    }

    fn leave(&mut self, _: &Item<'_>, (): &(), (): &(), _: Reason) -> Result<()> {
        self.digester.number(Mark::End as u64);
        Ok(())
    }
}

impl Looker {
    fn begin(&mut self, item: &Item<'_>, mark: Mark) {
        self.digester.number(mark as u64);
        // What is named is whatever its name.
        if self.names > 1 {
            self.digester.add(item.name);
        }
        self.status(&item.status);
    }

    /// Counts what a file takes of the disk, in the unit of this field.
    fn count(&mut self, status: &Stat) {
        self.bytes += u64::try_from(status.st_blocks).unwrap_or(0) * 512;
    }

    fn status(&mut self, status: &Stat) {
        let fields = [
            u64::from(status.st_mode),
            u64::from(status.st_uid),
            u64::from(status.st_gid),
            status.st_rdev,
            // Seconds before 1970 are numbers as well.
            status.st_mtime.cast_unsigned(),
            status.st_mtime_nsec,
        ];
        for field in fields {
            self.digester.number(field);
        }
    }

    /// Takes the attributes of a file, in the order of their names.
    fn attributes(&mut self, file: impl AsFd) -> Result<(), Errno> {
        let file = file.as_fd();
        self.buffer.resize(BUFFER, 0);
        let length = match rustix::fs::flistxattr(file, &mut self.buffer[..]) {
            Err(Errno::NOTSUP) => 0,
            length => length?,
        };
        let list = self.buffer[..length].to_vec();
        let names = list
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        let mut names: Vec<&[u8]> = names.collect();
        names.sort_unstable();
        self.digester.number(names.len() as u64);
        for name in names {
            if special::is_mark(name) {
                special::expect_stand_ins();
            }
            let key = OsStr::from_bytes(name);
            let length = rustix::fs::fgetxattr(file, key, &mut self.buffer[..])?;
            self.digester.add(name);
            self.digester.add(&self.buffer[..length]);
        }
        Ok(())
    }

    /// Takes what is in a file: its size, and every block that is not all zeros with its place, so
    /// that it does not matter which blocks are holes.
    fn contents(&mut self, file: &File, size: u64) -> io::Result<()> {
        const BLOCK: usize = 1 << 12;
        self.digester.number(size);
        let mut place = 0;
        while place < size {
            // What is no hole may be small and far away.
            if size > BUFFER as u64 {
                place = match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(place)) {
                    Ok(data) => data / BLOCK as u64 * BLOCK as u64,
                    Err(Errno::NXIO) => break,
                    Err(Errno::INVAL | Errno::OPNOTSUPP) => place,
                    Err(error) => return Err(error.into()),
                };
            }
            let left = usize::try_from(size.saturating_sub(place)).unwrap_or(usize::MAX);
            let buffer = &mut self.buffer[..left.min(BUFFER)];
            file.read_exact_at(buffer, place)?;
            for block in buffer.chunks(BLOCK) {
                if block.iter().any(|byte| *byte != 0) {
                    self.digester.number(place);
                    self.digester.0.update(block);
                }
                place += block.len() as u64;
            }
        }
        self.digester.number(u64::MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use rstest::rstest;
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

    use super::*;
    use crate::tree::tests::{deep, walking};

    fn found(path: &Path) -> TreeDigest {
        digest(&Tree::open(path).unwrap(), &Place::root()).unwrap()
    }

    fn set_time(path: &Path, nanoseconds: u32) {
        let time = UNIX_EPOCH + Duration::new(1_000_000_000, nanoseconds);
        let file = File::open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    /// Sets an attribute of the file.
    fn attribute(path: &Path, value: &str) {
        let directory = Tree::open(&path.join("in")).unwrap();
        let value = value.as_bytes();
        crate::attributes::set_attribute(directory.as_fd(), b"file", "user.key", value).unwrap();
    }

    /// Puts a link to `target` there, of the time of everything else.
    fn link(path: &Path, target: &str) {
        let link = path.join("link");
        let _ = fs::remove_file(&link);
        symlink(target, &link).unwrap();
        let time = Timespec {
            tv_sec: 1_000_000_000,
            tv_nsec: 1,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, &link, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        set_time(path, 1);
    }

    /// Makes a directory with one of each, all of one time.
    fn scene() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("in")).unwrap();
        fs::write(path.join("in/file"), "text").unwrap();
        fs::write(path.join("linked"), "text").unwrap();
        fs::hard_link(path.join("linked"), path.join("other")).unwrap();
        link(path, "text");
        attribute(path, "one");
        set_time(&path.join("in/file"), 1);
        set_time(&path.join("linked"), 1);
        set_time(&path.join("in"), 1);
        set_time(path, 1);
        directory
    }

    #[test]
    fn it_does_not_depend_on_the_place_on_the_disk() {
        let (one, other) = (scene(), scene());
        let [first, second] = [&one, &other].map(|scene| found(scene.path()));
        assert_eq!(first.digest, second.digest);
        assert!(!first.is_shared);
        fs::read(one.path().join("in/file")).unwrap();
        assert_eq!(found(one.path()).digest, first.digest);
    }

    type Change = fn(&Path);

    #[rstest]
    #[case::contents(|path: &Path| {
        fs::write(path.join("in/file"), "tExt").unwrap();
        set_time(&path.join("in/file"), 1);
    })]
    #[case::mode(|path: &Path| {
        let mode = fs::Permissions::from_mode(0o4644);
        fs::set_permissions(path.join("in/file"), mode).unwrap();
    })]
    #[case::time_of_a_file(|path: &Path| set_time(&path.join("in/file"), 2))]
    #[case::second_of_a_file(|path: &Path| {
        let file = File::open(path.join("in/file")).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::new(1_000_000_001, 1)).unwrap();
    })]
    #[case::time_of_a_directory(|path: &Path| set_time(&path.join("in"), 2))]
    #[case::name(|path: &Path| {
        fs::rename(path.join("in/file"), path.join("in/fild")).unwrap();
        set_time(&path.join("in"), 1);
    })]
    #[case::one_name_less_of_a_file(|path: &Path| {
        fs::remove_file(path.join("other")).unwrap();
        fs::write(path.join("other"), "text").unwrap();
        set_time(&path.join("other"), 1);
        set_time(path, 1);
    })]
    #[case::attribute(|path: &Path| {
        let directory = Tree::open(path).unwrap();
        let name = "user.overlay.opaque";
        crate::attributes::set_attribute(directory.as_fd(), b"in", name, b"y").unwrap();
    })]
    #[case::value_of_an_attribute(|path: &Path| attribute(path, "two"))]
    #[case::target_of_a_link(|path: &Path| link(path, "tExt"))]
    #[case::kind(|path: &Path| {
        fs::remove_file(path.join("in/file")).unwrap();
        symlink("text", path.join("in/file")).unwrap();
        set_time(&path.join("in"), 1);
    })]
    fn whatever_can_be_seen_counts(#[case] change: Change) {
        let scene = scene();
        let before = found(scene.path());
        change(scene.path());
        assert_ne!(found(scene.path()).digest, before.digest);
    }

    #[test]
    fn the_owner_the_group_and_the_device_count() {
        let scene = scene();
        let file = File::open(scene.path().join("in/file")).unwrap();
        let status = rustix::fs::fstat(&file).unwrap();
        let of = |change: fn(&mut Stat)| {
            let (mut looker, mut status) = (Looker::default(), status);
            change(&mut status);
            looker.status(&status);
            looker.digester.finish()
        };
        let before = of(|_| ());
        assert_eq!(of(|_| ()), before);
        // Only root can change them, so that what the file system would say is said here.
        assert_ne!(of(|status| status.st_uid += 1), before);
        assert_ne!(of(|status| status.st_gid += 1), before);
        assert_ne!(of(|status| status.st_rdev += 1), before);
    }

    #[test]
    fn what_is_in_a_directory_is_not_beside_it() {
        let [one, other] = ["a/b", "b"].map(|file| {
            let scene = tempfile::tempdir().unwrap();
            let root = scene.path();
            fs::create_dir(root.join("a")).unwrap();
            fs::write(root.join(file), "text").unwrap();
            for path in [root.join(file), root.join("a"), root.to_owned()] {
                set_time(&path, 1);
            }
            found(root).digest
        });
        assert_ne!(one, other);
    }

    #[test]
    fn a_hole_is_as_good_as_zeros() {
        let directory = tempfile::tempdir().unwrap();
        let [full, sparse] = ["full", "sparse"].map(|name| directory.path().join(name));
        let mut bytes = vec![0; 3 << 20];
        bytes[1 << 20] = 1;
        fs::write(&full, &bytes).unwrap();
        let file = File::create(&sparse).unwrap();
        file.set_len(3 << 20).unwrap();
        file.write_all_at(&[1], 1 << 20).unwrap();
        assert!(fs::metadata(&sparse).unwrap().blocks() < fs::metadata(&full).unwrap().blocks());
        let tree = Tree::open(directory.path()).unwrap();
        let [one, other] = ["full", "sparse"].map(|name| {
            set_time(&directory.path().join(name), 1);
            digest(&tree, &Place::new(name)).unwrap()
        });
        assert_eq!(one.digest, other.digest);
        file.write_all_at(&[2], (3 << 20) - 1).unwrap();
        set_time(&sparse, 1);
        let changed = digest(&tree, &Place::new("sparse")).unwrap();
        assert_ne!(changed.digest, one.digest);
    }

    #[test]
    fn a_file_with_a_name_elsewhere_is_shared() {
        let (scene, other) = (scene(), tempfile::tempdir().unwrap());
        let before = found(scene.path());
        fs::hard_link(scene.path().join("in/file"), other.path().join("name")).unwrap();
        let after = found(scene.path());
        assert!(after.is_shared);
        assert_eq!(
            after.digest, before.digest,
            "what is elsewhere does not count"
        );
    }

    #[test]
    fn directories_deeper_than_a_path_is_long_are_an_error() {
        let directory = tempfile::tempdir().unwrap();
        deep(directory.path(), 3000);
        let looked_at = walking(|| digest(&Tree::open(directory.path())?, &Place::root()));
        let error = looked_at.unwrap_err().to_string();
        assert!(error.contains("File name too long"), "{error}");
        crate::clear(directory.path()).unwrap();
    }

    #[test]
    fn parts_do_not_run_over() {
        let of = |parts: &[&str]| {
            let add = |digester: Digester, part: &&str| digester.part(part);
            parts.iter().fold(Digester::default(), add).finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a", ""]), of(&["a"]));
        let digest = of(&["a"]);
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse(&"é".repeat(32)), None);
    }
}

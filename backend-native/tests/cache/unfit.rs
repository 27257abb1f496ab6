//! File systems that keep something else than they are given, or hand something on: on them nothing is built
//! that would not be the same as anywhere else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use libtest_mimic::Failed;
use rustix::mount::{MountFlags, UnmountFlags};

use super::SHELL;
use super::scene::{Scene, block_on, expect, expect_equal};

/// A file system that is mounted as long as this lives.
struct Mounted {
    directory: tempfile::TempDir,
    at: Utf8PathBuf,
}

impl Mounted {
    fn directories() -> Result<Self, Failed> {
        let directory = tempfile::tempdir_in("/var/tmp")?;
        let path = Utf8Path::from_path(directory.path()).ok_or("the path is UTF-8")?;
        let at = path.join("at");
        for name in ["at", "from"] {
            fs::create_dir(path.join(name))?;
        }
        Ok(Self { directory, at })
    }

    /// Mounts a file system in memory that has no attributes.
    fn ramfs() -> Result<Self, Failed> {
        let mounted = Self::directories()?;
        let at = mounted.at.as_std_path();
        rustix::mount::mount(
            c"ramfs",
            at,
            c"ramfs",
            MountFlags::NODEV,
            None::<&std::ffi::CStr>,
        )?;
        Ok(mounted)
    }

    /// Mounts a directory once more, by a program (FUSE) that does as its options say.
    fn bindfs(options: &[&str]) -> Result<Self, Failed> {
        let mounted = Self::directories()?;
        let from = mounted.directory.path().join("from");
        let from = Utf8Path::from_path(&from).ok_or("the path is UTF-8")?;
        let arguments = options
            .iter()
            .copied()
            .chain([from.as_str(), mounted.at.as_str()]);
        let mut invocation = process::Invocation::new("bindfs".into());
        for argument in arguments {
            invocation = invocation.argument(argument);
        }
        block_on(invocation.run_with(&mut |_, _| {}))?;
        Ok(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.at.as_std_path(), UnmountFlags::DETACH);
    }
}

const TEXT: &str = "COPY --chown=5:6 --chmod=4750 file /1\nRUN chown 7:8 /1 && touch -d @1 /1\n";

pub(crate) fn a_file_system_that_keeps_something_else_is_refused() -> Result<(), Failed> {
    let cases: &[(&[&str], &str)] = &[
        (&["--chown-ignore", "--chgrp-ignore"], "owners of files"),
        (&["--chmod-ignore"], "all bits of modes"),
        (&["--xattr-none"], "extended attributes"),
        (&["--force-user=nobody"], "owners of files"),
        // It remembers for a second how many names a file has.
        (&[], "hard links"),
        // Of two times that are set, and one that is left as it is, it sets neither.
        (&["-o", "attr_timeout=0"], "times to the nanosecond"),
    ];
    let refused = |mounted: &Mounted, lacks: &str| {
        let scene = Scene::below(&mounted.at);
        scene.write("context/file", "text");
        let built = scene.build(&format!("{SHELL}{TEXT}")).run();
        let failed = built
            .err()
            .ok_or_else(|| format!("{lacks}: it was built"))?;
        let said = failed.message().unwrap_or_default();
        expect(
            said.contains(lacks),
            &format!("expected {lacks}, found {said}"),
        )
    };
    for (options, lacks) in cases {
        refused(&Mounted::bindfs(options)?, lacks)?;
    }
    refused(&Mounted::ramfs()?, "extended attributes")
}

/// A tree that a group shares has directories of which everything in them becomes that group's, and access
/// lists that do the same for users.
pub(crate) fn a_shared_directory_hands_nothing_on() -> Result<(), Failed> {
    let directory = tempfile::tempdir_in("/var/tmp")?;
    let shared = Utf8Path::from_path(directory.path()).ok_or("the path is UTF-8")?;
    std::os::unix::fs::chown(shared, None, Some(4321))?;
    // What `setfacl -d -m u::rwx,g::rwx,o::rwx` writes.
    let entry = |tag: u8| [tag, 0, 7, 0, 0xff, 0xff, 0xff, 0xff];
    let list = [&[2, 0, 0, 0][..], &entry(1), &entry(4), &entry(0x20)].concat();
    let flags = rustix::fs::XattrFlags::empty();
    let name = "system.posix_acl_default";
    rustix::fs::setxattr(shared.as_std_path(), name, &list, flags)?;
    fs::set_permissions(shared, Permissions::from_mode(0o2775))?;
    let text = format!("{SHELL}RUN touch /1 && mkdir /2 && stat -c '%n %a %u %g' / /1 /2 >/3\n");
    let [here, there] = [Scene::new(), Scene::below(shared)];
    let inherited = fs::metadata(there.directory.join("context"))?;
    expect_equal(&inherited.gid(), &4321)?;
    let [here, there] = [here.build(&text).run()?, there.build(&text).run()?];
    expect_equal(&there.contents("3"), &here.contents("3"))?;
    expect_equal(&here.contents("3"), "/ 755 0 0\n/1 644 0 0\n/2 755 0 0\n")
}

//! Tries out what a build takes, on a small scale.

use camino::Utf8Path;
use sandbox::Rights;
use snapshot::Stack;

use super::failure::Result;
use crate::job::Failure;

/// Mounts a stack in memory below `folder`, which is left as it was. Returns what was found out.
pub(super) fn try_out(folder: &Utf8Path, rights: Rights) -> Result<Vec<(String, String)>> {
    let flags = rustix::mount::MountFlags::NODEV | rustix::mount::MountFlags::NOSUID;
    let none = None::<&std::ffi::CStr>;
    rustix::mount::mount(c"tmpfs", folder.as_std_path(), c"tmpfs", flags, none)
        .map_err(|error| Failure::io("mount", folder, &error.into()))?;
    for name in ["upper", "work", "empty", "merged"] {
        let path = folder.join(name);
        std::fs::create_dir(&path).map_err(|error| Failure::io("make", &path, &error))?;
    }
    let [upper, work, empty, merged] =
        ["upper", "work", "empty", "merged"].map(|name| folder.join(name).into_std_path_buf());
    let mounted = Stack::default().mount(&upper, &work, &empty, &merged);
    let files = match mounted {
        Ok(_) => "overlay",
        Err(error) => return Err(Failure::from(error)),
    };
    let users = match rights {
        Rights::Root => "root",
        Rights::User => "a name space of users",
    };
    let details = [("rights", users), ("snapshots", files)];
    let details = details.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(details.to_vec())
}

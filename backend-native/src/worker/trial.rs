//! Tries out what a build takes, on a small scale.

use camino::Utf8Path;
use sandbox::{Bounds, Inside, Rights};
use snapshot::Stack;

use super::failure::Result;
use crate::job::Failure;

/// Mounts a stack in memory below `folder`, which is left as it was. Returns what was found out.
pub(super) fn try_out(folder: &Utf8Path, inside: &Inside) -> Result<Vec<(String, String)>> {
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
        Ok(_) => "overlay".to_owned(),
        Err(error) => {
            format!("copies ({error}; where it is a module: `modprobe overlay`)")
        }
    };
    let users = match inside.rights {
        Rights::Root => "root",
        Rights::User => "a name space of users",
    };
    let details = [
        ("rights", users.to_owned()),
        ("snapshots", files),
        ("limits", limits(&inside.bounds, inside.rights)),
    ];
    let details = details.map(|(name, value)| (name.to_owned(), value));
    Ok(details.to_vec())
}

/// Says what holds a build back.
fn limits(bounds: &Bounds, rights: Rights) -> String {
    let processes = match (bounds.processes(), rights) {
        (Some(most), _) => format!("{most} processes"),
        (None, Rights::User) => "processes as the user's own limit has it".to_owned(),
        (None, Rights::Root) => "no limit of processes".to_owned(),
    };
    let memory = match bounds.memory() {
        Some(most) => format!("{} of memory", mebibytes(most)),
        None => "no limit of memory".to_owned(),
    };
    let help = match (bounds.processes(), bounds.memory()) {
        (Some(_), Some(_)) => "",
        _ => {
            " (no control group can be made here; with systemd it can by \
             `systemd-run --user --scope -p Delegate=yes stagex ...`)"
        }
    };
    format!("{processes}, {memory}{help}")
}

/// Says how much memory that is.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

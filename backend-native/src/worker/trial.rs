//! Tries out what a build takes, on a small scale.

use std::fs;

use camino::Utf8Path;
use sandbox::{Bounds, Inside, Network, Process, Rights, SharedMemory, UserNetwork};
use snapshot::Stack;

use crate::command::HOST_NAME;
use crate::job::{Failure, FailureKind};
use crate::worker::failure::Result;
use crate::worker::run::limits::mebibytes;
use crate::worker::run::{network, seccomp_notify};

/// A program that is not there.
const PROGRAM: &str = "/trial";

/// What was found out, as (name, value), and the program that leads to the network, if one does.
type Found = (Vec<(String, String)>, Option<String>);

/// Mounts a stack in memory below `directory`, which is left as it was, and tries to run a process, and the
/// programs that lead to the network, unless it is known which one does.
pub(crate) fn try_out(
    directory: &Utf8Path,
    inside: &Inside,
    known: Option<String>,
) -> Result<Found> {
    let flags = rustix::mount::MountFlags::NODEV | rustix::mount::MountFlags::NOSUID;
    let none = None::<&std::ffi::CStr>;
    rustix::mount::mount(c"tmpfs", directory.as_std_path(), c"tmpfs", flags, none)
        .map_err(|error| Failure::io("mount", directory, &error.into()))?;
    for name in ["upper", "work", "empty", "merged", "root"] {
        let path = directory.join(name);
        std::fs::create_dir(&path).map_err(|error| Failure::io("make", &path, &error))?;
    }
    let [upper, work, empty, merged] =
        ["upper", "work", "empty", "merged"].map(|name| directory.join(name).into_std_path_buf());
    let mounted = Stack::default().mount(&upper, &work, &empty, &merged);
    let files = match mounted {
        Ok(_) => "overlay".to_owned(),
        Err(error) => {
            format!("copies ({error}; where it is a module: `modprobe overlay`)")
        }
    };
    try_to_run(&directory.join("root"), inside)?;
    let users = match (inside.rights, snapshot::stand_in()) {
        (Rights::Root, _) => "root".to_owned(),
        (Rights::User, None) => "a user namespace".to_owned(),
        (Rights::User, Some(last)) => {
            format!("a user namespace, with {} users", u64::from(last) + 1)
        }
    };
    let find = || UserNetwork::find(&inside.bounds).map(|kind| kind.program().to_owned());
    let (network, leads) = match known.map_or_else(find, Ok) {
        Ok(program) => (format!("{program} in user mode"), Some(program)),
        Err(why) => {
            let why = format!("none for a RUN ({why}; {})", network::INSTALL);
            (why, None)
        }
    };
    let details = [
        ("rights", users),
        ("snapshots", files),
        ("network", network),
        ("limits", limits(&inside.bounds, inside.rights)),
    ];
    let details = details.map(|(name, value)| (name.to_owned(), value));
    Ok((details.to_vec(), leads))
}

/// Does all that it takes to run a process in an empty file system, in which there is no program.
fn try_to_run(root: &Utf8Path, inside: &Inside) -> Result<()> {
    let open =
        |path: &Utf8Path| fs::File::open(path).map_err(|error| Failure::io("open", path, &error));
    sandbox::temporary(open(root)?, &[], root.as_str())?;
    for name in ["proc", "sys", "dev"] {
        let path = root.join(name);
        fs::create_dir(&path).map_err(|error| Failure::io("make", &path, &error))?;
    }
    let devices = open(&root.join("dev"))?;
    let tried = || -> sandbox::Result<()> {
        sandbox::devices(&devices, SharedMemory::Usual, inside.rights)?;
        let (_, output) = Process::pipe()?;
        let process = Process {
            words: vec![PROGRAM.to_owned()],
            environment: Vec::new(),
            root: root.into(),
            directory: b"/".to_vec(),
            user: 0,
            group: 0,
            groups: vec![0],
            host_name: HOST_NAME.to_owned(),
            network: Network::None,
            open_files: (1024, 1024),
            output,
            rights: inside.rights,
            bounds: inside.bounds.clone(),
            held: seccomp_notify::held(Vec::new()),
        };
        process.start()?.wait().map(|_| ())
    };
    match tried() {
        // It came as far as it can.
        Err(sandbox::Error::Execute { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        Ok(()) => Ok(()),
        Err(error) => Err(cannot_run(error.into(), inside.rights)),
    }
}

/// Says what a RUN here fails for.
fn cannot_run(failure: Failure, rights: Rights) -> Failure {
    let message = format!("cannot run a process here: {}", failure.message);
    let hint = failure.hint.unwrap_or_else(|| match rights {
        Rights::Root => {
            "root needs all rights that it usually has: CAP_SYS_ADMIN, CAP_MKNOD, CAP_SETUID \
             and the others that a container takes away; an ordinary user needs none"
                .to_owned()
        }
        Rights::User => {
            "the ranges of this user in /etc/subuid and /etc/subgid are too short for a \
             build: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
                .to_owned()
        }
    });
    Failure::new(FailureKind::Permission, message).with_hint(hint)
}

/// Says what holds a build back.
fn limits(bounds: &Bounds, rights: Rights) -> String {
    let processes = match (bounds.processes(), rights) {
        (Some(most), _) => format!("{most} processes"),
        (None, Rights::User) => "processes by the user's own limit".to_owned(),
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

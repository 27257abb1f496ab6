//! Namespaces around the engine itself, so that whatever it starts and mounts ends with it.
//!
//! An engine that is told to end in the middle of a RUN may leave the RUN's processes alive (the
//! OCI runtime gives them a session of their own) and its file systems mounted. In a process and
//! a mount namespace of its own both are gone with the engine, and its files can be deleted.
//!
//! In that mount namespace the machine's files can be read only. Engines and OCI runtimes make mount
//! points, and links in `/dev`, through symbolic links that a build has put there, with the rights of
//! root and beside the build's own root.

use camino::Utf8PathBuf;
use process::Invocation;

use crate::tool::Tool;

/// Makes what is mounted read-only, but for the folders that are named up to `--`, and runs what
/// follows. What the kernel does not allow, where it has been denied to this root, stays as it is.
/// `/proc`, `/sys` and what is in memory are no files of the machine's.
const GUARD: &str = r#"
while [ "$1" != -- ]; do
    if folder=$(cd "$1" 2>/dev/null && pwd -P) && mount --bind -- "$folder" "$folder"; then
        kept="$kept$folder
"
    fi
    shift
done
shift
while read -r _ _ _ _ place _; do
    place=$(printf '%b' "$place")
    case $place in
        /proc | /proc/* | /sys | /sys/* | /dev/shm | /dev/shm/* | /dev/pts | /dev/mqueue) continue ;;
    esac
    while read -r folder; do
        case $place in "$folder" | "$folder"/*) continue 2 ;; esac
    done <<END
${kept%?}
END
    mount -o remount,bind,ro "$place" 2>/dev/null
done </proc/self/mountinfo
cd "$(pwd -P)"
exec "$@"
"#;

/// Folders that an engine of root's writes to whatever it does: its state, its networks and their locks.
const OWN: [&str; 6] = [
    "/run",
    "/etc/cni",
    "/etc/containers",
    "/var/cache",
    "/var/lib/cni",
    "/var/lib/containers",
];

/// How the engine itself is started.
#[derive(Debug, Clone)]
pub(crate) struct Enclosure {
    /// The program that makes namespaces; `None` where the user is not root and the engine
    /// makes a user namespace for itself.
    unshare: Option<Utf8PathBuf>,
}

/// What a program may write to, if it is the engine of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing<'a> {
    /// Whatever the user may write to.
    Anywhere,
    /// These folders, and its own.
    In(&'a [Utf8PathBuf]),
}

/// Whether a program sees the machine's network interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interfaces {
    /// It does.
    Machine,
    /// It sees a loopback interface that is down, and nothing else.
    None,
}

impl Enclosure {
    /// Finds what is needed to make namespaces as this user.
    pub(crate) fn find() -> Result<Self, process::Error> {
        let unshare = if rustix::process::geteuid().is_root() {
            Some(process::find("unshare".into())?)
        } else {
            None
        };
        Ok(Self { unshare })
    }

    /// Tells whether the engine runs as root.
    pub(crate) fn is_root(&self) -> bool {
        self.unshare.is_some()
    }

    /// Prepares a run of `tool`; its subcommand is still to be added.
    pub(crate) fn invocation(
        &self,
        tool: &Tool,
        interfaces: Interfaces,
        writing: Writing<'_>,
    ) -> Invocation {
        let network: &[&str] = match interfaces {
            Interfaces::Machine => &[],
            Interfaces::None => &["--net"],
        };
        let invocation = match &self.unshare {
            Some(unshare) => Invocation::new(unshare)
                .arguments(["--pid", "--fork", "--kill-child", "--mount-proc"])
                .arguments(network)
                .arguments(guard(writing))
                .argument(&tool.program),
            // Only inside of the engine's own user namespace may the user take the network away.
            None if interfaces == Interfaces::None => Invocation::new(&tool.program)
                .arguments(["unshare", "unshare"])
                .arguments(network)
                .argument(&tool.program),
            None => Invocation::new(&tool.program),
        };
        tool.variables
            .iter()
            .fold(invocation, |invocation, (name, value)| {
                invocation.variable(name, value)
            })
            .arguments(tool.global_arguments)
    }

    /// Prepares the removal of folders with files of an engine's users: files of a RUN may belong
    /// to users that only the engine's user namespace can be.
    pub(crate) fn removal(&self, tool: &Tool, folders: &[Utf8PathBuf]) -> Invocation {
        let invocation = if self.is_root() {
            Invocation::new("rm".into())
        } else {
            Invocation::new(&tool.program).arguments(["unshare", "rm"])
        };
        invocation.arguments(["-rf", "--"]).arguments(folders)
    }
}

/// Returns the words that stand before a program which may write to some folders only.
fn guard(writing: Writing<'_>) -> Vec<&str> {
    let Writing::In(folders) = writing else {
        return Vec::new();
    };
    let folders = folders.iter().map(|folder| folder.as_str());
    let words = ["sh", "-c", GUARD, "sh"].into_iter();
    words.chain(folders).chain(OWN).chain(["--"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_guarded_writes_to_some_folders_only() {
        // Whoever is not root has a mount namespace in one of users.
        let users: &[&str] = match rustix::process::geteuid().is_root() {
            true => &[],
            false => &["--user", "--map-root-user"],
        };
        let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
        let root = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        let folders = ["a b", "link"].map(|name| root.join(name));
        std::fs::create_dir_all(root.join("real")).unwrap();
        std::fs::create_dir(&folders[0]).unwrap();
        std::os::unix::fs::symlink("real", &folders[1]).unwrap();
        let script = ": >'a b/file' && : >link/file && : >file";
        let done = Invocation::new(&process::find("unshare".into()).unwrap())
            .arguments(["--mount"])
            .arguments(users)
            .arguments(guard(Writing::In(&folders)))
            .arguments(["sh", "-c", script])
            .folder(&root)
            .run()
            .await
            .unwrap();
        let there = |name: &str| root.join(name).exists();
        assert!(there("a b/file") && there("real/file"), "{}", done.stderr);
        assert!(!there("file") && !done.succeeded());
    }
}

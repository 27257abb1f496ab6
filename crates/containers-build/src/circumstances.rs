//! What decides which sandbox works: the program, its helpers, its configuration, the user, the
//! limits, the namespaces and the kernel. Knows where they are, not how they decide.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use probe_cache::Circumstances;
use process::Environment;

/// Programs that a build runs or may run.
const HELPERS: [&str; 8] = [
    "unshare",
    "crun",
    "runc",
    "conmon",
    "newuidmap",
    "newgidmap",
    "fuse-overlayfs",
    "slirp4netns",
];

/// Directories with more of them, which change when a program in them is exchanged.
const HELPER_DIRECTORIES: [&str; 2] = ["/usr/libexec/podman", "/usr/lib/podman"];

/// Directories of configuration, below which each file of [`CONFIGURATION`] may be.
const CONFIGURATION_DIRECTORIES: [&str; 2] = ["/etc/containers", "/usr/share/containers"];
const CONFIGURATION: [&str; 6] = [
    "containers.conf",
    "containers.conf.d",
    "podman-connections.json",
    "storage.conf",
    "registries.conf",
    "policy.json",
];

/// The users that a user may be in a namespace.
const SUBORDINATE_IDS: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// What the kernel lets a user do, as it says itself. The first is another one after each start
/// of the machine, which also stands for the kernel's version and for how it was configured.
const KERNEL: [&str; 4] = [
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/kernel/unprivileged_userns_clone",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
];

/// Lines of `/proc/self/status` and `/proc/self/limits` about what this process may do.
const STATUS: [&str; 8] = [
    "Uid:",
    "Gid:",
    "CapEff:",
    "CapBnd:",
    "NoNewPrivs:",
    "Seccomp:",
    "Max open files",
    "Max processes",
];

/// The namespaces of this process: in a container, all is different.
const NAMESPACES: [&str; 5] = ["cgroup", "mnt", "net", "pid", "user"];

/// Variables that a child sees, and that have no part in it.
const INDIFFERENT: [&str; 1] = ["SSH_AUTH_SOCK"];

/// Returns the circumstances under which it is found out what the builder in `program` can do.
pub(crate) fn circumstances(program: &Utf8Path) -> Option<Circumstances> {
    let mut all = Circumstances::of(program)?;
    let environment = Environment::pinned();
    let mut configuration: Vec<Utf8PathBuf> = CONFIGURATION_DIRECTORIES.map(Into::into).into();
    for (name, value) in environment.iter() {
        if INDIFFERENT.contains(&name) {
            continue;
        }
        all = all.fact(name, value);
        match name {
            "HOME" => configuration.push(Utf8Path::new(value).join(".config/containers")),
            "XDG_CONFIG_HOME" => configuration.push(Utf8Path::new(value).join("containers")),
            // These name files of configuration.
            _ if name.starts_with("CONTAINERS_") => all = all.file(value.into()),
            _ => {}
        }
    }
    let configuration = configuration
        .iter()
        .flat_map(|directory| CONFIGURATION.map(|file| directory.join(file)));
    let helpers = HELPERS.map(|helper| process::find(helper.into()).unwrap_or(helper.into()));
    let fixed = HELPER_DIRECTORIES.into_iter().chain(SUBORDINATE_IDS);
    for path in configuration
        .chain(helpers)
        .chain(fixed.map(Utf8PathBuf::from))
    {
        all = all.file(&path);
    }
    for path in KERNEL {
        all = all.fact(path, &fs::read_to_string(path).unwrap_or_default());
    }
    for path in ["/proc/self/status", "/proc/self/limits"] {
        let text = fs::read_to_string(path).unwrap_or_default();
        for line in text.lines() {
            if STATUS.iter().any(|start| line.starts_with(start)) {
                all = all.fact(path, line);
            }
        }
    }
    for namespace in NAMESPACES {
        let path = format!("/proc/self/ns/{namespace}");
        let link = fs::read_link(&path).unwrap_or_default();
        all = all.fact(&path, &link.to_string_lossy());
    }
    // Stores are tried in a temporary directory: what its file system can do is a part of it. The
    // directory itself changes all the time.
    let device = fs::metadata(std::env::temp_dir()).map_or(0, |directory| directory.dev());
    Some(all.fact("temporary files", &format!("device {device}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_changes_from_one_moment_to_the_next() {
        let program = std::env::current_exe().unwrap();
        let program = Utf8Path::from_path(&program).unwrap();
        let first = circumstances(program).unwrap();
        drop(tempfile::tempdir().unwrap());
        assert_eq!(first, circumstances(program).unwrap());
    }
}

//! What is the same for all that one worker does, and not for every worker: whatever of it changes what a
//! result means, or what a step makes, is in each key.
//!
//! It does not know steps.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use sandbox::Rights;
use snapshot::{Digest, Digester, Stacking};

/// Raised when the same program may mean something else by the same key.
const FORMAT: &str = "stagex native 2";

/// Returns what tells this worker's circumstances from any others.
pub(crate) fn circumstances(rights: Rights, stacking: Stacking) -> Digest {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let facts = Facts {
        program: program(),
        rights,
        stacking,
        maps: ["/proc/self/uid_map", "/proc/self/gid_map"].map(read),
        stand_in: snapshot::stand_in(),
        status: limits(&read("/proc/self/status")),
        kernel: series(&read("/proc/sys/kernel/osrelease")),
    };
    Digester::default()
        .part(FORMAT)
        .part(format!("{facts:?}"))
        .finish()
}

/// All of it; how it is written down does not matter, as long as other values are other texts.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "they are read as one text")]
struct Facts {
    /// Another program may do the same thing in another way, whatever its version says.
    program: String,
    rights: Rights,
    stacking: Stacking,
    /// Which users and groups there are. In what was kept, an owner is the number that it has on the disk.
    maps: [String; 2],
    /// From which of them on something stands in.
    stand_in: Option<u32>,
    /// What no process here may do, whoever it is.
    status: Vec<String>,
    /// What the kernel can do: its series, of which one differs from another.
    kernel: String,
}

fn program() -> String {
    let file = fs::metadata("/proc/self/exe");
    let file = file.map(|file| (file.size(), file.mtime(), file.mtime_nsec()));
    format!("{} {file:?}", env!("CARGO_PKG_VERSION"))
}

/// Returns the lines of a process's status that say what is denied to it and to all that it starts.
fn limits(status: &str) -> Vec<String> {
    let fields = ["CapBnd:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:"];
    let is_limit = |line: &&str| fields.iter().any(|field| line.starts_with(field));
    status.lines().filter(is_limit).map(str::to_owned).collect()
}

/// Returns the first two numbers of a kernel's release.
fn series(release: &str) -> String {
    release
        .trim()
        .splitn(3, '.')
        .take(2)
        .collect::<Vec<_>>()
        .join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tstagex\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\n\
                          Seccomp_filters:\t0\nThreads:\t3\n";

    #[test]
    fn what_a_process_is_denied_counts_and_how_it_is_doing_does_not() {
        let limits = limits(STATUS);
        assert_eq!(limits.len(), 4, "{limits:?}");
        assert_eq!(limits, super::limits(&STATUS.replace("\t3", "\t4")));
        for (from, to) in [
            ("1ff", "0ff"),
            ("Privs:\t0", "Privs:\t1"),
            ("comp:\t0", "comp:\t2"),
        ] {
            assert_ne!(limits, super::limits(&STATUS.replace(from, to)), "{to}");
        }
    }

    #[test]
    fn a_kernel_is_one_of_its_series() {
        for (release, expected) in [("6.18.44-x\n", "6.18"), ("6.1\n", "6.1"), ("", "")] {
            assert_eq!(series(release), expected);
        }
    }

    #[test]
    fn one_worker_has_the_same_ones_each_time() {
        let now = |rights| circumstances(rights, Stacking::Overlay);
        assert_eq!(now(Rights::Root), now(Rights::Root));
        assert_ne!(now(Rights::Root), now(Rights::User));
    }
}

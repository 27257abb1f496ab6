//! What can be done here: found out by a worker that does it, on a small scale.

use std::fs;

use backend_api::{Capabilities, Dialect, LayerRecord, Ready, Variation};
use camino::{Utf8Path, Utf8PathBuf};
use probe_cache::{Circumstances, ProbeCache};

use crate::command::{self, VERSION};
use crate::error::Error;
use crate::job::Job;
use crate::parse::Answer;

/// What was found out.
#[derive(Debug)]
pub(crate) struct ProbeDetails {
    details: Vec<(String, String)>,
}

impl ProbeDetails {
    /// Returns it in the API's words.
    pub(crate) fn ready(&self, program: &Utf8Path) -> Ready {
        Ready {
            // Of this program, the name of its file.
            program: program
                .read_link_utf8()
                .unwrap_or_else(|_| program.to_owned()),
            version: VERSION.to_owned(),
            details: self.details.clone(),
            capabilities: capabilities(),
        }
    }
}

/// Returns what this backend can do: everything, since it follows `BuildKit` where it differs from others. The platforms
/// are those that this machine runs.
pub fn capabilities() -> Capabilities {
    Capabilities {
        dialect: Dialect {
            heredocs: true,
            run_network: true,
            named_contexts: true,
            workdir_layers: true,
            add_zstd: true,
            confined_mounts: true,
            any_destination: true,
            mounts_below_dev: true,
            copy_exclude: true,
            copy_parents: true,
            copy_link: true,
            symbolic_modes: true,
            copy_patterns: true,
            add_unpack: true,
            add_remote: false,
            tmpfs_size: true,
            private_caches: true,
            stacked_mounts: true,
        },
        offline_builds: true,
        host_network: true,
        layers: LayerRecord::Changes,
        platforms: process::emulated_platforms(),
        leaves_mount_points: false,
        varies: Variation::ALL.into(),
    }
}

/// Finds out what can be done here, by a worker that is `program`. Which program leads to the network is
/// taken from `probe_cache` where an earlier process found it out under the same circumstances: each has to be
/// started for that, which takes longer than all the rest.
pub(crate) async fn find(
    program: &Utf8Path,
    probe_cache: &ProbeCache,
) -> Result<ProbeDetails, Error> {
    process::find(program)?;
    let entry = probe_cache.entry(circumstances(program));
    let known = entry.recall::<String>();
    let job = Job::Probe {
        work: Utf8PathBuf::from("/tmp"),
        network: known.clone(),
    };
    let mut answer = Answer::default();
    let done = command::worker(program, &job)
        .run_with(&mut |_, line| {
            answer.take(line);
        })
        .await?;
    let (details, network) = answer.finish(&done.stderr)?;
    if let Some(network) = network.filter(|_| known.is_none()) {
        entry.keep(&network);
    }
    Ok(ProbeDetails { details })
}

/// Programs that lead to the network, each before those that are taken where it does not work.
const NETWORKS: [&str; 2] = ["pasta", "slirp4netns"];

/// Files of the kernel by which it says what such a program may do. The first is another one after each start
/// of the machine, and so stands for the kernel and how it was configured.
const KERNEL: [&str; 3] = [
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/user/max_net_namespaces",
];

/// Lines of `/proc/self/status` about what this process may do.
const STATUS: [&str; 6] = [
    "Uid:",
    "Gid:",
    "CapEff:",
    "CapBnd:",
    "NoNewPrivs:",
    "Seccomp:",
];

/// Returns the circumstances under which it is found out which program leads to the network.
fn circumstances(program: &Utf8Path) -> Option<Circumstances> {
    let file = program.read_link_utf8();
    let mut all = Circumstances::of(&file.unwrap_or_else(|_| program.to_owned()))?;
    for name in NETWORKS {
        all = all.file(&process::find(name.into()).unwrap_or(name.into()));
    }
    for path in KERNEL {
        all = all.fact(path, &fs::read_to_string(path).unwrap_or_default());
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines() {
        if STATUS.iter().any(|start| line.starts_with(start)) {
            all = all.fact("/proc/self/status", line);
        }
    }
    for namespace in ["/proc/self/ns/net", "/proc/self/ns/user"] {
        let link = fs::read_link(namespace).unwrap_or_default();
        all = all.fact(namespace, &link.to_string_lossy());
    }
    Some(all)
}

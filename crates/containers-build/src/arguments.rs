//! The arguments of `build` for a request. Knows the builder's flags; runs nothing.

use backend_api::{BuildRequest, Cache, Network};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capability_is_in_bounding_set};

use crate::remote_context::RemoteContext;
use crate::sandbox::Sandbox;
use crate::work::Work;

/// Where a build takes place, and what it is given there.
pub(crate) enum Place<'a> {
    /// On this machine, in a store of the build's own.
    Here {
        work: &'a Work,
        /// The arguments that name contexts.
        contexts: Vec<String>,
    },
    /// Elsewhere: the contexts are in the store there, and the result gets a name in it.
    There {
        name: &'a str,
        remote_context: &'a RemoteContext,
        /// How many processes a RUN is limited to, if it has to be.
        processes: Option<u64>,
    },
}

/// Returns the arguments of `build`, from the subcommand's name to the context's directory.
/// `privileged` is whether a RUN may be given capabilities of root.
pub(crate) fn build(
    request: &BuildRequest,
    sandbox: Sandbox,
    privileged: bool,
    place: Place<'_>,
) -> Vec<String> {
    let mut arguments = Arguments::default();
    // Each instruction becomes a layer only with --layers; nothing may come from a registry; and
    // in OCI's format a stage would not hand on its SHELL.
    arguments.add([
        "build",
        "--layers",
        "--pull=never",
        // What a RUN sees must not depend on who builds.
        "--http-proxy=false",
        "--format=docker",
        "--force-rm",
    ]);
    // Elsewhere nothing that a build makes stays for the next one.
    if request.cache == Cache::Refuse || matches!(place, Place::There { .. }) {
        arguments.add(["--no-cache"]);
    }
    arguments.add(sandbox.arguments(privileged).iter().copied());
    match request.network {
        Network::None if sandbox.has_networks() => arguments.add(["--network=none"]),
        Network::Host if sandbox.has_networks() => arguments.add(["--network=host"]),
        // In a changed root a RUN has the machine's by itself.
        _ => {}
    }
    let files = request.open_files;
    arguments.pair("--ulimit", format!("nofile={}:{}", files.soft, files.hard));
    arguments.pair("--platform", request.platform.clone());
    if let Some(target) = &request.target {
        arguments.pair("--target", target.clone());
    }
    for argument in &request.build_arguments {
        arguments.pair(
            "--build-arg",
            format!("{}={}", argument.name, argument.value),
        );
    }
    let processes = match place {
        Place::Here { .. } => processes(),
        Place::There { processes, .. } => processes,
    };
    if let Some(limit) = processes {
        arguments.pair("--ulimit", format!("nproc={limit}:{limit}"));
    }
    match place {
        Place::Here { work, contexts } => {
            arguments.add(["--no-hosts"]);
            arguments.pair("--volume", format!("{}:/etc/hosts:ro", work.hosts()));
            if privileged {
                arguments.capabilities(capabilities());
            }
            arguments.words.extend(contexts);
            arguments.pair("--tag", request.key.name());
            arguments.pair("--iidfile", work.image_id().into_string());
            arguments.pair("--file", request.containerfile.to_string());
            arguments.pair("--ignorefile", work.ignored().into_string());
            arguments.add(["--", request.context.as_str()]);
        }
        Place::There {
            name,
            remote_context,
            ..
        } => {
            if privileged {
                arguments.capabilities(CAPABILITIES.map(|(_, name)| name));
            }
            arguments.pair("--tag", name.to_owned());
            arguments.pair("--file", remote_context.containerfile.to_string());
            arguments.add(["--", remote_context.directory.as_str()]);
        }
    }
    arguments.words
}

/// What a RUN may do with BuildKit, and with the builder only when it is told so: to make device
/// files above all.
const CAPABILITIES: [(CapabilitySet, &str); 3] = [
    (CapabilitySet::MKNOD, "CAP_MKNOD"),
    (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
    (CapabilitySet::AUDIT_WRITE, "CAP_AUDIT_WRITE"),
];

#[derive(Default)]
struct Arguments {
    words: Vec<String>,
}

impl Arguments {
    fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        self.words.extend(words.into_iter().map(str::to_owned));
    }

    fn pair(&mut self, flag: &str, value: String) {
        self.words.push(flag.to_owned());
        self.words.push(value);
    }

    fn capabilities(&mut self, names: impl IntoIterator<Item = &'static str>) {
        for name in names {
            self.pair("--cap-add", name.to_owned());
        }
    }
}

/// Returns how many processes a RUN may have, if there is a limit.
///
/// Without being told, the builder asks for more than the hard limit and fails where that takes
/// a privilege. Its oldest generation lowers its own limit to the number of ids first.
fn processes() -> Option<u64> {
    let limit = getrlimit(Resource::Nproc).maximum?;
    let ids = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok();
    let ids = ids.and_then(|text| text.trim().parse().ok());
    Some(limit.min(ids.unwrap_or(u64::MAX)))
}

/// Returns those of [`CAPABILITIES`] that this process has: what it may not do itself cannot be
/// handed on.
fn capabilities() -> impl Iterator<Item = &'static str> {
    let has = |capability| capability_is_in_bounding_set(capability).unwrap_or(false);
    let all = CAPABILITIES.into_iter();
    all.filter(move |(capability, _)| has(*capability))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use backend_api::{BuildArgument, BuildKey, OpenFiles, Variations};
    use camino::Utf8Path;

    use super::*;

    fn request() -> BuildRequest {
        BuildRequest {
            key: BuildKey::new("core-x"),
            containerfile: "/c/Containerfile".into(),
            context: "/c/context".into(),
            contexts: Vec::new(),
            target: Some("package-x".into()),
            steps: Vec::new(),
            stages: Vec::new(),
            base_layers: 0,
            platform: "linux/amd64".into(),
            build_arguments: vec![
                BuildArgument {
                    name: "B".into(),
                    value: "2".into(),
                },
                BuildArgument {
                    name: "A".into(),
                    value: "1 = 1".into(),
                },
            ],
            network: Network::None,
            cache: Cache::Refuse,
            varied: Variations::default(),
            hard_links: false,
            open_files: OpenFiles {
                soft: 2048,
                hard: 16384,
            },
            work: "/w".into(),
        }
    }

    fn line(sandbox: Sandbox, root: bool) -> String {
        let work = Work::new(Utf8Path::new("/w"));
        let place = Place::Here {
            work: &work,
            contexts: vec!["CONTEXTS".into()],
        };
        build(&request(), sandbox, root, place).join(" ")
    }

    #[test]
    fn elsewhere_nothing_of_this_machine_is_named() {
        let remote_context = RemoteContext {
            directory: "/w/remote-context".into(),
            containerfile: "/w/remote-context/file".into(),
        };
        let place = Place::There {
            name: "localhost/stagex/core-x/side",
            remote_context: &remote_context,
            processes: None,
        };
        let line = build(&request(), Sandbox::Runtime, true, place).join(" ");
        for absent in ["--volume", "--no-hosts", "nproc", "--runtime"] {
            assert!(!line.contains(absent), "{line}");
        }
        let end =
            "--tag localhost/stagex/core-x/side --file /w/remote-context/file -- /w/remote-context";
        assert!(line.ends_with(end), "{line}");
        assert!(
            line.contains("--no-cache --isolation oci --network=none"),
            "{line}"
        );
    }

    #[test]
    fn all_of_the_request_is_there_in_order() {
        let line = line(Sandbox::Runc, true);
        let parts = [
            "build --layers --pull=never",
            "--no-cache --isolation oci --runtime runc --network=none",
            "--ulimit nofile=2048:16384",
            "--platform linux/amd64 --target package-x --build-arg B=2 --build-arg A=1 = 1",
            "--no-hosts --volume /tmp/stagex-",
            ":/etc/hosts:ro",
            "CONTEXTS --tag localhost/stagex/core-x --iidfile /w/image-id",
            "--file /c/Containerfile --ignorefile /tmp/stagex-",
            "/ignored -- /c/context",
        ];
        let mut from = 0;
        for part in parts {
            let found = line[from..].find(part);
            from += found.unwrap_or_else(|| panic!("`{part}` is not in `{}`", &line[from..]));
        }
        assert!(line.ends_with("-- /c/context"));
    }

    #[test]
    fn a_run_of_root_may_do_what_this_process_may() {
        let has = |root, name: &str| line(Sandbox::Chroot, root).contains(name);
        let may = capability_is_in_bounding_set(CapabilitySet::MKNOD).unwrap();
        assert_eq!(has(true, "--cap-add CAP_MKNOD"), may);
        assert!(!has(false, "--cap-add"));
    }

    #[test]
    fn the_machines_network_is_asked_for_where_it_is_not_there_by_itself() {
        let request = BuildRequest {
            network: Network::Host,
            ..request()
        };
        let remote_context = RemoteContext {
            directory: "/w/remote-context".into(),
            containerfile: "/w/remote-context/file".into(),
        };
        for (sandbox, is_asked) in [
            (Sandbox::Runtime, true),
            (Sandbox::Runc, true),
            (Sandbox::Chroot, false),
        ] {
            let place = Place::There {
                name: "localhost/stagex/core-x/side",
                remote_context: &remote_context,
                processes: None,
            };
            let line = build(&request, sandbox, true, place).join(" ");
            assert_eq!(line.contains("--network=host"), is_asked, "{line}");
        }
    }

    #[test]
    fn without_networks_of_its_own_the_sandbox_is_not_asked_for_one() {
        let line = line(Sandbox::Chroot, false);
        assert!(line.contains("--isolation chroot"), "{line}");
        assert!(!line.contains("--network"), "{line}");
    }
}

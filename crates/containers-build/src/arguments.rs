//! The arguments of `build` for a request. Knows the builder's flags; runs nothing.

use backend_api::{BuildRequest, Cache, Network};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capability_is_in_bounding_set};

use crate::sandbox::Sandbox;
use crate::work::Work;

/// Returns the arguments of `build`, from the subcommand's name to the context's folder.
pub(crate) fn build(
    request: &BuildRequest,
    contexts: Vec<String>,
    sandbox: Sandbox,
    root: bool,
    work: &Work,
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
    if request.cache == Cache::Refuse {
        arguments.add(["--no-cache"]);
    }
    arguments.add(sandbox.arguments(root).iter().copied());
    if request.network == Network::None && sandbox.has_networks() {
        arguments.add(["--network=none"]);
    }
    arguments.add(["--no-hosts"]);
    arguments.pair("--volume", format!("{}:/etc/hosts:ro", work.hosts()));
    let files = request.open_files;
    arguments.pair("--ulimit", format!("nofile={}:{}", files.soft, files.hard));
    if let Some(limit) = processes() {
        arguments.pair("--ulimit", format!("nproc={limit}:{limit}"));
    }
    if root {
        for name in capabilities() {
            arguments.pair("--cap-add", name.to_owned());
        }
    }
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
    arguments.words.extend(contexts);
    arguments.pair("--tag", request.key.name());
    arguments.pair("--iidfile", work.image_id().into_string());
    arguments.pair("--file", request.containerfile.to_string());
    arguments.add(["--", request.context.as_str()]);
    arguments.words
}

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

/// Returns what a RUN may do with BuildKit, and with the builder only when it is told so: to make
/// device files above all. What this process may not do cannot be handed on.
fn capabilities() -> impl Iterator<Item = &'static str> {
    [
        (CapabilitySet::MKNOD, "CAP_MKNOD"),
        (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
        (CapabilitySet::AUDIT_WRITE, "CAP_AUDIT_WRITE"),
    ]
    .into_iter()
    .filter(|(capability, _)| capability_is_in_bounding_set(*capability).unwrap_or(false))
    .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use backend_api::{BuildArgument, BuildKey, OpenFiles};
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
            open_files: OpenFiles {
                soft: 2048,
                hard: 16384,
            },
            work: "/w".into(),
        }
    }

    fn line(sandbox: Sandbox, root: bool) -> String {
        let work = Work::new(Utf8Path::new("/w"));
        build(&request(), vec!["CONTEXTS".into()], sandbox, root, &work).join(" ")
    }

    #[test]
    fn all_of_the_request_is_there_in_order() {
        let line = line(Sandbox::Runc, true);
        let parts = [
            "build --layers --pull=never",
            "--no-cache --isolation oci --runtime runc --network=none",
            "--no-hosts --volume /tmp/stagex-",
            ":/etc/hosts:ro --ulimit nofile=2048:16384",
            "--platform linux/amd64 --target package-x --build-arg B=2 --build-arg A=1 = 1",
            "CONTEXTS --tag localhost/stagex/core-x --iidfile /w/image-id",
            "--file /c/Containerfile -- /c/context",
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
    fn without_networks_of_its_own_the_sandbox_is_not_asked_for_one() {
        let line = line(Sandbox::Chroot, false);
        assert!(line.contains("--isolation chroot"), "{line}");
        assert!(!line.contains("--network"), "{line}");
    }
}

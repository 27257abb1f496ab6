//! Docker's command lines: one function for each thing that the client is asked to do.

use std::time::Duration;

use backend_api::{BuildRequest, Cache, Network};
use camino::{Utf8Path, Utf8PathBuf};
use image_store::{Commands, Store};
use process::Invocation;

use crate::parse;

/// The runtime's name.
pub(crate) const ID: &str = "docker";

/// How long a question may take. A daemon that takes longer is hanging.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// Docker's client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    program: Utf8PathBuf,
}

/// Where a build's result goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Output<'a> {
    /// Into a directory, as an OCI layout with uncompressed layers.
    Layout(&'a Utf8Path),
    /// Into the daemon's store, under a name.
    Store(&'a str),
}

impl Client {
    /// Drives the client at this path.
    pub(crate) fn new(program: Utf8PathBuf) -> Self {
        Self { program }
    }

    /// Returns the client's path.
    pub(crate) fn program(&self) -> &Utf8Path {
        &self.program
    }

    fn invocation(&self) -> Invocation {
        Invocation::new(&self.program)
            // Docker 20.10 builds with its old builder unless told otherwise.
            .variable("DOCKER_BUILDKIT", "1")
            // Signing by Notary would replace the names that we give and refuse those we load.
            .variable("DOCKER_CONTENT_TRUST", "0")
            // Advertising belongs into nobody's log.
            .variable("DOCKER_CLI_HINTS", "false")
            // An attestation makes the result an index of two images. The variable is known to
            // more versions of buildx than the option is.
            .variable("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")
            // What a git repository around the context says must not get into the result.
            .variable("BUILDX_GIT_INFO", "false")
            .variable("BUILDX_GIT_LABELS", "false")
    }

    /// Returns the daemon's store.
    pub(crate) fn store(&self) -> Store {
        Store::new(
            self.invocation(),
            Commands {
                load: "docker image load",
                inspect: "docker image inspect",
                save: "docker image save",
                list: "docker image ls",
                remove: "docker image rm",
                removal_arguments: &[],
                only_absent: parse::only_absent,
                is_race: parse::is_race,
            },
        )
    }

    fn question(&self, arguments: &[&str]) -> Invocation {
        self.invocation()
            .arguments(arguments)
            .time_limit(QUESTION_LIMIT)
    }

    /// Asks for the versions of client and daemon.
    pub(crate) fn version(&self) -> Invocation {
        // Docker 20.10 takes `--format json` for a template that prints "json".
        self.question(&["version", "--format", "{{json .}}"])
    }

    /// Asks how the daemon stores images.
    pub(crate) fn store_kind(&self) -> Invocation {
        self.question(&["info", "--format", parse::STORE_TEMPLATE])
    }

    /// Asks for the version of buildx, which is a plugin that may be missing.
    pub(crate) fn buildx_version(&self) -> Invocation {
        self.question(&["buildx", "version"])
    }

    /// Asks about the current builder.
    pub(crate) fn builder(&self) -> Invocation {
        self.question(&["buildx", "inspect"])
    }

    /// Asks about the network that a RUN is in by default. Fails if there is none.
    pub(crate) fn bridge(&self) -> Invocation {
        self.question(&["network", "inspect", "--format", "{{.Name}}", "bridge"])
    }

    /// Builds what `request` asks for. `contexts` are names with where they are to be found, as
    /// buildx takes them.
    pub(crate) fn build(
        &self,
        request: &BuildRequest,
        network: Network,
        contexts: &[(String, String)],
        output: Output<'_>,
    ) -> Invocation {
        let mut build = self.begin_build(output, &request.containerfile, &request.platform);
        if let Some(target) = &request.target {
            build = build.argument("--target").argument(target);
        }
        for argument in &request.build_arguments {
            let argument = format!("{}={}", argument.name, argument.value);
            build = build.argument("--build-arg").argument(argument);
        }
        for (name, place) in contexts {
            let context = format!("{name}={place}");
            build = build.argument("--build-context").argument(context);
        }
        let files = &request.open_files;
        build = build
            .argument("--ulimit")
            .argument(format!("nofile={}:{}", files.soft, files.hard));
        match network {
            Network::None => build = build.argument("--network=none"),
            Network::Host => build = build.argument("--network=host"),
            Network::Default => {}
        }
        if request.cache == Cache::Refuse {
            // BuildKit 0.13 and earlier keep some cache mounts even so: this build has caches of its own.
            let namespace = format!("BUILDKIT_CACHE_MOUNT_NS={}", request.key);
            build = build
                .arguments(["--no-cache", "--build-arg"])
                .argument(namespace);
        }
        build
            .variables(request.varied.variables())
            .argument("--")
            .argument(&request.context)
    }

    /// Makes an image called `name` of the files in `directory`. `containerfile` says how.
    pub(crate) fn build_directory(
        &self,
        name: &str,
        containerfile: &Utf8Path,
        platform: &str,
        directory: &Utf8Path,
    ) -> Invocation {
        self.begin_build(Output::Store(name), containerfile, platform)
            .arguments(["--", directory.as_str()])
    }

    fn begin_build(
        &self,
        output: Output<'_>,
        containerfile: &Utf8Path,
        platform: &str,
    ) -> Invocation {
        let build = match output {
            // Without force-compression, a layer that an earlier build has compressed would
            // come compressed.
            Output::Layout(directory) => self
                .invocation()
                .arguments(["buildx", "build", "--output"])
                .argument(format!(
                    "type=oci,compression=uncompressed,force-compression=true,tar=false,{}",
                    comma_separated("dest", directory.as_str())
                )),
            Output::Store(name) => self.invocation().arguments(["build", "--tag", name]),
        };
        build
            .arguments(["--progress", "plain", "--file"])
            .argument(containerfile)
            .arguments(["--platform", platform])
    }
}

/// Writes one field of a line of comma-separated values.
fn comma_separated(name: &str, value: &str) -> String {
    let field = format!("{name}={value}");
    if field.contains([',', '"']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[cfg(test)]
mod tests {
    use backend_api::{BuildArgument, BuildKey, OpenFiles, Variations};

    use super::*;

    fn request() -> BuildRequest {
        BuildRequest {
            key: BuildKey::new("core-x"),
            containerfile: "/work/Containerfile".into(),
            context: "/tree/core/x".into(),
            contexts: Vec::new(),
            target: Some("package-x".to_owned()),
            steps: Vec::new(),
            stages: Vec::new(),
            base_layers: 0,
            platform: "linux/amd64".to_owned(),
            build_arguments: vec![BuildArgument {
                name: "VERSION".to_owned(),
                value: "1 = one".to_owned(),
            }],
            network: Network::None,
            cache: Cache::Refuse,
            varied: Variations::default(),
            hard_links: false,
            open_files: OpenFiles {
                soft: 2048,
                hard: 16384,
            },
            work: "/work".into(),
        }
    }

    fn client() -> Client {
        Client::new("/usr/bin/docker".into())
    }

    #[test]
    fn a_layout_is_asked_of_buildx() {
        let contexts = [(
            "stagex/core-y".to_owned(),
            "oci-layout:///y@sha256:0".to_owned(),
        )];
        let output = Output::Layout(Utf8Path::new("/work/a,b"));
        let line = client()
            .build(&request(), Network::None, &contexts, output)
            .command_line();
        assert_eq!(
            line,
            "/usr/bin/docker buildx build --output \
             'type=oci,compression=uncompressed,force-compression=true,tar=false,\"dest=/work/a,b\"' \
             --progress plain --file /work/Containerfile --platform linux/amd64 \
             --target package-x --build-arg 'VERSION=1 = one' \
             --build-context stagex/core-y=oci-layout:///y@sha256:0 \
             --ulimit nofile=2048:16384 --network=none --no-cache \
             --build-arg BUILDKIT_CACHE_MOUNT_NS=core-x -- /tree/core/x"
        );
    }

    #[test]
    fn the_machines_network_is_asked_for() {
        let output = Output::Store("localhost/stagex/core-x");
        let build = client().build(&request(), Network::Host, &[], output);
        let line = build.command_line();
        assert!(line.contains(" --network=host "), "{line}");
    }

    #[test]
    fn a_name_is_asked_of_any_docker() {
        let request = BuildRequest {
            target: None,
            build_arguments: Vec::new(),
            cache: Cache::Use {
                directory: "/k".into(),
                seal: None,
            },
            ..request()
        };
        let output = Output::Store("localhost/stagex/core-x");
        let line = client()
            .build(&request, Network::Default, &[], output)
            .command_line();
        assert_eq!(
            line,
            "/usr/bin/docker build --tag localhost/stagex/core-x --progress plain \
             --file /work/Containerfile --platform linux/amd64 \
             --ulimit nofile=2048:16384 -- /tree/core/x"
        );
    }
}

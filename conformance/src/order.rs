//! What an oracle is to build, and how its client is told.
//!
//! It starts nothing.

use camino::{Utf8Path, Utf8PathBuf};
use oci_image::Digest;
use process::Invocation;

/// What an oracle is to build.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The directory that COPY and ADD read.
    pub(crate) context: Utf8PathBuf,
    /// The Containerfile in it.
    pub(crate) file: Utf8PathBuf,
    /// The annotations of its manifest.
    pub(crate) annotations: Vec<(String, String)>,
    /// The platforms; at least one.
    pub(crate) platforms: Vec<String>,
    /// The build arguments.
    pub(crate) arguments: Vec<(String, String)>,
    /// The stage to build, unless it is the last.
    pub(crate) target: Option<String>,
    /// The images that it may name, each with its layout and its digest.
    pub(crate) images: Vec<(String, Utf8PathBuf, Digest)>,
    /// The directories that it may name.
    pub(crate) directories: Vec<(String, Utf8PathBuf)>,
    /// Whether no RUN has a network.
    pub(crate) denies_network: bool,
}

impl Order {
    /// Says how the image is written: as StageX's own command says it.
    pub(crate) fn output(&self, archive: &Utf8Path) -> String {
        let mut output = vec![
            format!("type=oci,dest={archive},tar=true"),
            "rewrite-timestamp=true,force-compression=true".to_owned(),
        ];
        let annotations = self.annotations.iter();
        output.extend(annotations.map(|(name, value)| format!("annotation.{name}={value}")));
        output.join(",")
    }

    /// Returns the command of Docker's buildx.
    pub(crate) fn for_docker(&self, program: &Utf8Path, output: &str) -> Invocation {
        let mut command = Invocation::new(program)
            .arguments(["buildx", "build", "--provenance=false", "--no-cache"])
            .arguments(["--ulimit", "nofile=2048:16384"])
            .arguments(["--progress", "plain", "--output", output])
            .arguments(["--platform", &self.platforms.join(",")])
            .arguments(["--file", self.context.join(&self.file).as_str()]);
        if self.denies_network {
            command = command.arguments(["--network", "none"]);
        }
        for (name, value) in &self.arguments {
            command = command.arguments(["--build-arg", &format!("{name}={value}")]);
        }
        if let Some(target) = &self.target {
            command = command.arguments(["--target", target]);
        }
        for (name, layout, digest) in &self.images {
            // With its digest, or the client would write a lock file into the layout.
            let context = format!("{name}=oci-layout://{layout}@{digest}");
            command = command.arguments(["--build-context", &context]);
        }
        for (name, directory) in &self.directories {
            command = command.arguments(["--build-context", &format!("{name}={directory}")]);
        }
        command.argument("--").argument(&self.context)
    }

    /// Returns the command of `buildctl`, to which it is the same build.
    pub(crate) fn for_buildctl(&self, program: &Utf8Path, output: &str) -> Invocation {
        let (file, context) = (&self.file, &self.context);
        let mut command = Invocation::new(program)
            .arguments(["build", "--frontend", "dockerfile.v0", "--no-cache"])
            .arguments(["--progress", "plain", "--output", output])
            .arguments(["--local", &format!("context={context}")])
            .arguments(["--local", &format!("dockerfile={context}")])
            .arguments(["--opt", &format!("filename={file}")])
            .arguments(["--opt", "ulimit=nofile=2048:16384"])
            .arguments(["--opt", &format!("platform={}", self.platforms.join(","))]);
        let option = |command: Invocation, option: String| command.arguments(["--opt", &option]);
        if self.denies_network {
            command = option(command, "force-network-mode=none".to_owned());
        }
        for (name, value) in &self.arguments {
            command = option(command, format!("build-arg:{name}={value}"));
        }
        if let Some(target) = &self.target {
            command = option(command, format!("target={target}"));
        }
        for (number, (name, layout, digest)) in self.images.iter().enumerate() {
            let store = format!("store{number}");
            command = command.arguments(["--oci-layout", &format!("{store}={layout}")]);
            let context = format!("context:{name}=oci-layout://{store}@{digest}");
            command = option(command, context);
        }
        for (number, (name, directory)) in self.directories.iter().enumerate() {
            let local = format!("other{number}");
            command = command.arguments(["--local", &format!("{local}={directory}")]);
            command = option(command, format!("context:{name}=local:{local}"));
        }
        command
    }
}

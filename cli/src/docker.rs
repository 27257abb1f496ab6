//! The part of `docker build`'s command line that `stagex build` accepts: what StageX's generated
//! rules use, and what means the same with every engine. Everything else is refused by name.

use build::{Choice, Context, ImageName, InvalidName, OpenFiles, Profile, Recipe, Sources};
use camino::{Utf8Path, Utf8PathBuf};
use clap::error::{ContextKind, ContextValue, ErrorKind as Refusal};
use clap::{Args, ValueEnum};

use crate::exit::ErrorKind;
use crate::failure::{Failure, usage};
use crate::options::{Hermetic, Network, Progress};
use crate::output::{Output, To};

const HELP: &str = "\
Examples:
  stagex build --tag me/hello:1.0 --output type=oci,dest=hello.tar .    an image of your own
  stagex --runtime podman build --tag me/hello:1.0 --load .              into Podman's store
  stagex build --tag me/hello:1.0 --output type=registry,name=quay.io/me/hello:1.0 .
  stagex build --lock .                                                 name StageX's images in it by their digests
  make core-profile BUILDER=\"stagex --runtime podman\"                 in an unchanged StageX checkout

stagex build accepts the `docker build` command line that StageX's Makefile generates, and builds
the canonical image with any runtime. Options that describe the image (annotations, times,
compression) must describe the canonical one; they can be left out. Every name that the
Containerfile uses besides its stages must be given with --build-context, or be an image of StageX
with its digest, stagex/NAME@sha256:DIGEST, which is pulled if enough people have signed it by the
[trust] of your stagex.toml. Sources are given as --build-context fetch=DIR, or in PATH/fetch/.";

/// What an image would be called of a Containerfile that is only locked.
const LOCKED: &str = "locked:latest";

/// `stagex build`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Build {
    /// The directory that COPY and ADD read.
    #[arg(value_name = "PATH")]
    context: Utf8PathBuf,

    /// The image's name, such as `stagex/core-musl:1.2.5`.
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    tags: Vec<String>,

    /// The Containerfile. Default: `Containerfile` or `Dockerfile` in PATH.
    #[arg(short, long, value_name = "FILE")]
    file: Option<Utf8PathBuf>,

    /// Where the image goes: `type=oci,dest=FILE`, with `dest=-` for standard output; `type=oci,tar=false,dest=DIR` for
    /// a layout; `type=docker,dest=FILE` for what `docker load` reads; `type=docker`, `podman` or `buildah` for that
    /// engine's store; `type=registry,name=REGISTRY/NAME:TAG`; DIR for the files in it. May be given more than once.
    #[arg(short, long = "output", value_name = "KEY=VALUE,...|DIR")]
    outputs: Vec<Output>,

    /// Put the image into the store of the engine that builds it.
    #[arg(long)]
    load: bool,

    /// Push the image to the registry that --tag names, which is `docker.io`. `--output type=registry,name=...` names
    /// another.
    #[arg(long)]
    push: bool,

    /// Write the image's identifier, the digest of its configuration, to this file; of several platforms, the digest of
    /// their index.
    #[arg(long, value_name = "FILE")]
    iidfile: Option<Utf8PathBuf>,

    /// Write the image's digests and name to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<Utf8PathBuf>,

    /// A build argument.
    #[arg(long = "build-arg", value_name = "NAME=VALUE", value_parser = argument)]
    arguments: Vec<(String, String)>,

    /// What a name in the Containerfile refers to: a directory, or `oci-layout://DIR[:TAG][@DIGEST]`.
    #[arg(long = "build-context", value_name = "NAME=SOURCE", value_parser = named_context)]
    contexts: Vec<(String, Context)>,

    /// The stage to build. Default: the last.
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,

    /// The platform. Default: `linux/amd64`. Several, separated by commas, become one image with an
    /// index.
    #[arg(
        long = "platform",
        value_name = "OS/ARCHITECTURE",
        value_delimiter = ','
    )]
    platforms: Vec<String>,

    /// The limit of open files in a RUN. Default: 2048:16384. No other limit is supported.
    #[arg(long = "ulimit", value_name = "nofile=SOFT[:HARD]", value_parser = open_files)]
    limits: Vec<OpenFiles>,

    /// The network of RUNs without `--network=none`.
    #[arg(long, value_enum)]
    pub(crate) network: Option<Network>,

    /// Give the build nothing that is not declared: no network but where a package's package.toml
    /// lists the stage, and only files that git tracks, sources and contexts. Also set by
    /// `STAGEX_HERMETIC=1`.
    #[arg(long, value_enum, value_name = "RULES", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    pub(crate) hermetic: Option<Hermetic>,

    /// Build without the engine's cache.
    #[arg(long)]
    no_cache: bool,

    /// Build even if the disk has little free space. Also set by `STAGEX_IGNORE_SPACE=1`.
    #[arg(long)]
    pub(crate) ignore_space: bool,

    /// Check the Containerfile, as `stagex check` does, and build nothing.
    #[arg(long, conflicts_with_all = ["load", "push", "iidfile", "metadata_file"])]
    pub(crate) check: bool,

    /// Write the digests of StageX's images that the Containerfile names without one into it, if enough people have
    /// signed what their tags stand for now, and build nothing.
    #[arg(long, conflicts_with_all = [
        "check", "tags", "outputs", "load", "push", "iidfile", "metadata_file", "limits", "hermetic", "no_cache", "ignore_space",
    ])]
    pub(crate) lock: bool,

    /// Where StageX's images are pulled from: HOST[:PORT][/NAME].
    #[arg(long, value_name = "REGISTRY", value_parser = crate::arguments::registry, default_value = crate::arguments::PUBLISHED)]
    pub(crate) from: registry::Repository,

    /// How progress is shown.
    #[arg(long, value_enum, default_value_t)]
    progress: Shown,

    /// Only `false`: an attestation would be one more manifest, and differ in each build.
    #[arg(long, value_name = "false", value_parser = refused_unless_false)]
    provenance: Option<bool>,

    /// Only `false`.
    #[arg(long, value_name = "false", value_parser = refused_unless_false)]
    sbom: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// Lines that come and go on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// The same.
    Tty,
    /// One line for each event.
    Plain,
    /// Nothing but errors.
    Quiet,
}

/// What a `docker build` can be asked for, and is not taken here: with what to do instead.
const NOT_TAKEN: [(&str, &str); 41] = [
    ("--add-host", SURROUNDINGS),
    ("--allow", SURROUNDINGS),
    ("--annotation", LABELS),
    ("--attest", "leave it out: stagex makes no attestations"),
    (
        "--builder",
        "select the runtime instead: stagex --runtime NAME build",
    ),
    ("--cache-from", CACHE),
    ("--cache-to", CACHE),
    ("--call", "use --check"),
    ("--cgroup-parent", SURROUNDINGS),
    (
        "--compress",
        "leave it out: the context is not sent anywhere",
    ),
    ("--cpu-period", LIMITS),
    ("--cpu-quota", LIMITS),
    ("--cpu-shares", LIMITS),
    ("-c", LIMITS),
    ("--cpuset-cpus", LIMITS),
    ("--cpuset-mems", LIMITS),
    ("--debug", "use --verbose"),
    ("-D", "use --verbose"),
    (
        "--detach",
        "leave it out: run stagex itself in the background",
    ),
    (
        "--disable-content-trust",
        "leave it out: every image is compared with its digest",
    ),
    ("--force-rm", NOTHING_LEFT),
    (
        "--invoke",
        "leave it out: build with --load, and run the image",
    ),
    ("--isolation", SURROUNDINGS),
    ("--label", LABELS),
    ("--memory", LIMITS),
    ("-m", LIMITS),
    ("--memory-swap", LIMITS),
    ("--no-cache-filter", CACHE),
    ("--policy", SURROUNDINGS),
    ("--print", "use --check, or stagex plan for a tree"),
    (
        "--pull",
        "leave it out: nothing is pulled, every image is given with --build-context",
    ),
    ("--resource", LIMITS),
    ("--rm", NOTHING_LEFT),
    (
        "--root",
        "leave it out: select the runtime with stagex --runtime NAME build",
    ),
    ("--secret", SURROUNDINGS),
    ("--security-opt", SURROUNDINGS),
    (
        "--server-config",
        "leave it out: select the runtime with stagex --runtime NAME build",
    ),
    ("--shm-size", SURROUNDINGS),
    (
        "--squash",
        "leave it out: each instruction keeps its layer; stages and COPY --from make fewer layers",
    ),
    ("--ssh", SURROUNDINGS),
    ("--stream", "leave it out: the context is not sent anywhere"),
];
/// What never names a context in a Containerfile, in any case of letters.
const RESERVED: [&str; 2] = ["scratch", "context"];
const SURROUNDINGS: &str = "leave it out: an image may depend only on the Containerfile, its contexts and its build arguments";
const LIMITS: &str = "leave it out, and run stagex within limits: systemd-run --scope -p MemoryMax=4G stagex build ...";
const NOTHING_LEFT: &str = "leave it out: no container is left of a build";
const LABELS: &str = "use LABEL in the Containerfile: nothing else decides what is in the image";
const CACHE: &str = "leave it out: the engine's own cache is used, or none with --no-cache";

/// Returns what to say of a flag of `docker build` that `stagex build` does not take.
pub(crate) fn refused(error: &clap::Error) -> Option<Failure> {
    let of_build = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().contains("stagex build"),
        _ => false,
    };
    if error.kind() != Refusal::UnknownArgument || !of_build {
        return None;
    }
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let (flag, hint) = NOT_TAKEN.iter().find(|(known, _)| known == flag)?;
    let message = format!("{flag} is not supported");
    Some(Failure::of(
        ErrorKind::Usage,
        [(message, Some((*hint).to_owned()))],
    ))
}

impl Build {
    /// Returns how to show what happens, and whether to show it at all.
    pub(crate) fn progress(&self) -> Option<Progress> {
        match self.progress {
            Shown::Auto | Shown::Tty => Some(Progress::Auto),
            Shown::Plain => Some(Progress::Plain),
            Shown::Quiet => None,
        }
    }

    /// Tells whether the engine's cache is refused.
    pub(crate) fn no_cache(&self) -> bool {
        self.no_cache
    }

    /// Returns the Containerfile, seen from `root`.
    pub(crate) fn containerfile(&self, root: &Utf8Path) -> Utf8PathBuf {
        let beside = |name: &str| self.context.join(name);
        self.file.clone().unwrap_or_else(|| {
            let usual = beside("Containerfile");
            if root.join(&usual).exists() {
                usual
            } else {
                beside("Dockerfile")
            }
        })
    }

    /// Returns what the image is made of; paths are relative to `root`.
    pub(crate) fn recipe(
        &self,
        profile: &'static Profile,
        root: &Utf8Path,
    ) -> Result<Recipe, Failure> {
        self.check_arguments(profile)?;
        let ImageName { repository, tag } = if self.lock {
            // Nothing is built that would be called so.
            LOCKED
                .parse()
                .map_err(|error: InvalidName| usage(error.to_string(), None))?
        } else {
            let outputs = self.outputs()?;
            let name = self.name(&outputs)?;
            for output in &outputs {
                output.check_annotations(profile, &name.repository, &name.tag)?;
            }
            name
        };
        if !root.join(&self.context).is_dir() {
            let hint =
                "name a directory; archives, repositories and standard input are not supported";
            return Err(usage(
                format!("`{}` is not a directory", self.context),
                Some(hint),
            ));
        }
        if self.file.as_deref() == Some(Utf8Path::new("-")) {
            return Err(usage(
                "the Containerfile is not read from standard input".to_owned(),
                Some("write it to a file, and name that with --file"),
            ));
        }
        let containerfile = self.containerfile(root);
        if !root.join(&containerfile).exists() {
            return Err(usage(
                format!("there is no file `{containerfile}`"),
                Some("name the Containerfile with --file"),
            ));
        }
        let name = repository.rsplit('/').next().unwrap_or_default().to_owned();
        let platforms = if self.platforms.is_empty() {
            vec![package_tree::DEFAULT_PLATFORM.to_owned()]
        } else {
            self.platforms.clone()
        };
        Ok(Recipe {
            profile,
            root: root.to_owned(),
            name,
            repository,
            tag,
            platforms,
            containerfile,
            target: self.target.clone(),
            context: self.context.clone(),
            sources: Sources::Present,
            build_arguments: self.arguments.clone(),
            contexts: self.contexts.iter().cloned().collect(),
            keep_network: None,
            home: crate::environment::home(),
            open_files: self.limits.last().copied().unwrap_or(build::OPEN_FILES),
        })
    }

    /// Returns the outputs; at least one.
    pub(crate) fn outputs(&self) -> Result<Vec<Output>, Failure> {
        let mut outputs = self.outputs.clone();
        outputs.extend(self.load.then_some(Output::of(To::Store(None))));
        outputs.extend(self.push.then_some(Output::of(To::Registry(None))));
        let layouts = outputs
            .iter()
            .filter(|output| matches!(output.to, To::Layout(_)));
        let streams = outputs.iter().filter(|output| output.is_standard_output());
        let (layouts, streams) = (layouts.count(), streams.count());
        if outputs.is_empty() {
            return Err(usage(
                "--output is missing".to_owned(),
                Some(
                    "say where the image goes: --output type=oci,dest=image.tar, or --load for the engine's store",
                ),
            ));
        }
        if layouts > 1 {
            let message = "expected one --output with tar=false".to_owned();
            return Err(usage(message, Some("copy the layout, or write archives")));
        }
        if streams > 1 {
            let message = "expected one --output with dest=-".to_owned();
            return Err(usage(message, Some("write the others to files")));
        }
        if self.platforms.len() > 1
            && let Some(what) = outputs.iter().find_map(Output::of_one_platform)
        {
            let message = format!("{what} takes an image for one platform");
            let hint = "build for one --platform, or use --output type=oci or type=registry";
            return Err(usage(message, Some(hint)));
        }
        Ok(outputs)
    }

    /// Returns where the image's identifier and what is known of it are written.
    pub(crate) fn notes(&self) -> [Option<&Utf8Path>; 2] {
        [self.iidfile.as_deref(), self.metadata_file.as_deref()]
    }

    /// Returns the image's repository and tag.
    fn name(&self, outputs: &[Output]) -> Result<ImageName, Failure> {
        let said = outputs.iter().find_map(Output::name);
        let name = match (self.tags.as_slice(), said) {
            ([tag], _) => tag,
            ([], Some(name)) => name,
            ([], None) => {
                return Err(usage(
                    "the image has no name".to_owned(),
                    Some("name and tag are part of the image's bytes: use --tag NAME:TAG"),
                ));
            }
            _ => {
                return Err(usage(
                    format!("expected one --tag, found {}", self.tags.join(" and ")),
                    Some("the name and the tag are part of the image's bytes"),
                ));
            }
        };
        name.parse()
            .map_err(|error: InvalidName| usage(error.to_string(), None))
    }

    /// Refuses arguments that speak of the image's bytes and would have them otherwise.
    fn check_arguments(&self, profile: &Profile) -> Result<(), Failure> {
        for (name, value) in &self.arguments {
            if let Some(canonical) = profile.argument(name)
                && value != canonical
            {
                return Err(usage(
                    format!("--build-arg {name}={value}: a canonical image has {name}={canonical}"),
                    None,
                ));
            }
        }
        Ok(())
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE: values are not taken from the environment".to_owned()),
    }
}

pub(crate) fn argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    if !package_tree::is_build_argument(&name) {
        let expected = package_tree::BUILD_ARGUMENT;
        return Err(format!(
            "expected NAME=VALUE, where NAME consists of {expected}"
        ));
    }
    Ok((name, value))
}

pub(crate) fn named_context(text: &str) -> Result<(String, Context), String> {
    let (name, source) = pair(text).map_err(|_| "expected NAME=SOURCE".to_owned())?;
    if RESERVED
        .iter()
        .any(|known| known.eq_ignore_ascii_case(&name))
    {
        return Err(format!(
            "`{name}` in a Containerfile is never a named context: choose another name"
        ));
    }
    let name = containerfile::familiar(&name).ok_or_else(|| {
        format!("`{name}` is not a valid name of a context: expected [REGISTRY/]NAME[:TAG] in lower case")
    })?;
    let context = match source.split_once("://") {
        Some(("oci-layout", layout)) => one_of(layout)?,
        Some((scheme, _)) => {
            return Err(format!(
                "{scheme}:// is not supported: expected DIR or oci-layout://DIR"
            ));
        }
        None => Context::Directory(source.into()),
    };
    Ok((name, context))
}

/// Reads `DIR[:TAG][@DIGEST]`.
fn one_of(layout: &str) -> Result<Context, String> {
    let (rest, digest) = match layout.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (layout, None),
    };
    let (directory, tag) = match rest.split_once(':') {
        Some((directory, tag)) => (directory, Some(tag.to_owned())),
        None => (rest, None),
    };
    if directory.is_empty() || tag.as_deref() == Some("") {
        return Err("expected oci-layout://DIR[:TAG][@DIGEST]".to_owned());
    }
    let digest = digest.map(|digest| {
        let digest = digest.parse();
        digest.map_err(|_| "expected a digest behind `@`: sha256: and 64 hex digits".to_owned())
    });
    let digest = digest.transpose()?;
    let directory = directory.into();
    Ok(if tag.is_none() && digest.is_none() {
        Context::Image(directory)
    } else {
        Context::Chosen(directory, Choice { tag, digest })
    })
}

fn open_files(text: &str) -> Result<OpenFiles, String> {
    let expected = || "expected nofile=SOFT[:HARD]: no other limit is supported".to_owned();
    let limits = text.strip_prefix("nofile=").ok_or_else(expected)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| text.parse().map_err(|_| expected());
    Ok(OpenFiles {
        soft: number(soft)?,
        hard: number(hard)?,
    })
}

fn refused_unless_false(text: &str) -> Result<bool, String> {
    match text {
        "false" => Ok(false),
        _ => Err("expected false: attestations are not part of a canonical image".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    const USUAL: [&str; 4] = ["--tag", "stagex/core-a:1.0", "-o", "type=oci,dest=-"];

    fn parsed(words: &[&str]) -> Result<Build, clap::Error> {
        let words = ["stagex", "build"].iter().chain(words);
        match Arguments::try_parse_from(words)?.command {
            Command::Build(build) => Ok(build),
            _ => panic!("it is build that was parsed"),
        }
    }

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        (temporary, path)
    }

    #[test]
    fn the_command_line_of_a_generated_rule_is_understood() {
        let (_temporary, root) = directory();
        let package = root.join("packages/core/a");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("Containerfile"), "FROM scratch\n").unwrap();
        let output = "name=core-a,type=oci,rewrite-timestamp=true,force-compression=true,\
            annotation.containerd.io/distribution.source.docker.io=stagex/core-a,\
            annotation.org.opencontainers.image.version=1.0,\
            annotation.org.opencontainers.image.created=1970-01-01T00:00:01Z,tar=true,dest=-";
        let build = parsed(&[
            "--ulimit",
            "nofile=2048:16384",
            "--tag",
            "stagex/core-a:1.0",
            "--provenance=false",
            "--build-arg",
            "SOURCE_DATE_EPOCH=1",
            "--output",
            output,
            "--build-context",
            "fetch=fetch/core/a",
            "--build-context",
            "stagex/core-musl=oci-layout://./out/core-musl",
            "--target",
            "package-a",
            "--build-arg",
            "VERSION=1.0",
            "--platform=linux/amd64",
            "--progress=auto",
            "-f",
            "packages/core/a/Containerfile",
            "packages/core/a",
        ])
        .unwrap();
        let recipe = build.recipe(Profile::STAGEX_2026, &root).unwrap();
        assert_eq!(recipe.name, "core-a");
        assert_eq!(
            (recipe.repository.as_str(), recipe.tag.as_str()),
            ("stagex/core-a", "1.0")
        );
        assert_eq!(recipe.platforms, ["linux/amd64"]);
        assert_eq!(recipe.target.as_deref(), Some("package-a"));
        let arguments: Vec<_> = recipe
            .build_arguments
            .iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(arguments, ["SOURCE_DATE_EPOCH", "VERSION"]);
        let image = Context::Image("./out/core-musl".into());
        assert_eq!(recipe.contexts["stagex/core-musl"], image);
        assert!(build.outputs().unwrap()[0].is_standard_output());
    }

    #[test]
    fn a_context_has_the_short_form_of_its_name_and_one_image_of_a_layout() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let context = |text: &str| named_context(text).unwrap();
        for name in ["tools", "docker.io/library/tools:latest", "tools:latest"] {
            let expected = ("tools".to_owned(), Context::Directory("d".into()));
            assert_eq!(context(&format!("{name}=d")), expected);
        }
        assert_eq!(context("tools:1=d").0, "tools:1");
        for (source, tag, is_pinned) in [
            ("d:1", Some("1"), false),
            (&*format!("d@{digest}"), None, true),
            (&*format!("d:1@{digest}"), Some("1"), true),
        ] {
            let choice = Choice {
                tag: tag.map(str::to_owned),
                digest: is_pinned.then(|| digest.parse().unwrap()),
            };
            let expected = Context::Chosen("d".into(), choice);
            assert_eq!(context(&format!("a=oci-layout://{source}")).1, expected);
        }
    }

    #[test]
    fn what_would_be_another_image_is_refused() {
        let (_temporary, root) = directory();
        for words in [
            &["-t", "a:1", "-t", "a:2", "-o", "type=oci,dest=-", "."][..],
            &["-t", "quay.io/stagex/a:1", "-o", "type=oci,dest=-", "."],
            &["-t", "a:.1", "-o", "type=oci,dest=-", "."],
            &["-t", "a:1", "."],
            &["-o", "type=oci,dest=-", "."],
            &["-t", "a:1", "-o", "type=oci,dest=-,annotation.x=y", "."],
            &[
                "-t",
                "a:1",
                "-o",
                "type=oci,dest=-,annotation.org.opencontainers.image.version=2",
                ".",
            ],
            &[
                "-t",
                "a:1",
                "-o",
                "type=oci,dest=-",
                "--build-arg",
                "SOURCE_DATE_EPOCH=0",
                ".",
            ],
            &[
                "-t",
                "a:1",
                "-o",
                "type=oci,dest=-",
                "https://example.org/a.git",
            ],
        ] {
            let build = parsed(words).unwrap();
            assert!(
                build.recipe(Profile::STAGEX_2026, &root).is_err(),
                "{words:?}"
            );
        }
        for extra in [
            &["--provenance=true"][..],
            &["--build-arg", "FROM_THE_ENVIRONMENT"],
            &["--build-arg", "a b=1"],
            &["--build-arg", "-a=1"],
            &["--build-arg", "a\u{1b}=1"],
            &["--build-context", "a=docker-image://a"],
            &["--build-context", "Context=a"],
            &["--build-context", "scratch=a"],
            &["--build-context", "A=a"],
            &["--build-context", "a::linux/amd64=a"],
            &["--build-context", "a=oci-layout://a:"],
            &["--build-context", "a=oci-layout://a@sha256:0"],
            &["--ulimit", "nproc=5"],
            &["-o", "type=image,name=a:1"],
            &["-o", "type=oci,dest=-,compression=zstd"],
            &["-o", "type=tar,dest=a"],
        ] {
            let words: Vec<_> = USUAL.iter().chain(extra).chain(&["."]).copied().collect();
            assert!(parsed(&words).is_err(), "{extra:?}");
        }
    }

    #[test]
    fn a_check_says_that_it_makes_no_image() {
        for extra in [
            &["--load"][..],
            &["--push"],
            &["--iidfile", "a"],
            &["--metadata-file", "a"],
        ] {
            let words: Vec<_> = USUAL.iter().chain(extra).chain(&["."]).copied().collect();
            assert!(parsed(&words).is_ok(), "{extra:?}");
            let words: Vec<_> = words.into_iter().chain(["--check"]).collect();
            assert!(parsed(&words).is_err(), "{extra:?}");
        }
    }

    #[test]
    fn every_flag_that_is_not_taken_is_named() {
        for (flag, _) in NOT_TAKEN {
            let error = parsed(&[flag, "x", "."]).unwrap_err();
            let failure = refused(&error).unwrap_or_else(|| panic!("{flag}: {error}"));
            assert_eq!(failure.exit(), ErrorKind::Usage.into());
        }
        let of_make = Arguments::try_parse_from(["stagex", "make", "--pull"]).unwrap_err();
        assert!(refused(&of_make).is_none());
    }
}

//! The oracles: engines that write canonical bytes by themselves, under StageX's own command.
//! They keep the project from agreeing only with itself.
//!
//! The canonical image is what BuildKit writes, so an oracle is a Docker whose BuildKit can
//! export an OCI layout. It builds from the Containerfile as it was written, with the images that
//! it needs as a bench made them. If it is compiled with Go up to 1.26, its manifest must be the
//! canonical one; with a later Go, whose gzip is another, its config and with it all diff ids.

use std::fs;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use oci_image::{Digest, ImageSet, Layout, Manifest, Profile, first_difference, json};
use package_tree::PlannedPackage;
use process::{Invocation, find};
use serde_json::Value;
use state::Directories;
use tokio::sync::watch;

use crate::bench::{Bench, text};
use crate::column::{Label, Programs};
use crate::contrast::Contrast;
use crate::order::Order;
use crate::suite::PROFILE;
use crate::suite::{Subject, copy_directory};

/// The runtime that oracles are of.
const RUNTIME: &str = "docker";
/// The client of a `BuildKit` that is no part of Docker.
const BUILDCTL: &str = "buildctl";
/// How long a question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);
/// The annotation of a layer whose times were rewritten.
const REWRITTEN: &str = "buildkit/rewritten-timestamp";

/// An engine that writes canonical bytes by itself.
#[derive(Debug, Clone)]
pub struct Oracle {
    label: Label,
    program: Utf8PathBuf,
    client: Client,
    version: String,
    /// The version of Go that its server is compiled with, where it says so.
    go: Option<(u32, u32)>,
}

/// Which client drives an oracle's `BuildKit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// Docker with buildx.
    Docker,
    /// `BuildKit`'s own.
    Buildctl,
}

/// Why an oracle wrote no image.
#[derive(Debug)]
pub(crate) enum Unbuilt {
    /// It did not build it.
    Refused {
        /// The command.
        line: String,
        /// What it printed.
        output: String,
    },
    /// The user interrupted it.
    Interrupted,
    /// It could not be asked, or its image cannot be read.
    Broken(String),
}

/// What an oracle says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// It writes the same.
    Same,
    /// It writes another.
    Differs(Contrast),
}

impl Oracle {
    /// Finds those of the columns whose engines are oracles.
    pub async fn find_all(programs: &Programs) -> Vec<Self> {
        let mut oracles = Vec::new();
        for (label, program) in programs {
            if label.runtime() == RUNTIME {
                let program = program.as_deref().unwrap_or(RUNTIME.into());
                oracles.extend(Self::probe(label, program).await);
            }
        }
        oracles
    }

    /// Finds the oracle that a program drives: `buildctl` or a script whose name begins so, or else a Docker.
    pub async fn of_program(program: &Utf8Path) -> Option<Self> {
        if program.file_name()?.starts_with(BUILDCTL) {
            return Self::probe_buildctl(program).await;
        }
        Self::probe(&RUNTIME.parse().ok()?, program).await
    }

    /// Asks a `BuildKit` for its version. It does not say which Go has compiled it.
    async fn probe_buildctl(program: &Utf8Path) -> Option<Self> {
        let program = find(program).ok()?;
        let question = Invocation::new(&program).arguments(["debug", "info"]);
        let answer = question.time_limit(QUESTION_LIMIT).run().await.ok()?;
        let answer = answer
            .succeeded()
            .then(|| answer.stdout_text().into_owned())?;
        let mut words = answer.split_whitespace();
        let version = words.find_map(|word| word.strip_prefix('v'))?.to_owned();
        Some(Self {
            label: "buildkit".parse().ok()?,
            program,
            client: Client::Buildctl,
            version,
            go: None,
        })
    }

    /// Returns the program that drives it.
    pub fn program(&self) -> &Utf8Path {
        &self.program
    }

    /// Tells whether the engine is an oracle: it has buildx, and keeps images in containerd's
    /// store, without which BuildKit cannot export a layout.
    async fn probe(label: &Label, program: &Utf8Path) -> Option<Self> {
        let program = find(program).ok()?;
        let ask = async |arguments: &[&str]| {
            let question = Invocation::new(&program).arguments(arguments);
            let answer = question.time_limit(QUESTION_LIMIT).run().await.ok()?;
            answer
                .succeeded()
                .then(|| answer.stdout_text().into_owned())
        };
        let server: Value =
            serde_json::from_str(&ask(&["version", "--format", "{{json .Server}}"]).await?).ok()?;
        let store = ask(&["info", "--format", "{{json .DriverStatus}}"]).await?;
        ask(&["buildx", "version"]).await?;
        let go = server["GoVersion"].as_str()?.strip_prefix("go")?;
        let mut numbers = go.split(|c: char| !c.is_ascii_digit());
        let go = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        store.contains("io.containerd.snapshotter").then(|| Self {
            label: label.clone(),
            version: server["Version"].as_str().unwrap_or_default().to_owned(),
            program: program.clone(),
            client: Client::Docker,
            go: Some(go),
        })
    }

    /// Returns the name of the column that it is an oracle of.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// Returns the engine's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Tells whether its gzip is the canonical one: that of Go up to 1.26.
    pub fn compresses_alike(&self) -> bool {
        self.go.is_some_and(|go| go <= (1, 26))
    }

    /// Builds a package with StageX's own command in the empty directory `work`, and compares the
    /// image with that of a bench.
    pub(crate) fn judge(
        &self,
        bench: &Bench,
        subject: &Subject,
        work: &Utf8Path,
        interrupted: watch::Receiver<bool>,
    ) -> Result<Sentence, String> {
        let plan = bench.plan(&subject.output)?;
        let package = plan.packages.last().ok_or("the plan is empty")?;
        let context = work.join("context");
        assemble(bench.root(), package, &context).map_err(text)?;
        let order = Self::order(bench, package, &context)?;
        let runtime = tokio::runtime::Runtime::new().map_err(text)?;
        let built = self.build(&order, work, interrupted);
        let found = runtime.block_on(built).map_err(|unbuilt| match unbuilt {
            Unbuilt::Refused { line, output } => format!("{line}\n{output}"),
            Unbuilt::Interrupted => "interrupted".to_owned(),
            Unbuilt::Broken(message) => message,
        })?;
        let expected = bench.images(&subject.output)?;
        let sentence = self.compare_all(&expected, &found);
        fs::remove_dir_all(work).map_err(text)?;
        sentence
    }

    pub(crate) fn compare_all(
        &self,
        expected: &ImageSet,
        found: &ImageSet,
    ) -> Result<Sentence, String> {
        let platforms = |images: &ImageSet| images.images().iter().map(Layout::platform).collect();
        let (wanted, given): (Vec<_>, Vec<_>) = (platforms(expected), platforms(found));
        if wanted != given {
            return Err(format!("expected images for {wanted:?}, found {given:?}"));
        }
        for (expected, found) in expected.images().iter().zip(found.images()) {
            let sentence = self.compare(expected, found)?;
            if !matches!(sentence, Sentence::Same) {
                return Ok(sentence);
            }
        }
        Ok(Sentence::Same)
    }

    fn compare(&self, expected: &Layout, found: &Layout) -> Result<Sentence, String> {
        let same = if self.compresses_alike() {
            let manifest = without_later_annotations(expected.manifest(), found.manifest());
            Digest::of(&json::indented(&manifest)) == expected.manifest_digest()
        } else {
            expected.config() == found.config()
        };
        if same {
            return Ok(Sentence::Same);
        }
        let difference = first_difference(expected, found).map_err(text)?;
        let difference = difference.ok_or("the images differ, but in nothing that can be named")?;
        Ok(Sentence::Differs(Contrast::from(&difference)))
    }

    /// Returns what is to be built of a package: as StageX's own command says it; only its tag is left out, which is
    /// not in the manifest.
    fn order(bench: &Bench, package: &PlannedPackage, context: &Utf8Path) -> Result<Order, String> {
        let file = package.containerfile();
        let arguments = package.build_arguments().into_iter();
        let directories = Directories::of_tree(bench.root());
        let mut images = Vec::new();
        for dependency in package.dependencies() {
            let digest = bench.images(dependency)?.digest();
            let layout = directories.output(dependency);
            images.push((format!("stagex/{dependency}"), layout, digest));
        }
        let annotations = PROFILE.annotations(&format!("stagex/{}", package.name), package.tag());
        Ok(Order {
            context: context.to_owned(),
            file: file.file_name().unwrap_or("Containerfile").into(),
            annotations: annotations.into_iter().collect(),
            platforms: package.platforms.to_vec(),
            // What the checks of the frontend warn of is no matter of bytes, and some cases are about just that.
            arguments: arguments
                .filter(|(name, _)| name != Profile::CHECKS)
                .collect(),
            target: package.target.clone(),
            images,
            directories: Vec::new(),
            denies_network: false,
        })
    }

    /// Has an image built in the directory `work`, where its layout stays.
    pub(crate) async fn build(
        &self,
        order: &Order,
        work: &Utf8Path,
        mut interrupted: watch::Receiver<bool>,
    ) -> Result<ImageSet, Unbuilt> {
        let broken = |error: &dyn std::fmt::Display| Unbuilt::Broken(error.to_string());
        let archive = work.join("image.tar");
        let command = self.command(order, &archive);
        let line = command.command_line();
        let finished = tokio::select! {
            finished = command.run() => finished.map_err(|error| Unbuilt::Broken(text(error)))?,
            _ = interrupted.wait_for(|stop| *stop) => return Err(Unbuilt::Interrupted),
        };
        if !finished.succeeded() {
            let output = finished.stderr.trim_end().to_owned();
            return Err(Unbuilt::Refused { line, output });
        }
        let directory = work.join("image");
        let unpack = || tar::Archive::new(beneath::open(&archive)?).unpack(&directory);
        unpack().map_err(|error: io::Error| broken(&error))?;
        fs::remove_file(&archive).map_err(|error| broken(&error))?;
        ImageSet::open(&directory).map_err(|error| Unbuilt::Broken(text(error)))
    }

    /// Returns the command that has an image built and written to `archive`.
    pub(crate) fn command(&self, order: &Order, archive: &Utf8Path) -> Invocation {
        let output = order.output(archive);
        match self.client {
            Client::Docker => order.for_docker(&self.program, &output),
            Client::Buildctl => order.for_buildctl(&self.program, &output),
        }
    }
}

/// Lays out what StageX's command gives a package for its context.
fn assemble(root: &Utf8Path, package: &PlannedPackage, context: &Utf8Path) -> io::Result<()> {
    copy_directory(&root.join(&package.context), context)?;
    let (from, to) = (root.join(package.fetch()), context.join("fetch"));
    // StageX's own tooling makes it also where nothing belongs into it.
    fs::create_dir_all(&to)?;
    for source in &*package.sources {
        // Where it is laid out it may be a link to where it is kept.
        fs::copy(from.join(&source.file), to.join(&source.file))?;
    }
    Ok(())
}

/// Returns a manifest without the annotation of rewritten times where the expected one has none:
/// BuildKit 0.13 notes it of the base image's layers as well, which it did not rewrite.
fn without_later_annotations(expected: &Manifest, found: &Manifest) -> Manifest {
    let mut manifest = found.clone();
    let layers = manifest.layers.iter_mut().flatten();
    for (layer, expected) in layers.zip(expected.layers()) {
        if !expected.annotations.contains_key(REWRITTEN) {
            layer.annotations.remove(REWRITTEN);
        }
    }
    manifest
}

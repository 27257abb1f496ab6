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
use crate::suite::PROFILE;
use crate::suite::{Subject, copy_directory};

/// The runtime that oracles are of.
const RUNTIME: &str = "docker";
/// How long a question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);
/// The annotation of a layer whose times were rewritten.
const REWRITTEN: &str = "buildkit/rewritten-timestamp";

/// An engine that writes canonical bytes by itself.
#[derive(Debug, Clone)]
pub struct Oracle {
    label: Label,
    program: Utf8PathBuf,
    version: String,
    go: (u32, u32),
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
            go,
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
        self.go <= (1, 26)
    }

    /// Builds a package with StageX's own command in the empty directory `work`, and compares the
    /// image with that of a bench.
    pub(crate) fn judge(
        &self,
        bench: &Bench,
        subject: &Subject,
        work: &Utf8Path,
        mut interrupted: watch::Receiver<bool>,
    ) -> Result<Sentence, String> {
        let plan = bench.plan(&subject.output)?;
        let package = plan.packages.last().ok_or("the plan is empty")?;
        let context = work.join("context");
        assemble(bench.root(), package, &context).map_err(text)?;
        let archive = work.join("image.tar");
        let command = self.command(bench, package, &context, &archive)?;
        let line = command.command_line();
        let runtime = tokio::runtime::Runtime::new().map_err(text)?;
        let finished = runtime.block_on(async {
            tokio::select! {
                finished = command.run() => finished.map_err(text),
                _ = interrupted.wait_for(|stop| *stop) => Err("interrupted".to_owned()),
            }
        })?;
        if !finished.succeeded() {
            return Err(format!("{line}\n{}", finished.stderr.trim_end()));
        }
        let directory = work.join("image");
        let unpack = || tar::Archive::new(beneath::open(&archive)?).unpack(&directory);
        unpack().map_err(text)?;
        let found = ImageSet::open(&directory).map_err(text)?;
        let expected = bench.images(&subject.output)?;
        let sentence = self.compare_all(&expected, &found);
        fs::remove_dir_all(work).map_err(text)?;
        sentence
    }

    fn compare_all(&self, expected: &ImageSet, found: &ImageSet) -> Result<Sentence, String> {
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

    /// Writes down StageX's own command for a package; only its tag is left out, which is not in
    /// the manifest.
    fn command(
        &self,
        bench: &Bench,
        package: &PlannedPackage,
        context: &Utf8Path,
        archive: &Utf8Path,
    ) -> Result<Invocation, String> {
        let mut output = vec![
            format!("type=oci,dest={archive},tar=true"),
            "rewrite-timestamp=true,force-compression=true".to_owned(),
        ];
        let annotations = PROFILE.annotations(&format!("stagex/{}", package.name), package.tag());
        let annotations = annotations.iter();
        output.extend(annotations.map(|(name, value)| format!("annotation.{name}={value}")));
        let file = context.join(
            package
                .containerfile()
                .file_name()
                .unwrap_or("Containerfile"),
        );
        let mut command = Invocation::new(&self.program)
            .arguments(["buildx", "build", "--provenance=false", "--no-cache"])
            .arguments(["--ulimit", "nofile=2048:16384"])
            .arguments(["--progress", "plain", "--output", &output.join(",")])
            .arguments(["--platform", &package.platforms.join(",")])
            .arguments(["--file", file.as_str()]);
        let arguments = package.build_arguments().into_iter();
        // What the checks of the frontend warn of is no matter of bytes, and some cases are about just that.
        for (name, value) in arguments.filter(|(name, _)| name != Profile::CHECKS) {
            command = command
                .argument("--build-arg")
                .argument(format!("{name}={value}"));
        }
        if let Some(target) = &package.target {
            command = command.arguments(["--target", target]);
        }
        let directories = Directories::of_tree(bench.root());
        for dependency in package.dependencies() {
            // With its digest, or the client would write a lock file into the layout.
            let digest = bench.images(dependency)?.digest();
            let layout = directories.output(dependency);
            command = command.argument("--build-context").argument(format!(
                "stagex/{dependency}=oci-layout://{layout}@{digest}"
            ));
        }
        Ok(command.argument("--").argument(context))
    }
}

/// Lays out what StageX's command gives a package for its context.
fn assemble(root: &Utf8Path, package: &PlannedPackage, context: &Utf8Path) -> io::Result<()> {
    copy_directory(&root.join(&package.context), context)?;
    let (from, to) = (root.join(package.fetch()), context.join("fetch"));
    for source in &*package.sources {
        fs::create_dir_all(&to)?;
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

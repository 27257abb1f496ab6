//! Who builds an input: a column, through its backend, or an oracle by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use backend_api::{Backend, Network, Ready};
use build::{BuildJob, Context, Error, OPEN_FILES, Recipe, Space};
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::ImageSet;
use package_tree::DEFAULT_PLATFORM;
use state::Directories;
use tokio::sync::watch;

use super::bases::Base;
use super::built::{Built, Refusal};
use super::laid::Laid;
use crate::bench::text;
use crate::column::{Column, Label};
use crate::oracle::{Oracle, Unbuilt};
use crate::order::Order;
use crate::suite::PROFILE;

/// What an input's image is called.
const REPOSITORY: &str = "stagex/generated";
const TAG: &str = "1";
/// The build arguments of every input: those of the profile that change bytes, and no checks.
const ARGUMENTS: [(&str, &str); 2] = [("SOURCE_DATE_EPOCH", "1"), ("BUILDKIT_MULTI_PLATFORM", "1")];

/// What the line begins with in which a client says why there is no image.
const SAYS: [&str; 3] = ["ERROR: ", "error: ", "panic: "];

/// What Docker says where its daemon is gone, which says nothing of an input.
const GONE: &str = "Cannot connect to the Docker daemon";

/// Who builds.
#[derive(Debug, Clone)]
pub(crate) enum Side {
    /// A column that is ready.
    Column {
        /// Its name.
        label: Label,
        /// Its backend.
        backend: Arc<dyn Backend>,
        /// What the backend said of itself.
        ready: Ready,
    },
    /// An oracle.
    Oracle(Oracle),
}

impl Side {
    /// Returns the side of a column, if it is ready.
    pub(crate) fn of_column(column: &Column) -> Option<Self> {
        Some(Self::Column {
            label: column.label.clone(),
            backend: Arc::clone(&column.backend),
            ready: column.availability.ready().ok()?.clone(),
        })
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Column { label, .. } => label.to_string(),
            Self::Oracle(oracle) => format!("oracle-{}", oracle.label()),
        }
    }

    /// Returns the option of `stagex conformance` that names it.
    pub(crate) fn option(&self) -> String {
        match self {
            Self::Column { label, .. } if label.as_str() == label.runtime() => {
                format!("--column {label}")
            }
            Self::Column { label, ready, .. } => format!("--column {label}={}", ready.program),
            Self::Oracle(oracle) => format!("--oracle {}", oracle.program()),
        }
    }

    /// Returns the engine's name and version, for what is known of it.
    pub(crate) fn engine(&self) -> (&str, &str) {
        match self {
            Self::Column { label, ready, .. } => {
                (ready.engine().unwrap_or(label.runtime()), &ready.version)
            }
            Self::Oracle(oracle) => (oracle.label().runtime(), oracle.version()),
        }
    }

    /// Tells whether it is an oracle.
    pub(crate) fn is_oracle(&self) -> bool {
        matches!(self, Self::Oracle(_))
    }

    /// Builds an input, in a directory of its own beside it.
    pub(crate) async fn build(
        &self,
        laid: &Laid,
        bases: &[Base],
        interrupted: watch::Receiver<bool>,
    ) -> Built {
        let name = self.name().replace('@', "-");
        let work = laid.directory.join(format!("work-{name}"));
        if let Err(error) = std::fs::create_dir_all(&work) {
            return Built::Broken(error.to_string());
        }
        match self {
            Self::Column { backend, ready, .. } => {
                let job = BuildJob {
                    recipe: recipe(laid, bases),
                    backend: Arc::clone(backend),
                    ready: ready.clone(),
                    no_cache: true,
                    network: Network::None,
                    hermetic: None,
                    directories: Directories::of_tree(&work),
                    space: Space::Checked,
                };
                build_with(job, &work, interrupted).await
            }
            Self::Oracle(oracle) => {
                let built = oracle.build(&order(laid, bases), &work, interrupted).await;
                built.map_or_else(unbuilt, Built::Image)
            }
        }
    }

    /// Returns the command that has it build an input that lies in `laid`, for people.
    pub(crate) fn command(&self, laid: &Laid, bases: &[Base]) -> String {
        match self {
            Self::Oracle(oracle) => {
                let command = oracle.command(&order(laid, bases), Utf8Path::new("image.tar"));
                command.command_line()
            }
            Self::Column { label, .. } => {
                let mut words = vec![
                    format!(
                        "stagex --runtime {} build --no-cache --network none",
                        label.runtime()
                    ),
                    format!("-t {REPOSITORY}:{TAG} --output type=oci,dest=image.tar"),
                ];
                for base in bases {
                    let (name, layout) = (&base.name, &base.layout);
                    words.push(format!("--build-context {name}=oci-layout://{layout}"));
                }
                for (name, directory) in &laid.contexts {
                    let directory = laid.directory.join(directory);
                    words.push(format!("--build-context {name}={directory}"));
                }
                let target = laid.target.iter();
                words.extend(target.map(|target| format!("--target '{target}'")));
                let arguments = arguments(laid);
                let argument = |(name, value)| format!("--build-arg '{name}={value}'");
                words.extend(arguments.into_iter().map(argument));
                let context = laid.context();
                words.push(format!("--file {} {context}", context.join(&laid.file)));
                words.join(" ")
            }
        }
    }
}

async fn build_with(job: BuildJob, work: &Utf8Path, interrupted: watch::Receiver<bool>) -> Built {
    let layout = work.join("image");
    let listener = Arc::new(());
    let built = build::build(job, Some(layout.clone()), |_| (), listener, interrupted).await;
    match built {
        Ok(_) => match ImageSet::open(&layout) {
            Ok(image) => Built::Image(image),
            Err(error) => Built::Broken(text(error)),
        },
        Err(failure) => match &failure.error {
            Error::Interrupted => Built::Interrupted,
            error => Built::Refused(Refusal {
                message: failure.message(),
                reason: reason(error),
                while_planning: is_planning(error),
                output: failure.last_lines.clone(),
            }),
        },
    }
}

/// Tells whether an input was refused before any engine was started.
fn is_planning(error: &Error) -> bool {
    use backend_api::ErrorKind::Unsupported;
    match error {
        Error::Instruction { source, .. } | Error::Backend(source) => source.kind() == Unsupported,
        Error::StrayLayer { .. } | Error::Image(_) | Error::Layout(_) | Error::Changed { .. } => {
            false
        }
        _ => true,
    }
}

/// Returns why there is no image, without the place in the Containerfile.
fn reason(error: &Error) -> String {
    match error {
        Error::Instruction { source, .. } => build::chain(source.as_ref()),
        Error::Containerfile { source, .. } => source.kind.to_string(),
        error => build::chain(error),
    }
}

fn unbuilt(unbuilt: Unbuilt) -> Built {
    match unbuilt {
        Unbuilt::Interrupted => Built::Interrupted,
        Unbuilt::Broken(message) => Built::Broken(message),
        Unbuilt::Refused { output, .. } => {
            if output.contains(GONE) {
                return Built::Broken(output);
            }
            let lines: Vec<String> = output.lines().map(str::to_owned).collect();
            let mut last = lines.iter().rev();
            let says = |line: &&String| SAYS.iter().any(|word| line.starts_with(word));
            let message = last.find(says);
            let message = message.cloned().unwrap_or_else(|| output.clone());
            Built::Refused(Refusal {
                reason: message.clone(),
                message,
                while_planning: false,
                output: lines,
            })
        }
    }
}

fn arguments(laid: &Laid) -> Vec<(String, String)> {
    let fixed = ARGUMENTS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed.into_iter().chain(laid.arguments.clone()).collect()
}

fn recipe(laid: &Laid, bases: &[Base]) -> Recipe {
    let image = |base: &Base| (base.name.clone(), Context::Image(base.layout.clone()));
    let mut contexts: BTreeMap<_, _> = bases.iter().map(image).collect();
    for (name, directory) in &laid.contexts {
        let directory = laid.directory.join(directory);
        contexts.insert(name.clone(), Context::Directory(directory));
    }
    Recipe {
        profile: PROFILE,
        root: laid.directory.clone(),
        name: "generated".to_owned(),
        repository: REPOSITORY.to_owned(),
        tag: TAG.to_owned(),
        platforms: vec![DEFAULT_PLATFORM.to_owned()],
        containerfile: Utf8PathBuf::from(generate::CONTEXT).join(&laid.file),
        target: laid.target.clone(),
        context: generate::CONTEXT.into(),
        sources: build::Sources::Present,
        build_arguments: arguments(laid),
        contexts,
        keep_network: None,
        open_files: OPEN_FILES,
        home: None,
    }
}

fn order(laid: &Laid, bases: &[Base]) -> Order {
    let image = |base: &Base| (base.name.clone(), base.layout.clone(), base.digest);
    let directory =
        |(name, path): &(String, Utf8PathBuf)| (name.clone(), laid.directory.join(path));
    let annotations = PROFILE.annotations(REPOSITORY, TAG);
    Order {
        context: laid.context(),
        file: laid.file.clone(),
        annotations: annotations.into_iter().collect(),
        platforms: vec![DEFAULT_PLATFORM.to_owned()],
        arguments: arguments(laid),
        target: laid.target.clone(),
        images: bases.iter().map(image).collect(),
        directories: laid.contexts.iter().map(directory).collect(),
        denies_network: true,
    }
}

//! What rules look at: one Containerfile with what is known of its package, and the builds that it stands for.
//!
//! It does not know any rule.

use std::collections::BTreeMap;

use containerfile::{
    Build, Containerfile, ErrorKind, ImageFacts, Instruction, Onbuild, ReferenceKind, Scope,
    Statement,
};
use package_tree::{DEFAULT_PLATFORM, Output, Tree};

use crate::finding::{Finding, Source};
use crate::manifest::{Manifest, Text};
use crate::rule::RuleSet;
use crate::table::{INVALID_CONTAINERFILE, SUBPACKAGE_WITHOUT_STAGE};

/// What packages are called in a Containerfile.
pub(crate) const PACKAGE: &str = "stagex/";

/// One Containerfile with what belongs to it.
pub(crate) struct Subject<'a> {
    pub(crate) set: RuleSet,
    pub(crate) file: &'a Containerfile,
    pub(crate) containerfile: Source<'a>,
    /// The package, if it is one of a tree.
    pub(crate) package: Option<Package<'a>>,
    /// A build for each output; without a package, for the last stage.
    pub(crate) builds: Vec<Build>,
    /// Whether each output has its build.
    pub(crate) all_build: bool,
    /// What is known of the images that its stages begin with, by their names in it.
    pub(crate) images: BTreeMap<String, ImageFacts>,
}

/// The package of a Containerfile.
pub(crate) struct Package<'a> {
    pub(crate) stage: &'a str,
    pub(crate) tree: &'a Tree,
    pub(crate) manifest: Manifest,
    pub(crate) manifest_source: Source<'a>,
    /// None if something is wrong with it.
    pub(crate) outputs: Vec<&'a Output>,
}

impl<'a> Subject<'a> {
    /// Resolves the builds of a Containerfile. Notes those that there cannot be.
    pub(crate) fn new(
        set: RuleSet,
        file: &'a Containerfile,
        containerfile: Source<'a>,
        package: Option<Package<'a>>,
        images: BTreeMap<String, ImageFacts>,
        found: &mut Vec<Finding>,
    ) -> Self {
        let mut subject = Self {
            set,
            file,
            containerfile,
            package,
            builds: Vec::new(),
            all_build: true,
            images,
        };
        let outputs = match &subject.package {
            Some(package) => package.outputs.iter().copied().map(Some).collect(),
            None => vec![None],
        };
        for output in outputs {
            let scope = scope(output, &subject.images);
            match file.resolve(&scope) {
                Ok(build) => subject.builds.push(build),
                Err(error) => {
                    subject.all_build = false;
                    found.push(subject.broken(output, &error));
                }
            }
        }
        subject
    }

    /// Says why an output cannot be built.
    fn broken(&self, output: Option<&Output>, error: &containerfile::Error) -> Finding {
        if let (ErrorKind::UnknownTarget { .. }, Some(package), Some(output)) =
            (&error.kind, &self.package, output)
        {
            let is_it = |text: &&Text| text.value == output.package;
            let place = package.manifest.subpackages.iter().find(is_it);
            let message = format!(
                "there is no stage `package-{}` for this subpackage",
                output.package
            );
            return package.manifest_source.finding(
                &SUBPACKAGE_WITHOUT_STAGE,
                place.map(|text| text.span).unwrap_or_default(),
                message,
            );
        }
        invalid(&self.containerfile, error)
    }

    /// Returns every statement with the number of its stage.
    pub(crate) fn statements(&self) -> impl Iterator<Item = (usize, &'a Statement)> {
        let stages = self.file.stages.iter().enumerate();
        stages.flat_map(|(number, stage)| stage.statements.iter().map(move |each| (number, each)))
    }

    /// Returns the name of a stage, or its number.
    pub(crate) fn stage_name(&self, number: usize) -> String {
        let name = self.file.stages[number].name.clone();
        name.unwrap_or_else(|| number.to_string())
    }
}

/// Makes a finding of what the parser, or the evaluation, of a Containerfile says.
pub(crate) fn invalid(source: &Source<'_>, error: &containerfile::Error) -> Finding {
    let finding = source.finding(&INVALID_CONTAINERFILE, error.span, error.kind.to_string());
    match error.hint() {
        Some(hint) => finding.advice(hint),
        None => finding,
    }
}

/// Returns the name of a package's output that a Containerfile names as an image.
pub(crate) fn output_name(image: &str) -> Option<&str> {
    image.strip_prefix(PACKAGE)?.split([':', '@']).next()
}

/// Returns what the build of an output is given.
pub(crate) fn scope(output: Option<&Output>, images: &BTreeMap<String, ImageFacts>) -> Scope {
    let platform = output.and_then(|output| output.platforms.first());
    let platform = platform.map_or(DEFAULT_PLATFORM, String::as_str);
    let usual = || DEFAULT_PLATFORM.parse().expect("the default is a platform");
    let mut scope = Scope::new(platform.parse().unwrap_or_else(|_| usual()));
    if let Some(output) = output {
        scope.build_args = output.build_arguments();
        scope.target.clone_from(&output.target);
    }
    scope.images.clone_from(images);
    scope
}

/// Returns the images that the stages of a Containerfile begin with, as it names them.
pub(crate) fn bases(file: &Containerfile) -> Vec<String> {
    let references = file.references(&scope(None, &BTreeMap::new()));
    let references = references.unwrap_or_default().into_iter();
    let bases = references.filter(|reference| reference.kind == ReferenceKind::Base);
    bases.map(|base| base.name).collect()
}

/// Returns what an image hands on that a build makes.
pub(crate) fn facts(build: &Build, images: &BTreeMap<String, ImageFacts>) -> ImageFacts {
    let base = build.base_image().and_then(|name| images.get(name));
    let mut facts = base.cloned().unwrap_or_default();
    facts.triggers.clear();
    for step in build.image_steps() {
        match &step.instruction {
            Instruction::Env(pairs) => {
                for pair in pairs {
                    facts.environment.retain(|(name, _)| *name != pair.name);
                    facts
                        .environment
                        .push((pair.name.clone(), pair.value.clone()));
                }
            }
            Instruction::Shell(words) => facts.shell.clone_from(words),
            Instruction::User(user) => facts.user.clone_from(user),
            Instruction::Workdir(path) => facts.working_directory.clone_from(path),
            Instruction::Onbuild(Onbuild { expression, .. }) => {
                facts.triggers.push(expression.clone());
            }
            _ => {}
        }
    }
    facts
}

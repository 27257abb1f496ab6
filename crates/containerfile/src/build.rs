//! A build: the stages that a target needs, with every variable expanded, one step for each instruction.
//!
//! It does not know how a step is carried out; [`crate::resolve`] makes it.

use std::collections::BTreeSet;

use crate::instruction::{Instruction, NetworkMode};
use crate::reference::{Base, Reference, StageId};
use crate::scope::Platform;
use crate::span::Span;

/// The stages that a target needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The stages in file order; the target is one of them.
    pub stages: Vec<ResolvedStage>,
    /// The stage to build.
    pub target: StageId,
    /// The values of the platform's arguments, and of those before the first `FROM` that have one.
    pub global_arguments: Vec<(String, String)>,
    /// What these stages take from outside, in file order.
    pub references: Vec<Reference>,
}

/// A stage that the target needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedStage {
    /// Its number in the file.
    pub id: StageId,
    /// Its name.
    pub name: Option<String>,
    /// What it begins with.
    pub base: Base,
    /// `--platform` as it stands, with its variables expanded.
    pub platform_flag: Option<String>,
    /// The platform that it runs on.
    pub platform: Platform,
    /// Its instructions: triggers of its base first, then its own.
    pub steps: Vec<Step>,
}

/// A step by its stage, and its place among the stage's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    /// The stage.
    pub stage: StageId,
    /// The place, from 0.
    pub index: usize,
}

/// Where a step comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It stands in the stage.
    Written,
    /// It is an `ONBUILD` of the stage that this one begins with.
    StageTrigger,
    /// It is an `ONBUILD` of the image that this stage begins with.
    ImageTrigger,
}

/// An instruction with its variables expanded, and what is in force when it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place.
    pub id: StepId,
    /// Where it comes from.
    pub origin: Origin,
    /// The instruction, expanded. The path of a `WORKDIR` is absolute, an `ARG` has its value, the body of a
    /// heredoc in a `COPY` or `ADD` is what the file will hold, an `EXPOSE` lists `port/protocol`.
    pub instruction: Instruction,
    /// The build arguments in scope, in the order of their first declaration, each with the value that a `RUN`
    /// would see; empty where it has none.
    pub arguments: Vec<(String, String)>,
    /// What a `RUN` would find in its environment, arguments included.
    pub environment: Vec<(String, String)>,
    /// The working directory before this step, absolute.
    pub working_directory: String,
    /// The user before this step; empty where none is set.
    pub user: String,
    /// The words that a shell form is put behind.
    pub shell: Vec<String>,
    /// Where it stands.
    pub span: Span,
    /// Its text, with the bodies of its heredocs.
    pub source: String,
    /// The variables that it names, and that nothing before it sets or declares: each stands for nothing. Those
    /// of an `EXPOSE`, and those that the shell of a `RUN` expands, are not among them.
    pub undefined: Vec<String>,
}

impl Step {
    /// Tells whether the image gets a layer from this step, even if an empty one.
    pub fn makes_layer(&self) -> bool {
        match &self.instruction {
            Instruction::Add(_) | Instruction::Copy(_) | Instruction::Run(_) => true,
            Instruction::Workdir(path) => path != "/",
            _ => false,
        }
    }
}

/// A `RUN` and the network that it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkUse {
    /// The `RUN`.
    pub step: StepId,
    /// Its network; [`NetworkMode::Default`] where it says nothing.
    pub mode: NetworkMode,
    /// Where it stands.
    pub span: Span,
}

impl Build {
    /// Returns a stage that the target needs.
    pub fn stage(&self, id: StageId) -> Option<&ResolvedStage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// Returns a step of a stage that the target needs.
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.stage(id.stage)?.steps.get(id.index)
    }

    /// Returns what a `--from`, or the `from` of a mount, names in one of these stages.
    pub fn source(&self, name: &str) -> Base {
        if let Ok(number) = name.parse() {
            return Base::Stage(StageId(number));
        }
        let lower = name.to_lowercase();
        let named = |stage: &&ResolvedStage| stage.name.as_deref() == Some(&lower);
        match self.stages.iter().rev().find(named) {
            Some(stage) => Base::Stage(stage.id),
            None if name == "scratch" => Base::Scratch,
            None => Base::Image(name.to_owned()),
        }
    }

    /// Returns the stages whose steps make the image: from the one that begins with an image or with nothing, to
    /// the target.
    pub fn chain(&self) -> Vec<&ResolvedStage> {
        let mut chain = Vec::new();
        let mut next = self.stage(self.target);
        while let Some(stage) = next {
            chain.push(stage);
            next = match stage.base {
                Base::Stage(id) => self.stage(id),
                Base::Scratch | Base::Image(_) => None,
            };
        }
        chain.reverse();
        chain
    }

    /// Returns the steps that make the image, in order.
    pub fn image_steps(&self) -> impl Iterator<Item = &Step> {
        self.chain().into_iter().flat_map(|stage| &stage.steps)
    }

    /// Returns the image that the chain begins with; nothing where it begins with `scratch`.
    pub fn base_image(&self) -> Option<&str> {
        match &self.chain().first()?.base {
            Base::Image(name) => Some(name),
            Base::Scratch | Base::Stage(_) => None,
        }
    }

    /// Returns the names of everything that comes from outside.
    pub fn images(&self) -> BTreeSet<&str> {
        self.references
            .iter()
            .map(|reference| reference.name.as_str())
            .collect()
    }

    /// Denies the network to every `RUN` but those of the stages that are `excepted`. What the image says of how it was
    /// made stays the same.
    pub fn deny_network(&mut self, excepted: impl Fn(&ResolvedStage) -> bool) {
        for stage in self.stages.iter_mut().filter(|stage| !excepted(stage)) {
            for step in &mut stage.steps {
                if let Instruction::Run(run) = &mut step.instruction
                    && run.network != Some(NetworkMode::None)
                {
                    run.network = Some(NetworkMode::None);
                    run.is_denied = true;
                }
            }
        }
    }

    /// Returns every `RUN` with its network, in order.
    pub fn network(&self) -> impl Iterator<Item = NetworkUse> {
        self.stages
            .iter()
            .flat_map(|stage| &stage.steps)
            .filter_map(|step| match &step.instruction {
                Instruction::Run(run) => Some(NetworkUse {
                    step: step.id,
                    mode: run.network.unwrap_or(NetworkMode::Default),
                    span: step.span,
                }),
                _ => None,
            })
    }
}

//! Follows a build's progress (`--progress=plain`): which step a line belongs to, and which
//! instruction failed. Knows the lines' form, not what the instructions mean.

use std::collections::BTreeMap;

use backend_api::{Step, StepId, StepKind};

/// What the steps of a build are called in its progress.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    all: Vec<Step>,
    target: Option<String>,
    /// Whether BuildKit counts the FROM of the first stage as its first instruction.
    base_is_counted: bool,
}

impl Steps {
    /// Describes the steps of a build of the stage `target`.
    ///
    /// BuildKit gives a FROM a number if it names an image, but not if it names a stage,
    /// `scratch`, or a context. `images` says whether bases are given as images.
    pub(crate) fn new(steps: &[Step], target: Option<&str>, images: bool) -> Self {
        let only_stage = steps.first().map(|step| step.id.stage);
        Self {
            all: steps.to_vec(),
            target: target.map(str::to_owned),
            base_is_counted: images && steps.iter().all(|step| Some(step.id.stage) == only_stage),
        }
    }

    fn find(&self, vertex: &Vertex<'_>) -> Option<StepId> {
        let stage = self.stage(vertex.stage)?;
        let mut of_stage = self.all.iter().filter(|step| step.id.stage == stage);
        let before = if self.base_is_counted { 2 } else { 1 };
        let step = of_stage.nth(vertex.number.checked_sub(before)?)?;
        // The number alone would be wrong where a FROM is counted against expectation.
        (Some(step.kind) == kind(vertex.instruction)).then_some(step.id)
    }

    /// Finds the stage that a vertex calls `name`. Names of stages are not known here, but the
    /// target's is, and BuildKit numbers the nameless.
    fn stage(&self, name: Option<&str>) -> Option<usize> {
        match name {
            None => Some(0),
            Some(name) if self.target.as_deref() == Some(name) => Some(self.all.last()?.id.stage),
            Some(name) => name.strip_prefix("stage-")?.parse().ok(),
        }
    }
}

fn kind(instruction: &str) -> Option<StepKind> {
    match instruction.split_whitespace().next()? {
        "ADD" => Some(StepKind::Add),
        "COPY" => Some(StepKind::Copy),
        "RUN" => Some(StepKind::Run),
        "WORKDIR" => Some(StepKind::Workdir),
        _ => None,
    }
}

/// An instruction as the progress names it: `[linux/amd64 stage-1 2/6] COPY a /b`.
#[derive(Debug, PartialEq, Eq)]
struct Vertex<'a> {
    stage: Option<&'a str>,
    number: usize,
    instruction: &'a str,
}

impl<'a> Vertex<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (brackets, instruction) = text.strip_prefix('[')?.split_once("] ")?;
        let mut words = brackets.rsplit(' ');
        let (number, total) = words.next()?.split_once('/')?;
        let _: usize = total.parse().ok()?;
        Some(Self {
            // What has a slash is the platform; a stage's name has none.
            stage: words.next().filter(|word| !word.contains('/')),
            number: number.parse().ok()?,
            instruction,
        })
    }
}

/// An instruction that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedInstruction {
    /// The instruction with its stage and number: `[build 2/3] RUN make`.
    pub(crate) instruction: String,
    /// What the engine says: `exit code: 3`.
    pub(crate) reason: String,
}

/// Follows the progress of one build.
#[derive(Debug)]
pub(crate) struct Progress {
    steps: Steps,
    /// The instructions seen so far, by the number that the progress gives each vertex.
    instructions: BTreeMap<u64, (String, Option<StepId>)>,
    failed: Option<FailedInstruction>,
}

impl Progress {
    /// Begins to follow a build with these steps.
    pub(crate) fn new(steps: Steps) -> Self {
        Self {
            steps,
            instructions: BTreeMap::new(),
            failed: None,
        }
    }

    /// Takes a line, and returns the step that it belongs to where that is known.
    pub(crate) fn line(&mut self, line: &str) -> Option<StepId> {
        let (id, text) = line.strip_prefix('#')?.split_once(' ')?;
        let id = id.parse().ok()?;
        if let Some(vertex) = Vertex::parse(text) {
            let step = self.steps.find(&vertex);
            self.instructions.insert(id, (text.to_owned(), step));
            return step;
        }
        let (instruction, step) = self.instructions.get(&id)?;
        if let Some(error) = text.strip_prefix("ERROR: ") {
            self.failed = Some(FailedInstruction {
                instruction: instruction.clone(),
                reason: reason(error).to_owned(),
            });
        }
        *step
    }

    /// Returns the last instruction that failed.
    pub(crate) fn into_failed(self) -> Option<FailedInstruction> {
        self.failed
    }
}

/// Cuts off what only repeats the instruction.
fn reason(error: &str) -> &str {
    let repeats = [
        ("process \"", "did not complete successfully: "),
        ("executor failed running [", "]: "),
    ];
    let cut = repeats.iter().find_map(|(begin, end)| {
        let rest = error.strip_prefix(begin)?;
        Some(&rest[rest.rfind(end)? + end.len()..])
    });
    cut.unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_str!(concat!("../tests/samples/", $name))
        };
    }

    fn step(stage: usize, index: usize, kind: StepKind) -> Step {
        let id = StepId { stage, index };
        Step { id, kind }
    }

    /// The steps of the Containerfile that the samples `build.txt` are of:
    /// `FROM scratch AS build`, three steps, `FROM build`, `WORKDIR /`, two steps.
    fn steps() -> Vec<Step> {
        vec![
            step(0, 0, StepKind::Copy),
            step(0, 1, StepKind::Workdir),
            step(0, 2, StepKind::Run),
            step(1, 1, StepKind::Copy),
            step(1, 2, StepKind::Run),
        ]
    }

    #[rstest]
    #[case::bookworm(sample!("docker-20.10.24/build.txt"))]
    #[case::trixie(sample!("docker-26.1.5/build.txt"))]
    #[case::sid(sample!("docker-28.5.2/build.txt"))]
    fn output_goes_to_its_step(#[case] text: &str) {
        let mut progress = Progress::new(Steps::new(&steps(), None, false));
        let mut again = Vec::new();
        for line in text.lines() {
            let step = progress.line(line);
            if line.ends_with(" again") {
                again.push(step);
            }
        }
        assert_eq!(again, [Some(StepId { stage: 1, index: 2 })]);
        assert_eq!(progress.into_failed(), None);
    }

    #[rstest]
    #[case::bookworm(sample!("docker-20.10.24/build-cached.txt"))]
    #[case::trixie(sample!("docker-26.1.5/build-cached.txt"))]
    #[case::sid(sample!("docker-28.5.2/build-cached.txt"))]
    fn cached_steps_come_in_any_order(#[case] text: &str) {
        let mut progress = Progress::new(Steps::new(&steps(), Some("build"), false));
        for line in text.lines() {
            let found = progress.line(line);
            if line.ends_with("[stage-1 1/3] COPY busybox /b") {
                assert_eq!(found, Some(StepId { stage: 1, index: 1 }), "{line}");
            }
        }
    }

    #[rstest]
    #[case::platform("#4 [linux/amd64 stage-2 1/1] COPY a /b", false, 2)]
    #[case::nameless("#4 [1/1] COPY a /b", false, 0)]
    #[case::target("#4 [linux/amd64 package-x 1/1] COPY a /b", false, 3)]
    #[case::after_an_image("#4 [package-x 2/2] COPY a /b", true, 3)]
    fn stages_are_found(#[case] line: &str, #[case] images: bool, #[case] stage: usize) {
        let steps = [step(stage, 4, StepKind::Copy)];
        let steps = Steps::new(&steps, Some("package-x"), images);
        let found = Progress::new(steps).line(line);
        assert_eq!(found, Some(StepId { stage, index: 4 }));
    }

    #[rstest]
    #[case::another_kind("#4 [stage-0 1/1] RUN true")]
    #[case::another_stage("#4 [build 1/1] COPY a /b")]
    #[case::the_base("#4 [stage-0 0/1] FROM x")]
    #[case::internal("#4 [internal] load build context")]
    #[case::status("#4 DONE 0.1s")]
    #[case::free_text("------")]
    fn nothing_is_guessed(#[case] line: &str) {
        let steps = [step(0, 0, StepKind::Copy)];
        assert_eq!(
            Progress::new(Steps::new(&steps, None, false)).line(line),
            None
        );
    }

    #[rstest]
    #[case(sample!("docker-20.10.24/instruction-failed.txt"), "exit code: 3")]
    #[case(sample!("docker-26.1.5/instruction-failed.txt"), "exit code: 3")]
    #[case(sample!("docker-28.5.2/instruction-failed.txt"), "exit code: 3")]
    #[case(sample!("docker-20.10.24/copy-failed.txt"), "\"/nothing\" not found: not found")]
    fn the_failed_instruction_is_found(#[case] text: &str, #[case] reason: &str) {
        let mut progress = Progress::new(Steps::new(&[], None, false));
        for line in text.lines() {
            progress.line(line);
        }
        let failed = progress.into_failed().unwrap();
        assert_eq!(failed.reason, reason);
        assert!(failed.instruction.starts_with('['), "{failed:?}");
    }
}

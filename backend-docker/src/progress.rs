//! Follows a build's progress (`--progress=plain`): which step a line belongs to, and which
//! instruction failed. Knows the lines' form, not what the instructions mean.

use std::collections::BTreeMap;

use backend_api::{Stage, StepId, StepKind};

/// What the steps of a build are called in its progress.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    stages: Vec<Stage>,
    /// Whether bases are given as images. BuildKit counts the FROM of such a stage as its first
    /// instruction, but not one that names a stage, `scratch`, or a context.
    images: bool,
}

impl Steps {
    /// Describes the steps of a build of `stages`. `images` says whether bases are given as images.
    pub(crate) fn new(stages: &[Stage], images: bool) -> Self {
        Self {
            stages: stages.to_vec(),
            images,
        }
    }

    fn find(&self, vertex: &Vertex<'_>) -> Option<StepId> {
        let stage = self.stage(vertex.stage)?;
        let before = if self.images && stage.begins_with_image {
            2
        } else {
            1
        };
        let step = stage.steps.get(vertex.number.checked_sub(before)?)?;
        // The number alone would be wrong where a FROM is counted against expectation.
        (Some(step.kind) == kind(vertex.instruction)).then_some(step.id)
    }

    /// Finds the stage that a vertex calls `name`. BuildKit numbers the nameless, and leaves the
    /// name out where there is but one stage.
    fn stage(&self, name: Option<&str>) -> Option<&Stage> {
        let Some(name) = name else {
            return self.stages.first();
        };
        let mut stages = self.stages.iter();
        // BuildKit writes names in small letters.
        let is_it = |own: &String| own.eq_ignore_ascii_case(name);
        let named = stages.find(|stage| stage.name.as_ref().is_some_and(is_it));
        named.or_else(|| {
            self.stages
                .get(name.strip_prefix("stage-")?.parse::<usize>().ok()?)
        })
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
    /// Which it is, where that is known.
    pub(crate) step: Option<StepId>,
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
                step: *step,
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
    use backend_api::Step;
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

    fn stage(name: Option<&str>, steps: Vec<Step>) -> Stage {
        Stage {
            name: name.map(str::to_owned),
            begins_with_image: true,
            steps,
        }
    }

    /// The stages of the Containerfile that the samples `build.txt` are of:
    /// `FROM scratch AS build`, three steps, `FROM build`, `WORKDIR /`, two steps.
    fn stages() -> [Stage; 2] {
        let build = vec![
            step(0, 0, StepKind::Copy),
            step(0, 1, StepKind::Workdir),
            step(0, 2, StepKind::Run),
        ];
        let last = vec![step(1, 1, StepKind::Copy), step(1, 2, StepKind::Run)];
        [stage(Some("build"), build), stage(None, last)]
    }

    #[rstest]
    #[case::bookworm(sample!("docker-20.10.24/build.txt"))]
    #[case::trixie(sample!("docker-26.1.5/build.txt"))]
    #[case::sid(sample!("docker-28.5.2/build.txt"))]
    fn output_goes_to_its_step(#[case] text: &str) {
        let mut progress = Progress::new(Steps::new(&stages(), false));
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
        let mut progress = Progress::new(Steps::new(&stages(), false));
        for line in text.lines() {
            let found = progress.line(line);
            if line.ends_with("[stage-1 1/3] COPY busybox /b") {
                assert_eq!(found, Some(StepId { stage: 1, index: 1 }), "{line}");
            }
        }
    }

    #[rstest]
    #[case::platform("#4 [linux/amd64 stage-1 1/1] COPY a /b", false, 3)]
    #[case::nameless("#4 [1/1] COPY a /b", false, 2)]
    #[case::named("#4 [linux/amd64 package-x 1/1] COPY a /b", false, 2)]
    #[case::after_an_image("#4 [package-x 2/2] COPY a /b", true, 2)]
    fn stages_are_found(#[case] line: &str, #[case] images: bool, #[case] place: usize) {
        // The stages before them were left out of the lowered file.
        let copy = |place| vec![step(place, 4, StepKind::Copy)];
        let stages = [stage(Some("Package-X"), copy(2)), stage(None, copy(3))];
        let found = Progress::new(Steps::new(&stages, images)).line(line);
        let expected = StepId {
            stage: place,
            index: 4,
        };
        assert_eq!(found, Some(expected));
    }

    #[rstest]
    #[case::another_kind("#4 [stage-0 1/1] RUN true")]
    #[case::another_stage("#4 [build 1/1] COPY a /b")]
    #[case::the_base("#4 [stage-0 0/1] FROM x")]
    #[case::internal("#4 [internal] load build context")]
    #[case::status("#4 DONE 0.1s")]
    #[case::free_text("------")]
    fn nothing_is_guessed(#[case] line: &str) {
        let stages = [stage(None, vec![step(0, 0, StepKind::Copy)])];
        let found = Progress::new(Steps::new(&stages, false)).line(line);
        assert_eq!(found, None);
    }

    #[rstest]
    #[case(sample!("docker-20.10.24/instruction-failed.txt"), "exit code: 3")]
    #[case(sample!("docker-26.1.5/instruction-failed.txt"), "exit code: 3")]
    #[case(sample!("docker-28.5.2/instruction-failed.txt"), "exit code: 3")]
    #[case(sample!("docker-20.10.24/copy-failed.txt"), "\"/nothing\" not found: not found")]
    fn the_failed_instruction_is_found(#[case] text: &str, #[case] reason: &str) {
        let mut progress = Progress::new(Steps::new(&[], false));
        for line in text.lines() {
            progress.line(line);
        }
        let failed = progress.into_failed().unwrap();
        assert_eq!(failed.reason, reason);
        assert!(failed.instruction.starts_with('['), "{failed:?}");
    }
}

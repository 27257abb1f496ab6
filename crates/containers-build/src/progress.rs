//! Finds out from what the builder prints which step it is at. Knows the builder's lines, not
//! what the steps do.

use backend_api::{Stage, StepId};

/// Follows a build's output.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    stages: &'a [Stage],
    /// The stage that is being built.
    stage: Option<&'a Stage>,
    /// How many of its instructions that make layers have begun.
    begun: usize,
}

impl<'a> Progress<'a> {
    /// Begins to follow a build of `stages`, all that the Containerfile has.
    pub(crate) fn new(stages: &'a [Stage]) -> Self {
        Self {
            stages,
            stage: None,
            begun: 0,
        }
    }

    /// Takes the next line, and returns the step that it belongs to. One that comes before the
    /// first instruction that makes a layer belongs to none.
    pub(crate) fn step_of(&mut self, line: &str) -> Option<StepId> {
        if let Some(header) = Header::parse(line)
            // Otherwise the builder counts what is not known here.
            && header.stages == self.stages.len()
        {
            if header.is_first {
                (self.stage, self.begun) = (self.stages.get(header.position - 1), 0);
            }
            if matches!(header.instruction, "ADD" | "COPY" | "RUN") {
                self.begun += 1;
            }
        }
        self.step()
    }

    /// Returns the image that a line says was made of an instruction: `--> 0123456789ab`.
    pub(crate) fn image_of(line: &str) -> Option<&str> {
        let id = line.strip_prefix("--> ")?.trim();
        let is_id = id.len() >= 11 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some(id)
    }

    /// Returns the step that the build is at.
    pub(crate) fn step(&self) -> Option<StepId> {
        let steps = &self.stage?.steps;
        Some(steps.get(self.begun.checked_sub(1)?)?.id)
    }
}

/// The line that begins an instruction: `[2/3] STEP 4/7: COPY a b`, where `[2/3] ` is missing if
/// there is but one stage.
struct Header<'a> {
    position: usize,
    stages: usize,
    is_first: bool,
    instruction: &'a str,
}

impl<'a> Header<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let ((position, stages), rest) = match line.strip_prefix('[') {
            Some(rest) => {
                let (numbers, rest) = rest.split_once("] ")?;
                (fraction(numbers)?, rest)
            }
            None => ((1, 1), line),
        };
        let (numbers, text) = rest.strip_prefix("STEP ")?.split_once(": ")?;
        Some(Self {
            position,
            stages,
            is_first: fraction(numbers)?.0 == 1,
            instruction: text.split_ascii_whitespace().next()?,
        })
    }
}

/// Reads `2/3`: a number from 1, and the last one.
fn fraction(text: &str) -> Option<(usize, usize)> {
    let (number, last) = text.split_once('/')?;
    let (number, last) = (number.parse().ok()?, last.parse().ok()?);
    (1..=last).contains(&number).then_some((number, last))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backend_api::{Step, StepKind};
    use rstest::rstest;

    use super::*;

    /// Makes stages, of each the places of its steps.
    fn stages(stages: &[&[(usize, usize)]]) -> Vec<Stage> {
        let step = |&(stage, index): &(usize, usize)| Step {
            id: StepId { stage, index },
            kind: StepKind::Run,
        };
        let stage = |steps: &&[(usize, usize)]| Stage {
            name: None,
            begins_with_image: false,
            steps: steps.iter().map(step).collect(),
        };
        stages.iter().map(stage).collect()
    }

    fn follow(stages: &[Stage], lines: &[&str]) -> Vec<Option<(usize, usize)>> {
        let mut progress = Progress::new(stages);
        let place = |step: StepId| (step.stage, step.index);
        let lines = lines.iter();
        lines
            .map(|line| progress.step_of(line).map(place))
            .collect()
    }

    #[test]
    fn an_instructions_image_is_in_a_line_of_its_own() {
        assert_eq!(Progress::image_of("--> 0123456789a"), Some("0123456789a"));
        for other in [
            "--> Using cache 01234567",
            "0123456789ab",
            "--> ",
            "--> feed me now",
        ] {
            assert_eq!(Progress::image_of(other), None, "{other}");
        }
    }

    #[test]
    fn one_stage_has_no_number() {
        let lines = [
            "STEP 1/4: FROM scratch",
            "STEP 2/4: ENV A=1",
            "STEP 3/4: COPY a b",
            "--> 0123456789ab",
            "STEP 4/4: RUN --network=none true",
            "hello",
        ];
        let expected = [
            None,
            None,
            Some((0, 1)),
            Some((0, 1)),
            Some((0, 2)),
            Some((0, 2)),
        ];
        assert_eq!(follow(&stages(&[&[(0, 1), (0, 2)]]), &lines), expected);
    }

    #[test]
    fn stages_follow_one_another() {
        let lines = [
            "[1/2] STEP 1/2: FROM scratch AS a",
            "[1/2] STEP 2/2: COPY a b",
            "[2/2] STEP 1/2: FROM 0123456789ab AS c",
            "[2/2] STEP 2/2: RUN make",
            "[2/2] COMMIT localhost/stagex/k",
        ];
        let expected = [None, Some((1, 4)), None, Some((3, 0)), Some((3, 0))];
        assert_eq!(follow(&stages(&[&[(1, 4)], &[(3, 0)]]), &lines), expected);
    }

    #[test]
    fn stages_that_are_not_known_have_no_steps() {
        let lines = ["[2/3] STEP 1/2: FROM scratch", "[2/3] STEP 2/2: RUN make"];
        assert_eq!(follow(&stages(&[&[(0, 0)], &[(1, 0)]]), &lines), [None; 2]);
    }

    #[test]
    fn what_looks_like_a_header_and_is_none_changes_nothing() {
        let lines = [
            "STEP 1/2: FROM scratch",
            "STEP 2/2: RUN make",
            "STEP two: RUN",
            "[x] STEP 1/1: RUN y",
            "[3/2] STEP 1/1: RUN y",
            "[1/",
        ];
        let expected = [
            None,
            Some((0, 0)),
            Some((0, 0)),
            Some((0, 0)),
            Some((0, 0)),
            Some((0, 0)),
        ];
        assert_eq!(follow(&stages(&[&[(0, 0), (0, 1)]]), &lines), expected);
    }

    #[rstest]
    #[case(include_str!("../tests/samples/buildah-1.28.2/build.txt"))]
    #[case(include_str!("../tests/samples/buildah-1.39.3/build.txt"))]
    #[case(include_str!("../tests/samples/buildah-1.43.2/build.txt"))]
    #[case(include_str!("../tests/samples/podman-4.3.1/build.txt"))]
    #[case(include_str!("../tests/samples/podman-5.4.2/build.txt"))]
    #[case(include_str!("../tests/samples/podman-5.8.6/build.txt"))]
    fn lines_of_a_build(#[case] output: &str) {
        let place = |stage, index| StepId { stage, index };
        let stages = stages(&[&[(0, 0), (0, 2)], &[(1, 0)], &[(2, 1), (2, 2)]]);
        let mut progress = Progress::new(&stages);
        let steps_of: BTreeMap<&str, _> = output
            .lines()
            .map(|line| (line, progress.step_of(line)))
            .collect();
        assert_eq!(steps_of["in the first stage"], Some(place(0, 2)));
        assert_eq!(steps_of["[3/3] STEP 2/4: WORKDIR /work"], None);
        let copy = "[3/3] STEP 3/4: COPY --from=side /side /work/side";
        assert_eq!(steps_of[copy], Some(place(2, 1)));
        assert_eq!(steps_of["in the last stage"], Some(place(2, 2)));
    }
}

//! Finds out from what the builder prints which step it is at. Knows the builder's lines, not
//! what the steps do.

use backend_api::{Step, StepId};

/// Follows a build's output.
#[derive(Debug)]
pub struct Progress<'a> {
    steps: &'a [Step],
    /// The stage that is being built, if the image is made of it.
    stage: Option<usize>,
    /// How many of its instructions that make layers have begun.
    begun: usize,
}

impl<'a> Progress<'a> {
    /// Begins to follow a build of `steps`.
    pub fn new(steps: &'a [Step]) -> Self {
        Self {
            steps,
            stage: None,
            begun: 0,
        }
    }

    /// Takes the next line, and returns the step that it belongs to.
    ///
    /// A line of a stage that the image is not made of belongs to none, and so does one that
    /// comes before the first instruction that makes a layer.
    pub fn step_of(&mut self, line: &str) -> Option<StepId> {
        if let Some(header) = Header::parse(line) {
            let stage = self.stage_at(header.position, header.stages);
            if header.is_first || stage != self.stage {
                (self.stage, self.begun) = (stage, 0);
            }
            if matches!(header.instruction, "ADD" | "COPY" | "RUN") {
                self.begun += 1;
            }
        }
        let stage = self.stage?;
        let mut of_stage = self.steps.iter().filter(|step| step.id.stage == stage);
        Some(of_stage.nth(self.begun.checked_sub(1)?)?.id)
    }

    /// Returns the stage of the original that is the builder's number `position` of `stages`.
    ///
    /// The builder counts the stages that the target needs, and the target is the last. Those
    /// that the image is made of are known, so the others can be told only if there are none, or
    /// if it is the last.
    fn stage_at(&self, position: usize, stages: usize) -> Option<usize> {
        let mut known: Vec<usize> = self.steps.iter().map(|step| step.id.stage).collect();
        known.dedup();
        if known.len() == stages {
            known.get(position - 1).copied()
        } else {
            known.last().copied().filter(|_| position == stages)
        }
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
    use backend_api::StepKind;

    use super::*;

    fn steps(places: &[(usize, usize)]) -> Vec<Step> {
        let step = |&(stage, index)| Step {
            id: StepId { stage, index },
            kind: StepKind::Run,
        };
        places.iter().map(step).collect()
    }

    fn follow(steps: &[Step], lines: &[&str]) -> Vec<Option<(usize, usize)>> {
        let mut progress = Progress::new(steps);
        let place = |step: StepId| (step.stage, step.index);
        let lines = lines.iter();
        lines
            .map(|line| progress.step_of(line).map(place))
            .collect()
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
        assert_eq!(follow(&steps(&[(0, 1), (0, 2)]), &lines), expected);
    }

    #[test]
    fn stages_that_the_image_is_not_made_of_have_no_steps() {
        let lines = [
            "[1/3] STEP 1/2: FROM scratch AS a",
            "[1/3] STEP 2/2: COPY a b",
            "[3/3] STEP 1/2: FROM scratch AS c",
            "[3/3] STEP 2/2: COPY --from=a b c",
            "[3/3] COMMIT localhost/stagex/k",
        ];
        let expected = [None, None, None, Some((2, 0)), Some((2, 0))];
        assert_eq!(follow(&steps(&[(2, 0)]), &lines), expected);
    }

    #[test]
    fn stages_that_the_image_is_made_of_follow_one_another() {
        let lines = [
            "[1/2] STEP 1/2: FROM scratch AS a",
            "[1/2] STEP 2/2: COPY a b",
            "[2/2] STEP 1/2: FROM 0123456789ab AS c",
            "[2/2] STEP 2/2: RUN make",
        ];
        let expected = [None, Some((1, 4)), None, Some((3, 0))];
        assert_eq!(follow(&steps(&[(1, 4), (3, 0)]), &lines), expected);
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
        assert_eq!(follow(&steps(&[(0, 0), (0, 1)]), &lines), expected);
    }
}

//! Finds out from what the builder prints which step it is at. Knows the builder's lines, not
//! what the steps do.

use backend_api::{Step, StepId};

/// Follows a build's output.
#[derive(Debug)]
pub struct Progress<'a> {
    steps: &'a [Step],
    /// The stage that is being built, and how many of its instructions that make layers have
    /// begun.
    stage: usize,
    begun: usize,
}

impl<'a> Progress<'a> {
    /// Begins to follow a build of `steps`.
    pub fn new(steps: &'a [Step]) -> Self {
        let (stage, begun) = (0, 0);
        Self {
            steps,
            stage,
            begun,
        }
    }

    /// Takes the next line, and returns the step that it belongs to.
    ///
    /// A line of a stage that the image is not made of belongs to none, and so does one that
    /// comes before the first instruction that makes a layer.
    pub fn step_of(&mut self, line: &str) -> Option<StepId> {
        if let Some(header) = Header::parse(line) {
            if header.is_first || header.stage != self.stage {
                (self.stage, self.begun) = (header.stage, 0);
            }
            if matches!(header.instruction, "ADD" | "COPY" | "RUN") {
                self.begun += 1;
            }
        }
        let mut of_stage = self.steps.iter().filter(|step| step.id.stage == self.stage);
        Some(of_stage.nth(self.begun.checked_sub(1)?)?.id)
    }
}

/// The line that begins an instruction: `[2/3] STEP 4/7: COPY a b`, where `[2/3] ` is missing if
/// there is but one stage.
struct Header<'a> {
    stage: usize,
    is_first: bool,
    instruction: &'a str,
}

impl<'a> Header<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (stage, rest) = match line.strip_prefix('[') {
            Some(rest) => {
                let (position, rest) = rest.split_once("] ")?;
                let (stage, _) = position.split_once('/')?;
                (stage.parse::<usize>().ok()?.checked_sub(1)?, rest)
            }
            None => (0, line),
        };
        let (position, text) = rest.strip_prefix("STEP ")?.split_once(": ")?;
        let (number, count) = position.split_once('/')?;
        count.parse::<usize>().ok()?;
        let is_first = number.parse::<usize>().ok()? == 1;
        let instruction = text.split_ascii_whitespace().next()?;
        Some(Self {
            stage,
            is_first,
            instruction,
        })
    }
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
    fn what_looks_like_a_header_and_is_none_changes_nothing() {
        let lines = [
            "STEP 1/2: FROM scratch",
            "STEP 2/2: RUN make",
            "STEP two: RUN",
            "[x] STEP 1/1: RUN y",
            "[1/",
        ];
        let expected = [None, Some((0, 0)), Some((0, 0)), Some((0, 0)), Some((0, 0))];
        assert_eq!(follow(&steps(&[(0, 0), (0, 1)]), &lines), expected);
    }
}

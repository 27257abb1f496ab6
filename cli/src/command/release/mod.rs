//! `stagex release`: the steps of a release, each looked at as it is now; the next one is said, with the commands to do it.
//!
//! Nothing is kept: what a step is, is found anew in git, `digests/`, the ledger, signatures and registries. It never signs,
//! tags, pushes or publishes.

mod facts;
mod found;
mod here;
mod machine;
mod people;
mod told;

use documents::{ReleaseBy, ReleaseState, ReleaseStepName as Step};

use facts::Facts;
use found::{Open, StepState};
use told::Told;

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;

pub(super) fn run(context: &Context, arguments: &arguments::Release) -> Result<Exit, Failure> {
    let facts = Facts::new(context, arguments);
    let mut told = Told::new(context, arguments);
    for looked in steps(arguments) {
        let step = looked.step;
        told.begin(step, looked.registry.clone());
        if told.is_stopped() {
            continue;
        }
        let mut found = looked.look(&facts)?;
        let (mut state, mut ran) = (ReleaseState::ToDo, false);
        if let StepState::Open(open) = &found
            && open.by == ReleaseBy::Machine
        {
            if arguments.dry_run {
                state = ReleaseState::WouldRun;
            } else if arguments.run {
                told.running(step, open);
                let exit = machine::run(&facts, step)?;
                if exit == Exit::Error(ErrorKind::Interrupted) {
                    return Ok(exit);
                }
                found = after(looked.look(&facts)?, exit);
                ran = true;
            }
        }
        told.looked_at(found, state, ran);
    }
    Ok(told.end(&facts))
}

/// Finds out how far a step is.
type Look<'a> = Box<dyn Fn(&Facts) -> Result<StepState, Failure> + 'a>;

/// A step, and how it is looked at.
struct Looked<'a> {
    step: Step,
    /// The registry, if it is a step for each.
    registry: Option<String>,
    look: Look<'a>,
}

impl<'a> Looked<'a> {
    fn new(step: Step, look: impl Fn(&Facts) -> Result<StepState, Failure> + 'a) -> Self {
        Self {
            step,
            registry: None,
            look: Box::new(look),
        }
    }

    /// Looks at it. What keeps it from being looked at is what there is to do.
    fn look(&self, facts: &Facts) -> Result<StepState, Failure> {
        (self.look)(facts).or_else(|failure| match failure.kind() {
            ErrorKind::Interrupted => Err(failure),
            _ => Ok(StepState::Open(Open::failed(failure))),
        })
    }
}

/// Returns the steps, in their order.
fn steps(arguments: &arguments::Release) -> Vec<Looked<'_>> {
    let mut steps = vec![
        Looked::new(Step::Tree, here::tree),
        Looked::new(Step::Number, here::number),
        Looked::new(Step::Check, here::check),
        Looked::new(Step::Changes, people::changes),
        Looked::new(Step::Digests, here::digests),
        Looked::new(Step::Sources, machine::sources),
        Looked::new(Step::Reproduced, machine::reproduced),
        Looked::new(Step::Signed, people::signed),
    ];
    if let Some(place) = &arguments.report {
        let look = move |facts: &Facts| machine::report(facts, place);
        steps.push(Looked::new(Step::Report, look));
    }
    steps.push(Looked::new(Step::Tag, people::tag));
    for registry in &arguments.to {
        let look = move |facts: &Facts| people::published(facts, registry);
        steps.push(Looked {
            registry: Some(registry.to_string()),
            ..Looked::new(Step::Published, look)
        });
    }
    steps
}

/// Returns what was found after a machine did what it could: what is left is not for a machine.
fn after(found: StepState, exit: Exit) -> StepState {
    match found {
        StepState::Open(open) => StepState::Open(Open {
            by: ReleaseBy::You,
            kind: match exit {
                Exit::Error(kind) => kind,
                Exit::Success => open.kind,
            },
            ..open
        }),
        StepState::Done(_) => found,
    }
}

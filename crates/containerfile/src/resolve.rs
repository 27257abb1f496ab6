//! From a Containerfile to a build: which stages the target needs, and what each instruction says there.
//!
//! It does not know how an engine works; the rules are those of `BuildKit`'s frontend.

use std::collections::BTreeSet;

use crate::budget::Budget;
use crate::build::{Build, Origin, ResolvedStage, Step, StepId};
use crate::containerfile::Containerfile;
use crate::error::{Error, ErrorKind, Fault};
use crate::instruction::Instruction;
use crate::reference::{Base, Reference, ReferenceKind, StageId};
use crate::scope::{ImageFacts, Platform, Scope, Variables};
use crate::span::Span;
use crate::state::{ArgumentValue, State};
use crate::statement::{self, Statement};

impl Containerfile {
    /// Returns the stages that the target of `scope` needs, with everything expanded.
    pub fn resolve(&self, scope: &Scope) -> Result<Build, Error> {
        Resolver {
            file: self,
            scope,
            globals: Variables::default(),
            budget: Budget::new(),
        }
        .resolve()
        .map_err(|fault| Error::new(&self.source, fault))
    }
}

struct Resolver<'file> {
    file: &'file Containerfile,
    scope: &'file Scope,
    globals: Variables,
    budget: Budget,
}

/// What an instruction takes besides its text, in bytes.
const STEP: usize = 1 << 10;

/// What one stage begins with and needs, before anything in it is expanded.
struct Outline<'file> {
    base: Base,
    /// What its `--platform` says. It has to be right in every stage, needed or not, as the base has.
    platform: Option<(String, Platform)>,
    statements: Vec<StageStatement>,
    /// Stages that it copies or mounts from.
    uses: Vec<Reference>,
    needs: BTreeSet<StageId>,
    facts: Option<&'file ImageFacts>,
}

/// A statement, and where it comes from.
struct StageStatement {
    origin: Origin,
    statement: Statement,
    text: String,
}

impl<'file> Resolver<'file> {
    fn resolve(mut self) -> Result<Build, Fault> {
        self.globals = self.file.global_arguments(self.scope)?;
        let outlines = self.outlines()?;
        self.check_circles()?;
        let target = self.target()?;
        let needed = self.needed(target, &outlines)?;
        let mut stages: Vec<ResolvedStage> = Vec::new();
        let mut states: Vec<(StageId, State)> = Vec::new();
        let mut references = Vec::new();
        for id in needed {
            let outline = &outlines[id.0];
            let mut state = match outline.base {
                Base::Stage(base) => states
                    .iter()
                    .find(|(done, _)| *done == base)
                    .map(|(_, state)| state.clone())
                    .expect("a stage is needed with its base, which stands before it"),
                Base::Scratch => State::scratch(),
                Base::Image(_) => State::image(outline.facts),
            };
            let span = self.file.stages[id.0].span;
            let wrong = |kind| Fault::new(kind, span);
            self.budget.take(state.size()).map_err(wrong)?;
            state.begin_stage();
            let (platform_flag, platform) = self.platform(outline, &stages);
            let steps = self.steps(id, outline, &mut state)?;
            references.extend(outline.uses.iter().cloned());
            stages.push(ResolvedStage {
                id,
                name: self.file.stages[id.0].name.clone(),
                base: outline.base.clone(),
                platform_flag,
                platform,
                steps,
            });
            states.push((id, state));
        }
        Ok(Build {
            stages,
            target,
            global_arguments: self.globals.0,
            references,
        })
    }

    fn outlines(&self) -> Result<Vec<Outline<'file>>, Fault> {
        let mut outlines: Vec<Outline> = Vec::new();
        for number in 0..self.file.stages.len() {
            let id = StageId(number);
            let outline = self.outline(id, &outlines)?;
            outlines.push(outline);
        }
        Ok(outlines)
    }

    fn outline(&self, id: StageId, earlier: &[Outline]) -> Result<Outline<'file>, Fault> {
        let stage = &self.file.stages[id.0];
        let platform = self.platform_flag(id)?;
        let base = self.file.base(id, &self.globals)?;
        let mut facts = None;
        let mut references = Vec::new();
        let mut needs = BTreeSet::new();
        let mut statements: Vec<StageStatement> = Vec::new();
        let trigger = |origin, text: &str| {
            Ok(StageStatement {
                origin,
                statement: statement::read_trigger(text, stage.base.span)?,
                text: text.to_owned(),
            })
        };
        match &base {
            Base::Scratch => {}
            Base::Stage(base) => {
                needs.insert(*base);
                for entry in &earlier[base.0].statements {
                    if let Instruction::Onbuild(onbuild) = &entry.statement.instruction {
                        statements.push(trigger(Origin::StageTrigger, &onbuild.expression)?);
                    }
                }
            }
            Base::Image(name) => {
                references.push(Reference {
                    name: name.clone(),
                    kind: ReferenceKind::Base,
                    stage: id,
                    span: stage.base.span,
                });
                facts = self.scope.images.get(name);
                for text in facts.iter().flat_map(|facts| &facts.triggers) {
                    statements.push(trigger(Origin::ImageTrigger, text)?);
                }
            }
        }
        statements.extend(stage.statements.iter().map(|statement| StageStatement {
            origin: Origin::Written,
            statement: statement.clone(),
            text: statement.span.of(&self.file.source).to_owned(),
        }));
        for StageStatement {
            statement, text, ..
        } in &statements
        {
            let wrong = |kind| Fault::new(kind, statement.span);
            self.budget.take(STEP + text.len()).map_err(wrong)?;
            for used in self.file.uses(statement, &statement.instruction)? {
                match used.base {
                    Base::Scratch => {}
                    Base::Stage(stage) => {
                        needs.insert(stage);
                    }
                    Base::Image(name) => references.push(Reference {
                        name,
                        kind: used.kind,
                        stage: id,
                        span: used.span,
                    }),
                }
            }
        }
        Ok(Outline {
            base,
            platform,
            statements,
            uses: references,
            needs,
            facts,
        })
    }

    /// Refuses stages that copy from one another, whether the target needs them or not. What triggers copy counts only
    /// where they are carried out.
    fn check_circles(&self) -> Result<(), Fault> {
        let mut needs: Vec<Vec<StageId>> = Vec::with_capacity(self.file.stages.len());
        for stage in &self.file.stages {
            let mut of_stage = Vec::new();
            for statement in &stage.statements {
                let uses = self.file.uses(statement, &statement.instruction)?;
                of_stage.extend(uses.iter().filter_map(|used| match used.base {
                    Base::Stage(id) => Some(id),
                    Base::Scratch | Base::Image(_) => None,
                }));
            }
            needs.push(of_stage);
        }
        // How many of its needs have been looked at, of each stage on the way to the one that is looked at.
        let mut seen = vec![false; needs.len()];
        for first in 0..needs.len() {
            let mut way = vec![(first, 0)];
            if std::mem::replace(&mut seen[first], true) {
                continue;
            }
            while let Some((id, next)) = way.last_mut() {
                let (id, used) = (*id, needs[*id].get(*next).copied());
                *next += 1;
                let Some(used) = used else {
                    way.pop();
                    continue;
                };
                if way.iter().any(|(on_way, _)| *on_way == used.0) {
                    let kind = ErrorKind::SelfReference(self.stage_name(used));
                    return Err(Fault::new(kind, self.place_of_use(StageId(id), used)));
                }
                if !std::mem::replace(&mut seen[used.0], true) {
                    way.push((used.0, 0));
                }
            }
        }
        Ok(())
    }

    fn target(&self) -> Result<StageId, Fault> {
        let last = StageId(self.file.stages.len() - 1);
        let named = self.scope.target.as_deref().filter(|name| !name.is_empty());
        let replaced = self.file.stages[last.0].replaced.as_ref();
        let replaced = replaced.map(|replaced| replaced.name.as_str());
        let Some(name) = named.or(replaced) else {
            return Ok(last);
        };
        self.file.stage_named(name).ok_or_else(|| {
            let kind = ErrorKind::UnknownTarget {
                name: name.to_owned(),
                nearest: nearest(
                    name,
                    self.file
                        .stages
                        .iter()
                        .filter_map(|stage| stage.name.as_deref()),
                ),
            };
            Fault::new(kind, self.file.stages[last.0].span)
        })
    }

    /// Returns the target and everything that it needs, in file order.
    fn needed(&self, target: StageId, outlines: &[Outline]) -> Result<BTreeSet<StageId>, Fault> {
        let mut needed = BTreeSet::new();
        let mut open = vec![target];
        while let Some(id) = open.pop() {
            if !needed.insert(id) {
                continue;
            }
            for used in &outlines[id.0].needs {
                if *used == id {
                    let kind = ErrorKind::SelfReference(self.stage_name(id));
                    return Err(Fault::new(kind, self.place_of_use(id, *used)));
                }
                if *used > id {
                    let kind = ErrorKind::UsedBeforeBuilt {
                        used: self.stage_name(*used),
                        user: self.stage_name(id),
                    };
                    return Err(Fault::new(kind, self.place_of_use(id, *used)));
                }
                open.push(*used);
            }
        }
        Ok(needed)
    }

    fn stage_name(&self, id: StageId) -> String {
        self.file.stages[id.0]
            .name
            .clone()
            .unwrap_or_else(|| id.0.to_string())
    }

    /// Returns where stage `user` names stage `used`; its `FROM` line where a trigger does.
    fn place_of_use(&self, user: StageId, used: StageId) -> Span {
        let stage = &self.file.stages[user.0];
        stage
            .statements
            .iter()
            .filter_map(|statement| {
                self.file
                    .uses(statement, &statement.instruction)
                    .ok()?
                    .into_iter()
                    .find(|use_| use_.base == Base::Stage(used))
            })
            .map(|found| found.span)
            .next()
            .unwrap_or(stage.span)
    }

    fn platform_flag(&self, id: StageId) -> Result<Option<(String, Platform)>, Fault> {
        let stage = &self.file.stages[id.0];
        let Some(text) = stage.platform.as_deref() else {
            return Ok(None);
        };
        let text = self.file.expand(text, &self.globals, stage.span)?;
        let platform = text
            .parse::<Platform>()
            .map_err(|error| Fault::new(ErrorKind::BadPlatform(error.0), stage.span))?;
        Ok(Some((text.into_owned(), platform)))
    }

    /// Returns what the `--platform` of a stage says, and the platform that the stage runs on.
    fn platform(&self, outline: &Outline, done: &[ResolvedStage]) -> (Option<String>, Platform) {
        let flag = outline.platform.as_ref();
        let platform = match &outline.base {
            // A stage runs where its base runs, and an empty file system where the target does.
            Base::Stage(base) => done
                .iter()
                .find(|stage| stage.id == *base)
                .map(|stage| stage.platform.clone()),
            Base::Scratch => None,
            Base::Image(_) => flag.map(|(_, platform)| platform.clone()),
        };
        (
            flag.map(|(text, _)| text.clone()),
            platform.unwrap_or_else(|| self.scope.platform.clone()),
        )
    }

    fn steps(
        &self,
        stage: StageId,
        outline: &Outline,
        state: &mut State,
    ) -> Result<Vec<Step>, Fault> {
        let value_of = |name: &str| match (self.scope.build_arg(name), self.globals.get(name)) {
            (Some(value), _) => ArgumentValue::Given(value.to_owned()),
            (None, Some(value)) => ArgumentValue::Global(value.to_owned()),
            (None, None) => ArgumentValue::Unknown,
        };
        let mut steps = Vec::new();
        for (index, entry) in outline.statements.iter().enumerate() {
            let statement = &entry.statement;
            let wrong = |kind| Fault::new(kind, statement.arguments);
            self.budget.take(state.size()).map_err(wrong)?;
            let escape = self.file.escape;
            let (instruction, undefined) = state
                .expand(&statement.instruction, escape, &self.budget, value_of)
                .map_err(wrong)?;
            steps.push(Step {
                id: StepId { stage, index },
                origin: entry.origin,
                arguments: state.arguments(),
                environment: state.environment(),
                working_directory: state.working_directory(),
                user: state.user.clone(),
                shell: state.shell(),
                span: statement.span,
                source: entry.text.clone(),
                instruction: instruction.clone(),
                undefined,
            });
            state.apply(&instruction);
        }
        Ok(steps)
    }
}

/// Returns the three names that are most similar, where they are similar at all.
fn nearest<'name>(name: &str, names: impl Iterator<Item = &'name str>) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = names
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(score, _)| *score > 0.7)
        .collect();
    scored.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    scored
        .into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

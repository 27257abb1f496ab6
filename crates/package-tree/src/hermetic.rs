//! Hermetic builds: which RUNs keep their network, which files are declared, and what a plan asks of an engine then.
//!
//! It knows what packages say of themselves. It does not know how a network is denied, nor asks version control.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::output::Output;
use crate::plan::Plan;
use crate::problem::{Problem, Problems};

/// The stage that reaches the network by the older rules of StageX.
const FETCH: &str = "fetch";

/// How many files are named that are not part of a build.
const NAMED: usize = 5;

/// How builds are kept from what is not declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hermetic {
    /// The files that version control has, relative to the tree's root; all files count where there is none.
    pub tracked: Option<BTreeSet<Utf8PathBuf>>,
    /// By the older rules a stage called `fetch` keeps its network, whether a package says so or not.
    pub older_rules: bool,
}

/// How an engine can deny the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// To one RUN.
    pub run: bool,
    /// To a whole build.
    pub build: bool,
}

impl Hermetic {
    /// Returns the names of the stages of an output that keep their network.
    pub fn excepted(&self, output: &Output) -> BTreeSet<String> {
        let listed = output.network.iter().map(|each| each.stage.clone());
        let fetch = self.older_rules.then(|| FETCH.to_owned());
        listed.chain(fetch).collect()
    }

    /// Tells whether a file is declared, whose path is relative to the tree's root.
    pub fn is_declared(&self, path: &Utf8Path) -> bool {
        self.tracked
            .as_ref()
            .is_none_or(|tracked| tracked.contains(path))
    }

    /// Returns what to say of files that are not declared, if there are any.
    pub fn notice(mut files: Vec<String>) -> Option<String> {
        let more = files.len().saturating_sub(NAMED);
        files.truncate(NAMED);
        if more > 0 {
            files.push(format!("{more} more"));
        }
        let names = files.join(", ");
        let text = "not tracked by git, and so not part of a hermetic build";
        (!files.is_empty()).then(|| format!("{text}: {names}"))
    }

    /// Refuses a plan that an engine cannot build so, and packages that are not declared themselves.
    ///
    /// # Errors
    ///
    /// All of it, before anything is built.
    pub fn check(&self, plan: &Plan, denial: Denial, runtime: &str) -> Result<(), Problems> {
        let mut problems = Vec::new();
        let mut files = BTreeSet::new();
        for package in &plan.packages {
            let manifest = package.context.join("package.toml");
            for file in [package.containerfile(), manifest] {
                if !self.is_declared(&file) && files.insert(file.clone()) {
                    let problem = Problem::new("is not tracked by git").in_file(&file);
                    problems.push(problem.hint(format!("git add {}", package.context)));
                }
            }
            problems.extend(self.refused(package, denial, runtime));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems))
        }
    }

    /// Says why an engine cannot build an output so, if it cannot.
    fn refused(&self, output: &Output, denial: Denial, runtime: &str) -> Option<Problem> {
        let excepted = self.excepted(output);
        let runs = &output.runs;
        let denied = runs.open.iter().any(|stage| !excepted.contains(stage)) || runs.has_closed;
        let kept: Vec<&str> = runs
            .open
            .iter()
            .filter(|stage| excepted.contains(*stage))
            .map(String::as_str)
            .collect();
        let message = if denial.run || !denied {
            return None;
        } else if !kept.is_empty() {
            format!(
                "{runtime} can deny the network only to a whole build, and the stage `{}` keeps it",
                kept.join("`, `")
            )
        } else if denial.build {
            return None;
        } else {
            format!("{runtime} cannot deny the network here")
        };
        let problem = Problem::new(message).in_file(output.containerfile());
        Some(problem.hint("`stagex runtimes` shows which runtime can deny it to each RUN"))
    }

    /// Returns what a build of an output depends on besides its inputs, and what else may stand for that, as it
    /// was denied more: nothing if the network is not denied to it, or none of its RUNs could reach it anyhow.
    /// `triggers` says whether some image of the tree has RUNs for what begins with it.
    pub fn accepted(this: Option<&Self>, output: &Output, triggers: bool) -> Vec<Option<String>> {
        let input = |older_rules| {
            let rules = Self {
                tracked: None,
                older_rules,
            };
            rules.input(output, triggers)
        };
        match this {
            None => vec![None, input(false), input(true)],
            Some(rules) if rules.older_rules => vec![input(true), input(false)],
            Some(_) => vec![input(false)],
        }
    }

    fn input(&self, output: &Output, triggers: bool) -> Option<String> {
        let mut excepted = self.excepted(output);
        let is_open = |stage: &String| !excepted.contains(stage);
        let denies = triggers || output.runs.open.iter().any(is_open);
        excepted.retain(|stage| output.runs.open.contains(stage));
        let mut kept = excepted.into_iter().collect::<Vec<_>>();
        kept.insert(0, "none".to_owned());
        denies.then(|| kept.join(","))
    }
}

impl Plan {
    /// Tells whether some image has RUNs for what begins with it, which may reach the network.
    pub fn has_triggers(&self) -> bool {
        self.packages.iter().any(|package| package.runs.has_trigger)
    }
}

//! What is told to others of what was reproduced: `stagex report`, `stagex attest` and `stagex sbom`.

use std::collections::{BTreeMap, BTreeSet};

use attest::{Bill, Scope};
use documents::{Attestations, Digest, Version};
use ledger::Ledger;
use package_tree::{Plan, Tree};
use report::{Facts, WriteError};
use state::Digests;

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::{BillFormat, Format};
use crate::place;
use crate::render;

/// The version of this program.
const STAGEX: &str = env!("CARGO_PKG_VERSION");

pub(super) fn report(context: &Context, arguments: &arguments::Report) -> Result<Exit, Failure> {
    let (plan, recorded) = plan(context, &arguments.targets)?;
    let attempts = ledger()?;
    let (parent, name) = place::parent(&context.directory, &arguments.place)?;
    let previous = report::previous(&parent, &name)?;
    let plan = documents::Plan::from(&plan);
    let facts = Facts {
        plan: &plan,
        recorded: &recorded,
        attempts: attempts.attempts(),
        profile: context.settings.profile.value.name,
        stagex: STAGEX,
    };
    let report = report::report(&facts, previous.as_ref());
    let site = report::site(&facts, &report, previous.is_none(), &|_| None);
    report::write(&parent, &name, &report, &site)?;
    match context.format {
        Format::Json => render::json(&report),
        Format::Human => render::result(arguments.place.join("index.html").as_str()),
    }
    Ok(Exit::Success)
}

pub(super) fn attest(context: &Context, arguments: &arguments::Attest) -> Result<Exit, Failure> {
    let (plan, _) = plan(context, &arguments.targets)?;
    let ledger = ledger()?;
    let packages = plan.packages.iter().filter(|package| package.requested);
    let packages: BTreeSet<&str> = packages.map(|package| package.name.as_str()).collect();
    let registry = registry(context, arguments.registry.as_deref());
    let latest = attest::latest(ledger.attempts(), Some(&packages));
    let statements = latest.into_iter();
    let statements: Vec<_> = statements
        .flat_map(|attempt| attest::statements(attempt, registry))
        .collect();
    let nothing = statements.is_empty();
    match context.format {
        Format::Json => render::json(&Attestations {
            version: Version,
            statements,
        }),
        Format::Human => {
            let lines: Vec<String> = statements.iter().map(attest::line).collect();
            render::result(&lines.join("\n"));
        }
    }
    if nothing {
        let hint = "`stagex reproduce` makes attempts, and `stagex ledger` lists them".to_owned();
        let message = "this machine has reproduced none of these packages".to_owned();
        return Err(Failure::of(ErrorKind::NotCompared, [(message, Some(hint))]));
    }
    Ok(Exit::Success)
}

pub(super) fn sbom(context: &Context, arguments: &arguments::Sbom) -> Result<Exit, Failure> {
    let (plan, recorded) = plan(context, &arguments.targets)?;
    let plan = documents::Plan::from(&plan);
    let scope = if arguments.closure {
        Scope::Closure
    } else {
        Scope::Package
    };
    let epoch = context.settings.profile.value.epoch;
    let registry = registry(context, arguments.registry.as_deref());
    let bill = Bill::new(&plan, scope, &recorded, registry, epoch, STAGEX);
    let text = match arguments.bill {
        BillFormat::Spdx => attest::spdx(&bill),
        BillFormat::Cyclonedx => attest::cyclonedx(&bill),
    };
    render::result(text.trim_end());
    Ok(Exit::Success)
}

/// Returns where images are published: what the user says, or what the encoding has in their names.
fn registry<'a>(context: &Context, asked: Option<&'a str>) -> &'a str {
    asked.unwrap_or(context.settings.profile.value.registry)
}

fn ledger() -> Result<Ledger, Failure> {
    let (state, secret) = place::state()?;
    Ok(Ledger::open(&state, &secret)?)
}

/// Plans what targets select, and returns with it what is recorded of each package's first platform.
fn plan(
    context: &Context,
    targets: &[String],
) -> Result<(Plan, BTreeMap<String, Digest>), Failure> {
    let tree: Tree = super::tree::open(context)?;
    let plan = super::tree::plan(context, &tree, targets)?;
    let digests = Digests::read(&context.directory)?;
    let first = |package: &package_tree::PlannedPackage| {
        let digest = digests.of(&package.stage, &package.name, None)?;
        Some((package.name.clone(), digest.into()))
    };
    let recorded = plan.packages.iter().filter_map(first).collect();
    Ok((plan, recorded))
}

/// A report cannot be written.
impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let (kind, hint) = match error {
            WriteError::Foreign { .. } => (
                ErrorKind::Usage,
                "name a directory that is empty, or not there",
            ),
            WriteError::Write { .. } => (
                ErrorKind::Environment,
                "name a directory in one that can be written",
            ),
        };
        Self::new(kind, &error, Some(hint.to_owned()))
    }
}

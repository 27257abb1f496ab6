//! What is told to others of what was reproduced: `stagex report`, `stagex attest` and `stagex sbom`.

use std::collections::{BTreeMap, BTreeSet};

use attest::{Bill, Scope};
use camino::Utf8Path;
use documents::{Attestations, Digest, SignedBy, Verify, Version};
use ledger::Ledger;
use package_tree::{Plan, PlannedPackage, Tree};
use report::{Facts, WriteError};
use state::Digests;

use crate::arguments;
use crate::arguments::Whom;
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
    let packages: Vec<_> = plan.packages.iter().collect();
    let judged = arguments
        .signed
        .then(|| super::trust::judged(context, &Whom::default(), false, &packages, &recorded))
        .transpose()?;
    let of = (&plan, &recorded);
    let made = made(
        context,
        &arguments.place,
        of,
        judged.as_ref(),
        Making::Written,
    )?;
    match context.format {
        Format::Json => render::json(&made.report),
        Format::Human => render::result(arguments.place.join("index.html").as_str()),
    }
    let is_verified = |judged: &Verify| judged.packages.iter().all(|image| image.verified);
    Ok(if judged.as_ref().is_none_or(is_verified) {
        Exit::Success
    } else {
        ErrorKind::NotVerified.into()
    })
}

/// What is done with a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    /// It is compared with the one that is there.
    Compared,
    /// It is written.
    Written,
}

/// A report.
pub(super) struct MadeReport {
    pub(super) report: documents::Report,
    /// Whether one that was there before said the same.
    pub(super) is_old: bool,
}

/// Makes a report of what is known, with who has signed what was `judged`.
pub(super) fn made(
    context: &Context,
    place: &Utf8Path,
    (plan, recorded): (&Plan, &Digests),
    judged: Option<&Verify>,
    making: Making,
) -> Result<MadeReport, Failure> {
    let attempts = ledger()?;
    let (parent, name) = place::parent(&context.directory, place)?;
    let previous = report::previous(&parent, &name)?;
    let signed = judged.map(signers);
    let recorded = first(plan, recorded);
    let plan = documents::Plan::from(plan);
    let facts = Facts {
        plan: &plan,
        recorded: &recorded,
        signed: signed.as_ref(),
        attempts: attempts.attempts(),
        profile: context.settings.profile.value.name,
        stagex: STAGEX,
    };
    let report = report::report(&facts, previous.as_ref());
    if making == Making::Written {
        let site = report::site(&facts, &report, previous.is_none(), &|attempt| {
            super::diff::page_of(context, attempt)
        });
        report::write(&parent, &name, &report, &site)?;
    }
    Ok(MadeReport {
        is_old: previous.as_ref() == Some(&report),
        report,
    })
}

/// Returns who has signed all platforms of each package.
fn signers(judged: &documents::Verify) -> BTreeMap<String, SignedBy> {
    let packages = judged.by_package().into_iter();
    let signed =
        packages.filter_map(|(name, images)| Some((name.to_owned(), SignedBy::all(images)?)));
    signed.collect()
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
    let recorded = first(&plan, &recorded);
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

/// Plans what targets select, and returns with it what is recorded.
fn plan(context: &Context, targets: &[String]) -> Result<(Plan, Digests), Failure> {
    let tree: Tree = super::tree::open(context)?;
    let plan = super::tree::plan(context, &tree, targets)?;
    Ok((plan, Digests::read(&context.directory)?))
}

/// Returns what is recorded of each package's first platform.
pub(super) fn first(plan: &Plan, recorded: &Digests) -> BTreeMap<String, Digest> {
    let first = |package: &PlannedPackage| {
        let digest = recorded.of(&package.stage, &package.name, None)?;
        Some((package.name.clone(), digest.into()))
    };
    plan.packages.iter().filter_map(first).collect()
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

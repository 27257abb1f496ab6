//! The steps of a release that people do with their keys and passwords: changes, signatures, the tag, registries. They are
//! only looked at.

use documents::{Digest, PublishOutcome, ReleaseBy, Signing};
use history::{History, Range};
use ledger::Ledger;
use trust::SignedRelease;

use super::facts::{Facts, ask};
use super::found::{Open, StepState};
use super::here::SHOWN;
use crate::clock::now;
use crate::command::trust::{Believed, released_as, unverified};
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::place;
use crate::render;

/// Each change since the last release is signed by one person, and merged by another.
pub(super) fn changes(facts: &Facts) -> Result<StepState, Failure> {
    let head = facts.head()?;
    let (since, shown) = since(facts, head)?;
    let history = judge(facts, since.clone(), head)?;
    let mut problems: Vec<(String, String)> = history
        .changes
        .iter()
        .filter_map(|change| {
            let why = change.problem.as_ref()?;
            let line = format!("{} {}: {why}", &change.commit[..SHOWN], change.subject);
            Some((change.commit.clone(), line))
        })
        .collect();
    if facts.arguments.staging && !problems.is_empty() {
        // Whoever makes the release has merged the branch whole, and others have merged what is on it.
        let parents = ask(history::parents(&facts.context.directory, head))?;
        if let [_, merged] = &parents[..] {
            let (since, _) = self::since(facts, merged)?;
            let beside = judge(facts, since, merged)?;
            let counts = |commit: &str| {
                let mut changes = beside.changes.iter();
                changes.any(|change| change.commit == commit && change.problem.is_none())
            };
            problems.retain(|(commit, _)| !counts(commit));
        }
    }
    let mut problems: Vec<String> = problems.into_iter().map(|(_, line)| line).collect();
    let missing = history.missing.iter();
    problems.extend(missing.map(|name| {
        format!(
            "{} is not in this clone, or is not what its name says",
            &name[..SHOWN]
        )
    }));
    let changes = render::count(history.changes.len(), "change");
    if problems.is_empty() && history.changes.is_empty() {
        return Ok(StepState::Done(format!("no change to packages {shown}")));
    }
    if problems.is_empty() {
        let found = format!(
            "{changes} to packages {shown}, each signed by one person and merged by another"
        );
        return Ok(StepState::Done(found));
    }
    let range = match since {
        Some(since) => format!("{since}..{head}"),
        None => head.to_owned(),
    };
    let mut words = facts.stagex(&["verify", "--history", &range]);
    words.extend(facts.whom(false));
    let count = problems.len();
    Ok(Open::new(
        ReleaseBy::Others,
        ErrorKind::NotVerified,
        format!("{count} of {changes} to packages {shown} not signed by one person and merged by another"),
    )
    .problems(problems)
    .hint("a change is signed on a branch, and another person merges that: git merge --no-ff --gpg-sign BRANCH")
    .hint("--staging also counts who has merged it on the branch that is merged here, if only others may push to that")
    .hint("--since names the commit to begin with, where what is before it is known otherwise")
    .command(words)
    .found())
}

/// Returns the commit since which changes are looked at, for those that lead to `head`, and how that is said.
fn since(facts: &Facts, head: &str) -> Result<(Option<String>, String), Failure> {
    if let Some(since) = &facts.arguments.since {
        return Ok((Some(since.clone()), format!("since {since}")));
    }
    let number = facts.number()?;
    let releases = facts.releases()?.iter().rev();
    let before: Vec<&SignedRelease> = releases
        .filter(|release| release.number < *number)
        .collect();
    let commits: Vec<&str> = before
        .iter()
        .map(|release| release.commit.as_str())
        .collect();
    let last = ask(history::last(&facts.context.directory, head, &commits))?;
    Ok(match last {
        Some((place, commit)) => (Some(commit), format!("since {}", before[place].number)),
        None => (None, "in all of history".to_owned()),
    })
}

fn judge(facts: &Facts, from: Option<String>, to: &str) -> Result<History, Failure> {
    let (Believed { policy, keyring }, _) = facts.believed()?;
    let range = Range {
        from,
        to: to.to_owned(),
    };
    ask(history::judge(
        &facts.context.directory,
        &range,
        (policy, keyring),
        now(),
    ))
}

/// Enough people have signed each package.
pub(super) fn signed(facts: &Facts) -> Result<StepState, Failure> {
    let judged = facts.judged()?;
    let problems = unverified(judged);
    let packages = render::count(judged.by_package().len(), "package");
    if problems.is_empty() {
        let threshold = judged.threshold;
        return Ok(StepState::Done(format!(
            "{packages} signed by enough people ({threshold} for each)"
        )));
    }
    let (state, secret) = place::state()?;
    let ledger = Ledger::open(&state, &secret)?;
    let is_signed = |package: &str, platform: Option<&str>, digest: &Digest| {
        let is_it = |signing: &Signing| {
            signing.package == package
                && signing.platform.as_deref() == platform
                && signing.digest == *digest
        };
        ledger.signings().iter().any(is_it)
    };
    let mut open = judged.packages.iter().filter(|image| !image.verified);
    let is_for_others = open.all(|image| {
        let platform = image.platform.as_deref();
        let digest = image.digest.as_ref();
        digest.is_some_and(|digest| is_signed(&image.name, platform, digest))
    });
    let found = format!(
        "{} of {packages} not signed by enough people",
        problems.len()
    );
    let by = if is_for_others {
        ReleaseBy::Others
    } else {
        ReleaseBy::You
    };
    let mut sign = facts.stagex(&["sign"]);
    let (believed, _) = facts.believed()?;
    let registry = &believed.policy.registry;
    if registry.as_str() != trust::Policy::DEFAULT_REGISTRY {
        sign.extend(["--registry".to_owned(), registry.to_string()]);
    }
    let signatures = facts.arguments.whom.signatures.as_ref();
    if let Some(signatures) = signatures.filter(|place| !place.contains("://")) {
        sign.extend(["--signatures".to_owned(), signatures.clone()]);
    }
    let mut verify = facts.stagex(&["verify"]);
    verify.extend(facts.whom(true));
    let open = Open::new(by, ErrorKind::NotVerified, found).problems(problems);
    let open = if is_for_others {
        open.hint("you have signed what this machine has reproduced: others reproduce it on machines of their own, and sign it")
            .command(facts.stagex(&["reproduce"]))
    } else {
        open
    };
    Ok(open.command(sign).command(verify).found())
}

/// Somebody of the policy has signed a tag of the commit, with the number, and the policy takes it.
pub(super) fn tag(facts: &Facts) -> Result<StepState, Failure> {
    let (number, head) = (facts.number()?.to_string(), facts.head()?);
    let (believed, wanted) = facts.believed()?;
    let open = |found: String| Open::new(ReleaseBy::You, ErrorKind::NotVerified, found);
    if let Some(own) = facts.own()? {
        if let Some(wanted) = wanted
            && let Err(why) = released_as(facts.context, believed, wanted, now())?
        {
            return Ok(open(format!("the policy does not take {number}"))
                .problems(vec![why])
                .hint("[releases] of the policy says what it takes: docs/trust.md")
                .found());
        }
        let by = &own.person;
        return Ok(StepState::Done(format!(
            "{by} has signed the tag {number} of this commit"
        )));
    }
    let reference = format!("refs/tags/{number}");
    let there = ask(git::named(&facts.context.directory, &reference))?;
    let message = format!("Release {number}");
    let tag = facts.git(&["tag", "--sign", "--message", &message, &number, head]);
    let push = facts.git(&["push", "origin", &reference]);
    if there.is_some() {
        return Ok(open(format!("there is a tag {number} that does not count"))
            .problems(vec![
                "it is of another commit or has another name, or nobody of the policy has signed it with OpenPGP and a key that is good now".to_owned(),
            ])
            .hint("remove it only if nobody else has it yet")
            .command(facts.git(&["tag", "--delete", &number]))
            .command(tag)
            .command(push)
            .found());
    }
    Ok(open(format!(
        "nobody of the policy has signed a tag {number} of this commit"
    ))
    .hint("merge first what is to be merged: the tag is of the commit that is checked out")
    .command(tag)
    .command(push)
    .found())
}

/// A registry has all of it, and its tags are what is recorded.
pub(super) fn published(facts: &Facts, to: &registry::Repository) -> Result<StepState, Failure> {
    let all = facts.published()?;
    let name = to.to_string();
    let there = all.registries.iter().find(|there| there.registry == name);
    let packages = there.map(|there| &there.packages[..]).unwrap_or_default();
    let count = render::count(packages.len(), "package");
    let mut open = Open::new(ReleaseBy::You, ErrorKind::NotVerified, String::new());
    let mut failed = None;
    for package in packages {
        match &package.outcome {
            PublishOutcome::Unchanged => {}
            PublishOutcome::Failed {
                kind,
                message,
                hint,
            } => {
                failed.get_or_insert(*kind);
                open.problems
                    .push(format!("{}: {message}", package.package));
                open.hints
                    .extend(hint.clone().filter(|hint| !open.hints.contains(hint)));
            }
            PublishOutcome::Published { .. } => {
                open.problems.push(format!(
                    "{}: {} or `latest` is not there, or something that refers to it",
                    package.package, package.image
                ));
            }
            PublishOutcome::Unpublished { .. } => {
                open.problems
                    .push(format!("{}: it was not looked at", package.package));
            }
        }
    }
    if there.is_some() && open.problems.is_empty() {
        return Ok(StepState::Done(format!(
            "{name} has {count}, with `latest`"
        )));
    }
    open.found = format!("{name} lacks {} of {count}", open.problems.len());
    open.kind = failed.unwrap_or(open.kind);
    let mut words = facts.stagex(&["publish", "--latest", "--to", &name]);
    words.extend(facts.whom(true));
    Ok(open.command(words).found())
}

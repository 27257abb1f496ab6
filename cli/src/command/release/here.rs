//! The steps of a release that the tree and its git repository decide: a commit, a number, the rules, the record.

use beneath::{Directory, Kind};
use build::{ContextFileKind, Foreign, list_context};
use camino::{Utf8Path, Utf8PathBuf};
use documents::ReleaseBy;
use lint::{Selection, Severity};
use state::{CompareOptions, Digests};

use super::facts::{Facts, ask};
use super::found::{Open, StepState};
use crate::exit::ErrorKind;
use crate::failure::Failure;
use crate::place;
use crate::render;
use crate::render::findings;

/// The directories whose files make a release.
const PACKAGES: &str = "packages";
const DIGESTS: &str = "digests";

/// How many hex digits of a commit are shown to people.
pub(super) const SHOWN: usize = 12;

/// What is checked out is a commit, and everything that packages are built from is in it.
pub(super) fn tree(facts: &Facts) -> Result<StepState, Failure> {
    let open = |found: &str| Open::new(ReleaseBy::You, ErrorKind::NotVerified, found);
    let Some(found) = facts.checked_out()? else {
        return Ok(open("the tree is no clone of git, or has no commit")
            .hint("a release is a commit that somebody signs a tag of")
            .found());
    };
    if found.dirty {
        return Ok(open("files that git tracks have changed")
            .hint("commit the changes, or undo them")
            .command(facts.git(&["status"]))
            .found());
    }
    let stray = untracked(&facts.context.directory)?;
    if !stray.is_empty() {
        let stray = stray
            .into_iter()
            .map(|path| format!("{path} is not in the commit"));
        return Ok(open(
            "packages/ has files that git does not track, and packages are built from them",
        )
        .problems(stray.collect())
        .hint("add them and commit, or remove them")
        .command(facts.git(&["status", "--ignored", PACKAGES]))
        .found());
    }
    let commit = &found.commit[..SHOWN];
    Ok(StepState::Done(format!(
        "the commit {commit} is checked out, and nothing else is in packages/"
    )))
}

/// Returns the files in `packages/` that are in no commit. Sources that other tools leave there are none.
fn untracked(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Failure> {
    let tracked = ask(git::tracked(root))?.unwrap_or_default();
    let cannot = |error: std::io::Error| place::cannot("read", &root.join(PACKAGES), &error);
    let within = |path: &Utf8Path| -> std::io::Result<Vec<Utf8PathBuf>> {
        let entries = Directory::open(root)?.directory(path)?.entries()?;
        let names = entries
            .into_iter()
            .filter(|entry| entry.kind == Kind::Directory);
        Ok(names.map(|entry| path.join(entry.name)).collect())
    };
    let mut found = Vec::new();
    for stage in within(PACKAGES.into()).map_err(cannot)? {
        for package in within(&stage).map_err(cannot)? {
            let directory = build::open_package(root, &package)?;
            let files = list_context(&directory, Foreign::Fetch)?.into_iter();
            let files = files.filter(|file| file.kind != ContextFileKind::Directory);
            let files = files.map(|file| package.join(file.path));
            found.extend(files.filter(|path| !tracked.contains(path)));
        }
    }
    Ok(found)
}

/// The number is free, and above those of all releases before.
pub(super) fn number(facts: &Facts) -> Result<StepState, Failure> {
    if let Err(failure) = facts.believed() {
        if failure.kind() == ErrorKind::Interrupted {
            return Err(failure);
        }
        return Ok(Open::failed(failure)
            .hint("a policy says whose signatures count: --policy and --keyring, or [trust] in your own stagex.toml")
            .found());
    }
    let number = facts.number()?;
    if let Some(own) = facts.own()? {
        let by = &own.person;
        return Ok(StepState::Done(format!(
            "{number} is this commit: {by} has signed a tag of it"
        )));
    }
    let releases = facts.releases()?;
    let refuse = |found: String| {
        Ok(Open::new(ReleaseBy::You, ErrorKind::Usage, found)
            .hint("name a number that is above all that were signed: YYYY.MM.N")
            .found())
    };
    if let Some(taken) = releases.iter().find(|release| release.number == *number) {
        let (by, commit) = (
            &taken.person,
            &taken.commit[..SHOWN.min(taken.commit.len())],
        );
        return refuse(format!(
            "{by} has signed {number} as a tag of another commit, {commit}"
        ));
    }
    match releases.last() {
        Some(newest) if newest.number > *number => {
            let (by, newest) = (&newest.person, &newest.number);
            refuse(format!(
                "{number} is before {newest}, which {by} has signed"
            ))
        }
        Some(newest) => {
            let (by, newest) = (&newest.person, &newest.number);
            Ok(StepState::Done(format!(
                "{number} comes after {newest}, which {by} has signed"
            )))
        }
        None => Ok(StepState::Done(format!("{number} is the first release"))),
    }
}

/// The rules of trees hold.
pub(super) fn check(facts: &Facts) -> Result<StepState, Failure> {
    let options = crate::command::check::options(facts.context);
    let outcome = lint::check_tree(&facts.context.directory, &Selection::default(), &options)?;
    let errors = outcome.findings.iter();
    let errors = errors.filter(|finding| finding.rule.severity == Severity::Error);
    let errors: Vec<String> = errors.map(findings::line).collect();
    if errors.is_empty() {
        let files = render::count(outcome.files, "Containerfile");
        let warnings = render::count(outcome.count(Severity::Warning), "warning");
        return Ok(StepState::Done(format!("{files} checked, {warnings}")));
    }
    let count = render::count(errors.len(), "error");
    Ok(Open::new(
        ReleaseBy::You,
        ErrorKind::Tree,
        format!("`stagex check` finds {count}"),
    )
    .problems(errors)
    .command(facts.stagex(&["check"]))
    .found())
}

/// Each package has its digest in `digests/`, in the commit, and `out/` has no other image of one.
pub(super) fn digests(facts: &Facts) -> Result<StepState, Failure> {
    let (tree, plan, recorded) = facts.planned()?;
    let tracked = ask(git::tracked(&facts.context.directory))?.unwrap_or_default();
    let (mut problems, mut is_only_git) = (Vec::new(), true);
    for package in &plan.packages {
        if recorded.of_package(package).is_none() {
            problems.push(format!(
                "{}: no digest is recorded for each of its platforms",
                package.name
            ));
            is_only_git = false;
        }
    }
    let names = || {
        tree.outputs()
            .map(|output| (output.stage.as_str(), output.name.as_str()))
    };
    for gone in recorded.clone().update(&Digests::default(), names()) {
        problems.push(format!(
            "{gone}: a digest is recorded, and there is no such package"
        ));
        is_only_git = false;
    }
    let options = CompareOptions {
        record: false,
        verify: false,
    };
    for image in crate::command::digests::compare(facts.context, tree, options)? {
        if let (true, Some(built), Some(recorded)) = (image.differs(), image.built, image.recorded)
        {
            let image = image.image();
            problems.push(format!(
                "{image}: {recorded} is recorded, and out/ has {built}"
            ));
            is_only_git = false;
        }
    }
    let mut files: Vec<_> = plan.packages.iter().map(|package| &package.stage).collect();
    files.sort();
    files.dedup();
    for stage in files {
        let path = Utf8PathBuf::from(format!("{DIGESTS}/{stage}.txt"));
        if !tracked.contains(&path) {
            problems.push(format!("{path} is not in the commit"));
        }
    }
    if problems.is_empty() {
        let packages = render::count(plan.packages.len(), "package");
        return Ok(StepState::Done(format!(
            "{packages} recorded in the commit"
        )));
    }
    let kind = if is_only_git {
        ErrorKind::NotVerified
    } else {
        ErrorKind::Differs
    };
    let mut open = Open::new(
        ReleaseBy::You,
        kind,
        "digests/ in the commit is not what the release needs",
    );
    if !is_only_git {
        open = open.hint("a digest that is recorded was perhaps reproduced by others: look before you replace it (git diff)");
        open = open
            .command(facts.stagex(&["make"]))
            .command(facts.stagex(&["digests"]));
    }
    Ok(open
        .problems(problems)
        .command(facts.git(&["add", DIGESTS]))
        .command(facts.git(&["commit", "--gpg-sign", "--message", "digests: record"]))
        .found())
}

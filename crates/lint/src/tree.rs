//! Checking a whole tree, a part of it, or Containerfiles by their paths: reads, lets every rule look, and leaves
//! out what is suppressed.
//!
//! It does not know any rule.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::ImageFacts;
use package_tree::{DEFAULT_PLATFORM, Output, Problem, Survey, Surveyed, Tree};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::allow::{Allow, Comments};
use crate::finding::{Finding, Source};
use crate::manifest::Manifest;
use crate::outcome::{Error, Outcome};
use crate::rule::{Rule, RuleSet};
use crate::rules;
use crate::subject::{Package, Subject, bases, facts, invalid, output_name, scope};
use crate::table::{
    INVALID_CONTAINERFILE, INVALID_PACKAGE, MISSING_MANIFEST, UNKNOWN_IMAGE, UNUSED_ALLOW,
};

/// The name of a package's two files.
const CONTAINERFILE: &str = "Containerfile";
const MANIFEST: &str = "package.toml";

/// The name of the tree's settings.
const SETTINGS: &str = "stagex.toml";

/// What to check.
#[derive(Debug, Clone)]
pub struct Options {
    /// The rules.
    pub set: RuleSet,
    /// What the tree's settings suppress.
    pub allow: Vec<Allow>,
}

/// What of a tree to check; everything, if it is empty.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Targets as `make` understands them; what they need is checked too.
    pub targets: Vec<String>,
    /// Directories of packages, relative to the tree's root.
    pub directories: BTreeSet<Utf8PathBuf>,
}

impl Selection {
    fn is_everything(&self) -> bool {
        self.targets.is_empty() && self.directories.is_empty()
    }
}

/// Checks a tree, or a part of it.
///
/// # Errors
///
/// There is no tree, or no such target.
pub fn check_tree(
    root: &Utf8Path,
    selection: &Selection,
    options: &Options,
) -> Result<Outcome, Error> {
    let survey = Survey::of(root).map_err(Error::Tree)?;
    let selected = selected(&survey, selection)?;
    let is_selected = |directory: &Utf8Path| {
        let selected = selected.as_ref();
        selected.is_none_or(|selected| selected.contains(directory))
    };
    let packages = survey.packages.iter();
    let packages = packages.map(|package| (package, package.directory()));
    let packages: Vec<_> = packages
        .filter(|(_, directory)| is_selected(directory))
        .collect();
    let outputs = outputs(&survey.tree);
    let mut problems: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (rule, problem) in of_tree(&survey) {
        let file = problem.file.as_deref().unwrap_or("".into());
        problems.entry(file).or_default().push((rule, problem));
    }
    let images = images(&survey, &outputs);
    let checked: Vec<Checked> = packages
        .par_iter()
        .map(|(package, directory)| {
            let paths = Paths::of(directory);
            let outputs = outputs.get(directory.as_path()).cloned();
            let outputs = outputs.unwrap_or_default();
            let of = |path: &Utf8PathBuf| problems.get(path.as_path()).cloned().unwrap_or_default();
            let problems = [of(&paths.manifest), of(&paths.containerfile)].concat();
            let known = Known {
                tree: &survey.tree,
                images: &images,
                set: options.set,
            };
            check_package(&known, package, &paths, outputs, problems)
        })
        .collect();
    let mut outcome = Outcome {
        set: options.set,
        files: packages.len(),
        findings: Vec::new(),
        suppressed: 0,
    };
    let mut found = Vec::new();
    for checked in checked {
        outcome.suppressed += checked.suppressed;
        found.extend(checked.findings);
    }
    // What is no package's fault, such as a name that occurs twice, or of one that has no file.
    let known: BTreeSet<&Utf8Path> = packages.iter().map(|(_, path)| path.as_path()).collect();
    for (rule, problem) in problems.into_values().flatten() {
        let directory = problem.file.as_deref().and_then(Utf8Path::parent);
        if !directory.is_some_and(|directory| known.contains(directory)) && selected.is_none() {
            found.push(of_problem(
                rule,
                problem,
                &Source {
                    path: SETTINGS.into(),
                    text: "",
                },
            ));
        }
    }
    finish(&mut outcome, found, options, selection.is_everything());
    Ok(outcome)
}

/// Checks Containerfiles, each of whose paths is relative to `directory`. They are read through no symbolic link
/// in one of `trees`.
///
/// # Errors
///
/// One of them cannot be read.
pub fn check_files(
    trees: &[Utf8PathBuf],
    directory: &Utf8Path,
    files: &[Utf8PathBuf],
    options: &Options,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome {
        set: options.set,
        files: files.len(),
        findings: Vec::new(),
        suppressed: 0,
    };
    let mut all = Vec::new();
    for path in files {
        let typed = beneath::typed(trees, directory, path);
        let text = typed.and_then(|typed| typed.read_text(beneath::TEXT));
        let text = text.map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let source = Source { path, text: &text };
        let mut found = Vec::new();
        match containerfile::parse(&text) {
            Ok(file) => {
                let comments = Comments::of_containerfile(source, &file, &mut found);
                let subject = Subject::new(
                    options.set,
                    &file,
                    source,
                    None,
                    BTreeMap::new(),
                    &mut found,
                );
                rules::check(&subject, &mut found);
                let mut checked = suppress(found, &[comments], options.set);
                if path
                    .file_name()
                    .is_some_and(|name| rules::takes(&subject, name))
                {
                    checked.findings.iter_mut().for_each(|each| each.fix = None);
                }
                outcome.suppressed += checked.suppressed;
                all.extend(checked.findings);
            }
            Err(error) => all.push(invalid(&source, &error)),
        }
    }
    finish(&mut outcome, all, options, false);
    Ok(outcome)
}

/// What was found in one package.
struct Checked {
    findings: Vec<Finding>,
    suppressed: usize,
}

struct Paths {
    containerfile: Utf8PathBuf,
    manifest: Utf8PathBuf,
}

impl Paths {
    fn of(directory: &Utf8Path) -> Self {
        Self {
            containerfile: directory.join(CONTAINERFILE),
            manifest: directory.join(MANIFEST),
        }
    }
}

/// What is known of the whole tree.
struct Known<'a> {
    tree: &'a Tree,
    images: &'a BTreeMap<String, ImageFacts>,
    set: RuleSet,
}

fn check_package(
    known: &Known<'_>,
    package: &Surveyed,
    paths: &Paths,
    outputs: Vec<&Output>,
    problems: Vec<(&'static Rule, &Problem)>,
) -> Checked {
    let mut found = Vec::new();
    let mut comments = Vec::new();
    let mut taken = [false; 2];
    let manifest = Source {
        path: &paths.manifest,
        text: package.manifest.as_deref().unwrap_or_default(),
    };
    let text = package.containerfile.as_ref().map(|file| &*file.source);
    let text = text.or(package.unparsed.as_deref());
    let containerfile = Source {
        path: &paths.containerfile,
        text: text.unwrap_or_default(),
    };
    comments.push(Comments::of_manifest(manifest, &mut found));
    for (rule, problem) in problems {
        if problem.file.as_deref() == Some(&*paths.manifest) {
            found.push(of_problem(rule, problem, &manifest));
        } else {
            let is_invalid = *rule == INVALID_PACKAGE;
            let rule = if is_invalid {
                &INVALID_CONTAINERFILE
            } else {
                rule
            };
            found.push(of_problem(rule, problem, &containerfile));
        }
    }
    if let Some(file) = &package.containerfile {
        comments.push(Comments::of_containerfile(containerfile, file, &mut found));
        let bases = bases(file).into_iter();
        let facts = bases.filter_map(|base| {
            let facts = known.images.get(output_name(&base)?)?.clone();
            Some((base, facts))
        });
        let images = facts.collect();
        let of = Package {
            stage: &package.stage,
            tree: known.tree,
            manifest: Manifest::read(manifest.text),
            manifest_source: manifest,
            outputs,
        };
        let subject = Subject::new(known.set, file, containerfile, Some(of), images, &mut found);
        rules::check(&subject, &mut found);
        taken = [CONTAINERFILE, MANIFEST].map(|name| rules::takes(&subject, name));
    }
    let mut checked = suppress(found, &comments, known.set);
    for finding in &mut checked.findings {
        let is_manifest = finding.file == paths.manifest;
        // What is copied as a file may be in the image.
        if taken[usize::from(is_manifest)] {
            finding.fix = None;
        }
    }
    checked
}

/// Returns everything that is wrong with the tree itself, each with its rule.
fn of_tree(survey: &Survey) -> impl Iterator<Item = (&'static Rule, &Problem)> {
    let problems = survey.problems.iter().map(|each| (&INVALID_PACKAGE, each));
    let missing = survey.missing.iter().map(|each| (&UNKNOWN_IMAGE, each));
    let warnings = survey.tree.warnings(&[]);
    let warnings = warnings.map(|each| (&MISSING_MANIFEST, each));
    problems.chain(missing).chain(warnings)
}

fn of_problem(rule: &'static Rule, problem: &Problem, source: &Source<'_>) -> Finding {
    let message = if *rule == MISSING_MANIFEST {
        "there is no package.toml beside this Containerfile".to_owned()
    } else {
        problem.message.clone()
    };
    let mut finding = source.whole(rule, message);
    if let Some(file) = &problem.file {
        finding.file.clone_from(file);
    }
    finding.place = problem.position.map(|position| source.place_at(position));
    match &problem.hint {
        Some(hint) => finding.advice(hint.clone()),
        None => finding,
    }
}

/// Leaves out what is of other rule sets, and what comments suppress.
fn suppress(found: Vec<Finding>, comments: &[Comments<'_>], set: RuleSet) -> Checked {
    let mut findings = found;
    findings.retain(|finding| finding.rule.sets.contains(&set));
    let all = findings.len();
    findings.retain(|finding| {
        let covering = comments.iter().filter(|comments| comments.cover(finding));
        covering.count() == 0
    });
    let suppressed = all - findings.len();
    findings.extend(comments.iter().flat_map(|comments| comments.unused(set)));
    Checked {
        findings,
        suppressed,
    }
}

/// Leaves out what the settings suppress, and sorts what is left.
fn finish(outcome: &mut Outcome, found: Vec<Finding>, options: &Options, is_all: bool) {
    let mut used = vec![false; options.allow.len()];
    for finding in found {
        let mut covered = false;
        for (allow, used) in options.allow.iter().zip(&mut used) {
            let covers = allow.covers(&finding);
            *used |= covers;
            covered |= covers;
        }
        if covered {
            outcome.suppressed += 1;
        } else {
            outcome.findings.push(finding);
        }
    }
    for (allow, used) in options.allow.iter().zip(used) {
        let is_checked =
            crate::table::rule(&allow.rule).is_some_and(|rule| rule.sets.contains(&options.set));
        if is_all && is_checked && !used {
            let message = format!("nothing in `{}` breaks `{}`", allow.path, allow.rule);
            let settings = Source {
                path: SETTINGS.into(),
                text: "",
            };
            let mut finding = settings.whole(&UNUSED_ALLOW, message);
            finding.place = Some(settings.place_at((allow.line, 1)));
            outcome.findings.push(finding);
        }
    }
    let findings = &mut outcome.findings;
    findings.sort_by(|one, other| one.order().cmp(&other.order()));
    findings.dedup_by(|one, other| one.order() == other.order());
}

/// Returns the directories of what is selected, and of what targets need; nothing if that is everything.
fn selected(
    survey: &Survey,
    selection: &Selection,
) -> Result<Option<BTreeSet<Utf8PathBuf>>, Error> {
    if selection.is_everything() {
        return Ok(None);
    }
    let mut selected = selection.directories.clone();
    for directory in &selected {
        let mut packages = survey.packages.iter();
        if !packages.any(|package| package.directory() == *directory) {
            return Err(Error::NoPackage(directory.clone()));
        }
    }
    if !selection.targets.is_empty() {
        let plan = survey.tree.plan(&selection.targets, DEFAULT_PLATFORM, &[]);
        let plan = plan.map_err(|problems| {
            if survey.problems.is_empty() {
                Error::Targets(problems)
            } else {
                // The target may be what is wrong.
                Error::Tree(package_tree::Problems(survey.problems.clone()))
            }
        })?;
        let packages = plan.packages.iter();
        selected.extend(packages.map(|package| package.context.clone()));
    }
    Ok(Some(selected))
}

/// Returns the outputs by the directory that they are built from.
fn outputs(tree: &Tree) -> BTreeMap<&Utf8Path, Vec<&Output>> {
    let mut outputs: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for output in tree.outputs() {
        outputs
            .entry(output.context.as_path())
            .or_default()
            .push(output);
    }
    outputs
}

/// Returns what the outputs hand on that a stage of the tree begins with, by their names.
fn images(
    survey: &Survey,
    outputs: &BTreeMap<&Utf8Path, Vec<&Output>>,
) -> BTreeMap<String, ImageFacts> {
    let mut packages = BTreeMap::new();
    for package in &survey.packages {
        let directory = package.directory();
        for output in outputs.get(directory.as_path()).into_iter().flatten() {
            packages.insert(output.name.as_str(), (*output, package));
        }
    }
    let containerfiles: Vec<_> = survey.packages.iter().collect();
    let named: Vec<Vec<String>> = containerfiles
        .par_iter()
        .filter_map(|package| package.containerfile.as_ref())
        .map(bases)
        .collect();
    let named = named.iter().flatten().filter_map(|base| output_name(base));
    let mut images = BTreeMap::new();
    for name in named.collect::<BTreeSet<_>>() {
        learn(name, &packages, &mut images);
    }
    images
}

/// Finds out what an output hands on, and before that what its own base does.
fn learn<'a>(
    name: &'a str,
    packages: &BTreeMap<&'a str, (&'a Output, &'a Surveyed)>,
    images: &mut BTreeMap<String, ImageFacts>,
) {
    // Each waits for its bases: what is in a circle is left out.
    let mut waiting = vec![(name.to_owned(), false)];
    let mut seen = BTreeSet::new();
    while let Some((name, is_ready)) = waiting.pop() {
        let Some((output, package)) = packages.get(name.as_str()) else {
            continue;
        };
        let Some(file) = &package.containerfile else {
            continue;
        };
        let bases = bases(file);
        if !is_ready {
            if images.contains_key(&name) || !seen.insert(name.clone()) {
                continue;
            }
            waiting.push((name, true));
            let needed = bases.iter().filter_map(|base| output_name(base));
            waiting.extend(needed.map(|base| (base.to_owned(), false)));
            continue;
        }
        let known = bases.into_iter().filter_map(|base| {
            let facts = images.get(output_name(&base)?)?.clone();
            Some((base, facts))
        });
        let known: BTreeMap<_, _> = known.collect();
        if let Ok(build) = file.resolve(&scope(Some(output), &known)) {
            images.insert(name, facts(&build, &known));
        }
    }
}

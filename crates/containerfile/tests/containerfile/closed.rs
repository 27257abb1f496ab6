//! Lowering is closed: nothing that an engine is given is left for it to evaluate.
//!
//! Every Containerfile of the repository is lowered and read again, under images that set no variable and under such that
//! set every name which the file has. `STAGEX_CORPUS` names further directories, separated by `:`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use containerfile::{
    Add, Build, Containerfile, Dialect, ImageFacts, Instruction, Lowered, NetworkMode, Scope,
    Sources, Step, lower, parse,
};
use rstest::rstest;

use crate::lowering::{BARE, options};
use crate::scope;

/// What a variable has that something set which should have no say.
const POISON: &str = "po$on";

/// Returns the Containerfiles below a directory. Cases have no directories of packages in themselves.
fn find(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find(&path, found);
        } else if name.contains("ontainerfile") && !name.ends_with("ignore") {
            found.push(path);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what further files a test is to read is said to it in no other way"
)]
fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for directory in ["conformance", "packages", "examples"] {
        find(&root.join(directory), &mut found);
    }
    assert!(found.len() > 150, "{}", found.len());
    for directory in std::env::var("STAGEX_CORPUS")
        .unwrap_or_default()
        .split(':')
    {
        find(Path::new(directory), &mut found);
    }
    found.sort();
    found
}

/// Returns everything in a text that could be the name of a variable.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let words = words.filter(|word| word.starts_with(|c: char| !c.is_ascii_digit()));
    words.map(str::to_owned).collect()
}

/// Returns a scope in which all images set `names`.
fn scope_of(file: &Containerfile, names: &BTreeSet<String>) -> Scope {
    let mut scope = scope();
    let references = file.references(&scope).unwrap_or_default();
    let facts = ImageFacts {
        environment: names
            .iter()
            .map(|name| (name.clone(), POISON.to_owned()))
            .collect(),
        ..ImageFacts::default()
    };
    let images = references.into_iter();
    scope.images = images.map(|one| (one.name, facts.clone())).collect();
    scope
}

/// Returns what the steps do; `environment` says whether the environments of RUNs count.
pub(crate) fn words(build: &Build, lowered: Option<&Lowered>, environment: bool) -> Vec<String> {
    let files: BTreeMap<&str, &str> = lowered.map_or_else(BTreeMap::new, |lowered| {
        let files = lowered.files.iter();
        files
            .map(|file| (file.path.as_str(), file.contents.as_str()))
            .collect()
    });
    let steps = build.stages.iter().flat_map(|stage| &stage.steps);
    let steps = steps.filter(|step| step.makes_layer());
    steps
        .filter(|step| lowered.is_none() || !is_of_lowering(build, step))
        .map(|step| {
            let word = word(step, &files);
            match &step.instruction {
                Instruction::Run(_) if environment => format!("{word} with {:?}", step.environment),
                _ => word,
            }
        })
        .collect()
}

/// Tells whether a step is one that lowering adds: a directory that is made, or a source of mounts.
fn is_of_lowering(build: &Build, step: &Step) -> bool {
    let Instruction::Copy(copy) = &step.instruction else {
        return false;
    };
    let stage = build.stage(step.id.stage).expect("the stage of a step");
    let is_source = stage
        .name
        .as_deref()
        .is_some_and(|name| name.starts_with("stagex-mount-"));
    is_source || copy.sources.paths == ["/empty/"]
}

fn word(step: &Step, files: &BTreeMap<&str, &str>) -> String {
    let what = match &step.instruction {
        Instruction::Run(run) => {
            let invocation = step.invocation().expect("a RUN has one");
            // The whole build has none where an engine cannot be told of each.
            let network = run.network.filter(|mode| *mode != NetworkMode::None);
            format!("RUN {:?} {network:?}", invocation.words)
        }
        // An ADD of nothing but heredocs is a COPY.
        Instruction::Add(Add { sources, chmod, .. }) if !sources.heredocs.is_empty() => {
            copied(sources, chmod.as_ref(), files)
        }
        Instruction::Copy(copy) => copied(&copy.sources, copy.chmod.as_ref(), files),
        Instruction::Add(add) => {
            let mut add = add.clone();
            add.sources.json = false;
            // Of several sources it is known that they go to a directory.
            let destination = add.sources.destination.trim_end_matches('/').to_owned();
            add.sources.destination = destination;
            format!("{add:?}")
        }
        Instruction::Workdir(path) => format!("WORKDIR {path:?}"),
        other => format!("{other:?}"),
    };
    format!("{what} in {} by {:?}", step.working_directory, step.user)
}

/// Returns what a COPY makes of its sources: the contents of heredocs, wherever these lie.
fn copied(sources: &Sources, chmod: Option<&String>, files: &BTreeMap<&str, &str>) -> String {
    let own = sources.heredocs.iter();
    let own = own.map(|heredoc| heredoc.body.as_str());
    let paths = sources.paths.iter();
    let side = paths.filter_map(|path| files.get(path.trim_start_matches('/')).copied());
    let contents: Vec<_> = own.chain(side).collect();
    let paths = sources.paths.iter();
    let other: Vec<_> = paths
        .filter(|path| !files.contains_key(path.trim_start_matches('/')))
        .collect();
    let destination = sources.destination.trim_end_matches("/.");
    let destination = destination.trim_end_matches('/');
    format!("COPY {other:?} {contents:?} {destination:?} {chmod:?}")
}

#[rstest]
fn every_containerfile_lowered_and_read_again_is_the_same_build(
    #[values(BARE, Dialect::FULL, Dialect { heredocs: true, ..BARE })] dialect: Dialect,
) {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for path in corpus() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let Ok(file) = parse(&text) else {
            continue;
        };
        let none = BTreeSet::new();
        let Ok(build) = file.resolve(&scope_of(&file, &none)) else {
            continue;
        };
        let Ok(lowered) = lower(&file, &build, &options(dialect)) else {
            continue;
        };
        compared += 1;
        let again =
            parse(&lowered.text).unwrap_or_else(|error| panic!("{error}\n{}", lowered.text));
        let mut every = names(&text);
        every.extend(names(&lowered.text));
        for names in [&none, &every] {
            let read = again
                .resolve(&scope_of(&again, names))
                .unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), lowered.text));
            // What the images set is in no file.
            let environment = names.is_empty();
            let expected = words(&build, None, environment);
            let found = words(&read, Some(&lowered), environment);
            if found != expected {
                let different = expected
                    .iter()
                    .zip(&found)
                    .find(|(one, other)| one != other);
                wrong.push(format!(
                    "{}: {different:#?}\n{}",
                    path.display(),
                    lowered.text
                ));
            }
        }
        let none = again
            .resolve(&scope_of(&again, &none))
            .expect("it was read");
        let steps = none.stages.iter().flat_map(|stage| &stage.steps);
        let open = steps.filter(|step| is_open(&step.instruction, dialect));
        wrong.extend(open.map(|step| format!("{}: {}", path.display(), step.source)));
    }
    println!("{compared} compared");
    assert!(compared > 150, "{compared}");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Tells whether an instruction has something that engines read each in their own way, and this one not as `BuildKit`.
fn is_open(instruction: &Instruction, dialect: Dialect) -> bool {
    // A name is looked up in the image by all of them alike; a number alone is not.
    let owner = |chown: &Option<String>| {
        let chown = chown.as_deref().unwrap_or("0:0");
        match chown.split_once(':') {
            Some((user, group)) => user.is_empty() || group.is_empty(),
            None => chown.bytes().all(|byte| byte.is_ascii_digit()),
        }
    };
    let mode = |chmod: &Option<String>| {
        let chmod = chmod.as_deref().unwrap_or("0");
        !dialect.symbolic_modes && !chmod.bytes().all(|byte| matches!(byte, b'0'..=b'7'))
    };
    match instruction {
        Instruction::Copy(copy) => {
            owner(&copy.chown)
                || mode(&copy.chmod)
                || (copy.parents && !dialect.copy_parents)
                || (copy.link && !dialect.copy_link)
                || (!copy.exclude.is_empty() && !dialect.copy_exclude)
        }
        Instruction::Add(add) => {
            let flags = (add.keep_git_dir, &add.checksum, add.unpack);
            owner(&add.chown)
                || mode(&add.chmod)
                || (add.link && !dialect.copy_link)
                || (!add.exclude.is_empty() && !dialect.copy_exclude)
                || flags != (None, &None, None)
        }
        other => !matches!(
            other,
            Instruction::Run(_)
                | Instruction::Workdir(_)
                | Instruction::User(_)
                | Instruction::Arg(_)
                | Instruction::Env(_)
                | Instruction::Shell(_)
        ),
    }
}
